"""Arithmetic of layouts: where the bytes of a version are after some of them changed.

Pure functions over `graphfs.model`; the mount uses them for what it has just committed, the service for what it stores.
It knows nothing of blobs but their digests, so it can neither read nor check them.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from operator import attrgetter

from graphfs.errors import InvalidArgument
from graphfs.model import Extent, Layout, Patch

_offset = attrgetter("offset")


def apply(layout: Layout, size: int, patches: Iterable[Patch]) -> Layout:
    """The next version: the layout cut or extended (with zeros) to `size`, then patched in the given order.

    Normalised: no empty extents, and extents that continue each other in the same blob are one. InvalidArgument: a
    negative range, or a patch that ends behind `size`.
    """
    if size < 0:
        raise InvalidArgument("a size cannot be negative")
    extents = list(slice_layout(layout, 0, size)) if size < layout.size else list(layout.extents)
    for patch in patches:
        if patch.offset < 0 or patch.length < 0 or patch.start < 0 or patch.offset + patch.length > size:
            raise InvalidArgument(f"a patch of {patch.length} bytes at {patch.offset} is not within {size} bytes")
        if patch.length:
            new = Extent(patch.offset, patch.length, patch.digest, patch.start) if patch.digest else None
            _replace(extents, patch.offset, patch.offset + patch.length, new)
    return Layout(layout.version + 1, size, tuple(extents))


def slice_layout(layout: Layout, offset: int, length: int) -> tuple[Extent, ...]:
    """The parts of extents within `length` bytes from `offset` on, at their offsets in the file. Gaps are zeros."""
    end = min(offset + length, layout.size)
    if offset >= end:
        return ()
    extents = layout.extents
    first = _first_behind(extents, offset)
    last = bisect_right(extents, end - 1, key=_offset)
    if first >= last:
        return ()
    found = list(extents[first:last])
    found[0] = _cut_left(found[0], offset)
    found[-1] = _cut_right(found[-1], end)
    return tuple(found)


def _first_behind(extents: Sequence[Extent], offset: int) -> int:
    """Index of the first extent that ends behind `offset`."""
    index = bisect_right(extents, offset, key=_offset)
    if index and extents[index - 1].offset + extents[index - 1].length > offset:
        return index - 1
    return index


def _cut_left(extent: Extent, offset: int) -> Extent:
    gone = offset - extent.offset
    if gone <= 0:
        return extent
    return Extent(offset, extent.length - gone, extent.digest, extent.start + gone)


def _cut_right(extent: Extent, end: int) -> Extent:
    if extent.offset + extent.length <= end:
        return extent
    return Extent(extent.offset, end - extent.offset, extent.digest, extent.start)


def _replace(extents: list[Extent], offset: int, end: int, new: Extent | None) -> None:
    """Puts `new` (None: a hole) in the place of everything between `offset` and `end`."""
    first = _first_behind(extents, offset)
    last = bisect_right(extents, end - 1, lo=first, key=_offset)
    middle: list[Extent] = []
    if first < last:
        left, right = extents[first], extents[last - 1]
        if left.offset < offset:
            middle.append(_cut_right(left, offset))
        if new is not None:
            middle.append(new)
        if right.offset + right.length > end:
            middle.append(_cut_left(right, end))
    elif new is not None:
        middle.append(new)
    low = max(first - 1, 0)
    high = min(last + 1, len(extents))
    extents[low:high] = _joined([*extents[low:first], *middle, *extents[last:high]])


def _joined(extents: list[Extent]) -> list[Extent]:
    joined: list[Extent] = []
    for extent in extents:
        if joined:
            before = joined[-1]
            if (
                before.offset + before.length == extent.offset
                and before.start + before.length == extent.start
                and before.digest == extent.digest
            ):
                joined[-1] = Extent(before.offset, before.length + extent.length, before.digest, before.start)
                continue
        joined.append(extent)
    return joined
