"""What this process knows from the log: nodes, so that a change need not ask for what it changed a moment ago, and
answers, so that a hundred who ask the same at a time cost one question.

What is here was true at the last entry of the log that was applied; every later entry that concerns a node takes it
away again. A change that relies on one notes its key as if it had read it, so its commit finds out what the log will
tell, and a refusal that rests on one is looked at once more (`Neo4jStore.transaction`).
"""

from collections import defaultdict
from collections.abc import Collection, Hashable
from typing import Any

from gateway.store.neo4j.writes import Key, key
from graphfs.model import Node

Place = tuple[Node, bool]
"""A node, and whether it is reachable under `files/`."""


class Known:
    """At most `most` nodes; the oldest leave first. Changed under the lock of the log alone."""

    def __init__(self, most: int = 20_000) -> None:
        self._most = most
        self._places: dict[int, Place] = {}

    def get(self, node: int) -> Place | None:
        return self._places.get(node)

    def put(self, node: int, place: Place) -> None:
        if node not in self._places and len(self._places) >= self._most:
            del self._places[next(iter(self._places))]
        self._places[node] = place

    def forget(self, keys: Collection[int]) -> None:
        """What a commit with these keys may have changed; a commit without keys had too many to name."""
        if not keys:
            self._places.clear()
        for one in keys:
            if one & 15 <= Key.TIMES:
                self._places.pop(one >> 4, None)


def keys_of(node: int) -> set[int]:
    """Whoever writes one of these changes the node's record."""
    return {key(Key.NODE, node), key(Key.TIMES, node)}


LONGEST = 1_000
"""Names in an answer that is kept: for more it costs as much to keep as to ask."""


class Answers:
    """Answers to questions with the keys that each relies on: at most `most` keys in all; the oldest leave first.
    Changed under the lock of the log alone. One is only as true as the last look at the log: who hands it out looks
    first."""

    def __init__(self, most: int = 60_000) -> None:
        self._most = most
        self._kept: dict[Hashable, tuple[Any, frozenset[int]]] = {}
        self._relying: defaultdict[int, set[Hashable]] = defaultdict(set)
        self._keys = 0

    def __contains__(self, question: Hashable) -> bool:
        return question in self._kept

    def get(self, question: Hashable) -> tuple[Any, frozenset[int]] | None:
        """The answer, and what it relies on."""
        return self._kept.get(question)

    def put(self, question: Hashable, answer: object, keys: Collection[int]) -> None:
        self._drop(question)
        relied = frozenset(keys)
        self._keys += len(relied)
        while self._kept and self._keys > self._most:
            self._drop(next(iter(self._kept)))
        self._kept[question] = answer, relied
        for one in relied:
            self._relying[one].add(question)

    def forget(self, keys: Collection[int]) -> None:
        """Those that a commit with these keys may have changed; a commit without keys had too many to name."""
        if not keys:
            self._kept.clear()
            self._relying.clear()
            self._keys = 0
        for one in keys:
            for question in tuple(self._relying.get(one, ())):
                self._drop(question)

    def _drop(self, question: Hashable) -> None:
        _, relied = self._kept.pop(question, (None, frozenset[int]()))
        self._keys -= len(relied)
        for one in relied:
            self._relying[one].discard(question)
            if not self._relying[one]:
                del self._relying[one]
