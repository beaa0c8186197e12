"""The entries of a folder as they were at one moment, kept small. Not when that moment is, nor what the folder is.

A listing stays as long as it is open, and that of a tag of 100,000 files would be 60 MB of objects, which a process
does not give back when they are gone. What is not being read is kept packed, in a sixth of that.
"""

from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec

from graphfs.vfs.interface import DirectoryEntry

BLOCK = 2048
"""Entries that are packed together. A folder of fewer is kept as it is."""

_Entries = list[DirectoryEntry]
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(_Entries).decode


class Snapshot:
    """Entries, in order. It reads all of them when it is made."""

    def __init__(self, entries: Iterable[DirectoryEntry]) -> None:
        self._blocks: list[bytes | _Entries] = []
        self._open: tuple[int, _Entries] = (-1, [])
        self._count = 0
        source = iter(entries)
        block = list(islice(source, BLOCK))
        while block:
            self._count += len(block)
            following = list(islice(source, BLOCK))
            self._blocks.append(_packed(block) if following or self._blocks else block)
            block = following

    def __len__(self) -> int:
        return self._count

    def after(self, number: int) -> Iterator[DirectoryEntry]:
        """Those behind the first `number` ones."""
        start = number % BLOCK
        for index in range(number // BLOCK, len(self._blocks)):
            yield from islice(self._block(index), start, None)
            start = 0

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
