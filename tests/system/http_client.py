"""Plain HTTP for the system tests: what a stranger's program would send, byte for byte where that matters. Not the
product's client."""

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple


class Reply(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The error's code."""
        return str(self.json["error"]["code"])


class UnixConnection(http.client.HTTPConnection):
    """The standard library's connection, over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=20)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(str(self._path))


class Http:
    """Requests to one server, each on a connection of its own."""

    def __init__(self, address: Path | int, **headers: str) -> None:
        """`address`: a unix socket, or a port of the loopback."""
        self.address = address
        self.headers = headers

    def connection(self) -> http.client.HTTPConnection:
        if isinstance(self.address, Path):
            return UnixConnection(self.address)
        return http.client.HTTPConnection("127.0.0.1", self.address, timeout=20)

    def ask(self, verb: str, target: str, body: Any = None, **headers: str) -> Reply:
        """A request; a body that is neither bytes nor None is sent as JSON. Underscores in the names of headers are
        dashes."""
        sent = {name.replace("_", "-"): value for name, value in (self.headers | headers).items()}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        connection = self.connection()
        try:
            connection.request(verb, target, body, sent)
            reply = connection.getresponse()
            return Reply(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())
        finally:
            connection.close()

    @contextmanager
    def raw(self) -> Iterator[socket.socket]:
        """A bare connection."""
        connection = self.connection()
        connection.connect()
        try:
            yield connection.sock
        finally:
            connection.close()
