"""What the kernel must forget because of what others did.

A drive tells every change, also those that this mount's own kernel asked for and so knows already. Here the two are
told apart. It does not know how a kernel is told.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock, local

from graphfs.model import Caller, Event, EventKind
from graphfs.vfs.interface import EVERYTHING, Invalidation
from graphfs.vfs.origins import Origins

log = logging.getLogger(__name__)

ORIGINS = 1024
"""So many processes that changed something through this mount are remembered."""


class _Here(local):
    """What is known of the thread that asks."""

    ours = False
    """It has served a call of our kernel (a server's threads never do)."""
    indirect = False


class Invalidations:
    """Turns events of the drive into invalidations, told in order on the thread of the event. Thread-safe."""

    def __init__(self, remote: Origins | None = None) -> None:
        """`remote`: events come on a thread of their own, and only the stamp of who made the change tells them
        apart."""
        self._remote = remote
        self._origins: OrderedDict[int, None] = OrderedDict()
        self._lock = Lock()
        self._here = _Here()
        self._listeners: list[Callable[[Invalidation], None]] = []

    def watch(self, listener: Callable[[Invalidation], None]) -> None:
        with self._lock:
            self._listeners = [*self._listeners, listener]

    @property
    def watched(self) -> bool:
        """Whether a kernel is told."""
        return bool(self._listeners)

    def own(self, caller: Caller) -> None:
        """What this caller changes now, on this thread, is asked for by our kernel."""
        if self._remote is not None:
            self._remote.own()  # and is stamped
            return
        self._here.ours = True
        pid = caller.pid
        if pid and pid not in self._origins:
            with self._lock:
                self._origins[pid] = None
                if len(self._origins) > ORIGINS:
                    self._origins.popitem(last=False)

    @contextmanager
    def indirect(self) -> Iterator[None]:
        """What changes within on this thread is not what the kernel thinks it asked for (a move that tags)."""
        self._indirectly(True)
        try:
            yield
        finally:
            self._indirectly(False)

    def _indirectly(self, indirect: bool) -> None:
        self._here.indirect = indirect
        if self._remote is not None:
            self._remote.indirectly(indirect)

    def foreign(self, event: Event) -> bool:
        """Whether our kernel cannot know of it."""
        return not self._ours(event) or self._here.indirect

    def _ours(self, event: Event) -> bool:
        if self._remote is not None:
            return self._remote.known(event.origin)
        return event.origin in self._origins and self._here.ours

    def pages(self, node: int) -> None:
        """The kernel's pages of this node no longer hold."""
        self.put(Invalidation(node, pages=True))

    def put(self, invalidation: Invalidation) -> None:
        for listener in self._listeners:
            try:
                listener(invalidation)
            except Exception:  # one listener must not silence the others, nor fail the change
                log.exception("a listener failed on %r", invalidation)

    def event(self, event: Event) -> None:
        """Of the kinds NODE, ENTRY and RESET; others have no node that a kernel knows."""
        if event.kind is EventKind.NODE:
            self.put(Invalidation(event.node, pages=not self._ours(event)))
        elif event.kind is EventKind.ENTRY:
            self.put(Invalidation(event.node, event.name))
        elif event.kind is EventKind.RESET:
            self.put(EVERYTHING)

    def close(self) -> None:
        """Nobody is told any more."""
        with self._lock:
            self._listeners = []
