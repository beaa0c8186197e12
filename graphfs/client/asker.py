"""Asking one operation over HTTP: the request's head, the exchange, the retries, the error that a reply says. It
knows no operation by name."""

import itertools
import logging
import secrets
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from graphfs import wire
from graphfs.client.connection import Connection, LostError, Pool, Reply
from graphfs.client.outage import Outage
from graphfs.client.retry import Failure, Policy
from graphfs.errors import Busy, DriveError, ReadOnly, Unavailable
from graphfs.model import Caller
from graphfs.wire.address import Address, TcpAddress

_log = logging.getLogger(__name__)
_SEEN = wire.SEEN_HEADER.lower().encode()
_caller_text = lru_cache(maxsize=1024)(wire.caller_text)
_FIRST_TRY, _FIRST_CHANGE = 0.4, 0.5
"""Share of the time after which whoever is patient asks again on another connection: behind a proxy there may be a
server that does not hang. Of a change later: two of it, of which one is made, hinder one another."""
_LONG_BODY = 64 * 1024
"""What takes its time to be sent is not sent again so soon."""


class _Request(NamedTuple):
    """What is sent, each time alike. `number`: what it is called in the servers' logs."""

    head: bytes
    body: bytes | None
    number: str

    def named(self, error: DriveError) -> DriveError:
        """With its number, where those logs say more."""
        if isinstance(error, Unavailable) or type(error) is DriveError:
            return type(error)(f"{error} (request {self.number})")
        return error


class Asker:
    """Asks operations of one server. For any number of threads."""

    def __init__(
        self,
        address: Address,
        *,
        token: str,
        timeout: float,
        policy: Policy,
        trust: ssl.SSLContext | None = None,
        outage: Outage | None = None,
        stamp: Callable[[Caller], Caller] | None = None,
        checked: bool = False,
    ) -> None:
        """`stamp`: as whom the server knows a caller. `checked`: a kernel has checked what callers may do.
        `outage`: how long one that is away is waited for."""
        self._pool = Pool(address, trust)
        self.outage = outage or Outage()
        self._stamp = stamp
        self._policy = policy
        self._timeout = timeout
        self._closing = threading.Event()
        self.seen = 0
        """The last change that a reply knew of: whichever server is asked next knows it too."""
        self._changes = itertools.count(1)
        self.changes = 0
        """Another number whenever a change begins and ends here."""
        self._base = address.base if isinstance(address, TcpAddress) else ""
        host = f"{_bracketed(address.host)}:{address.port}" if isinstance(address, TcpAddress) else "localhost"
        self._checked = f"{wire.CHECKED_HEADER}: 1\r\n" if checked else ""
        self._head = f" HTTP/1.1\r\nHost: {host}\r\n"
        if token:
            self._head += f"Authorization: Bearer {token}\r\n"

    def ask(
        self, operation: wire.Operation, caller: Caller | None, values: Mapping[str, Any], body: bytes | None = None
    ) -> Any:
        """The operation's result, or its error."""
        seconds = operation.seconds if operation.seconds > wire.PATIENCE else self._timeout
        if self.outage.away and operation.verb != "GET":
            raise ReadOnly("the server is away: what is known can be read, nothing can be changed")
        self.outage.check()
        deadline = self.outage.deadline(time.monotonic() + seconds)
        if operation.verb == "GET":
            return wire.answer(operation, self.exchange(operation, caller, values, body, deadline).body)
        self.changes = next(self._changes)
        try:
            return wire.answer(operation, self.exchange(operation, caller, values, body, deadline).body)
        finally:
            self.changes = next(self._changes)

    def exchange(
        self,
        operation: wire.Operation,
        caller: Caller | None,
        values: Mapping[str, Any],
        body: bytes | None,
        deadline: float,
        connection: Connection | None = None,
    ) -> Reply:
        """The reply of a success; with a `connection` by that one only, and once. DriveError."""
        target, json_body = wire.request(operation, values)
        body = body if operation.body is not None else json_body
        lines = [f"{operation.verb} {self._base}{target}{self._head}"]
        if caller is not None:
            if self._stamp is not None:
                caller = self._stamp(caller)
            lines.append(f"{wire.CALLER_HEADER}: {_caller_text(caller)}\r\n{self._checked}")
        if self.seen:
            lines.append(f"{wire.SEEN_HEADER}: {self.seen}\r\n")
        if operation.keyed:
            lines.append(f"{wire.KEY_HEADER}: {secrets.token_hex(16)}\r\n")
        if body is not None:
            lines.append(
                f"Content-Type: {'application/json' if operation.body is None else 'application/octet-stream'}\r\n"
            )
            lines.append(f"Content-Length: {len(body)}\r\n")
        number = secrets.token_hex(8)
        lines.append(f"{wire.REQUEST_HEADER}: {number}\r\n\r\n")
        request = _Request("".join(lines).encode("ascii"), body, number)
        if connection is not None:
            return self._once(connection, request, deadline)
        safe = operation.idempotent or operation.keyed
        try:
            return self._repeated(safe, request, deadline, self._patience(operation, body) if safe else 0.0)
        except Unavailable as error:
            _log.info("%s: %s", operation.name, error)
            raise

    def _patience(self, operation: wire.Operation, body: bytes | None) -> float:
        """Seconds for which one attempt may take; 0: as long as all of them."""
        if not self._policy.patient or operation.seconds >= wire.LONG_PATIENCE:
            return 0.0
        if body is not None and len(body) > _LONG_BODY:
            return self._timeout
        return self._timeout * (_FIRST_TRY if operation.verb == "GET" else _FIRST_CHANGE)

    def _once(self, connection: Connection, request: _Request, deadline: float) -> Reply:
        try:
            reply = connection.exchange(request.head, request.body, deadline)
        except LostError as error:
            raise request.named(Unavailable(str(error))) from error
        if reply.status >= 400:
            raise request.named(wire.error_of(reply.status, reply.body))
        self.seen = max(self.seen, int(reply.headers.get(_SEEN, b"0")))
        return reply

    def _repeated(self, safe: bool, request: _Request, deadline: float, patience: float) -> Reply:
        """`safe`: it may be asked again although it may have been carried out. `patience`: seconds that one attempt may
        take (0: up to the deadline); the last one takes what is left."""
        hung: list[Connection] = []
        try:
            return self._until(safe, request, deadline, patience, hung)
        finally:
            for connection in hung:
                self._pool.give_back(connection)

    def _until(self, safe: bool, request: _Request, deadline: float, patience: float, hung: list[Connection]) -> Reply:
        """`hung`: those on which no answer came stay open until there is one: a proxy gives the next attempt to the
        server that has the fewest requests open, which then is another one."""
        attempt, lost_one, first = 0, False, time.monotonic()
        while True:
            attempt += 1
            begun = time.monotonic()
            until = min(deadline, begun + patience) if patience and attempt < self._policy.tries else deadline
            found = self._attempt(request, until, hung, fresh=lost_one)
            if isinstance(found, Reply):
                return found
            error, failure = found
            lost_one = not failure.replied
            again = failure.late and until < deadline
            silent = not again and (failure.late or failure.away or not failure.connected)
            if silent:
                self.outage.failed(begun)
            deadline = self.outage.deadline(deadline)
            if failure.replied and not failure.away:
                # The server is there and cannot do it now: what may take a minute is not asked for that long.
                deadline = min(deadline, first + self._timeout)
            delay = 0.0 if again else self._policy.delay(attempt, failure, idempotent=safe)
            if not failure.connected and not self.outage.met:
                raise error
            if delay is None or time.monotonic() + delay >= deadline or self._closing.wait(delay):
                if silent:
                    self.outage.give_up(first)
                raise error

    def _attempt(
        self, request: _Request, deadline: float, hung: list[Connection], *, fresh: bool
    ) -> Reply | tuple[DriveError, Failure]:
        """A success, or how it failed; what the server refuses is raised."""
        try:
            connection = self._pool.take(deadline, fresh=fresh)
        except Unavailable as error:
            return error, Failure(sent=False, connected=False)
        reused = connection.idle_since > 0
        late = False
        try:
            reply = connection.exchange(request.head, request.body, deadline)
        except LostError as lost:
            late = lost.late
            return request.named(Unavailable(str(lost))), Failure(sent=lost.sent, late=late, reused=reused)
        finally:
            if late:
                hung.append(connection)
            else:
                self._pool.give_back(connection)
        number = int(reply.headers.get(_SEEN, b"0"))
        if reply.status < 400:
            self.seen = max(self.seen, number)
            self.outage.answered()
            return reply
        if number:
            # It cannot be reached any more: the store was restored from a copy, or is cut off from this server.
            self.seen = number
        refused = request.named(wire.error_of(reply.status, reply.body))
        if not isinstance(refused, Unavailable):
            self.outage.answered()
            if not isinstance(refused, Busy):
                raise refused
            return refused, Failure(sent=True, replied=True, busy=True)
        return refused, Failure(sent=True, replied=True, away=not wire.is_ours(reply.status, reply.body))

    def give_up(self) -> None:
        """The server says nothing to anybody: what waits for it is broken off."""
        self.outage.give_up()
        self._pool.abort()

    def connection(self, deadline: float) -> Connection:
        """A connection of one's own, to be closed by who took it."""
        return self._pool.dial(deadline)

    def close(self) -> None:
        """Ends waiting and idle connections. Asking afterwards is Unavailable."""
        self._closing.set()
        self._pool.close()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
