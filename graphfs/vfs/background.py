"""What goes on behind the calls of the kernel: chunks are given to the store while the next ones are written, and at
intervals what waits is looked after. It runs jobs; it knows nothing of files.

Threads start with the first thing to do (a mount forks before that), and end with `close`.
"""

import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from threading import Condition, Thread
from typing import TypeVar

from graphfs.errors import DriveError
from graphfs.pauses import about_to_wait

log = logging.getLogger(__name__)

T = TypeVar("T")


WORKERS = 2
"""Threads for jobs: while one waits for the disk or the network, the other hashes."""


class Background:
    """Threads for jobs, which begin in order, and one that calls `tick` every `interval` seconds while that returns
    True."""

    def __init__(self, tick: Callable[[], bool], interval: float) -> None:
        self._tick = tick
        self._interval = interval
        self._jobs: deque[Callable[[], None]] = deque()
        self._condition = Condition()
        self._threads: list[Thread] = []
        self._closed = False
        self.awake = False
        """Whether the next tick is sure to come."""

    def submit(self, job: Callable[[], None]) -> None:
        """An error in the job is logged: whoever needs its outcome does the work again, and is told then."""
        with self._condition:
            self._start()
            self._jobs.append(job)
            self._condition.notify_all()

    def wake(self) -> None:
        """There is something for `tick`."""
        if self.awake:
            return
        with self._condition:
            self._start()
            self.awake = True
            self._condition.notify_all()

    def close(self) -> None:
        """Jobs not begun are dropped; returns when none runs."""
        with self._condition:
            self._closed = True
            self._jobs.clear()
            self._condition.notify_all()
        for thread in self._threads:
            thread.join()

    def _start(self) -> None:
        if not self._threads and not self._closed:
            self._threads = [
                Thread(target=target, name=f"graphfs-{name}", daemon=True)
                for name, target in [("store", self._work)] * WORKERS + [("tick", self._watch)]
            ]
            for thread in self._threads:
                thread.start()

    def _work(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._closed or self._jobs)
                if self._closed:
                    return
                job = self._jobs.popleft()
            _run(job)

    def _watch(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._closed or self.awake)
                self._condition.wait_for(lambda: self._closed, self._interval)
                if self._closed:
                    return
                self.awake = False
            if _run(self._tick) is not False:
                self.wake()


def _run(job: Callable[[], T]) -> T | None:
    """None: it failed."""
    try:
        return job()
    except DriveError as error:
        log.info("put off: %s", error)
    except Exception:  # the thread must live on, whatever one job did
        log.exception("a background job failed")
    return None


def begun(call: Callable[[], T]) -> Callable[[], T]:
    """The same call, being made in a thread of its own already: who makes it waits for what comes of that."""
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:  # noqa: BLE001  # who waits for it gets it
            outcome.set_exception(error)

    def wait() -> T:
        if not outcome.done():
            about_to_wait()
        return outcome.result()

    Thread(target=run, name="graphfs-ahead", daemon=True).start()
    return wait
