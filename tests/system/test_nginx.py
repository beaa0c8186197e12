"""nginx/nginx.conf as users have it: Nginx takes it, asks for the password, and lets large contents through."""

import base64
import hashlib
import http.client
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import ClassVar

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "nginx"
LISTEN = "listen 127.0.0.1:8480;"
START_SECONDS = 10
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or "nginx"


class Behind(BaseHTTPRequestHandler):
    """What stands where the drive's API stands: takes a body of any length and says what came."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[dict[str, str]]] = []

    def do_GET(self) -> None:
        self.seen.append({name.lower(): value for name, value in self.headers.items()})
        self.send_response(200)
        if self.path == "/v1/events":
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            self.wfile.write(b"id: 1\n\n")
            self.wfile.flush()
            self.close_connection = True
            release.wait(START_SECONDS)
            return
        body = b"x" * int(self.path.lstrip("/"))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self) -> None:
        self.seen.append({name.lower(): value for name, value in self.headers.items()})
        digest = hashlib.sha256()
        left = int(self.headers["Content-Length"])
        while left:
            piece = self.rfile.read(min(left, 1 << 20))
            digest.update(piece)
            left -= len(piece)
        answer = digest.hexdigest().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        pass

    def address_string(self) -> str:
        return "unix"


release = threading.Event()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration in a folder of its own, on a socket of its own instead of a port."""
    # A unix socket's path is at most 107 bytes.
    folder = tmp_path_factory.mktemp("nginx")
    shutil.copytree(SOURCE, folder, dirs_exist_ok=True)
    text = (folder / "nginx.conf").read_text()
    assert text.count(LISTEN) == 1
    (folder / "nginx.conf").write_text(text.replace(LISTEN, f"listen unix:{folder}/front.sock;"))
    (folder / "upstream.conf").write_text(f"server unix:{folder}/api.sock;\n")
    secret = base64.b64encode(hashlib.sha1(b"word").digest()).decode()
    (folder / "users").write_text(f"me:{{SHA}}{secret}\n")
    os.chmod(folder, 0o755)
    return folder


@pytest.fixture(scope="module")
def front(place: Path) -> Iterator[Path]:
    """The socket of a running Nginx."""
    user = ["-g", "daemon off; user root;"] if os.geteuid() == 0 else ["-g", "daemon off;"]
    server = ThreadingUnixStreamServer(str(place / "api.sock"), Behind)
    server.daemon_threads = True
    with server, (place / "log").open("wb") as log:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        process = subprocess.Popen([NGINX, "-p", f"{place}/", "-c", f"{place}/nginx.conf", *user], stderr=log)
        try:
            wait_for(place / "front.sock", process, place / "log")
            yield place / "front.sock"
        finally:
            release.set()
            process.terminate()
            process.wait(START_SECONDS)
            server.shutdown()


def wait_for(path: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    """Returns when somebody answers at the socket."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        with closing(socket.socket(socket.AF_UNIX)) as probe:
            if probe.connect_ex(str(path)) == 0:
                return
        threading.Event().wait(0.05)
    pytest.fail(f"nginx does not answer: {log.read_text()}")


class Connection(http.client.HTTPConnection):
    """HTTP over a unix socket, with the password."""

    def __init__(self, path: Path, word: str = "word") -> None:
        super().__init__("localhost", timeout=START_SECONDS)
        self._path = path
        self.credentials = {"Authorization": "Basic " + base64.b64encode(f"me:{word}".encode()).decode()}

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(START_SECONDS)
        self.sock.connect(str(self._path))

    def ask(self, verb: str, path: str, body: bytes | None = None, **headers: str) -> http.client.HTTPResponse:
        self.request(verb, path, body, {**self.credentials, **headers})
        return self.getresponse()


def test_nginx_takes_the_file_as_it_is(tmp_path: Path) -> None:
    command = [NGINX, "-t", "-q", "-p", f"{tmp_path}/", "-c", f"{SOURCE}/nginx.conf"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_large_contents_pass_both_ways(front: Path) -> None:
    body = os.urandom(1 << 20) * 32
    with closing(Connection(front)) as connection:
        answer = connection.ask("PUT", "/v1/files/large", body)
        assert answer.read().decode() == hashlib.sha256(body).hexdigest()
        answer = connection.ask("GET", f"/{1 << 25}")
        assert len(answer.read()) == 1 << 25
    assert list((front.parent / "temp").rglob("*")) == [], "contents were buffered on disk"


def test_events_pass_as_they_come(front: Path) -> None:
    with closing(Connection(front)) as connection:
        answer = connection.ask("GET", "/v1/events")
        assert answer.readline() == b"id: 1\n"  # the server has not ended its answer yet
        release.set()


def test_strangers_stay_out_and_nobody_says_who_asks(front: Path) -> None:
    with closing(Connection(front, "wrong")) as connection:
        assert connection.ask("GET", "/1").status == 401
    Behind.seen.clear()
    with closing(Connection(front)) as connection:
        assert connection.ask("GET", "/1", **{"X-GraphFS-Caller": "0:0::1:root"}).status == 200
    (seen,) = Behind.seen
    assert "authorization" not in seen
    assert "x-graphfs-caller" not in seen
