"""The arithmetic of dirty ranges, beside a list with one source a byte."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from graphfs.vfs.overlay import HOLE, STAGED, Overlay, Piece, Source, Stored, split

LENGTH = 40
SOURCES: list[Source] = [HOLE, STAGED, Piece(0, b""), Stored(0, b"digest")]

offsets = st.integers(0, LENGTH)
steps = st.lists(
    st.tuples(st.just("put"), offsets, offsets, st.sampled_from(SOURCES)) | st.tuples(st.just("cut"), offsets),
    max_size=12,
)


def made(history: list[tuple[object, ...]]) -> tuple[Overlay, list[Source | None]]:
    overlay, model = Overlay(), [None] * LENGTH
    for kind, *arguments in history:
        if kind == "put":
            start, end, source = arguments
            overlay.put(start, end, source)
            for index in range(start, end):
                model[index] = source
        else:
            overlay.cut(arguments[0])
            model[arguments[0] :] = [None] * (LENGTH - arguments[0])
    return overlay, model


@given(steps, offsets, offsets)
def test_every_byte_has_the_last_source_put_there(history: list[tuple[object, ...]], low: int, high: int) -> None:
    overlay, model = made(history)
    shown: list[Source | None] = []
    for start, end, source in overlay.cover(0, LENGTH):
        assert start == len(shown)
        shown += [source] * (end - start)
    assert shown == model
    assert bool(overlay) == any(source is not None for source in model)
    runs = list(overlay)
    assert all(start < end for start, end, _ in runs)
    for left, right in pairwise(runs):
        assert left[1] < right[0] or (left[1] == right[0] and left[2] is not right[2])
    for start, end, source in overlay.within(low, high):
        assert low <= start < end <= high
        assert all(model[index] is source for index in range(start, end))
    assert sum(end - start for start, end, _ in overlay.within(low, high)) == sum(
        source is not None for source in model[low:high]
    )
    assert overlay.before(low) is (model[low - 1] if low else None)
    assert overlay.dirty_bytes() == sum(source is not None and source is not HOLE for source in model)


@given(steps, st.integers(1, 12))
def test_splitting_at_chunks_loses_nothing(history: list[tuple[object, ...]], chunk: int) -> None:
    overlay, _ = made(history)
    again = Overlay()
    for index, runs in split(list(overlay), chunk):
        for start, end, source in runs:
            assert start // chunk == (end - 1) // chunk == index
            again.put(start, end, source)
    assert list(again) == list(overlay)


@given(steps)
def test_replacing_a_source_touches_nothing_else(history: list[tuple[object, ...]]) -> None:
    overlay, model = made(history)
    new = Stored(1, b"new")
    overlay.replace(STAGED, [(10, 30, new)])
    for start, end, source in overlay.cover(0, LENGTH):
        for index in range(start, end):
            assert source is (new if model[index] is STAGED and 10 <= index < 30 else model[index])
