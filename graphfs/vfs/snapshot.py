"""The entries of a folder as they are found, kept small. Not when they are asked for, nor what the folder is.

A listing stays as long as it is open, and that of a tag of 100,000 files would be 60 MB of objects, which a process
does not give back when they are gone. What is not being read is kept packed, in a sixth of that.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from threading import Lock

import msgspec

from graphfs.errors import DriveError, NotFound
from graphfs.vfs.interface import DirectoryEntry

BLOCK = 2048
"""Entries that are packed together. A folder of fewer is kept as it is."""
STEP = 256
"""Entries that are read first, and that one request of the kernel takes at most, or nearly."""

_Entries = list[DirectoryEntry]
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(_Entries).decode


class Snapshot:
    """Entries, in order. What was read once stays as it was; more is read when somebody gets there. Thread-safe.

    NotFound: there is no such folder."""

    def __init__(self, entries: Iterable[DirectoryEntry]) -> None:
        self._source = iter(entries)
        self._blocks: list[bytes | _Entries] = []
        self._last: _Entries = []
        """Behind the blocks, less than one."""
        self._count = 0
        self._open: tuple[int, _Entries] = (-1, [])
        self._lock = Lock()
        self._error: DriveError | None = None
        self._asked = 0
        self._complete = False
        self._read(STEP)

    @property
    def ready(self) -> bool:
        """Whether what follows for one who reads on is there."""
        return self._complete or self._asked + STEP <= self._count

    def after(self, number: int) -> Iterator[DirectoryEntry]:
        """Those behind the first `number` ones. DriveError: what follows could not be read, nor will be from here."""
        while part := self._part(number):
            yield from part
            number += len(part)

    def _part(self, number: int) -> _Entries:
        with self._lock:
            self._asked = number
            while number >= self._count and not self._complete:
                self._read(BLOCK)
            if number >= self._count:
                return []
            index, start = divmod(number, BLOCK)
            return (self._block(index) if index < len(self._blocks) else self._last)[start:]

    def _read(self, number: int) -> None:
        if self._error is not None:
            raise self._error
        try:
            more = list(islice(self._source, number))
        except NotFound:
            if not self._count:
                raise
            more = []  # the folder went while it is open
        except DriveError as error:
            self._error = error
            raise
        self._complete = len(more) < number
        self._count += len(more)
        self._last += more
        if len(self._last) >= BLOCK:
            self._blocks.append(_packed(self._last[:BLOCK]))
            self._last = self._last[BLOCK:]

    def _block(self, index: int) -> _Entries:
        block = self._blocks[index]
        if isinstance(block, list):
            return block
        known, entries = self._open
        if known != index:
            entries = _unpack(block)
            self._open = index, entries
        return entries


def _packed(block: _Entries) -> bytes | _Entries:
    try:
        return _pack(block)
    except UnicodeEncodeError:  # a name that is no text stands in it
        return block
