"""From libfuse's C calls to `PathOperations`, for fusepy and for mfusepy: what their own bridges lose is kept, what is
slow there is not.

Both libraries turn an exception that is not an OSError into EINVAL, create without flags, and set a stat field by
field; mfusepy drops rename flags (EXCHANGE would destroy the target) and the attributes of a listing. Their classes are
extended here by overriding those methods; the rest is theirs. ctypes structures stay in this module.
"""

import codecs
import ctypes
import importlib
import operator
import os
import stat
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

from graphfs.fuse.errnos import errno_of
from graphfs.fuse.locking import THREADS as LOCK_THREADS
from graphfs.fuse.locking import LockCalls, LockingOperations
from graphfs.fuse.options import MountOptions
from graphfs.fuse.portable import PathOperations
from graphfs.model import SUPER_ROOT
from graphfs.vfs.interface import Attributes, Opened, Volume

SECOND = 1_000_000_000
UTIME_NOW, UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2
FILL_DIR_PLUS = 2
READDIR_PLUS = 1
CAP_READDIRPLUS_AUTO = 1 << 14
DOTS = ((1, b"."), (2, b".."))
CODEC = "graphfs-names"
MAX_WRITE = 131072
"""Bytes a write of libfuse 2; it takes no more."""
LARGE = 65536
"""A write of so many bytes is handed on where libfuse has it; copying a smaller one costs less than not to."""
THREADS = 32
BACKGROUND = 64
"""Requests that the kernel sends ahead (reading ahead, asynchronous writes) before it waits."""

_fsdecode, _fsencode = os.fsdecode, os.fsencode


def _codec(name: str) -> codecs.CodecInfo | None:
    """Names are any bytes: the codec that fusepy, which cannot be told of surrogateescape, is given."""
    if name.replace("_", "-") != CODEC:
        return None
    return codecs.CodecInfo(
        lambda text, errors="strict": (_fsencode(text), len(text)),
        lambda data, errors="strict": (_fsdecode(bytes(data)), len(data)),
        name=CODEC,
    )


class StatPacker:
    """Fills a C `struct stat` in one copy, after the layout that the library's ctypes class has on this machine."""

    FIELDS = ("st_ino", "st_mode", "st_nlink", "st_uid", "st_gid", "st_rdev", "st_size", "st_blocks", "st_blksize")
    TIMES = ("st_atimespec", "st_mtimespec", "st_ctimespec")

    def __init__(self, c_stat: type[ctypes.Structure]) -> None:
        places: dict[int, tuple[int, str]] = {}
        for name in self.FIELDS:
            field = getattr(c_stat, name)
            places[field.offset] = (field.size, name)
        for name in self.TIMES:
            field = getattr(c_stat, name)
            places[field.offset] = (8, name)
            places[field.offset + 8] = (8, f"{name}.nanoseconds")
        layout, end, order = "=", 0, []
        for offset in sorted(places):
            size, name = places[offset]
            signed = name in ("st_size", "st_blocks", "st_blksize") or "timespec" in name
            code = {2: "H", 4: "I", 8: "Q"}[size]
            layout += f"{offset - end}x{code.lower() if signed else code}"
            end = offset + size
            order.append(name)
        self.size = ctypes.sizeof(c_stat)
        self._pack = struct.Struct(f"{layout}{self.size - end}x").pack
        canonical = [*self.FIELDS, *(part for name in self.TIMES for part in (name, f"{name}.nanoseconds"))]
        self._arrange = operator.itemgetter(*(canonical.index(name) for name in order))

    def fill(self, target: Any, found: Attributes) -> None:
        """Writes what `found` says into a C stat (a pointer or a structure)."""
        values = (
            found.id, found.mode, found.links, found.uid, found.gid, found.rdev, found.size, (found.stored + 511) >> 9,
            4096, *divmod(found.atime, SECOND), *divmod(found.mtime, SECOND), *divmod(found.ctime, SECOND),
        )  # fmt: skip
        ctypes.memmove(target, self._pack(*self._arrange(values)), self.size)


class KeptState(threading.local):
    """Keeps Python's state of the thread that asks for `kept`, as long as the process lives.

    ctypes makes that state for every call that comes from C and throws it away after it, which costs as much as a stat
    does otherwise. Only for threads that never end: nobody frees it."""

    kept = True

    def __init__(self) -> None:
        ctypes.pythonapi.PyGILState_Ensure()


class AnyState:
    """Of threads that come and go: as ctypes has it."""

    kept = False


class Seam:
    """Overrides that serve both libraries. The other half of the class is the library's `FUSE`."""

    operations: PathOperations
    packer: StatPacker
    c_stat: Any
    state: KeptState | AnyState

    def _wrapper(self, function: Callable[..., int | None], *arguments: Any) -> int:
        """The one seam: whatever goes wrong below becomes an errno here."""
        try:
            _ = self.state.kept
            return function(*arguments) or 0
        except BaseException as error:  # noqa: BLE001  # the seam: it becomes an errno
            return -errno_of(error, function.__name__)

    def fgetattr(self, path: bytes | None, buffer: Any, info: Any) -> int:
        handle = info.contents.fh if info else None
        found = self.operations.getattr(None if path is None else _fsdecode(path), handle)
        self.packer.fill(buffer, found)
        return 0

    def create(self, path: bytes, mode: int, info: Any) -> int:
        opened = self.operations.create(_fsdecode(path), mode, info.contents.flags)
        return _into(info, opened)

    def open(self, path: bytes, info: Any) -> int:
        return _into(info, self.operations.open(_fsdecode(path), info.contents.flags))

    def read(self, path: bytes | None, buffer: Any, size: int, offset: int, info: Any) -> int:
        data = self.operations.read(None, size, offset, info.contents.fh)
        ctypes.memmove(buffer, data, len(data))
        return len(data)

    def write(self, path: bytes | None, buffer: Any, size: int, offset: int, info: Any) -> int:
        if size < LARGE:
            return self.operations.write(None, ctypes.string_at(buffer, size), offset, info.contents.fh)
        data = (ctypes.c_char * size).from_address(ctypes.addressof(buffer.contents))
        return self.operations.write(None, memoryview(data).cast("B"), offset, info.contents.fh)

    def set_times(self, path: bytes | None, times: Any, handle: int | None) -> int:
        if times:
            atime, mtime = _time(times.contents.actime), _time(times.contents.modtime)
        else:
            atime = mtime = time.time_ns()
        self.operations.utimens(None if path is None else _fsdecode(path), (atime, mtime), handle)
        return 0

    def list_folder(
        self, fill: Callable[[bytes, Any, int, bool], int], offset: int, handle: int, *, plus: bool = False
    ) -> int:
        """Cookies 1 and 2 are `.` and `..`; the volume's follow, moved up by 2. `plus`: the kernel takes attributes
        too."""
        entry = self.c_stat()
        entry.st_mode, entry.st_ino = stat.S_IFDIR, self.operations.folder(handle)
        for cookie, name in DOTS:
            if cookie > offset and fill(name, entry, cookie, True):
                return 0
        pack = self.packer.fill
        address = ctypes.addressof(entry)
        for line in self.operations.listing(handle, max(offset - 2, 0)):
            pack(address, line.attributes)
            # libfuse has one timeout for all attributes: what may not be believed is not told.
            believed = line.attributes.attribute_timeout > 0
            if fill(_fsencode(line.name), entry, line.cookie + 2, believed):
                return 0
            if plus and believed:
                self.operations.told(line.attributes)
        return 0


def _into(info: Any, opened: Opened) -> int:
    info.contents.fh = opened.handle
    info.contents.direct_io = opened.direct
    return 0


def _time(spec: Any) -> int | None:
    """Nanoseconds; None for UTIME_OMIT."""
    if spec.tv_nsec == UTIME_OMIT:
        return None
    if spec.tv_nsec == UTIME_NOW:
        return time.time_ns()
    return int(spec.tv_sec) * SECOND + int(spec.tv_nsec)


class Libfuse2(Seam):
    """What is different in fusepy."""

    def readdir(self, path: bytes | None, buffer: Any, filler: Any, offset: int, info: Any) -> int:
        def fill(name: bytes, entry: Any, cookie: int, _believed: bool) -> int:
            return int(filler(buffer, name, entry, cookie))

        return self.list_folder(fill, offset, info.contents.fh)

    def utimens(self, path: bytes, times: Any) -> int:
        return self.set_times(path, times, None)


class Libfuse3(Seam):
    """What is different in mfusepy on libfuse 3."""

    def rename_fuse_3(self, old: bytes, new: bytes, flags: int) -> int:
        self.operations.rename(_fsdecode(old), _fsdecode(new), flags)
        return 0

    def truncate_fuse_3(self, path: bytes | None, size: int, info: Any) -> int:
        self.operations.truncate(*_where(path, info, size))
        return 0

    def chmod_fuse_3(self, path: bytes | None, mode: int, info: Any) -> int:
        self.operations.chmod(*_where(path, info, mode))
        return 0

    def chown_fuse_3(self, path: bytes | None, uid: int, gid: int, info: Any) -> int:
        uid, gid = (-1 if number == 0xFFFFFFFF else number for number in (uid, gid))
        self.operations.chown(*_where(path, info, uid, gid))
        return 0

    def utimens_fuse_3(self, path: bytes | None, times: Any, info: Any) -> int:
        return self.set_times(path, times, info.contents.fh if info else None)

    def readdir_fuse_3(self, path: bytes | None, buffer: Any, filler: Any, offset: int, info: Any, flags: int) -> int:
        plus = FILL_DIR_PLUS if flags & READDIR_PLUS else 0

        def fill(name: bytes, entry: Any, cookie: int, believed: bool) -> int:
            return int(filler(buffer, name, entry, cookie, plus if believed else 0))

        return self.list_folder(fill, offset, info.contents.fh, plus=bool(plus))


def _where(path: bytes | None, info: Any, *arguments: Any) -> tuple[Any, ...]:
    return (None if path is None else _fsdecode(path), *arguments, info.contents.fh if info else None)


class CalledOperations(PathOperations):
    """As fusepy calls: one method for all, by name."""

    def __call__(self, operation: str, *arguments: Any) -> Any:
        return getattr(self, operation)(*arguments)


class ConfiguredOperations(PathOperations):
    """As mfusepy on libfuse 3 starts: with the connection's and the library's settings at hand."""

    library: Any

    def init_with_config(self, connection: Any, config: Any) -> None:
        connection.want &= ~CAP_READDIRPLUS_AUTO  # else the kernel asks for attributes that the listing has given
        connection.max_background = BACKGROUND
        if hasattr(self.library, "fuse_invalidate_path"):
            forget = self.library.fuse_invalidate_path
            forget.argtypes = (ctypes.c_void_p, ctypes.c_char_p)
            fuse = self.library.fuse_get_context().contents.fuse
            self.stale = lambda path: forget(fuse, _fsencode(path))
            self._let_drop(fuse)
        self.init("/")

    def _let_drop(self, fuse: Any) -> None:
        """Ids are libfuse's own here, but for the root's."""
        session, forget = self.library.fuse_get_session, self.library.fuse_lowlevel_notify_inval_entry
        session.restype, session.argtypes = ctypes.c_void_p, (ctypes.c_void_p,)
        forget.argtypes = (ctypes.c_void_p, ctypes.c_uint64, ctypes.c_char_p, ctypes.c_size_t)
        connection = session(fuse)

        def drop(name: str) -> None:
            encoded = _fsencode(name)
            forget(connection, SUPER_ROOT, encoded, len(encoded))

        self.drop = drop


class ConfiguredLockingOperations(ConfiguredOperations, LockingOperations):
    """The same where the drive keeps the locks."""

    def init_with_config(self, connection: Any, config: Any) -> None:
        self.interrupted = self.library.fuse_interrupted
        super().init_with_config(connection, config)


def serve(library: str, volume: Volume, mount_point: str, options: MountOptions, mounted: Callable[[], None]) -> None:
    """Mounts the volume with `fusepy` or `mfusepy` and answers the kernel until it is unmounted. `mounted` is called on
    a thread of its own once the mount is there. RuntimeError when the kernel refuses; what libfuse has to say goes to
    standard error."""
    settings: dict[str, str | bool | float] = {
        **options.common(),
        "use_ino": True,
        "auto_cache": True,
        "entry_timeout": options.entry_timeout,
        "attr_timeout": options.attribute_timeout,
        "negative_timeout": 0,
    }
    codecs.register(_codec)
    operations: PathOperations
    state: KeptState | AnyState = AnyState()
    if library == "mfusepy":
        os.environ["FUSE_LIBRARY_NAME"] = "fuse3"  # it takes libfuse 2 first where both are
        module = importlib.import_module("mfusepy")
        seam: type[Any] = Libfuse3
        threads = THREADS
        kind: type[ConfiguredOperations] = ConfiguredOperations
        if options.locks:
            seam = type("LockingLibfuse3", (LockCalls, Libfuse3), {})
            threads, kind = LOCK_THREADS, ConfiguredLockingOperations
        configured = kind(volume, module.fuse_get_context, mount_point, mounted)
        configured.library = module._libfuse
        operations = configured
        if module.fuse_version_minor >= 12:
            settings |= {"max_threads": threads, "max_idle_threads": threads}  # none ends before the mount does
            state = KeptState()
    else:
        module = importlib.import_module("fuse")
        seam = Libfuse2
        operations = CalledOperations(volume, module.fuse_get_context, mount_point, mounted)
        settings |= {"big_writes": True, "max_write": MAX_WRITE, "max_background": BACKGROUND}
        if options.entry_timeout:
            settings["attr_timeout"] = 0  # both together make hard links stale, and libfuse 2 cannot tell the kernel
    members = {"packer": StatPacker(module.c_stat), "c_stat": module.c_stat, "state": state}
    bridge = type("Bridge", (seam, module.FUSE), members)
    try:
        bridge(operations, mount_point, foreground=True, encoding=CODEC, **settings)
    finally:
        operations.invalidations.stop()
