"""HTTP/1.1 over one kept-alive connection, and a pool of such connections.

Raw sockets, because a client library costs more than the whole rest of a call (docs/decisions/raw-http-client.md).
It speaks the part of HTTP that our server and a proxy before it speak: replies with Content-Length or chunked. It
knows nothing of drives, and it never repeats a request.
"""

import io
import os
import select
import socket
import ssl
import threading
import time
from typing import NamedTuple

from graphfs.client.trust import refusal
from graphfs.errors import Unavailable
from graphfs.pauses import about_to_wait
from graphfs.wire.address import Address, UnixAddress, short_path

_MOST_IDLE = 16
_IDLE_SECONDS = 30.0
"""A connection that was idle longer is not used again; servers keep one for longer."""
_READ = 256 * 1024
_LONGEST_HEAD = 64 * 1024


class Reply(NamedTuple):
    """What came back. Names of headers are in lower case."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


class LostError(Exception):
    """The connection broke. `sent`: the whole request was out, so it may have been carried out."""

    def __init__(self, message: str, *, sent: bool, late: bool = False) -> None:
        super().__init__(message)
        self.sent = sent
        self.late = late
        """Time ran out."""


class Connection:
    """One connection. Not for two threads at once."""

    def __init__(self, address: Address, deadline: float, trust: ssl.SSLContext | None = None) -> None:
        """Unavailable when nobody answers there, or somebody who is not trusted. `trust` is needed for TLS."""
        self._socket = _dial(address, deadline, trust)
        self._rest = b""
        self.usable = True
        self.idle_since = 0.0

    def stale(self) -> bool:
        """Whether the other end gave it up meanwhile (or says something that nobody asked for)."""
        if self._rest or time.monotonic() - self.idle_since > _IDLE_SECONDS:
            return True
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return True
        poll = select.poll()
        poll.register(self._socket, select.POLLIN | select.POLLHUP | select.POLLERR)
        return bool(poll.poll(0))

    def exchange(self, head: bytes, body: bytes | None, deadline: float) -> Reply:
        """Sends a request and reads its reply. LostError; the connection is then of no more use."""
        self.usable = False
        sent = False
        try:
            try:
                self._send(head, body, deadline)
                sent = True
                about_to_wait()
            except (BrokenPipeError, ConnectionResetError):
                # Refused in the middle of the body: the reply that says why may be here already.
                return self._receive(deadline, keep=False)
            return self._receive(deadline, keep=True)
        except TimeoutError as error:
            raise LostError("the server does not answer in time", sent=sent, late=True) from error
        except (OSError, EOFError, ValueError) as error:
            raise LostError(f"the connection to the server broke: {error}", sent=sent) from error

    def _left(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)

    def _send(self, head: bytes, body: bytes | None, deadline: float) -> None:
        self._left(deadline)
        if body is None:
            self._socket.sendall(head)
        elif len(body) <= _LONGEST_HEAD:
            self._socket.sendall(head + body)
        else:
            self._socket.sendall(head)
            self._socket.sendall(body)

    def _more(self, deadline: float) -> bytes:
        self._left(deadline)
        part = self._socket.recv(_READ)
        if not part:
            raise EOFError("it was closed")
        return part

    def _receive(self, deadline: float, *, keep: bool) -> Reply:
        text = self._rest
        while (end := text.find(b"\r\n\r\n")) < 0:
            if len(text) > _LONGEST_HEAD:
                raise ValueError("the reply's head is too long")
            text += self._more(deadline)
        first, *lines = text[:end].split(b"\r\n")
        rest = text[end + 4 :]
        status = int(first.split(b" ", 2)[1])
        headers = {}
        for line in lines:
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        if status == 100:
            self._rest = rest
            return self._receive(deadline, keep=keep)
        if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
            body, self._rest = self._chunked(rest, deadline)
        else:
            body, self._rest = self._measured(rest, int(headers.get(b"content-length", b"0")), deadline)
        self.usable = keep and headers.get(b"connection", b"").lower() != b"close"
        return Reply(status, headers, body)

    def _measured(self, rest: bytes, length: int, deadline: float) -> tuple[bytes, bytes]:
        if len(rest) >= length:
            return rest[:length], rest[length:]
        body = io.BytesIO(bytes(length))  # these very bytes are filled and given: no copy
        with body.getbuffer() as view:
            at = len(rest)
            view[:at] = rest
            while at < length:
                self._left(deadline)
                count = self._socket.recv_into(view[at:])
                if not count:
                    raise EOFError("it was closed")
                at += count
        return body.getvalue(), b""

    def _chunked(self, rest: bytes, deadline: float) -> tuple[bytes, bytes]:
        parts: list[bytes] = []
        while True:
            while (end := rest.find(b"\r\n")) < 0:
                rest += self._more(deadline)
            length = int(rest[:end].partition(b";")[0], 16)
            rest = rest[end + 2 :]
            while len(rest) < length + 2:
                rest += self._more(deadline)
            if not length:
                return b"".join(parts), rest[2:]
            parts.append(rest[:length])
            rest = rest[length + 2 :]

    def abort(self) -> None:
        """Breaks it off, also for a thread that waits in it."""
        self.usable = False
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it was gone already

    def close(self) -> None:
        """Closes it. Not while another thread uses it."""
        self.usable = False
        self._socket.close()


def _dial(address: Address, deadline: float, trust: ssl.SSLContext | None) -> socket.socket:
    left = deadline - time.monotonic()
    if left <= 0:
        raise Unavailable("no time is left to connect to the server")
    try:
        if isinstance(address, UnixAddress):
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(left)
            try:
                with short_path(address.path) as path:
                    connection.connect(path)
            except OSError:
                connection.close()
                raise
            return connection
        connection = socket.create_connection((address.host, address.port), timeout=left)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if address.tls:
            return _encrypted(connection, address.host, trust or ssl.create_default_context())
    except OSError as error:
        raise Unavailable(f"the server at {describe(address)} does not answer: {error}") from error
    return connection


def _encrypted(connection: socket.socket, host: str, trust: ssl.SSLContext) -> socket.socket:
    try:
        return trust.wrap_socket(connection, server_hostname=host)
    except ssl.SSLError as error:
        connection.close()
        raise Unavailable(refusal(host, error)) from error
    except BaseException:
        connection.close()
        raise


def describe(address: Address) -> str:
    """An address for people."""
    if isinstance(address, UnixAddress):
        return f"unix:{address.path}"
    return f"{'https' if address.tls else 'http'}://{address.host}:{address.port}{address.base}"


class Pool:
    """Idle connections to one address. For any number of threads; also after a fork each process has its own."""

    def __init__(self, address: Address, trust: ssl.SSLContext | None = None) -> None:
        self._address = address
        self._trust = trust
        self._idle: list[Connection] = []
        self._used: set[Connection] = set()
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._closed = False

    def take(self, deadline: float, *, fresh: bool = False) -> Connection:
        """A connection for one exchange. Unavailable."""
        if self._closed:
            raise Unavailable("the connection to the server was closed")
        self._after_fork()
        while not fresh:
            with self._lock:
                if not self._idle:
                    break
                connection = self._idle.pop()
            if not connection.stale():
                with self._lock:
                    self._used.add(connection)
                return connection
            connection.close()
        connection = self.dial(deadline)
        with self._lock:
            self._used.add(connection)
        return connection

    def dial(self, deadline: float) -> Connection:
        """A new connection that the pool does not keep. Unavailable."""
        return Connection(self._address, deadline, self._trust)

    def give_back(self, connection: Connection) -> None:
        """Keeps it for the next exchange, if it can be used again."""
        connection.idle_since = time.monotonic()
        with self._lock:
            self._used.discard(connection)
            if connection.usable and not self._closed and len(self._idle) < _MOST_IDLE:
                self._idle.append(connection)
                return
        connection.close()

    def abort(self) -> None:
        """Breaks off every exchange under way, and forgets what is idle: the server is gone."""
        with self._lock:
            idle, self._idle = self._idle, []
            used = list(self._used)
        for connection in idle:
            connection.close()
        for connection in used:
            connection.abort()

    def _after_fork(self) -> None:
        if self._process != os.getpid():
            # What was inherited is the parent's: two processes on one connection would read each other's replies.
            self._process = os.getpid()
            self._lock = threading.Lock()
            inherited, self._idle = self._idle, []
            self._used = set()
            for connection in inherited:
                connection.close()

    def close(self) -> None:
        """Closes what is idle; what is in use is closed when it is given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
