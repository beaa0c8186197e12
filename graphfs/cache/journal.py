"""What a mount made in folders that it was lent and the server has not said it has: a log on the local disk, from which
the next mount sends what a mount that died had acknowledged.

It survives the death of the process, not a power cut: what must survive that is with the server (fsync). Half a line
at its end was acknowledged to nobody. When nothing waits the log is emptied.
"""

import os
import threading
import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from struct import Struct as Packing

import msgspec
from msgspec import Struct

from graphfs.loans import Making
from graphfs.vfs.descriptors import translated

FILE = "made.log"
"""Its name in a state directory."""
MOUNTS = "mounts"
"""The name of the file that says which mounts' loans may be out."""
_LINE = Packing("<II")
"""Length and CRC-32 of what follows."""


class Made(Struct, frozen=True):
    """What was made, and by whom."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    making: Making


class Told(Struct, frozen=True):
    """The server has these (ids)."""

    ids: tuple[int, ...]


_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE: Callable[[bytes], list[Made] | Told] = msgspec.msgpack.Decoder(list[Made] | Told).decode


def unsent(path: Path) -> list[Made]:
    """What a log says is not with the server, in the order in which it was made; as it was last."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    left: dict[int, Made] = {}
    at = 0
    while at + _LINE.size <= len(data):
        length, check = _LINE.unpack_from(data, at)
        line = data[at + _LINE.size : at + _LINE.size + length]
        if len(line) < length or zlib.crc32(line) != check:
            break
        said = _DECODE(line)
        if isinstance(said, Told):
            for number in said.ids:
                left.pop(number, None)
        else:
            left.update({one.making.id: one for one in said})
        at += _LINE.size + length
    return list(left.values())


class Mounts:
    """The numbers of the mounts with one state directory that may have something lent: the last one, and any before it
    whose loans it has not got yet. After a power cut it may say less; then their loans are over by themselves."""

    def __init__(self, state: Path) -> None:
        self._file = state / MOUNTS

    def read(self) -> list[int]:
        """Empty: nobody has anything. A file that is none of ours is not believed."""
        with suppress(OSError, ValueError):
            return [int(line) for line in self._file.read_text("ascii").split()]
        return []

    def write(self, mounts: Sequence[int]) -> None:
        """NoSpace."""
        new = self._file.with_suffix(".new")
        with translated():
            new.write_text("".join([f"{mount}\n" for mount in mounts]), "ascii")
            new.replace(self._file)


class Journal:
    """The log of one mount. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._waiting: set[int] = set()
        with translated():
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def made(self, some: Sequence[Made]) -> None:
        """They outlive this process from now on. NoSpace."""
        with self._lock:
            self._append(_ENCODE(list(some)))
            self._waiting |= {one.making.id for one in some}

    def told(self, ids: Iterable[int]) -> None:
        """The server has them. Not being able to say so only means that it is asked once more."""
        with self._lock:
            self._waiting -= set(ids)
            if not self._waiting:
                os.ftruncate(self._descriptor, 0)
            else:
                self._append(_ENCODE(Told(tuple(ids))))

    def _append(self, line: bytes) -> None:
        with translated():
            data = _LINE.pack(len(line), zlib.crc32(line)) + line
            end = os.lseek(self._descriptor, 0, os.SEEK_END)
            try:
                if os.write(self._descriptor, data) == len(data):
                    return
            except OSError:
                os.ftruncate(self._descriptor, end)
                raise
            os.ftruncate(self._descriptor, end)  # a full disk: half a line would hide what follows

    def close(self) -> None:
        os.close(self._descriptor)
