"""Folders lent to mounts, as data: see `graphfs.api.Loans`."""

from msgspec import Struct

from graphfs.model import Node
from graphfs.names import RULES

LOAN_SECONDS = 9.0
"""How long a folder is lent when nothing more is heard of who has it. Whoever looks in waits no longer, and has
patience for 10 s; its mount relies on a small part of it (`graphfs.cache.lent.SURE`): what it made may hang at one
server and go to another before others see the folder without it."""


NEVER_LENT = frozenset({RULES})
"""Names that a mount makes nowhere by itself: whoever asks for one learns whether it is there without having the folder
recalled. Taggers ask for their rules in every folder they come to, for each new file."""


class Loan(Struct, frozen=True):
    """A folder that is lent: as it is now, all the names in it, and `count` ids from `first` on for what is made in
    it. `at`: what time it is on the drive, ns."""

    folder: Node
    names: tuple[str, ...]
    first: int
    count: int
    at: int = 0


class Making(Struct, frozen=True):
    """What was made in a lent folder: a regular file with its whole content (`data`, None: it has had none yet), or a
    folder, which is lent too from its beginning (`lent`). `mode` is all of st_mode. `made` and `ctime`: when it was
    made and last changed, by the drive's clock, as its mount has shown it; 0: when this is told."""

    id: int
    folder: int
    name: str
    mode: int
    atime: int
    mtime: int
    data: bytes | None = None
    lent: bool = False
    made: int = 0
    ctime: int = 0


MOUNT_SHIFT = 23
"""A mount that is not alone stamps the pid of who asks: its own number is what stands from this bit on."""


def mount_of(pid: int) -> int:
    """The mount that a stamped caller, or an event's origin, belongs to; 0: none that is known."""
    return max(pid, 0) >> MOUNT_SHIFT
