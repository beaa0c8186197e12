"""The mounted drive: `Volume` over a `Drive`. What each call means, and which room answers it.

Folders and names of the store are the drive's, those below `tags/` and `search/` the rooms'; content is in
`graphfs.vfs.contents`. It knows no FUSE, and nothing of how a room or the store does what it does.
"""

import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path

from graphfs.api import Drive
from graphfs.errors import AlreadyExists, InvalidArgument, IsAFolder, NotAFolder, NotFound, NotPermitted
from graphfs.model import SUPER_ROOT, AttributeChange, Caller, Event, EventKind, Node, Replace, Space, XattrMode
from graphfs.vfs.contents import INTERVAL, MEMORY, Contents, Handle
from graphfs.vfs.interface import Attributes, Cost, DirectoryEntry, Invalidation, Opened
from graphfs.vfs.invalidation import Invalidations
from graphfs.vfs.listing import Listing, RoomListing, StoreListing
from graphfs.vfs.room import FIRST_VIRTUAL_ID, Labels, Room
from graphfs.vfs.xattrs import ExtendedAttributes

TIMEOUT = 1.0
"""Seconds for which the kernel may believe names and attributes without asking."""
LISTED = ("tags", "search")
"""Rooms that a listing of the mount's root shows; others are there when they are named."""
FIRST_SMALL = 2**48
"""Handles from here on are those of virtual files."""
O_EXCL = 0o200
O_TRUNC = 0o1000
SEEK_DATA = 3
SEEK_HOLE = 4
LONG_CALLS = frozenset({"fsync", "fsyncdir"})
MIXED_CALLS = frozenset({"flush", "release", "setattr", "read"})
BIG = 1 << 20

Rooms = Callable[[Callable[[Node], Attributes]], Mapping[str, Room]]
"""Makes the rooms, by their names in the mount's root, from the way to show a node of the store."""


class FileSystem:
    """A `Volume`. It does not own the drive: whoever opened that closes it afterwards."""

    def __init__(
        self,
        drive: Drive,
        staging: Path,
        *,
        rooms: Rooms | None = None,
        labels: Labels | None = None,
        entry_timeout: float = TIMEOUT,
        attribute_timeout: float = TIMEOUT,
        remote: bool = False,
        memory: int = MEMORY,
        interval: float = INTERVAL,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """`staging` is this mount's own folder for data under way. `memory`: bytes of a file that wait in memory.
        `interval`: seconds between looks at what waits."""
        self.remote = remote
        self._drive = drive
        self._invalidations = Invalidations()
        self._contents = Contents(
            drive, staging, memory=memory, interval=interval, clock=clock, changed=self._invalidations.pages
        )
        self._files = self._contents.files
        self._accessed = self._contents.accessed
        self._entry_timeout = entry_timeout
        self._attribute_timeout = attribute_timeout
        self._doors = dict(rooms(self.attributes)) if rooms else {}
        self._rooms = list(dict.fromkeys(self._doors.values()))
        self._xattrs = ExtendedAttributes(drive, labels)
        self._small: dict[int, bytes] = {}
        """Content of open virtual files by handle."""
        self._listings: dict[int, Listing] = {}
        self._numbers = count(1)
        self._unsubscribe = drive.subscribe(self._on_event)

    # -- attributes

    def attributes(self, node: Node) -> Attributes:
        """A node of the store as stat shows it: with what was written to it and is not a version yet."""
        size, stored, atime, mtime, ctime = node.size, node.stored, node.atime, node.mtime, node.ctime
        number = node.id
        file = self._files.get(number) if self._files else None
        if file is not None:
            shown = file.mtime
            if shown is not None:
                size, stored, mtime, ctime = file.size, file.stored(), shown, max(ctime, file.written)
            elif file.node.version > node.version:  # it became a version after `node` was read
                newer = file.node
                size, stored, mtime, ctime = newer.size, newer.stored, newer.mtime, newer.ctime
        if self._accessed:
            atime = self._accessed.get(number, atime)
        links = node.links + node.tags if stat.S_ISREG(node.mode) else node.links
        return Attributes(
            number,
            node.mode,
            links,
            node.uid,
            node.gid,
            node.rdev,
            size,
            stored,
            atime,
            mtime,
            ctime,
            self._entry_timeout,
            self._attribute_timeout,
        )

    def lookup(self, caller: Caller, folder: int, name: str) -> Attributes:
        if folder >= FIRST_VIRTUAL_ID:
            return self._room(folder).lookup(caller, folder, name)
        if folder == SUPER_ROOT:
            door = self._doors.get(name)
            if door is not None:
                return door.lookup(caller, SUPER_ROOT, name)
            if not _in_root(name):
                raise NotFound(name)
        return self.attributes(self._drive.lookup(caller, folder, name))

    def forget(self, node: int) -> None:
        if node >= FIRST_VIRTUAL_ID:
            for room in self._rooms:
                if room.owns(node):
                    room.forget(node)

    def getattr(self, caller: Caller, node: int, handle: int | None = None) -> Attributes:
        if node >= FIRST_VIRTUAL_ID:
            return self._room(node).getattr(caller, node)
        return self.attributes(self._drive.node(caller, node))

    def setattr(
        self, caller: Caller, node: int, change: AttributeChange, size: int | None = None, handle: int | None = None
    ) -> Attributes:
        if node >= FIRST_VIRTUAL_ID:
            raise NotPermitted("a folder that is a query has no attributes of its own")
        self._invalidations.own(caller)
        if size is not None:
            self._resize(caller, node, size, handle)
        if change != _NOTHING:
            found = self._change(caller, node, change)
        else:
            found = self._drive.node(caller, node)
        return self.attributes(found)

    def _resize(self, caller: Caller, node: int, size: int, number: int | None) -> None:
        handle = self._contents.handle(number) if number is not None else None
        if handle is not None:  # ftruncate: a part of what is written, committed with it
            handle.file.truncate(size, caller)
            handle.wrote = True
            self._contents.written()
            return
        found = self._drive.node(caller, node)
        if stat.S_ISDIR(found.mode):
            raise IsAFolder("a folder cannot be cut")
        if not stat.S_ISREG(found.mode):
            raise InvalidArgument("only a regular file has a size to set")
        self._contents.truncate(found, size, caller)

    def _change(self, caller: Caller, node: int, change: AttributeChange) -> Node:
        file = self._files.get(node)
        if change.atime is not None:
            self._accessed.pop(node, None)
        if file is None or change.mtime is None:
            return self._drive.set_attributes(caller, node, change)
        with file.lock:
            if file.dirty:  # the version to come must not bring back the time of the last write
                file.touch(change.mtime)
            return self._drive.set_attributes(caller, node, change)

    # -- names

    def readlink(self, caller: Caller, node: int) -> str:
        if node >= FIRST_VIRTUAL_ID:
            return self._room(node).readlink(caller, node)
        return self._drive.readlink(caller, node)

    def mknod(self, caller: Caller, folder: int, name: str, mode: int, rdev: int) -> Attributes:
        if folder >= FIRST_VIRTUAL_ID:
            if not stat.S_ISREG(mode):
                raise NotPermitted("a query holds files, folders and nothing else")
            with self._indirectly(caller):
                return self.attributes(self._room(folder).create(caller, folder, name, mode))
        self._writable(caller, folder)
        return self.attributes(self._drive.create(caller, folder, name, mode, rdev=rdev))

    def mkdir(self, caller: Caller, folder: int, name: str, mode: int) -> Attributes:
        if folder >= FIRST_VIRTUAL_ID:
            with self._indirectly(caller):
                return self._room(folder).mkdir(caller, folder, name, mode)
        self._invalidations.own(caller)
        if folder == SUPER_ROOT:
            if name in self._doors:
                raise AlreadyExists(name)
            if name != f".Trash-{caller.uid}" and not (caller.uid == 0 and _is_trash(name)):
                raise NotPermitted("the root of the drive holds its own folders only")
        return self.attributes(self._drive.create(caller, folder, name, stat.S_IFDIR | stat.S_IMODE(mode)))

    def symlink(self, caller: Caller, folder: int, name: str, target: str) -> Attributes:
        if folder >= FIRST_VIRTUAL_ID:
            with self._indirectly(caller):
                return self._room(folder).symlink(caller, folder, name, target)
        self._writable(caller, folder)
        return self.attributes(self._drive.create(caller, folder, name, stat.S_IFLNK | 0o777, target=target))

    def link(self, caller: Caller, node: int, folder: int, name: str) -> Attributes:
        if node >= FIRST_VIRTUAL_ID:
            raise NotPermitted("a query cannot be linked")
        if folder >= FIRST_VIRTUAL_ID:
            with self._indirectly(caller):
                return self._room(folder).link(caller, node, folder, name)
        self._writable(caller, folder)
        return self.attributes(self._drive.link(caller, node, folder, name))

    def unlink(self, caller: Caller, folder: int, name: str) -> None:
        if folder >= FIRST_VIRTUAL_ID:
            with self._indirectly(caller):
                self._room(folder).unlink(caller, folder, name)
            return
        self._writable(caller, folder)
        self._drive.unlink(caller, folder, name)

    def rmdir(self, caller: Caller, folder: int, name: str) -> None:
        if folder >= FIRST_VIRTUAL_ID:
            with self._indirectly(caller):
                self._room(folder).rmdir(caller, folder, name)
            return
        self._invalidations.own(caller)
        if folder == SUPER_ROOT and not _is_trash(name):
            self.lookup(caller, folder, name)
            raise NotPermitted("the root of the drive holds its own folders only")
        self._drive.rmdir(caller, folder, name)

    def rename(self, caller: Caller, folder: int, name: str, new_folder: int, new_name: str, replace: Replace) -> None:
        if folder < FIRST_VIRTUAL_ID and new_folder < FIRST_VIRTUAL_ID:
            self._writable(caller, folder)
            self._writable(caller, new_folder)
            self._drive.rename(caller, folder, name, new_folder, new_name, replace)
            return
        if SUPER_ROOT in (folder, new_folder):
            raise NotPermitted("the root of the drive holds its own folders only")
        with self._indirectly(caller):
            if folder < FIRST_VIRTUAL_ID:
                self._room(new_folder).rename_in(caller, folder, name, new_folder, new_name, replace)
            elif new_folder < FIRST_VIRTUAL_ID:
                self._room(folder).rename_out(caller, folder, name, new_folder, new_name, replace)
            else:
                room = self._room(folder)
                if room is not self._room(new_folder):
                    raise NotPermitted("nothing moves between different rooms")
                room.rename_within(caller, folder, name, new_folder, new_name, replace)

    # -- files

    def create(self, caller: Caller, folder: int, name: str, mode: int, flags: int) -> tuple[Opened, Attributes]:
        mode = stat.S_IFREG | stat.S_IMODE(mode)
        try:
            if folder >= FIRST_VIRTUAL_ID:
                with self._indirectly(caller):
                    node = self._room(folder).create(caller, folder, name, mode)
            else:
                self._writable(caller, folder)
                node = self._drive.create(caller, folder, name, mode)
            flags &= ~O_TRUNC
        except AlreadyExists:
            if flags & O_EXCL:
                raise
            found = self.lookup(caller, folder, name)
            if stat.S_ISDIR(found.mode):
                raise IsAFolder(name) from None
            return self.open(caller, found.id, flags), self.getattr(caller, found.id)
        handle, keep = self._contents.open(node, flags, caller)
        return Opened(handle, keep), self.attributes(node)

    def open(self, caller: Caller, node: int, flags: int) -> Opened:
        if node >= FIRST_VIRTUAL_ID:
            if flags & 0o3:
                raise NotPermitted("this file is made on the fly")
            content = self._room(node).read(caller, node)
            handle = FIRST_SMALL + next(self._numbers)
            self._small[handle] = content
            return Opened(handle, keep_cache=False, direct=True)
        found = self._drive.node(caller, node)
        if not stat.S_ISREG(found.mode):
            if stat.S_ISDIR(found.mode):
                raise IsAFolder("a folder is listed, not opened")
            raise InvalidArgument("not a regular file")
        if flags & 0o3:
            self._invalidations.own(caller)
        handle, keep = self._contents.open(found, flags, caller)
        return Opened(handle, keep)

    def read(self, handle: int, offset: int, size: int) -> bytes:
        opened = self._contents.handle(handle)
        if opened is None:
            return self._small_file(handle)[offset : offset + size]
        return self._contents.read(opened, offset, size)

    def write(self, handle: int, offset: int, data: bytes) -> int:
        return self._contents.write(self._handle(handle), offset, data)

    def flush(self, handle: int) -> None:
        opened = self._contents.handle(handle)
        if opened is not None and opened.wrote:
            self._contents.flush(opened)

    def fsync(self, handle: int, datasync: bool) -> None:
        opened = self._contents.handle(handle)
        if opened is not None:
            self._contents.fsync(opened)

    def release(self, handle: int) -> None:
        if self._small.pop(handle, None) is not None:
            return
        opened = self._contents.handle(handle)
        self._contents.release(handle)
        if opened is not None and opened.flags & 0o3 and opened.file.node.id not in self._files:
            with self._invalidations.indirect():
                for room in self._rooms:
                    forgotten = room.closed(opened.caller, opened.file.node.id)
                    if forgotten is not None:
                        self._invalidations.put(forgotten)

    def allocate(self, handle: int, mode: int, offset: int, length: int) -> None:
        self._contents.allocate(self._handle(handle), mode, offset, length)

    def seek(self, handle: int, offset: int, whence: int) -> int:
        """NotFound: there is no data, or no hole, from there on (ENXIO where an adapter passes it on)."""
        if whence not in (SEEK_DATA, SEEK_HOLE):
            raise InvalidArgument("only SEEK_DATA and SEEK_HOLE come here")
        found = self._handle(handle).file.seek(offset, data=whence == SEEK_DATA)
        if found is None:
            raise NotFound("behind the end of the file")
        return found

    # -- listings

    def opendir(self, caller: Caller, node: int) -> int:
        listing: Listing
        if node >= FIRST_VIRTUAL_ID:
            room = self._room(node)
            listing = RoomListing(lambda: room.entries(caller, node))
        else:
            found = self._drive.node(caller, node)
            if not stat.S_ISDIR(found.mode):
                raise NotAFolder("not a folder")
            self._contents.note_access(found)
            doors = self._listed if node == SUPER_ROOT else None
            listing = StoreListing(self._drive, caller, node, self.attributes, doors)
        number = next(self._numbers)
        self._listings[number] = listing
        return number

    def readdir(self, handle: int, after: int) -> Iterator[DirectoryEntry]:
        listing = self._listings.get(handle)
        if listing is None:
            raise InvalidArgument("not an open folder")
        return listing.entries(after)

    def releasedir(self, handle: int) -> None:
        self._listings.pop(handle, None)

    def fsyncdir(self, node: int) -> None:
        self._drive.sync()

    def _listed(self, caller: Caller) -> list[tuple[str, Attributes]]:
        return [(name, self._doors[name].lookup(caller, SUPER_ROOT, name)) for name in LISTED if name in self._doors]

    # -- extended attributes

    def getxattr(self, caller: Caller, node: int, name: str) -> bytes:
        if node >= FIRST_VIRTUAL_ID:
            self._xattrs.refuse(name)
            return self._room(node).getxattr(caller, node, name)
        return self._xattrs.get(caller, node, name)

    def listxattr(self, caller: Caller, node: int) -> list[str]:
        if node >= FIRST_VIRTUAL_ID:
            return self._room(node).listxattr(caller, node)
        return self._xattrs.names(caller, node)

    def setxattr(self, caller: Caller, node: int, name: str, value: bytes, mode: XattrMode) -> None:
        if node >= FIRST_VIRTUAL_ID:
            raise NotPermitted("a folder that is a query has no attributes of its own")
        if not self._xattrs.means(name):
            self._invalidations.own(caller)
            self._xattrs.set(caller, node, name, value, mode)
            return
        with self._indirectly(caller):
            self._xattrs.set(caller, node, name, value, mode)

    def removexattr(self, caller: Caller, node: int, name: str) -> None:
        if node >= FIRST_VIRTUAL_ID:
            raise NotPermitted("a folder that is a query has no attributes of its own")
        with self._indirectly(caller):
            self._xattrs.remove(caller, node, name)

    # -- the whole

    def statfs(self) -> Space:
        return self._drive.space()

    def cost(self, operation: str, node_or_handle: int) -> Cost:
        if operation in LONG_CALLS:
            return Cost.LONG
        if operation in MIXED_CALLS:
            return self._content_cost(operation, node_or_handle)
        if operation in ("readdir", "opendir", "rename"):
            virtual = node_or_handle >= FIRST_VIRTUAL_ID or isinstance(self._listings.get(node_or_handle), RoomListing)
            return Cost.LONG if virtual else Cost.SHORT
        return Cost.SHORT

    def _content_cost(self, operation: str, number: int) -> Cost:
        if operation == "setattr":
            file = self._files.get(number)
        else:
            handle = self._contents.handle(number)
            file = handle.file if handle is not None else None
        if file is None:
            return Cost.SHORT
        if operation == "read":
            return Cost.LONG if file.size > BIG and not file.checked else Cost.SHORT
        return Cost.LONG if file.staged is not None else Cost.SHORT

    def watch(self, listener: Callable[[Invalidation], None]) -> None:
        self._invalidations.watch(listener)

    def close(self) -> None:
        self._unsubscribe()
        self._invalidations.close()
        self._contents.close()

    def abandon(self) -> None:
        """Ends as if the process had died: nothing is committed any more, what is staged is left to a recovery."""
        self._unsubscribe()
        self._invalidations.close()
        self._contents.abandon()

    # -- inside

    def _on_event(self, event: Event) -> None:
        """Quick, and without any lock of a file: it may come on the thread of whoever made the change."""
        if not self._invalidations.foreign(event):
            return
        if event.kind is EventKind.NODE:
            file = self._files.get(event.node)
            if file is not None:
                file.stale = True
        self._invalidations.event(event)

    def _indirectly(self, caller: Caller) -> AbstractContextManager[None]:
        self._invalidations.own(caller)
        return self._invalidations.indirect()

    def _room(self, node: int) -> Room:
        for room in self._rooms:
            if room.owns(node):
                return room
        raise NotFound("this query is not known any more")

    def _writable(self, caller: Caller, folder: int) -> None:
        if folder == SUPER_ROOT:
            raise NotPermitted("the root of the drive holds its own folders only")
        self._invalidations.own(caller)

    def _handle(self, number: int) -> Handle:
        handle = self._contents.handle(number)
        if handle is None:
            if number in self._small:
                raise NotPermitted("this file is made on the fly")
            raise InvalidArgument("not an open file")
        return handle

    def _small_file(self, number: int) -> bytes:
        content = self._small.get(number)
        if content is None:
            raise InvalidArgument("not an open file")
        return content


_NOTHING = AttributeChange()


def _in_root(name: str) -> bool:
    return name == "files" or _is_trash(name)


def _is_trash(name: str) -> bool:
    return name.startswith(".Trash-") and name[7:].isdigit()
