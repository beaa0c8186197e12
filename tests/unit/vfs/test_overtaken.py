"""A file of a drive that is elsewhere, open here while another makes versions of it: what is read is of the size that
the kernel was told, whoever hears of the change first."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.service import Service
from graphfs.errors import Stale
from graphfs.model import FILES_ROOT
from graphfs.vfs.filesystem import FileSystem
from graphfs.vfs.origins import Origins
from tests.contracts.ground import patch
from tests.unit.vfs.mounted import ELSEWHERE, ME, MEMORY, node_of, write_file

OLD, NEW = b"old " * 30, b"new " * 9


@pytest.fixture
def volume(drive: Service, staging: Path) -> Iterator[FileSystem]:
    volume = FileSystem(drive, staging, memory=MEMORY, interval=3600, remote=Origins(7))
    volume.watch(lambda invalidation: None)  # a kernel that is slow: it has not forgotten yet what it is told to
    yield volume
    volume.close()


def change(drive: Service, data: bytes) -> None:
    node = node_of(drive, "f")
    drive.commit(ELSEWHERE, node.id, node.version, len(data), (patch(0, data),))


@pytest.mark.parametrize("first", [OLD, NEW], ids=["shorter", "longer"])
def test_who_asks_for_the_size_reads_what_has_it(drive: Service, volume: FileSystem, first: bytes) -> None:
    second = NEW if first is OLD else OLD
    node = write_file(volume, "f", first)
    opened = volume.open(ME, node, os.O_RDONLY)
    change(drive, second)
    assert volume.read(opened.handle, 0, 1000) == first, "the kernel knows the old size"
    found = volume.getattr(ME, node, opened.handle)
    volume.told(found)
    assert found.size == len(second)
    assert volume.read(opened.handle, 0, 1000) == second
    volume.release(opened.handle)


def test_what_is_written_here_stays_what_is_read_here(drive: Service, volume: FileSystem) -> None:
    node = write_file(volume, "f", OLD)
    opened = volume.open(ME, node, os.O_RDWR)
    volume.write(opened.handle, 0, b"mine")
    volume.told(volume.getattr(ME, node, opened.handle))
    change(drive, NEW)
    volume.told(volume.getattr(ME, node, opened.handle))
    assert volume.read(opened.handle, 0, 1000) == b"mine" + OLD[4:]
    volume.release(opened.handle)


def replaced(drive: Service, data: bytes) -> None:
    """The name leads to another file, by another mount's save."""
    made = drive.create(ELSEWHERE, FILES_ROOT, "new", 0o100644)
    drive.commit(ELSEWHERE, made.id, 0, len(data), (patch(0, data),))
    drive.rename(ELSEWHERE, FILES_ROOT, "new", FILES_ROOT, "f")


def test_a_file_that_is_replaced_again_and_again_can_be_read(drive: Service, volume: FileSystem) -> None:
    first = write_file(volume, "f", b"first")
    replaced(drive, b"second")
    with pytest.raises(Stale):
        volume.open(ME, first, os.O_RDONLY)
    found = volume.lookup(ME, FILES_ROOT, "f")  # as the kernel does then, once
    volume.told(found)
    replaced(drive, b"third")
    opened = volume.open(ME, found.id, os.O_RDONLY)
    assert volume.read(opened.handle, 0, 100) == b"second"
    volume.release(opened.handle)
    with pytest.raises(Stale):
        volume.open(ME, found.id, os.O_RDONLY)  # not by who has not looked again
    volume.told(volume.lookup(ME, FILES_ROOT, "f"))
    with pytest.raises(Stale):
        volume.open(ME, found.id, os.O_WRONLY)  # what is written there would be lost


def test_who_was_refused_once_is_refused_again(drive: Service, volume: FileSystem) -> None:
    """Looking again is good for one open: a file that was replaced after that is not what was closed last."""
    first = write_file(volume, "f", b"first")
    replaced(drive, b"second")
    with pytest.raises(Stale):
        volume.open(ME, first, os.O_RDONLY)
    found = volume.lookup(ME, FILES_ROOT, "f")
    volume.release(volume.open(ME, found.id, os.O_RDONLY).handle)
    replaced(drive, b"third")
    with pytest.raises(Stale):
        volume.open(ME, found.id, os.O_RDONLY)
