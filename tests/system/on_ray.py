"""`python -m tagger --executor ray` on a real Ray cluster of this machine: what holds of three processes holds of three
actors, and an actor that was killed begins anew.

Not part of `make test`, whose environment has no Ray (docs/decisions/ray.md): `make test-ray` runs it in one that has.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from graphfs.model import JobState
from scripts.cluster import members, started
from tests.contracts.ground import eventually
from tests.s3 import free_port
from tests.system.tagger_drive import TaggedDrive
from tests.system.tagger_team import share_and_take_over

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
SECONDS = 120.0


def answers(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ended(session: int, since: int, number: int) -> bool:
    for one in members(session, since):
        os.kill(one, number)
    return not members(session, since)


@pytest.fixture(scope="module")
def ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Ray cluster with this machine as its only node, and nothing else on it."""
    port, folder = free_port(), tmp_path_factory.mktemp("ray")
    command = [str(BIN / "python"), "-m", "ray.scripts.scripts", "start", "--head", "--block", "--port", str(port)]
    command += ["--node-ip-address", "127.0.0.1", "--include-dashboard", "false", "--disable-usage-stats"]
    command += ["--num-cpus", "4", "--object-store-memory", "100000000"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "RAY_TMPDIR": "/tmp"}
    with (folder / "log").open("wb") as log:
        head = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environment, start_new_session=True)
        since = started(head.pid)
        try:
            eventually(lambda: answers(port) or head.poll() is not None, SECONDS)
            assert head.poll() is None, (folder / "log").read_text()
            yield f"127.0.0.1:{port}"
        finally:
            eventually(lambda: ended(head.pid, since, signal.SIGKILL), 30)
            head.wait()


def workers() -> list[int]:
    """The processes of the actors."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                title = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if title.startswith(b"ray::Tagger"):
                found.append(int(entry.name))
    return found


@pytest.mark.timeout(600)
def test_three_actors_share_the_work_and_take_over(ray: str, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("jobs: {lease_seconds: 5.0}\n")
    command = [sys.executable, "-m", "tagger", "--executor", "ray", "--ray-address", ray, "--actors", "3"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with TaggedDrive(tmp_path / "state") as drive:
        command += ["--server", drive.address, "--config", str(config), "--cache", str(tmp_path / "cache")]
        team = subprocess.Popen(command, cwd=ROOT, env=environment)

        def three() -> list[int]:
            eventually(lambda: len(workers()) == 3, SECONDS)
            return workers()

        try:
            book = share_and_take_over(drive, three)
            print({worker: len(files) for worker, files in book.given.items()})
            eventually(lambda: len(workers()) == 3, SECONDS)  # the one that was killed is another one now
            late = drive.write("late.txt", b"words about rice")
            drive.wait_for(late, JobState.TAGGED)
            team.terminate()
            assert team.wait(60) == 0
            eventually(lambda: workers() == [], SECONDS)
            assert drive.service.job(late.file).state is JobState.TAGGED
        finally:
            team.kill()
            team.wait()


def test_what_is_said_without_a_cluster(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tagger", "--executor", "ray", "--ray-address", f"127.0.0.1:{free_port()}"]
    command += ["--server", f"unix:{tmp_path}/api.sock", "--cache", str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "RAY_gcs_rpc_server_reconnect_timeout_s": "2"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "there is no Ray cluster at 127.0.0.1:" in done.stderr
