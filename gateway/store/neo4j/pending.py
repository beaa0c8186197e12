"""One change on its way: what it has read (so that a commit can tell whether somebody else changed it since) and what
it will write. Nothing is sent before the commit but reads; reads see what the change itself has done.

Everything that can be read or written has a key. `reads` are the keys it relies on, `writes` those it alone may change,
`shared` those that several may change at once because the changes add up (a folder's times, the number of its names).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from gateway.store.base import Notes
from gateway.store.neo4j.reader import JobRow, Neo4jReader
from gateway.store.neo4j.writes import Writes
from gateway.store.rows import EdgeRow, Name
from graphfs.model import Extent, Node


class Pending:
    """What every change has, whatever it is about. Used by one thread; `wait` belongs to the store."""

    def __init__(
        self,
        reader: Neo4jReader,
        base: int,
        next_id: Callable[[], int],
        reserve: Callable[[int], int],
        wait: Callable[["Pending"], None],
        *,
        careful: bool,
        believes: bool,
    ) -> None:
        self.base = base
        self.reads: set[int] = set()
        self.writes: set[int] = set()
        self.shared: set[int] = set()
        self.believed: set[int] = set()
        """Nodes that were taken as this process knew them, without asking."""
        self.out = Writes()
        self.notes = Notes()
        self.ended = False
        self.error: Exception | None = None
        self._read = reader
        self._next_id, self._reserve = next_id, reserve
        self._wait = wait
        self._careful = careful
        self._believes = believes
        self._nodes: dict[int, tuple[Node, bool] | None] = {}
        self._entries: dict[tuple[int, str], tuple[int, int] | None] = {}
        self._names: dict[int, list[Name]] = {}
        self._extents: dict[tuple[int, int, int], list[tuple[Extent, bool]]] = {}
        self._edges: dict[int, dict[int, EdgeRow]] = {}
        self._jobs: dict[int, JobRow | None] = {}
        self._owners: dict[int, int] = {}
        self._files: dict[int, int] = {}
        self._fresh = 0

    def note(self, notes: Notes) -> None:
        self.notes = notes

    def wait(self) -> None:
        self._wait(self)

    @property
    def wrote(self) -> bool:
        return bool(self.writes or self.shared or self.notes.steps or self.notes.events)

    def places(self) -> Iterable[tuple[int, tuple[Node, bool] | None]]:
        raise NotImplementedError

    def by_file(self, file: int) -> Node | None:
        raise NotImplementedError

    def _patch(self, node: int, **values: Any) -> None:
        raise NotImplementedError

    def _fetch_edges(self, files: Sequence[int]) -> None:
        raise NotImplementedError
