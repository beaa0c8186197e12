"""Which entries of views the kernel believes without asking, and which it must forget when something changes.

A name in a view that is looked up is asked for again at every use: another program may have saved over the file by
another of its paths. Only what a listing gave is believed for a second, so that `ls -l` costs one call; those
entries are remembered here for as long.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable

from graphfs.model import Event, EventKind
from graphfs.names import parse_derived, split_extension
from graphfs.vfs.interface import Invalidation

SECONDS = 1.0


class Given:
    """Entries of one folder that were given to the kernel until a moment: names and the files they led to."""

    def __init__(self, folder: int, until: float, pairs: Iterable[tuple[str, int]]) -> None:
        self.folder = folder
        self.until = until
        self._pairs = pairs
        self._by_node: dict[int, str] | None = None
        self._by_name: dict[str, list[str]] = {}

    def of_node(self, node: int) -> Iterable[str]:
        self._index()
        name = self._by_node.get(node) if self._by_node else None
        return () if name is None else (name,)

    def of_name(self, name: str) -> Iterable[str]:
        """The name itself and the `stem~<id>.ext` forms of it."""
        self._index()
        return self._by_name.get(name, ())

    def _index(self) -> None:
        """Only when something changes at all."""
        if self._by_node is not None:
            return
        self._by_node = {}
        for name, node in self._pairs:
            self._by_node[node] = name
            self._by_name.setdefault(name, []).append(name)
            if "~" in name and parse_derived(name) is not None:
                stem, extension = split_extension(name)
                self._by_name.setdefault(stem.rpartition("~")[0].rstrip("~") + extension, []).append(name)
        self._pairs = ()


class Believed:
    """What the kernel was given of views within the last second. Thread-safe."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._given: deque[Given] = deque()
        self._lock = threading.Lock()

    def gave(self, folder: int, pairs: Iterable[tuple[str, int]]) -> None:
        """Entries (name, node) of a folder went to the kernel, to be believed from now on."""
        now = self._clock()
        with self._lock:
            while self._given and self._given[0].until < now:
                self._given.popleft()
            self._given.append(Given(folder, now + SECONDS, pairs))

    def stale(self, event: Event) -> list[Invalidation]:
        """What must be forgotten because of a change of a file, of its name or of its tags."""
        if not self._given:
            return []
        now, found = self._clock(), []
        with self._lock:
            for given in self._given:
                if given.until < now:
                    continue
                if event.kind is EventKind.NODE:
                    names = given.of_node(event.node)
                elif event.kind is EventKind.ENTRY:
                    names = given.of_name(event.name)
                else:
                    continue
                found += [Invalidation(given.folder, name) for name in names]
        return found
