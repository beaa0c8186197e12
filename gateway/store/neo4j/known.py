"""Nodes as this process knows them from the log, so that a change need not ask for what it changed a moment ago.

What is here was true at the last entry of the log that was applied; every later entry that concerns a node takes it
away again. A change that relies on one notes its key as if it had read it, so its commit finds out what the log will
tell, and a refusal that rests on one is looked at once more (`Neo4jStore.transaction`).
"""

from collections.abc import Collection

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
