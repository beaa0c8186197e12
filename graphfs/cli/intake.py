"""Putting ordinary files into a drive: what an import, and a watched folder, do to it.

One file at a time, each of them whole or not at all: bytes first, then the name. A name that is there with the same
content is left as it is, so that everything can be done again.
"""

import os
import stat
from collections.abc import Sequence
from enum import StrEnum

from graphfs.api import Drive
from graphfs.cli.archive import FileRecord
from graphfs.cli.content import Report, put_content, same_content
from graphfs.errors import AlreadyExists, NotAFolder, NotFound
from graphfs.model import FILES_ROOT, AttributeChange, Caller, EdgeState, Node
from graphfs.names import fold

_PRIVATE = 0o600
"""The mode of a file until it is whole."""


class Done(StrEnum):
    """What became of one file."""

    NEW = "new"
    SAME = "same"
    REPLACED = "replaced"
    DIFFERS = "differs"
    """Another content, or another kind of thing, has the name; it was left alone."""


class Intake:
    """Writes below `files/`. Paths are relative to it. It remembers folders it has seen; nobody else's changes to
    them harm it, they are only noticed later."""

    def __init__(self, drive: Drive, caller: Caller, *, replace: bool = False, dry: bool = False) -> None:
        """`replace`: a file that is there gets the new content. `dry`: nothing is changed, only told."""
        self._drive = drive
        self._caller = caller
        self._replace = replace
        self._dry = dry
        self._known: dict[str, dict[str, Node]] = {}
        self._ids: dict[str, int] = {"": FILES_ROOT}

    # -- folders

    def folder(self, path: str) -> tuple[int, bool]:
        """The folder at a path, made with those above it where it is missing, and whether it is new. NotAFolder."""
        if path in self._ids:
            return self._ids[path], False
        above, _, name = path.rpartition("/")
        parent, _ = self.folder(above)
        found = self._children(above).get(name)
        if found is not None and not stat.S_ISDIR(found.mode):
            raise NotAFolder(f"a file is in the way where the folder {name!r} should be")
        new = found is None
        if found is None:
            found = self._make(parent, name, stat.S_IFDIR | 0o755)
            self._children(above)[name] = found
            if self._dry:
                self._known[path] = {}
        self._ids[path] = found.id
        return found.id, new

    def _make(self, parent: int, name: str, mode: int, *, rdev: int = 0, target: str = "") -> Node:
        if self._dry:
            return Node(0, mode, 0, 0, rdev, 0, 0, 0, 0, 0, 1, 0, 0, 0)
        try:
            return self._drive.create(self._caller, parent, name, mode, rdev=rdev, target=target)
        except AlreadyExists:
            if not stat.S_ISDIR(mode):
                raise
            return self._drive.lookup(self._caller, parent, name)

    def _children(self, path: str) -> dict[str, Node]:
        known = self._known.get(path)
        if known is None:
            entries = self._drive.children(self._caller, self.folder(path)[0])
            known = self._known[path] = {entry.name: entry.node for entry in entries}
        return known

    def forget(self) -> None:
        """Folders are looked at anew from now on."""
        self._known.clear()
        self._ids = {"": FILES_ROOT}

    def at(self, path: str) -> Node | None:
        """What is there."""
        above, _, name = path.rpartition("/")
        try:
            return self._children(above).get(name)
        except NotFound:
            return None

    # -- files

    def take(self, path: str, record: FileRecord, source: str, tags: Sequence[str], report: Report) -> tuple[Done, int]:
        """Puts what `record` describes at a path (its content comes from the file `source`); what became of it, and
        its node's id. Tags are a person's, given beside those of the record."""
        above, _, name = path.rpartition("/")
        parent, _ = self.folder(above)
        found = self._children(above).get(name)
        if stat.S_ISREG(record.mode):
            done, node = self._file(parent, name, found, source, tags, report)
        else:
            done, node = self._special(parent, name, found, record)
        if done is Done.DIFFERS or self._dry:
            return done, node.id
        self._children(above)[name] = self.dress(node, record)
        return done, node.id

    def link(self, path: str, node: int) -> Done:
        """Another name for a node that was taken."""
        above, _, name = path.rpartition("/")
        parent, _ = self.folder(above)
        found = self._children(above).get(name)
        if found is not None:
            return Done.SAME if found.id == node else Done.DIFFERS
        if not self._dry:
            self._children(above)[name] = self._drive.link(self._caller, node, parent, name)
        return Done.NEW

    def _file(
        self, parent: int, name: str, found: Node | None, source: str, tags: Sequence[str], report: Report
    ) -> tuple[Done, Node]:
        drive, caller = self._drive, self._caller
        if found is None:
            if self._dry:
                report(os.lstat(source).st_size)
                return Done.NEW, self._make(parent, name, stat.S_IFREG)
            size, patches = put_content(drive, source, report)
            node = drive.create(caller, parent, name, stat.S_IFREG | _PRIVATE, tags=tags)
            return Done.NEW, drive.commit(caller, node.id, node.version, size, patches)
        if not stat.S_ISREG(found.mode):
            return Done.DIFFERS, found
        if same_content(drive, drive.layout(caller, found.id), source, report):
            self._give(found, tags)
            return Done.SAME, found
        # An import that was interrupted between the name and its content left it without any.
        unfinished = found.version == 0 and found.size == 0
        if not (unfinished or self._replace):
            return Done.DIFFERS, found
        done = Done.NEW if unfinished else Done.REPLACED
        if self._dry:
            return done, found
        size, patches = put_content(drive, source, report)
        self._give(found, tags)
        return done, drive.commit(caller, found.id, found.version, size, patches)

    def _give(self, node: Node, tags: Sequence[str]) -> None:
        if not tags or self._dry:
            return
        edges = self._drive.edges(self._caller, node.file)
        has = {fold(edge.tag) for edge in edges if edge.state is EdgeState.APPLIED}
        new = [tag for tag in tags if fold(tag) not in has]
        if new:
            self._drive.change_tags(self._caller, [node.file], new, (), why="graphfs import")

    def _special(self, parent: int, name: str, found: Node | None, record: FileRecord) -> tuple[Done, Node]:
        if found is None:
            return Done.NEW, self._make(parent, name, record.mode, rdev=record.rdev, target=record.target)
        same = stat.S_IFMT(found.mode) == stat.S_IFMT(record.mode) and found.rdev == record.rdev
        if same and stat.S_ISLNK(record.mode):
            same = self._drive.readlink(self._caller, found.id) == record.target
        return (Done.SAME if same else Done.DIFFERS), found

    # -- attributes

    def dress(self, node: Node, record: FileRecord) -> Node:
        """Gives a node the attributes, extended attributes and edges of a record. An owner of -1 stays who it is."""
        if self._dry:
            return node
        drive, caller = self._drive, self._caller
        for name, value in record.xattrs.items():
            drive.set_xattr(caller, node.id, name, value)
        if record.edges:
            drive.put_edges(caller, node.file, record.edges, why="graphfs import")
        change = AttributeChange(
            mode=stat.S_IMODE(record.mode),
            uid=record.uid if record.uid >= 0 else None,
            gid=record.gid if record.gid >= 0 else None,
            atime=record.atime,
            mtime=record.mtime,
        )
        return drive.set_attributes(caller, node.id, change)
