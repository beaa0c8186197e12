"""What the kernel must forget because of what others did.

A drive tells every change, also those that this mount's own kernel asked for and so knows already. Here the two are
told apart. It does not know how a kernel is told.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Lock, Thread, local

from graphfs.model import Caller, Event, EventKind
from graphfs.vfs.interface import Invalidation

log = logging.getLogger(__name__)

ORIGINS = 1024
"""So many processes that changed something through this mount are remembered."""


class Invalidations:
    """Turns events of the drive into invalidations, told in order on a thread of its own. Thread-safe."""

    def __init__(self) -> None:
        self._origins: OrderedDict[int, None] = OrderedDict()
        self._lock = Lock()
        self._here = local()
        self._listeners: list[Callable[[Invalidation], None]] = []
        self._queue: SimpleQueue[Invalidation | None] = SimpleQueue()
        self._thread: Thread | None = None

    def watch(self, listener: Callable[[Invalidation], None]) -> None:
        with self._lock:
            self._listeners.append(listener)
            if self._thread is None:
                self._thread = Thread(target=self._tell, name="graphfs-invalidate", daemon=True)
                self._thread.start()

    def own(self, caller: Caller) -> None:
        """What this caller changes is asked for by our kernel."""
        pid = caller.pid
        if pid and pid not in self._origins:
            with self._lock:
                self._origins[pid] = None
                if len(self._origins) > ORIGINS:
                    self._origins.popitem(last=False)

    @contextmanager
    def indirect(self) -> Iterator[None]:
        """What changes within on this thread is not what the kernel thinks it asked for (a move that tags)."""
        self._here.indirect = True
        try:
            yield
        finally:
            self._here.indirect = False

    def foreign(self, event: Event) -> bool:
        """Whether our kernel cannot know of it."""
        return event.origin not in self._origins or getattr(self._here, "indirect", False)

    def pages(self, node: int) -> None:
        """The kernel's pages of this node no longer hold."""
        self.put(Invalidation(node, pages=True))

    def put(self, invalidation: Invalidation) -> None:
        if self._listeners:
            self._queue.put(invalidation)

    def event(self, event: Event) -> None:
        """Of the kinds NODE and ENTRY; others have no node that a kernel knows."""
        if event.kind is EventKind.NODE:
            self.put(Invalidation(event.node, pages=event.origin not in self._origins))
        elif event.kind is EventKind.ENTRY:
            self.put(Invalidation(event.node, event.name))

    def close(self) -> None:
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()

    def _tell(self) -> None:
        while (invalidation := self._queue.get()) is not None:
            for listener in self._listeners:
                try:
                    listener(invalidation)
                except Exception:  # one listener must not silence the others
                    log.exception("a listener failed on %r", invalidation)
