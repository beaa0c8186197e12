"""Asking one operation over HTTP: the request's head, the exchange, the retries, the error that a reply says. It
knows no operation by name."""

import threading
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from graphfs import wire
from graphfs.client.connection import Connection, LostError, Pool, Reply
from graphfs.client.retry import Failure, Policy
from graphfs.errors import Unavailable
from graphfs.model import Caller
from graphfs.wire.address import Address, TcpAddress

_caller_text = lru_cache(maxsize=1024)(wire.caller_text)


class Asker:
    """Asks operations of one server. For any number of threads."""

    def __init__(self, address: Address, *, token: str, timeout: float, policy: Policy) -> None:
        self._pool = Pool(address)
        self._policy = policy
        self._timeout = timeout
        self._closing = threading.Event()
        self._base = address.base if isinstance(address, TcpAddress) else ""
        host = f"{_bracketed(address.host)}:{address.port}" if isinstance(address, TcpAddress) else "localhost"
        self._head = f" HTTP/1.1\r\nHost: {host}\r\n"
        if token:
            self._head += f"Authorization: Bearer {token}\r\n"

    def ask(
        self, operation: wire.Operation, caller: Caller | None, values: Mapping[str, Any], body: bytes | None = None
    ) -> Any:
        """The operation's result, or its error."""
        seconds = operation.seconds if operation.seconds > wire.PATIENCE else self._timeout
        reply = self.exchange(operation, caller, values, body, time.monotonic() + seconds)
        return wire.answer(operation, reply.body)

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
            lines.append(f"{wire.CALLER_HEADER}: {_caller_text(caller)}\r\n")
        if body is not None:
            lines.append(
                f"Content-Type: {'application/json' if operation.body is None else 'application/octet-stream'}\r\n"
            )
            lines.append(f"Content-Length: {len(body)}\r\n")
        lines.append("\r\n")
        head = "".join(lines).encode("ascii")
        if connection is not None:
            return self._once(connection, head, body, deadline)
        return self._repeated(operation.idempotent, head, body, deadline)

    def _once(self, connection: Connection, head: bytes, body: bytes | None, deadline: float) -> Reply:
        try:
            reply = connection.exchange(head, body, deadline)
        except LostError as error:
            raise Unavailable(str(error)) from error
        if reply.status >= 400:
            raise wire.error_of(reply.status, reply.body)
        return reply

    def _repeated(self, idempotent: bool, head: bytes, body: bytes | None, deadline: float) -> Reply:
        attempt, lost_one = 0, False
        while True:
            attempt += 1
            connection = self._pool.take(deadline, fresh=lost_one)
            reused = connection.idle_since > 0
            try:
                reply = connection.exchange(head, body, deadline)
            except LostError as lost:
                error: Exception = Unavailable(str(lost))
                failure = Failure(sent=lost.sent, late=lost.late, reused=reused)
                lost_one = True
            else:
                if reply.status < 400:
                    return reply
                error = wire.error_of(reply.status, reply.body)
                if not isinstance(error, Unavailable):
                    raise error
                failure = Failure(sent=True)
            finally:
                self._pool.give_back(connection)
            delay = self._policy.delay(attempt, failure, idempotent=idempotent)
            if delay is None or time.monotonic() + delay >= deadline or self._closing.wait(delay):
                raise error

    def connection(self, deadline: float) -> Connection:
        """A connection of one's own, to be closed by who took it."""
        return self._pool.take(deadline, fresh=True)

    def close(self) -> None:
        """Ends waiting and idle connections. Asking afterwards is Unavailable."""
        self._closing.set()
        self._pool.close()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
