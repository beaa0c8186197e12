"""Times: set to the nanosecond, kept, and changed by what changes a file or a folder."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.filesystem.syscalls import UTIME_NOW, UTIME_OMIT, set_times

ACCESS = 1_234_567_890_123_456_789
MODIFICATION = 987_654_321_987_654_321
SECOND = 10**9


def _times(path: Path) -> tuple[int, int]:
    attributes = os.lstat(path)
    return attributes.st_atime_ns, attributes.st_mtime_ns


@pytest.fixture
def file(drive: Path) -> Path:
    """A file with known times."""
    (drive / "f").write_bytes(b"x")
    os.utime(drive / "f", ns=(ACCESS, MODIFICATION))
    return drive / "f"


def test_times_are_kept_to_the_nanosecond(file: Path) -> None:
    assert _times(file) == (ACCESS, MODIFICATION)
    (file.parent / "folder").mkdir()
    os.utime(file.parent / "folder", ns=(ACCESS, MODIFICATION))
    assert _times(file.parent / "folder") == (ACCESS, MODIFICATION)
    with open(file, "rb") as stream:
        os.utime(stream.fileno(), ns=(1, 2))
    assert _times(file) == (1, 2)


def test_times_before_1970_and_after_2106(file: Path) -> None:
    for moment in (-1_500_000_000 * SECOND + 5, 0, 5_000_000_000 * SECOND + 7):
        os.utime(file, ns=(moment, moment))
        assert _times(file) == (moment, moment)


def test_a_time_that_is_too_far_away_is_the_farthest_there_is(file: Path) -> None:
    os.utime(file, (2**40, 2**40))
    first = file.stat().st_mtime
    assert 2**33 < first <= 2**40
    with open(file, "r+b", buffering=0) as stream:
        stream.write(b"y")
        os.utime(stream.fileno(), (2**40, 2**40))
    assert file.stat().st_mtime == first


def test_what_is_touched_after_a_write_is_never_older(file: Path) -> None:
    """Whatever the clocks are that say now: `make` goes by it."""
    for number in range(40):
        made = file.with_name(f"made {number}")
        made.write_bytes(b"x")
        os.utime(file)
        assert file.stat().st_mtime_ns >= made.stat().st_mtime_ns


def test_a_write_is_one_moment_for_both_times(file: Path) -> None:
    for flags in (os.O_WRONLY, os.O_WRONLY | os.O_APPEND):
        before = time.time_ns()
        while time.time_ns() < before + 20_000_000:  # a server's clock may be ahead of the kernel's by one tick
            os.stat(file)
        descriptor = os.open(file, flags)
        os.write(descriptor, b"written")
        os.close(descriptor)
        found = file.stat()
        assert found.st_ctime_ns == found.st_mtime_ns


def test_now(file: Path) -> None:
    before = time.time_ns()
    os.utime(file)
    access, modification = _times(file)
    assert abs(access - before) < 60 * SECOND
    assert abs(modification - before) < 60 * SECOND


def test_now_and_omit_one_by_one(file: Path) -> None:
    now = time.time_ns()
    set_times(file, (0, UTIME_OMIT), (0, UTIME_NOW))
    access, modification = _times(file)
    assert access == ACCESS
    assert abs(modification - now) < 60 * SECOND
    set_times(file, (5, 6), (0, UTIME_OMIT))
    assert _times(file) == (5 * SECOND + 6, modification)
    set_times(file, (0, UTIME_NOW), (7, 8))
    access, modification = _times(file)
    assert modification == 7 * SECOND + 8
    assert abs(access - now) < 60 * SECOND


def test_a_symlink_has_times_of_its_own(file: Path) -> None:
    link = file.parent / "link"
    link.symlink_to("f")
    os.utime(link, ns=(111, 222), follow_symlinks=False)
    assert _times(link)[1] == 222
    assert _times(file) == (ACCESS, MODIFICATION)


def _open_and_write(file: Path) -> None:
    with open(file, "r+b", 0) as stream:
        stream.write(b"y")


def _write_nothing(file: Path) -> None:
    with open(file, "r+b", 0) as stream:
        stream.write(b"")


@pytest.mark.parametrize(
    "change",
    [
        _open_and_write,
        lambda file: os.truncate(file, 100),
        lambda file: os.truncate(file, 0),
        lambda file: open(file, "wb").close(),
    ],
    ids=["write", "extend", "cut", "O_TRUNC"],
)
def test_a_change_of_content_changes_mtime_and_ctime(file: Path, change: Callable[[Path], None]) -> None:
    before = os.stat(file).st_ctime_ns
    change(file)
    attributes = os.stat(file)
    assert attributes.st_mtime_ns > MODIFICATION
    assert attributes.st_ctime_ns >= before
    assert abs(attributes.st_mtime_ns - time.time_ns()) < 60 * SECOND


@pytest.mark.parametrize(
    "look",
    [
        lambda file: file.read_bytes(),
        _write_nothing,
        os.stat,
        lambda file: os.close(os.open(file, os.O_RDWR)),
        lambda file: os.chmod(file, 0o600),
        lambda file: os.rename(file, file),
        lambda file: os.setxattr(file, "user.x", b"y"),
        lambda file: os.link(file, file.parent / "other"),
    ],
    ids=["read", "write nothing", "stat", "open", "chmod", "rename", "setxattr", "link"],
)
def test_what_changes_no_content_leaves_mtime(file: Path, look: Callable[[Path], object]) -> None:
    look(file)
    assert os.stat(file).st_mtime_ns == MODIFICATION


@pytest.mark.parametrize(
    "change",
    [
        lambda file: os.chmod(file, 0o601),
        lambda file: os.setxattr(file, "user.x", b"y"),
        lambda file: os.link(file, file.parent / "other"),
        lambda file: os.utime(file, ns=(1, 1)),
        lambda file: os.rename(file, file.parent / "moved"),
    ],
    ids=["chmod", "setxattr", "link", "utime", "rename"],
)
def test_what_changes_the_record_changes_ctime(file: Path, change: Callable[[Path], object]) -> None:
    with open(file, "rb") as stream:
        before = os.fstat(stream.fileno()).st_ctime_ns
        deadline = time.monotonic() + 5
        while time.time_ns() < before + 20_000_000:  # the clock of the kernel ticks in steps of up to 10 ms
            assert time.monotonic() < deadline
        change(file)
        assert os.fstat(stream.fileno()).st_ctime_ns > before


def test_times_set_before_close_survive_it(drive: Path) -> None:
    """What cp -p and rsync do: write, set the times, close."""
    with open(drive / "f", "wb") as stream:
        stream.write(b"x" * 300_000)
        stream.flush()
        os.utime(stream.fileno(), ns=(ACCESS, MODIFICATION))
    assert _times(drive / "f") == (ACCESS, MODIFICATION)


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "new").touch(),
        lambda folder: (folder / "new").mkdir(),
        lambda folder: (folder / "new").symlink_to("x"),
        lambda folder: os.link(folder / "old", folder / "new"),
        lambda folder: os.unlink(folder / "old"),
        lambda folder: os.rmdir(folder / "sub"),
        lambda folder: os.rename(folder / "old", folder / "new"),
        lambda folder: os.rename(folder / "old", folder.parent / "away"),
        lambda folder: os.mkfifo(folder / "new"),
    ],
    ids=["create", "mkdir", "symlink", "link", "unlink", "rmdir", "rename", "move away", "mkfifo"],
)
def test_a_change_of_names_changes_the_folders_times(drive: Path, change: Callable[[Path], object]) -> None:
    folder = drive / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "old").touch()
    os.utime(folder, ns=(MODIFICATION, MODIFICATION))
    before = os.stat(folder).st_ctime_ns
    change(folder)
    attributes = os.stat(folder)
    assert attributes.st_mtime_ns > MODIFICATION
    assert attributes.st_ctime_ns >= before


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "old").write_bytes(b"new"),
        lambda folder: os.chmod(folder / "old", 0o600),
        lambda folder: (folder / "sub" / "new").touch(),
        os.listdir,
    ],
    ids=["content", "chmod", "below", "list"],
)
def test_what_changes_no_names_leaves_the_folders_mtime(drive: Path, change: Callable[[Path], object]) -> None:
    folder = drive / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "old").touch()
    os.utime(folder, ns=(MODIFICATION, MODIFICATION))
    change(folder)
    assert os.stat(folder).st_mtime_ns == MODIFICATION
