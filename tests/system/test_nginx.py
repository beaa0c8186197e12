"""nginx/nginx.conf as users have it, before a real server: tokens are asked for, large contents and events pass."""

import hashlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
SOURCE = PROJECT / "nginx"
LISTEN = "listen 127.0.0.1:8480;"
SECONDS = 30
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or "nginx"


class Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("drive.example", timeout=SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(SECONDS)
        self.sock.connect(str(self._path))

    def ask(self, verb: str, path: str, body: bytes | None = None, **headers: str) -> http.client.HTTPResponse:
        self.request(verb, path, body, headers)
        return self.getresponse()


@contextmanager
def running(command: list[str], answers_at: Path, log: Path) -> Iterator[None]:
    """A program from when it answers at its socket until the end of the block."""
    with log.open("wb") as stream:
        process = subprocess.Popen(command, cwd=PROJECT, stdout=stream, stderr=stream)
    try:
        deadline = time.monotonic() + SECONDS
        while not answers(answers_at):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            threading.Event().wait(0.05)
        yield
    finally:
        process.terminate()
        process.wait(SECONDS)


def answers(path: Path) -> bool:
    with closing(socket.socket(socket.AF_UNIX)) as probe:
        return probe.connect_ex(str(path)) == 0


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a server's state directory `state` and the socket `front` of an Nginx before it."""
    folder = tmp_path_factory.mktemp("nginx")
    shutil.copytree(SOURCE, folder / "nginx")
    text = (folder / "nginx/nginx.conf").read_text()
    assert text.count(LISTEN) == 1
    (folder / "nginx/nginx.conf").write_text(text.replace(LISTEN, f"listen unix:{folder}/front;"))
    (folder / "nginx/upstream.conf").write_text(f"server unix:{folder}/state/api.sock;\n")
    server = [sys.executable, "-m", "gateway", "--state", str(folder / "state")]
    user = "user root;" if os.geteuid() == 0 else ""
    nginx = [NGINX, "-p", f"{folder}/", "-c", f"{folder}/nginx/nginx.conf", "-g", f"daemon off; {user}"]
    with ExitStack() as stack:
        stack.enter_context(running(server, folder / "state/api.sock", folder / "server.log"))
        stack.enter_context(running(nginx, folder / "front", folder / "nginx.log"))
        yield folder


@pytest.fixture
def connection(place: Path) -> Iterator[Connection]:
    with closing(Connection(place / "front")) as made:
        yield made


@pytest.fixture
def token(place: Path) -> str:
    return "Bearer " + (place / "state/run/token").read_text().strip()


def test_nginx_takes_the_file_as_it_is(tmp_path: Path) -> None:
    command = [NGINX, "-t", "-q", "-p", f"{tmp_path}/", "-c", f"{SOURCE}/nginx.conf"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_large_contents_pass_both_ways(place: Path, connection: Connection, token: str) -> None:
    body = os.urandom(1 << 20) * 32
    answer = connection.ask("PUT", "/v1/files/large", body, Authorization=token)
    assert (answer.status, json.loads(answer.read())["size"]) == (201, len(body))
    answer = connection.ask("GET", "/v1/files/large", Authorization=token)
    assert hashlib.sha256(answer.read()).digest() == hashlib.sha256(body).digest()
    answer = connection.ask("GET", "/v1/files/large", Authorization=token, Range="bytes=1048570-1048589")
    assert (answer.status, answer.read()) == (206, body[1048570:1048590])
    assert list((place / "temp").rglob("*")) == [], "contents were buffered on disk"


def test_events_pass_as_they_come(place: Path, connection: Connection, token: str) -> None:
    stream = connection.ask("GET", "/v1/events/stream", Authorization=token)
    with closing(Connection(place / "front")) as other:
        assert other.ask("PUT", "/v1/files/news", b"x", Authorization=token).status == 201
    while not (line := stream.readline()).startswith(b"data:"):
        assert line, "the stream ended"


@pytest.mark.parametrize("shown", [None, "", "Bearer", "Bearer wrong", "Basic bWU6eA=="])
def test_nobody_comes_in_without_the_token(connection: Connection, shown: str | None) -> None:
    """Nginx opens the socket as the owner: without a token everybody would be the owner."""
    headers = {} if shown is None else {"Authorization": shown}
    assert connection.ask("GET", "/v1/status", **headers).status == 401


def test_two_tokens_are_none(place: Path, token: str) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as raw:
        raw.settimeout(SECONDS)
        raw.connect(str(place / "front"))
        raw.sendall(b"GET /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n")
        raw.sendall(b"Authorization:\r\nAuthorization: Bearer no\r\n\r\n")
        assert raw.recv(65536).split()[1] in {b"400", b"401"}
