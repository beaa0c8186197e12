"""A cluster that tests do harm to: what `make cluster` starts, with its main servers' and its mounts' hosts on wires of
their own, and its Neo4j and S3 store on small disks of their own. Knows how to harm; not what must hold then."""

import copy
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from graphfs.client import connect
from graphfs.errors import DriveError
from graphfs.model import FILES_ROOT
from scripts.cluster import free_port, members, started
from tests.contracts.ground import OWNER, eventually
from tests.house.source import ROOT
from tests.system.hosts import Host
from tests.system.relay import Relay

SECONDS = 300.0
_FAKETIME = "/usr/lib/{}-linux-gnu/faketime/libfaketime.so.1"


class Part:
    """One process of the cluster (with what it started), that can die and begin again, as it was or otherwise."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.pid = int(told["pid"])
        self._since = int(told["started"])
        self.command: list[str] = told["command"]
        # Nginx writes its title over its own.
        pairs = (one.decode().partition("=") for one in Path(f"/proc/{self.pid}/environ").read_bytes().split(b"\0"))
        self._environment = os.environ | {name: value for name, sign, value in pairs if sign}
        self._process: subprocess.Popen[bytes] | None = None

    def signal(self, number: int) -> None:
        for one in members(self.pid, self._since):
            with suppress(ProcessLookupError):
                os.kill(one, number)

    @property
    def gone(self) -> bool:
        return not members(self.pid, self._since)

    def kill(self) -> None:
        # Nginx's master may have put a new worker in the place of one that died first.
        eventually(self._dead, SECONDS)
        if self._process is not None:
            self._process.wait(20)

    def _dead(self) -> bool:
        self.signal(signal.SIGKILL)
        return not members(self.pid, self._since)

    def start(self, *arguments: str, **environment: str) -> None:
        """With these beside what it always has. The one before is gone."""
        if self._process is not None:
            self._process.wait(20)
        self._process = subprocess.Popen(
            [*self.command, *arguments],
            cwd=ROOT,
            env=self._environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.pid, self._since = self._process.pid, started(self._process.pid)

    def another(self) -> "Part":
        """One like it, which does not run."""
        twin = copy.copy(self)
        twin._process = None
        return twin

    def leave(self) -> None:
        """As an administrator stops it: it finishes what is under way."""
        os.kill(self.pid, signal.SIGTERM)
        eventually(lambda: not members(self.pid, self._since), SECONDS)
        if self._process is not None:
            self._process.wait(20)

    def end(self) -> None:
        """Of one that was begun again here: `cluster-stop` does not know it."""
        if self._process is not None:
            self.signal(signal.SIGCONT)
            self.kill()


class Disk:
    """A small disk of its own at a folder, in memory."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        folder.mkdir(parents=True)
        self._folder, self._filler = folder, folder / "filler"
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "none", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"a small disk cannot be made for this test, which needs root: {done.stderr}"

    def fill(self) -> None:
        """No byte is left."""
        block = bytes(1 << 20)
        with self._filler.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(block)

    def empty(self) -> None:
        self._filler.unlink(missing_ok=True)

    def close(self) -> None:
        subprocess.run(["umount", "--lazy", str(self._folder)], check=True)


class Clock:
    """What the machine of one part believes that the time is."""

    def __init__(self, file: Path) -> None:
        self._file = file
        library = Path(_FAKETIME.format(os.uname().machine))
        assert library.exists(), f"{library} is missing: apt-get install faketime"
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # setting a clock does not move that one
            "DONT_FAKE_MONOTONIC": "1",
        }
        self.set(0)

    def set(self, hours: int) -> None:
        """Wrong by so much, from within a second on."""
        self._file.write_text(f"{hours:+d}h\n" if hours else "+0\n")


class Cluster:
    """What `make cluster` started, and what can go wrong with it."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        """Everything that is made goes with the stack."""
        self.folder = folder
        folder.mkdir(mode=0o700)
        self.graph_disk, self.store_disk = Disk(folder / "neo4j", 900), Disk(folder / "s3", 200)
        stack.callback(self.store_disk.close)
        stack.callback(self.graph_disk.close)
        self.desk, self.rack = Host(), Host()
        """Where the mounts are, and where the second main server is."""
        stack.callback(self.desk.close)
        stack.callback(self.rack.close)
        self.parts: dict[str, Part] = {}
        stack.callback(self._stop)
        command = [sys.executable, "scripts/cluster.py", "start", "--folder", str(folder), "--taggers", "0"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=500)
        assert done.returncode == 0, done.stderr
        known: dict[str, Any] = json.loads((folder / "cluster.json").read_text())
        self.url, self.token = known["url"], known["token"]
        self.parts = {one["name"]: Part(one) for one in known["processes"]}
        replicas = (folder / "nginx/replicas.conf").read_text().split()
        first, second = dict.fromkeys(word for word in replicas if word.startswith("127."))
        self.addresses = {"gateway-1": first, "gateway-2": second}
        self._spread(stack)

    def _spread(self, stack: ExitStack) -> None:
        """The second main server moves to a host of its own; Nginx answers the mounts' host too."""
        second = self.parts["gateway-2"]
        old = self.addresses["gateway-2"]
        new = f"{self.rack.address}:{old.rpartition(':')[2]}"
        text = (self.folder / "config.yaml").read_text()
        for line in text.splitlines():
            name, _, address = line.partition("://127.0.0.1:")
            if address:
                relay = Relay(self.rack.gateway, int(address))
                stack.callback(relay.close)
                text = text.replace(line, f"{name}://{self.rack.gateway}:{relay.port}")
        (self.folder / "rack.yaml").write_text(text)
        command = [new if word == old else word for word in second.command]
        command[command.index("--config") + 1] = str(self.folder / "rack.yaml")
        second.command = [*self.rack.prefix, *command, "--host-name", self.rack.address]
        second.kill()
        second.start()
        self.addresses["gateway-2"] = new

        port = self.url.rpartition(":")[2]
        conf = self.folder / "nginx"
        (conf / "listen.conf").write_text(f"listen 127.0.0.1:{port};\nlisten {self.desk.gateway}:{port};\n")
        self.show(*self.addresses)
        self.from_desk = f"http://{self.desk.gateway}:{port}"
        """Where the mounts find it."""
        eventually(self.whole, SECONDS)

    def _stop(self) -> None:
        for part in self.parts.values():
            part.end()
        command = [sys.executable, "scripts/cluster.py", "stop", "--folder", str(self.folder)]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)

    def answers(self, address: str) -> bool:
        drive = connect(address, token=self.token, timeout=3.0)
        try:
            drive.node(OWNER, FILES_ROOT)  # tags are answered from memory
        except DriveError:
            return False
        finally:
            drive.asker.close()
        return True

    def show(self, *replicas: str, down: str = "") -> None:
        """Nginx has these main servers from now on, of which one is marked as down."""
        lines = []
        for how in ("max_fails=3 fail_timeout=5s", "max_fails=0 backup"):
            lines += [f"server {self.addresses[one]} {how}{' down' if one == down else ''};\n" for one in replicas]
        (self.folder / "nginx/replicas.conf").write_text("".join(lines))
        os.kill(self.parts["nginx"].pid, signal.SIGHUP)

    def added(self, name: str) -> None:
        """One more main server, which answers; Nginx knows nothing of it yet."""
        part, address = self.parts["gateway-1"].another(), f"127.0.0.1:{free_port()}"
        state = self.folder / name
        (state / "run").mkdir(parents=True, mode=0o700)
        shutil.copy(self.folder / "gateway-1/run/token", state / "run/token")
        renamed = {self.addresses["gateway-1"]: address, str(self.folder / "gateway-1"): str(state)}
        part.command = [renamed.get(word, word) for word in part.command]
        self.parts[name], self.addresses[name] = part, address
        part.start()
        eventually(lambda: self.answers(address), SECONDS)

    def removed(self, name: str) -> None:
        self.parts.pop(name).leave()
        del self.addresses[name]

    def graph_logs(self) -> set[str]:
        """The names of the files of Neo4j's log of transactions."""
        return {one.name for one in (self.folder / "neo4j").glob("data/transactions/neo4j/neostore.transaction.db.*")}

    def hours_of(self, name: str) -> int | None:
        """By how many hours a main server's clock is wrong, as it says; None while it does not answer."""
        try:
            with closing(HTTPConnection(self.addresses[name], timeout=3)) as connection:
                connection.request("GET", "/healthz")
                said = parsedate_to_datetime(connection.getresponse().headers["Date"])
        except OSError:
            return None
        return round((said.timestamp() - time.time()) / 3600)

    def whole(self) -> bool:
        return all(map(self.answers, (*self.addresses.values(), self.url, self.from_desk)))


@contextmanager
def spread_cluster(folder: Path) -> Iterator[Cluster]:
    """Up, on its hosts and disks; nothing of it is left afterwards."""
    with ExitStack() as stack:
        yield Cluster(folder, stack)
