"""When a file was made. A file that is removed gives its inode number to the next one that is made: what tells the two
apart is this time.

Asked of statx(2) by the C library, because `os.stat` does not tell it on Linux.
"""

import ctypes
import os
import struct
import sys

_HERE = -100
_NOFOLLOW = 0x100
_BORN = 0x800
_TIME = struct.Struct("=qI")
_TIME_AT = 80
_SIZE = 256

_statx = getattr(ctypes.CDLL(None, use_errno=True), "statx", None)


def born(path: str) -> int:
    """Nanoseconds; 0 where the file system does not know, or there is no such file."""
    if _statx is None:
        return 0
    answer = ctypes.create_string_buffer(_SIZE)
    if _statx(_HERE, os.fsencode(path), _NOFOLLOW, _BORN, answer):
        return 0
    if not int.from_bytes(answer.raw[:4], sys.byteorder) & _BORN:
        return 0
    seconds, nanoseconds = _TIME.unpack_from(answer, _TIME_AT)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)
