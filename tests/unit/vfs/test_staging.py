"""Staging leaves the disk room for the records, and asks for more before it refuses."""

import os
from pathlib import Path

import pytest

from graphfs.errors import NoSpace
from graphfs.vfs.descriptors import Descriptors
from graphfs.vfs.staging import Room

BLOCK = 4096
CHUNK = 1 << 20
BLOCKS = 10_000
RESERVED = BLOCKS * BLOCK // 20 + 2 * CHUNK


class Disk:
    """What statvfs says of a disk."""

    f_frsize = BLOCK
    f_blocks = BLOCKS

    def __init__(self, free: int) -> None:
        self.f_bavail = free // BLOCK


def test_the_last_of_the_disk_is_for_the_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(RESERVED + 100 * BLOCK)
    monkeypatch.setattr(os, "statvfs", lambda _: disk)
    room = Room(tmp_path, CHUNK, lambda: False)
    room.take(90 * BLOCK)
    disk.f_bavail -= 95
    with pytest.raises(NoSpace):
        room.take(20 * BLOCK)


def test_what_can_give_way_does_before_the_writer_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(RESERVED)
    monkeypatch.setattr(os, "statvfs", lambda _: disk)
    trash = [5, 10, 20]

    def more() -> bool:
        if not trash:
            return False
        disk.f_bavail += trash.pop()
        return True

    room = Room(tmp_path, CHUNK, more)
    room.take(25 * BLOCK)
    assert trash == [5]
    disk.f_bavail -= 25
    with pytest.raises(NoSpace):
        room.take(20 * BLOCK)
    assert trash == []


def test_descriptors_are_closed_and_opened_again_as_needed(tmp_path: Path) -> None:
    descriptors = Descriptors(capacity=3)
    before = len(os.listdir("/proc/self/fd"))
    paths = [tmp_path / str(number) for number in range(20)]
    for number, path in enumerate(paths):
        descriptors.write(path, 5, b"%02d" % number)
    assert len(os.listdir("/proc/self/fd")) <= before + 3
    for number, path in enumerate(paths):
        assert descriptors.read(path, 0, 10) == b"\0" * 5 + b"%02d" % number + b"\0" * 3
    descriptors.close_all()
    assert len(os.listdir("/proc/self/fd")) == before
