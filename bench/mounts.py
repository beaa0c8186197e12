"""What is measured: the drive with either binding, loopbacks, JuiceFS, the local disk. Each in a process of its own.

Starts and stops only; the measuring is fsbench.py's and tags.py's.
"""

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
LOOPBACKS = Path(__file__).resolve().parent / "loopbacks"
SECONDS = 60
CACHES = {
    "pyfuse3": ["timeout=1.0"],
    "fusepy": ["attr_timeout=1.0", "entry_timeout=1.0"],
    "mfusepy": ["attr_timeout=1.0", "entry_timeout=1.0"],
}
"""One second for names and attributes, as the drive has it."""


@dataclass(frozen=True)
class Mounted:
    """A place to measure: `folder` for files, `root` of the mount, its process (0: none), seconds it took to start."""

    folder: Path
    root: Path
    pid: int = 0
    started: float = 0.0


def _is_mount(folder: Path) -> bool:
    return any(line.split()[1] == str(folder) for line in Path("/proc/self/mounts").read_text().splitlines())


@contextmanager
def _served(command: list[str], root: Path, folder: Path, log: Path, environment: dict[str, str]) -> Iterator[Mounted]:
    """Runs a mount in the foreground until the block ends. RuntimeError with its log when it does not."""
    root.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    with open(log, "wb") as output, open("/proc/self/mounts", "rb") as table:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**os.environ, **environment}
        )
        poll = select.poll()
        poll.register(table, select.POLLERR | select.POLLPRI)
        while not _is_mount(root):
            if process.poll() is not None or time.monotonic() > begin + SECONDS:
                raise RuntimeError(f"{command[0]} did not mount:\n{log.read_text()}")
            poll.poll(100)
            table.seek(0)
            table.read()
    os.stat(folder)
    try:
        yield Mounted(folder, root, process.pid, time.monotonic() - begin)
    finally:
        done = subprocess.run(["fusermount3", "-u", str(root)], capture_output=True, check=False)
        if done.returncode:
            subprocess.run(["fusermount3", "-u", "-z", str(root)], check=False)
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise RuntimeError(f"{command[0]} did not end:\n{log.read_text()}") from None


@contextmanager
def drive(binding: str, place: Path, *arguments: str, **settings: str) -> Iterator[Mounted]:
    """The drive, with its state under `place`; tagging is off so that only the drive is measured. `arguments`: more of
    them for mount.py."""
    root = place / "drive"
    root.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(PROJECT / "mount.py"), str(root), "--state", str(place / "state"), "--foreground"]
    command += arguments
    environment = {"GRAPHFS_TAGGER__ENABLED": "false", **settings}
    with _served([*command, "-o", f"binding={binding}"], root, root / "files", place / "log", environment) as mounted:
        yield mounted


@contextmanager
def loopback(binding: str, place: Path) -> Iterator[Mounted]:
    """A loopback over a folder of the local disk: what the binding alone costs."""
    root, back = place / "drive", place / "back"
    back.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(LOOPBACKS / f"{binding}_loopback.py"), str(back), str(root), *CACHES[binding]]
    with _served(command, root, root, place / "log", {}) as mounted:
        yield mounted


@contextmanager
def juicefs(program: str, place: Path) -> Iterator[Mounted]:
    """JuiceFS with SQLite and a local folder, with its own defaults."""
    root = place / "drive"
    place.mkdir(parents=True, exist_ok=True)
    database = f"sqlite3://{place / 'meta.db'}"
    formatting = [program, "format", "--storage", "file", "--bucket", f"{place / 'objects'}/", database, "bench"]
    subprocess.run(formatting, check=True, capture_output=True)
    command = [program, "mount", "--no-usage-report", "--cache-dir", str(place / "cache"), database, str(root)]
    with _served(command, root, root, place / "log", {}) as mounted:
        yield mounted


@contextmanager
def local(place: Path) -> Iterator[Mounted]:
    """An ordinary folder."""
    place.mkdir(parents=True, exist_ok=True)
    yield Mounted(place, place)


@contextmanager
def target(name: str, place: Path, juicefs_program: str | None = None) -> Iterator[Mounted]:
    """What a name of the table stands for: `local`, `loop-BINDING`, `drive-BINDING`, `juicefs`. Else ValueError."""
    kind, _, binding = name.partition("-")
    if name == "local":
        chosen = local(place)
    elif kind == "loop":
        chosen = loopback(binding, place)
    elif kind == "drive":
        chosen = drive(binding, place)
    elif kind == "juicefs" and juicefs_program:
        chosen = juicefs(juicefs_program, place)
    else:
        raise ValueError(f"unknown target {name}")
    with chosen as mounted:
        yield mounted
