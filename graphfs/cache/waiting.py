"""What waits to be told, and what is lent: records of `graphfs.cache.lent`."""

import stat
from enum import Enum, auto

from msgspec import Struct, field

from graphfs.cache.journal import Made
from graphfs.loans import Making
from graphfs.model import Caller, Node


class Stage(Enum):
    OPEN = auto()
    READY = auto()
    SENT = auto()


class Waiting(Struct, eq=False):
    """Something made. `node` is as stat shows it."""

    caller: Caller
    folder: int
    name: str
    node: Node
    made: float
    data: bytes | None = None
    stage: Stage = Stage.OPEN
    again: bool = False
    """It may have been sent before."""
    at: int = 0
    """When it was made, by the drive's clock; 0: nobody knows, a mount that died has made it."""

    def record(self) -> Made:
        """As the journal has it."""
        return Made(self.caller.uid, self.caller.gid, self.caller.groups, self.making())

    def making(self) -> Making:
        """As the server is told."""
        node = self.node
        lent = stat.S_ISDIR(node.mode)
        ctime = node.ctime if self.at else 0
        return Making(
            node.id, self.folder, self.name, node.mode, node.atime, node.mtime, self.data, lent, self.at, ctime
        )


class Lending(Struct, eq=False):
    """A folder that is lent: every name in it (some may be gone by now), and its record, None when it has to be
    asked for."""

    node: Node | None
    names: set[str] = field(default_factory=set)
