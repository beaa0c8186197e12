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
    ago: who reads may have it, as on a disk. Each thread that opens knows of its own."""

    def __init__(self, believed: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._believed, self._clock = believed, clock
        self._when: dict[int, float] = {}
        self._found: dict[int, float] = {}

    def told(self, node: int) -> None:
        """A name was looked up, and leads here."""
        if self._when:
            self._found[node] = self._clock()

    def refuse(self, thread: int) -> None:
        """The thread is told to look again."""
        now = self._clock()
        for old in [one for one, when in list(self._when.items()) if now - when >= self._believed]:
            self._when.pop(old, None)
        if not self._when:
            self._found.clear()
        self._when[thread] = now

    def looked_again(self, thread: int, node: int) -> bool:
        """Whether the thread was refused just now, and a name was found to lead to this file since."""
        since = self._when.pop(thread, None)
        return since is not None and since <= self._found.get(node, 0.0) and self._clock() - since < self._believed
