"""How often the kernel was given each node, and which ones it has forgotten. Not what a node is.

The kernel may look a name up again while it forgets what the name led to: it counts, and so do we. But a node is found
before it is counted, by another thread perhaps than the one that hears of the forgetting. So what is forgotten is let
go a moment later, and only if it was not given again.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

LINGERING = 2.0
"""Seconds. From when a node is found until it is counted no other call is waited for."""


class Lookups:
    """Thread-safe. Nodes are let go by later calls of either kind."""

    def __init__(self, let_go: Callable[[int], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._let_go, self._clock = let_go, clock
        self._counts: dict[int, int] = {}
        self._leaving: deque[tuple[float, list[int]]] = deque()
        self._lock = threading.Lock()

    def __contains__(self, node: int) -> bool:
        return node in self._counts

    def known(self) -> list[int]:
        """All that the kernel knows."""
        return list(self._counts)

    def given(self, nodes: Iterable[int]) -> None:
        """The kernel is about to get these, or again."""
        counts = self._counts
        with self._lock:
            for node in nodes:
                counts[node] = counts.get(node, 0) + 1
            if self._leaving:
                self._sweep(self._clock())

    def forget(self, forgotten: Iterable[tuple[int, int]]) -> None:
        """The kernel has forgotten so many lookups of each of these."""
        gone, counts, now = [], self._counts, self._clock()
        with self._lock:
            for node, count in forgotten:
                left = counts.get(node, 0) - count
                if left > 0:
                    counts[node] = left
                else:
                    counts.pop(node, None)
                    gone.append(node)
            self._leaving.append((now, gone))
            self._sweep(now)

    def _sweep(self, now: float) -> None:
        while self._leaving and self._leaving[0][0] + LINGERING < now:
            for node in self._leaving.popleft()[1]:
                if node not in self._counts:
                    self._let_go(node)
