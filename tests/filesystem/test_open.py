"""open(2) and its flags, read and write at offsets, truncate: one process, one file."""

import errno
import os
import stat
from pathlib import Path

import pytest

from tests.filesystem.syscalls import failure, name_unnamed

CHUNK = 128 * 1024
"""What a FUSE write carries at most; lengths around it find mistakes at the border."""


def test_a_new_file_has_the_mode_less_the_umask(drive: Path) -> None:
    old = os.umask(0o027)
    try:
        os.close(os.open(drive / "f", os.O_CREAT | os.O_WRONLY, 0o666))
    finally:
        os.umask(old)
    attributes = os.stat(drive / "f")
    assert stat.S_IMODE(attributes.st_mode) == 0o640
    assert stat.S_ISREG(attributes.st_mode)
    assert (attributes.st_size, attributes.st_nlink, attributes.st_uid) == (0, 1, os.geteuid())


def test_exclusive_creation_refuses_what_is_there(drive: Path) -> None:
    (drive / "f").write_bytes(b"old")
    (drive / "dangling").symlink_to("nowhere")
    for name in ("f", "dangling"):
        with pytest.raises(FileExistsError):
            os.open(drive / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    assert (drive / "f").read_bytes() == b"old"
    assert not (drive / "nowhere").exists()


def test_a_file_created_without_write_permission_is_writable_by_its_descriptor(drive: Path) -> None:
    descriptor = os.open(drive / "f", os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o400)
    assert os.write(descriptor, b"kept") == 4
    os.close(descriptor)
    assert (drive / "f").read_bytes() == b"kept"


def test_creation_through_a_dangling_symlink_makes_its_target(drive: Path) -> None:
    (drive / "link").symlink_to("target")
    (drive / "link").write_bytes(b"x")
    assert (drive / "target").read_bytes() == b"x"
    assert (drive / "link").is_symlink()


def test_append_goes_to_the_end_whatever_the_position(drive: Path) -> None:
    (drive / "f").write_bytes(b"start ")
    descriptor = os.open(drive / "f", os.O_RDWR | os.O_APPEND)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, b"more")
    assert os.lseek(descriptor, 0, os.SEEK_CUR) == 10
    assert os.pread(descriptor, 20, 0) == b"start more"
    with open(drive / "f", "ab") as other:
        other.write(b" other")
    os.write(descriptor, b" end")
    os.close(descriptor)
    assert (drive / "f").read_bytes() == b"start more other end"


def test_append_after_another_descriptor_truncated(drive: Path) -> None:
    descriptor = os.open(drive / "f", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.write(descriptor, b"x" * 100)
    os.truncate(drive / "f", 3)
    os.write(descriptor, b"yy")
    os.close(descriptor)
    assert (drive / "f").read_bytes() == b"xxxyy"


def test_truncate_on_open_empties_and_keeps_the_inode(drive: Path) -> None:
    (drive / "f").write_bytes(b"x" * 10_000)
    before = os.stat(drive / "f").st_ino
    with open(drive / "f", "wb"):
        assert os.stat(drive / "f").st_size == 0
    assert os.stat(drive / "f").st_ino == before
    assert (drive / "f").read_bytes() == b""


def test_truncate_on_open_for_reading_only_empties_too(drive: Path) -> None:
    """POSIX leaves it open; Linux does it."""
    file = drive / "f"
    file.write_bytes(b"old content")
    descriptor = os.open(file, os.O_RDONLY | os.O_TRUNC)
    assert os.fstat(descriptor).st_size == 0
    assert os.read(descriptor, 99) == b""
    os.close(descriptor)
    assert file.read_bytes() == b""


def test_truncate_on_open_is_seen_by_a_descriptor_that_was_open(drive: Path) -> None:
    (drive / "f").write_bytes(b"old content")
    with open(drive / "f", "rb", 0) as reader:
        (drive / "f").write_bytes(b"new")
        assert os.fstat(reader.fileno()).st_size == 3
        assert reader.read() == b"new"


@pytest.mark.parametrize(("flags", "problem"), [(os.O_RDONLY, errno.EBADF), (os.O_WRONLY, errno.EBADF)])
def test_a_descriptor_does_what_it_was_opened_for_only(drive: Path, flags: int, problem: int) -> None:
    (drive / "f").write_bytes(b"x")
    descriptor = os.open(drive / "f", flags)
    try:
        assert (
            failure(lambda: os.write(descriptor, b"y") if flags == os.O_RDONLY else os.read(descriptor, 1)) == problem
        )
    finally:
        os.close(descriptor)


def test_folders_cannot_be_written_and_files_are_no_folders(drive: Path) -> None:
    (drive / "folder").mkdir()
    (drive / "file").touch()
    with pytest.raises(IsADirectoryError):
        os.open(drive / "folder", os.O_WRONLY)
    with pytest.raises(NotADirectoryError):
        os.open(drive / "file", os.O_RDONLY | os.O_DIRECTORY)
    with pytest.raises(NotADirectoryError):
        os.stat(drive / "file" / "below")
    with pytest.raises(NotADirectoryError):
        os.open(f"{drive}/file/", os.O_RDONLY)
    with pytest.raises(FileNotFoundError):
        os.open(drive / "absent", os.O_RDONLY)


def test_no_follow_refuses_a_symlink(drive: Path) -> None:
    (drive / "target").touch()
    (drive / "link").symlink_to("target")
    assert failure(lambda: os.open(drive / "link", os.O_RDONLY | os.O_NOFOLLOW)) == errno.ELOOP


def test_a_temporary_file_without_a_name(drive: Path) -> None:
    descriptor = os.open(drive, os.O_TMPFILE | os.O_RDWR, 0o600)
    try:
        os.write(descriptor, b"unnamed")
        assert os.fstat(descriptor).st_nlink == 0
        name_unnamed(descriptor, drive / "named")
    finally:
        os.close(descriptor)
    assert (drive / "named").read_bytes() == b"unnamed"


def test_synchronous_descriptors_write(drive: Path) -> None:
    for name, flag in (("s", os.O_SYNC), ("d", os.O_DSYNC)):
        descriptor = os.open(drive / name, os.O_CREAT | os.O_WRONLY | flag)
        os.write(descriptor, b"durable")
        os.close(descriptor)
        assert (drive / name).read_bytes() == b"durable"


def test_a_path_descriptor_only_names(drive: Path) -> None:
    (drive / "f").write_bytes(b"x")
    descriptor = os.open(drive / "f", os.O_PATH)
    try:
        assert os.fstat(descriptor).st_size == 1
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.read(descriptor, 1)
    finally:
        os.close(descriptor)


def test_two_descriptors_see_each_others_writes_at_once(drive: Path) -> None:
    one = os.open(drive / "f", os.O_CREAT | os.O_RDWR)
    two = os.open(drive / "f", os.O_RDWR)
    try:
        for number in range(50):
            os.pwrite(one, b"%04d" % number, 0)
            assert os.pread(two, 4, 0) == b"%04d" % number
            assert os.fstat(two).st_size == max(4, number * 10)
            os.pwrite(two, b"z", number * 10 + 9)
            assert os.fstat(one).st_size == number * 10 + 10
    finally:
        os.close(one)
        os.close(two)


@pytest.mark.parametrize("length", [0, 1, 4095, 4096, 4097, CHUNK - 1, CHUNK, CHUNK + 1, 3 * 1024 * 1024 + 17])
def test_content_of_any_length_comes_back(drive: Path, length: int) -> None:
    content = os.urandom(length)
    (drive / "f").write_bytes(content)
    assert (drive / "f").stat().st_size == length
    assert (drive / "f").read_bytes() == content
    with open(drive / "f", "rb") as stream:
        stream.seek(length // 2)
        assert stream.read() == content[length // 2 :]
        assert stream.read() == b""


def test_writes_at_any_offset_in_any_order(drive: Path) -> None:
    expected = bytearray(300_000)
    with open(drive / "f", "w+b", 0) as stream:
        for offset, length in ((250_000, 50_000), (0, 10), (131_070, 4), (4_095, 2), (100_000, 60_000), (99_999, 3)):
            data = os.urandom(length)
            os.pwrite(stream.fileno(), data, offset)
            expected[offset : offset + length] = data
        assert os.pread(stream.fileno(), 400_000, 0) == expected
    assert (drive / "f").read_bytes() == expected


def test_vectored_reads_and_writes(drive: Path) -> None:
    descriptor = os.open(drive / "f", os.O_CREAT | os.O_RDWR)
    try:
        assert os.pwritev(descriptor, [b"one", b"two", b"three"], 5) == 11
        first, second = bytearray(4), bytearray(20)
        assert os.preadv(descriptor, [first, second], 4) == 12
        assert (bytes(first), bytes(second[:8])) == (b"\0one", b"twothree")
    finally:
        os.close(descriptor)


def test_reading_past_the_end_gives_nothing(drive: Path) -> None:
    (drive / "f").write_bytes(b"abc")
    descriptor = os.open(drive / "f", os.O_RDONLY)
    try:
        assert os.pread(descriptor, 10, 2) == b"c"
        assert os.pread(descriptor, 10, 3) == b""
        assert os.pread(descriptor, 10, 1 << 40) == b""
    finally:
        os.close(descriptor)


def test_truncate_down_and_up_again_leaves_zeros(drive: Path) -> None:
    (drive / "f").write_bytes(b"x" * 10_000)
    os.truncate(drive / "f", 5_000)
    assert (drive / "f").stat().st_size == 5_000
    os.truncate(drive / "f", 12_000)
    assert (drive / "f").read_bytes() == b"x" * 5_000 + bytes(7_000)


def test_truncate_by_descriptor(drive: Path) -> None:
    with open(drive / "f", "w+b", 0) as stream:
        stream.write(b"abcdef")
        os.ftruncate(stream.fileno(), 3)
        assert os.fstat(stream.fileno()).st_size == 3
        assert os.pread(stream.fileno(), 10, 0) == b"abc"
        stream.write(b"X")  # the position stayed at 6
        assert os.pread(stream.fileno(), 10, 0) == b"abc\0\0\0X"
        os.ftruncate(stream.fileno(), 0)
        os.ftruncate(stream.fileno(), 2)
    assert (drive / "f").read_bytes() == b"\0\0"


def test_truncate_refuses_what_it_should(drive: Path) -> None:
    (drive / "f").write_bytes(b"x")
    (drive / "folder").mkdir()
    assert failure(lambda: os.truncate(drive / "f", -1)) == errno.EINVAL
    assert failure(lambda: os.truncate(drive / "folder", 0)) == errno.EISDIR
    assert failure(lambda: os.truncate(drive / "absent", 0)) == errno.ENOENT


def test_fsync_of_files_and_folders(drive: Path) -> None:
    (drive / "folder").mkdir()
    descriptor = os.open(drive / "folder" / "f", os.O_CREAT | os.O_RDWR)
    os.write(descriptor, b"x" * 100_000)
    os.fdatasync(descriptor)
    os.write(descriptor, b"y")
    os.fsync(descriptor)
    os.close(descriptor)
    folder = os.open(drive / "folder", os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(folder)
    os.fdatasync(folder)
    os.close(folder)
    readonly = os.open(drive / "folder" / "f", os.O_RDONLY)
    os.fsync(readonly)
    os.close(readonly)
    os.sync()
    assert (drive / "folder" / "f").stat().st_size == 100_001


def test_many_descriptors_of_one_file(drive: Path) -> None:
    (drive / "f").write_bytes(b"x" * 1_000)
    descriptors = [os.open(drive / "f", os.O_RDWR) for _ in range(200)]
    try:
        for number, descriptor in enumerate(descriptors):
            os.pwrite(descriptor, b"%03d" % number, number * 3)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    assert (drive / "f").read_bytes()[:600] == b"".join(b"%03d" % number for number in range(200))


def test_a_duplicated_descriptor_outlives_the_first(drive: Path) -> None:
    first = os.open(drive / "f", os.O_CREAT | os.O_RDWR)
    second = os.dup(first)
    os.write(first, b"one")
    os.close(first)
    os.write(second, b"two")
    os.close(second)
    assert (drive / "f").read_bytes() == b"onetwo"
