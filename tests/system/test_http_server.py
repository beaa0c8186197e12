"""A main server on its own: `python -m gateway` over a state directory."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graphfs.client import connect
from graphfs.errors import DriveError
from graphfs.model import FILES_ROOT
from tests.contracts.ground import FOLDER, OWNER, eventually
from tests.house.source import ROOT
from tests.system.http_client import Http


def command(state: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "gateway", "--state", str(state), *arguments]


@contextmanager
def running(state: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command(state, *arguments), cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait(20)


def answers(state: Path) -> bool:
    drive = connect(f"unix:{state / 'api.sock'}")
    try:
        return drive.node(OWNER, FILES_ROOT).id == FILES_ROOT
    except DriveError:
        return False
    finally:
        drive.close()


def test_it_serves_stops_and_serves_again(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with running(state) as process:
        assert eventually(lambda: answers(state), 30)
        drive = connect(f"unix:{state / 'api.sock'}")
        drive.create(OWNER, FILES_ROOT, "kept", FOLDER)
        drive.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert not (state / "api.sock").exists()
    with running(state) as process:
        assert eventually(lambda: answers(state), 30)
        process.kill()
        process.wait(20)
    # Killed: its socket is still there, and in nobody's way.
    with running(state) as process:
        assert eventually(lambda: answers(state), 30)
        drive = connect(f"unix:{state / 'api.sock'}")
        assert [entry.name for entry in drive.children(OWNER, FILES_ROOT)] == ["kept"]
        drive.close()
        second = subprocess.run(
            command(state, "--listen", f"unix:{tmp_path / 'second'}"),
            cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert second.returncode == 1
        assert f"in use by process {process.pid}: the main server at unix:" in second.stderr


def test_over_tcp_with_the_token_of_the_state(tmp_path: Path) -> None:
    state = tmp_path / "state"
    port = 20000 + os.getpid() % 20000
    with running(state, "--listen", f"127.0.0.1:{port}", "--listen", f"unix:{state / 'api.sock'}"):
        assert eventually(lambda: answers(state), 30)
        token = (state / "run" / "token").read_text().strip()
        assert Http(port).ask("GET", "/v1/status").status == 401
        drive = connect(f"http://127.0.0.1:{port}", token=token)
        assert drive.node(OWNER, FILES_ROOT).id == FILES_ROOT
        drive.close()


def test_what_cannot_be_served_is_said(tmp_path: Path) -> None:
    for arguments, said in (
        (["--listen", "nonsense"], "not an address|names no port"),
        (["--listen", "127.0.0.1:99999"], "not an address"),
        (["--config", str(tmp_path / "none.yaml")], "none.yaml"),
    ):
        done = subprocess.run(
            command(tmp_path / "state", *arguments), cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 1
        assert any(part in done.stderr for part in said.split("|")), done.stderr
        assert "Traceback" not in done.stderr
