"""Paths to node ids, for bindings whose kernel side speaks in paths.

Keeps the names that were looked up, bounded, so that a request costs one question to the volume and not one for each
component. The cache is told of every change that goes through the mount, and by `Volume.watch` of every other. Safe
from any thread.
"""

import threading

from graphfs.model import SUPER_ROOT, Caller
from graphfs.vfs.interface import Attributes, Volume

LIMIT = 65536
"""Names kept."""
FIRST_VIRTUAL = 2**62
"""Ids from here on are those of folders that are queries."""

Name = tuple[int, str]
"""Folder and name in it."""


class Dentries:
    """What each known name leads to. Reading takes no lock; a result is kept only if nothing changed while it was
    looked up."""

    def __init__(self, volume: Volume, limit: int = LIMIT) -> None:
        self._volume = volume
        self._limit = limit
        self._names: dict[Name, int] = {}
        self._paths: dict[str, int] = {"": SUPER_ROOT}
        """Folders by path, without a trailing slash."""
        self._uses: dict[int, int] = {}
        """How many kept names lead to a node; the volume may forget it when none does."""
        self._changes = 0
        self._lock = threading.Lock()

    def place(self, caller: Caller, path: str) -> Name:
        """The folder of a path, and the name in it. NotFound, NotAFolder."""
        head, _, name = path.rpartition("/")
        folder = self._paths.get(head)
        if folder is None:
            folder = self._walk(caller, head)
        return folder, name

    def known(self, place: Name) -> int | None:
        """The node that a name leads to, if that is kept."""
        return self._names.get(place)

    def node(self, caller: Caller, path: str) -> tuple[int, Name | None]:
        """The node of a path, and the name when it was answered from what is kept (so that a NotFound may be
        doubted)."""
        if path == "/":
            return SUPER_ROOT, None
        place = self.place(caller, path)
        known = self._names.get(place)
        if known is not None:
            return known, place
        return self.lookup(caller, place).id, None

    def lookup(self, caller: Caller, place: Name) -> Attributes:
        """Asks the volume, and keeps the answer."""
        changes = self._changes
        found = self._volume.lookup(caller, place[0], place[1])
        self.keep(place, found.id, changes)
        return found

    def keep(self, place: Name, node: int, changes: int = -1) -> None:
        """Remembers a name, unless something changed since `changes` was read. Not in a folder that is a query: what
        is there changes with every tag."""
        if place[0] >= FIRST_VIRTUAL or self._names.get(place) == node:
            return
        with self._lock:
            if changes not in (-1, self._changes):
                return
            self._drop(place)
            self._names[place] = node
            self._uses[node] = self._uses.get(node, 0) + 1
            evicted = self._evict() if len(self._names) > self._limit else []
        for old in evicted:
            self._volume.forget(old)

    def forget(self, folder: int, name: str) -> None:
        """The name may lead elsewhere now, or nowhere; so may every path through it."""
        with self._lock:
            self._changes += 1
            node = self._drop((folder, name))
            if node is None or node in self._paths.values():
                self._drop_paths(name)

    def forget_all(self) -> None:
        """Nothing that is kept can be trusted any more."""
        with self._lock:
            self._changes += 1
            nodes, self._names, self._uses = list(self._uses), {}, {}
            self._clear_paths()
        for node in nodes:
            self._volume.forget(node)

    def paths(self, folder: int) -> list[str]:
        """The paths by which a folder was reached lately: a tag that was renamed has several."""
        return [path for path, node in list(self._paths.items()) if node == folder]

    def _walk(self, caller: Caller, path: str) -> int:
        changes = self._changes
        place = self.place(caller, path)
        node = self._names.get(place)
        if node is None:
            node = self.lookup(caller, place).id
        with self._lock:
            if changes == self._changes:
                self._paths[path] = node
        return node

    def _drop(self, place: Name) -> int | None:
        node = self._names.pop(place, None)
        if node is not None:
            left = self._uses[node] - 1
            if left:
                self._uses[node] = left
            else:
                del self._uses[node]
        return node

    def _evict(self) -> list[int]:
        """Drops the oldest quarter; gives the nodes that no kept name leads to any more."""
        oldest = list(self._names)[: self._limit // 4]
        nodes = [node for place in oldest if (node := self._drop(place)) is not None]
        self._clear_paths()
        return [node for node in nodes if node not in self._uses]

    def _drop_paths(self, name: str) -> None:
        """Forgets every path through a name, in whatever folder: which paths lead to one is not known for sure."""
        through = tuple(f"{path}/" for path in self._paths if path.endswith(f"/{name}"))
        if through:
            self._paths = {path: node for path, node in self._paths.items() if not f"{path}/".startswith(through)}

    def _clear_paths(self) -> None:
        self._paths = {"": SUPER_ROOT}
