"""Names and attributes: what the calls on folders, links and metadata mean, in the store and in rooms.

Content is in `graphfs.vfs.files`.
"""

import os
import stat
import time
from collections.abc import Collection

import msgspec

from graphfs.errors import AlreadyExists, InvalidArgument, IsAFolder, NameTooLong, NotFound, NotPermitted
from graphfs.model import SUPER_ROOT, AttributeChange, Caller, Node, Replace, moment
from graphfs.vfs.dispatch import TIMEOUT, Dispatch
from graphfs.vfs.interface import Attributes, Invalidation
from graphfs.vfs.room import FIRST_VIRTUAL_ID

LONGEST = 255
"""Bytes of a name."""
REMOVED = 1024
"""So many removed folders are remembered at most for those who still are in them."""
_NOTHING = AttributeChange()


class NameCalls(Dispatch):
    """The part of `Volume` that is about names."""

    def lookup(self, caller: Caller, folder: int, name: str) -> Attributes:
        if len(name) > LONGEST // 4 and len(os.fsencode(name)) > LONGEST:
            raise NameTooLong(name)
        try:
            return self._lookup(caller, folder, name)
        except NotFound:
            if time.monotonic() < self._exchanged_until and self._gone(caller, folder):
                raise self._stale("a tag and the folder in the trash that stood for it are not one") from None
            raise

    def _lookup(self, caller: Caller, folder: int, name: str) -> Attributes:
        if folder >= FIRST_VIRTUAL_ID:
            return self._room(folder).lookup(caller, folder, name)
        if folder == SUPER_ROOT:
            door = self._doors.get(name)
            if door is not None:
                return door.lookup(caller, SUPER_ROOT, name)
            if not _in_root(name):
                raise NotFound(name)
        look = self._look if time.monotonic() > self._exact_until else self._drive.lookup
        node = look(caller, folder, name)
        self._refused.found(caller.pid, node.id)
        return self.attributes(node)

    def _gone(self, caller: Caller, folder: int) -> bool:
        try:
            self.getattr(caller, folder)
        except NotFound:
            return True
        return False

    def forget(self, node: int) -> None:
        if node >= FIRST_VIRTUAL_ID:
            for room in self._rooms:
                if room.owns(node):
                    room.forget(node)
        elif self._removed:
            self._removed.pop(node, None)

    def age(self, used: Collection[int]) -> None:
        for room in self._rooms:
            room.age(used)

    def getattr(self, caller: Caller, node: int, handle: int | None = None) -> Attributes:
        if node >= FIRST_VIRTUAL_ID:
            return self._room(node).getattr(caller, node)
        return self.attributes(self._known(caller, node))

    def setattr(
        self, caller: Caller, node: int, change: AttributeChange, size: int | None = None, handle: int | None = None
    ) -> Attributes:
        if node >= FIRST_VIRTUAL_ID:
            shown = self._room(node).getattr(caller, node)
            if size is not None or stat.S_ISREG(shown.mode):
                raise NotPermitted("what is made on the fly cannot be changed")
            return shown  # derived: as asked or not, it stays what it is, and a copy of a folder goes on
        self._invalidations.own(caller)
        if handle is None:
            node = self._joined(node)
        if size is not None:
            self._resize(caller, node, size, handle)
        if change != _NOTHING:
            found = self._change(caller, node, change)
        else:
            found = self._drive.node(caller, node)
        self._check_current(found)
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
        farthest = {name: moment(value) for name in ("atime", "mtime") if (value := getattr(change, name)) is not None}
        if farthest:  # what lies beyond is not even a number of the API
            change = msgspec.structs.replace(change, **farthest)
        file = self._files.get(node)
        if change.atime is not None:
            self._accessed.pop(node, None)
        if file is None or change.mtime is None:
            return self._drive.set_attributes(caller, node, change)
        with file.lock:
            if file.dirty:  # the version to come must not bring back the time of the last write
                file.touch(moment(change.mtime))
            return self._drive.set_attributes(caller, node, change)

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
        found = self._drive.lookup(caller, folder, name)
        self._drive.rmdir(caller, folder, name)
        self._removed[found.id] = msgspec.structs.replace(found, links=0)
        if len(self._removed) > REMOVED:
            self._removed.popitem(last=False)

    def rename(self, caller: Caller, folder: int, name: str, new_folder: int, new_name: str, replace: Replace) -> None:
        if folder < FIRST_VIRTUAL_ID and new_folder < FIRST_VIRTUAL_ID:
            self._writable(caller, folder)
            self._writable(caller, new_folder)
            self._drive.rename(caller, folder, name, new_folder, new_name, replace)
            return
        if SUPER_ROOT in (folder, new_folder):
            raise NotPermitted("the root of the drive holds its own folders only")
        exchanged = False
        with self._indirectly(caller):
            if folder < FIRST_VIRTUAL_ID:
                exchanged = self._room(new_folder).rename_in(caller, folder, name, new_folder, new_name, replace)
            elif new_folder < FIRST_VIRTUAL_ID:
                exchanged = self._room(folder).rename_out(caller, folder, name, new_folder, new_name, replace)
            else:
                room = self._room(folder)
                if room is not self._room(new_folder):
                    raise NotPermitted("nothing moves between different rooms")
                room.rename_within(caller, folder, name, new_folder, new_name, replace)
        if min(folder, new_folder) < FIRST_VIRTUAL_ID:
            # The kernel took the node along; what came into or out of a query is another one there (a tag and the
            # folder that stood for it in the trash). Until it has heard of that it asks about the old one.
            if exchanged:
                self._exchanged_until = time.monotonic() + TIMEOUT
            self._invalidations.put(Invalidation(new_folder, new_name))


def _in_root(name: str) -> bool:
    return name == "files" or _is_trash(name)


def _is_trash(name: str) -> bool:
    return name.startswith(".Trash-") and name[7:].isdigit()
