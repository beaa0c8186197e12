"""Where the real files of a view are, and what a name in a view leads to. Reads only; not what operations mean."""

import stat
from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from graphfs.api import Tree, Views
from graphfs.errors import InvalidArgument, NotFound
from graphfs.model import SUPER_ROOT, Caller, Node, View
from graphfs.vfs.virtual import LiteralPath


class Asked(Tree, Views, Protocol):
    """What is asked of a drive to find things: names and views."""


class Place(Struct, frozen=True):
    """One name of a node: the store's folder it is in, and what it is called there."""

    folder: int
    name: str


class Places:
    """Finds names. `door` is the name of the room in the mount's root, `mount_point` where the mount is (None:
    unknown)."""

    def __init__(self, drive: Asked, door: str, mount_point: str | None) -> None:
        self._drive = drive
        self._door = door
        self._mount_point = mount_point.rstrip("/") if mount_point else None

    def folder(self, caller: Caller, names: Sequence[str]) -> int:
        """The store's folder at this path from the mount's root. NotFound."""
        node = SUPER_ROOT
        for name in names:
            node = self._drive.lookup(caller, node, name).id
        return node

    def of(self, caller: Caller, node: int) -> Place:
        """The oldest name of a node. NotFound when it has none."""
        path = self._drive.path(caller, node)
        if not path:
            raise NotFound("the file has no name any more")
        *above, name = path.split("/")
        return Place(self.folder(caller, above), name)

    def in_trash(self, caller: Caller, folder: int) -> bool:
        """Whether a store folder is (in) a `.Trash-<uid>`."""
        return self._drive.path(caller, folder).startswith(".Trash-")

    def target(self, caller: Caller, path: LiteralPath, target: str) -> Node:
        """The regular file that a symbolic link in the view at `path` would lead to. NotFound when that is none of
        the mount."""
        names = self._names(path, target)
        if names[:1] == (self._door,):
            found = self._drive.view_entry(caller, names[1:-1], names[-1]) if len(names) > 1 else None
        else:
            found = self._drive.node(caller, self.folder(caller, names))
        if not isinstance(found, Node) or not stat.S_ISREG(found.mode):
            raise NotFound("the link leads to no file of this drive")
        return found

    def _names(self, path: LiteralPath, target: str) -> LiteralPath:
        """A target as names from the mount's root."""
        names: list[str] = []
        if target.startswith("/"):
            if self._mount_point is None or not target.startswith(f"{self._mount_point}/"):
                raise NotFound("the link leads out of the drive")
            target = target.removeprefix(self._mount_point)
        else:
            names = [self._door, *path]
        for name in target.split("/"):
            if name == "..":
                if not names:
                    raise NotFound("the link leads out of the drive")
                names.pop()
            elif name not in {"", "."}:
                names.append(name)
        if not names:
            raise InvalidArgument("the link leads to no file")
        return tuple(names)


def own_folder(view: View) -> bool:
    """Whether the view is a tag's own folder, reached by names from the root down alone (`tags/project/apollo`)."""
    return view.tag is not None and view.gives == (view.tag.path,) and len(view.path) == view.tag.path.count("/") + 1


def removable(view: View) -> str:
    """Path of the tag that a file loses when its entry is removed from the view: the last plain one, or the one
    that is reviewed. '' when there is none."""
    if not view.gives:
        return view.review
    return view.tag.path if view.tag is not None else view.gives[-1]


def at_or_under(tag: str, top: str) -> bool:
    """Whether a tag is `top` or below it."""
    tag, top = tag.casefold(), top.casefold()
    return tag == top or tag.startswith(f"{top}/")
