"""What a binding may ask of the file system, and what it gets back. Nouns and signatures only.

`graphfs.vfs.filesystem.FileSystem` implements `Volume`; every binding in `graphfs.fuse` speaks to a `Volume` and to
nothing else.
Every call raises only `graphfs.errors`, may be called from any thread, and never needs the kernel: the suites drive
it directly too.
"""

from collections.abc import Callable, Collection, Iterator
from enum import IntEnum
from typing import Protocol

from msgspec import Struct

from graphfs.model import AttributeChange, Caller, Lock, Replace, Space, XattrMode


class Attributes(Struct, frozen=True, gc=False, array_like=True):
    """What stat(2) shows of a node, and for how long the kernel may believe it (seconds)."""

    id: int
    """Node id and st_ino. Folders that are queries have ids of their own from 2**62 on, one for each path."""
    mode: int
    links: int
    uid: int
    gid: int
    rdev: int
    size: int
    stored: int
    """Bytes that take room; st_blocks is this over 512, rounded up."""
    atime: int
    mtime: int
    ctime: int
    entry_timeout: float
    attribute_timeout: float


class Opened(Struct, frozen=True):
    """An open file. `keep_cache`: what the kernel has cached of it still holds. `direct`: never cache it (made on
    the fly)."""

    handle: int
    keep_cache: bool = True
    direct: bool = False


class DirectoryEntry(Struct, frozen=True, gc=False, array_like=True):
    """One line of a listing; reading goes on after `cookie`."""

    name: str
    attributes: Attributes
    cookie: int


class Cost(IntEnum):
    """Whether a call may wait (for a disk's flush, a large copy, a network) and so belongs on a thread of its own."""

    SHORT = 0
    LONG = 1


class Invalidation(Struct, frozen=True):
    """What the kernel must forget: the node's attributes and pages (`name` empty), or one name in a folder."""

    node: int
    name: str = ""
    pages: bool = False


EVERYTHING = Invalidation(0)
"""Changes were missed: whatever the kernel keeps may be wrong."""


class Volume(Protocol):
    """A mounted drive. Node 1 is the mount's root."""

    remote: bool
    """Whether every call may wait on a network (then a binding never calls it on its event loop)."""

    def cost(self, operation: str, node_or_handle: int) -> Cost:
        """Whether `operation` ('flush', 'fsync', 'release', 'setattr', 'open', 'read', 'write', 'rename',
        'readdir', ...) on this may wait."""
        ...

    def told(self, found: Attributes) -> None:
        """The kernel has these attributes now: an adapter of a `remote` volume says so of each reply that carries
        some. Any other keeps no account of it."""
        ...

    def lookup(self, caller: Caller, folder: int, name: str) -> Attributes: ...

    def forget(self, node: int) -> None:
        """The kernel knows this node no longer (all its lookups were forgotten)."""
        ...

    def age(self, used: Collection[int]) -> None:
        """From an adapter whose kernel speaks in paths, and so forgets no node: of the folders that are queries, those
        that were not asked about since the last call need be known no longer, but for `used`, which are open."""
        ...

    def getattr(self, caller: Caller, node: int, handle: int | None = None) -> Attributes: ...

    def setattr(
        self, caller: Caller, node: int, change: AttributeChange, size: int | None = None, handle: int | None = None
    ) -> Attributes:
        """`size` cuts or extends (with a hole)."""
        ...

    def readlink(self, caller: Caller, node: int) -> str: ...

    def mknod(self, caller: Caller, folder: int, name: str, mode: int, rdev: int) -> Attributes: ...

    def mkdir(self, caller: Caller, folder: int, name: str, mode: int) -> Attributes: ...

    def symlink(self, caller: Caller, folder: int, name: str, target: str) -> Attributes: ...

    def link(self, caller: Caller, node: int, folder: int, name: str) -> Attributes: ...

    def unlink(self, caller: Caller, folder: int, name: str) -> None: ...

    def rmdir(self, caller: Caller, folder: int, name: str) -> None: ...

    def rename(
        self, caller: Caller, folder: int, name: str, new_folder: int, new_name: str, replace: Replace
    ) -> None: ...

    def create(self, caller: Caller, folder: int, name: str, mode: int, flags: int) -> tuple[Opened, Attributes]:
        """Makes and opens a file; an existing one is opened unless `flags` has O_EXCL (the path API sends both
        here)."""
        ...

    def open(self, caller: Caller, node: int, flags: int) -> Opened: ...

    def read(self, handle: int, offset: int, size: int) -> bytes: ...

    def write(self, handle: int, offset: int, data: bytes | memoryview) -> int:
        """With O_APPEND in the handle's flags the data goes to the end, whatever `offset` says: concurrent
        appenders lose nothing. On return the memory of `data` is the adapter's again."""
        ...

    def flush(self, handle: int) -> None:
        """A descriptor was closed: what was written becomes a version."""
        ...

    def fsync(self, handle: int, datasync: bool) -> None:
        """Durable on return: bytes, record and name."""
        ...

    def release(self, handle: int) -> None:
        """The last descriptor of the handle is gone."""
        ...

    def allocate(self, handle: int, mode: int, offset: int, length: int) -> None:
        """fallocate(2): 0 extends, KEEP_SIZE keeps, PUNCH_HOLE and ZERO_RANGE write zeros; else NotSupported."""
        ...

    def seek(self, handle: int, offset: int, whence: int) -> int:
        """SEEK_DATA and SEEK_HOLE."""
        ...

    def lock(self, caller: Caller, handle: int, lock: Lock, goes_on: Callable[[], bool] | None = None) -> bool:
        """Takes a lock that the drive keeps (`holder` is the mount's business). False: another has it; with `goes_on`
        it is waited for, as long as that says so. What others wrote before they let go is read from now on: the
        adapter makes the kernel forget the file's pages."""
        ...

    def unlock(self, caller: Caller, handle: int, lock: Lock) -> None:
        """Lets go of it; what was written is a version before."""
        ...

    def in_the_way(self, caller: Caller, handle: int, lock: Lock) -> Lock | None:
        """The first lock that hinders this one. `pid` is 0 when it is another mount's."""
        ...

    def opendir(self, caller: Caller, node: int) -> int: ...

    def readdir(self, handle: int, after: int) -> Iterator[DirectoryEntry]:
        """Entries after this cookie (0: from the start), without `.` and `..`. A listing that goes on sees every
        entry once that was there
        all the time, whatever comes and goes meanwhile."""
        ...

    def releasedir(self, handle: int) -> None: ...

    def fsyncdir(self, node: int) -> None: ...

    def statfs(self) -> Space: ...

    def getxattr(self, caller: Caller, node: int, name: str) -> bytes: ...

    def listxattr(self, caller: Caller, node: int) -> list[str]: ...

    def setxattr(self, caller: Caller, node: int, name: str, value: bytes, mode: XattrMode) -> None: ...

    def removexattr(self, caller: Caller, node: int, name: str) -> None: ...

    def invalidated(self, invalidation: Invalidation) -> None:
        """The kernel has been told this: an adapter says so afterwards, if it told it or could not."""
        ...

    def watch(self, listener: Callable[[Invalidation], None]) -> None:
        """Tells what changed behind the kernel's back, on the thread of whoever changed it: the listener only takes it
        in, and never waits (the kernel may hold locks until that thread answers)."""
        ...

    def close(self) -> None:
        """Everything written is durable on return."""
        ...
