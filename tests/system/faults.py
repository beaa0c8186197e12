"""A cluster whose parts die, stop, fall silent and come back while several mounts and clients work on it: nothing that
was acknowledged is lost, nothing is mixed, nobody waits for ever, and while one main server lives nobody notices.

Not part of `make test`, whose machine may be too busy to tell a dead server from a slow one: `make soak` runs it for
long (FAULT_ROUNDS, FAULT_MOUNTS), `pytest tests/system/faults.py` each fault once.
"""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest

from graphfs.client import connect
from graphfs.errors import DriveError
from graphfs.model import FILES_ROOT
from scripts.cluster import members, started
from tests.contracts.ground import OWNER, Ground, eventually
from tests.house.source import ROOT
from tests.system.history import PATIENCE, Client, History, HttpClient, MountClient
from tests.system.mounts import Place, place

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "0"))
MOUNTS = int(os.environ.get("FAULT_MOUNTS", "2"))
SECONDS = 120.0
SLACK = 5.0
"""What a busy machine adds to any wait."""


class Part:
    """One process of the cluster (with what it started), that can die and begin again as it was."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.pid = int(told["pid"])
        self._since = int(told["started"])
        self._command: list[str] = told["command"]
        # Nginx writes its title over its own.
        pairs = (one.decode().partition("=") for one in Path(f"/proc/{self.pid}/environ").read_bytes().split(b"\0"))
        self._environment = os.environ | {name: value for name, sign, value in pairs if sign}
        self._process: subprocess.Popen[bytes] | None = None

    def signal(self, number: int) -> None:
        for one in members(self.pid, self._since):
            with suppress(ProcessLookupError):
                os.kill(one, number)

    def kill(self) -> None:
        # Nginx's master may have put a new worker in the place of one that died first.
        eventually(self._dead, SECONDS)
        if self._process is not None:
            self._process.wait(20)

    def _dead(self) -> bool:
        self.signal(signal.SIGKILL)
        return not members(self.pid, self._since)

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command,
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.pid, self._since = self._process.pid, started(self._process.pid)

    def end(self) -> None:
        """Of one that was begun again here: `cluster-stop` does not know it."""
        if self._process is not None:
            self.signal(signal.SIGCONT)
            self.kill()


class Wire:
    """The network before Nginx: hands bytes on, or loses them and says nothing."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.open = threading.Event()
        self.open.set()
        self.pause = 0.0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._to), timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for ends in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(1 << 16):
                self.open.wait()
                if self.pause:
                    threading.Event().wait(self.pause)
                target.sendall(data)
        except OSError:
            pass
        finally:
            for end in (source, target):
                with closing(end), suppress(OSError):  # the other pump waits in it: closing alone would tell nobody
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.open.set()
        self._listener.close()


class Cluster:
    """What `make cluster` started, and what can go wrong with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        command = [sys.executable, "scripts/cluster.py", "start", "--folder", str(folder), "--taggers", "0"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)
        assert done.returncode == 0, done.stderr
        known: dict[str, Any] = json.loads((folder / "cluster.json").read_text())
        self.url, self.token = known["url"], known["token"]
        self.parts = {one["name"]: Part(one) for one in known["processes"]}
        replicas = (folder / "nginx/replicas.conf").read_text().split()
        self.replicas = sorted({word for word in replicas if word.startswith("127.")})
        self.wire = Wire(int(self.url.rpartition(":")[2]))

    @property
    def through(self) -> str:
        """The address behind the wire."""
        return f"http://127.0.0.1:{self.wire.port}"

    def stop(self) -> None:
        self.wire.close()
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

    def whole(self) -> bool:
        return all(map(self.answers, (*self.replicas, self.through)))


def of_replica(cluster: Cluster, history: History) -> None:
    for name in ("gateway-1", "gateway-2"):
        cluster.parts[name].kill()
        history.goes_on(20, SECONDS)
        cluster.parts[name].start()
        eventually(cluster.whole, SECONDS)


def of_stopped_replica(cluster: Cluster, history: History) -> None:
    """It takes connections and never answers."""
    cluster.parts["gateway-2"].signal(signal.SIGSTOP)
    history.goes_on(20, SECONDS)
    threading.Event().wait(30 if ROUNDS else 7)
    cluster.parts["gateway-2"].signal(signal.SIGCONT)


def of_reload(cluster: Cluster, history: History) -> None:
    for _ in range(3):
        os.kill(cluster.parts["nginx"].pid, signal.SIGHUP)
        history.goes_on(10, SECONDS)


def of_nginx(cluster: Cluster, history: History) -> None:
    cluster.parts["nginx"].kill()
    threading.Event().wait(1)
    cluster.parts["nginx"].start()


def of_s3(cluster: Cluster, history: History) -> None:
    cluster.parts["s3"].kill()
    threading.Event().wait(2)
    cluster.parts["s3"].start()


def of_neo4j(cluster: Cluster, history: History) -> None:
    cluster.parts["neo4j"].kill()
    cluster.parts["neo4j"].start()


def of_cut_network(cluster: Cluster, history: History) -> None:
    cluster.wire.open.clear()
    threading.Event().wait(15 if ROUNDS else 3)
    cluster.wire.open.set()


def of_slow_network(cluster: Cluster, history: History) -> None:
    cluster.wire.pause = 0.05
    history.goes_on(20, SECONDS)
    cluster.wire.pause = 0.0


Fault = Callable[[Cluster, History], None]
UNNOTICED: tuple[Fault, ...] = (of_replica, of_stopped_replica, of_reload, of_slow_network)
"""One main server lives, and the way there: nobody is told of an error."""
NOTICED: tuple[Fault, ...] = (of_nginx, of_s3, of_cut_network, of_neo4j)
"""A part of which there is one: who asks meanwhile waits, or hears of it in time."""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path / "cluster")
    try:
        yield made
    finally:
        made.stop()


@contextmanager
def mounted(cluster: Cluster, folder: Path, count: int) -> Iterator[list[Place]]:
    if not count:
        yield []
        return
    surroundings = {"GRAPHFS_SERVER": cluster.through, "GRAPHFS_TOKEN": cluster.token}
    surroundings["GRAPHFS_NETWORK__PATIENCE_SECONDS"] = str(PATIENCE)
    with place(folder / f"m{count}", **surroundings) as there, mounted(cluster, folder, count - 1) as others:
        done = there.mount("-o", f"binding={'fusepy' if count % 2 else 'pyfuse3'}")
        assert done.returncode == 0, done.stderr + there.log
        yield [there, *others]


def rounds() -> list[Fault]:
    if not ROUNDS:
        return [*UNNOTICED, *NOTICED]
    chance = random.Random(ROUNDS)
    return [chance.choice(UNNOTICED + NOTICED) for _ in range(ROUNDS)]


@pytest.mark.slow
@pytest.mark.timeout(600 + ROUNDS * 120)
def test_nothing_is_lost_mixed_or_stuck(cluster: Cluster, tmp_path: Path) -> None:
    warmed(cluster)
    history = History()
    with mounted(cluster, tmp_path, MOUNTS) as places:
        clients: dict[str, Client] = {f"mount{n}": MountClient(one.drive) for n, one in enumerate(places)}
        clients |= {f"client{n}": HttpClient(cluster.through, cluster.token, tmp_path) for n in range(2)}
        with history.kept(clients):
            history.goes_on(40, SECONDS)
            for fault in rounds():
                began, before = time.monotonic(), history.done
                with history.without() if fault in NOTICED else nullcontext():
                    fault(cluster, history)
                    eventually(cluster.whole, SECONDS)
                history.goes_on(20, SECONDS)
                failed = history.failed_since(began)
                seconds = time.monotonic() - began
                print(f"{fault.__name__}: {history.done - before} done in {seconds:.1f} s, {len(failed)} failed")
                for one in sorted(failed, key=lambda one: -one.seconds)[:5]:
                    print(f"  at {one.at - began:.1f} s for {one.seconds:.1f} s: {one.what}")
                assert history.broken == [], fault.__name__
                assert [one for one in failed if one.seconds > PATIENCE + SLACK] == [], fault.__name__
                if fault in UNNOTICED:
                    assert failed == [], fault.__name__
        print(f"{history.done} operations, {len(history.failures)} failed, the slowest took {history.slowest:.1f} s")
        assert_converged(cluster, history, clients)


def warmed(cluster: Cluster) -> None:
    """Neo4j has planned its statements, which takes it seconds, once."""
    with closing(connect(cluster.url, token=cluster.token, timeout=SECONDS)) as drive:
        ground = Ground(drive, cluster.folder)
        for name in ("one", "other"):
            file = ground.write(ground.file(name, b"x", tags=("warm",)), b"y")
            drive.change_tags(OWNER, [file.file], ["warmer"], ["warm"])
            drive.set_xattr(OWNER, file.id, "user.warm", b"x")
        drive.rename(OWNER, FILES_ROOT, "one", FILES_ROOT, "other")
        drive.unlink(OWNER, FILES_ROOT, "other")


def assert_converged(cluster: Cluster, history: History, clients: dict[str, Client]) -> None:
    """All see the last contents and the same tags, each main server too."""
    alone = [HttpClient(address, cluster.token, cluster.folder) for address in cluster.replicas]
    everybody = {**clients, **{f"replica{n}": one for n, one in enumerate(alone)}}
    failures = len(history.failures)
    threading.Event().wait(MountClient.delay)
    for name in history.acknowledged:
        for who, client in everybody.items():
            history.check(who, name, client)
    assert history.broken == []
    assert history.failures[failures:] == []
    for name, tags in history.tags.items():
        first, *others = [client.tags(name) for client in alone]
        assert all(one == first for one in others)
        assert tags <= set(first), name
    assert alone[0].drive.fsck(OWNER, verify=True) == []
    for client in (*alone, *(one for one in clients.values() if isinstance(one, HttpClient))):
        client.drive.close()
