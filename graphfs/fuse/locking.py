"""flock(2) and fcntl(2) locks of a mount whose drive keeps them (`-o locks=server`): from libfuse 3's calls to the
volume.

Without this the kernel keeps them, for the processes of this mount alone. libfuse lets go of a process's ranges by
itself when one of its descriptors is closed; of an open file's lock, whoever releases the file does.
"""

import ctypes
import errno
import fcntl
import os
from collections.abc import Callable
from typing import Any

from graphfs.errors import ReadOnly, TooLarge, Unavailable
from graphfs.fuse.portable import PathOperations
from graphfs.model import LOCK_END, Lock, LockKind

THREADS = 256
"""Whoever waits for a lock keeps a thread; more than the volume lets wait, so that others are answered."""


class LockingOperations(PathOperations):
    """Requests about locks, of open files."""

    interrupted: Callable[[], int]
    """Of the request that this thread answers: not 0 when its caller waits no longer."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._flocked: dict[int, int] = {}
        """Owner of the lock of each open file that has one."""

    def lock(self, handle: int, lock: Lock, *, wait: bool) -> bool:
        """Whether it was taken; with `wait` not before, unless the caller was interrupted."""
        taken = self._volume.lock(self._caller(), handle, lock, (lambda: not self.interrupted()) if wait else None)
        if taken:
            self._look_again(handle)
        return taken

    def unlock(self, handle: int, lock: Lock) -> None:
        self._volume.unlock(self._caller(), handle, lock)

    def in_the_way(self, handle: int, lock: Lock) -> Lock | None:
        return self._volume.in_the_way(self._caller(), handle, lock)

    def flock(self, handle: int, lock: Lock, *, wait: bool) -> bool:
        """As `lock`, of the whole file."""
        taken = self.lock(handle, lock, wait=wait)
        if taken:
            self._flocked[handle] = lock.owner
        return taken

    def funlock(self, handle: int) -> None:
        """Lets go of the open file's lock, if it has one."""
        owner = self._flocked.pop(handle, None)
        if owner is not None:
            self.unlock(handle, Lock(LockKind.FILE, True, "", owner))

    def release(self, path: str | None, handle: int) -> None:
        try:
            self.funlock(handle)
        finally:
            super().release(path, handle)

    def _look_again(self, handle: int) -> None:
        """The kernel forgets size and pages of a file that was locked: others may have changed it before."""
        folder, name = self._opened[handle][1]
        if self.stale is not None:
            for path in self.dentries.paths(folder):
                self.stale(f"{path}/{name}")


class LockCalls:
    """Overrides for mfusepy's class."""

    operations: LockingOperations

    def lock(self, path: bytes | None, info: Any, command: int, wanted: Any) -> int:
        """fcntl(2), with a C `struct flock` that F_GETLK is answered in."""
        handle, flock = info.contents.fh, wanted.contents
        end = flock.l_start + flock.l_len if flock.l_len else LOCK_END
        exclusive = flock.l_type == fcntl.F_WRLCK
        lock = Lock(LockKind.RANGE, exclusive, "", _owner(info), flock.l_start, end, flock.l_pid)
        if command == fcntl.F_GETLK:
            _tell(flock, self.operations.in_the_way(handle, lock))
            return 0
        if flock.l_type == fcntl.F_UNLCK:
            self.operations.unlock(handle, lock)
            return 0
        wait = command == fcntl.F_SETLKW
        return _outcome(lambda: self.operations.lock(handle, lock, wait=wait), wait)

    def flock(self, path: bytes | None, info: Any, command: int) -> int:
        """flock(2)."""
        handle, wait = info.contents.fh, not command & fcntl.LOCK_NB
        command &= ~fcntl.LOCK_NB
        if command == fcntl.LOCK_UN:
            self.operations.funlock(handle)
            return 0
        lock = Lock(LockKind.FILE, command == fcntl.LOCK_EX, "", _owner(info), pid=os.getpid())
        return _outcome(lambda: self.operations.flock(handle, lock, wait=wait), wait)


def _owner(info: Any) -> int:
    """The kernel's name of a process or an open file, of 64 bits."""
    return ctypes.c_int64(info.contents.lock_owner).value


def _outcome(take: Callable[[], bool], wait: bool) -> int:
    try:
        taken = take()
    except (TooLarge, Unavailable, ReadOnly):
        return -errno.ENOLCK
    if taken:
        return 0
    return -errno.EINTR if wait else -errno.EAGAIN


def _tell(flock: Any, found: Lock | None) -> None:
    if found is None:
        flock.l_type = fcntl.F_UNLCK
        return
    flock.l_type = fcntl.F_WRLCK if found.exclusive else fcntl.F_RDLCK
    flock.l_whence, flock.l_start = os.SEEK_SET, found.start
    flock.l_len = 0 if found.end == LOCK_END else found.end - found.start
    flock.l_pid = found.pid
