"""Where a followed folder is imported to: the contract, and an ordinary folder that keeps it."""

import errno
import os
import shutil
from pathlib import Path
from typing import Protocol


class Destination(Protocol):
    """Takes files under relative paths with `/` (`str` as os.fsdecode makes them). Called from one thread.

    Errors are OSError (a mounted drive) or `graphfs.errors.DriveError` (a client): the change is then tried again
    later, so every call
    must be safe to repeat.
    """

    def put(self, source: Path, path: str) -> None:
        """Makes the file at `path` have the source's content, mode and times, whole or not at all; missing folders
        are made. A file that is
        there already stays the same file (its tags stay) with new content. FileNotFoundError when the source is
        gone."""
        ...

    def move(self, old: str, new: str) -> bool:
        """Moves a file, which stays the same file with its tags; one at `new` is replaced. False when there is none
        at `old`."""
        ...

    def remove(self, path: str) -> None:
        """Puts a file into the trash. Nothing happens when it is not there."""
        ...

    def clear(self, folder: str) -> bool:
        """Takes an empty folder away. False when there is none at this path, or something is in it."""
        ...


class PlainFolder:
    """A destination in an ordinary folder (a mounted drive's `files/...` is one). Deleted files are removed, or put
    into `trash`.

    Content is written beside the file and renamed over it, which the drive takes as the same file's new content.
    """

    def __init__(self, root: Path, trash: Path | None = None) -> None:
        self._root, self._trash = root, trash

    def put(self, source: Path, path: str) -> None:
        """See `Destination.put`."""
        target = self._root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{os.getpid()}.graphfs-import.tmp")
        try:
            shutil.copyfile(source, beside)
            with beside.open("rb") as file:
                os.fsync(file.fileno())
            shutil.copystat(source, beside)
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)

    def move(self, old: str, new: str) -> bool:
        """See `Destination.move`."""
        target = self._root / new
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            (self._root / old).replace(target)
        except FileNotFoundError:
            return False
        return True

    def remove(self, path: str) -> None:
        """See `Destination.remove`."""
        target = self._root / path
        try:
            if self._trash is None:
                target.unlink()
            else:
                self._trash.mkdir(parents=True, exist_ok=True)
                target.replace(_free(self._trash, target.name))
        except FileNotFoundError:
            return

    def clear(self, folder: str) -> bool:
        """See `Destination.clear`."""
        try:
            (self._root / folder).rmdir()
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENOTEMPTY):
                return False
            raise
        return True


def _free(folder: Path, name: str) -> Path:
    """A name in the folder that is not taken."""
    candidate, number = folder / name, 1
    while candidate.exists():
        number += 1
        candidate = folder / f"{name}.{number}"
    return candidate
