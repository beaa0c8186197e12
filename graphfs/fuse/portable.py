"""The portable binding: paths, for fusepy (libfuse 2) and for mfusepy (libfuse 3), which share their interface.

`PathOperations` is what both call; how they differ, and what they lose of a request, is in `bridges`. What no path
interface can do (a replaced open file is gone for a moment, a hidden one keeps its folder) is listed in
docs/mounting.md.
"""

import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from graphfs.errors import InvalidArgument, NotEmpty, NotFound
from graphfs.fuse.callers import Callers
from graphfs.fuse.dentries import FIRST_VIRTUAL, Dentries, Name
from graphfs.fuse.handed import Handed
from graphfs.fuse.hidden import PATTERN, PREFIX, HiddenNames
from graphfs.fuse.invalidations import Invalidations, look_again
from graphfs.fuse.probes import PROBES
from graphfs.model import SUPER_ROOT, AttributeChange, Caller, Replace, XattrMode
from graphfs.vfs.interface import EVERYTHING, Attributes, DirectoryEntry, Invalidation, Opened, Volume

REPLACE = {0: Replace.ALLOW, 1: Replace.REFUSE, 2: Replace.EXCHANGE}
XATTR_MODES = {0: XattrMode.ANY, os.XATTR_CREATE: XattrMode.CREATE, os.XATTR_REPLACE: XattrMode.REPLACE}

SHARED_KEPT = 16384
"""Names of files with several that are remembered."""

Context = Callable[[], tuple[int, int, int]]


class PathOperations:
    """Requests by path, on many threads. Raises only what the volume raises; the bridge makes errnos of it."""

    use_ns = True
    flag_nullpath_ok = 1
    """Requests of an open file come without its path: it may have none."""
    flag_nopath = 1
    flag_utime_omit_ok = 1

    def __init__(self, volume: Volume, context: Context, mount_point: str, mounted: Callable[[], None]) -> None:
        self._volume = volume
        self._mount_point = mount_point
        self._context = context
        self._mounted = mounted
        self._callers = Callers()
        self.dentries = Dentries(volume)
        self._hidden = HiddenNames(volume)
        self._opened: dict[int, tuple[int, Name]] = {}
        """Node of each open file, and the name by which it was opened."""
        self._listed: dict[int, int] = {}
        """Node of each open folder. A volume may give a file and a folder the same number."""
        self._begun: dict[int, float] = {}
        """When the listing that an open folder reads was begun."""
        self._tops: dict[int, str] = {}
        """Of each open folder that is a query the name in the root that it is below."""
        self._handed = Handed()
        self._closing: set[int] = set()
        """Handles that were closed and are released in a moment: the kernel does not wait for that."""
        self._shared: dict[int, set[Name]] = {}
        """Names by which the kernel knows a file that has several: to it they are several files."""
        self._sharing: dict[Name, int] = {}
        """The same by name."""
        self.stale: Callable[[str], None] | None = None
        """Makes the kernel forget the attributes it has under a path, where the library can."""
        self.drop: Callable[[str], None] | None = None
        """Makes the kernel forget a name in the root, and all below it that nobody uses, where the library can."""
        self.invalidations = Invalidations(self._invalidate, volume.invalidated)

    def told(self, found: Attributes) -> None:
        """The kernel has these attributes now."""
        self._volume.told(found)

    def _caller(self) -> Caller:
        return self._callers.of(*self._context())

    def _invalidate(self, invalidation: Invalidation) -> None:
        if invalidation == EVERYTHING:
            self.dentries.forget_all()
            return
        if not invalidation.name:
            return
        folders = self.dentries.paths(invalidation.node)
        self.dentries.forget(invalidation.node, invalidation.name)
        if invalidation.node == SUPER_ROOT:
            self._volume.age(set(self._listed.values()))
            if self.drop is not None:
                self.drop(invalidation.name)
                look_again(self._mount_point, invalidation.name)
        if self.stale is not None:
            for folder in folders:
                self.stale(f"{folder}/{invalidation.name}")

    def init(self, path: str) -> None:
        """The kernel is connected. Threads start here: not before a fork, if there is one."""
        self._volume.watch(self.invalidations.put)
        self.invalidations.start()
        threading.Thread(target=self._mounted, name="mounted", daemon=True).start()

    # -- finding what a request is about

    def _on(self, path: str | None, handle: int | None, act: Callable[[Caller, int], Any]) -> Any:
        """Does something to the node of an open handle, or of a path."""
        caller = self._caller()
        if handle is not None:
            return act(caller, self._opened[handle][0])
        assert path is not None
        node, place = self._find(caller, path)
        try:
            return act(caller, node)
        except NotFound:
            if place is None:
                raise
        self.dentries.forget(*place)  # what was kept is old
        return act(caller, self.dentries.node(caller, path)[0])

    def _find(self, caller: Caller, path: str) -> tuple[int, Name | None]:
        if PREFIX in path:
            hidden = self._hidden.node(self.dentries.place(caller, path))
            if hidden is not None:
                return hidden, None
        return self.dentries.node(caller, path)

    def _changed(self, node: int, through: Name) -> None:
        """A node changed through one name: the kernel, which knows that itself, must not believe what it has under the
        others."""
        if self.stale is None:
            return
        for place in list(self._shared.get(node, ())):
            if place != through:
                for folder in self.dentries.paths(place[0]):
                    self.stale(f"{folder}/{place[1]}")

    def _seen(self, place: Name, found: Attributes) -> None:
        """The kernel is told of a file by this name."""
        if found.links > 1 and not stat.S_ISDIR(found.mode):
            if len(self._sharing) >= SHARED_KEPT:
                # the kernel then believes what it has for as long as it was told, no longer
                self._shared.clear()
                self._sharing.clear()
            self._shared.setdefault(found.id, set()).add(place)
            self._sharing[place] = found.id

    def _known(self, place: Name) -> int | None:
        """The node that the kernel has under a name, if it may have it under others too."""
        known = self.dentries.known(place)
        return known if known is not None else self._sharing.get(place)

    def _unseen(self, node: int, place: Name) -> None:
        names = self._shared.get(node)
        if names:
            self._changed(node, place)
            names.discard(place)
            self._sharing.pop(place, None)
            if not names:
                self._shared.pop(node, None)

    # -- names

    def getattr(self, path: str | None, handle: int | None = None) -> Attributes:
        """What stat(2) shows."""
        caller = self._caller()
        if handle is not None:
            found = self._volume.getattr(caller, self._opened[handle][0], handle)
        else:
            assert path is not None
            found = self._getattr(caller, path)
        self.told(found)
        return found

    def _getattr(self, caller: Caller, path: str) -> Attributes:
        if path == "/":
            return self._volume.getattr(caller, SUPER_ROOT)
        place = self.dentries.place(caller, path)
        hidden = self._hidden.node(place)
        if hidden is not None:
            return self._volume.getattr(caller, hidden)
        found = self.dentries.lookup(caller, place)
        if found.links > 1:
            self._seen(place, found)
        return found

    def readlink(self, path: str) -> str:
        return str(self._on(path, None, self._volume.readlink))

    def mknod(self, path: str, mode: int, rdev: int) -> None:
        caller = self._caller()
        place = self.dentries.place(caller, path)
        self.dentries.keep(place, self._volume.mknod(caller, *place, mode, rdev).id)

    def mkdir(self, path: str, mode: int) -> None:
        caller = self._caller()
        place = self.dentries.place(caller, path)
        self.dentries.keep(place, self._volume.mkdir(caller, *place, mode).id)

    def symlink(self, path: str, target: str) -> None:
        caller = self._caller()
        place = self.dentries.place(caller, path)
        self.dentries.keep(place, self._volume.symlink(caller, *place, target).id)

    def link(self, path: str, existing: str) -> None:
        """Another name, `path`, for `existing`."""
        caller = self._caller()
        place = self.dentries.place(caller, path)
        node, old = self._find(caller, existing)
        found = self._volume.link(caller, node, *place)
        self.dentries.keep(place, found.id)
        self._seen(place, found)
        self._seen(old or self.dentries.place(caller, existing), found)
        self._changed(found.id, place)

    def unlink(self, path: str) -> None:
        caller = self._caller()
        place = self.dentries.place(caller, path)
        if self._hidden.unlink(caller, place):
            return
        node = self._known(place)
        try:
            self._volume.unlink(caller, *place)
        finally:
            self.dentries.forget(*place)
        if node is not None:
            self._unseen(node, place)

    def rmdir(self, path: str) -> None:
        caller = self._caller()
        place = self.dentries.place(caller, path)
        try:
            self._remove_folder(caller, place)
        finally:
            self.dentries.forget(*place)

    def _remove_folder(self, caller: Caller, place: Name) -> None:
        try:
            self._volume.rmdir(caller, *place)
        except NotEmpty:
            # of what was closed just now, nobody could know that it is still there
            used = {node for handle, (node, _) in list(self._opened.items()) if handle not in self._closing}
            if not self._hidden.clear(caller, self._volume.lookup(caller, *place).id, used):
                raise
            self._volume.rmdir(caller, *place)

    def rename(self, old: str, new: str, flags: int = 0) -> None:
        replace = REPLACE.get(flags)
        if replace is None:
            raise InvalidArgument(f"rename flags {flags:#x}")
        caller = self._caller()
        place, new_place = self.dentries.place(caller, old), self.dentries.place(caller, new)
        moved, victim = self._known(place), self._known(new_place)
        try:
            if PATTERN.fullmatch(new_place[1]) and place[0] == new_place[0]:
                self._hidden.hide(caller, self.dentries.node(caller, old)[0], *place, new_place[1])
            else:
                self._hidden.restore(caller, *new_place)
                self._volume.rename(caller, *place, *new_place, replace)
        finally:
            self.dentries.forget(*place)
            self.dentries.forget(*new_place)
        self._renamed(place, new_place, exchanged=replace is Replace.EXCHANGE)
        for known, gone in ((moved, place), (victim, new_place)):
            if known is not None:
                self._unseen(known, gone)

    def _renamed(self, old: Name, new: Name, *, exchanged: bool) -> None:
        """Files that are open under a name go with it."""
        for handle, (node, name) in list(self._opened.items()):
            if name == old:
                self._opened[handle] = (node, new)
            elif exchanged and name == new:
                self._opened[handle] = (node, old)

    # -- attributes

    def chmod(self, path: str | None, mode: int, handle: int | None = None) -> None:
        self._set(path, handle, AttributeChange(mode=stat.S_IMODE(mode)))

    def chown(self, path: str | None, uid: int, gid: int, handle: int | None = None) -> None:
        change = AttributeChange(uid=None if uid == -1 else uid, gid=None if gid == -1 else gid)
        self._set(path, handle, change)

    def utimens(self, path: str | None, times: tuple[int | None, int | None], handle: int | None = None) -> None:
        """Access and modification in nanoseconds; None leaves a time as it is."""
        self._set(path, handle, AttributeChange(atime=times[0], mtime=times[1]))

    def truncate(self, path: str | None, size: int, handle: int | None = None) -> None:
        self._set(path, handle, AttributeChange(), size)

    def _set(self, path: str | None, handle: int | None, change: AttributeChange, size: int | None = None) -> None:
        def act(caller: Caller, node: int) -> None:
            self._volume.setattr(caller, node, change, size, handle)
            if node in self._shared:
                through = self._opened[handle][1] if handle is not None else self.dentries.place(caller, path or "/")
                self._changed(node, through)

        self._on(path, handle, act)

    # -- files

    def create(self, path: str, mode: int, flags: int) -> Opened:
        caller = self._caller()
        place = self.dentries.place(caller, path)
        opened, found = self._volume.create(caller, *place, mode, flags)
        self.dentries.keep(place, found.id)
        self._opened[opened.handle] = (found.id, place)
        return opened

    def open(self, path: str, flags: int) -> Opened:
        def act(caller: Caller, node: int) -> Opened:
            opened = self._volume.open(caller, node, flags)
            self._opened[opened.handle] = (node, self.dentries.place(caller, path))
            return opened

        opened: Opened = self._on(path, None, act)
        return opened

    def read(self, path: str | None, size: int, offset: int, handle: int) -> bytes:
        self._closing.discard(handle)
        return self._volume.read(handle, offset, size)

    def write(self, path: str | None, data: bytes | memoryview, offset: int, handle: int) -> int:
        self._closing.discard(handle)
        written = self._volume.write(handle, offset, data)
        if self._shared:
            self._changed(*self._opened[handle])
        return written

    def flush(self, path: str | None, handle: int) -> None:
        self._volume.flush(handle)
        self._closing.add(handle)

    def fsync(self, path: str | None, datasync: int, handle: int) -> None:
        self._volume.fsync(handle, bool(datasync))

    def release(self, path: str | None, handle: int) -> None:
        self._opened.pop(handle, None)
        self._closing.discard(handle)
        self._volume.release(handle)

    def fallocate(self, path: str | None, mode: int, offset: int, size: int, handle: int) -> None:
        self._volume.allocate(handle, mode, offset, size)
        if self._shared:
            self._changed(*self._opened[handle])

    # -- folders

    def opendir(self, path: str) -> int:
        def act(caller: Caller, node: int) -> int:
            handle = self._volume.opendir(caller, node)
            self._listed[handle] = node
            if node >= FIRST_VIRTUAL:
                self._tops[handle] = path.split("/", 2)[1]
                for name in self._handed.due():
                    self.invalidations.put(Invalidation(SUPER_ROOT, name))
            return handle

        return int(self._on(path, None, act))

    def listing(self, handle: int, after: int) -> Iterator[DirectoryEntry]:
        """Entries after a cookie of the volume's, without hidden names."""
        folder, top, count = self._listed[handle], self._tops.get(handle), 0
        if after == 0:
            self._begun[handle] = time.monotonic()
        try:
            for line in self._volume.readdir(handle, after):
                name, found = line.name, line.attributes
                if not self._hidden.listed(folder, name, found.id, self._begun.get(handle, 0.0)):
                    continue
                if found.links > 1:
                    self._seen((folder, name), found)
                count += 1
                yield line
        finally:
            if top is not None:
                self._handed.gave(top, count)

    def folder(self, handle: int) -> int:
        """The node of an open folder."""
        return self._listed[handle]

    def readdir(self, path: str | None, handle: int) -> Iterator[str]:
        """Never called: the bridge goes to `listing`. The libraries look whether it is there."""
        return (line.name for line in self.listing(handle, 0))

    def releasedir(self, path: str | None, handle: int) -> None:
        self._listed.pop(handle, None)
        self._begun.pop(handle, None)
        self._tops.pop(handle, None)
        self._volume.releasedir(handle)

    def fsyncdir(self, path: str | None, datasync: int, handle: int) -> None:
        self._volume.fsyncdir(self._listed[handle])

    # -- the drive, and extended attributes

    def statfs(self, path: str) -> dict[str, int]:
        space = self._volume.statfs()
        return {
            "f_bsize": space.block_size,
            "f_frsize": space.block_size,
            "f_blocks": space.blocks,
            "f_bfree": space.blocks_free,
            "f_bavail": space.blocks_available,
            "f_files": space.nodes,
            "f_ffree": space.nodes_free,
            "f_favail": space.nodes_free,
            "f_namemax": 255,
        }

    def getxattr(self, path: str, name: str) -> bytes:
        if name in PROBES:
            raise PROBES[name](name)
        return bytes(self._on(path, None, lambda caller, node: self._volume.getxattr(caller, node, name)))

    def listxattr(self, path: str) -> list[str]:
        return list(self._on(path, None, self._volume.listxattr))

    def setxattr(self, path: str, name: str, value: bytes, options: int) -> None:
        mode = XATTR_MODES.get(options)
        if mode is None:
            raise InvalidArgument(f"setxattr flags {options:#x}")
        self._on(path, None, lambda caller, node: self._volume.setxattr(caller, node, name, value, mode))

    def removexattr(self, path: str, name: str) -> None:
        self._on(path, None, lambda caller, node: self._volume.removexattr(caller, node, name))
