"""Ids of what exists only while it is looked at: one for each literal path of a room, always the same. Not what is
there."""

import threading
from collections.abc import Collection
from enum import StrEnum
from hashlib import blake2b

from graphfs.errors import NotFound
from graphfs.vfs.room import FIRST_VIRTUAL_ID

_BITS = 60

LiteralPath = tuple[str, ...]
"""Components below a room's door, as typed. `()` is the room's own folder."""


class Kind(StrEnum):
    """What a literal path was seen as. Each has its own ids: a node never changes its type under the kernel."""

    FOLDER = "folder"
    FILE = "file"
    LINK = "link"


class VirtualIds:
    """The ids that one room handed out. Thread-safe.

    An id is a hash of room, kind and path, so it is the same after a restart. After a rename the id goes on naming
    the same folder at its new place for as long as the kernel knows it: whoever looks up the old path meanwhile gets
    another id. Two names of one folder never share one (facts: the kernel then moves a shell's working directory).
    """

    def __init__(self, room: str) -> None:
        self._room = room
        self._known: dict[int, tuple[Kind, LiteralPath]] = {}
        self._used: set[int] | None = None
        """Those that were asked about since the last call of `age`, once there was one."""
        self._lock = threading.Lock()

    def id(self, kind: Kind, path: LiteralPath) -> int:
        """The id of a path, from now on known."""
        wanted = (kind, path)
        candidate = self._hash(kind, path, 0)
        if self._known.get(candidate) != wanted or self._used is not None:
            with self._lock:
                turn = 0
                while self._known.setdefault(candidate, wanted) != wanted:
                    turn += 1
                    candidate = self._hash(kind, path, turn)
                if self._used is not None:
                    self._used.add(candidate)
        return candidate

    def path(self, node: int) -> tuple[Kind, LiteralPath]:
        """What an id stands for now. NotFound when it is not known (any more)."""
        found = self._known.get(node)
        if found is None:
            raise NotFound("the folder is gone")
        if self._used is not None:
            with self._lock:
                self._used.add(node)
        return found

    def __len__(self) -> int:
        return len(self._known)

    def owns(self, node: int) -> bool:
        return node in self._known

    def forget(self, node: int) -> None:
        with self._lock:
            self._known.pop(node, None)

    def age(self, kept: Collection[int]) -> None:
        """Forgets those that nobody asked about since the last call, but for `kept`. The first call only begins."""
        with self._lock:
            if self._used is not None:
                stay = self._used.union(kept)
                self._known = {node: known for node, known in self._known.items() if node in stay}
            self._used = set()

    def moved(self, old: LiteralPath, new: LiteralPath) -> None:
        """A folder and all below it is found at another path now; its ids stay."""
        length = len(old)
        with self._lock:
            for node, (kind, path) in list(self._known.items()):
                if path[:length] == old:
                    self._known[node] = (kind, new + path[length:])

    def _hash(self, kind: Kind, path: LiteralPath, turn: int) -> int:
        text = "\0".join((self._room, kind, str(turn), "/".join(path))).encode("utf-8", "surrogateescape")
        number = int.from_bytes(blake2b(text, digest_size=8).digest()) >> (64 - _BITS)
        return FIRST_VIRTUAL_ID | number
