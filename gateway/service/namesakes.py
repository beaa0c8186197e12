"""Which files of a view have a name that an older one of it has too: known in memory, so that the first entries of a
listing need no look at the names of all that follow.

Of a name its hash is kept, eight bytes a file in blocks of ids that lie together. A file of one name is read when it is
first asked about and again after its name changed; one of several is read each time, for which of its names is shown
hangs on their folders. Two names of one hash make two namesakes: the younger file is shown as `stem~<id>.ext`.
"""

import threading
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable

from pyroaring import BitMap64

_BLOCK = 4096

Names = Callable[[Iterable[int]], Iterable[tuple[int, str, bool]]]
"""Of files: the stable id, the name, and whether it is the only one that the file has."""


class Namesakes:
    """Of one store. Thread-safe."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._lock = threading.Lock()
        self._blocks: dict[int, array[int]] = {}
        self._reading: list[set[int]] = []
        """For each reading under way the files whose names changed meanwhile: what it finds may be of before."""

    def forget(self, file: int) -> None:
        """It may have another name now."""
        with self._lock:
            block = self._blocks.get(file // _BLOCK)
            if block is not None:
                block[file % _BLOCK] = 0
            for changed in self._reading:
                changed.add(file)

    def younger(self, files: BitMap64) -> BitMap64:
        """Those whose name an older file among them has."""
        numbers = list(files)
        marks = self._marks(numbers)
        unknown = [number for number, mark in zip(numbers, marks, strict=True) if not mark] if 0 in marks else []
        if unknown:
            found = self._read(unknown)
            marks = [mark or found.get(number, 0) for number, mark in zip(numbers, marks, strict=True)]
        if len(set(marks)) == len(marks):
            return BitMap64()
        later, seen = BitMap64(), set[int]()
        for number, mark in zip(numbers, marks, strict=True):
            if mark in seen:
                later.add(number)
            elif mark:  # else it went a moment ago
                seen.add(mark)
        return later

    def _marks(self, numbers: list[int]) -> list[int]:
        """What is known of ascending ids; 0 where nothing is."""
        marks: list[int] = []
        start = 0
        with self._lock:
            while start < len(numbers):
                key = numbers[start] // _BLOCK
                end = bisect_left(numbers, (key + 1) * _BLOCK, start)
                block = self._blocks.get(key)
                first = key * _BLOCK
                marks += [0] * (end - start) if block is None else [block[one - first] for one in numbers[start:end]]
                start = end
        return marks

    def _read(self, numbers: list[int]) -> dict[int, int]:
        """Marks of these as the store has them; those of files of one name are kept."""
        changed: set[int] = set()
        with self._lock:
            self._reading.append(changed)
        try:
            found = {file: (_mark(name), only) for file, name, only in self._names(numbers)}
            with self._lock:
                for file, (mark, only) in found.items():
                    if only and file not in changed:
                        self._keep(file, mark)
        finally:
            with self._lock:
                # By identity: two that found no change yet are equal.
                self._reading = [one for one in self._reading if one is not changed]
        return {file: mark for file, (mark, _) in found.items()}

    def _keep(self, file: int, mark: int) -> None:
        block = self._blocks.get(file // _BLOCK)
        if block is None:
            block = self._blocks[file // _BLOCK] = array("Q", bytes(8 * _BLOCK))
        block[file % _BLOCK] = mark


def _mark(name: str) -> int:
    return hash(name) & 0xFFFF_FFFF_FFFF_FFFF or 1
