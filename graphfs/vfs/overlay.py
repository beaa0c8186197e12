"""What was written to a file since its last version: ranges, and where the bytes of each are now.

Pure arithmetic of intervals: it holds no lock, reads no disk and asks no drive. What is not in the overlay shows the
version below it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct


class Hole(Struct, frozen=True):
    """Zeros."""


class Staged(Struct, frozen=True):
    """In the staging file of its chunk, which still changes."""


class Piece(Struct, eq=False):
    """In memory: the byte of the file at offset `o` is `data[o - origin]`."""

    origin: int
    data: bytes | bytearray


class Frozen(Struct, eq=False):
    """In a staging file that changes no more; byte `o` of the file is at `o - origin`."""

    origin: int
    path: Path
    number: int
    """Which freeze of its file this is: its name in the log of the staging."""
    given: bool = False
    """Whether its file was given to the store, which may have made it read-only."""


class Stored(Struct, frozen=True):
    """In a blob that was put already; byte `o` of the file is at `o - origin` of it."""

    origin: int
    digest: bytes


Source = Hole | Staged | Piece | Frozen | Stored
Run = tuple[int, int, Source]
"""Start, end (not included) and where the bytes are."""

HOLE = Hole()
STAGED = Staged()


class Overlay:
    """Sorted runs that never overlap; neighbours of one source are one run. Not thread-safe."""

    __slots__ = ("_ends", "_sources", "_starts")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._sources: list[Source] = []

    def __bool__(self) -> bool:
        return bool(self._starts)

    def __iter__(self) -> Iterator[Run]:
        return iter(list(zip(self._starts, self._ends, self._sources, strict=True)))

    def clear(self) -> None:
        self._starts.clear()
        self._ends.clear()
        self._sources.clear()

    def put(self, start: int, end: int, source: Source) -> None:
        """From `start` to `end` the bytes are in `source`, whatever was there."""
        if start >= end:
            return
        starts, ends, sources = self._starts, self._ends, self._sources
        if starts and ends[-1] == start and sources[-1] is source:  # appending, by far the most frequent
            ends[-1] = end
            return
        first = bisect_left(ends, start)  # also a neighbour that only touches: it may be joined
        last = bisect_right(starts, end)
        runs: list[Run] = []
        if first < last:
            if starts[first] < start:
                runs.append((starts[first], min(ends[first], start), sources[first]))
            runs.append((start, end, source))
            if ends[last - 1] > end:
                runs.append((max(starts[last - 1], end), ends[last - 1], sources[last - 1]))
            runs = _joined(runs)
        else:
            runs.append((start, end, source))
        starts[first:last] = [run[0] for run in runs]
        ends[first:last] = [run[1] for run in runs]
        sources[first:last] = [run[2] for run in runs]

    def cut(self, size: int) -> None:
        """Forgets all from `size` on."""
        keep = bisect_left(self._starts, size)
        del self._starts[keep:], self._ends[keep:], self._sources[keep:]
        if keep and self._ends[-1] > size:
            self._ends[-1] = size

    def within(self, start: int, end: int) -> list[Run]:
        """The runs between `start` and `end`, cut to that."""
        first = bisect_right(self._ends, start)
        last = bisect_left(self._starts, end)
        if start >= end:
            return []
        found = list(zip(self._starts[first:last], self._ends[first:last], self._sources[first:last], strict=True))
        if found:
            low, high, source = found[0]
            found[0] = (max(low, start), high, source)
            low, high, source = found[-1]
            found[-1] = (low, min(high, end), source)
        return found

    def cover(self, start: int, end: int) -> Iterator[tuple[int, int, Source | None]]:
        """All of `start` to `end` in order: the runs, and None for what shows the version below."""
        position = start
        for low, high, source in self.within(start, end):
            if low > position:
                yield position, low, None
            yield low, high, source
            position = high
        if position < end:
            yield position, end, None

    def before(self, offset: int) -> Source | None:
        """Where the byte before `offset` is, when that is in the overlay."""
        index = bisect_left(self._starts, offset) - 1
        if index >= 0 and self._ends[index] >= offset:
            return self._sources[index]
        return None

    def replace(self, old: Source, pieces: list[Run]) -> None:
        """Where `old` still is the source, within each of `pieces`, the piece's source takes its place."""
        for low, high, source in pieces:
            for start, end, now in self.within(low, high):
                if now is old:
                    self.put(start, end, source)

    def dirty_bytes(self) -> int:
        """Bytes in runs that are not holes."""
        return sum(end - start for start, end, source in self if source is not HOLE)


def split(runs: list[Run], chunk: int) -> Iterator[tuple[int, list[Run]]]:
    """The runs cut at the borders of chunks: (index of the chunk, its runs), in order."""
    index = -1
    group: list[Run] = []
    for start, end, source in runs:
        while start < end:
            number = start // chunk
            if number != index:
                if group:
                    yield index, group
                index, group = number, []
            high = min(end, (number + 1) * chunk)
            group.append((start, high, source))
            start = high
    if group:
        yield index, group


def _joined(runs: list[Run]) -> list[Run]:
    joined = [runs[0]]
    for start, end, source in runs[1:]:
        low, high, before = joined[-1]
        if high == start and before is source:
            joined[-1] = (low, end, source)
        else:
            joined.append((start, end, source))
    return joined
