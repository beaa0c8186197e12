"""What a mount of a server is asked to keep here: paths of folders, files and views, noted in the state directory.

The command line writes the list, the mount reads it (`graphfs.cache.keeping`); neither needs the other to run.
"""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from graphfs.errors import AccessDenied, Corrupt
from graphfs.model import Caller

FILE = "pins.json"
"""In the state directory."""


class Pin(Struct, frozen=True):
    """A path from the drive's root (`files/a`, `tags/red`), and as whom it is looked at."""

    path: str
    uid: int
    gid: int
    groups: tuple[int, ...] = ()

    @property
    def caller(self) -> Caller:
        return Caller(self.uid, self.gid, self.groups if self.uid else (), actor="pin")


class Pins:
    """The list of one state directory. For several processes."""

    def __init__(self, state: Path) -> None:
        self._file = state / FILE

    def stamp(self) -> int:
        """Another number when the list is another one."""
        try:
            return self._file.stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def read(self) -> list[Pin]:
        """Corrupt, when somebody else wrote to the file."""
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=list[Pin])
        except FileNotFoundError:
            return []
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Corrupt(f"{self._file} is not a list of pins: {error}") from error

    def add(self, pin: Pin) -> bool:
        """False: it was there."""
        return self._change(lambda pins: [*pins, pin] if pin.path not in {one.path for one in pins} else pins)

    def remove(self, path: str) -> bool:
        """False: it was not there."""
        return self._change(lambda pins: [one for one in pins if one.path != path])

    def _change(self, change: Callable[[list[Pin]], list[Pin]]) -> bool:
        try:
            lock = os.open(self._file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except PermissionError as error:
            raise AccessDenied(f"{self._file.parent} belongs to another user, who mounted the drive") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = self.read()
            after = change(before)
            if after == before:
                return False
            new = self._file.with_suffix(".new")
            new.write_bytes(msgspec.json.encode(after))
            new.replace(self._file)
        finally:
            os.close(lock)
        return True
