"""Open files: what the calls on handles mean, and which file a handle is. Content is in `graphfs.vfs.contents`."""

import os
import stat
from collections.abc import Callable

import msgspec

from graphfs.errors import AlreadyExists, InvalidArgument, IsAFolder, NotFound, NotPermitted, Stale
from graphfs.model import Caller, Lock
from graphfs.vfs.contents import Handle
from graphfs.vfs.interface import Attributes, Opened
from graphfs.vfs.names import NameCalls
from graphfs.vfs.room import FIRST_VIRTUAL_ID

FIRST_SMALL = 2**48
"""Handles from here on are those of virtual files."""
SEEK_DATA = 3
SEEK_HOLE = 4


class FileCalls(NameCalls):
    """The part of `Volume` that is about content."""

    def create(self, caller: Caller, folder: int, name: str, mode: int, flags: int) -> tuple[Opened, Attributes]:
        mode = stat.S_IFREG | stat.S_IMODE(mode)
        try:
            if folder >= FIRST_VIRTUAL_ID:
                with self._indirectly(caller):
                    node = self._room(folder).create(caller, folder, name, mode)
            else:
                self._writable(caller, folder)
                node = self._drive.create(caller, folder, name, mode, draft=True)
            flags &= ~os.O_TRUNC
        except AlreadyExists:
            if flags & os.O_EXCL:
                raise
            found = self.lookup(caller, folder, name)
            if stat.S_ISDIR(found.mode):
                raise IsAFolder(name) from None
            return self.open(caller, found.id, flags), self.getattr(caller, found.id)
        handle, keep = self._contents.open(node, flags, caller, created=True)
        return Opened(handle, keep), self.attributes(node)

    def open(self, caller: Caller, node: int, flags: int) -> Opened:
        if node >= FIRST_VIRTUAL_ID:
            if flags & os.O_ACCMODE:
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
        looked_again = self._refused.looked_again(caller.pid, node)
        try:
            self._check_current(found)
        except Stale:
            if flags & (os.O_ACCMODE | os.O_TRUNC) or not looked_again:
                self._refused.refuse(caller.pid)
                raise
        if flags & (os.O_ACCMODE | os.O_TRUNC):
            self._invalidations.own(caller)
        handle, keep = self._contents.open(found, flags, caller)
        if self._shown is None or flags & os.O_TRUNC:
            return Opened(handle, keep)
        try:
            read = self._contents.fix(handle) if flags & os.O_ACCMODE != os.O_WRONLY else found
            return Opened(handle, keep and read.version == found.version, self._past_the_cache(read))
        except BaseException:
            self._contents.release(handle)
            raise

    def read(self, handle: int, offset: int, size: int) -> bytes:
        opened = self._contents.handle(handle)
        if opened is None:
            return self._small_file(handle)[offset : offset + size]
        return self._contents.read(opened, offset, size)

    def write(self, handle: int, offset: int, data: bytes | memoryview) -> int:
        return self._contents.write(self._handle(handle), offset, data)

    def flush(self, handle: int) -> None:
        opened = self._contents.handle(handle)
        if opened is not None and (opened.wrote or opened.created):
            self._invalidations.own(opened.caller)
            self._contents.flush(opened)

    def fsync(self, handle: int, datasync: bool) -> None:
        opened = self._contents.handle(handle)
        if opened is not None:
            self._invalidations.own(opened.caller)
            self._contents.fsync(opened)

    def release(self, handle: int) -> None:
        if self._small.pop(handle, None) is not None:
            return
        opened = self._contents.handle(handle)
        if opened is not None and opened.file.dirty:
            self._invalidations.own(opened.caller)
        self._contents.release(handle)
        if opened is not None and opened.flags & (os.O_ACCMODE | os.O_TRUNC) and opened.file.node.id not in self._files:
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

    # -- locks

    def lock(self, caller: Caller, handle: int, lock: Lock, goes_on: Callable[[], bool] | None = None) -> bool:
        opened = self._handle(handle)
        if not self._locks.take(caller, opened.file.node.id, lock, goes_on):
            return False
        self._contents.look_again(opened)
        return True

    def unlock(self, caller: Caller, handle: int, lock: Lock) -> None:
        opened = self._contents.handle(handle)
        node = opened.file.node.id if opened is not None else 0
        if opened is None or not self._locks.has(node, lock.kind, lock.owner):
            return  # whatever is closed comes here
        self._invalidations.own(caller)
        try:
            self._contents.publish(opened)
        finally:
            self._locks.release(caller, node, lock)

    def in_the_way(self, caller: Caller, handle: int, lock: Lock) -> Lock | None:
        found = self._locks.in_the_way(caller, self._handle(handle).file.node.id, lock)
        return found if found is None or found.holder else msgspec.structs.replace(found, pid=0)

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
