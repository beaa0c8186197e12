"""Holes: sparse writes, fallocate(2), SEEK_DATA and SEEK_HOLE."""

import os
from pathlib import Path

import pytest

from tests.filesystem.syscalls import AllocateFlag, allocate

MEBIBYTE = 1024 * 1024


def test_a_hole_reads_as_zeros(drive: Path) -> None:
    with open(drive / "f", "w+b", 0) as stream:
        os.pwrite(stream.fileno(), b"end", 5 * MEBIBYTE)
        assert os.pread(stream.fileno(), 10, 5 * MEBIBYTE - 3) == b"\0\0\0end"
    content = (drive / "f").read_bytes()
    assert len(content) == 5 * MEBIBYTE + 3
    assert not content[: 5 * MEBIBYTE].strip(b"\0")


def test_a_very_large_hole_costs_nothing(drive: Path) -> None:
    size = 1 << 40
    os.close(os.open(drive / "f", os.O_CREAT | os.O_WRONLY))
    os.truncate(drive / "f", size)
    with open(drive / "f", "r+b", 0) as stream:
        os.pwrite(stream.fileno(), b"far", size - 3)
        assert os.pread(stream.fileno(), 4096, size - 4) == b"\0far"
        assert os.pread(stream.fileno(), 4, size // 2) == bytes(4)
    attributes = os.stat(drive / "f")
    assert attributes.st_size == size
    assert attributes.st_blocks * 512 < MEBIBYTE


def test_blocks_count_what_is_stored(drive: Path) -> None:
    (drive / "f").write_bytes(os.urandom(MEBIBYTE))
    descriptor = os.open(drive / "f", os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    assert MEBIBYTE <= os.stat(drive / "f").st_blocks * 512 <= 2 * MEBIBYTE


def test_holes_inside_data_keep_the_data(drive: Path) -> None:
    first, last = os.urandom(70_000), os.urandom(70_000)
    with open(drive / "f", "wb") as stream:
        stream.write(first)
        stream.seek(2 * MEBIBYTE)
        stream.write(last)
    assert (drive / "f").read_bytes() == first + bytes(2 * MEBIBYTE - 70_000) + last


def test_seek_to_data_and_holes_never_hides_data(drive: Path) -> None:
    """A file system may say that all is data; what it calls a hole must be zeros."""
    with open(drive / "f", "w+b", 0) as stream:
        descriptor = stream.fileno()
        os.pwrite(descriptor, b"d" * 4096, MEBIBYTE)
        os.ftruncate(descriptor, 3 * MEBIBYTE)
        data = os.lseek(descriptor, 0, os.SEEK_DATA)
        hole = os.lseek(descriptor, data, os.SEEK_HOLE)
        assert 0 <= data <= MEBIBYTE
        assert hole >= MEBIBYTE + 4096
        assert os.lseek(descriptor, 0, os.SEEK_END) == 3 * MEBIBYTE
        with pytest.raises(OSError, match="No such device or address"):
            os.lseek(descriptor, 4 * MEBIBYTE, os.SEEK_DATA)


def test_allocate_extends_with_zeros(drive: Path) -> None:
    with open(drive / "f", "w+b", 0) as stream:
        stream.write(b"abc")
        allocate(stream.fileno(), AllocateFlag.EXTEND, 0, 100_000)
        assert os.fstat(stream.fileno()).st_size == 100_000
        os.posix_fallocate(stream.fileno(), 50, 200_000)
    assert (drive / "f").read_bytes() == b"abc" + bytes(200_047)


def test_allocate_can_keep_the_size(drive: Path) -> None:
    with open(drive / "f", "w+b", 0) as stream:
        stream.write(b"abc")
        allocate(stream.fileno(), AllocateFlag.KEEP_SIZE, 0, 100_000)
        assert os.fstat(stream.fileno()).st_size == 3


def test_allocate_punches_holes(drive: Path) -> None:
    with open(drive / "f", "w+b", 0) as stream:
        stream.write(b"x" * 20_000)
        allocate(stream.fileno(), AllocateFlag.PUNCH_HOLE | AllocateFlag.KEEP_SIZE, 5_000, 10_000)
        assert os.pread(stream.fileno(), 20_000, 0) == b"x" * 5_000 + bytes(10_000) + b"x" * 5_000


def test_preallocation_by_the_library_works_everywhere(drive: Path) -> None:
    """posix_fallocate(3) writes zeros itself where the file system has no fallocate(2)."""
    with open(drive / "f", "w+b", 0) as stream:
        stream.write(b"abc")
        os.posix_fallocate(stream.fileno(), 0, 100_000)
    assert (drive / "f").read_bytes() == b"abc" + bytes(99_997)


def test_copying_in_the_kernel(drive: Path) -> None:
    content = os.urandom(300_000)
    (drive / "source").write_bytes(content)
    with open(drive / "source", "rb", 0) as source, open(drive / "target", "wb", 0) as target:
        done = 0
        while done < len(content):
            done += os.copy_file_range(source.fileno(), target.fileno(), len(content) - done)
    assert (drive / "target").read_bytes() == content
    with open(drive / "source", "rb", 0) as source, open(drive / "sent", "wb", 0) as target:
        offset = 0
        while sent := os.sendfile(target.fileno(), source.fileno(), offset, len(content)):
            offset += sent
    assert (drive / "sent").read_bytes() == content
