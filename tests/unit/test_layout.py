"""Layouts beside a plain bytearray."""

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphfs.errors import InvalidArgument
from graphfs.layout import apply, slice_layout
from graphfs.model import Extent, Layout, Patch

EMPTY = Layout(0, 0, ())
BLOBS = {hashlib.sha256(blob).digest(): blob for blob in (bytes(range(1, 41)), b"abcdefghijklmnopqrstuvwxyz" * 2)}

sizes = st.integers(0, 60)


@st.composite
def changes(draw: st.DrawFn) -> tuple[int, list[Patch]]:
    size = draw(sizes)
    patches = []
    for _ in range(draw(st.integers(0, 4))):
        offset = draw(st.integers(0, size))
        length = draw(st.integers(0, min(size - offset, 40)))
        digest = draw(st.sampled_from([b"", *BLOBS]))
        start = draw(st.integers(0, 40 - length)) if digest else 0
        patches.append(Patch(offset, length, digest, start))
    return size, patches


def content(layout: Layout) -> bytes:
    """The bytes that a layout says."""
    found = bytearray(layout.size)
    for extent in layout.extents:
        blob = BLOBS[extent.digest]
        assert extent.start + extent.length <= len(blob)
        found[extent.offset : extent.offset + extent.length] = blob[extent.start : extent.start + extent.length]
    assert len(found) == layout.size
    return bytes(found)


@given(st.lists(changes(), max_size=6))
def test_a_layout_reads_as_the_bytes_that_were_written(history: list[tuple[int, list[Patch]]]) -> None:
    layout, model = EMPTY, bytearray()
    for size, patches in history:
        layout = apply(layout, size, patches)
        model = model[:size].ljust(size, b"\0")
        for patch in patches:
            blob = BLOBS[patch.digest] if patch.digest else bytes(patch.length)
            model[patch.offset : patch.offset + patch.length] = blob[patch.start : patch.start + patch.length]
        assert content(layout) == model
    assert layout.version == len(history)
    for left, right in pairwise(layout.extents):
        assert left.offset + left.length <= right.offset
        continues = left.digest == right.digest and left.start + left.length == right.start
        assert not (continues and left.offset + left.length == right.offset)
    assert all(extent.length > 0 for extent in layout.extents)


@given(st.lists(changes(), max_size=4), sizes, sizes)
def test_a_slice_is_the_part_of_the_layout(history: list[tuple[int, list[Patch]]], offset: int, length: int) -> None:
    layout = EMPTY
    for size, patches in history:
        layout = apply(layout, size, patches)
    part = slice_layout(layout, offset, length)
    end = max(min(offset + length, layout.size), offset)
    assert all(offset <= extent.offset and extent.offset + extent.length <= end for extent in part)
    padded = Layout(0, layout.size, part)
    assert content(padded)[offset:end] == content(layout)[offset:end]


def test_a_write_into_the_middle_of_a_blob_keeps_both_sides() -> None:
    (digest, blob), (other, _) = BLOBS.items()
    layout = apply(EMPTY, 40, [Patch(0, 40, digest)])
    layout = apply(layout, 40, [Patch(10, 5, other, 2)])
    assert layout.extents == (Extent(0, 10, digest), Extent(10, 5, other, 2), Extent(15, 25, digest, 15))
    assert apply(layout, 40, [Patch(10, 5, digest, 10)]).extents == (Extent(0, len(blob), digest),)


@pytest.mark.parametrize("patch", [Patch(-1, 1), Patch(0, -1), Patch(5, 6), Patch(0, 1, b"d", -1)])
def test_a_patch_outside_the_file_is_refused(patch: Patch) -> None:
    with pytest.raises(InvalidArgument):
        apply(EMPTY, 10, [patch])
