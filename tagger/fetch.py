"""A file of the drive as a local file, within a bound: whole when it is small, else its head, samples of its middle
and its tail.

What was not fetched are holes at their own places, so formats that keep their directory at the end (zip, mp4) can be
read.
"""

from pathlib import Path
from typing import BinaryIO, Protocol

from graphfs.errors import Conflict
from graphfs.model import Caller, Extent, Layout
from tagger.extract.result import Source

_WINDOW = 64 << 10
_STEP = 1 << 20


class Bytes(Protocol):
    """What is needed of a drive (`graphfs.api.Content`)."""

    def layout(self, caller: Caller, node: int) -> Layout: ...

    def read_blob(self, digest: bytes, start: int, length: int) -> bytes: ...


def ranges_of(size: int, most: int) -> tuple[tuple[int, int], ...]:
    """Which (offset, length) of a file of `size` bytes to fetch when at most `most` may be; () for all of it.
    Sorted, apart."""
    if size <= most:
        return ()
    tail = min(2 << 20, most // 4)
    window = min(_WINDOW, most // 16)
    head = max(1, min(8 << 20, most - tail - 3 * window - 4))
    start_of_tail = max(head, size - tail & ~3)  # a multiple of four: wide encodings stay in step
    found = [(0, head)]
    for start in (size * quarter // 4 & ~3 for quarter in (1, 2, 3)):
        if window and start >= sum(found[-1]) and start + window <= start_of_tail:
            found.append((start, window))
    return (*found, (start_of_tail, size - start_of_tail))


def fetch(
    drive: Bytes, caller: Caller, node: int, name: bytes, target: Path, most: int, version: int | None = None
) -> Source:
    """Writes the file's bytes into `target` (replaced). Conflict when it is not this `version` any more: what is
    learned of a content must not be kept under the name of another. What the drive raises passes through: NotFound,
    Corrupt, Unavailable."""
    layout = drive.layout(caller, node)
    if version is not None and layout.version != version:
        raise Conflict(f"the content is version {layout.version} by now, not {version}")
    ranges = ranges_of(layout.size, most)
    with target.open("wb") as file:
        for start, length in ranges or ((0, layout.size),):
            for extent in layout.extents:
                _copy(drive, extent, start, start + length, file)
        file.truncate(layout.size)
    return Source(str(target), name, layout.size, ranges)


def _copy(drive: Bytes, extent: Extent, start: int, end: int, file: BinaryIO) -> None:
    """The part of an extent that lies in start..end, to its own place."""
    first, last = max(start, extent.offset), min(end, extent.offset + extent.length)
    while first < last:
        data = drive.read_blob(extent.digest, extent.start + first - extent.offset, min(_STEP, last - first))
        if not data:
            return
        file.seek(first)
        file.write(data)
        first += len(data)


def read_small(drive: Bytes, caller: Caller, node: int, most: int) -> bytes:
    """The first bytes of a small file, one more than `most` when it is longer."""
    layout = drive.layout(caller, node)
    data = bytearray(min(layout.size, most + 1))
    for extent in layout.extents:
        if extent.offset < len(data):
            length = min(extent.length, len(data) - extent.offset)
            data[extent.offset : extent.offset + length] = drive.read_blob(extent.digest, extent.start, length)
    return bytes(data)
