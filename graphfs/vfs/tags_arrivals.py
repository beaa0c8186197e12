"""Files that come into being in a view: where they are kept, and what is remembered of them for a while.

A new file is kept in `files/Inbox` under its own name. Some of what programs do in a folder takes more than one call
(an editor's safe save, a copy whose name was taken); what the later calls need to know is remembered here, in memory,
bounded in number and time. When it is forgotten, the plain meaning of each call holds: nothing is ever lost by that.
"""

import stat
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

from graphfs.api import Content, Tags, Tree
from graphfs.errors import AlreadyExists, DriveError, NotFound
from graphfs.model import FILES_ROOT, Caller, Edge, EdgeState, Layout, Node, Replace, View
from graphfs.vfs.tags_names import is_passing, is_scratch, may_be_passing, regular, unique_names
from graphfs.vfs.tags_places import Place
from graphfs.vfs.virtual import LiteralPath

K = TypeVar("K")
V = TypeVar("V")

_REMEMBERED = 4096
_HOUR = 3600.0
_SAVING = 30.0
"""Seconds in which an editor that renamed a file away makes it anew."""
_AT_ONCE = 2.0
"""Seconds from removing an entry to renaming another file into its place that are one doing: no person is so quick."""


class Kept(Tree, Content, Tags, Protocol):
    """What is needed of a drive to keep new files."""


class Memory(Generic[K, V]):
    """The last few things of a kind, each for some seconds. Thread-safe."""

    def __init__(self, clock: Callable[[], float], seconds: float, limit: int = _REMEMBERED) -> None:
        self._clock = clock
        self._seconds = seconds
        self._limit = limit
        self._kept: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, key: K, value: V) -> None:
        with self._lock:
            self._kept[key] = (self._clock() + self._seconds, value)
            self._kept.move_to_end(key)
            if len(self._kept) > self._limit:
                self._kept.popitem(last=False)

    def get(self, key: K) -> V | None:
        found = self._kept.get(key)
        if found is None:
            return None
        if found[0] < self._clock():
            self.pop(key)
            return None
        return found[1]

    def pop(self, key: K) -> V | None:
        with self._lock:
            found = self._kept.pop(key, None)
        return found[1] if found is not None and found[0] >= self._clock() else None


class Newcomer(Struct, frozen=True):
    """A file that was made in a view. `rivals`: names in the Inbox that may hold the very same file already."""

    pid: int
    path: LiteralPath
    name: str
    rivals: tuple[str, ...] = ()


class Taken(Struct, frozen=True):
    """An entry that a process removed, which had made a file beside it: where the file is, and what it lost."""

    pid: int
    node: int
    place: Place
    edges: tuple[Edge, ...]


class Arrivals:
    """Makes files for views and remembers who is in the middle of making one."""

    def __init__(self, drive: Kept, inbox: str, clock: Callable[[], float]) -> None:
        self._drive = drive
        self._inbox_name = inbox
        self._inbox_id = 0
        self._newcomers: Memory[int, Newcomer] = Memory(clock, _HOUR)
        self._called: Memory[tuple[LiteralPath, str], int] = Memory(clock, _HOUR)
        self._vacated: Memory[tuple[LiteralPath, str], Place] = Memory(clock, _SAVING)
        self._backups: Memory[int, Place] = Memory(clock, _SAVING)
        self._kept: Memory[tuple[LiteralPath, str], int] = Memory(clock, _SAVING)
        self._united: Memory[int, int] = Memory(clock, _SAVING)
        self._copied: Memory[int, tuple[int, tuple[str, ...]]] = Memory(clock, _SAVING)
        """Process that puts a file here, and the tags that the file has because of the place."""
        self._makers: Memory[tuple[int, LiteralPath], bool] = Memory(clock, _SAVING)
        self._taken: Memory[tuple[LiteralPath, str], Taken] = Memory(clock, _AT_ONCE)

    def create(self, caller: Caller, path: LiteralPath, name: str, mode: int, tags: tuple[str, ...]) -> Node:
        """A new empty file with these tags, for the view at `path`. When a file of this name was just renamed away
        there, it is made in that one's own folder, else in the Inbox. A scratch file has no tags until it gets another
        name: what a program needs for a moment is no line in the journal. It is found in the view, but not listed."""
        before = self._vacated.pop((path, name))
        if before is not None:
            try:
                made = self._drive.create(caller, before.folder, before.name, regular(mode), tags=tags, draft=True)
                if before.name != name:
                    self._called.put((path, name), made.id)
                return made
            except (AlreadyExists, NotFound):
                pass  # somebody else took the place: it is a file like any other
        inbox = self.inbox(caller)
        scratch = is_scratch(name)
        taken: list[str] = []
        node: Node | None = None
        names = unique_names(name)
        while node is None:
            candidate = next(names)
            if self._free(caller, inbox, candidate):
                # AlreadyExists: made by somebody between the look and the creation.
                with suppress(AlreadyExists):
                    given = () if scratch else tags
                    node = self._drive.create(caller, inbox, candidate, regular(mode), tags=given, draft=True)
                    break
            taken.append(candidate)
        self._newcomers.put(node.id, Newcomer(caller.pid, path, name, tuple(taken)))
        self._makers.put((caller.pid, path), True)
        if not scratch:
            self._copied.put(node.id, (caller.pid, tags))
        if taken or scratch:
            self._called.put((path, name), node.id)
        return node

    def place(self, caller: Caller, node: Node, view: View, name: str, here: Place) -> bool:
        """Gives a file that was made in this view a new name there, as a program does when its temporary file is
        whole. False: it was not made here, or its new name needs nothing special."""
        path = view.path
        newcomer = self._newcomers.pop(node.id)
        if newcomer is not None and newcomer.pid == caller.pid and self._save_over(caller, path, name, here):
            return True
        if newcomer is not None and (not node.tags or is_scratch(here.name)):
            self._drive.change_tags(caller, [node.file], view.gives, [], why=f"created as {name}")
        before = self._vacated.pop((path, name))
        if before is not None and self._free(caller, before.folder, before.name):
            self._move(caller, here, before)
            return True
        if newcomer is None or here.folder != self.inbox(caller):
            return False
        taken: list[str] = []
        for candidate in unique_names(name):
            if candidate == here.name:
                break
            if self._free(caller, here.folder, candidate):
                self._move(caller, here, Place(here.folder, candidate))
                break
            taken.append(candidate)
        if not is_scratch(newcomer.name):
            self.renamed(path, newcomer.name, name, here, node)
        if taken:
            self._called.put((path, name), node.id)
            self._newcomers.put(node.id, Newcomer(caller.pid, path, name, tuple(taken)))
            self.settle(caller, node.id)
        return True

    def is_making(self, caller: Caller, path: LiteralPath) -> bool:
        """Whether this process made a file in this view a moment ago: what it removes now it may be saving."""
        return self._makers.get((caller.pid, path)) is not None

    def taken(self, path: LiteralPath, name: str, taken: Taken) -> None:
        """An entry was removed by a process that is making a file beside it."""
        self._taken.put((path, name), taken)

    def _save_over(self, caller: Caller, path: LiteralPath, name: str, here: Place) -> bool:
        """What is renamed to the name of an entry that the same process removed just before is that one's new content:
        so do archivers save (zip, 7z). False: nothing was removed so."""
        taken = self._taken.pop((path, name))
        if taken is None or taken.pid != caller.pid:
            return False
        try:
            old = self._drive.lookup(caller, taken.place.folder, taken.place.name)
        except NotFound:
            return False
        if old.id != taken.node:
            return False
        self._drive.put_edges(caller, old.file, taken.edges, why=f"saved as {name}")
        self._drive.rename(caller, here.folder, here.name, taken.place.folder, taken.place.name, Replace.ALLOW)
        return True

    def link(self, caller: Caller, path: LiteralPath, name: str, node: Node) -> None:
        """One more name for a file, as copies of folders with hard links make them: it is kept in the Inbox, and found
        in the view at `path`, which lists the file once."""
        inbox = self.inbox(caller)
        for candidate in unique_names(name):
            if self._free(caller, inbox, candidate):
                self._drive.link(caller, node.id, inbox, candidate)
                break
            if self._drive.lookup(caller, inbox, candidate).id == node.id:
                break
        self._called.put((path, name), node.id)

    def stay(self, caller: Caller, node: int) -> tuple[str, ...]:
        """The tags that a file which this process is copying here keeps, whatever list it came with."""
        copied = self._copied.get(node)
        return copied[1] if copied is not None and copied[0] == caller.pid else ()

    def node(self, caller: Caller, node: int) -> Node:
        """A file of the store by its number; when it was joined with one that was there already, that one. The kernel
        goes on using the number for a moment. NotFound."""
        return self._drive.node(caller, self.joined(node))

    def joined(self, node: int) -> int:
        """The same, without a look."""
        return self._united.get(node) or node

    def adopt(self, caller: Caller, place: Place, name: str) -> None:
        """A file that has a name outside `files/` only gets one in the Inbox instead."""
        inbox = self.inbox(caller)
        for candidate in unique_names(name):
            if self._free(caller, inbox, candidate):
                self._move(caller, place, Place(inbox, candidate))
                return

    def called(self, caller: Caller, path: LiteralPath, name: str) -> Node | None:
        """The file that was made in this view under this name, although it had to be given another one; or a backup
        whose tags went on to the file that was saved: the editor that made it is still to remove it."""
        node = self._called.get((path, name))
        backup = node is None
        if node is None:
            node = self._kept.get((path, name))
        if node is None:
            return None
        try:
            found = self._drive.node(caller, node)
        except NotFound:
            found = None
        if found is None or not found.links or (backup and not self.is_backup(caller, found)):
            self.removed(path, name)
            return None
        return found

    def renamed(self, path: LiteralPath, name: str, new_name: str, place: Place, node: Node) -> None:
        """A file of this view, until now at `place`, is called otherwise: perhaps an editor's backup, and it is made
        anew next."""
        self._called.pop((path, name))
        self._vacated.put((path, name), place)
        self._backups.put(node.id, place)
        self._kept.put((path, new_name), node.id)

    def is_passing(self, caller: Caller, node: Node, name: str) -> bool:
        """Whether a program made this file in a view only for itself, so that removing it means the file, not a
        tag: by its name, or because the same process removes it as empty as it made it (a lock, a try)."""
        newcomer = self._newcomers.get(node.id)
        if newcomer is None:
            return False
        return is_passing(name) or (newcomer.pid == caller.pid and (may_be_passing(name) or not node.size))

    def is_backup(self, caller: Caller, node: Node) -> bool:
        """Whether the file was renamed away in a view a moment ago and is made anew under its old name: removing it
        ends a save."""
        before = self._backups.get(node.id)
        if before is None:
            return False
        try:
            return self._drive.lookup(caller, before.folder, before.name).id != node.id
        except NotFound:
            return False

    def removed(self, path: LiteralPath, name: str) -> None:
        """The entry is gone."""
        self._called.pop((path, name))
        self._kept.pop((path, name))

    def settle(self, caller: Caller, node: int) -> Newcomer | None:
        """After a file was closed: if it was made in a view and the Inbox has the same content under the same name
        already, its tags go to that file and the new one goes. Returns what was known of it when that happened."""
        newcomer = self._newcomers.get(node)
        if newcomer is None or not newcomer.rivals:
            return None
        try:
            mine = self._drive.node(caller, node)
            if not mine.size:
                return None  # touched only: its content is still to come
            self._newcomers.pop(node)
            inbox = self.inbox(caller)
            layout = self._drive.layout(caller, node)
            for name in newcomer.rivals:
                other = self._same(caller, inbox, name, layout)
                if other is not None:
                    if not self._unite(caller, inbox, mine, other):
                        return None
                    self._called.put((newcomer.path, newcomer.name), other.id)
                    return newcomer
        except NotFound:
            pass  # it was removed meanwhile
        return None

    def inbox(self, caller: Caller) -> int:
        """The folder for new files, made when it is missing. NotAFolder when a file has its name."""
        if self._inbox_id:
            try:
                if self._drive.lookup(caller, FILES_ROOT, self._inbox_name).id == self._inbox_id:
                    return self._inbox_id
            except NotFound:
                pass  # it was removed or renamed: another one is made
        try:
            node = self._drive.lookup(caller, FILES_ROOT, self._inbox_name)
        except NotFound:
            try:
                node = self._drive.create(caller, FILES_ROOT, self._inbox_name, stat.S_IFDIR | 0o755)
            except AlreadyExists:
                node = self._drive.lookup(caller, FILES_ROOT, self._inbox_name)
        self._inbox_id = node.id
        return node.id

    def _free(self, caller: Caller, folder: int, name: str) -> bool:
        try:
            self._drive.lookup(caller, folder, name)
        except NotFound:
            return True
        return False

    def _move(self, caller: Caller, place: Place, to: Place) -> None:
        self._drive.rename(caller, place.folder, place.name, to.folder, to.name, Replace.REFUSE)

    def _same(self, caller: Caller, inbox: int, name: str, layout: Layout) -> Node | None:
        """The regular file of this name in the Inbox when it has this content."""
        try:
            other = self._drive.lookup(caller, inbox, name)
            if not other.file or other.size != layout.size:
                return None
            theirs = self._drive.layout(caller, other.id)
        except DriveError:
            return None
        return other if theirs.extents == layout.extents else None

    def _unite(self, caller: Caller, inbox: int, mine: Node, other: Node) -> bool:
        """One file of two: the tags first, so that a crash between the calls loses nothing. What the program sets from
        now on (its own thread does, while this one is at it) goes to the one that stays. False: the new one has
        another name by now, and stays too."""
        name = self._drive.path(caller, mine.id).rpartition("/")[2]
        if self._drive.lookup(caller, inbox, name).id != mine.id:
            return False
        copied = self._copied.get(mine.id)  # and stays: who is about to set the new one's list asks for it
        if copied is not None:
            stay = {*copied[1], *self._applied(caller, other), *self._applied(caller, mine)}
            self._copied.put(other.id, (copied[0], tuple(sorted(stay))))
        self._united.put(mine.id, other.id)
        try:
            tags = self._applied(caller, mine)
            self._drive.change_tags(caller, [other.file], tags, [], why="the same file came again")
            self._drive.unlink(caller, inbox, name)
        except DriveError:
            self._united.pop(mine.id)  # both are there: what is set of the new one is the new one's
            raise
        return True

    def _applied(self, caller: Caller, node: Node) -> list[str]:
        return [edge.tag for edge in self._drive.edges(caller, node.file) if edge.state is EdgeState.APPLIED]
