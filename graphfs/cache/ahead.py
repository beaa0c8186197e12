"""Names that are likely to be looked up next: whoever looks up two of a folder, one after the other, gets those that
follow from one listing. (`git status` and a script that looks at each file ask for them one by one.)

What a listing said is believed for as long as the kernel believes it, once for each name, and not when anything was
changed by this mount or, as events tell, elsewhere. A name that a listing did not have is asked for.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from msgspec import Struct, field

from graphfs.errors import DriveError
from graphfs.model import Caller, Entry, Node

ENOUGH = 2
"""So many names of a folder were asked for, and a part of it is listed."""
SOON = 2.0
"""Seconds within which they count."""
FIRST, FACTOR, MOST = 128, 4, 2048
"""Entries of the first part, how many times as many the next one has, and the largest."""
USED = 0.25
"""The share of a part that has to be looked up for the next one to be asked for."""
REST = 30.0
"""Seconds for which a folder is left alone where it was not."""
_FOLDERS, _TOUCHED = 64, 4096

Children = Callable[[Caller, int, int, int], list[Entry]]
Key = tuple[int, int, int, tuple[int, ...]]


class _Part(Struct):
    """Of one folder, as one caller sees it."""

    nodes: dict[str, Node] = field(default_factory=dict)
    after: int = 0
    size: int = FIRST
    given: int = 0
    """Of `nodes`, when they were listed."""
    number: int = 0
    """The change after which they were listed."""
    listed: float = 0.0
    missed: int = 0
    name: str = ""
    """What was asked for last: a way that is gone again and again leads by the same name."""
    last: float = 0.0
    rests: float = 0.0
    listing: bool = False


class Ahead:
    """Of one mount. Thread-safe."""

    def __init__(
        self,
        children: Children,
        changes: Callable[[], int],
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`children`: the call of `graphfs.api.Tree`. `changes`: another number whenever this mount has begun, or done,
        a change. `seconds`: for how long a listing is believed."""
        self._children, self._changes, self._seconds, self._clock = children, changes, seconds, clock
        self._lock = threading.Lock()
        self._parts: OrderedDict[Key, _Part] = OrderedDict()
        self._touched: OrderedDict[int, float] = OrderedDict()
        """When somebody else changed what."""

    def known(self, caller: Caller, folder: int, name: str) -> Node | None:
        """What the name leads to. None: ask."""
        with self._lock:
            part = self._parts.get(_key(caller, folder))
            if part is None or not part.nodes:
                return None
            if part.number != self._changes() or self._clock() > part.listed + self._seconds:
                part.nodes.clear()
                return None
            found = part.nodes.pop(name, None)
            if found is None or self._is_touched(folder, part) or self._is_touched(found.id, part):
                return None
            part.last = self._clock()
            return found

    def _is_touched(self, node: int, part: _Part) -> bool:
        return self._touched.get(node, 0.0) > part.listed

    def asked(self, caller: Caller, folder: int, name: str) -> None:
        """A name of the folder was asked for, and was there. It may list what follows."""
        with self._lock:
            part = self._wanted(_key(caller, folder), name)
        if part is None:
            return
        number, begun = self._changes(), self._clock()
        try:
            entries = self._children(caller, folder, part.after, part.size)
        except DriveError:
            entries = []
        with self._lock:
            part.nodes = {entry.name: entry.node for entry in entries}
            part.given, part.number, part.listed = len(entries), number, begun
            part.after = entries[-1].cookie if len(entries) == part.size else 0
            part.listing = False

    def _wanted(self, key: Key, name: str) -> _Part | None:
        now = self._clock()
        part = self._parts.setdefault(key, _Part())
        self._parts.move_to_end(key)
        if len(self._parts) > _FOLDERS:
            self._parts.popitem(last=False)
        if part.name == name:
            return None
        part.missed = part.missed + 1 if now - part.last < SOON else 1
        part.name, part.last = name, now
        if part.listing or part.missed < ENOUGH or now < part.rests:
            return None
        part.missed = 0
        if part.given:
            if part.given - len(part.nodes) < USED * part.given:
                part.rests, part.after, part.size, part.given = now + REST, 0, FIRST, 0
                part.nodes.clear()
                return None
            part.size = min(part.size * FACTOR, MOST)
        part.listing = True
        return part

    def touched(self, node: int) -> None:
        """Somebody else changed it, or a name in it."""
        with self._lock:
            self._touched[node] = self._clock()
            self._touched.move_to_end(node)
            if len(self._touched) > _TOUCHED:
                self._touched.popitem(last=False)
                self._parts.clear()

    def forget(self) -> None:
        """Anything may have changed."""
        with self._lock:
            self._parts.clear()


def _key(caller: Caller, folder: int) -> Key:
    return folder, caller.uid, caller.gid, caller.groups
