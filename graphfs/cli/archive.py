"""The JSON of an export: everything about a drive's files that plain files cannot hold, as records.

`graphfs.json` beside `files/`. What it says of a file stands above what the copy on disk shows. It is not a backup of
the trash, of the journal, or of what waits in the queue.
"""

import os
from pathlib import Path

from msgspec import Struct

from graphfs.errors import InvalidArgument, TooNew
from graphfs.model import Edge
from graphfs.names import check_file_name
from graphfs.wire import decode, encode

NAME = "graphfs.json"
FILES = "files"
WORK = ".graphfs-export"
"""A folder that is there while an export is under way; what is half written is in it."""
FORMAT = "graphfs-export"
VERSION = 1


class TagRecord(Struct, frozen=True):
    """A tag, also one that no file has."""

    path: str
    aliases: tuple[str, ...] = ()


class FileRecord(Struct, frozen=True, omit_defaults=True):
    """A node: a file with all its names, a folder, a link, a fifo. Times are nanoseconds, `mode` has the type."""

    names: tuple[str, ...]
    """Paths below `files/`; that of `files/` itself is empty."""
    mode: int
    uid: int
    gid: int
    atime: int
    mtime: int
    size: int = 0
    rdev: int = 0
    target: str = ""
    xattrs: dict[str, bytes] = {}
    edges: tuple[Edge, ...] = ()


class Archive(Struct, frozen=True):
    """The whole of it."""

    format: str
    version: int
    tags: tuple[TagRecord, ...]
    files: tuple[FileRecord, ...]


class ArchiveWriter:
    """Writes a graph beside the old one, a record a line; `close` puts it in its place at once."""

    def __init__(self, folder: Path, tags: list[TagRecord]) -> None:
        self._path = folder / NAME
        self._partial = folder / WORK / NAME
        self._file = self._partial.open("wb")
        self._file.write(f'{{"format":"{FORMAT}","version":{VERSION},"tags":['.encode())
        self._list([encode(tag) for tag in tags])
        self._file.write(b'],"files":[')

    def _list(self, lines: list[bytes]) -> None:
        self._file.write(b"\n" + b",\n".join(lines) + b"\n")

    def close(self, records: list[FileRecord]) -> None:
        """Durable on return."""
        self._list([encode(record) for record in records])
        self._file.write(b"]}\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._partial.replace(self._path)

    def abandon(self) -> None:
        """Leaves the old graph as it is."""
        self._file.close()


def is_archive(folder: Path) -> bool:
    """Whether `graphfs export` wrote this folder to its end."""
    return (folder / NAME).is_file() and (folder / FILES).is_dir()


def read_archive(folder: Path) -> Archive:
    """The records. InvalidArgument (no export, or damaged), TooNew."""
    path = folder / NAME
    text = path.read_bytes()
    head = decode(text, _Head)
    if head.format != FORMAT:
        raise InvalidArgument(f"{path} is not the graph of an export")
    if head.version > VERSION:
        raise TooNew(f"{path} was written by a newer GraphFS: update this one")
    archive: Archive = decode(text, Archive)
    for record in archive.files:
        for name in record.names:
            for part in name.split("/") if name else ():
                check_file_name(part)  # no way out of the tree
    return archive


class _Head(Struct, frozen=True):
    format: str = ""
    version: int = 0
