"""What the suite runs on: a mounted drive with one binding, a mount of a cluster, a loopback of bench/loopbacks, or an
ordinary folder.

Starts and stops; asserts nothing about files. Which of them run is the environment's FILESYSTEM_DRIVES (a comma list of
the names in `KINDS`), by default the ordinary folder, the drive with both bindings and, for the core of the suite, a
cluster.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
LOOPBACKS = PROJECT / "bench" / "loopbacks"
START_SECONDS = 150
STOP_SECONDS = 90
CLUSTER_SECONDS = 180
CLUSTER = os.environ.get("FILESYSTEM_CLUSTER")
"""The folder of a cluster that runs already."""
FIRST = os.getpid() % 1000 * 1_000 if CLUSTER else 1
"""The first number that tests give their folders: where others were before, the names are taken."""

KINDS = (
    "plain",
    "pyfuse3",
    "fusepy",
    "cluster-pyfuse3",
    "cluster-fusepy",
    "loop-pyfuse3",
    "loop-fusepy",
    "loop-mfusepy",
)
DEFAULT = "plain,pyfuse3,fusepy,cluster-pyfuse3"


@dataclass(frozen=True)
class Drive:
    """A place to test in. `root` is the mount point, `files` the POSIX tree in it (the same folder if that is all)."""

    kind: str
    root: Path
    files: Path
    pid: int = 0
    """The process that serves it; 0 for an ordinary folder."""
    state: Path | None = None

    @property
    def remote(self) -> bool:
        """Whether a cluster has it."""
        return self.kind.startswith("cluster-")

    def seconds(self, alone: int) -> int:
        """How long something may take that takes at most `alone` seconds on a drive of one's own."""
        return 13 * alone if self.remote else alone

    @property
    def binding(self) -> str:
        """`pyfuse3`, `fusepy`, `mfusepy`, or `` for an ordinary folder."""
        return "" if self.kind == "plain" else self.kind.removeprefix("loop-").removeprefix("cluster-")


def chosen() -> tuple[str, ...]:
    """The kinds of drive that this run is about. ValueError names an unknown one."""
    names = tuple(os.environ.get("FILESYSTEM_DRIVES", DEFAULT).split(","))
    unknown = set(names) - set(KINDS)
    if unknown:
        raise ValueError(f"FILESYSTEM_DRIVES: unknown {', '.join(sorted(unknown))}; known are {', '.join(KINDS)}")
    return names


def _mounted(folder: Path) -> bool:
    """Whether something is mounted there, asked of the kernel's table: the folder itself may not answer yet."""
    wanted = str(folder).replace("\\", "\\134").replace(" ", "\\040")
    return any(line.split()[1] == wanted for line in Path("/proc/self/mounts").read_text().splitlines())


def _await_mount(folder: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    """Returns when the folder is a mount; the kernel tells when its table changes. AssertionError with the log."""
    end = time.monotonic() + START_SECONDS
    with open("/proc/self/mounts", "rb") as table:
        poll = select.poll()
        poll.register(table, select.POLLERR | select.POLLPRI)
        while not _mounted(folder):
            assert process.poll() is None, f"the mount ended with {process.returncode}:\n{log.read_text()}"
            assert time.monotonic() < end, f"no mount after {START_SECONDS} s:\n{log.read_text()}"
            poll.poll(200)
            table.seek(0)
            table.read()


def _stop(folder: Path, process: subprocess.Popen[bytes], unmount: list[str], log: Path) -> None:
    """Unmounts, also after a failure, and checks that the process ends by itself."""
    if _mounted(folder):
        done = subprocess.run(unmount, capture_output=True, timeout=STOP_SECONDS, check=False)
        if done.returncode:
            subprocess.run(["umount", "--lazy", str(folder)], check=False, timeout=STOP_SECONDS)
            process.kill()
            process.wait(STOP_SECONDS)
            raise AssertionError(f"{unmount} failed: {done.stderr.decode()}\n{log.read_text()}")
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)  # with faulthandler it says where it hangs
        process.wait(STOP_SECONDS)
        raise AssertionError(
            f"the mount did not end within {STOP_SECONDS} s of its unmount:\n{log.read_text()}"
        ) from None
    assert process.returncode == 0, f"the mount ended with {process.returncode}:\n{log.read_text()}"


@contextmanager
def graphfs(binding: str, place: Path, *options: str, kind: str = "", **server: str) -> Iterator[Drive]:
    """The drive, in a process of its own, with its state under `place`; unmounted at the end. `server`: by which
    variables it finds the server that it shows, if it has one."""
    folder, state, log = place / "drive", place / "state", place / "mount.log"
    folder.mkdir(parents=True)
    everyone = ["-o", "allow_other"] if os.geteuid() == 0 else []
    command = [
        sys.executable,
        "-X",
        "faulthandler",
        str(PROJECT / "mount.py"),
        str(folder),
        "--state",
        str(state),
        "--foreground",
    ]
    command += ["-o", f"binding={binding}", *everyone, *options]
    tagger = {"GRAPHFS_TAGGER__ENABLED": "false"}  # tags of its own would count in st_nlink
    environment = {**os.environ, **tagger, **server}
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=place, env=environment
        )
    try:
        _await_mount(folder, process, log)
        assert (folder / "files").is_dir(), log.read_text()
        yield Drive(kind or binding, folder, folder / "files", process.pid, state)
    finally:
        _stop(folder, process, [str(PROJECT / ".venv/bin/graphfs"), "unmount", str(folder)], log)


def _found(folder: Path) -> dict[str, str]:
    known = json.loads((folder / "cluster.json").read_text())
    # What is asked for the first time takes Neo4j a while on a busy machine; how long one waits is not asked here.
    patience = {"GRAPHFS_NETWORK__PATIENCE_SECONDS": "60"}
    return {"GRAPHFS_SERVER": known["url"], "GRAPHFS_TOKEN": known["token"], **patience}


@contextmanager
def cluster(place: Path) -> Iterator[dict[str, str]]:
    """Nginx, two main servers, Neo4j and an S3 store, as `make cluster` starts them, without a tagger; how a mount
    finds them."""
    if CLUSTER:
        yield _found(Path(CLUSTER))
        return
    command = [sys.executable, "scripts/cluster.py"]
    folder = ["--folder", str(place)]
    place.parent.mkdir(parents=True, exist_ok=True)  # not by the script, whose folders are its user's alone
    try:
        done = subprocess.run(
            [*command, "start", *folder, "--taggers", "0"],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=CLUSTER_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        yield _found(place)
    finally:
        subprocess.run(
            [*command, "stop", *folder], cwd=PROJECT, capture_output=True, timeout=CLUSTER_SECONDS, check=False
        )


@contextmanager
def loopback(binding: str, place: Path, *options: str) -> Iterator[Drive]:
    """A loopback of bench/loopbacks over an ordinary folder: tells what the binding itself can do."""
    folder, back, log = place / "drive", place / "back", place / "mount.log"
    folder.mkdir(parents=True)
    back.mkdir()
    script = LOOPBACKS / f"{binding}_loopback.py"
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(script), str(back), str(folder), *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        _await_mount(folder, process, log)
        yield Drive(f"loop-{binding}", folder, folder, process.pid)
    finally:
        _stop(
            folder,
            process,
            ["umount" if os.geteuid() == 0 else "fusermount3", *([] if os.geteuid() == 0 else ["-u"]), str(folder)],
            log,
        )


@contextmanager
def started(kind: str, place: Path, *options: str) -> Iterator[Drive]:
    """A drive of this kind in the folder `place`, which may exist."""
    if kind == "plain":
        place.mkdir(parents=True, exist_ok=True)
        yield Drive("plain", place, place)
    elif kind.startswith("loop-"):
        with loopback(kind.removeprefix("loop-"), place, *options) as drive:
            yield drive
    elif kind.startswith("cluster-"):
        with (
            cluster(place / "cluster") as server,
            graphfs(kind.removeprefix("cluster-"), place, *options, kind=kind, **server) as drive,
        ):
            yield drive
    else:
        with graphfs(kind, place, *options) as drive:
            yield drive
