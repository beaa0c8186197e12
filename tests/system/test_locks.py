"""flock and fcntl locks that hold across mounts: two of one main server, each with `-o locks=server`."""

import contextlib
import fcntl
import os
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.ground import eventually
from tests.system import rivals
from tests.system.mounts import Place, place
from tests.system.remote import gateway, remote_mount

pytestmark = pytest.mark.timeout(180)

LOCKS = ("-o", "locks=server")
FLOCK = struct.Struct("hhqqi4x")
"""`struct flock`: type, whence, start, length, pid."""
TURNS = 25


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Place, Place]]:
    with (
        gateway(tmp_path) as server,
        remote_mount(server, tmp_path / "a", *LOCKS) as a,
        remote_mount(server, tmp_path / "b", *LOCKS) as b,
    ):
        (a.drive / "files" / "f").write_text("0123456789")
        eventually((b.drive / "files" / "f").exists, 10)
        yield a, b


def opened(there: Place, name: str = "f") -> int:
    return os.open(there.drive / "files" / name, os.O_RDWR)


def taken(descriptor: int, command: int) -> bool:
    try:
        fcntl.flock(descriptor, command | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def range_taken(descriptor: int, start: int, length: int, command: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.lockf(descriptor, command | fcntl.LOCK_NB, length, start)
    except BlockingIOError:
        return False
    return True


def test_flock_holds_across_mounts(two: tuple[Place, Place]) -> None:
    here, other, there = opened(two[0]), opened(two[0]), opened(two[1])
    assert taken(here, fcntl.LOCK_EX)
    assert not taken(there, fcntl.LOCK_EX)
    assert not taken(there, fcntl.LOCK_SH)
    assert not taken(other, fcntl.LOCK_EX), "on the same mount too"
    fcntl.flock(here, fcntl.LOCK_SH)
    assert taken(there, fcntl.LOCK_SH)
    assert not taken(here, fcntl.LOCK_EX)
    os.close(there)
    os.close(other)
    eventually(lambda: taken(here, fcntl.LOCK_EX), 10)  # the kernel tells of a release a moment later
    os.close(here)


def test_ranges_hold_across_mounts(two: tuple[Place, Place]) -> None:
    here, there = opened(two[0]), opened(two[1])
    assert range_taken(here, 0, 5)
    assert range_taken(there, 5, 5)
    assert not range_taken(there, 4, 1)
    answer = fcntl.fcntl(there, fcntl.F_GETLK, FLOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0))
    assert FLOCK.unpack(answer)[:4] == (fcntl.F_WRLCK, os.SEEK_SET, 0, 5)
    second = opened(two[0])
    os.close(second)  # as POSIX has it, all ranges of the process are free then
    assert range_taken(there, 0, 5)
    answer = fcntl.fcntl(there, fcntl.F_GETLK, FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    assert FLOCK.unpack(answer)[0] == fcntl.F_UNLCK, "one's own are in nobody's way"
    os.close(here)
    os.close(there)


def test_who_waits_gets_it(two: tuple[Place, Place]) -> None:
    here, there = opened(two[0]), opened(two[1])
    fcntl.flock(here, fcntl.LOCK_EX)
    got = threading.Event()

    def wait() -> None:
        fcntl.flock(there, fcntl.LOCK_EX)
        got.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert not got.wait(0.5)
    assert (two[1].drive / "files" / "f").read_text() == "0123456789", "others are answered meanwhile"
    fcntl.flock(here, fcntl.LOCK_UN)
    assert got.wait(20)
    waiting.join()
    os.close(here)
    os.close(there)


def test_who_waits_can_be_interrupted_and_killed(two: tuple[Place, Place]) -> None:
    here = opened(two[0])
    fcntl.flock(here, fcntl.LOCK_EX)
    script = "import fcntl, sys; f = open(sys.argv[1], 'r+'); print('waits', flush=True); fcntl.flock(f, fcntl.LOCK_EX)"
    for number in (signal.SIGINT, signal.SIGKILL):
        with subprocess.Popen(
            [sys.executable, "-c", script, str(two[1].drive / "files" / "f")],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as waiting:
            assert waiting.stdout is not None
            waiting.stdout.readline()
            with pytest.raises(subprocess.TimeoutExpired):
                waiting.wait(0.5)
            waiting.send_signal(number)
            waiting.wait(20)
    os.close(here)


def test_what_is_read_under_a_lock_is_what_was_written_under_the_last(two: tuple[Place, Place]) -> None:
    rivals.counted_by_both((two[0].drive / "files", two[1].drive / "files"), TURNS)


def test_a_file_that_was_renamed_meanwhile(two: tuple[Place, Place]) -> None:
    here, there = two[0].drive / "files" / "f", two[1].drive / "files" / "f"
    descriptor = os.open(there, os.O_RDWR)
    assert os.pread(descriptor, 100, 0) == b"0123456789"
    os.rename(there, there.with_name("g"))
    eventually(here.with_name("g").exists, 10)
    here.with_name("g").write_bytes(b"abcdefghij")
    fcntl.lockf(descriptor, fcntl.LOCK_EX)
    assert os.pread(descriptor, 100, 0) == b"abcdefghij"
    os.close(descriptor)


def test_a_database_on_two_mounts(two: tuple[Place, Place]) -> None:
    with sqlite3.connect(two[0].drive / "files" / "db") as first:
        first.execute("CREATE TABLE count(n INTEGER)")
        first.execute("INSERT INTO count VALUES(0)")
    first.close()
    eventually((two[1].drive / "files" / "db").exists, 10)
    script = f"""
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], timeout=100, isolation_level=None)
for _ in range({TURNS}):
    database.execute("BEGIN IMMEDIATE")
    database.execute("UPDATE count SET n = n + 1")
    database.execute("COMMIT")
"""
    both = [
        subprocess.Popen([sys.executable, "-c", script, str(there.drive / "files" / "db")], stderr=subprocess.PIPE)
        for there in two
    ]
    said = [one.communicate(timeout=150)[1].decode() for one in both]
    assert said == ["", ""]
    with sqlite3.connect(two[1].drive / "files" / "db") as second:
        assert second.execute("SELECT n FROM count").fetchone() == (2 * TURNS,)
        assert second.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    second.close()


def test_locks_of_a_mount_that_died_end_with_their_lease(two: tuple[Place, Place]) -> None:
    here, there = opened(two[0]), opened(two[1])
    fcntl.flock(here, fcntl.LOCK_EX)
    os.kill(two[0].record.pid, signal.SIGKILL)
    assert not taken(there, fcntl.LOCK_EX)
    eventually(lambda: taken(there, fcntl.LOCK_EX), 60)
    os.close(there)
    with contextlib.suppress(OSError):  # of a mount that is gone
        os.close(here)


def test_an_unmounted_one_has_none(two: tuple[Place, Place]) -> None:
    there = opened(two[1])
    script = "import fcntl, sys; f = open(sys.argv[1], 'r+'); fcntl.flock(f, fcntl.LOCK_EX)"
    subprocess.run([sys.executable, "-c", script, str(two[0].drive / "files" / "f")], check=True, timeout=60)
    assert two[0].unmount().returncode == 0
    assert taken(there, fcntl.LOCK_EX)
    os.close(there)


def test_a_binding_that_passes_none_on_is_refused(tmp_path: Path) -> None:
    with place(tmp_path) as there:
        done = there.mount("-o", "locks=server,binding=pyfuse3")
        assert done.returncode == 8
        assert "use -o binding=fusepy" in done.stderr


def test_on_a_drive_of_this_machine(tmp_path: Path) -> None:
    with place(tmp_path) as there:
        assert there.mount(*LOCKS).returncode == 0
        (there.drive / "files" / "f").write_text("x")
        one, other = opened(there), opened(there)
        assert taken(one, fcntl.LOCK_EX)
        assert not taken(other, fcntl.LOCK_EX)
        os.close(one)
        eventually(lambda: taken(other, fcntl.LOCK_EX), 10)
        os.close(other)
