"""What every handler needs: the drive, the threads that may wait for it, and who owns it. Made once by
`gateway.app`, never global."""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from aiohttp import web

from graphfs.api import Drive
from graphfs.errors import Unavailable
from graphfs.model import Caller

T = TypeVar("T")

THREADS = 8
"""Calls that may wait at the same time."""
MOST_WAITING = 512
"""Calls that may wait for a thread before new ones are turned away."""
CLIENT_PATIENCE = 60.0
"""Seconds a client may be silent in the middle of a body that it sends or takes."""


class Context:
    """The composition that handlers work with."""

    def __init__(
        self, drive: Drive, *, owner: int, token: str = "", hosts: frozenset[str] = frozenset(), instance: str = ""
    ) -> None:
        """`owner`: uid of who owns the drive. `token`: what a TCP client must show; empty refuses them all. `hosts`:
        names under which the server is reached beside those of the loopback. `instance`: whose numbers the events
        bear; empty: this process's alone."""
        self.drive = drive
        self.owner = owner
        self.token = token
        self.hosts = hosts
        self.instance = instance or secrets.token_hex(8)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="gateway")
        self.waiting = 0
        """Calls on threads, and waiting for one."""
        self.active = 0
        """Requests under way."""
        self.draining = False
        """The server is about to leave: what is under way is finished, and no connection is kept."""

    async def run(self, call: Callable[..., T], *args: Any, **named: Any) -> T:
        """Makes a call that may wait, on a thread. Unavailable when too many wait already."""
        if self.waiting >= MOST_WAITING:
            raise Unavailable("too many requests are waiting; try again in a moment")
        self.waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: call(*args, **named))
        finally:
            self.waiting -= 1

    def owns(self, caller: Caller) -> bool:
        """Whether the caller may do everything: root, or the drive's owner."""
        return caller.uid in {0, self.owner}

    def close(self) -> None:
        """Ends the threads; calls under way are finished first."""
        self._threads.shutdown(wait=True)


CONTEXT: web.AppKey[Context] = web.AppKey("context", Context)
CALLER: web.RequestKey[Caller] = web.RequestKey("caller", Caller)
"""Where the authentication leaves who asks."""
