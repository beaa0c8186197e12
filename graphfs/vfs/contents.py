"""Who has which file open: handles, the file each node shares among them, and what is done when they come and go.

The content of one file is in `graphfs.vfs.openfile`, its versions in `graphfs.vfs.commit`. Here is only what concerns
several: sharing, holding, caching across opens, access times, retries of what could not be committed.
"""

import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable
from itertools import count
from pathlib import Path
from threading import Lock

from msgspec import Struct, field

from graphfs.api import Drive
from graphfs.errors import DriveError, InvalidArgument, NotPermitted, NotSupported, ReadOnly, Unavailable
from graphfs.model import Caller, Layout, Node
from graphfs.vfs.background import Background
from graphfs.vfs.commit import Committer
from graphfs.vfs.openfile import Desk, OpenFile
from graphfs.vfs.staging import Staging

log = logging.getLogger(__name__)

MEMORY = 256 * 1024
"""Bytes written to a file that wait in memory; more goes to staging files."""
KNOWN = 8192
"""So many files that were closed are remembered with their layout."""
LAYOUT = 64
"""Layouts of more extents are not remembered."""
INTERVAL = 1.0
"""Seconds: what waits in memory longer is staged, and access times are recorded."""
DAY = 24 * 3600 * 10**9

KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 0x01, 0x02, 0x10
"""Modes of fallocate(2)."""


class Handle(Struct, eq=False):
    """An open file as one opener sees it."""

    file: OpenFile
    flags: int
    caller: Caller
    wrote: bool = False
    """Whether closing it makes a version. Opening with O_TRUNC is not enough: a shell closes its copy of the descriptor
    before anything is written."""
    read: bool = False
    """Whether its reading was noted already."""
    created: bool = False
    """Whether it made the file, and nobody was told yet that it stays (`Drive.settle`)."""
    position: int = 0
    """Where its last read ended; the next one probably starts there."""
    known: set[int] = field(default_factory=set)
    """Chunks (by index) that it has read of: their hashes were checked, reading there again does not take long."""


class Away(Struct, frozen=True):
    """What is done about a drive that is elsewhere and may not be reached."""

    now: Callable[[], bool]
    """Whether it has been away for longer than one waits."""
    stage: bool
    """Whether what is closed meanwhile is kept here and sent later; else it fails."""


class Known(Struct, frozen=True):
    """What is remembered of a file that was open: the kernel's pages are of this version."""

    version: int
    layout: Layout | None


class Contents:
    """The open files of one mount. Thread-safe."""

    def __init__(
        self,
        drive: Drive,
        staging: Path,
        *,
        memory: int = MEMORY,
        interval: float = INTERVAL,
        clock: Callable[[], int] = time.time_ns,
        changed: Callable[[int], None] = lambda node: None,
        written: Callable[[int, int, int], None] = lambda node, size, mtime: None,
        make_room: Callable[[], bool] = lambda: False,
        away: Away | None = None,
    ) -> None:
        """`changed` is told of a node whose pages the kernel must forget, `written` of size and time of a file
        that the kernel wrote itself. `make_room`: see `Staging`. `away`: for a
        drive that may be."""
        self._drive = drive
        self._clock = clock
        self._changed, self._written = changed, written
        self._away = away
        self._interval = int(interval * 10**9)
        self._staging = Staging(staging, drive.chunk_size(), make_room)
        self._desk = Desk(drive, self._staging, drive.chunk_size(), drive.inline_limit(), memory, self._filled, clock)
        self._background = Background(self._tick, interval)
        self.committer = Committer(drive, self._background.submit)
        self.files: dict[int, OpenFile] = {}
        """By node id; also those without handles whose content could not be committed yet."""
        self.accessed: dict[int, int] = {}
        """Access times that are not recorded yet, by node."""
        self._handles: dict[int, Handle] = {}
        self._numbers = count(1)
        self._known: OrderedDict[int, Known] = OrderedDict()
        self._lock = Lock()
        self._waiting: set[int] = set()
        """Nodes of which it was said that they wait."""

    # -- opening and closing

    def open(self, node: Node, flags: int, caller: Caller, *, created: bool = False) -> tuple[int, bool]:
        """A handle, and whether what the kernel has cached of the file still holds."""
        file, keep = self._take(node, caller)
        if flags & os.O_TRUNC:
            try:
                file.truncate(0, caller)
            except DriveError:
                self._leave(file)
                raise
            self._background.wake()
        number = next(self._numbers)
        self._handles[number] = Handle(file, flags, caller, created=created)
        return number, keep

    def fix(self, number: int) -> Node:
        """The version that reads of a handle just opened begin with; it may be newer than the one that was opened. What
        another makes from now on is read when the kernel has been told of it. Unavailable."""
        file = self._handles[number].file
        with file.lock:
            if not file.dirty:
                file.refresh()
                file.base()
            return file.node

    def publish(self, handle: Handle) -> None:
        """What was written to the file, by whatever handle, becomes a version now."""
        if handle.file.dirty:
            self._commit_or_keep(handle.file)

    def look_again(self, handle: Handle) -> None:
        """What others made of the file is read from now on, whether the kernel was told or not."""
        file = handle.file
        with file.lock:
            file.stale = True
            file.refresh()

    def handle(self, number: int) -> Handle | None:
        return self._handles.get(number)

    def flush(self, handle: Handle) -> None:
        """A descriptor of it was closed: what it wrote becomes a version."""
        if handle.wrote:
            self._commit_or_keep(handle.file)
            handle.wrote = False
        elif handle.created:
            self._drive.settle()
        handle.created = False

    def _commit_or_keep(self, file: OpenFile) -> None:
        try:
            self._commit(file, durable=False)
        except (Unavailable, ReadOnly) as error:
            if self._away is None or not self._away.stage or not self._kept(file):
                raise
            log.warning("node %d was closed while the server is away, it is sent later: %s", file.node.id, error)

    def _kept(self, file: OpenFile) -> bool:
        """What was closed is on this machine's disk until the drive is back. False: it cannot be."""
        with file.lock:
            if not file.dirty:
                return False
            file.spill()
            if file.staged is None:
                return False
            file.staged.closed()
        self._background.wake()
        return True

    def waiting(self) -> tuple[int, int]:
        """Files with something written that is no version yet, and the bytes of it."""
        files = [file for file in list(self.files.values()) if file.dirty]
        return len(files), sum([file.overlay.dirty_bytes() for file in files])

    def fsync(self, handle: Handle) -> None:
        self._commit(handle.file, durable=True)
        handle.wrote = False

    def release(self, number: int) -> None:
        """The last descriptor is gone. What cannot be committed now is kept, and tried again."""
        handle = self._handles.pop(number, None)
        if handle is not None:
            self._leave(handle.file)

    def _take(self, node: Node, caller: Caller) -> tuple[OpenFile, bool]:
        with self._lock:
            file = self.files.get(node.id)
            known = self._known.get(node.id)
            keep = known is not None and known.version == node.version
            if file is None:
                self._drive.hold(node.id)
                file = OpenFile(self._desk, node, caller)
                if keep and known is not None and known.layout is not None:
                    file.remember(known.layout)
                self.files[node.id] = file
                self._know(node.id, node.version, known.layout if keep and known is not None else None)
            elif file.node.version != node.version:
                file.stale = True
            file.handles += 1
        return file, keep

    def _leave(self, file: OpenFile) -> None:
        with self._lock:
            file.handles -= 1
            if file.handles:
                return
        try:
            if file.dirty and not file.kept:
                self._commit(file, durable=False)
        except DriveError as error:
            log.warning("node %d could not be committed when it was closed; it is tried again: %s", file.node.id, error)
            self._background.wake()
            raise
        finally:
            self._let_go(file)

    def _let_go(self, file: OpenFile) -> None:
        with self._lock:
            if file.handles or file.dirty or self.files.get(file.node.id) is not file:
                return
            del self.files[file.node.id]
            self._waiting.discard(file.node.id)
            self._know(file.node.id, file.node.version, file.layout())
            self._drive.release(file.node.id)

    def _know(self, node: int, version: int, layout: Layout | None) -> None:
        if layout is not None and len(layout.extents) > LAYOUT:
            layout = None
        self._known[node] = Known(version, layout)
        self._known.move_to_end(node)
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)

    def _commit(self, file: OpenFile, *, durable: bool) -> None:
        dirty = file.dirty
        if self.committer.commit(file, durable=durable):
            if dirty:  # else the version may be another's, which the kernel has not heard of
                self._written(file.node.id, file.node.size, file.node.mtime)
        else:
            self._known.pop(file.node.id, None)
            self._changed(file.node.id)

    # -- reading and writing

    def read(self, handle: Handle, offset: int, size: int) -> bytes:
        if not handle.read:
            handle.read = True
            if not handle.flags & os.O_NOATIME:
                self.note_access(handle.file.node)
        found = handle.file.read(offset, size)
        handle.known.add(offset // self._desk.chunk)
        handle.position = offset + len(found)
        return found

    def write(self, handle: Handle, offset: int, data: bytes | memoryview) -> int:
        if not handle.flags & (os.O_WRONLY | os.O_RDWR):
            raise NotPermitted("the file is open for reading only")
        if self._away is not None and not self._away.stage and self._away.now():
            raise ReadOnly("the server is away")
        done = handle.file.write(offset, data, handle.caller, append=bool(handle.flags & os.O_APPEND))
        handle.wrote = True
        if not self._background.awake:
            self._background.wake()
        return done

    def allocate(self, handle: Handle, mode: int, offset: int, length: int) -> None:
        if offset < 0 or length <= 0:
            raise InvalidArgument("an empty or negative range")
        file, end = handle.file, offset + length
        if mode in (0, KEEP_SIZE):
            if mode == 0 and end > file.size:
                with file.lock:
                    file.truncate(max(end, file.size), handle.caller)
        elif mode in (PUNCH_HOLE | KEEP_SIZE, ZERO_RANGE, ZERO_RANGE | KEEP_SIZE):
            file.zero(offset, end, handle.caller, extend=not mode & KEEP_SIZE)
        else:
            raise NotSupported(f"mode {mode:#x} of fallocate")
        handle.wrote = True
        self._background.wake()

    def truncate(self, node: Node, size: int, caller: Caller) -> None:
        """By path: a version of its own, at once."""
        file, _ = self._take(node, caller)
        try:
            file.truncate(size, caller)
            self._commit_or_keep(file)
        finally:
            self._leave(file)

    def written(self) -> None:
        """Something waits for its version now."""
        self._background.wake()

    def note_access(self, node: Node) -> None:
        """By the rule of relatime: once after a change, else once a day."""
        now = self._clock()
        last = self.accessed.get(node.id, node.atime)
        if last <= node.mtime or last <= node.ctime or now - last > DAY:
            self.accessed[node.id] = now
            self._background.wake()

    # -- behind the calls

    def _filled(self, file: OpenFile, index: int) -> None:
        self._background.submit(lambda: self.committer.settle(file, index, durable=True))

    def _tick(self) -> bool:
        """Stages what waits in memory, records access times, tries again what could not be committed."""
        self._record_access()
        again = False
        late = self._clock() - self._interval // 2
        for file in list(self.files.values()):
            if file.dirty:
                again = True
                try:
                    self._look_after(file, late)
                    self._waiting.discard(file.node.id)
                except DriveError as error:
                    if file.node.id not in self._waiting:
                        self._waiting.add(file.node.id)
                        log.warning("node %d waits for its version, it is tried every second: %s", file.node.id, error)
        return again

    def _look_after(self, file: OpenFile, late: int) -> None:
        if not file.handles:
            try:
                self._commit(file, durable=False)
            finally:
                self._let_go(file)
        elif file.staged is None and file.written < late:
            with file.lock:
                if file.dirty and file.staged is None:
                    file.spill()

    def _record_access(self) -> None:
        times = dict(self.accessed)
        if times:
            self._drive.accessed(list(times.items()))
            for node, atime in times.items():
                if self.accessed.get(node) == atime:
                    self.accessed.pop(node, None)

    def abandon(self) -> None:
        """Ends without committing anything."""
        self._background.close()
        for file in list(self.files.values()):
            if file.staged is not None:
                file.staged.close()
        self.files.clear()
        self._handles.clear()
        self._staging.close()

    def close(self) -> None:
        """Everything written is committed and durable on return. What the store does not take is left to a recovery."""
        self._background.close()
        failed: DriveError | None = None
        for file in list(self.files.values()):
            try:
                self._commit(file, durable=False)
            except DriveError as error:
                failed = error
                with file.lock:
                    file.spill()
                    if file.staged is not None:
                        file.staged.close()
        self._handles.clear()
        self._staging.close()
        if failed is None:
            try:
                self._record_access()
                self._drive.sync()
            except DriveError as error:
                failed = error
        if failed is None:
            return
        if self._away is None or not self._away.now():
            raise failed
        log.warning("the server is away: what was not sent is sent by the next mount with this state directory")
