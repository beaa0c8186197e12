"""Unmounting, and knowing when everything is safe: when the process that served the drive has ended."""

import os
import select
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from graphfs.errors import Busy, NotFound, Unavailable
from graphfs.mounting.mountinfo import TYPE, mount_of, mounted_at
from graphfs.mounting.preparation import unmounter
from graphfs.mounting.registry import record_at

PATIENCE = 600.0
"""Seconds to wait for everything to be written. Staged data is durable anyway; this is for a disk that hangs."""
PASSING = 5.0
"""Seconds for which a drive may be in use by nobody that can be seen: a file manager looks at every mount for a
moment."""
PAUSE = 0.1
SHOWN = 5


class User(Struct, frozen=True):
    """A process that has something of a mount open."""

    pid: int
    command: str
    path: str


def unmount(directory: Path, *, lazy: bool = False, patience: float = PATIENCE) -> None:
    """Unmounts the drive on `directory` and returns when its process has ended: what was acknowledged is durable, and
    its state directory is free. `lazy` takes it out of sight at once; its process then ends with the last open file.

    NotFound (no drive there), Busy (who uses it is in the message), Unavailable (it did not end in time).
    """
    place = os.path.realpath(directory)
    mounted = mounted_at(place)
    if mounted is None or mounted.type != TYPE:
        above = mount_of(place)
        inside = f"; it is inside the drive on {above.path}" if above is not None and above.type == TYPE else ""
        raise NotFound(f"no GraphFS drive is mounted on {place}{inside}")
    record = record_at(mounted)
    process = _opened(record.pid) if record is not None else None
    try:
        detach(place, lazy=lazy)
        if process is not None and not select.select([process], [], [], patience)[0]:
            assert record is not None
            raise Unavailable(f"{place} is unmounted, but process {record.pid} has not ended after {patience:.0f} s")
    finally:
        if process is not None:
            os.close(process)


def detach(place: str, *, lazy: bool) -> None:
    """Takes a mount out of the tree. Busy, Unavailable."""
    deadline = time.monotonic() + PASSING
    while True:
        done = subprocess.run([*unmounter(lazy=lazy), place], capture_output=True, text=True, check=False)
        if done.returncode == 0 or mounted_at(place) is None:
            return
        using = list(users(place))
        if using:
            raise _busy(place, using)
        if time.monotonic() > deadline:
            raise Unavailable(f"{place} could not be unmounted: {done.stderr.strip()}")
        time.sleep(PAUSE)


def _busy(place: str, using: list[User]) -> Busy:
    shown = "".join(f"\n  {user.pid} {user.command}: {user.path}" for user in using[:SHOWN])
    more = f"\n  and {len(using) - SHOWN} more" if len(using) > SHOWN else ""
    return Busy(f"{place} is in use by{shown}{more}\nClose them, or unmount with --lazy.")


def users(place: str) -> Iterator[User]:
    """Processes that work in a mount or have files of it open, as far as this user may see; one path each."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            path = next((path for path in _open_paths(process) if path == place or path.startswith(f"{place}/")), None)
            if path is not None:
                yield User(int(process.name), _command(process), path)


def _open_paths(process: Path) -> Iterator[str]:
    for link in ("cwd", "root", "exe"):
        yield _target(process / link)
    try:
        descriptors = list((process / "fd").iterdir())
    except OSError:
        return  # it ended, or is another user's
    for descriptor in descriptors:
        yield _target(descriptor)


def _target(link: Path) -> str:
    try:
        return os.readlink(link).removesuffix(" (deleted)")
    except OSError:
        return ""


def _command(process: Path) -> str:
    try:
        return (process / "comm").read_text(errors="replace").strip()
    except OSError:
        return "?"


def _opened(pid: int) -> int | None:
    """A descriptor that is readable once the process has ended; None when it has."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None
