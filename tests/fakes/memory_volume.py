"""A volume in memory: the POSIX meaning without a store, so that the bindings can be proven against the kernel alone.

Honest but small: it keeps nothing, knows no tags, and every call holds one lock.
"""

import os
import stat
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from graphfs.errors import (
    AlreadyExists,
    InvalidArgument,
    IsAFolder,
    NoAttribute,
    NotAFolder,
    NotEmpty,
    NotFound,
    NotPermitted,
    NotSupported,
)
from graphfs.model import AttributeChange, Caller, Replace, Space, XattrMode
from graphfs.vfs.interface import Attributes, Cost, DirectoryEntry, Invalidation, Opened

ROOT = 1
TIMEOUT = 1.0


@dataclass
class _Inode:
    id: int
    mode: int
    uid: int
    gid: int
    rdev: int = 0
    links: int = 1
    atime: int = field(default_factory=time.time_ns)
    mtime: int = field(default_factory=time.time_ns)
    ctime: int = field(default_factory=time.time_ns)
    data: bytearray = field(default_factory=bytearray)
    target: str = ""
    names: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Name -> (cookie, node id)."""
    xattrs: dict[str, bytes] = field(default_factory=dict)
    opened: int = 0

    @property
    def folder(self) -> bool:
        return stat.S_ISDIR(self.mode)


class MemoryVolume:
    """`graphfs.vfs.interface.Volume` over dictionaries."""

    def __init__(self, *, remote: bool = False, slow: frozenset[str] = frozenset()) -> None:
        self.remote = remote
        self.slow = slow
        """Operations that say they may wait."""
        self.forgotten: list[int] = []
        self.closed = False
        self._lock = threading.RLock()
        self._nodes = {ROOT: _Inode(ROOT, stat.S_IFDIR | 0o777, os.geteuid(), os.getegid(), links=2)}
        self._next = 16
        self._handles: dict[int, tuple[_Inode, int]] = {}
        self._listings: dict[int, list[DirectoryEntry]] = {}
        self._listeners: list[Callable[[Invalidation], None]] = []

    def cost(self, operation: str, node_or_handle: int) -> Cost:
        return Cost.LONG if operation in self.slow else Cost.SHORT

    # -- what a test does behind the kernel's back

    def replace_content(self, node: int, data: bytes) -> None:
        """Somebody else wrote the file."""
        with self._lock:
            inode = self._nodes[node]
            inode.data[:] = data
            inode.mtime = inode.ctime = time.time_ns()
        self._tell(Invalidation(node, pages=True))

    def plant(self, folder: int, name: str, data: bytes) -> int:
        """Somebody else made a file."""
        with self._lock:
            inode = self._make(Caller(0, 0), folder, name, stat.S_IFREG | 0o644)
            inode.data[:] = data
        self._tell(Invalidation(folder, name))
        return inode.id

    def remove(self, folder: int, name: str) -> None:
        """Somebody else removed a name."""
        self.unlink(Caller(0, 0), folder, name)
        self._tell(Invalidation(folder, name))

    def _tell(self, event: Invalidation) -> None:
        for listener in self._listeners:
            listener(event)

    # -- inodes

    def _inode(self, node: int) -> _Inode:
        try:
            return self._nodes[node]
        except KeyError:
            raise NotFound(f"no node {node}") from None

    def _folder(self, node: int) -> _Inode:
        inode = self._inode(node)
        if not inode.folder:
            raise NotAFolder(str(node))
        return inode

    def _child(self, folder: int, name: str) -> _Inode:
        try:
            return self._nodes[self._folder(folder).names[name][1]]
        except KeyError:
            raise NotFound(name) from None

    def _attributes(self, inode: _Inode) -> Attributes:
        size = len(os.fsencode(inode.target)) if inode.target else len(inode.data)
        return Attributes(
            inode.id, inode.mode, inode.links, inode.uid, inode.gid, inode.rdev, size, size,
            inode.atime, inode.mtime, inode.ctime, TIMEOUT, TIMEOUT,
        )  # fmt: skip

    def _make(self, caller: Caller, folder: int, name: str, mode: int, rdev: int = 0, target: str = "") -> _Inode:
        parent = self._folder(folder)
        if parent.id != ROOT and not parent.links:
            raise NotFound("the folder is gone")
        if name in parent.names:
            raise AlreadyExists(name)
        gid = parent.gid if parent.mode & stat.S_ISGID else caller.gid
        inode = _Inode(self._next, mode, caller.uid, gid, rdev, target=target)
        if inode.folder:
            inode.links = 2
            inode.mode |= parent.mode & stat.S_ISGID
        self._nodes[inode.id] = inode
        self._put(parent, name, inode)
        return inode

    def _put(self, parent: _Inode, name: str, inode: _Inode) -> None:
        self._next += 1
        parent.names[name] = (self._next, inode.id)
        parent.links += inode.folder
        parent.mtime = parent.ctime = time.time_ns()

    def _take(self, parent: _Inode, name: str) -> _Inode:
        inode = self._nodes[parent.names.pop(name)[1]]
        parent.links -= inode.folder
        parent.mtime = parent.ctime = inode.ctime = time.time_ns()
        return inode

    def _drop(self, inode: _Inode) -> None:
        inode.links = 0 if inode.folder else inode.links - 1
        if not inode.links and not inode.opened:
            del self._nodes[inode.id]

    # -- the Volume

    def invalidated(self, invalidation: Invalidation) -> None:
        """What is read here is always what is here."""

    def told(self, found: Attributes) -> None:
        """Nobody else changes what is here."""

    def lookup(self, caller: Caller, folder: int, name: str) -> Attributes:
        with self._lock:
            return self._attributes(self._child(folder, name))

    def age(self, used: Collection[int]) -> None:
        """It has no folders that are queries."""

    def forget(self, node: int) -> None:
        self.forgotten.append(node)

    def getattr(self, caller: Caller, node: int, handle: int | None = None) -> Attributes:
        with self._lock:
            return self._attributes(self._inode(node))

    def setattr(
        self, caller: Caller, node: int, change: AttributeChange, size: int | None = None, handle: int | None = None
    ) -> Attributes:
        with self._lock:
            inode = self._inode(node)
            now = time.time_ns()
            if size is not None:
                del inode.data[size:]
                inode.data.extend(bytes(size - len(inode.data)))
                inode.mtime = now
            if change.mode is not None:
                inode.mode = stat.S_IFMT(inode.mode) | change.mode
            inode.uid = inode.uid if change.uid is None else change.uid
            inode.gid = inode.gid if change.gid is None else change.gid
            inode.atime = inode.atime if change.atime is None else change.atime
            inode.mtime = inode.mtime if change.mtime is None else change.mtime
            inode.ctime = now
            return self._attributes(inode)

    def readlink(self, caller: Caller, node: int) -> str:
        return self._inode(node).target

    def mknod(self, caller: Caller, folder: int, name: str, mode: int, rdev: int) -> Attributes:
        with self._lock:
            return self._attributes(self._make(caller, folder, name, mode, rdev))

    def mkdir(self, caller: Caller, folder: int, name: str, mode: int) -> Attributes:
        with self._lock:
            return self._attributes(self._make(caller, folder, name, stat.S_IFDIR | stat.S_IMODE(mode)))

    def symlink(self, caller: Caller, folder: int, name: str, target: str) -> Attributes:
        with self._lock:
            return self._attributes(self._make(caller, folder, name, stat.S_IFLNK | 0o777, target=target))

    def link(self, caller: Caller, node: int, folder: int, name: str) -> Attributes:
        with self._lock:
            inode, parent = self._inode(node), self._folder(folder)
            if inode.folder:
                raise NotPermitted("a folder has one name")
            if name in parent.names:
                raise AlreadyExists(name)
            self._put(parent, name, inode)
            inode.links += 1
            inode.ctime = time.time_ns()
            return self._attributes(inode)

    def unlink(self, caller: Caller, folder: int, name: str) -> None:
        with self._lock:
            if self._child(folder, name).folder:
                raise IsAFolder(name)
            self._drop(self._take(self._folder(folder), name))

    def rmdir(self, caller: Caller, folder: int, name: str) -> None:
        with self._lock:
            inode = self._child(folder, name)
            if not inode.folder:
                raise NotAFolder(name)
            if inode.names:
                raise NotEmpty(name)
            self._drop(self._take(self._folder(folder), name))

    def rename(self, caller: Caller, folder: int, name: str, new_folder: int, new_name: str, replace: Replace) -> None:
        with self._lock:
            source, old, new = self._child(folder, name), self._folder(folder), self._folder(new_folder)
            victim = new.names.get(new_name)
            if replace is Replace.EXCHANGE:
                if victim is None:
                    raise NotFound(new_name)
                old.names[name], new.names[new_name] = victim, old.names[name]
                return
            if victim is not None and replace is Replace.REFUSE:
                raise AlreadyExists(new_name)
            if victim is not None and victim[1] == source.id:
                return
            if source.folder and self._inside(new, source):
                raise InvalidArgument("into itself")
            if victim is not None:
                self._make_room(new, new_name, source)
            self._put(new, new_name, self._take(old, name))

    def _inside(self, folder: _Inode, other: _Inode) -> bool:
        return folder is other or any(
            self._inside(folder, self._nodes[node]) for _, node in other.names.values() if self._nodes[node].folder
        )

    def _make_room(self, new: _Inode, new_name: str, source: _Inode) -> None:
        victim = self._nodes[new.names[new_name][1]]
        if victim.folder and not source.folder:
            raise IsAFolder(new_name)
        if source.folder and not victim.folder:
            raise NotAFolder(new_name)
        if victim.names:
            raise NotEmpty(new_name)
        self._drop(self._take(new, new_name))

    def create(self, caller: Caller, folder: int, name: str, mode: int, flags: int) -> tuple[Opened, Attributes]:
        with self._lock:
            try:
                inode = self._make(caller, folder, name, stat.S_IFREG | stat.S_IMODE(mode))
            except AlreadyExists:
                if flags & os.O_EXCL:
                    raise
                inode = self._child(folder, name)
            return self.open(caller, inode.id, flags), self._attributes(inode)

    def open(self, caller: Caller, node: int, flags: int) -> Opened:
        with self._lock:
            inode = self._inode(node)
            if flags & os.O_TRUNC:
                inode.data.clear()
            inode.opened += 1
            self._next += 1
            self._handles[self._next] = (inode, flags)
            return Opened(self._next)

    def read(self, handle: int, offset: int, size: int) -> bytes:
        with self._lock:
            return bytes(self._handles[handle][0].data[offset : offset + size])

    def write(self, handle: int, offset: int, data: bytes | memoryview) -> int:
        with self._lock:
            inode, flags = self._handles[handle]
            if flags & os.O_APPEND:
                offset = len(inode.data)
            if offset > len(inode.data):
                inode.data.extend(bytes(offset - len(inode.data)))
            inode.data[offset : offset + len(data)] = data
            inode.mtime = inode.ctime = time.time_ns()
            return len(data)

    def flush(self, handle: int) -> None:
        pass

    def fsync(self, handle: int, datasync: bool) -> None:
        pass

    def release(self, handle: int) -> None:
        with self._lock:
            inode, _ = self._handles.pop(handle)
            inode.opened -= 1
            if not inode.links and not inode.opened:
                del self._nodes[inode.id]

    def allocate(self, handle: int, mode: int, offset: int, length: int) -> None:
        if mode:
            raise NotSupported("only mode 0")
        with self._lock:
            data = self._handles[handle][0].data
            data.extend(bytes(max(0, offset + length - len(data))))

    def seek(self, handle: int, offset: int, whence: int) -> int:
        raise NotSupported("no holes in memory")

    def opendir(self, caller: Caller, node: int) -> int:
        with self._lock:
            lines = [
                DirectoryEntry(name, self._attributes(self._nodes[child]), cookie)
                for name, (cookie, child) in self._folder(node).names.items()
            ]
            self._next += 1
            self._listings[self._next] = sorted(lines, key=lambda line: line.cookie)
            return self._next

    def readdir(self, handle: int, after: int) -> Iterator[DirectoryEntry]:
        return (line for line in self._listings[handle] if line.cookie > after)

    def releasedir(self, handle: int) -> None:
        del self._listings[handle]

    def fsyncdir(self, node: int) -> None:
        self._folder(node)

    def statfs(self) -> Space:
        return Space(4096, 1 << 20, 1 << 19, 1 << 19, 1 << 20, 1 << 19)

    def getxattr(self, caller: Caller, node: int, name: str) -> bytes:
        try:
            return self._inode(node).xattrs[name]
        except KeyError:
            raise NoAttribute(name) from None

    def listxattr(self, caller: Caller, node: int) -> list[str]:
        return list(self._inode(node).xattrs)

    def setxattr(self, caller: Caller, node: int, name: str, value: bytes, mode: XattrMode) -> None:
        xattrs = self._inode(node).xattrs
        if mode is XattrMode.CREATE and name in xattrs:
            raise AlreadyExists(name)
        if mode is XattrMode.REPLACE and name not in xattrs:
            raise NoAttribute(name)
        xattrs[name] = value

    def removexattr(self, caller: Caller, node: int, name: str) -> None:
        try:
            del self._inode(node).xattrs[name]
        except KeyError:
            raise NoAttribute(name) from None

    def watch(self, listener: Callable[[Invalidation], None]) -> None:
        self._listeners.append(listener)

    def close(self) -> None:
        self.closed = True
