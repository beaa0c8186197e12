"""System calls that Python's os module does not offer. Not a place for anything that os has."""

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntFlag
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_libc.opendir.restype = ctypes.c_void_p
_libc.telldir.restype = ctypes.c_long

AT_FDCWD = -100
UTIME_NOW = (1 << 30) - 1
UTIME_OMIT = (1 << 30) - 2


class RenameFlag(IntFlag):
    """Flags of renameat2(2)."""

    NOREPLACE = 1
    EXCHANGE = 2


class AllocateFlag(IntFlag):
    """Modes of fallocate(2)."""

    EXTEND = 0
    KEEP_SIZE = 1
    PUNCH_HOLE = 2
    ZERO_RANGE = 16


class _DirectoryEntry(ctypes.Structure):
    _fields_ = (
        ("d_ino", ctypes.c_uint64),
        ("d_off", ctypes.c_int64),
        ("d_reclen", ctypes.c_ushort),
        ("d_type", ctypes.c_ubyte),
        ("d_name", ctypes.c_char * 256),
    )


_libc.readdir.restype = ctypes.POINTER(_DirectoryEntry)


def _checked(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def rename(source: Path, target: Path, flags: RenameFlag) -> None:
    """renameat2(2). OSError with the kernel's errno."""
    _checked(_libc.renameat2(AT_FDCWD, os.fsencode(source), AT_FDCWD, os.fsencode(target), ctypes.c_uint(flags)))


def allocate(descriptor: int, mode: AllocateFlag, offset: int, length: int) -> None:
    """fallocate(2), in bytes. OSError with the kernel's errno."""
    _checked(_libc.fallocate(descriptor, int(mode), ctypes.c_int64(offset), ctypes.c_int64(length)))


def set_times(path: Path, access: tuple[int, int], modification: tuple[int, int]) -> None:
    """utimensat(2) on the name itself; each time is (seconds, nanoseconds or UTIME_NOW or UTIME_OMIT)."""
    times = (ctypes.c_long * 4)(*access, *modification)
    no_follow = 0x100
    _checked(_libc.utimensat(AT_FDCWD, os.fsencode(path), times, no_follow))


def name_unnamed(descriptor: int, path: Path) -> None:
    """linkat(2): gives an open file without a name (O_TMPFILE) one."""
    follow = 0x400
    source = f"/proc/self/fd/{descriptor}".encode()
    _checked(_libc.linkat(AT_FDCWD, source, AT_FDCWD, os.fsencode(path), follow))


def failure(call: Callable[[], object]) -> int | None:
    """The errno that a call fails with; None when it does not fail."""
    try:
        call()
    except OSError as error:
        return error.errno
    return None


class Listing:
    """An open directory stream that can tell where it is and go back there (telldir(3), seekdir(3))."""

    def __init__(self, pointer: int) -> None:
        self._pointer = ctypes.c_void_p(pointer)

    def next(self) -> str | None:
        """The next name; None at the end. `.` and `..` are left out, as they may be by the file system too."""
        while entry := _libc.readdir(self._pointer):
            name = os.fsdecode(entry.contents.d_name)
            if name not in (".", ".."):
                return name
        return None

    def rest(self) -> list[str]:
        """All names from here to the end."""
        names = []
        while (name := self.next()) is not None:
            names.append(name)
        return names

    def tell(self) -> int:
        return int(_libc.telldir(self._pointer))

    def seek(self, position: int) -> None:
        _libc.seekdir(self._pointer, ctypes.c_long(position))

    def rewind(self) -> None:
        _libc.rewinddir(self._pointer)


@contextmanager
def listing(folder: Path) -> Iterator[Listing]:
    """Opens a directory stream and closes it."""
    pointer = _libc.opendir(os.fsencode(folder))
    if not pointer:
        raise OSError(ctypes.get_errno(), f"opendir {folder}")
    try:
        yield Listing(pointer)
    finally:
        _libc.closedir(ctypes.c_void_p(pointer))
