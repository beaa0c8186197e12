"""Following a folder: watchdog says where to look, the manifest says what is new there, and only settled files are
taken.

Events are hints. What is done is decided by comparing the folder with the manifest, at the start, where an event
points, and now and
then everywhere, so a lost event costs time and no change.
"""

import contextlib
import errno
import fcntl
import fnmatch
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISREG

from msgspec import Struct
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from graphfs.errors import DriveError
from tagger.inbox.birth import born
from tagger.inbox.changes import Change, Move, Put, changes
from tagger.inbox.destination import Destination
from tagger.inbox.manifest import Manifest, Stamp

_log = logging.getLogger(__name__)


class Settings(Struct, frozen=True):
    """How a folder is followed."""

    settle_seconds: float = 2.0
    """A file is taken when it has not changed for so long and nobody has it open for writing."""
    rescan_seconds: float = 600.0
    """The whole folder is compared so often, whatever was heard."""
    retry_seconds: float = 5.0
    """What the destination refused is tried again after so long."""
    ignore: tuple[str, ...] = (
        ".*.sw?",
        "*~",
        ".~lock.*#",
        "~$*",
        "*.part",
        "*.crdownload",
        "*.tmp",
        ".DS_Store",
        "Thumbs.db",
        "desktop.ini",
    )


class Inbox:
    """Imports one folder. `run` works on the caller's thread; `status` may be asked from any."""

    def __init__(
        self, folder: Path, destination: Destination, manifest: Manifest, settings: Settings | None = None
    ) -> None:
        self._folder = Path(os.path.realpath(folder))
        self._destination, self._manifest = destination, manifest
        self._settings = settings or Settings()
        self._condition = threading.Condition()
        self._touched: set[str] = set()
        self._whole = True
        self._first_look = True
        self._waiting: dict[str, tuple[Stamp | None, float]] = {}
        self.imported = self.moved = self.removed = 0
        self.failed: dict[str, str] = {}
        """Paths that could not be taken yet, with the reason."""

    def run(self, stop: threading.Event) -> None:
        """Imports what is there, then follows, until `stop`. NotADirectoryError when there is no such folder."""
        if not self._folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "not a folder", str(self._folder))
        observer = Observer()
        observer.schedule(_Listener(self), str(self._folder), recursive=True)
        observer.start()  # before the first look, so nothing falls between
        threading.Thread(target=self._wake_at_end, args=(stop,), name="inbox-stop", daemon=True).start()
        scanned = 0.0
        try:
            while not stop.is_set():
                if self._whole or time.monotonic() - scanned > self._settings.rescan_seconds:
                    self._whole, scanned = False, time.monotonic()
                    self._look(None)
                with self._condition:
                    touched, self._touched = self._touched, set()
                due = self._due()
                if touched or due:
                    self._look(touched | due)
                with self._condition:
                    if not self._touched and not self._whole and not stop.is_set():
                        self._condition.wait(self._pause())
        finally:
            observer.stop()
            observer.join()

    def once(self) -> None:
        """Imports what is there and settled now, without following."""
        self._look(None)

    @property
    def pending(self) -> int:
        """How many paths wait to settle or to be tried again."""
        return len(self._waiting)

    def touch(self, path: str, *, folder: bool) -> None:
        """Hears that something happened at an absolute path. From any thread."""
        try:
            relative = os.path.relpath(path, self._folder)
        except ValueError:
            return
        with self._condition:
            if relative == "." or relative.startswith(".."):
                self._whole = True
            else:
                self._touched.add(relative + "/" if folder else relative)
            self._condition.notify_all()

    def _wake_at_end(self, stop: threading.Event) -> None:
        stop.wait()
        with self._condition:
            self._condition.notify_all()

    def _due(self) -> set[str]:
        now = time.monotonic()
        return {path for path, (_, at) in self._waiting.items() if at <= now}

    def _pause(self) -> float:
        if not self._waiting:
            return self._settings.rescan_seconds
        return max(0.02, min(at for _, at in self._waiting.values()) - time.monotonic())

    def _look(self, touched: set[str] | None) -> None:
        """Compares the folder (or where it was touched) with the manifest and does what is due."""
        known = self._manifest.entries
        if touched is None:
            there = dict(self._walk(""))
            before = dict(known)
        else:
            there, before = {}, {}
            for path in touched:
                if path.endswith("/"):
                    there.update(self._walk(path[:-1]))
                    before.update({one: stamp for one, stamp in known.items() if one.startswith(path)})
                else:
                    if (stamp := self._stamp(path)) is not None:
                        there[path] = stamp
                    if path in known:
                        before[path] = known[path]
            self._add_origins(there, before)
        for path in set(self._waiting) - set(there) - set(before):
            if touched is None or path in touched:
                del self._waiting[path]
        for change in changes(before, there):
            self._do(change, there.get(change.path))
        for path in touched or ():
            if path.endswith("/"):  # its files may have gone, and settled, before it did
                with contextlib.suppress(OSError, DriveError):
                    self._clear(path)
        self._first_look = False

    def _add_origins(self, there: dict[str, Stamp], before: dict[str, Stamp]) -> None:
        """A file that came may be one that went elsewhere: its old place is looked at too."""
        wanted = {stamp.identity for path, stamp in there.items() if path not in before}
        if not wanted:
            return
        for path, stamp in self._manifest.entries.items():
            if stamp.identity in wanted and path not in before:
                before[path] = stamp
                if (now := self._stamp(path)) is not None:
                    there[path] = now

    def _do(self, change: Change, stamp: Stamp | None) -> None:
        if not self._is_settled(change, stamp):
            return
        try:
            self._carry_out(change, stamp)
        except FileNotFoundError:
            self._waiting[change.path] = (None, time.monotonic() + self._settings.settle_seconds)
        except (OSError, DriveError) as error:
            if change.path not in self.failed:
                _log.info("%r is tried again: %s", change.path, error)
            self.failed[change.path] = str(error)
            self._waiting[change.path] = (stamp, time.monotonic() + self._settings.retry_seconds)
        else:
            self._waiting.pop(change.path, None)
            self.failed.pop(change.path, None)

    def _carry_out(self, change: Change, stamp: Stamp | None) -> None:
        """First the destination, then the manifest: after a crash between them it is done once more."""
        if isinstance(change, Put) and stamp is not None:
            self._destination.put(self._folder / change.path, change.path)
            self._manifest.set(change.path, stamp)
            self.imported += 1
        elif isinstance(change, Move) and stamp is not None:
            old = self._manifest.entries.get(change.old)
            if self._destination.move(change.old, change.path) and old is not None:
                self._manifest.set(change.path, old)
                self.moved += 1
            self._clear(change.old)
            self._manifest.forget(change.old)
            self._waiting.pop(change.old, None)
            if self._manifest.entries.get(change.path) != stamp:
                self.touch(str(self._folder / change.path), folder=False)
        elif stamp is None:
            self._destination.remove(change.path)
            self._clear(change.path)
            self._manifest.forget(change.path)
            self.removed += 1

    def _clear(self, path: str) -> None:
        """What held a file that went elsewhere goes after it, when it is gone here and empty there."""
        folder = os.path.dirname(path)
        while folder and not os.path.lexists(self._folder / folder) and self._destination.clear(folder):
            folder = os.path.dirname(folder)

    def _is_settled(self, change: Change, stamp: Stamp | None) -> bool:
        """Whether it has been like this for long enough; if not, when to look again is noted.

        What was found at the start and is old has settled long ago. A move must rest like anything else: an editor may
        have put the file aside to save a new one under its name.
        """
        now = time.monotonic()
        first = change.path not in self._waiting
        seen, at = self._waiting.get(change.path, (None, 0.0))
        age = time.time() - stamp.mtime_ns / 1e9 if stamp is not None else 0.0
        old = age > self._settings.settle_seconds and (self._first_look or isinstance(change, Put))
        if (first and not old) or (not first and seen != stamp):
            self._waiting[change.path] = (stamp, now + self._settings.settle_seconds)
            return False
        if not first and at > now:
            return False
        if stamp is not None and is_being_written(self._folder / change.path):
            self._waiting[change.path] = (stamp, now + self._settings.settle_seconds)
            return False
        return True

    def _walk(self, below: str) -> Iterator[tuple[str, Stamp]]:
        """Regular files below a folder with their stamps. Links are not followed, ignored names are left out."""
        for root, folders, files in os.walk(os.path.join(self._folder, below)):
            folders[:] = [name for name in folders if not self._is_ignored(name)]
            for name in files:
                path = os.path.relpath(os.path.join(root, name), self._folder)
                if (stamp := self._stamp(path)) is not None:
                    yield path, stamp

    def _stamp(self, path: str) -> Stamp | None:
        if any(self._is_ignored(part) for part in path.split("/")):
            return None
        whole = os.path.join(self._folder, path)
        try:
            status = os.lstat(whole)
        except OSError:
            return None
        return Stamp.of(status, born(whole)) if S_ISREG(status.st_mode) else None

    def _is_ignored(self, name: str) -> bool:
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self._settings.ignore)


class _Listener(FileSystemEventHandler):
    """Passes on where something happened."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type in {"opened", "closed_no_write"}:
            return
        for path in (event.src_path, event.dest_path):
            if path:
                self._inbox.touch(os.fsdecode(path), folder=event.is_directory)


def is_being_written(path: Path) -> bool:
    """Whether another process has the file open for writing. Asked by a read lease, which the kernel refuses then;
    where leases are not to be
    had (another owner, some file systems) the answer is False."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # a writer that comes at this moment makes the kernel signal us: by one that nobody dies of
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        with contextlib.suppress(OSError):
            fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    finally:
        os.close(fd)
    return False
