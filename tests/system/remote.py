"""A main server of its own process, and mounts of it: what the tests of the network mount stand on."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graphfs.client import connect
from graphfs.errors import DriveError
from tests.contracts.ground import eventually
from tests.processes import suspend
from tests.system.mounts import PROJECT, Place, place


class Gateway:
    """`python -m gateway` on a unix socket or a port. It can be killed, stopped and started again on the same state."""

    def __init__(self, folder: Path, listen: str | None = None) -> None:
        self.state = folder / "server"
        self.state.mkdir(parents=True)
        self.address = listen or f"unix:{folder / 'server.sock'}"
        self._log = folder / "gateway.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def token(self) -> str:
        return (self.state / "run" / "token").read_text().strip()

    def start(self) -> None:
        command = [sys.executable, "-m", "gateway", "--state", str(self.state), "--listen", self.address]
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd="/", env={**os.environ, "PYTHONPATH": str(PROJECT)}
            )
        eventually(self._answers, 30)

    def _answers(self) -> bool:
        try:
            drive = connect(self.address, token=self.token)
            drive.chunk_size()
            drive.asker.close()
        except (DriveError, OSError):
            return False
        return True

    def signal(self, number: int) -> None:
        assert self._process is not None
        if number == signal.SIGSTOP:
            suspend(self._process.pid)
        else:
            self._process.send_signal(number)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(20)

    def end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(20)

    def environment(self, **more: str) -> dict[str, str]:
        return {"GRAPHFS_SERVER": self.address, "GRAPHFS_TOKEN": self.token, **more}


@contextmanager
def gateway(folder: Path, listen: str | None = None) -> Iterator[Gateway]:
    """A server that is ended at the end."""
    made = Gateway(folder, listen)
    try:
        yield made
    finally:
        made.end()


@contextmanager
def remote_mount(server: Gateway, folder: Path, *arguments: str, **environment: str) -> Iterator[Place]:
    """A drive that shows the server's, mounted."""
    with place(folder, **server.environment(**environment)) as there:
        done = there.mount(*arguments)
        assert done.returncode == 0, done.stderr + there.log
        yield there
