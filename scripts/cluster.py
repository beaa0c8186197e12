#!/usr/bin/env python3
"""`make cluster` and `make cluster-stop`: all parts of a cluster as plain processes of this machine.

Each part runs from the configuration that is deployed: nginx/cluster.conf, `python -m gateway`, `python -m tagger`, an
S3 store, Neo4j. FOLDER (default .cluster) holds their data, logs and keys, and cluster.json: `url`, `token` and
`processes`. What runs is written down after each start, so that a stop ends what began, whatever happened between. It
is for trying out and for tests: it neither watches its parts nor starts them again.
"""

import argparse
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from neo4j import GraphDatabase
from neo4j.exceptions import DriverError, Neo4jError

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from graphfs.client import connect  # noqa: E402  # the tree is not on the path of a script
from graphfs.errors import DriveError  # noqa: E402
from graphfs.model import FILES_ROOT, Caller  # noqa: E402
from scripts import s3_server  # noqa: E402

FRONT = 8480
BUCKET = "graphfs"
_START_SECONDS = 250.0
_STOP_SECONDS = 20.0
_CONFIG = """\
# Made by `make cluster`.
store:
  engine: neo4j
neo4j:
  uri: bolt://127.0.0.1:{neo4j}
  password_file: {keys}/neo4j
blobs:
  engine: s3
  endpoint: http://127.0.0.1:{s3}
  bucket: {bucket}
  access_key_file: {keys}/s3-access
  secret_key_file: {keys}/s3-secret
server:
  socket: null
log:
  format: json
"""


class Cluster:
    """The parts that run, and where they are written down."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = ""
        self.token = ""
        self.processes: list[dict[str, object]] = []

    @property
    def file(self) -> Path:
        return self.folder / "cluster.json"

    def read(self) -> bool:
        """Takes what an earlier start wrote down. False: nothing."""
        if not self.file.exists():
            return False
        known = json.loads(self.file.read_text())
        self.url, self.token, self.processes = known["url"], known["token"], known["processes"]
        return True

    def write(self) -> None:
        new = self.file.with_suffix(".new")
        new.touch(mode=0o600)
        told = {"url": self.url, "token": self.token, "processes": self.processes}
        new.write_text(json.dumps(told, indent=2) + "\n")
        new.replace(self.file)

    def run(self, name: str, command: list[str], ready: Callable[[], bool], **environment: str) -> None:
        """Starts one part, in a session of its own, and waits until it is ready. RuntimeError with its log's end."""
        log = self.folder / "log" / f"{name}.log"
        with log.open("ab") as stream:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
                start_new_session=True,
            )
        part = {"name": name, "pid": process.pid, "started": started(process.pid), "command": command}
        self.processes.append(part)
        self.write()
        deadline = time.monotonic() + _START_SECONDS
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not start; {log} ends with:\n{log.read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Ends every part, the last started first, and what a part left behind in its session."""
        for part in reversed(self.processes):
            end(int(str(part["pid"])), int(str(part["started"])))
        self.processes = []
        self.file.unlink(missing_ok=True)


def started(pid: int) -> int:
    """When a process began, in ticks since boot; 0 when it is gone. With it an id names one process for ever."""
    return _stat(pid)[1]


def _stat(pid: int) -> tuple[int, int, str]:
    """Session, start and state of a process; zeros when there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0, 0, "X"
    return int(fields[3]), int(fields[19]), fields[0]


def members(session: int, since: int) -> list[int]:
    """The living processes of a session that began then."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            its, at, state = _stat(int(entry.name))
            if its == session and at >= since and state not in "XZ":
                found.append(int(entry.name))
    return found


def end(pid: int, since: int) -> None:
    """Asks a session's leader to end, then all that is left of it, then makes them."""
    asked = [pid] if pid in members(pid, since) else members(pid, since)
    for number, seconds in ((signal.SIGTERM, _STOP_SECONDS), (signal.SIGTERM, 2.0), (signal.SIGKILL, 5.0)):
        for one in asked:
            try:
                os.kill(one, number)
            except ProcessLookupError:
                continue
        deadline = time.monotonic() + seconds
        while (asked := members(pid, since)) and time.monotonic() < deadline:
            time.sleep(0.05)
        if not asked:
            return


def free_port(wanted: int = 0) -> int:
    """The wanted port when nobody has it, else another one."""
    for port in (wanted, 0):
        with closing(socket.socket()) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise RuntimeError("no free port")


def answers(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def secret(path: Path, make: Callable[[], str]) -> str:
    """What a file that only we can read holds; made when it is missing."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(make() + "\n")
    return path.read_text().strip()


def serves(url: str, token: str) -> bool:
    """Whether the drive answers there."""
    drive = connect(url, token=token, timeout=2.0)
    try:
        return drive.node(Caller(os.getuid(), os.getgid()), FILES_ROOT).id == FILES_ROOT
    except DriveError:
        return False
    finally:
        drive.close()


def knows(port: int, password: str) -> bool:
    """Whether Neo4j answers to the password."""
    if not answers(port):
        return False
    try:
        with GraphDatabase.driver(f"bolt://127.0.0.1:{port}", auth=("neo4j", password)) as driver:
            driver.verify_connectivity()
    except (DriverError, Neo4jError):
        return False
    return True


def start(cluster: Cluster, gateways: int, taggers: int) -> None:
    """All parts, each once the one it needs is ready."""
    folder = cluster.folder
    for name in ("log", "s3", "nginx"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    access = secret(folder / "keys/s3-access", lambda: "graphfs")
    key = secret(folder / "keys/s3-secret", lambda: secrets.token_urlsafe(32))
    password = secret(folder / "keys/neo4j", lambda: secrets.token_urlsafe(32))
    cluster.token = secret(folder / "keys/token", lambda: secrets.token_urlsafe(32))
    s3, graph = free_port(), free_port()

    (folder / "s3" / BUCKET).mkdir(exist_ok=True)
    environment = s3_server.environment(access, key)
    cluster.run("s3", s3_server.command(folder / "s3", s3), lambda: answers(s3), **environment)

    command = [sys.executable, "scripts/neo4j/server.py", str(folder / "neo4j"), "--port", str(graph)]
    command += ["--password-file", str(folder / "keys/neo4j")]
    cluster.run("neo4j", command, lambda: knows(graph, password))

    (folder / "config.yaml").write_text(_CONFIG.format(s3=s3, neo4j=graph, bucket=BUCKET, keys=folder / "keys"))
    config = ["--config", str(folder / "config.yaml")]
    replicas = []
    for number in range(1, gateways + 1):
        name, port = f"gateway-{number}", free_port()
        secret(folder / name / "run/token", lambda: cluster.token)
        listen = ["--listen", f"127.0.0.1:{port}", "--host-name", "graphfs"]
        command = [sys.executable, "-m", "gateway", "--state", str(folder / name), *config, *listen]
        cluster.run(name, command, lambda port=port: answers(port))  # type: ignore[misc]  # the default binds it
        replicas.append(f"server 127.0.0.1:{port}")

    front = free_port(FRONT)  # only now: a minute ago another cluster may have been about to take it
    cluster.url = f"http://127.0.0.1:{front}"
    shutil.copytree(ROOT / "nginx", folder / "nginx", dirs_exist_ok=True)
    lines = [f"{one} {how};\n" for how in ("max_fails=3 fail_timeout=5s", "max_fails=0 backup") for one in replicas]
    (folder / "nginx/replicas.conf").write_text("".join(lines))
    (folder / "nginx/listen.conf").write_text(f"listen 127.0.0.1:{front};\n")
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or "nginx"
    user = "user root; " if os.geteuid() == 0 else ""
    command = [program, "-p", f"{folder}/", "-c", f"{folder}/nginx/cluster.conf", "-g", f"{user}daemon off;"]
    cluster.run("nginx", command, lambda: serves(cluster.url, cluster.token))

    for number in range(1, taggers + 1):
        place = ["--token-file", str(folder / "keys/token"), "--cache", str(folder / f"tagger-{number}")]
        command = [sys.executable, "-m", "tagger", "--server", cluster.url, *place, *config]
        cluster.run(f"tagger-{number}", command, lambda: True)


def main() -> int:
    """0; 1 with a message."""
    parser = argparse.ArgumentParser(description="Starts and stops a cluster on this machine.")
    parser.add_argument("action", choices=["start", "stop"])
    parser.add_argument("--folder", type=Path, default=ROOT / ".cluster")
    parser.add_argument("--gateways", type=int, default=2)
    parser.add_argument("--taggers", type=int, default=1)
    given = parser.parse_args()
    cluster = Cluster(given.folder.absolute())
    known = cluster.read()
    if given.action == "stop":
        cluster.stop()
        return 0
    if known and any(members(int(str(one["pid"])), int(str(one["started"]))) for one in cluster.processes):
        print(f"a cluster runs already, at {cluster.url}; `make cluster-stop` ends it", file=sys.stderr)
        return 1
    cluster.processes = []
    try:
        start(cluster, given.gateways, given.taggers)
    except BaseException as error:
        cluster.stop()
        if isinstance(error, (RuntimeError, OSError, DriveError)):
            print(f"cluster: {error}", file=sys.stderr)
            return 1
        raise
    names = ", ".join(str(one["name"]) for one in cluster.processes)
    print(f"The cluster answers at {cluster.url} ({names}). Mount it with:\n")
    token = f"GRAPHFS_TOKEN=$(cat {cluster.folder}/keys/token)"
    print(f"    {token} .venv/bin/python mount.py DIR --server {cluster.url}\n")
    print("and end it with: make cluster-stop")
    return 0


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main())
