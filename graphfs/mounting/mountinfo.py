"""The kernel's table of mounts (proc(5), /proc/self/mountinfo), read without touching what is mounted: a dead drive
would not answer."""

import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

TABLE = Path("/proc/self/mountinfo")
TYPE = "fuse.graphfs"


class Mounted(Struct, frozen=True):
    """One line of the table."""

    path: str
    device: str
    """`major:minor`, unlike any other mount's of this moment."""
    type: str
    source: str


def mounts() -> Iterator[Mounted]:
    """All mounts in the order they were made: of two on one path the later one shows."""
    for line in TABLE.read_text(errors="surrogateescape").splitlines():
        left, _, right = line.partition(" - ")
        fields, kind = left.split(" "), right.split(" ")
        yield Mounted(_plain(fields[4]), fields[2], kind[0], _plain(kind[1]))


def mounted_at(path: str) -> Mounted | None:
    """What is mounted exactly there (an absolute path without symbolic links)."""
    return next((mount for mount in reversed(list(mounts())) if mount.path == path), None)


def mount_of(path: str) -> Mounted | None:
    """The mount that shows this path: the longest one above it, the latest of equals."""
    found: Mounted | None = None
    for mount in mounts():
        above = mount.path == "/" or path == mount.path or path.startswith(f"{mount.path}/")
        if above and (found is None or len(mount.path) >= len(found.path)):
            found = mount
    return found


def _plain(field: str) -> str:
    """The table writes space, tab, newline and backslash as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
