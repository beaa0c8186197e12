"""What time it is on the drive: by the clock of Neo4j's machine, the same for every main server whatever its own says.

Leases of locks and jobs, the ends of tokens, times of files and the age of what is swept are compared by several
machines. One whose clock is an hour wrong would give away what others still hold. The engine tells what the server
answered (`heard`); between two answers the time goes on by a clock that nobody can set.
"""

import threading
import time
from collections.abc import Callable

_MILLISECOND = 1_000_000
_SILENCE = 1_000_000_000
"""Nanoseconds without an answer that still count as time in which the server answered."""


class ServerClock:
    """Nanoseconds since the epoch, right to within half the way to the server and back. For any thread."""

    def __init__(self, ticks: Callable[[], int] = time.monotonic_ns) -> None:
        self.ticks = ticks
        self._offset: int | None = None
        self._lock = threading.Lock()
        self._last = ticks()
        self._served = 0

    def __call__(self) -> int:
        return self.ticks() + (self._offset or 0)

    def heard(self, asked: int, milliseconds: int) -> None:
        """The server said its time in answer to what was asked at that tick. It did so between then and now: what was
        believed stays while that can be true, so that an answer which took long makes nothing worse."""
        least = milliseconds * _MILLISECOND - self.ticks()
        most = (milliseconds + 1) * _MILLISECOND - asked
        offset = self._offset
        self._offset = (least + most) // 2 if offset is None else max(least, min(most, offset))
        with self._lock:
            now = self.ticks()
            self._served += min(now - self._last, _SILENCE)
            self._last = now

    def served(self) -> float:
        """Seconds for which the server answered, from some beginning on: while it is away this stands still. What
        depends on being told to the server is not over because nobody could tell it."""
        return self._served / 1e9
