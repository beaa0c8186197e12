"""What changed, told in order: to listeners in this process at once, to those who ask later from a bounded memory."""

import threading
import time
from bisect import bisect_right
from collections.abc import Callable
from operator import attrgetter

from graphfs.model import Event, EventKind

_KEPT = 10_000
"""At least so many, at most twice."""
_NUMBER = attrgetter("seq")


class Publisher:
    """Numbers events and hands them on. Numbers begin with the start time, so they grow over restarts too."""

    def __init__(self) -> None:
        self._seq = self._floor = time.time_ns() // 1000
        self._kept: list[Event] = []
        """The last ones; put in place of itself when it is cut, so that who looks through it sees no other."""
        self._listeners: list[Callable[[Event], None]] = []
        self._waiting = 0
        self._condition = threading.Condition()

    @property
    def newest(self) -> int:
        """The number of the last event."""
        return self._seq

    def begin(self, number: int) -> None:
        """The store counts, and was here when it was opened."""
        if number and not self._kept:
            self._seq = self._floor = number

    def publish(self, kind: EventKind, node: int = 0, name: str = "", origin: int = 0, *, number: int = 0) -> None:
        """Tells one change. Called by one thread at a time, in the order of the commits. `number`: where the store
        counts; greater than all before."""
        self._seq = number or self._seq + 1
        if len(self._kept) == 2 * _KEPT:
            self._floor = self._kept[_KEPT - 1].seq
            self._kept = self._kept[_KEPT:]
        event = Event(self._seq, kind, node, name, origin)
        self._kept.append(event)
        for listener in self._listeners:
            listener(event)
        if self._waiting:
            with self._condition:
                self._condition.notify_all()

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        self._listeners = [*self._listeners, listener]

        def stop() -> None:
            self._listeners = [one for one in self._listeners if one is not listener]

        return stop

    def events(self, after: int, timeout: float) -> list[Event]:
        """See `graphfs.api.Events.events`."""
        if after < 0:
            return [Event(self._seq, EventKind.RESET)]
        deadline = time.monotonic() + timeout
        with self._condition:
            self._waiting += 1
            try:
                while self._seq <= after and (left := deadline - time.monotonic()) > 0:
                    self._condition.wait(left)
            finally:
                self._waiting -= 1
        newest, kept = self._seq, self._kept
        if newest <= after:
            return []
        if not kept or after < self._floor:
            return [Event(newest, EventKind.RESET)]
        return kept[bisect_right(kept, after, key=_NUMBER) :]
