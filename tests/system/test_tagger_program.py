"""`python -m tagger` as a program: it starts, ends, is killed, and loses nothing."""

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from graphfs.model import EdgeState, JobState
from tests.system.tagger_drive import TaggedDrive
from tests.system.tagger_team import share_and_take_over
from tests.unit.tagger.scripted import Hang, ScriptedEndpoint, tags

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[TaggedDrive]:
    with TaggedDrive(tmp_path / "state") as made:
        yield made


def start(drive: TaggedDrive, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tagger", "--server", drive.address, *more]
    return subprocess.Popen(command, cwd=ROOT)


def test_the_program(drive: TaggedDrive) -> None:
    """`python -m tagger` tags, ends cleanly on SIGTERM, and keeps what it learned beside the socket."""
    process = start(drive, "--parent-pid", str(os.getpid()))
    try:
        node = drive.write("Notes/a.txt", b"some words about bread\n")
        drive.wait_for(node, JobState.TAGGED)
        assert drive.tags_of(node) >= {"type/text", "notes"}
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    assert (drive.state / "tagger" / "vectors-3.npz").exists()


def test_a_killed_tagger_loses_nothing(drive: TaggedDrive, tmp_path: Path) -> None:
    """With a large model, by configuration; it stays within 600 MB."""
    with ScriptedEndpoint(Hang()) as endpoint:
        config = tmp_path / "config.yaml"
        llm = f"{{base_url: '{endpoint.url}', model: scripted}}"
        config.write_text(f"jobs: {{lease_seconds: 2.0}}\ntagger: {{llm: {llm}}}\n")
        node = drive.write("a.txt", b"some words")
        process = start(drive, "--config", str(config))
        try:
            drive.wait(lambda: bool(endpoint.requests))
            status = Path(f"/proc/{process.pid}/status").read_text()
        finally:
            process.kill()
            process.wait()
        assert drive.state_of(node) is JobState.LEASED
        endpoint.steps = [tags(new="novelty")]
        process = start(drive, "--config", str(config))
        try:
            drive.wait_for(node, JobState.TAGGED)
        finally:
            process.terminate()
            assert process.wait(30) == 0
    assert "novelty" in drive.tags_of(node, EdgeState.REVIEW)
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    assert int(peak.split()[1]) < 600_000


PARENT = """
import os, subprocess, sys
command = [sys.executable, "-m", "tagger", "--server", sys.argv[1], "--parent-pid", str(os.getpid())]
print(subprocess.Popen(command).pid, flush=True)
sys.stdin.read()
"""


def test_it_ends_with_its_parent(drive: TaggedDrive) -> None:
    command = [sys.executable, "-c", PARENT, drive.address]
    middle = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert middle.stdin is not None
    assert middle.stdout is not None
    with middle.stdin, middle.stdout:
        end = os.pidfd_open(int(middle.stdout.readline()))
        try:
            node = drive.write("a.txt", b"words")
            drive.wait_for(node, JobState.TAGGED)
            middle.kill()
            middle.wait()
            ended, _, _ = select.select([end], [], [], 30)
            assert ended
        finally:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(end, signal.SIGKILL)
            os.close(end)


@pytest.mark.timeout(300)
def test_three_of_them_share_the_work_and_take_over(drive: TaggedDrive, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("jobs: {lease_seconds: 5.0}\n")
    with contextlib.ExitStack() as stack:

        def three() -> list[int]:
            found = []
            for number in range(3):
                process = start(drive, "--config", str(config), "--cache", str(tmp_path / f"cache{number}"))
                stack.callback(process.wait)
                stack.callback(process.kill)
                found.append(process.pid)
            return found

        book = share_and_take_over(drive, three)
    assert len(book.given) == 3


def test_ray_is_for_those_who_have_it(drive: TaggedDrive) -> None:
    command = [sys.executable, "-m", "tagger", "--server", drive.address, "--executor", "ray"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "tagger: Ray is not installed here. `.venv/bin/pip install -r locks/ray.txt` does it\n"
