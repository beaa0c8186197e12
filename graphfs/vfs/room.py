"""What a room is: a part of the mounted tree whose folders are made on the fly (`tags/`, `search/`, `.graphfs/`).

The contract between the file system, which dispatches, and the rooms, which know what their folders mean. Not a place
for either's code. A room is thread-safe and raises only `graphfs.errors`; what it does not have is NotPermitted.
"""

from collections.abc import Collection, Iterable
from typing import Protocol

from graphfs.model import Caller, Event, Node, Replace, XattrMode
from graphfs.vfs.interface import Attributes, DirectoryEntry, Invalidation

FIRST_VIRTUAL_ID = 2**62
"""Ids from here on belong to rooms; below are the store's nodes."""


class Show(Protocol):
    """How a node of the store is shown."""

    def __call__(self, node: Node, listed: float = 0.0) -> Attributes:
        """`listed`: seconds for which the listing of a room is believed that the node is in; settings under a second go
        before. 0: it is in none, or in one that is believed as any other answer."""
        ...


class Room(Protocol):
    """Folders that are questions. Their ids are 2**62 | 60 bits of a hash of the room and the literal path: each path
    has one, always the same.

    Regular files are the store's nodes wherever they are listed: no call on an open file of theirs comes to a room.
    """

    def owns(self, node: int) -> bool:
        """Whether this virtual id was handed out by this room (and not forgotten since)."""
        ...

    def lookup(self, caller: Caller, folder: int, name: str) -> Attributes:
        """What the name leads to: a virtual node or a store file. With `folder` SUPER_ROOT it is the room's own door
        in the mount's root (`tags`). NotFound."""
        ...

    def getattr(self, caller: Caller, node: int) -> Attributes: ...

    def entries(self, caller: Caller, node: int) -> Iterable[DirectoryEntry]:
        """All entries of a virtual folder with the cookies 1..n, found as they are read. A listing reads them once, and
        keeps what it has read."""
        ...

    def mkdir(self, caller: Caller, folder: int, name: str, mode: int) -> Attributes: ...

    def rmdir(self, caller: Caller, folder: int, name: str) -> None: ...

    def unlink(self, caller: Caller, folder: int, name: str) -> None: ...

    def create(self, caller: Caller, folder: int, name: str, mode: int) -> Node:
        """A new regular file, as a node of the store; the file system opens it. AlreadyExists."""
        ...

    def closed(self, caller: Caller, node: int) -> Invalidation | None:
        """Told after the last descriptor of any store file was closed and its content committed, so it must be quick.
        Returns what the kernel must forget because of what the room did then."""
        ...

    def arriving(self, caller: Caller, node: int) -> tuple[str, ...]:
        """Tags that a store file stays with although its list of tags is set now: this process has just put it here,
        and copies its attributes. Mostly none."""
        ...

    def joined(self, node: int) -> int:
        """The store file that this one was joined with, since it came here again; mostly itself. A program goes on
        using the old one for a moment: its attributes come after its bytes."""
        ...

    def link(self, caller: Caller, node: int, folder: int, name: str) -> Attributes:
        """`node` is the store's."""
        ...

    def symlink(self, caller: Caller, folder: int, name: str, target: str) -> Attributes: ...

    def rename_within(
        self, caller: Caller, folder: int, name: str, new_folder: int, new_name: str, replace: Replace
    ) -> None:
        """Both folders are this room's."""
        ...

    def rename_in(
        self, caller: Caller, store_folder: int, name: str, folder: int, new_name: str, replace: Replace
    ) -> bool:
        """From a folder of the store (below `files/` or `.Trash-<uid>`) into this room. Whether it was a folder: that
        becomes another node, while the kernel takes the old one along until it hears of it."""
        ...

    def rename_out(
        self, caller: Caller, folder: int, name: str, store_folder: int, new_name: str, replace: Replace
    ) -> bool:
        """From this room to a folder of the store; returns as `rename_in` does."""
        ...

    def readlink(self, caller: Caller, node: int) -> str: ...

    def read(self, caller: Caller, node: int) -> bytes:
        """The whole content of a small virtual file (`status.json`, `help.txt`, `.trackerignore`), made now."""
        ...

    def forget(self, node: int) -> None:
        """The kernel knows this id no longer; `getattr` on it need not be answered until it is looked up again."""
        ...

    def stale(self, event: Event) -> list[Invalidation]:
        """Entries of this room that the kernel must forget after a change of the drive. Asked at every event but
        those of a node that our own kernel changed by itself: quick."""
        ...

    def outgrown(self) -> Invalidation | None:
        """What the kernel is to forget because it was given more than it should keep. Asked after a folder was opened:
        quick."""
        ...

    def age(self, used: Collection[int]) -> None:
        """For a kernel that speaks in paths and tells of no id that it has forgotten: of those that nobody asked about
        since the last call of this, only `used` need be known any longer."""
        ...

    def getxattr(self, caller: Caller, node: int, name: str) -> bytes: ...

    def listxattr(self, caller: Caller, node: int) -> list[str]: ...


class Labels(Protocol):
    """Extended attributes of store nodes that mean something (`user.xdg.tags`, `user.graphfs.*`); others are kept."""

    def names(self, caller: Caller, node: int) -> list[str]:
        """The meaningful names that this node has now."""
        ...

    def has(self, name: str) -> bool:
        """Whether the name is a meaningful one (a string comparison; asked before every call on an xattr)."""
        ...

    def get(self, caller: Caller, node: int, name: str) -> bytes: ...

    def set(self, caller: Caller, node: int, name: str, value: bytes, mode: XattrMode) -> None: ...

    def remove(self, caller: Caller, node: int, name: str) -> None: ...
