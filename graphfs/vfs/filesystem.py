"""The mounted drive: `Volume` over a `Drive`. Every call of the interface, and which room answers it.

Folders and names of the store are the drive's, those below `tags/` and `search/` the rooms'; content is in
`graphfs.vfs.contents`. It knows no FUSE, and nothing of how a room or the store does what it does.
"""

import stat
from collections.abc import Callable, Iterator

from graphfs.errors import InvalidArgument, NoAttribute, NotAFolder, NotFound, NotSupported, Stale
from graphfs.model import SUPER_ROOT, Caller, Space, XattrMode
from graphfs.vfs.files import FileCalls
from graphfs.vfs.interface import Attributes, Cost, DirectoryEntry, Invalidation
from graphfs.vfs.labels import TAGS, join_tags
from graphfs.vfs.listing import Listing, RoomListing, StoreListing
from graphfs.vfs.room import FIRST_VIRTUAL_ID

LISTED = ("tags", "search")
"""Rooms that a listing of the mount's root shows; others are there when they are named."""
LONG_CALLS = frozenset({"fsync", "fsyncdir"})
SMALL = 1 << 20
"""Reading a file of so many bytes never takes long, even when the hash of all of it is checked on the way."""
MIXED_CALLS = frozenset({"flush", "release", "setattr", "read", "write"})


class FileSystem(FileCalls):
    """A `Volume`. It does not own the drive: whoever opened that closes it afterwards."""

    # -- listings

    def opendir(self, caller: Caller, node: int) -> int:
        listing: Listing
        if node >= FIRST_VIRTUAL_ID:
            room = self._room(node)
            query = RoomListing(
                lambda: room.entries(caller, node), lambda file: self.getattr(caller, file), self._files
            )
            try:
                query.open()
            except NotFound as error:
                raise Stale("the folder is another one by now, or gone") from error
            listing, outgrown = query, room.outgrown()
            if outgrown is not None:
                self._invalidations.put(outgrown)
        else:
            found = self._known(caller, node)
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
        return self._xattrs.get(caller, self._joined(node), name)

    def listxattr(self, caller: Caller, node: int) -> list[str]:
        if node >= FIRST_VIRTUAL_ID:
            return self._room(node).listxattr(caller, node)
        return self._xattrs.names(caller, self._joined(node))

    def setxattr(self, caller: Caller, node: int, name: str, value: bytes, mode: XattrMode) -> None:
        if node >= FIRST_VIRTUAL_ID:
            self._xattrs.refuse(name)
            raise NotSupported("a folder that is a query has no attributes of its own")
        while True:
            kept = self._joined(node)
            try:
                self._set_xattr(caller, kept, name, value, mode)
            except NotFound:
                if self._joined(node) == kept:
                    raise
            if self._joined(node) == kept:
                return  # else it was joined with another one meanwhile, which had perhaps taken its tags before

    def _set_xattr(self, caller: Caller, node: int, name: str, value: bytes, mode: XattrMode) -> None:
        if self.remote:
            self._check_current(self._drive.node(caller, node))
        if not self._xattrs.means(name):
            self._invalidations.own(caller)
            self._xattrs.set(caller, node, name, value, mode)
            return
        with self._indirectly(caller):
            self._xattrs.set(caller, node, name, self._with_arrival(caller, node, name, value), mode)

    def _with_arrival(self, caller: Caller, node: int, name: str, value: bytes) -> bytes:
        """The list of tags that a program copies with a file is not to take away those of the place it copies it
        to."""
        stay = [tag for room in self._rooms for tag in room.arriving(caller, node)] if name == TAGS else []
        return b",".join((value, join_tags(stay))) if stay else value

    def removexattr(self, caller: Caller, node: int, name: str) -> None:
        if node >= FIRST_VIRTUAL_ID:
            self._xattrs.refuse(name)
            raise NoAttribute(name)
        node = self._joined(node)
        if self.remote:
            self._check_current(self._drive.node(caller, node))
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
        if operation == "readdir":
            listing = self._listings.get(node_or_handle)
            return Cost.LONG if listing is not None and not listing.ready else Cost.SHORT
        if operation == "rename":
            return Cost.LONG if node_or_handle >= FIRST_VIRTUAL_ID else Cost.SHORT
        return Cost.SHORT

    def _content_cost(self, operation: str, number: int) -> Cost:
        handle = None
        if operation == "setattr":
            file = self._files.get(number)
        else:
            handle = self._contents.handle(number)
            file = handle.file if handle is not None else None
        if file is None:
            return Cost.SHORT
        if file.committing:
            return Cost.LONG
        if operation == "write":
            return Cost.SHORT
        if operation == "read":
            assert handle is not None
            return Cost.SHORT if file.size <= SMALL or handle.position // self._chunk in handle.known else Cost.LONG
        return Cost.LONG if file.staged is not None else Cost.SHORT

    def waiting(self) -> tuple[int, int, tuple[str, ...]]:
        """Files that are not wholly sent, their bytes, and the last conflict copies."""
        return (*self._contents.waiting(), tuple(self._contents.committer.conflicts))

    def watch(self, listener: Callable[[Invalidation], None]) -> None:
        self._invalidations.watch(listener)

    def close(self) -> None:
        self._unsubscribe()
        self._invalidations.close()
        try:
            self._contents.close()
        finally:
            self._locks.close()

    def abandon(self) -> None:
        """Ends as if the process had died: nothing is committed any more, what is staged is left to a recovery."""
        self._unsubscribe()
        self._invalidations.close()
        self._contents.abandon()
        self._locks.abandon()
