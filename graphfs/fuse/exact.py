"""The exact binding: pyfuse3, libfuse 3's low-level API. Node ids go through as they are, so one file has one id for
all its names.

Short calls are answered on the event loop itself (a hand-off to a thread costs more than the call); calls that may wait
go to threads. No order is lost by that: the kernel lets a second request of one descriptor depend on a first only once
the first was answered, and the answer is given after the thread is done.
"""

import errno
import os
import stat
import threading
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pyfuse3

from graphfs.errors import InvalidArgument, NotFound
from graphfs.fuse.callers import Callers
from graphfs.fuse.errnos import ERRNOS
from graphfs.fuse.errnos import errno_of as _errno_of
from graphfs.fuse.invalidations import Invalidations, look_again
from graphfs.fuse.lookups import Lookups
from graphfs.fuse.loop import Loop
from graphfs.fuse.options import MountOptions
from graphfs.fuse.probes import PROBES as _PROBES
from graphfs.model import SUPER_ROOT, AttributeChange, Caller, Replace, XattrMode
from graphfs.vfs.interface import EVERYTHING, Attributes, Cost, Invalidation, Volume

REPLACE = {0: Replace.ALLOW, 1: Replace.REFUSE, 2: Replace.EXCHANGE}
"""By the flags of renameat2(2)."""

Handler = Callable[..., Awaitable[Any]]
OnThread = Callable[..., Awaitable[Any]]
"""Runs a function on a thread and gives its result."""

PROBES = {name.encode(): ERRNOS[error.code] for name, error in _PROBES.items()}

_BY_ID = {"getattr", "setattr", "readlink", "open", "opendir", "getxattr", "listxattr", "setxattr", "removexattr"}
"""Calls in which nothing is named but a node, by the id that the kernel was given for it."""

_fsdecode = os.fsdecode
_SHORT = Cost.SHORT


def errno_of(error: BaseException, operation: str) -> int:
    """The errno that answers `operation`. A node that is not there any more is an old handle: the kernel looks the
    path up again, which may lead to another node by now (one that another mount put there, or that is a tag again
    after its time in the trash), and says by itself when it leads nowhere."""
    if operation in _BY_ID and isinstance(error, NotFound):
        return errno.ESTALE
    return _errno_of(error, operation)


def _short(call: Callable[..., Any]) -> Handler:
    """A handler whose call never waits, but on a network."""
    name = call.__name__

    async def handler(self: "ExactOperations", *arguments: Any) -> Any:
        try:
            if self.remote:
                return await self.here(call, self, *arguments)
            return call(self, *arguments)
        except BaseException as error:  # noqa: BLE001  # the seam: it becomes an errno
            raise pyfuse3.FUSEError(errno_of(error, name)) from None

    return handler


def _long(call: Callable[..., Any]) -> Handler:
    """A handler whose call may wait; the volume says when, by the node or handle that comes first."""
    name = call.__name__.lstrip("_")

    async def handler(self: "ExactOperations", subject: int, *arguments: Any) -> Any:
        try:
            if self.cost(name, subject) is not _SHORT:
                return await self.on_thread(call, self, subject, *arguments)
            if self.remote:
                return await self.here(call, self, subject, *arguments)
            return call(self, subject, *arguments)
        except BaseException as error:  # noqa: BLE001  # the seam: it becomes an errno
            raise pyfuse3.FUSEError(errno_of(error, name)) from None

    return handler


class ExactOperations(pyfuse3.Operations):  # type: ignore[misc]  # pyfuse3 ships stubs for its own names only
    """What libfuse calls. Every method but `forget` goes through `_short` or `_long`, which let nothing out but an
    errno."""

    supports_dot_lookup = False
    enable_writeback_cache = False
    enable_acl = False

    def __init__(self, volume: Volume, on_thread: OnThread, here: OnThread, mount_point: str) -> None:
        super().__init__()
        self._mount_point = mount_point
        self.remote = volume.remote
        self.cost = volume.cost
        self.on_thread = on_thread
        self.here = here
        self._volume = volume
        self._callers = Callers()
        self._lookups = Lookups(self._let_go)
        self._folders: dict[int, int] = {}
        """Node of each open folder handle."""
        self.invalidations = Invalidations(self._invalidate, volume.invalidated)

    # -- who asks, and what is answered

    def _caller(self, ctx: Any) -> Caller:
        return self._callers.of(ctx.uid, ctx.gid, ctx.pid)

    def _attributes(self, found: Attributes) -> Any:
        self._volume.told(found)
        entry = pyfuse3.EntryAttributes()
        _fill(entry, found)
        return entry

    def _entry(self, found: Attributes) -> Any:
        """Attributes that the kernel will remember under a name: a lookup that it will `forget`."""
        self._lookups.given((found.id,))
        self._volume.told(found)
        entry = pyfuse3.EntryAttributes()
        _fill(entry, found)
        return entry

    async def forget(self, forgotten: list[tuple[int, int]]) -> None:
        self._lookups.forget(forgotten)

    def _let_go(self, node: int) -> None:
        if node != SUPER_ROOT:
            try:
                self._volume.forget(node)
            except BaseException as error:  # noqa: BLE001  # the seam
                errno_of(error, "forget")  # logged; nobody waits for an answer

    def _invalidate(self, invalidation: Invalidation) -> None:
        if invalidation == EVERYTHING:
            for known in self._lookups.known():
                self._invalidate(Invalidation(known, pages=True))
            return
        node = invalidation.node
        if node not in self._lookups and node != SUPER_ROOT:
            return  # the kernel does not know it
        try:
            if invalidation.name:
                pyfuse3.invalidate_entry(node, os.fsencode(invalidation.name))
                if node == SUPER_ROOT:
                    look_again(self._mount_point, invalidation.name)
            else:
                pyfuse3.invalidate_inode(node, attr_only=not invalidation.pages)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTCONN, errno.ENODEV, errno.EBADF):
                raise

    # -- names

    @_short
    def lookup(self, folder: int, name: bytes, ctx: Any) -> Any:
        return self._entry(self._volume.lookup(self._caller(ctx), folder, _fsdecode(name)))

    @_short
    def getattr(self, node: int, ctx: Any) -> Any:
        return self._attributes(self._volume.getattr(self._caller(ctx), node))

    @_long
    def setattr(self, node: int, new: Any, fields: Any, handle: int | None, ctx: Any) -> Any:
        change = AttributeChange(
            mode=stat.S_IMODE(new.st_mode) if fields.update_mode else None,
            uid=new.st_uid if fields.update_uid else None,
            gid=new.st_gid if fields.update_gid else None,
            atime=new.st_atime_ns if fields.update_atime else None,
            mtime=new.st_mtime_ns if fields.update_mtime else None,
        )
        size = new.st_size if fields.update_size else None
        return self._attributes(self._volume.setattr(self._caller(ctx), node, change, size, handle))

    @_short
    def readlink(self, node: int, ctx: Any) -> bytes:
        return os.fsencode(self._volume.readlink(self._caller(ctx), node))

    @_long
    def mknod(self, folder: int, name: bytes, mode: int, rdev: int, ctx: Any) -> Any:
        return self._entry(self._volume.mknod(self._caller(ctx), folder, _fsdecode(name), mode, rdev))

    @_long
    def mkdir(self, folder: int, name: bytes, mode: int, ctx: Any) -> Any:
        return self._entry(self._volume.mkdir(self._caller(ctx), folder, _fsdecode(name), mode))

    @_long
    def symlink(self, folder: int, name: bytes, target: bytes, ctx: Any) -> Any:
        return self._entry(self._volume.symlink(self._caller(ctx), folder, _fsdecode(name), _fsdecode(target)))

    @_long
    def link(self, node: int, folder: int, name: bytes, ctx: Any) -> Any:
        return self._entry(self._volume.link(self._caller(ctx), node, folder, _fsdecode(name)))

    @_long
    def unlink(self, folder: int, name: bytes, ctx: Any) -> None:
        self._volume.unlink(self._caller(ctx), folder, _fsdecode(name))

    @_long
    def rmdir(self, folder: int, name: bytes, ctx: Any) -> None:
        self._volume.rmdir(self._caller(ctx), folder, _fsdecode(name))

    @_long
    def rename(self, folder: int, name: bytes, new_folder: int, new_name: bytes, flags: int, ctx: Any) -> None:
        replace = REPLACE.get(flags)
        if replace is None:
            raise InvalidArgument(f"rename flags {flags:#x}")
        self._volume.rename(self._caller(ctx), folder, _fsdecode(name), new_folder, _fsdecode(new_name), replace)

    # -- files

    @_long
    def create(self, folder: int, name: bytes, mode: int, flags: int, ctx: Any) -> Any:
        opened, found = self._volume.create(self._caller(ctx), folder, _fsdecode(name), mode, flags)
        return pyfuse3.FileInfo(opened.handle, opened.direct, opened.keep_cache), self._entry(found)

    @_long
    def open(self, node: int, flags: int, ctx: Any) -> Any:
        opened = self._volume.open(self._caller(ctx), node, flags)
        return pyfuse3.FileInfo(opened.handle, opened.direct, opened.keep_cache)

    @_long
    def read(self, handle: int, offset: int, size: int) -> bytes:
        return self._volume.read(handle, offset, size)

    @_long
    def write(self, handle: int, offset: int, data: bytes) -> int:
        return self._volume.write(handle, offset, data)

    @_long
    def flush(self, handle: int) -> None:
        self._volume.flush(handle)

    @_long
    def fsync(self, handle: int, datasync: bool) -> None:
        self._volume.fsync(handle, datasync)

    @_long
    def release(self, handle: int) -> None:
        self._volume.release(handle)

    # -- folders

    @_long
    def opendir(self, node: int, ctx: Any) -> int:
        handle = self._volume.opendir(self._caller(ctx), node)
        self._folders[handle] = node
        return handle

    @_long
    def readdir(self, handle: int, after: int, token: Any) -> None:
        """Cookies 1 and 2 are `.` and `..`; the volume's follow, moved up by 2."""
        reply = pyfuse3.readdir_reply
        entry = pyfuse3.EntryAttributes()
        if after < 2:
            entry.st_ino = self._folders[handle]
            entry.st_mode = stat.S_IFDIR
            for cookie, name in ((1, b"."), (2, b"..")):
                if cookie > after and not reply(token, name, entry, cookie):
                    return
        given: list[Attributes] = []
        for line in self._volume.readdir(handle, max(after - 2, 0)):
            found = line.attributes
            _fill(entry, found)
            if not reply(token, line.name.encode("utf-8", "surrogateescape"), entry, line.cookie + 2):
                break
            given.append(found)
        self._given(given)

    def _given(self, page: list[Attributes]) -> None:
        """Counts the lookups of a page that the kernel is about to get."""
        self._lookups.given(found.id for found in page)
        told = self._volume.told
        if self.remote:  # a drive of this process keeps no account of what the kernel was told
            for found in page:
                told(found)

    @_long
    def releasedir(self, handle: int) -> None:
        self._folders.pop(handle, None)
        self._volume.releasedir(handle)

    @_long
    def fsyncdir(self, handle: int, datasync: bool) -> None:
        self._volume.fsyncdir(self._folders[handle])

    # -- the drive, and extended attributes

    @_short
    def statfs(self, ctx: Any) -> Any:
        space, answer = self._volume.statfs(), pyfuse3.StatvfsData()
        answer.f_bsize = answer.f_frsize = space.block_size
        answer.f_blocks, answer.f_bfree, answer.f_bavail = space.blocks, space.blocks_free, space.blocks_available
        answer.f_files, answer.f_ffree, answer.f_favail = space.nodes, space.nodes_free, space.nodes_free
        answer.f_namemax = 255
        return answer

    async def getxattr(self, node: int, name: bytes, ctx: Any) -> bytes:
        probe = PROBES.get(name)
        if probe is not None:
            raise pyfuse3.FUSEError(probe)
        return cast("bytes", await self._getxattr(node, name, ctx))

    @_long
    def _getxattr(self, node: int, name: bytes, ctx: Any) -> bytes:
        return self._volume.getxattr(self._caller(ctx), node, _fsdecode(name))

    @_long
    def listxattr(self, node: int, ctx: Any) -> list[bytes]:
        return [os.fsencode(name) for name in self._volume.listxattr(self._caller(ctx), node)]

    @_long
    def setxattr(self, node: int, name: bytes, value: bytes, ctx: Any) -> None:
        """pyfuse3 has looked at the flags (XATTR_CREATE, XATTR_REPLACE) already."""
        self._volume.setxattr(self._caller(ctx), node, _fsdecode(name), value, XattrMode.ANY)

    @_long
    def removexattr(self, node: int, name: bytes, ctx: Any) -> None:
        self._volume.removexattr(self._caller(ctx), node, _fsdecode(name))


def _fill(entry: Any, found: Attributes) -> None:
    entry.st_ino = found.id
    entry.st_mode = found.mode
    entry.st_nlink = found.links
    entry.st_uid = found.uid
    entry.st_gid = found.gid
    entry.st_rdev = found.rdev
    entry.st_size = found.size
    entry.st_blocks = (found.stored + 511) >> 9
    entry.st_atime_ns = found.atime
    entry.st_mtime_ns = found.mtime
    entry.st_ctime_ns = found.ctime
    entry.entry_timeout = found.entry_timeout
    entry.attr_timeout = found.attribute_timeout


def serve(volume: Volume, mount_point: str, options: MountOptions, mounted: Callable[[], None]) -> None:
    """Mounts the volume and answers the kernel until it is unmounted. `mounted` is called on a thread of its own once
    the mount is there. RuntimeError when the kernel refuses; what libfuse has to say goes to standard error. The volume
    is not closed."""
    loop = Loop()
    operations = ExactOperations(volume, loop.on_thread, loop.here, mount_point)
    pyfuse3.trio = loop
    pyfuse3.init(
        operations,
        mount_point,
        {name if value is True else f"{name}={value}" for name, value in options.common().items()},
    )
    volume.watch(operations.invalidations.put)
    operations.invalidations.start()
    threading.Thread(target=mounted, name="mounted", daemon=True).start()
    try:
        loop.run(pyfuse3.main)
    finally:
        operations.invalidations.stop()
        pyfuse3.close()
