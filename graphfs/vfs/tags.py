"""`tags/`: queries as folders. What every operation there means; what a query means is the drive's to say.

Files are the store's own nodes wherever they are listed. Not here: bytes, and anything about `files/`.
"""

import os
import stat
import time
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Protocol

import msgspec
from msgspec import Struct

from graphfs.api import Content, Tags, Tree, Views, Xattrs
from graphfs.errors import AlreadyExists, IsAFolder, NoAttribute, NotAFolder, NotFound, NotPermitted
from graphfs.model import SUPER_ROOT, Caller, Event, EventKind, Facet, Node, Replace, View, ViewEntry
from graphfs.vfs.background import begun
from graphfs.vfs.interface import Attributes, DirectoryEntry, Invalidation
from graphfs.vfs.room import Show
from graphfs.vfs.tags_arrivals import Arrivals, Memory
from graphfs.vfs.tags_believed import SECONDS, Believed, listed
from graphfs.vfs.tags_moves import Moves
from graphfs.vfs.tags_names import is_probe
from graphfs.vfs.tags_places import Places
from graphfs.vfs.tags_removals import Removals
from graphfs.vfs.trash import TagTrash
from graphfs.vfs.virtual import Kind, LiteralPath, VirtualIds

DOOR = "tags"
_UNTAGGED = "+untagged"
_RECENT = "+recent"
_REVIEW = "+review"
_ALL = "+all"
_PROBES = 4096
_FIRST_PART, _PART = 256, 4096
"""Files of a view that are asked for together, at first and then."""
FOLDERS = 50_000
"""Folders that the kernel may know."""
_FORGETTING = 10.0
"""Seconds for which it may take to forget them."""
_TWICE = 0.05
"""Seconds between two looks of a program at one name that belong together."""

LISTED_FILES = {".nomedia": b"", ".trackerignore": b""}
"""Tells crawlers that everything here is listed under `files/` already."""
CACHE_TAG = {
    "CACHEDIR.TAG": b"Signature: 8a477f597d28d172789f06886806bc55\n# What is here is made from files/ on the fly.\n"
}
"""Tells backup programs the same (bford.info/cachedir). Found, not listed."""
FILES = LISTED_FILES | CACHE_TAG


class Shown(Tree, Content, Tags, Views, Xattrs, Protocol):
    """What is needed of a drive to show it by tags."""


class Surroundings(Struct, frozen=True):
    """What the room is told from outside. Seconds come from `clock`, which never goes back."""

    uid: int
    gid: int
    """Whose the folders are: those of who mounted."""
    inbox: str = "Inbox"
    entries: str = "file"
    """`file`, or `symlink` for relative links to the real files."""
    mount_point: str | None = None
    late: bool = False
    """The drive is elsewhere: what was changed may be heard of only after the call that changed it."""
    clock: Callable[[], float] = time.monotonic


class Absences:
    """Names that file managers, shells and crawlers keep asking for and that were not there, until something
    changes."""

    def __init__(self) -> None:
        self._generation = 0
        self._events = 0
        """Of any kind, as far as they are heard."""
        self._last: tuple[Caller, LiteralPath, str, int] | None = None
        """Who did not find what last."""
        self._until = 0.0
        self._missing: dict[tuple[LiteralPath, str], int] = {}

    @property
    def generation(self) -> int:
        return self._generation

    def changed(self) -> None:
        self._events += 1
        self._generation += 1

    @property
    def events(self) -> int:
        return self._events

    def missed(self, caller: Caller, path: LiteralPath, name: str, events: int, now: float) -> None:
        """It was not there when `events` had been read before asking: programs look twice before they make it."""
        self._last, self._until = (caller, path, name, events), now + _TWICE

    def found(self) -> None:
        """Something else was looked for since."""
        self._last = None

    def just_missed(self, caller: Caller, path: LiteralPath, name: str, now: float) -> bool:
        """Whether it was the last thing looked for, in vain, a moment ago, and nothing has happened since."""
        return self._last == (caller, path, name, self._events) and now < self._until

    def heard(self, event: Event) -> None:
        self._events += 1
        if event.kind is not EventKind.NODE and event.kind is not EventKind.JOBS:
            self._generation += 1

    def known(self, path: LiteralPath, name: str) -> bool:
        return self._missing.get((path, name)) == self._generation

    def note(self, path: LiteralPath, name: str, generation: int) -> None:
        """It was not there when `generation` had been read before asking."""
        if len(self._missing) >= _PROBES:
            self._missing.clear()
        self._missing[path, name] = generation


class TagsRoom:
    """The room of `tags/`. `attributes` says what stat shows of a store node."""

    def __init__(
        self,
        drive: Shown,
        attributes: Show,
        surroundings: Surroundings,
    ) -> None:
        self._drive = drive
        self._attributes = attributes
        self._around = surroundings
        self._links = surroundings.entries == "symlink"
        self._ids = VirtualIds(DOOR)
        self._absences = Absences()
        self._believed = Believed(surroundings.clock)
        self._outgrown = float("-inf")
        """When the kernel was told to forget the folders last."""
        self._linked: Memory[tuple[int, LiteralPath, str], bool] = Memory(surroundings.clock, SECONDS)
        self._places = Places(drive, DOOR, surroundings.mount_point)
        self._arrivals = Arrivals(drive, surroundings.inbox, surroundings.clock)
        self._removals = Removals(drive, self._places, self._arrivals, surroundings.clock)
        self._trash = TagTrash(drive, self._places, self._arrivals, self._removals)
        self._moves = Moves(drive, self._find, self._ids, self._places, self._arrivals, self._removals, self._trash)
        self._started = time.time_ns()

    # -- looking

    def owns(self, node: int) -> bool:
        return self._ids.owns(node)

    def forget(self, node: int) -> None:
        self._ids.forget(node)

    def lookup(self, caller: Caller, folder: int, name: str) -> Attributes:
        if folder == SUPER_ROOT:
            if name != DOOR:
                raise NotFound(name)
            return self._of_view((), self._drive.view(caller, ()))
        path = self._folder(folder)
        if not path and name in FILES:
            return self._of_file(name)
        found = self._find(caller, path, name)
        if isinstance(found, View):
            return self._of_view((*path, name), found)
        self._believed.looked(folder, name, found.id)
        # libfuse asks for what symlink(2) has just made: it has to be a link that once.
        link = self._links or self._linked.pop((caller.pid, path, name))
        return self._of_link(caller, (*path, name), found) if link else self._of_node(found)

    def getattr(self, caller: Caller, node: int) -> Attributes:
        kind, path = self._ids.path(node)
        if kind is Kind.FILE:
            return self._of_file(path[-1])
        if kind is Kind.LINK:
            found = self._find(caller, path[:-1], path[-1])
            if isinstance(found, View):
                raise NotFound(path[-1])
            return self._of_link(caller, path, found)
        return self._of_view(path, self._drive.view(caller, path), node)

    def entries(self, caller: Caller, node: int) -> Iterator[DirectoryEntry]:
        path = self._folder(node)
        cookie = 0
        for name in LISTED_FILES if not path else ():
            cookie += 1
            yield DirectoryEntry(name, self._of_file(name), cookie)
        attributes, links = self._attributes, self._links
        believed = 0.0
        for files in self._files(caller, path):
            if not believed:
                believed = listed(len(files) if len(files) < _FIRST_PART else self._drive.view(caller, path).files)
            self._believed.gave(node, [entry.name for entry in files], [entry.node.id for entry in files], believed)
            for entry in files:
                cookie += 1
                found = entry.node
                shown = self._of_link(caller, (*path, entry.name), found) if links else attributes(found, believed)
                yield DirectoryEntry(entry.name, shown, cookie)
        for facet in [*self._drive.view_facets(caller, path), *([] if path else self._sets(caller))]:
            cookie += 1
            yield DirectoryEntry(facet.name, self._of_facet(path, facet), cookie)

    def _files(self, caller: Caller, path: LiteralPath) -> Iterator[list[ViewEntry]]:
        """The files of a view, in parts: the first is small and soon there. Of a drive that is elsewhere the one that
        follows is asked for while another is read, once somebody reads on."""

        def ask(after: int, most: int) -> Callable[[], list[ViewEntry]]:
            return partial(self._drive.view_files, caller, path, after, most)

        most = _FIRST_PART
        files = ask(0, most)()
        while files:
            following = None
            if len(files) == most:
                following = ask(files[-1].node.file, _PART)
                if self._around.late and most == _PART:
                    following = begun(following)
            yield files
            most = _PART
            files = following() if following else []

    def _sets(self, caller: Caller) -> list[Facet]:
        """What the root lists beside the tags, once there are files. How many are recent takes long to count: nobody
        is told before they ask."""
        everything = self._drive.view(caller, (_ALL,))
        if not everything.files:
            return []
        waiting = self._drive.view(caller, (_REVIEW,))
        return [
            *([Facet(_REVIEW, waiting.files, False, 0, waiting.changed)] if waiting.files else []),
            Facet(_RECENT, 0, False, 0, everything.changed),
            Facet(_UNTAGGED, self._drive.view(caller, (_UNTAGGED,)).files, False, 0, everything.changed),
        ]

    def readlink(self, caller: Caller, node: int) -> str:
        kind, path = self._ids.path(node)
        if kind is not Kind.LINK:
            raise NotPermitted("not a symbolic link")
        found = self._find(caller, path[:-1], path[-1])
        if isinstance(found, View):
            raise NotFound(path[-1])
        return self._target(caller, path, found)

    def read(self, caller: Caller, node: int) -> bytes:
        kind, path = self._ids.path(node)
        if kind is not Kind.FILE:
            raise IsAFolder("a folder")
        return FILES[path[-1]]

    def getxattr(self, caller: Caller, node: int, name: str) -> bytes:
        raise NoAttribute(name)

    def listxattr(self, caller: Caller, node: int) -> list[str]:
        return []

    def outgrown(self) -> Invalidation | None:
        """A kernel keeps the ids of folders until memory is short, of the whole machine, and so must we. Who walks all
        of `tags/` is given a hundred thousand: it is told to forget those that nobody uses."""
        now = self._around.clock()
        if len(self._ids) <= FOLDERS or now < self._outgrown + _FORGETTING:
            return None
        self._outgrown = now
        return Invalidation(SUPER_ROOT, DOOR)

    def age(self, used: Collection[int]) -> None:
        self._ids.age(used)

    def stale(self, event: Event) -> list[Invalidation]:
        self._absences.heard(event)
        return self._believed.stale(event)

    # -- making and removing

    def mkdir(self, caller: Caller, folder: int, name: str, mode: int) -> Attributes:
        path = self._folder(folder)
        view = self._drive.view(caller, path)
        self._removals.make(caller, view, name)
        self._absences.changed()
        made = (*path, name)
        return self._of_view(made, self._drive.view(caller, made))

    def rmdir(self, caller: Caller, folder: int, name: str) -> None:
        found = self._find(caller, self._folder(folder), name)
        if not isinstance(found, View):
            raise NotAFolder(name)
        self._removals.folder(caller, found)

    def unlink(self, caller: Caller, folder: int, name: str) -> None:
        path = self._folder(folder)
        if not path and name in FILES:
            raise NotPermitted("this file tells crawlers to stay out")
        found = self._find(caller, path, name)
        if isinstance(found, View):
            raise IsAFolder(name)
        self._removals.entry(caller, self._drive.view(caller, path), name, found)

    def create(self, caller: Caller, folder: int, name: str, mode: int) -> Node:
        path = self._folder(folder)
        view = self._drive.view(caller, path)
        if not view.gives:
            raise NotPermitted("a file cannot be put into this folder")
        self._need_free(caller, path, name)
        node = self._arrivals.create(caller, path, name, mode, view.gives)
        self._absences.changed()
        self._believed.looked(folder, name, node.id)
        return node

    def closed(self, caller: Caller, node: int) -> Invalidation | None:
        known = self._arrivals.settle(caller, node)
        return None if known is None else Invalidation(self._ids.id(Kind.FOLDER, known.path), known.name)

    def arriving(self, caller: Caller, node: int) -> tuple[str, ...]:
        return self._arrivals.stay(caller, node)

    def joined(self, node: int) -> int:
        return self._arrivals.joined(node)

    def link(self, caller: Caller, node: int, folder: int, name: str) -> Attributes:
        path = self._folder(folder)
        found = self._arrivals.node(caller, node)
        self._give(caller, path, name, found)
        if self._places.of(caller, found.id).name != name:
            self._arrivals.link(caller, path, name, found)
        self._absences.changed()
        return self._of_node(self._drive.node(caller, found.id))

    def symlink(self, caller: Caller, folder: int, name: str, target: str) -> Attributes:
        path = self._folder(folder)
        try:
            found = self._places.target(caller, path, target)
        except (NotFound, NotAFolder):
            raise NotPermitted(
                "in tags/ a symbolic link can only lead to a file of this drive: it is given the tag"
            ) from None
        if self._places.of(caller, found.id).name != name:
            raise NotPermitted("a symbolic link is no name of its own here: a file is called the same in all of tags/")
        self._give(caller, path, name, found)
        self._linked.put((caller.pid, path, name), True)
        self._absences.changed()
        return self._of_link(caller, (*path, name), found)

    def _give(self, caller: Caller, path: LiteralPath, name: str, node: Node) -> None:
        """Gives a file the tags of the view."""
        view = self._drive.view(caller, path)
        if not view.gives or not node.file:
            raise NotPermitted("only files can be put here, and only where all terms are plain tags")
        self._need_free(caller, path, name)
        self._drive.change_tags(caller, [node.file], view.gives, [], why=f"linked into {'/'.join((DOOR, *path))}")

    # -- moving

    def rename_within(
        self, caller: Caller, folder: int, name: str, new_folder: int, new_name: str, replace: Replace
    ) -> None:
        moved = self._moves.within(caller, self._folder(folder), name, self._folder(new_folder), new_name, replace)
        self._absences.changed()
        if moved:
            self._believed.looked(new_folder, new_name, moved)

    def rename_in(
        self, caller: Caller, store_folder: int, name: str, folder: int, new_name: str, replace: Replace
    ) -> bool:
        moved = self._moves.inward(caller, store_folder, name, self._folder(folder), new_name, replace)
        self._absences.changed()
        if moved.file:
            self._believed.looked(folder, new_name, moved.id)
        return not moved.file

    def rename_out(
        self, caller: Caller, folder: int, name: str, store_folder: int, new_name: str, replace: Replace
    ) -> bool:
        moved = self._moves.outward(caller, self._folder(folder), name, store_folder, new_name, replace)
        return isinstance(moved, View)

    # -- what names lead to

    def _folder(self, node: int) -> LiteralPath:
        kind, path = self._ids.path(node)
        if kind is not Kind.FOLDER:
            raise NotAFolder("not a folder")
        return path

    def _find(self, caller: Caller, path: LiteralPath, name: str) -> View | Node:
        """What a name leads to. NotFound, from memory where programs only try whether it is there."""
        probe = is_probe(name)
        now = self._around.clock()
        if (probe and self._absences.known(path, name)) or self._absences.just_missed(caller, path, name, now):
            raise NotFound(name)
        generation, events = self._absences.generation, self._absences.events
        try:
            found = self._drive.view_entry(caller, path, name)
        except NotFound:
            called = self._arrivals.called(caller, path, name)
            if called is not None:
                return called
            if probe:
                self._absences.note(path, name, generation)
            if not self._around.late and caller.uid in (0, self._around.uid):  # who sees all of a drive of their own
                self._absences.missed(caller, path, name, events, now)
            raise
        self._absences.found()  # what is looked at can make others nameable (a tag that waits for review)
        return found

    def _need_free(self, caller: Caller, path: LiteralPath, name: str) -> None:
        try:
            self._find(caller, path, name)
        except NotFound:
            return
        raise AlreadyExists(name)

    # -- what stat shows

    def _of_node(self, node: Node) -> Attributes:
        """For a lookup: asked for again at every use."""
        return msgspec.structs.replace(self._attributes(node), entry_timeout=0.0)

    def _of_view(self, path: LiteralPath, view: View, node: int = 0) -> Attributes:
        """The size is the number of files, the mode says whether anything can be put here or taken away."""
        writable = not path or bool(view.gives) or bool(view.review) or path == (_UNTAGGED,)
        mode = stat.S_IFDIR | (0o755 if writable else 0o555)
        return self._made(node or self._ids.id(Kind.FOLDER, path), mode, view.files, view.changed or self._started)

    def _of_facet(self, path: LiteralPath, facet: Facet) -> Attributes:
        """As `_of_view` will say."""
        writable = bool(facet.tag) or facet.name == _UNTAGGED
        mode = stat.S_IFDIR | (0o755 if writable else 0o555)
        node = self._ids.id(Kind.FOLDER, (*path, facet.name))
        timeout = 0.0 if facet.name == _RECENT else SECONDS
        return self._made(node, mode, facet.files, facet.changed or self._started, attribute_timeout=timeout)

    def _of_file(self, name: str) -> Attributes:
        return self._made(self._ids.id(Kind.FILE, (name,)), stat.S_IFREG | 0o444, len(FILES[name]), self._started)

    def _of_link(self, caller: Caller, path: LiteralPath, node: Node) -> Attributes:
        size = len(os.fsencode(self._target(caller, path, node)))
        return self._made(self._ids.id(Kind.LINK, path), stat.S_IFLNK | 0o777, size, node.mtime, 0.0, 0.0)

    def _made(
        self,
        node: int,
        mode: int,
        size: int,
        when: int,
        entry_timeout: float = SECONDS,
        attribute_timeout: float = SECONDS,
    ) -> Attributes:
        # One link: programs that count sub-folders by it (find) know that this says nothing.
        uid, gid = self._around.uid, self._around.gid
        return Attributes(node, mode, 1, uid, gid, 0, size, 0, when, when, when, entry_timeout, attribute_timeout)

    def _target(self, caller: Caller, path: LiteralPath, node: Node) -> str:
        """The real file, as seen from the folder that the entry at `path` is in."""
        return "../" * len(path) + self._drive.path(caller, node.id)
