"""A regular file that is open: its last version, what was written over it, and how all its handles see both.

One for each node, shared by its handles. Reading, writing, cutting and punching are here; how it becomes a version is
in `graphfs.vfs.commit`, who opens and closes it in `graphfs.vfs.contents`.
"""

import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import attrgetter
from threading import Condition, RLock

from msgspec import Struct

from graphfs.api import Drive
from graphfs.errors import Conflict, Corrupt, InvalidArgument, NotFound, TooLarge, Unavailable
from graphfs.layout import slice_layout
from graphfs.model import Caller, Layout, Node
from graphfs.vfs.overlay import HOLE, STAGED, Frozen, Overlay, Piece, Run, Source, Staged, Stored
from graphfs.vfs.staging import Record, StagedFile, Staging

_OFFSET = attrgetter("offset")
_CHASES = 100
"""How often a layout is asked for that belongs to the record, while somebody makes version after version."""
LARGEST = 2**63 - 1
"""Sizes are what an off_t holds."""

Part = bytes | tuple[int, int, bytes]
"""What a read is made of: bytes that are there, or length, start and digest of a blob that has them."""


class Desk(Struct, frozen=True):
    """What all open files work with."""

    drive: Drive
    staging: Staging
    chunk: int
    inline: int
    memory: int
    """Bytes of a file that wait in memory before they go to staging files."""
    filled: Callable[["OpenFile", int], None]
    """Told when a chunk (by index) has been staged whole."""
    clock: Callable[[], int] = time.time_ns


class OpenFile:
    """Thread-safe. `lock` guards everything; who makes a version of it holds `turn`."""

    __slots__ = (
        "_base",
        "_desk",
        "appended",
        "caller",
        "committing",
        "finishing",
        "given",
        "giving",
        "handles",
        "lock",
        "memory",
        "mtime",
        "node",
        "overlay",
        "settled",
        "size",
        "staged",
        "stale",
        "turn",
        "written",
    )

    def __init__(self, desk: Desk, node: Node, caller: Caller) -> None:
        self._desk = desk
        self.node = node
        """As of the version that the overlay lies on."""
        self._base: Layout | None = Layout(node.version, 0, ()) if node.size == 0 else None
        self.caller = caller
        """Who wrote last: in whose name it is committed."""
        self.handles = 0
        self.committing = False
        """Whether a version of it is being made just now: who needs the lock may wait a little."""
        self.lock = RLock()
        self.turn = RLock()
        self.giving: set[int] = set()
        """Chunks (by index) that a thread gives the store just now: no version is made until none is left."""
        self.settled = Condition(self.lock)
        """Told when one of them is done with."""
        self.finishing = False
        """A version is about to be made: chunks that fill up meanwhile are not given before."""
        self.overlay = Overlay()
        self.size = node.size
        self.mtime: int | None = None
        """Of what was written or set since the version; None: nothing was."""
        self.appended = False
        """Whether all that was written since the version was appended (O_APPEND)."""
        self.memory = 0
        self.staged: StagedFile | None = None
        self.given: dict[Stored, Frozen] = {}
        """Where what was given to the store before the commit is still staged: until then the store owes nothing."""
        self.stale = False
        """Somebody else made a version: look again before the next use, unless something was written."""
        self.written = 0
        """When it was last written, by the clock: what waits in memory too long is staged."""

    @property
    def dirty(self) -> bool:
        return self.mtime is not None

    @property
    def kept(self) -> bool:
        """Whether all that was written waits here, closed, for a drive that is away."""
        return self.dirty and self.staged is not None and self.staged.marked

    @contextmanager
    def closed_to_settling(self) -> Iterator[None]:
        """Nothing of it is on its way to the store within: waits for what is, and lets nothing begin, so that who
        writes without a pause keeps no fsync waiting. Under the lock."""
        self.finishing = True
        try:
            self.settled.wait_for(lambda: not self.giving)
            yield
        finally:
            self.finishing = False

    # -- reading

    def read(self, offset: int, size: int) -> bytes:
        """Fewer bytes at the end of the file. Corrupt: what is stored is not what was written."""
        for attempt in (1, 2):
            with self.lock:
                if self.stale:
                    self.refresh()
                if not self.dirty:
                    self.base()  # which may be another version by now, with another end
                end = min(offset + size, self.size)
                if offset >= end:
                    return b""
                parts = self._parts(offset, end)
            if len(parts) == 1 and isinstance(parts[0], bytes):
                return parts[0]
            try:
                return b"".join([part if isinstance(part, bytes) else self._fetched(part) for part in parts])
            except NotFound as error:
                if attempt == 2:
                    raise Corrupt(f"content of node {self.node.id} is missing in the store") from error
                # The store may have compacted this version into other blobs, or this is a version of yesterday.
                with self.lock:
                    self._base = None
        raise AssertionError("unreachable")

    def _parts(self, offset: int, end: int) -> list[Part]:
        if not self.overlay:
            return self._base_parts(offset, end)
        parts: list[Part] = []
        for low, high, source in self.overlay.cover(offset, end):
            if source is None:
                parts += self._base_parts(low, high)
            elif isinstance(source, Stored):
                parts.append((high - low, low - source.origin, source.digest))
            else:
                parts.append(self.waiting(low, high, source))
        return parts

    def _base_parts(self, offset: int, end: int) -> list[Part]:
        base = self.base()
        index = bisect_right(base.extents, offset, key=_OFFSET) - 1
        if index >= 0:
            extent = base.extents[index]
            if end <= extent.offset + extent.length:  # all in one blob, by far the most frequent
                return [(end - offset, extent.start + offset - extent.offset, extent.digest)]
        parts: list[Part] = []
        position = offset
        for extent in slice_layout(base, offset, end - offset):
            if extent.offset > position:
                parts.append(bytes(extent.offset - position))
            parts.append((extent.length, extent.start, extent.digest))
            position = extent.offset + extent.length
        if position < end:
            parts.append(bytes(end - position))
        return parts

    def _fetched(self, part: tuple[int, int, bytes]) -> bytes:
        length, start, digest = part
        found = self._desk.drive.read_blob(digest, start, length)
        if len(found) != length:
            raise Corrupt(f"a blob of node {self.node.id} is shorter than its record says")
        return found

    def waiting(self, low: int, high: int, source: Source) -> bytes:
        """Bytes that are not in the store yet. Under the lock."""
        if isinstance(source, Piece):
            return bytes(source.data[low - source.origin : high - source.origin])
        if isinstance(source, Staged):
            assert self.staged is not None
            return self.staged.read(low, high)
        if isinstance(source, Frozen):
            return self._desk.staging.descriptors.read(source.path, low - source.origin, high - low)
        assert not isinstance(source, Stored)
        return bytes(high - low)

    def base(self) -> Layout:
        """The layout of the version below the overlay. Under the lock."""
        if self._base is None:
            drive, caller, node = self._desk.drive, self.caller, self.node.id
            layout = drive.layout(caller, node)
            for _ in range(_CHASES):
                if layout.version == self.node.version:
                    break
                if self.dirty:  # never a mix of two versions
                    raise Conflict(f"node {node} was changed by somebody else while it is being written")
                self.rebase(drive.node(caller, node))
                if layout.version != self.node.version:
                    layout = drive.layout(caller, node)
            else:
                raise Unavailable(f"node {node} is changed faster than it can be read")
            self._base = layout
        return self._base

    def layout(self) -> Layout | None:
        """The same as far as it is known: without asking."""
        return self._base

    def remember(self, layout: Layout) -> None:
        """What was known of this version before it was opened."""
        self._base = layout

    def refresh(self) -> None:
        """Takes up a version that somebody else made. Under the lock."""
        if self.stale and not self.dirty:
            self.stale = False  # before it is asked: what is made from now on is looked at again
            try:
                self.rebase(self._desk.drive.node(self.caller, self.node.id))
            except BaseException:
                self.stale = True
                raise

    def rebase(self, node: Node, base: Layout | None = None) -> None:
        """Nothing is written over this version yet. Under the lock."""
        if base is None and (self._base is None or node.version != self.node.version):
            self._base = None
        else:
            self._base = base or self._base
        self.node = node
        self.size = node.size
        self.mtime = None
        self.memory = 0
        self.given.clear()
        self.overlay.clear()

    # -- writing

    def write(self, offset: int, data: bytes | memoryview, caller: Caller, *, append: bool = False) -> int:
        """All of it or nothing. NoSpace, TooLarge."""
        with self.lock:
            self._prepare(caller)
            if append:
                offset = self.size
            appended = append and (self.appended or not self.dirty)
            end = offset + len(data)
            if end > LARGEST or offset < 0:
                raise TooLarge("a file cannot be longer than 2**63 - 1 bytes")
            if not data:
                return 0
            if self.staged is None and self.memory + len(data) > self._desk.memory:
                self.spill()
            if self.staged is None:
                self._remember(offset, end, data)
            else:
                self.staged.write(offset, data)
                if offset > self.size:
                    self._zeros(self.size, offset)
                self.overlay.put(offset, end, STAGED)
            if end > self.size:
                self.size = end
            self.touch()
            self.appended = appended
            if self.staged is not None and end // self._desk.chunk > offset // self._desk.chunk:
                self._tell_filled(offset // self._desk.chunk, end // self._desk.chunk)
        return len(data)

    def truncate(self, size: int, caller: Caller) -> None:
        with self.lock:
            if size > LARGEST or size < 0:
                raise TooLarge("a file cannot be longer than 2**63 - 1 bytes")
            if size == 0 and not self.dirty:  # nothing of the version will be seen again: do not even ask for it
                self.refresh()
                self._base = Layout(self.node.version, self.node.size, ())
                self.caller = caller
            else:
                self._prepare(caller)
            if size < self.size:
                self.overlay.cut(size)
            elif size > self.size:
                self._zeros(self.size, size)
            self.size = size
            self.appended = False
            if self.staged is not None:
                self.staged.size(size)
            self.touch()

    def zero(self, start: int, end: int, caller: Caller, *, extend: bool) -> None:
        """Zeros that take no room. Beyond the end of the file only with `extend`."""
        with self.lock:
            self._prepare(caller)
            if start < 0 or end <= start:
                raise InvalidArgument("an empty or negative range")
            if end > LARGEST:
                raise TooLarge("a file cannot be longer than 2**63 - 1 bytes")
            if extend and end > self.size:
                self.truncate(end, caller)
            self._hole(start, min(end, self.size))
            self.appended = False
            self.touch()

    def touch(self, mtime: int | None = None) -> None:
        """It was changed (now, or as of `mtime`). Under the lock."""
        self.written = self._desk.clock()
        self.mtime = self.written if mtime is None else mtime

    def _prepare(self, caller: Caller) -> None:
        self.refresh()
        self.base()  # before the first change: later it might be another version's
        self.caller = caller

    def _remember(self, offset: int, end: int, data: bytes | memoryview) -> None:
        if offset > self.size:
            self._zeros(self.size, offset)
        before = self.overlay.before(offset) if self.overlay else None
        if isinstance(before, Piece) and offset - before.origin <= len(before.data):
            if isinstance(before.data, bytes):
                before.data = bytearray(before.data)
            before.data[offset - before.origin : end - before.origin] = data
            self.overlay.put(offset, end, before)
        else:
            self.overlay.put(offset, end, Piece(offset, bytes(data)))
        self.memory += len(data)

    def _zeros(self, start: int, end: int) -> None:
        """The gap that comes to be when the file grows: what the version had there must not come back."""
        self._hole(start, min(end, self.node.size))

    def _hole(self, start: int, end: int) -> None:
        if start < end:
            self.overlay.put(start, end, HOLE)
            if self.staged is not None:
                self.staged.hole(start, end)

    def spill(self) -> None:
        """From memory to staging files. NoSpace: everything is where it was. Under the lock."""
        if self.staged is not None:
            return
        desk, node = self._desk, self.node
        record = Record(node.id, self._path(), node.uid, node.gid, desk.chunk, self.base())
        staged = desk.staging.stage(record)
        runs: list[Run] = list(self.overlay)
        try:
            staged.size(self.size)
            for start, end, source in runs:
                if isinstance(source, Piece):
                    staged.write(start, memoryview(source.data)[start - source.origin : end - source.origin])
                else:
                    staged.hole(start, end)
        except BaseException:
            staged.drop()
            raise
        for start, end, source in runs:
            if isinstance(source, Piece):
                self.overlay.put(start, end, STAGED)
        self.staged = staged
        self.memory = 0

    def _path(self) -> str:
        """Its name, for people; '' while the drive is away."""
        try:
            return self._desk.drive.path(self.caller, self.node.id)
        except Unavailable:
            return ""

    def _tell_filled(self, first: int, last: int) -> None:
        chunk = self._desk.chunk
        for index in range(first, last):
            runs = self.overlay.within(index * chunk, (index + 1) * chunk)
            if len(runs) == 1 and runs[0] == (index * chunk, (index + 1) * chunk, STAGED):
                self._desk.filled(self, index)

    # -- where data is

    def seek(self, offset: int, *, data: bool) -> int | None:
        """The first byte from `offset` on that is data (or a hole; the end of the file is one). None: there is none."""
        with self.lock:
            self.refresh()
            if offset < 0 or offset >= self.size:
                return None
            for low, _, is_data in self._texture(offset):
                if is_data == data:
                    return low
            return None if data else self.size

    def _texture(self, offset: int) -> list[tuple[int, int, bool]]:
        found: list[tuple[int, int, bool]] = []
        for low, high, source in self.overlay.cover(offset, self.size):
            if source is not None:
                found.append((low, high, source is not HOLE))
                continue
            position = low
            for extent in slice_layout(self.base(), low, high - low):
                if extent.offset > position:
                    found.append((position, extent.offset, False))
                position = extent.offset + extent.length
                found.append((extent.offset, position, True))
            if position < high:
                found.append((position, high, False))
        return found

    def stored(self) -> int:
        """Bytes that take room, as far as can be told now."""
        return min(self.node.stored + self.overlay.dirty_bytes(), self.size) if self.overlay else self.node.stored
