"""What every handler needs: the drive, the threads that may wait for it, and who owns it. Made once by
`gateway.app`, never global."""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from aiohttp import web

from graphfs.api import Drive
from graphfs.errors import Unavailable
from graphfs.model import Caller, Scope, Token

T = TypeVar("T")

THREADS, SHARED_THREADS = 8, 32
"""Calls that may wait at the same time: on a store in this process, and on one to which each is a journey."""
MOST_WAITING = 512
"""Calls that may wait for a thread before new ones are turned away."""
CLIENT_PATIENCE = 60.0
"""Seconds a client may be silent in the middle of a body that it sends or takes."""


Stored = Callable[[bytes], tuple[str, int]]
"""Where a blob is, found whole: a path below a folder that a proxy sees too, and its size. NotFound, Corrupt."""


class Gate(Protocol):
    """Whom a token lets in, by the SHA-256 (hex) of its secret. None: nobody."""

    def known(self, digest: str) -> Token | None:
        """As far as one knows without waiting."""
        ...

    def admit(self, digest: str) -> Token | None:
        """For sure; may wait."""
        ...


class Context:
    """The composition that handlers work with."""

    def __init__(
        self,
        drive: Drive,
        *,
        owner: int,
        token: str = "",
        hosts: frozenset[str] = frozenset(),
        instance: str = "",
        gate: Gate | None = None,
        stored: Stored | None = None,
    ) -> None:
        """`owner`: uid of who owns the drive. `token`: what a TCP client must show; empty refuses them all. `hosts`:
        names under which the server is reached beside those of the loopback. `instance`: whose numbers the events
        bear; empty: this process's alone. `gate`: whom further tokens let in. `stored`: where a proxy before this
        server finds blobs."""
        self.drive = drive
        self.owner = owner
        self.token = token
        self.hosts = hosts
        self.gate = gate
        self.stored = stored
        self.instance = instance or secrets.token_hex(8)
        self.shared = bool(instance)
        """Whether other servers serve this drive too, and events bear the store's numbers."""
        self._threads = ThreadPoolExecutor(SHARED_THREADS if self.shared else THREADS, thread_name_prefix="gateway")
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

    async def admitted(self, digest: str) -> Token | None:
        """The token whose secret has this SHA-256 (hex), if it lets somebody in now."""
        if self.gate is None:
            return None
        return self.gate.known(digest) or await self.run(self.gate.admit, digest)

    def owns(self, caller: Caller) -> bool:
        """Whether the caller may do everything: root, or the drive's owner."""
        return caller.uid in {0, self.owner}

    def close(self) -> None:
        """Ends the threads; calls under way are finished first."""
        self._threads.shutdown(wait=True)


CONTEXT: web.AppKey[Context] = web.AppKey("context", Context)
CALLER: web.RequestKey[Caller] = web.RequestKey("caller", Caller)
CHECKED: web.RequestKey[bool] = web.RequestKey("checked", bool)
SCOPES: web.RequestKey[frozenset[Scope]] = web.RequestKey("scopes", frozenset)
SHOWN: web.RequestKey[str] = web.RequestKey("shown", str)
"""Where the authentication leaves who asks, whether a kernel has checked what they may do to files, their scopes, and
the digest of the token that said so."""
BEGUN: web.RequestKey[bool] = web.RequestKey("begun", bool)
"""That the reply's status is out: there is no way back."""
