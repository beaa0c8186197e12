"""Carries what a volume says has changed to the kernel, on a thread of its own.

Telling the kernel may wait for locks that the kernel holds while it waits for us, so it never happens on a thread that
answers requests. What comes within a moment is told together, equal ones once: a thread that woke up for each of them
would fight the answering thread for the interpreter at every change (it halved the rate of tag changes).
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from graphfs.vfs.interface import Invalidation

log = logging.getLogger(__name__)


def look_again(mount_point: str, name: str) -> None:
    """Looks up a name in the mount's root that the kernel was told to forget: it keeps what somebody uses of the tree
    below it, but it finds the way to that from above (and the working folder of who is in it) only once the name was
    asked for again. On the thread that tells the kernel, so that others answer."""
    with suppress(OSError):
        os.stat(os.path.join(mount_point, name))


PAUSE = 0.001
"""Seconds for which what comes is gathered."""


class Invalidations:
    """A queue and the thread that empties it; `tell` brings one to the kernel (it may block and may fail)."""

    def __init__(self, tell: Callable[[Invalidation], None], told: Callable[[Invalidation], None]) -> None:
        """`told` is called after each, also after one that failed."""
        self._tell, self._told = tell, told
        self._waiting: dict[Invalidation, None] = {}
        self._changed = threading.Condition()
        self._awake = False
        """Whether the thread will look again by itself."""
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="invalidations", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, invalidation: Invalidation) -> None:
        """Takes one in, from any thread, without waiting."""
        with self._changed:
            self._waiting[invalidation] = None
            if not self._awake:
                self._awake = True
                self._changed.notify()

    def stop(self) -> None:
        """Ends the thread. What still waits is dropped: it is called when the kernel is gone."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._awake = False
                while not self._waiting and not self._ended:
                    self._changed.wait()
                self._awake = True
            time.sleep(PAUSE)
            with self._changed:
                if self._ended:
                    return
                batch, self._waiting = self._waiting, {}
            for invalidation in batch:
                try:
                    self._tell(invalidation)
                except Exception:  # the thread must outlive one failure: later changes would never be seen
                    log.exception("the kernel could not be told of a change in node %d", invalidation.node)
                self._told(invalidation)
