"""Which drive a command means, and how it is reached: the mount around a path, a state directory, or a server.

What is asked of the drive is none of its business.
"""

import importlib
import os
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphfs.api import Drive
from graphfs.cli.screen import quoted
from graphfs.client import connect
from graphfs.errors import InvalidArgument, NotFound, Unavailable
from graphfs.model import Caller
from graphfs.mounting.mountinfo import TYPE, Mounted, mount_of, mounts
from graphfs.mounting.registry import MountRecord, record_at, record_in

TOKEN = Path("run", "token")
"""In the state directory: what a TCP client shows."""


@dataclass(frozen=True)
class Place:
    """A drive that was opened, who asks, and where it is mounted here (None: nowhere that is known)."""

    drive: Drive
    caller: Caller
    root: str | None = None
    record: MountRecord | None = None
    served: bool = True
    """False: opened by this command, which nobody else can reach meanwhile (no tagger either)."""

    def show(self, path: str) -> str:
        """A path from the drive's root (`files/a`), written so that a program started here finds it."""
        if self.root is None:
            return path
        whole = os.path.join(self.root, path)
        try:
            shown = os.path.relpath(whole, os.path.realpath("."))
        except FileNotFoundError:  # the current directory is gone
            return whole
        return f"./{shown}" if shown.startswith("-") else shown


def caller_here() -> Caller:
    """This process. Its pid makes one journal batch of what one command does."""
    return Caller(os.getuid(), os.getgid(), tuple(sorted(os.getgroups())), os.getpid())


@contextmanager
def opened(arguments: Namespace, paths: Sequence[str] = ()) -> Iterator[Place]:
    """The drive that is meant: --server, --state, the mount around the first path or the current directory, or the
    only one that is mounted. Its connection is closed at the end."""
    place = find_place(arguments, paths)
    try:
        yield place
    finally:
        place.drive.close()


def find_place(arguments: Namespace, paths: Sequence[str] = ()) -> Place:
    """As `opened`; whoever asks closes the drive."""
    if arguments.server and arguments.state:
        raise InvalidArgument("give --state or --server, not both")
    if arguments.server:
        drive = connect(arguments.server, token=_token(arguments))
        return Place(drive, caller_here())
    if arguments.state:
        return _of_state(Path(arguments.state).expanduser().absolute())
    return _of_mount(_mounted(paths))


def _token(arguments: Namespace) -> str:
    if arguments.token_file:
        return Path(arguments.token_file).expanduser().read_text(encoding="utf-8").strip()
    return os.environ.get("GRAPHFS_TOKEN", "")


def paths_of(arguments: Namespace) -> tuple[str, ...]:
    """The PATH of a command that is about the whole drive."""
    return (arguments.path,) if arguments.path else ()


def mounted_drives() -> list[Mounted]:
    """Every GraphFS drive that can be seen, whoever mounted it."""
    found: dict[str, Mounted] = {}
    for one in mounts():
        found.pop(one.path, None)
        found[one.path] = one
    return [one for one in found.values() if one.type == TYPE]


def mount_around(path: str) -> Mounted | None:
    """The drive that a path (which need not exist) lies in."""
    found = mount_of(os.path.realpath(path))
    return found if found is not None and found.type == TYPE else None


def _mounted(paths: Sequence[str]) -> Mounted:
    # An absolute path says where; what is relative may be meant from the root of the only drive.
    outside = [path for path in paths if os.path.isabs(path) and mount_around(path) is None]
    if outside:
        raise NotFound(f"{quoted(outside[0])} is not on a GraphFS drive")
    for path in (*paths, "."):
        found = mount_around(path)
        if found is not None:
            return found
    known = [one for one in mounted_drives() if record_at(one) is not None]
    if len(known) == 1:
        return known[0]
    if not known:
        raise NotFound(
            "no drive is mounted: mount one (graphfs mount DIR), or say which one by --state DIR or --server URL"
        )
    names = ", ".join(one.path for one in known)
    raise NotFound(
        f"which drive? {names} are mounted: go into one of them, or say which by --state DIR or --server URL"
    )


def _of_mount(mounted: Mounted) -> Place:
    record = record_at(mounted)
    if record is None:
        raise NotFound(
            f"nothing is known about who serves the drive at {mounted.path} (it is another user's, or it died): "
            "mount it again, or give --state DIR or --server URL"
        )
    return _served(record)


def _served(record: MountRecord) -> Place:
    token = ""
    if not record.server.startswith("unix:"):
        token = os.environ.get("GRAPHFS_TOKEN", "")
    return Place(connect(record.server, token=token), caller_here(), record.mount_point, record)


def _of_state(state: Path) -> Place:
    if not state.is_dir():
        raise NotFound(f"there is no state directory {state}: `graphfs mount DIR --state {state}` makes one")
    record = record_in(state)
    if record is not None:
        return _served(record)
    drive = connect(state)
    try:
        drive.chunk_size()
    except Unavailable:
        drive.close()
        # Nobody serves it: opened here. Imported late, as most commands never need a service.
        embedded: Any = importlib.import_module("graphfs.cli.embedded")
        return Place(embedded.open_drive(state), caller_here(), served=False)
    return Place(drive, caller_here())
