"""The program beside the mount: started again when it ends, ended with the mount."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from graphfs.mounting.supervisor import Supervisor

FOREVER = [sys.executable, "-c", "import signal; signal.pause()"]
DEADLINE = 30.0


@contextmanager
def supervised(command: list[str], output: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor("it", command, output, os.environ, first_pause=0.01)
    supervisor.start()
    try:
        yield supervisor
    finally:
        supervisor.stop()


@pytest.mark.allows_log("it ended with signal 9")
def test_a_program_that_dies_is_started_again(tmp_path: Path) -> None:
    with supervised(FOREVER, tmp_path / "log") as supervisor:
        first = supervisor.await_start(1, DEADLINE)
        os.kill(first, signal.SIGKILL)
        second = supervisor.await_start(2, DEADLINE)
        assert second not in (0, first)


def test_a_stop_ends_it(tmp_path: Path) -> None:
    with supervised(FOREVER, tmp_path / "log") as supervisor:
        pid = supervisor.await_start(1, DEADLINE)
    assert not Path(f"/proc/{pid}").exists()


def test_a_stop_ends_it_also_when_it_was_started_by_a_thread_that_holds_signals_back(tmp_path: Path) -> None:
    """As libfuse's threads do. Nothing is logged: it did not have to be killed."""
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    try:
        with supervised(FOREVER, tmp_path / "log") as supervisor:
            pid = supervisor.await_start(1, DEADLINE)
            blocked = Path(f"/proc/{pid}/status").read_text().split("SigBlk:")[1].split()[0]
            assert int(blocked, 16) == 0
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.allows_log("it ended with status 3; it is started again in")
def test_its_output_is_kept_over_several_starts(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; print('here'); sys.exit(3)"]
    with supervised(command, tmp_path / "log") as supervisor:
        assert supervisor.await_start(3, DEADLINE)
    assert (tmp_path / "log").read_text().count("here") >= 2


@pytest.mark.allows_log("it ended with No such file or directory")
def test_a_program_that_is_missing_is_no_fault(tmp_path: Path) -> None:
    with supervised([str(tmp_path / "absent")], tmp_path / "log") as supervisor:
        assert supervisor.await_start(1, 0.2) == 0


def test_a_stop_before_the_start_is_fine(tmp_path: Path) -> None:
    Supervisor("it", FOREVER, tmp_path / "log", {}).stop()
