"""What was imported, kept on disk: for each path what the file was like then. A restart compares it with the folder
and misses nothing.

A log of lines, appended after each change that the destination took; a line cut off by a crash is ignored, so a
change is at worst done twice.
"""

import json
import os
from pathlib import Path
from typing import IO, NamedTuple


class Stamp(NamedTuple):
    """What a file was like: equal stamps mean the same file with the same content."""

    mtime_ns: int
    size: int
    inode: int
    device: int
    born: int = 0
    """When it was made, in nanoseconds: a new file may have the inode number of one that is gone. 0: not known."""

    @classmethod
    def of(cls, status: os.stat_result, born: int) -> "Stamp":
        """The stamp in a stat result."""
        return cls(status.st_mtime_ns, status.st_size, status.st_ino, status.st_dev, born)

    @property
    def identity(self) -> tuple[int, int, int]:
        """Names the file whatever its path is."""
        return self.device, self.inode, self.born


class Manifest:
    """The entries in memory, the log on disk. For one process at a time."""

    def __init__(self, file: Path) -> None:
        self.entries: dict[str, Stamp] = {}
        self._file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        self._read()
        self._log: IO[str] = self._rewrite()

    def _read(self) -> None:
        try:
            text = self._file.read_text("ascii")
        except (FileNotFoundError, UnicodeDecodeError):
            return
        for line in text.splitlines():
            try:
                path, stamp = json.loads(line)
                if stamp is None:
                    self.entries.pop(path, None)
                else:
                    self.entries[path] = Stamp(*map(int, stamp))
            except (ValueError, TypeError):
                continue

    def _rewrite(self) -> IO[str]:
        """The log without what is overtaken; names of any bytes are escaped, so it is ASCII."""
        beside = self._file.with_name(f"{self._file.name}.new")
        with beside.open("w", encoding="ascii") as file:
            file.writelines(f"{json.dumps([path, stamp])}\n" for path, stamp in self.entries.items())
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._file)
        return self._file.open("a", encoding="ascii")

    def set(self, path: str, stamp: Stamp) -> None:
        """Remembers that this was imported."""
        self.entries[path] = stamp
        self._append(path, stamp)

    def forget(self, path: str) -> None:
        """Remembers that this is no longer there."""
        if self.entries.pop(path, None) is not None:
            self._append(path, None)

    def _append(self, path: str, stamp: Stamp | None) -> None:
        self._log.write(f"{json.dumps([path, stamp])}\n")
        self._log.flush()

    def close(self) -> None:
        """Closes the log."""
        self._log.close()
