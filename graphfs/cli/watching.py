"""`watch`: an ordinary folder that is followed into the drive. The engine is `tagger.inbox`; here is where it puts
things, and what the command says of it."""

import contextlib
import fcntl
import hashlib
import os
import signal
import threading
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from graphfs.api import Drive
from graphfs.cli.drives import Place, mount_around, opened
from graphfs.cli.exits import NO, OK
from graphfs.cli.importing import describe, destination, labels_of
from graphfs.cli.intake import Done, Intake
from graphfs.cli.screen import Screen, count_text, json_text
from graphfs.errors import Busy, Conflict, DriveError, InvalidArgument, NotAFolder, NotEmpty, NotFound
from graphfs.model import FILES_ROOT, Caller
from tagger.inbox import Inbox, Manifest, Settings

_BELIEVED = 2.0
"""Seconds for which a folder of the drive is thought to be as it was seen."""
_ONCE_PAUSE = 0.2


def run(arguments: Namespace, screen: Screen) -> int:
    """Follows until a signal asks to stop; with --once brings it up to date. NO when something could not be taken."""
    folder = os.path.realpath(os.path.expanduser(arguments.folder))
    if not os.path.isdir(folder):
        if os.path.exists(folder):
            raise NotAFolder(f"{arguments.folder} is no folder")
        raise NotFound(f"there is no folder {arguments.folder}")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with opened(arguments, [arguments.to] if arguments.to else ()) as place:
        around = mount_around(folder)
        if around is not None and around.path == place.root:
            raise InvalidArgument(f"{arguments.folder} is on the drive already")
        below = destination(place, arguments.to) if arguments.to else os.path.basename(folder)
        with _manifest(_memory(arguments, place), folder, below) as manifest:
            inbox = Inbox(
                Path(folder),
                DriveFolder(place.drive, place.caller, below, screen),
                manifest,
                Settings(settle_seconds=arguments.settle),
            )
            screen.note(f"{folder} goes to files/{below}" + ("" if arguments.once else "; Ctrl-C ends it"))
            if arguments.once:
                _once(inbox, stop)
            else:
                inbox.run(stop)
    left = f", {count_text(len(inbox.failed), 'file')} left out" if inbox.failed else ""
    screen.note(f"{inbox.imported:,} imported, {inbox.moved:,} moved, {inbox.removed:,} removed{left}")
    for path, reason in inbox.failed.items():
        screen.warning(f"{screen.name(path)}: {reason}")
    return NO if inbox.failed else OK


def _once(inbox: Inbox, stop: threading.Event) -> None:
    """Until nothing waits to settle; what the drive refuses is not waited for."""
    inbox.once()
    while inbox.pending > len(inbox.failed) and not stop.wait(_ONCE_PAUSE):
        inbox.once()


def _memory(arguments: Namespace, place: Place) -> Path:
    """The folder that remembers what was imported: in the drive's state directory, or with a server in the user's."""
    if place.record is not None:
        return Path(place.record.state) / "watch"
    if arguments.state:
        return Path(arguments.state).expanduser().absolute() / "watch"
    home = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    server = hashlib.sha256(str(arguments.server).encode()).hexdigest()[:16]
    return Path(home) / "graphfs" / "watch" / server


@contextlib.contextmanager
def _manifest(memory: Path, folder: str, below: str) -> Iterator[Manifest]:
    """What is known of this folder at this place. Busy when another process follows it."""
    memory.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = hashlib.sha256(os.fsencode(f"{folder}\0{below}")).hexdigest()[:32]
    with (memory / f"{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"another process follows {folder} already") from None
        manifest = Manifest(memory / f"{name}.jsonl")
        try:
            yield manifest
        finally:
            manifest.close()


class DriveFolder:
    """A `tagger.inbox.Destination`: a folder below `files/`, written through the drive's boundary."""

    def __init__(self, drive: Drive, caller: Caller, below: str, screen: Screen) -> None:
        self._drive = drive
        self._caller = caller
        self._below = below
        self._screen = screen
        self._intake = Intake(drive, caller, replace=True)
        self._seen = time.monotonic()

    def _path(self, path: str) -> str:
        if time.monotonic() - self._seen > _BELIEVED:
            self._intake.forget()
            self._seen = time.monotonic()
        return f"{self._below}/{path}" if self._below else path

    def put(self, source: Path, path: str) -> None:
        """See `Destination.put`. Tags that other programs gave to the source come with it."""
        name = os.fspath(source)
        try:
            tags, _ = labels_of(name)
            done, _ = self._intake.take(self._path(path), describe(name, owner=False), name, tags, lambda _: None)
            if done is Done.DIFFERS:
                raise Conflict("something that is no file has its name on the drive")
        except DriveError:
            self._intake.forget()
            raise
        if done is not Done.SAME:
            self._tell(done, path)

    def move(self, old: str, new: str) -> bool:
        """See `Destination.move`."""
        try:
            source, name = self._place(self._path(old))
            folder, _ = self._intake.folder(os.path.dirname(self._path(new)))
            self._drive.lookup(self._caller, source, name)
        except NotFound:
            self._intake.forget()
            return False
        self._drive.rename(self._caller, source, name, folder, os.path.basename(new))
        self._intake.forget()
        self._tell("moved", new)
        return True

    def remove(self, path: str) -> None:
        """See `Destination.remove`."""
        try:
            folder, name = self._place(self._path(path))
            self._drive.unlink(self._caller, folder, name)
        except NotFound:
            return
        finally:
            self._intake.forget()
        self._tell("removed", path)

    def clear(self, folder: str) -> bool:
        """See `Destination.clear`."""
        try:
            parent, name = self._place(self._path(folder))
            self._drive.rmdir(self._caller, parent, name)
        except (NotFound, NotAFolder, NotEmpty):
            return False
        finally:
            self._intake.forget()
        return True

    def _place(self, path: str) -> tuple[int, str]:
        """The folder and the name of a path, making nothing. NotFound."""
        *folders, name = path.split("/")
        node = FILES_ROOT
        for one in folders:
            node = self._drive.lookup(self._caller, node, one).id
        return node, name

    def _tell(self, what: str, path: str) -> None:
        if self._screen.as_json:
            self._screen.raw(json_text({"done": what, "path": path}) + "\n")
        elif not self._screen.quiet:
            self._screen.line(f"{what}\t{self._screen.name(path)}")
        self._screen.flush()
