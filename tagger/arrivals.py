"""Whether files pour in: then those who bring them come first, and tagging makes way."""

import time
from collections import deque
from collections.abc import Callable

_MANY = 10
_WITHIN = 2.0
"""So many within so many seconds are more than people save by hand."""


class Arrivals:
    """Counts what is heard of files that came. `came` may be called on any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: deque[float] = deque(maxlen=_MANY)

    def came(self) -> None:
        """A file has new content."""
        self._last.append(self._clock())

    @property
    def pouring(self) -> bool:
        """Whether many came just now."""
        last = tuple(self._last)
        return len(last) == _MANY and self._clock() - last[0] <= _WITHIN
