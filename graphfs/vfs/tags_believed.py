"""Which entries of views the kernel believes without asking, and which it must forget when something changes.

A name in a view that is looked up is asked for again at every use: another program may have saved over the file by
another of its paths. Only what a listing gave is believed for a second or so, so that `ls -l` costs one call; those
entries are remembered here for as long.
"""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence

from graphfs.model import Event, EventKind
from graphfs.names import parse_derived, split_extension
from graphfs.vfs.interface import Invalidation

SECONDS = 1.0
_EACH = 40e-6
_MOST = 10.0
LOOKED = 4096
"""Names looked up that are remembered."""


def listed(entries: int) -> float:
    """Seconds for which the entries of a folder with so many are believed. Who lists a large one and then looks at each
    file gets to the first one when all were listed, and to the last one later still: were they too old by then, each
    would be asked for alone, and meanwhile all others grow too old."""
    return min(max(SECONDS, entries * _EACH), _MOST)


class Given:
    """Entries of one folder that were given to the kernel until a moment: names and the files they led to."""

    def __init__(self, folder: int, until: float, names: Sequence[str], nodes: Sequence[int]) -> None:
        self.folder = folder
        self.until = until
        self._names = names
        self._nodes = nodes
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
        for name, node in zip(self._names, self._nodes, strict=True):
            self._by_node[node] = name
            self._by_name.setdefault(name, []).append(name)
            plain = _plain(name)
            if plain:
                self._by_name.setdefault(plain, []).append(name)
        self._names = self._nodes = ()


def _plain(name: str) -> str:
    """The own name of a file that is perhaps shown as `stem~<id>.ext`, else ''."""
    if "~" not in name or parse_derived(name) is None:
        return ""
    stem, extension = split_extension(name)
    return stem.rpartition("~")[0].rstrip("~") + extension


def _keys(name: str, node: int) -> tuple[int | str, ...]:
    plain = _plain(name)
    return (node, name, plain) if plain else (node, name)


class Believed:
    """What the kernel was given of views within the last second. Thread-safe."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._given: deque[Given] = deque()
        self._looked: OrderedDict[tuple[int, str], tuple[int, float]] = OrderedDict()
        """Looked up lately: folder and name to node and end."""
        self._places: dict[int | str, set[tuple[int, str]]] = {}
        """The same by node and by name."""
        self._lock = threading.Lock()

    def gave(self, folder: int, names: Sequence[str], nodes: Sequence[int], seconds: float) -> None:
        """Entries of a folder went to the kernel, to be believed from now on for so long."""
        now = self._clock()
        with self._lock:
            self._prune(now)
            self._given.append(Given(folder, now + seconds, names, nodes))

    def _prune(self, now: float) -> None:
        while self._given and self._given[0].until < now:
            self._given.popleft()

    def looked(self, folder: int, name: str, node: int) -> None:
        """One name was looked up."""
        now, place = self._clock(), (folder, name)
        with self._lock:
            self._prune(now)
            self._drop(place)
            self._looked[place] = (node, now + SECONDS)
            for key in _keys(name, node):
                self._places.setdefault(key, set()).add(place)
            while self._looked:
                oldest = next(iter(self._looked))
                if len(self._looked) <= LOOKED and self._looked[oldest][1] >= now:
                    break
                self._drop(oldest)

    def _drop(self, place: tuple[int, str]) -> None:
        known = self._looked.pop(place, None)
        if known is None:
            return
        for key in _keys(place[1], known[0]):
            places = self._places.get(key)
            if places is not None:
                places.discard(place)
                if not places:
                    del self._places[key]

    def stale(self, event: Event) -> list[Invalidation]:
        """What must be forgotten because of a change of a file, of its name or of its tags."""
        if not self._given and not self._looked:
            return []
        now, found = self._clock(), []
        with self._lock:
            if event.kind is EventKind.NODE or event.kind is EventKind.ENTRY:
                key = event.node if event.kind is EventKind.NODE else event.name
                found += [Invalidation(folder, name) for folder, name in self._places.get(key, ())]
            self._prune(now)
            for given in self._given:
                if event.kind is EventKind.NODE:
                    names = given.of_node(event.node)
                elif event.kind is EventKind.ENTRY:
                    names = given.of_name(event.name)
                else:
                    continue
                found += [Invalidation(given.folder, name) for name in names]
        return found
