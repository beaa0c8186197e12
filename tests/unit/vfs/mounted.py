"""A file system over a real embedded drive, without a kernel: what the suites of this folder stand on."""

import os
from pathlib import Path
from typing import Any

from gateway.service import Service, open_service
from graphfs.config import Config, Store
from graphfs.errors import NoSpace
from graphfs.model import FILES_ROOT, Caller, Node
from graphfs.vfs.filesystem import FileSystem

ME = Caller(uid=os.getuid(), gid=os.getgid(), pid=4711)
ELSEWHERE = Caller(uid=os.getuid(), gid=os.getgid(), pid=0)
CHUNK = 4096
INLINE = 512
MEMORY = 1000


def small_drive(folder: Path) -> Service:
    """A drive with chunks so small that a few kilobytes are many."""
    return open_service(folder, Config(store=Store(inline_limit=INLINE, chunk_size=CHUNK)))


def content(drive: Service, node: int) -> bytes:
    """The bytes of its last version, from the drive."""
    layout = drive.layout(ME, node)
    found = bytearray(layout.size)
    for extent in layout.extents:
        part = drive.read_blob(extent.digest, extent.start, extent.length)
        assert len(part) == extent.length
        found[extent.offset : extent.offset + extent.length] = part
    return bytes(found)


def write_file(volume: FileSystem, name: str, data: bytes, folder: int = FILES_ROOT) -> int:
    """Created, written and closed; the node's id."""
    opened, attributes = volume.create(ME, folder, name, 0o644, os.O_WRONLY)
    volume.write(opened.handle, 0, data)
    close(volume, opened.handle)
    return attributes.id


def close(volume: FileSystem, handle: int) -> None:
    volume.flush(handle)
    volume.release(handle)


def node_of(drive: Service, name: str, folder: int = FILES_ROOT) -> Node:
    return drive.lookup(ME, folder, name)


def names(volume: FileSystem, folder: int = FILES_ROOT) -> list[str]:
    handle = volume.opendir(ME, folder)
    found = [entry.name for entry in volume.readdir(handle, 0)]
    volume.releasedir(handle)
    return found


class FullStore:
    """A drive in front of a drive: while `full`, the store has no room for content, as on a full disk."""

    def __init__(self, drive: Service) -> None:
        self._drive = drive
        self.full = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._drive, name)

    def put_blob(self, digest: bytes, source: Path | bytes, *, durable: bool) -> None:
        self._check()
        self._drive.put_blob(digest, source, durable=durable)

    def commit(self, *arguments: Any, **named: Any) -> Node:
        self._check()
        return self._drive.commit(*arguments, **named)

    def _check(self) -> None:
        if self.full:
            raise NoSpace("the store is full")
