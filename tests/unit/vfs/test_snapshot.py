"""A snapshot of a folder is the list of its entries, from wherever it is read."""

import os
from collections.abc import Iterator

import pytest

from graphfs.errors import Unavailable
from graphfs.vfs.interface import Attributes, DirectoryEntry
from graphfs.vfs.snapshot import BLOCK, STEP, Snapshot

BYTES_NAME = os.fsdecode(b"\xff\xfe name")
FAR = (1 << 63) - 1


def _entries(count: int, odd: int = -1) -> list[DirectoryEntry]:
    """Entries as folders have them; that at `odd` has a name that is no text."""
    return [
        DirectoryEntry(
            BYTES_NAME if number == odd else f"name {number} é",
            Attributes((1 << 62) + number, 0o100644, 1, 0, 0, 0, number, 0, -1, FAR, -FAR, 0.5, 1.0),
            number + 1,
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("count", [0, 1, STEP, STEP + 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 3 * BLOCK + 7])
def test_it_goes_on_behind_any_entry(count: int) -> None:
    entries = _entries(count)
    for start in (0, 1, STEP, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, max(count - 1, 0), count, count + 1):
        snapshot = Snapshot(iter(entries))
        for _ in range(2):  # as it is read, and as it was read
            assert list(snapshot.after(start)) == entries[start:]
        assert list(snapshot.after(0)) == entries
        assert snapshot.ready


@pytest.mark.parametrize("odd", [0, BLOCK + 3])
def test_a_name_that_is_no_text_is_kept(odd: int) -> None:
    entries = _entries(2 * BLOCK, odd)
    assert list(Snapshot(entries).after(0)) == entries


def test_two_readers_do_not_disturb_each_other() -> None:
    entries = _entries(3 * BLOCK)
    snapshot = Snapshot(entries)
    both = zip(snapshot.after(0), snapshot.after(BLOCK), strict=False)
    assert list(both) == list(zip(entries[:-BLOCK], entries[BLOCK:], strict=True))


def test_only_what_somebody_gets_to_is_read() -> None:
    source = iter(_entries(BLOCK))
    snapshot = Snapshot(source)
    assert next(snapshot.after(0)).cookie == 1
    assert next(source).cookie == STEP + 1


def test_it_is_ready_while_what_follows_is_there() -> None:
    snapshot = Snapshot(iter(_entries(2 * BLOCK)))
    assert snapshot.ready
    for position, ready in ((1, False), (STEP, True), (BLOCK, True), (BLOCK + 1, False), (2 * BLOCK, True)):
        next(snapshot.after(position), None)
        assert (position, snapshot.ready) == (position, ready)


def test_entries_that_could_not_be_read_are_not_the_end() -> None:
    entries = _entries(STEP + 10)

    def source() -> Iterator[DirectoryEntry]:
        yield from entries
        raise Unavailable("the server is gone")

    snapshot = Snapshot(source())
    for _ in range(2):
        found = []
        with pytest.raises(Unavailable):
            for entry in snapshot.after(0):
                found.append(entry)
        assert found == entries[:STEP]
    assert not snapshot.ready
