"""The descriptors of staging files: however many files are being written, only so many are open at once.

It is where the operating system's errors become ours for everything staged, and nothing else.
"""

import errno
import os
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from graphfs.errors import NoSpace, NotFound, ReadOnly, Unavailable

CAPACITY = 128


@contextmanager
def translated() -> Iterator[None]:
    """What the local disk says, in our words."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpace("the disk that stages what is written is full") from error
        if error.errno == errno.ENOENT:
            raise NotFound(f"staged data is gone: {error.filename}") from error
        if error.errno == errno.EROFS:
            raise ReadOnly("the disk that stages what is written is read-only") from error
        raise Unavailable(f"staging failed: {error}") from error


class Descriptors:
    """Positioned reads and writes of files by path. So many descriptors are open; the longest unused gives way."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._open: OrderedDict[Path, int] = OrderedDict()
        self._lock = (
            Lock()
        )  # held during the call too: a descriptor must not be closed (and its number reused) under it

    def write(self, path: Path, offset: int, data: bytes | bytearray | memoryview) -> None:
        """All of `data` at `offset`; the file is made when it is not there."""
        with translated(), self._lock:
            descriptor = self._descriptor(path, os.O_CREAT)
            done = os.pwrite(descriptor, data, offset)
            while done < len(data):
                done += os.pwrite(descriptor, memoryview(data)[done:], offset + done)

    def read(self, path: Path, offset: int, length: int) -> bytes:
        """`length` bytes at `offset`; what was never written is zeros. NotFound: there is no such file."""
        with translated(), self._lock:
            found = os.pread(self._descriptor(path, 0), length, offset)
        return found if len(found) == length else found.ljust(length, b"\0")

    def close(self, path: Path) -> None:
        with self._lock:
            descriptor = self._open.pop(path, None)
            if descriptor is not None:
                os.close(descriptor)

    def close_all(self) -> None:
        with self._lock:
            for descriptor in self._open.values():
                os.close(descriptor)
            self._open.clear()

    def _descriptor(self, path: Path, create: int) -> int:
        descriptor = self._open.get(path)
        if descriptor is not None:
            self._open.move_to_end(path)
            return descriptor
        while len(self._open) >= self._capacity:
            os.close(self._open.popitem(last=False)[1])
        descriptor = os.open(path, os.O_RDWR | create | os.O_CLOEXEC, 0o600)
        self._open[path] = descriptor
        return descriptor
