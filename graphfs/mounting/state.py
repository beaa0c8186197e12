"""The state directory of a drive, before it is opened: its folders, and the lock that keeps it to one program."""

import fcntl
import os
from pathlib import Path

from graphfs.errors import AccessDenied, Busy

LOCK = Path("run", "lock")
"""In the state directory."""


def prepare_state(state: Path) -> None:
    """Makes the folders that a mount writes to. AccessDenied."""
    try:
        for folder in (state, state / "run", state / "logs"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise AccessDenied(f"the state directory {state} cannot be made: {error.strerror}") from error


class StateLock:
    """One program uses a state directory at a time: two would write one database and each trust what it remembers.
    The lock lasts as long as the processes that hold it."""

    def __init__(self, state: Path, holder: str) -> None:
        """`holder`: what this process is, for whoever comes next. Busy, with who holds it; AccessDenied."""
        path = state / LOCK
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise AccessDenied(f"{path} cannot be opened: {error.strerror}") from error
        self._holder = holder
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid, _, holder = path.read_text(errors="surrogateescape").strip().partition(" ")
            raise Busy(f"the state directory {state} is in use by process {pid or '?'}: {holder or '?'}") from None
        self.sign()

    def sign(self) -> None:
        """Writes down who holds it: this process."""
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, os.fsencode(f"{os.getpid()} {self._holder}\n"), 0)
