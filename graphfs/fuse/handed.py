"""How many names of folders that are queries a kernel was given by path, and when it is to forget them.

libfuse's path interface keeps some 160 bytes for each name of each folder until the kernel forgets it, which it does
when memory is short, of the whole machine. Who walks all of `tags/` is given millions. The kernel believes none of
them for more than a second, so nothing is lost when it forgets those that nobody uses. Not here: how it is told.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable

HANDED = 100_000
"""Names that the kernel is given before it is told to forget them."""
PAUSE = 2.0
"""Seconds for which it is not told yet: a program may be asking about what it was just given."""


class Handed:
    """Counts by the name in the mount's root that all of them are below (`tags`). Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._full: dict[str, float] = {}
        """Since when there are too many."""

    def gave(self, top: str, count: int) -> None:
        with self._lock:
            self._counts[top] += count
            if self._counts[top] > HANDED:
                self._full.setdefault(top, self._clock())

    def due(self) -> list[str]:
        """The names in the root below which the kernel is to forget all; they are counted from nothing again."""
        if not self._full:
            return []
        with self._lock:
            now = self._clock()
            found = [top for top, since in self._full.items() if now >= since + PAUSE]
            for top in found:
                del self._full[top], self._counts[top]
        return found
