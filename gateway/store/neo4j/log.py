"""Entries of the change log as Neo4j has them."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from gateway.store.base import Notes, SavedStep
from gateway.store.neo4j.pending import Pending
from gateway.store.neo4j.texts import plain, stored


class Commit:
    """A commit as others see it."""

    __slots__ = ("count", "keys", "notes", "seq")

    def __init__(self, seq: int, count: int, keys: set[int], notes: Notes | None) -> None:
        self.seq, self.count, self.keys, self.notes = seq, count, keys, notes

    def concerns(self, change: Pending) -> bool:
        # A commit without keys had too many to name.
        return self.seq > change.base and (not self.keys or not self.keys.isdisjoint(change.reads))


def entry_of(row: Sequence[Any]) -> Commit:
    seq, count, keys, notes = row
    return Commit(seq, count, set(keys), unpacked(notes) if notes else Notes())


def packed(notes: Notes) -> bytes:
    return msgspec.msgpack.encode(_respelt(notes, stored))


def unpacked(data: bytes) -> Notes | None:
    """None: a newer GraphFS wrote what this one does not know."""
    try:
        return _respelt(msgspec.msgpack.decode(data, type=Notes), plain)
    except msgspec.ValidationError:
        return None


def _respelt(notes: Notes, spell: Callable[[str], str]) -> Notes:
    """With every file's name spelt so."""
    replace = msgspec.structs.replace
    return Notes(
        tuple(replace(one, name=spell(one.name)) if isinstance(one, SavedStep) else one for one in notes.steps),
        tuple(replace(one, name=spell(one.name)) for one in notes.events),
    )
