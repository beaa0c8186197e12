"""Which of several threads runs a loop: one at a time, and another one as soon as that one has to wait."""

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

from graphfs.pauses import tell_before

THREADS = 32
"""Threads beside the first one: calls that may wait at the same time; more of them queue."""
STUCK = 0.02
"""Seconds after which a call that did not say that it waits has the loop taken away."""
IDLE = 0.25
"""Seconds between looks for such a call when there was none."""


class Leadership:
    """The leader runs the loop's tasks. It says when it runs a call that may wait (`calls`) and asks afterwards whether
    it leads still (`returned`). Meanwhile another thread may have begun to lead: because the call said that it waits
    (graphfs.pauses), or because it took long."""

    def __init__(self, lead: Callable[[int], None]) -> None:
        """`lead` gets the leader's thread and runs the loop until that one does not lead any more, or to the end."""
        self._lead = lead
        self._lock = threading.Lock()
        self._leader = 0
        """A thread; 0: none."""
        self._since = 0.0
        """When the leader's call began; 0: it runs none that may wait."""
        self._count = self._seen = 0
        """Calls so far, and those that the watcher knows of."""
        self._vacant: SimpleQueue[None] = SimpleQueue()
        """Wakes a thread that is idle, to lead."""
        self._idle = 0
        self._others: list[threading.Thread] = []
        self._over = threading.Event()
        self._watcher: threading.Thread | None = None

    def run(self) -> None:
        """Leads first, on this thread, and returns when the loop has ended and all other threads with it."""
        self._work()
        for thread in (*self._others, self._watcher):
            if thread is not None:
                thread.join()

    def end(self) -> None:
        """Told by the leader: nothing is left to do."""
        self._over.set()
        for _ in range(THREADS + 1):
            self._vacant.put(None)

    def held(self, me: int) -> bool:
        """Whether this thread leads."""
        return self._leader == me

    def calls(self) -> None:
        """The leader begins a call that may wait."""
        if self._watcher is None:
            self._watcher = threading.Thread(target=self._watch, name="fuse-watch", daemon=True)
            self._watcher.start()
        self._count += 1
        self._since = time.perf_counter()

    def returned(self, me: int) -> bool:
        """After a call: whether this thread leads, still or again."""
        with self._lock:
            if not self._leader:
                self._leader = me
            if self._leader == me:
                self._since = 0.0
                return True
            return False

    def _work(self) -> None:
        """Leads whenever nobody else does."""
        me = threading.get_ident()
        tell_before(self._give)
        while not self._over.is_set():
            with self._lock:
                leads = not self._leader
                if leads:
                    self._leader = me
                else:
                    self._idle += 1
            if leads:
                self._lead(me)
            else:
                self._vacant.get()

    def _give(self) -> None:
        """The call that this thread runs is about to wait."""
        me = threading.get_ident()
        with self._lock:
            if self._leader == me and self._since:
                self._vacate()

    def _vacate(self) -> None:
        self._leader, self._since = 0, 0.0
        if self._idle:
            self._idle -= 1
            self._vacant.put(None)
        elif len(self._others) < THREADS:
            thread = threading.Thread(target=self._work, name="fuse-loop", daemon=True)
            thread.start()
            self._others.append(thread)

    def _watch(self) -> None:
        """Takes the loop from a call that takes long and did not say so (it waits for another one, or for a disk)."""
        pause = STUCK
        while not self._over.wait(pause):
            pause = IDLE if self._count == self._seen else STUCK
            self._seen = self._count
            with self._lock:
                if self._since and time.perf_counter() - self._since > STUCK:
                    self._vacate()
