"""The event loop of the exact binding: one thread at a time answers the kernel, others wait for what takes long.

pyfuse3 runs on trio, and lets another runtime take its place (its own `pyfuse3.asyncio` does). A general runtime passes
through its scheduler and epoll for every request, which costs more than answering does; here a task that waits for the
kernel polls at once, and the scheduler is passed through only when another task is ready. It has what pyfuse3 asks for
and no more: it is not a runtime for anything else. Figures are in docs/decisions/fuse-loop.md.
"""

import contextlib
import os
import select
import threading
import time
import types
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from graphfs.fuse.leading import THREADS, Leadership

SPIN = 0.0002
"""Seconds for which the loop looks for the kernel's next request before it sleeps, when the last one came that soon: to
wake a sleeping processor takes as long as to answer a request, most of all in a virtual machine."""


class ClosedResourceError(Exception):
    """What was waited for is being closed (pyfuse3 catches it by this name)."""


class Task:
    """A coroutine that runs, and its name (for pyfuse3's log)."""

    __slots__ = ("coroutine", "name")

    def __init__(self, coroutine: Coroutine[Any, Any, Any], name: str) -> None:
        self.coroutine = coroutine
        self.name = name


@types.coroutine
def _park() -> Generator[None, None, None]:
    """Suspends the running task until somebody makes it ready again."""
    yield


class Loop:
    """Runs pyfuse3's tasks, standing in trio's place (`pyfuse3.trio`). It runs once."""

    ClosedResourceError = ClosedResourceError

    def __init__(self) -> None:
        self.lowlevel = self
        self._ready: deque[Task] = deque()
        self._tasks: set[Task] = set()
        self._locks: list[_Lock] = []
        self._running: Task | None = None
        self._leaving: Task | None = None
        """The task that waits for all others to end."""
        self._closing = False
        self._ringing = threading.Lock()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._bell, select.POLLIN)
        self._polled = -1
        self._several = len(os.sched_getaffinity(0)) > 1
        """Whether who is to send a request can run while the loop looks for it."""
        self._soon = False
        """Whether the last request came so soon that sleeping was not worth it."""
        self._failure: BaseException | None = None
        self._leadership = Leadership(self._lead)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="fuse")

    # -- for the binding

    def run(self, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Runs `main` and every task that it starts to the end. A task's exception ends the waiting of the others, then
        it is raised."""
        self.spawn(main(), "main")
        self._leadership.run()
        self._threads.shutdown()
        with self._ringing:
            os.close(self._bell)
            self._bell = -1
        if self._failure is not None:
            raise self._failure

    def _lead(self, me: int) -> None:
        """Runs tasks until there are none, or until this thread leads no more."""
        try:
            self._turn(me)
        except BaseException as error:  # noqa: BLE001  # raised by `run`
            self._failure = self._failure or error
            self._leadership.end()

    def _turn(self, me: int) -> None:
        while self._tasks:
            if not self._ready:
                if not self._let_through():
                    self._poll_bell()
                continue
            task = self._running = self._ready.popleft()
            try:
                task.coroutine.send(None)
            except StopIteration:
                pass
            except BaseException as error:  # noqa: BLE001  # raised when all tasks have ended
                self._failure = self._failure or error
                self.stop()
            else:
                if not self._leadership.held(me):
                    self._wake(task)  # its call is done: who leads now goes on with it
                    return
                continue
            self._tasks.discard(task)
            if self._leaving is not None and self._tasks == {self._leaving}:
                self._ready.append(self._leaving)
        self._leadership.end()

    async def here(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """The result of a call that mostly does not wait: it runs on this thread. Before it waits, another one goes on
        with the loop."""
        task = self.current_task()
        # pyfuse3 lets go of a request's coroutine when the next request begins, unless it has yielded once
        self._ready.append(task)
        await _park()
        me = threading.get_ident()
        self._leadership.calls()
        try:
            return call(*arguments)
        finally:
            if self._leadership.returned(me):
                self._running = task
            else:
                await _park()

    async def on_thread(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """The result of a call that may wait; other requests are answered meanwhile."""
        task = self.current_task()
        future: Future[Any] = self._threads.submit(call, *arguments)
        future.add_done_callback(lambda _: self._wake(task))
        await _park()
        return future.result()

    def stop(self) -> None:
        """Ends the waiting for the kernel; what it asked already is answered. From any thread."""
        self._closing = True
        self._ring()

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str) -> None:
        """Starts a task at the next turn."""
        task = Task(coroutine, name)
        self._tasks.add(task)
        self._ready.append(task)

    def _wake(self, task: Task) -> None:
        self._ready.append(task)
        self._ring()

    def _ring(self) -> None:
        """Wakes the loop, unless it has ended: its descriptor may be somebody else's by then."""
        with self._ringing:
            if self._bell >= 0:
                os.eventfd_write(self._bell, 1)

    def _poll_bell(self) -> None:
        """Waits for a thread to make a task ready: no task waits for the kernel now."""
        select.select([self._bell], [], [])
        self._hear()

    def _hear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._bell)

    # -- what pyfuse3 takes for trio

    async def wait_readable(self, fd: int) -> None:
        """Returns when the kernel has a request. Tasks that are ready go first."""
        if self._polled != fd:
            self._poll.register(fd, select.POLLIN)
            self._polled = fd
        while True:
            while self._ready:
                self._ready.append(self.current_task())
                await _park()
            if self._closing:
                raise ClosedResourceError
            events = self._next()
            if len(events) == 1 and events[0][0] == fd:
                return
            self._hear()  # the kernel's request, if there is one as well, stays for the next poll

    def _next(self) -> list[tuple[int, int]]:
        """What can be read, as soon as there is something."""
        begun = time.perf_counter()
        if self._soon:
            while time.perf_counter() - begun < SPIN:
                events = self._poll.poll(0)
                if events:
                    return events
        events = self._poll.poll()
        self._soon = self._several and time.perf_counter() - begun < 2 * SPIN
        return events

    def notify_closing(self, fd: int) -> None:
        self.stop()

    def current_task(self) -> Task:
        assert self._running is not None
        return self._running

    def current_trio_token(self) -> "Loop":
        return self

    def Lock(self) -> "_Lock":  # noqa: N802  # the name pyfuse3 calls
        lock = _Lock(self)
        self._locks.append(lock)
        return lock

    def open_nursery(self) -> "_Nursery":
        return _Nursery(self)

    async def wait_for_others(self) -> None:
        """Returns when the running task is the last one."""
        self._leaving = self.current_task()
        while len(self._tasks) > 1:
            await _park()

    def _let_through(self) -> bool:
        """Makes the first task that waits for a free lock ready, if there is one."""
        for lock in self._locks:
            if lock.queue and not lock.taken:
                self._ready.append(lock.queue.popleft())
                return True
        return False


class _Lock:
    """Lets one task through at a time. Who waits comes in turn when nothing else is ready: a task that reads the
    kernel's requests and answers each at once comes back for the next, and the others sleep on."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.taken = False
        self.queue: deque[Task] = deque()

    async def __aenter__(self) -> None:
        while self.taken:
            self.queue.append(self._loop.current_task())
            await _park()
        self.taken = True

    async def __aexit__(self, *_: object) -> None:
        self.taken = False


class _Nursery:
    """Starts tasks, and is left when all of them have ended."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    async def __aenter__(self) -> "_Nursery":
        return self

    def start_soon(self, function: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any, name: str = "") -> None:
        self._loop.spawn(function(*arguments), name)

    async def __aexit__(self, *_: object) -> None:
        await self._loop.wait_for_others()
