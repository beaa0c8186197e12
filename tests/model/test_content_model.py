"""Whatever is written, cut, punched, closed and crashed: the file beside a plain bytearray.

Every handle sees every write at once; after a crash the file is its last committed version, and what had been staged
over it is in the trash, whole.
"""

import os
import tempfile
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gateway.service import Service
from graphfs.errors import NotFound
from graphfs.model import FILES_ROOT, AttributeChange
from graphfs.vfs.contents import KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE
from graphfs.vfs.filesystem import FileSystem
from graphfs.vfs.recovery import recover
from tests.unit.vfs.mounted import CHUNK, ME, MEMORY, content, small_drive

LIMIT = 5 * CHUNK
SEEK_DATA, SEEK_HOLE = 3, 4

offsets = st.integers(0, LIMIT) | st.sampled_from([0, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 4 * CHUNK])
lengths = st.integers(1, 100) | st.integers(1, 2 * CHUNK) | st.just(CHUNK)
fills = st.integers(1, 255)


class ContentMachine(RuleBasedStateMachine):
    """One file on a drive; `drive`, `staging` and `interval` are set by the test."""

    drive: Service
    staging: Path
    interval: float
    names = count(1)

    def __init__(self) -> None:
        super().__init__()
        self.volume = self.mounted()
        self.handles: list[int] = []
        self.wrote: dict[int, bool] = {}
        self.appends: set[int] = set()
        self.current = bytearray()
        self.committed = b""
        self.since = 0

    def mounted(self) -> FileSystem:
        return FileSystem(self.drive, self.staging, memory=MEMORY, interval=self.interval)

    @initialize()
    def make(self) -> None:
        self.name = f"file{next(self.names)}"
        opened, attributes = self.volume.create(ME, FILES_ROOT, self.name, 0o644, os.O_RDWR)
        self.node = attributes.id
        self.handles.append(opened.handle)
        self.wrote[opened.handle] = False

    def was_committed(self) -> None:
        self.committed = bytes(self.current)
        self.since = 0

    @precondition(lambda self: len(self.handles) < 3)
    @rule(append=st.booleans(), truncate=st.booleans())
    def open(self, append: bool, truncate: bool) -> None:
        flags = os.O_RDWR | (os.O_APPEND if append else 0) | (os.O_TRUNC if truncate else 0)
        handle = self.volume.open(ME, self.node, flags).handle
        self.handles.append(handle)
        self.wrote[handle] = False
        if append:
            self.appends.add(handle)
        if truncate:
            self.current = bytearray()

    @precondition(lambda self: self.handles)
    @rule(pick=st.integers(0, 2), offset=offsets, length=lengths, fill=fills)
    def write(self, pick: int, offset: int, length: int, fill: int) -> None:
        handle = self.handles[pick % len(self.handles)]
        data = bytes([fill]) * length
        assert self.volume.write(handle, offset, data) == length
        if handle in self.appends:
            offset = len(self.current)
        if offset > len(self.current):
            self.current += bytes(offset - len(self.current))
        self.current[offset : offset + length] = data
        self.wrote[handle] = True
        self.since += length

    @precondition(lambda self: self.handles)
    @rule(pick=st.integers(0, 2), chunks=st.integers(1, 3), fill=fills)
    def write_in_a_row(self, pick: int, chunks: int, fill: int) -> None:
        start = len(self.current) // CHUNK * CHUNK
        for number in range(chunks * 4):
            if len(self.current) < 2 * LIMIT:
                self.write(pick, start + number * CHUNK // 4, CHUNK // 4, fill)

    @rule(size=offsets, by_handle=st.booleans(), pick=st.integers(0, 2))
    def truncate(self, size: int, by_handle: bool, pick: int) -> None:
        handle = self.handles[pick % len(self.handles)] if by_handle and self.handles else None
        shown = self.volume.setattr(ME, self.node, AttributeChange(), size, handle)
        assert shown.size == size
        self.current = self.current[:size].ljust(size, b"\0")
        if handle is None:
            self.was_committed()
        else:
            self.wrote[handle] = True

    @precondition(lambda self: self.handles)
    @rule(
        pick=st.integers(0, 2),
        offset=offsets,
        length=lengths,
        mode=st.sampled_from([0, KEEP_SIZE, PUNCH_HOLE | KEEP_SIZE, ZERO_RANGE, ZERO_RANGE | KEEP_SIZE]),
    )
    def allocate(self, pick: int, offset: int, length: int, mode: int) -> None:
        handle = self.handles[pick % len(self.handles)]
        self.volume.allocate(handle, mode, offset, length)
        self.wrote[handle] = True
        end = offset + length
        if not mode & KEEP_SIZE and end > len(self.current):
            self.current += bytes(end - len(self.current))
        if mode & (PUNCH_HOLE | ZERO_RANGE):
            end = min(end, len(self.current))
            self.current[offset:end] = bytes(max(end - offset, 0))

    @precondition(lambda self: self.handles)
    @rule(pick=st.integers(0, 2), offset=offsets, length=lengths)
    def read(self, pick: int, offset: int, length: int) -> None:
        found = self.volume.read(self.handles[pick % len(self.handles)], offset, length)
        assert found == self.current[offset : offset + length]

    @precondition(lambda self: self.handles)
    @rule()
    def data_and_holes(self) -> None:
        """Where a hole is said to be are zeros, and the walk covers the file."""
        handle, position, size = self.handles[0], 0, len(self.current)
        while position < size:
            hole = self.volume.seek(handle, position, SEEK_HOLE)
            assert position <= hole <= size
            if hole == size:
                break
            try:
                data = self.volume.seek(handle, hole, SEEK_DATA)
            except NotFound:
                data = size
            assert hole < data <= size
            assert not any(self.current[hole:data])
            position = data

    @precondition(lambda self: self.handles)
    @rule(pick=st.integers(0, 2))
    def flush(self, pick: int) -> None:
        handle = self.handles[pick % len(self.handles)]
        self.volume.flush(handle)
        if self.wrote[handle]:
            self.was_committed()
            self.wrote[handle] = False

    @precondition(lambda self: self.handles)
    @rule(pick=st.integers(0, 2))
    def fsync(self, pick: int) -> None:
        handle = self.handles[pick % len(self.handles)]
        self.volume.fsync(handle, False)
        self.was_committed()
        self.wrote[handle] = False
        assert content(self.drive, self.node) == self.current

    @precondition(lambda self: self.handles)
    @rule(pick=st.integers(0, 2))
    def close(self, pick: int) -> None:
        self.flush(pick)
        handle = self.handles.pop(pick % len(self.handles))
        self.volume.release(handle)
        if not self.handles:
            self.was_committed()
            assert content(self.drive, self.node) == self.current

    @rule()
    def crash(self) -> None:
        before = bytes(self.current)
        self.volume.abandon()
        items = recover(self.drive, self.staging)
        assert not list(self.staging.iterdir())
        assert content(self.drive, self.node) == self.committed
        if items:
            (item,) = items
            trashed = next(one for one in self.drive.trash(ME) if one.id == item)
            assert trashed.why == "recovered"
            assert trashed.path == f"files/{self.name}"
            assert content(self.drive, trashed.node.id) == before
        else:
            assert self.since <= MEMORY or before == self.committed
        self.current = bytearray(self.committed)
        self.since = 0
        self.handles.clear()
        self.wrote.clear()
        self.appends.clear()
        self.volume = self.mounted()

    @invariant()
    def size_is_right(self) -> None:
        if hasattr(self, "node"):
            assert self.volume.getattr(ME, self.node).size == len(self.current)

    def teardown(self) -> None:
        if hasattr(self, "node"):
            self.volume.close()
            assert content(self.drive, self.node) == self.current
            assert not list(self.staging.iterdir())


@pytest.mark.allows_log("never closed are in the trash")
@pytest.mark.parametrize("interval", [3600.0, 0.002], ids=["at rest", "with the background busy"])
def test_content_obeys_the_model(interval: float) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        drive = small_drive(folder / "state")
        stack.callback(drive.close)
        machine = type(
            "Machine", (ContentMachine,), {"drive": drive, "staging": folder / "staging", "interval": interval}
        )
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=60,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
