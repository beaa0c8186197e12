"""A served drive for the HTTP tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.app import Server, run_in_thread
from gateway.service import open_service
from graphfs.api import Drive
from graphfs.config import Config, Jobs
from tests.contracts.ground import OWNER, Ground
from tests.system.http_client import Http

TOKEN = "a token for tests"
CONFIG = Config(jobs=Jobs(settle_seconds=0.0))


class Served:
    """A drive, its server on a unix socket and on TCP, and plain HTTP to both."""

    def __init__(self, drive: Drive, server: Server, socket: Path, state: Path) -> None:
        self.drive = drive
        self.server = server
        self.state = state
        self.socket = socket
        self.unix = Http(socket)
        self.tcp = Http(server.ports[0], Authorization=f"Bearer {TOKEN}")
        self.ground = Ground(drive, state)


@contextmanager
def served(state: Path) -> Iterator[Served]:
    """Serves a fresh drive; at the end it must be in order."""
    drive = open_service(state, CONFIG)
    socket = state / "api.sock"
    server = run_in_thread(drive, f"unix:{socket}", "127.0.0.1:0", token=TOKEN)
    try:
        yield Served(drive, server, socket, state)
        assert drive.fsck(OWNER, verify=True) == []
    finally:
        server.stop()
        drive.close()
