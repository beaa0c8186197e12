"""What is not a plain file: fifos, sockets, devices, and what statfs(2) says of the whole."""

import errno
import os
import socket
import stat
from pathlib import Path

import pytest

from tests.filesystem.processes import Child
from tests.filesystem.syscalls import failure


def test_a_fifo_carries_bytes_between_processes(drive: Path) -> None:
    os.mkfifo(drive / "pipe", 0o640)
    attributes = os.lstat(drive / "pipe")
    assert stat.S_ISFIFO(attributes.st_mode)
    assert stat.S_IMODE(attributes.st_mode) == 0o640
    with Child(lambda: (drive / "pipe").write_bytes(b"through")) as writer:
        assert (drive / "pipe").read_bytes() == b"through"
        assert writer.result() == 7
    os.rename(drive / "pipe", drive / "moved")
    assert stat.S_ISFIFO(os.lstat(drive / "moved").st_mode)
    os.unlink(drive / "moved")
    assert os.listdir(drive) == []


def test_a_socket_can_be_bound_and_reached(drive: Path) -> None:
    old = os.open(".", os.O_RDONLY)
    os.chdir(drive)  # a socket's path is at most 107 bytes long
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("s")
            server.listen(1)
            assert stat.S_ISSOCK(os.lstat("s").st_mode)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect("s")
                accepted, _ = server.accept()
                with accepted:
                    client.sendall(b"hello")
                    assert accepted.recv(10) == b"hello"
        os.unlink("s")
    finally:
        os.fchdir(old)
        os.close(old)


@pytest.mark.superuser
def test_device_nodes_keep_their_numbers(drive: Path) -> None:
    os.mknod(drive / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(drive / "disk", stat.S_IFBLK | 0o600, os.makedev(7, 200))
    assert os.lstat(drive / "null").st_rdev == os.makedev(1, 3)
    assert stat.S_ISBLK(os.lstat(drive / "disk").st_mode)


def test_mknod_makes_plain_files_too(drive: Path) -> None:
    os.mknod(drive / "f", stat.S_IFREG | 0o644)
    assert os.lstat(drive / "f").st_size == 0
    assert failure(lambda: os.mknod(drive / "f", stat.S_IFREG | 0o644)) == errno.EEXIST
    assert failure(lambda: os.mkfifo(drive / "f")) == errno.EEXIST


def test_statfs_tells_of_the_room(drive: Path) -> None:
    (drive / "f").touch()
    room = os.statvfs(drive / "f")
    assert room.f_namemax == 255
    assert room.f_bsize >= 512
    assert room.f_blocks * room.f_frsize > 1024 * 1024
    assert 0 < room.f_bavail <= room.f_bfree <= room.f_blocks
    assert room.f_files == 0 or room.f_ffree <= room.f_files
    assert os.pathconf(drive, "PC_NAME_MAX") == 255


def test_types_are_in_the_listing(drive: Path) -> None:
    (drive / "file").touch()
    (drive / "folder").mkdir()
    (drive / "link").symlink_to("file")
    os.mkfifo(drive / "pipe")
    seen = {
        entry.name: (entry.is_file(follow_symlinks=False), entry.is_dir(follow_symlinks=False), entry.is_symlink())
        for entry in os.scandir(drive)
    }
    assert seen == {
        "file": (True, False, False),
        "folder": (False, True, False),
        "link": (False, False, True),
        "pipe": (False, False, False),
    }
