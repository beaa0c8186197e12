"""A real S3 server for tests, and a proxy before it that does to connections what networks do."""

import os
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from gateway.blobs.s3 import Place, S3Blobs
from scripts import s3_server

ACCESS, SECRET = "tests", secrets.token_hex(16)
BUCKET = "graphfs"


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """An S3 server over a folder, that can be killed and started again at its port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        (folder / BUCKET).mkdir(parents=True, exist_ok=True)
        self.start()

    def start(self) -> None:
        assert s3_server.PROGRAM.exists(), "the S3 server is missing: run scripts/setup test"
        environment = os.environ | s3_server.environment(ACCESS, SECRET)
        self.process = subprocess.Popen(
            s3_server.command(self.folder, self.port),
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 30
        while True:
            with closing(socket.socket()) as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self.process.poll() is None, "the S3 server ended"
            assert time.monotonic() < deadline, "the S3 server does not start"
            threading.Event().wait(0.05)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(20)

    def blobs(self, *, port: int | None = None, prefix: str = "", secret: str = SECRET) -> S3Blobs:
        return S3Blobs(Place(f"http://127.0.0.1:{port or self.port}", BUCKET, "us-east-1", prefix, ACCESS, secret))


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    server = Server(folder)
    try:
        yield server
    finally:
        server.kill()


class Proxy:
    """Hands connections on. `refuse` answers so many requests with a status; `cut` breaks off so many replies after so
    many bytes; `flip` changes a bit so many times, one in so many bytes; `silent` takes a request and never answers."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.refuse: tuple[int, int] = (0, 503)
        self.cut: tuple[int, int] = (0, 0)
        self.flip: tuple[int, int] = (0, 0)
        self.silent = False
        self.ended = threading.Event()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _counted(self, name: str) -> int:
        """One of these faults is used up: its value, or 0."""
        with self._lock:
            left, value = getattr(self, name)
            if left <= 0:
                return 0
            setattr(self, name, (left - 1, value))
            return int(value)

    def _serve(self, client: socket.socket) -> None:
        with closing(client), closing(socket.create_connection(("127.0.0.1", self._port))) as server:
            first = client.recv(1 << 20)
            if self.silent:
                self.ended.wait(60)
                return
            status = self._counted("refuse")
            if status:
                client.settimeout(0.2)
                try:
                    while client.recv(1 << 20):
                        pass
                except OSError:
                    pass
                client.sendall(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
                return
            server.sendall(first)
            threading.Thread(target=_pump, args=(client, server), daemon=True).start()
            after = self._counted("cut")
            sent = 0
            while data := server.recv(1 << 16):
                at = -sent % (self.flip[1] or 1)
                if sent and at < len(data) and self._counted("flip"):
                    data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
                if after and sent + len(data) > after:
                    client.sendall(data[: after - sent])
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(data)
                sent += len(data)

    def close(self) -> None:
        self.ended.set()
        self._listener.close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
    except OSError:
        pass
