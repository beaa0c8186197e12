"""`.graphfs/`: what the drive tells about itself, as small files that are made when they are read. Never listed by
the root.

`status.json`, `journal`, `help.txt`, and `by-id/<id>`, where every file is found by its stable id. Nothing can be
changed here.
"""

import stat
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from graphfs.api import Care, Tags, Tree
from graphfs.errors import IsAFolder, NoAttribute, NotAFolder, NotFound, NotPermitted
from graphfs.model import SUPER_ROOT, Caller, Event, JournalEntry, Node, Replace
from graphfs.vfs.interface import Attributes, DirectoryEntry, Invalidation
from graphfs.vfs.virtual import Kind, LiteralPath, VirtualIds

DOOR = ".graphfs"
BY_ID = "by-id"
STATUS = "status.json"
JOURNAL = "journal"
HELP = "help.txt"
_FILES = (STATUS, JOURNAL, HELP)
_JOURNAL_LINES = 1000

HELP_TEXT = """\
This is a GraphFS drive.

files/    Your files, in ordinary folders.
tags/     The same files by their tags. Nesting is AND: tags/garden/2024/ shows what has both.
          a,b is OR. -a or +not/a is NOT. year/2020..2024 is a range.
          +direct counts only tags given to the file itself. +untagged, +recent and +all are at the top.

mkdir tags/x              makes a tag
cp FILE tags/x/           keeps a new file in files/Inbox and tags it
mv files/f tags/x/        tags a file; it stays in its folder (so does ln)
mv tags/x/f tags/y/       takes one tag away and gives another
mv tags/x/f files/d/      moves the file; its tags stay
rm tags/x/f               takes the tag away, never the file
mv tags/x tags/y          renames a tag
rm -r tags/x              removes a tag and those below it from all files; no file is deleted
tags/+review/x/           files for which the tag x is suggested
rm tags/+review/x/f       rejects the suggestion; mv tags/+review/x/f tags/x/ accepts it

graphfs undo              takes the last change of tags back
graphfs --help            everything else

.graphfs/status.json      how the drive is
.graphfs/journal          the last changes of tags
.graphfs/by-id/ID         a file by the id that user.graphfs.id tells
"""


class Told(Tree, Tags, Care, Protocol):
    """What is needed of a drive to tell about it."""


def journal_text(entries: list[JournalEntry]) -> str:
    """Batches as lines, the newest first: number, time, actor, number of changes, why, separated by tabs."""
    lines = []
    for entry in entries:
        at = datetime.fromtimestamp(entry.at / 1e9, UTC).isoformat(timespec="seconds")
        why = " ".join(entry.why.split()) + (" (undone)" if entry.undone else "")
        lines.append(f"{entry.batch}\t{at}\t{entry.actor}\t{entry.changes}\t{why}\n")
    return "".join(lines)


class ControlRoom:
    """The room of `.graphfs/`. `attributes` says what stat shows of a store node; `uid` and `gid` are those of who
    mounted."""

    def __init__(self, drive: Told, attributes: Callable[[Node], Attributes], uid: int, gid: int) -> None:
        self._drive = drive
        self._attributes = attributes
        self._uid = uid
        self._gid = gid
        self._ids = VirtualIds(DOOR)
        self._started = time.time_ns()

    def owns(self, node: int) -> bool:
        return self._ids.owns(node)

    def forget(self, node: int) -> None:
        self._ids.forget(node)

    def lookup(self, caller: Caller, folder: int, name: str) -> Attributes:
        if folder == SUPER_ROOT:
            if name != DOOR:
                raise NotFound(name)
            return self._of_folder(())
        path = self._folder(folder)
        if path == (BY_ID,):
            return self._attributes(self._by_id(caller, name))
        if name == BY_ID:
            return self._of_folder((BY_ID,))
        if name in _FILES:
            return self._of_file(caller, name)
        raise NotFound(name)

    def getattr(self, caller: Caller, node: int) -> Attributes:
        kind, path = self._ids.path(node)
        return self._of_folder(path) if kind is Kind.FOLDER else self._of_file(caller, path[-1])

    def entries(self, caller: Caller, node: int) -> list[DirectoryEntry]:
        """The files and `by-id`, which lists nothing: what is in it is only asked for by name."""
        if self._folder(node):
            return []
        found = [DirectoryEntry(name, self._of_file(caller, name), 1 + i) for i, name in enumerate(_FILES)]
        return [*found, DirectoryEntry(BY_ID, self._of_folder((BY_ID,)), len(found) + 1)]

    def read(self, caller: Caller, node: int) -> bytes:
        kind, path = self._ids.path(node)
        if kind is not Kind.FILE:
            raise IsAFolder("a folder")
        return self._content(caller, path[-1])

    def getxattr(self, caller: Caller, node: int, name: str) -> bytes:
        raise NoAttribute(name)

    def listxattr(self, caller: Caller, node: int) -> list[str]:
        return []

    def outgrown(self) -> None:
        return None

    def age(self, used: Collection[int]) -> None:
        """There are a few of them only."""

    def stale(self, event: Event) -> list[Invalidation]:
        return []

    def _by_id(self, caller: Caller, name: str) -> Node:
        if not name.isascii() or not name.isdigit() or len(name) > 19:
            raise NotFound(name)
        return self._drive.file(caller, int(name))

    def _content(self, caller: Caller, name: str) -> bytes:
        if name == STATUS:
            return msgspec.json.format(msgspec.json.encode(self._drive.status(caller))) + b"\n"
        if name == JOURNAL:
            return journal_text(self._drive.journal(caller, _JOURNAL_LINES)).encode("utf-8", "surrogateescape")
        return HELP_TEXT.encode()

    def _folder(self, node: int) -> LiteralPath:
        kind, path = self._ids.path(node)
        if kind is not Kind.FOLDER:
            raise NotAFolder("not a folder")
        return path

    def _of_folder(self, path: LiteralPath) -> Attributes:
        return self._made(self._ids.id(Kind.FOLDER, path), stat.S_IFDIR | 0o555, 0)

    def _of_file(self, caller: Caller, name: str) -> Attributes:
        size = len(self._content(caller, name))
        return self._made(self._ids.id(Kind.FILE, (name,)), stat.S_IFREG | 0o444, size)

    def _made(self, node: int, mode: int, size: int) -> Attributes:
        when = self._started
        return Attributes(node, mode, 1, self._uid, self._gid, 0, size, 0, when, when, when, 1.0, 0.0)

    # -- nothing can be changed

    def mkdir(self, caller: Caller, folder: int, name: str, mode: int) -> Attributes:
        raise _refused()

    def rmdir(self, caller: Caller, folder: int, name: str) -> None:
        raise _refused()

    def unlink(self, caller: Caller, folder: int, name: str) -> None:
        raise _refused()

    def create(self, caller: Caller, folder: int, name: str, mode: int) -> Node:
        raise _refused()

    def closed(self, caller: Caller, node: int) -> Invalidation | None:
        return None

    def arriving(self, caller: Caller, node: int) -> tuple[str, ...]:
        return ()

    def joined(self, node: int) -> int:
        return node

    def link(self, caller: Caller, node: int, folder: int, name: str) -> Attributes:
        raise _refused()

    def symlink(self, caller: Caller, folder: int, name: str, target: str) -> Attributes:
        raise _refused()

    def rename_within(
        self, caller: Caller, folder: int, name: str, new_folder: int, new_name: str, replace: Replace
    ) -> None:
        raise _refused()

    def rename_in(
        self, caller: Caller, store_folder: int, name: str, folder: int, new_name: str, replace: Replace
    ) -> bool:
        raise _refused()

    def rename_out(
        self, caller: Caller, folder: int, name: str, store_folder: int, new_name: str, replace: Replace
    ) -> bool:
        raise _refused()

    def readlink(self, caller: Caller, node: int) -> str:
        raise NotPermitted("not a symbolic link")


def _refused() -> NotPermitted:
    return NotPermitted("nothing can be changed in .graphfs/")
