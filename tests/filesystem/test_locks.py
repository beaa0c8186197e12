"""fcntl(2) record locks and flock(2) between processes."""

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.filesystem.processes import Child, run_apart
from tests.filesystem.syscalls import failure

LOCKERS = [fcntl.lockf, fcntl.flock]


def _try(lock: Callable[..., None], path: Path, kind: int = fcntl.LOCK_EX) -> bool:
    """Whether another process gets the lock at once."""

    def attempt() -> bool:
        with open(path, "r+b") as stream:
            return failure(lambda: lock(stream, kind | fcntl.LOCK_NB)) is None

    return run_apart(attempt)


@pytest.mark.parametrize("lock", LOCKERS)
def test_an_exclusive_lock_keeps_others_out(drive: Path, lock: Callable[..., None]) -> None:
    (drive / "f").touch()
    with open(drive / "f", "r+b") as stream:
        lock(stream, fcntl.LOCK_EX)
        assert not _try(lock, drive / "f")
        assert not _try(lock, drive / "f", fcntl.LOCK_SH)
        lock(stream, fcntl.LOCK_UN)
        assert _try(lock, drive / "f")
        lock(stream, fcntl.LOCK_EX)
    assert _try(lock, drive / "f")  # closing unlocks


@pytest.mark.parametrize("lock", LOCKERS)
def test_shared_locks_go_together(drive: Path, lock: Callable[..., None]) -> None:
    (drive / "f").touch()
    with open(drive / "f", "r+b") as stream:
        lock(stream, fcntl.LOCK_SH)
        assert _try(lock, drive / "f", fcntl.LOCK_SH)
        assert not _try(lock, drive / "f")


@pytest.mark.parametrize("lock", LOCKERS)
def test_a_waiting_locker_goes_on_when_the_holder_ends(drive: Path, lock: Callable[..., None]) -> None:
    (drive / "f").write_bytes(b"")

    def append() -> None:
        with open(drive / "f", "r+b", 0) as stream:
            lock(stream, fcntl.LOCK_EX)
            stream.seek(0, os.SEEK_END)
            stream.write(b"second")

    with open(drive / "f", "r+b", 0) as stream:
        lock(stream, fcntl.LOCK_EX)
        with Child(append) as waiting:
            stream.write(b"first ")
            lock(stream, fcntl.LOCK_UN)
            waiting.result()
    assert (drive / "f").read_bytes() == b"first second"


def test_record_locks_are_of_byte_ranges(drive: Path) -> None:
    (drive / "f").write_bytes(bytes(100))

    def attempts() -> list[bool]:
        with open(drive / "f", "r+b") as stream:
            return [
                failure(lambda s=start: fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, s)) is None  # type: ignore[misc]  # bound at once
                for start in (0, 10, 19, 20)
            ]

    with open(drive / "f", "r+b") as stream:
        fcntl.lockf(stream, fcntl.LOCK_EX, 10, 10)
        assert run_apart(attempts) == [True, False, False, True]


def test_a_refused_record_lock_says_so(drive: Path) -> None:
    (drive / "f").touch()

    def attempt() -> int | None:
        with open(drive / "f", "r+b") as other:
            return failure(lambda: fcntl.lockf(other, fcntl.LOCK_EX | fcntl.LOCK_NB))

    with open(drive / "f", "r+b") as stream:
        fcntl.lockf(stream, fcntl.LOCK_EX)
        assert run_apart(attempt) in (errno.EAGAIN, errno.EACCES)


def test_record_locks_hold_through_another_name(drive: Path) -> None:
    (drive / "a").touch()
    os.link(drive / "a", drive / "b")
    with open(drive / "a", "r+b") as stream:
        fcntl.lockf(stream, fcntl.LOCK_EX)
        assert not _try(fcntl.lockf, drive / "b")


def test_counting_under_a_lock_loses_nothing(drive: Path) -> None:
    (drive / "counter").write_text("0")

    def count() -> None:
        for _ in range(50):
            with open(drive / "counter", "r+") as stream:
                fcntl.lockf(stream, fcntl.LOCK_EX)
                number = int(stream.read())
                stream.seek(0)
                stream.write(str(number + 1))
                stream.flush()

    children = [Child(count) for _ in range(4)]
    for child in children:
        with child:
            child.result()
    assert (drive / "counter").read_text() == "200"
