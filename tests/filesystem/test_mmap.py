"""Memory maps: private and shared, read and written, between processes, beside read(2) and write(2)."""

import mmap
import os
from pathlib import Path

from tests.filesystem.processes import run_apart

PAGE = mmap.PAGESIZE


def test_a_map_shows_the_file(drive: Path) -> None:
    content = os.urandom(3 * PAGE + 100)
    (drive / "f").write_bytes(content)
    with open(drive / "f", "rb") as stream, mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ) as pages:
        assert pages[:] == content
        assert pages.find(content[2 * PAGE :]) == 2 * PAGE


def test_a_shared_map_writes_the_file(drive: Path) -> None:
    (drive / "f").write_bytes(bytes(4 * PAGE))
    with open(drive / "f", "r+b") as stream, mmap.mmap(stream.fileno(), 0) as pages:
        pages[PAGE - 5 : PAGE + 5] = b"0123456789"
        pages.flush()
        assert os.pread(stream.fileno(), 10, PAGE - 5) == b"0123456789"
    assert (drive / "f").read_bytes() == bytes(PAGE - 5) + b"0123456789" + bytes(3 * PAGE - 5)


def test_a_map_written_without_flush_is_kept_at_close(drive: Path) -> None:
    (drive / "f").write_bytes(bytes(2 * PAGE))
    with open(drive / "f", "r+b") as stream, mmap.mmap(stream.fileno(), 0) as pages:
        pages[:5] = b"hello"
        pages[PAGE : PAGE + 5] = b"there"
    assert (drive / "f").read_bytes()[: PAGE + 5] == b"hello" + bytes(PAGE - 5) + b"there"


def test_a_map_outlives_its_descriptor_and_its_name(drive: Path) -> None:
    (drive / "f").write_bytes(b"x" * PAGE)
    os.link(drive / "f", drive / "kept")
    descriptor = os.open(drive / "f", os.O_RDWR)
    pages = mmap.mmap(descriptor, 0)
    os.close(descriptor)
    os.unlink(drive / "f")
    pages[:3] = b"new"
    pages.flush()
    pages.close()
    assert (drive / "kept").read_bytes()[:4] == b"newx"


def test_write_and_map_see_each_other(drive: Path) -> None:
    (drive / "f").write_bytes(bytes(PAGE))
    with open(drive / "f", "r+b", 0) as stream, mmap.mmap(stream.fileno(), 0) as pages:
        stream.write(b"written")
        assert pages[:7] == b"written"
        pages[:7] = b"mapped!"
        assert os.pread(stream.fileno(), 7, 0) == b"mapped!"


def test_a_shared_map_is_shared_between_processes(drive: Path) -> None:
    (drive / "f").write_bytes(bytes(PAGE))

    def change() -> bytes:
        with open(drive / "f", "r+b") as other, mmap.mmap(other.fileno(), 0) as theirs:
            seen = theirs[:4]
            theirs[10:14] = b"back"
            return seen

    with open(drive / "f", "r+b") as stream, mmap.mmap(stream.fileno(), 0) as pages:
        pages[:4] = b"here"
        assert run_apart(change) == b"here"
        assert pages[10:14] == b"back"


def test_a_private_map_changes_nothing(drive: Path) -> None:
    (drive / "f").write_bytes(b"x" * PAGE)
    with open(drive / "f", "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY) as pages:
        pages[:3] = b"new"
        assert pages[:4] == b"newx"
    assert (drive / "f").read_bytes() == b"x" * PAGE


def test_growing_a_mapped_file(drive: Path) -> None:
    (drive / "f").write_bytes(b"a" * PAGE)
    with open(drive / "f", "r+b", 0) as stream, mmap.mmap(stream.fileno(), 0) as pages:
        os.ftruncate(stream.fileno(), 3 * PAGE)
        pages.resize(3 * PAGE)
        pages[2 * PAGE : 2 * PAGE + 3] = b"end"
        assert pages[PAGE : 2 * PAGE] == bytes(PAGE)
    assert (drive / "f").read_bytes() == b"a" * PAGE + bytes(PAGE) + b"end" + bytes(PAGE - 3)


def test_a_map_sees_a_later_cut_as_zeros_in_its_last_page(drive: Path) -> None:
    (drive / "f").write_bytes(b"x" * PAGE)
    with open(drive / "f", "r+b", 0) as stream, mmap.mmap(stream.fileno(), 0) as pages:
        os.ftruncate(stream.fileno(), 100)
        assert pages[:200] == b"x" * 100 + bytes(100)
