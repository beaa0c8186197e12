"""What the kernel was told of each file last, for a drive that others change too.

For a second the kernel believes it, and libfuse by its path does the same. A file that is opened in that second, and is
longer by then, would be cut at its old end, a shorter one padded, one of the same size read from old pages: what is
read is not the version that was closed last, maybe none at all, and nobody is told. So whoever opens compares, and the
kernel is made to ask anew.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from enum import Enum, auto
from threading import Lock

MOST = 65_536
"""Files; what was told longer ago than the kernel believes it matters no more."""


class Verdict(Enum):
    """What to do with an open."""

    CURRENT = auto()
    LOOK_AGAIN = auto()
    """The kernel looks the name up anew when it is told that the file is stale, once."""
    PAST_THE_CACHE = auto()
    """It did so just now, and the file is another one again: what the kernel knows of it must not count."""


class Shown:
    """Sizes and times of modification (ns), by node. Thread-safe."""

    def __init__(self, believed: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`believed`: seconds for which the kernel asks no second time."""
        self._believed, self._clock = believed, clock
        self._lock = Lock()
        self._told: OrderedDict[int, tuple[int, int]] = OrderedDict()
        self._refused: dict[int, float] = {}

    def told(self, node: int, size: int, mtime: int) -> None:
        """The kernel knows this from now on."""
        with self._lock:
            self._told[node] = size, mtime
            self._told.move_to_end(node)
            if len(self._told) > MOST:
                self._told.popitem(last=False)

    def verdict(self, node: int, size: int, mtime: int) -> Verdict:
        """For an open that finds the file so."""
        with self._lock:
            now = self._clock()
            for old in [one for one, when in self._refused.items() if now - when >= self._believed]:
                del self._refused[old]
            if self._told.get(node, (size, mtime)) == (size, mtime):
                return Verdict.CURRENT
            if node in self._refused:
                return Verdict.PAST_THE_CACHE
            self._refused[node] = now
            return Verdict.LOOK_AGAIN


class Refused:
    """Opens that were refused because the name leads to another file by now. The kernel looks the name up and opens
    what it finds, once more and no more. When that was replaced too in between, it is what the name led to a moment
    ago: who reads may have it, as on a disk. It holds for the very next open of the thread that was refused and then
    looked, and for nobody else: any other open of a file that was replaced is refused."""

    def __init__(self, believed: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`believed`: seconds after which a thread that was refused did not look again."""
        self._believed, self._clock = believed, clock
        self._threads: dict[int, tuple[float, int]] = {}
        """When each was refused, and the node that it found since (0: none)."""

    def refuse(self, thread: int) -> None:
        """The thread is told to look again."""
        now = self._clock()
        for old in [one for one, (when, _) in list(self._threads.items()) if now - when >= self._believed]:
            self._threads.pop(old, None)
        self._threads[thread] = now, 0

    def found(self, thread: int, node: int) -> None:
        """The thread looked a name up, and it leads here."""
        if self._threads:
            since = self._threads.get(thread)
            if since is not None:
                self._threads[thread] = since[0], node

    def looked_again(self, thread: int, node: int) -> bool:
        """Whether the thread was refused just now, and has found this file since. Asked at each open: it is good for
        one."""
        when, found = self._threads.pop(thread, (0.0, 0)) if self._threads else (0.0, 0)
        return found == node and self._clock() - when < self._believed
