"""Where written data waits on the local disk until it is a version, in a form that survives the death of the process.

Each open file that has more than a little has a folder: one sparse staging file a chunk (`0`, `1`, ...), frozen ones
beside them (`<chunk>.<number>`), a `record` that says whose data this is, and a `log` of what was done, in order. It
says what is there; `graphfs.vfs.recovery` reads it after a crash. When data is staged or committed is not its matter.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from itertools import count
from pathlib import Path
from shutil import rmtree
from struct import Struct as Packing

import msgspec
from msgspec import Struct

from graphfs.errors import NoSpace
from graphfs.model import Layout
from graphfs.vfs.descriptors import Descriptors, translated
from graphfs.vfs.overlay import Frozen

RESERVE = 16 << 20
"""Bytes of the disk (at most a twentieth) that the store keeps for its records; staging leaves them, and two chunks
more so that what is staged can always be given to the store."""
ASK = 0.05
RECORD = "record"
LOG = "log"
CLOSED = "closed"
"""Beside them when all that the log says was closed: whoever wrote it was told that it is kept."""


class Record(Struct, frozen=True):
    """Whose data it is, and what it is laid over."""

    node: int
    path: str
    """Where the file was, as `Drive.path` says it; its bytes that are not UTF-8 are escaped as `os.fsdecode` does."""
    uid: int
    gid: int
    chunk: int
    base: Layout


class Step(IntEnum):
    """What a line of the log says. Two numbers follow."""

    WRITE = 1
    """From the first to the second the bytes are in the staging files of their chunks."""
    HOLE = 2
    """From the first to the second are zeros."""
    SIZE = 3
    """The size is the first; what was behind it is gone."""
    FREEZE = 4
    """The staging file of chunk (first) is frozen under the number (second). Written before it happens."""


LINE = Packing("<BQQ")
_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(Record).decode


class Room:
    """What may still be staged: never all of the disk, where the records of what was staged have to be written too."""

    def __init__(self, folder: Path, chunk: int, more: Callable[[], bool]) -> None:
        self._folder = folder
        self._chunk = chunk
        self._more = more
        self._free = 0
        self._asked = 0.0

    def take(self, length: int) -> None:
        """NoSpace. The disk is asked at most every 50 ms; between, what was taken is counted down."""
        if self._free < length or time.monotonic() - self._asked > ASK:
            self._ask()
            while self._free < length:
                if not self._more():
                    raise NoSpace("the disk that stages what is written is full")
                self._ask()
        self._free -= length

    def _ask(self) -> None:
        with translated():
            found = os.statvfs(self._folder)
        reserve = min(RESERVE, found.f_blocks * found.f_frsize // 20) + 2 * self._chunk
        self._free = found.f_bavail * found.f_frsize - reserve
        self._asked = time.monotonic()


class StagedFile:
    """The staging of one file. Used under that file's lock."""

    def __init__(self, folder: Path, record: Record, descriptors: Descriptors, room: "Room") -> None:
        self.folder = folder
        self._room = room
        self._chunk = record.chunk
        self._descriptors = descriptors
        self.marked = False
        """Whether all of it was closed."""
        self._numbers = count(1)
        self._paths: dict[int, Path] = {}
        with translated():
            folder.mkdir(mode=0o700)
            (folder / RECORD).write_bytes(_ENCODE(_escaped(record)))
            self._log = os.open(folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """NoSpace: what was staged before is as it was."""
        self._room.take(len(data))
        chunk, end = self._chunk, offset + len(data)
        index, within = divmod(offset, chunk)
        if within + len(data) <= chunk:
            self._descriptors.write(self._path(index), within, data)
        else:
            view, position = memoryview(data), offset
            while position < end:
                index, within = divmod(position, chunk)
                length = min(chunk - within, end - position)
                self._descriptors.write(self._path(index), within, view[position - offset : position - offset + length])
                position += length
        self._note(Step.WRITE, offset, end)

    def read(self, offset: int, end: int) -> bytes:
        chunk = self._chunk
        index, within = divmod(offset, chunk)
        if within + end - offset <= chunk:
            return self._descriptors.read(self._path(index), within, end - offset)
        parts = []
        while offset < end:
            index, within = divmod(offset, chunk)
            length = min(chunk - within, end - offset)
            parts.append(self._descriptors.read(self._path(index), within, length))
            offset += length
        return b"".join(parts)

    def hole(self, start: int, end: int) -> None:
        self._note(Step.HOLE, start, end)

    def size(self, size: int) -> None:
        self._note(Step.SIZE, size)

    def freeze(self, index: int) -> Frozen:
        """From now on the staging file of this chunk changes no more; what is written there later goes to a new one."""
        number = next(self._numbers)
        path = self._path(index)
        frozen = self.folder / f"{index}.{number}"
        self._note(Step.FREEZE, index, number)
        self._descriptors.close(path)
        with translated():
            path.rename(frozen)
        return Frozen(index * self._chunk, frozen, number)

    def offered(self, frozen: Frozen) -> Path:
        """Another name of a frozen file, for the store to take: ours stays until the data is a version."""
        path = frozen.path.with_suffix(f".{frozen.number}-offered")
        with translated():
            path.unlink(missing_ok=True)
            path.hardlink_to(frozen.path)
        return path

    def closed(self) -> None:
        """What is staged was closed while the store could not be asked: it survives a power cut, and is not only what
        somebody was about to write."""
        with translated():
            (self.folder / CLOSED).touch(0o600)
            self.marked = True
            for path in [*self.folder.iterdir(), self.folder, self.folder.parent]:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)

    def drop(self) -> None:
        """All of it is a version now (or is given up)."""
        with translated():
            os.close(self._log)
            (self.folder / LOG).unlink(missing_ok=True)  # first: what has no log is not recovered
            for path in self.folder.iterdir():
                self._descriptors.close(path)
                path.unlink(missing_ok=True)
            self.folder.rmdir()

    def close(self) -> None:
        """Leaves everything where it is, for a recovery."""
        os.close(self._log)

    def _path(self, index: int) -> Path:
        path = self._paths.get(index)
        if path is None:
            path = self._paths[index] = self.folder / str(index)
        return path

    def _note(self, step: Step, first: int, second: int = 0) -> None:
        with translated():
            if self.marked and step is not Step.FREEZE:
                (self.folder / CLOSED).unlink(missing_ok=True)
                self.marked = False
            os.write(self._log, LINE.pack(step, first, second))


class Staging:
    """The folder of everything staged by one mount."""

    def __init__(self, folder: Path, chunk: int, more: Callable[[], bool] = lambda: False) -> None:
        """`more` makes room when the disk is full; False: there is nothing that could give way."""
        self.descriptors = Descriptors()
        self._folder = folder
        self._session = f"{os.getpid()}-{os.urandom(4).hex()}"
        self._numbers = count(1)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._room = Room(folder, chunk, more)

    def stage(self, record: Record) -> StagedFile:
        name = f"{record.node}-{self._session}-{next(self._numbers)}"
        return StagedFile(self._folder / name, record, self.descriptors, self._room)

    def close(self) -> None:
        self.descriptors.close_all()


def left(folder: Path) -> Sequence[Path]:
    """The folders of files that were staged by processes that are gone, oldest first."""
    if not folder.is_dir():
        return []
    return sorted((path for path in folder.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime_ns)


def read_record(folder: Path) -> Record | None:
    """None when nothing was logged: nothing is staged there."""
    try:
        if not (folder / LOG).stat().st_size:
            return None
        return _unescaped(_DECODE((folder / RECORD).read_bytes()))
    except FileNotFoundError:
        return None


def read_log(folder: Path) -> Iterator[tuple[Step, int, int]]:
    """The steps, in order. A last line that was cut off did not happen."""
    data = (folder / LOG).read_bytes()
    for step, first, second in LINE.iter_unpack(data[: len(data) // LINE.size * LINE.size]):
        yield Step(step), first, second


def was_closed(folder: Path) -> bool:
    """Whether what is staged there was closed."""
    return (folder / CLOSED).exists()


def discard(folder: Path) -> None:
    (folder / LOG).unlink(missing_ok=True)
    rmtree(folder)


def _escaped(record: Record) -> Record:
    """Msgpack carries UTF-8 only: a name of any bytes travels as those bytes in latin-1."""
    return msgspec.structs.replace(record, path=os.fsencode(record.path).decode("latin-1"))


def _unescaped(record: Record) -> Record:
    return msgspec.structs.replace(record, path=os.fsdecode(record.path.encode("latin-1")))
