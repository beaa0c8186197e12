"""Open files: what handles share, when a version is made, and that nothing is lost when it cannot be."""

import os
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from threading import Barrier, Event
from typing import Any, cast

import pytest

from gateway.service import Service
from graphfs.api import Drive
from graphfs.errors import InvalidArgument, NoSpace, NotFound, NotPermitted, NotSupported, TooLarge
from graphfs.model import FILES_ROOT, AttributeChange, Caller, Layout, Node, Patch, Replace
from graphfs.vfs.commit import conflict_name
from graphfs.vfs.contents import PUNCH_HOLE
from graphfs.vfs.filesystem import FileSystem
from graphfs.vfs.interface import Cost
from tests.unit.vfs.mounted import (
    CHUNK,
    ELSEWHERE,
    ME,
    MEMORY,
    FullStore,
    close,
    content,
    names,
    node_of,
    write_file,
)

NOTHING = AttributeChange()


def other_client_writes(drive: Service, node: int, data: bytes) -> None:
    """As an upload by HTTP does: straight to the drive."""
    found = drive.node(ELSEWHERE, node)
    digest = sha256(data).digest()
    drive.put_blob(digest, data, durable=False)
    drive.commit(ELSEWHERE, node, found.version, len(data), [Patch(0, len(data), digest)])


def test_every_handle_sees_a_write_at_once(volume: FileSystem, drive: Service) -> None:
    node = write_file(volume, "a", b"old content")
    writer, reader = volume.open(ME, node, os.O_RDWR).handle, volume.open(ME, node, os.O_RDONLY).handle
    volume.write(writer, 4, b"CONTENT and more")
    assert volume.read(reader, 0, 100) == b"old CONTENT and more"
    assert volume.getattr(ME, node).size == 20
    assert volume.lookup(ME, FILES_ROOT, "a").size == 20
    assert content(drive, node) == b"old content"
    close(volume, writer)
    assert content(drive, node) == b"old CONTENT and more"
    assert volume.read(reader, 0, 100) == b"old CONTENT and more"
    close(volume, reader)


def test_a_reader_that_closes_makes_no_version_of_what_another_still_writes(volume: FileSystem, drive: Service) -> None:
    node = write_file(volume, "a", b"whole")
    writer, reader = volume.open(ME, node, os.O_WRONLY | os.O_TRUNC).handle, volume.open(ME, node, os.O_RDONLY).handle
    volume.write(writer, 0, b"ha")
    close(volume, reader)
    assert content(drive, node) == b"whole"
    volume.write(writer, 2, b"lf")
    close(volume, writer)
    assert content(drive, node) == b"half"


def test_a_shell_closing_its_copy_of_a_truncated_file_does_not_empty_it(volume: FileSystem, drive: Service) -> None:
    """`sort f > f2` over an old f2: open with O_TRUNC, dup, close of the first, then the output."""
    node = write_file(volume, "a", b"the old content")
    handle = volume.open(ME, node, os.O_WRONLY | os.O_TRUNC).handle
    volume.flush(handle)
    assert volume.getattr(ME, node).size == 0
    assert content(drive, node) == b"the old content"
    volume.write(handle, 0, b"new")
    close(volume, handle)
    assert content(drive, node) == b"new"


def test_truncating_on_opening_alone_empties_the_file_when_it_is_released(volume: FileSystem, drive: Service) -> None:
    node = write_file(volume, "a", b"content")
    close(volume, volume.open(ME, node, os.O_WRONLY | os.O_TRUNC).handle)
    assert content(drive, node) == b""


def test_appenders_lose_nothing(volume: FileSystem, drive: Service) -> None:
    node = write_file(volume, "log", b"")
    lines = [f"{writer} {line:03}\n".encode() for writer in range(4) for line in range(100)]

    def append(writer: int) -> None:
        handle = volume.open(ME, node, os.O_WRONLY | os.O_APPEND).handle
        for line in lines[writer * 100 : writer * 100 + 100]:
            volume.write(handle, 0, line)
            volume.flush(handle)
        volume.release(handle)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(append, range(4)))
    found = content(drive, node)
    assert sorted(found.splitlines(keepends=True)) == sorted(lines)


def test_reading_and_writing_go_on_while_a_big_file_is_made_durable(volume: FileSystem, drive: Service) -> None:
    opened, attributes = volume.create(ME, FILES_ROOT, "big", 0o644, os.O_RDWR)
    for number in range(40):
        volume.write(opened.handle, number * CHUNK // 2, bytes([number + 1]) * (CHUNK // 2))
    stop = Event()

    def look() -> int:
        seen = 0
        while not stop.is_set():
            for number in range(40):
                part = volume.read(opened.handle, number * CHUNK // 2, CHUNK // 2)
                assert part == bytes([number + 1]) * (CHUNK // 2)
                seen += 1
        return seen

    with ThreadPoolExecutor(2) as pool:
        looking = pool.submit(look)
        for _ in range(5):
            volume.write(opened.handle, 3 * CHUNK, bytes([7]) * (CHUNK // 2))
            volume.fsync(opened.handle, False)
        stop.set()
        assert looking.result() >= 40
    close(volume, opened.handle)
    assert len(content(drive, attributes.id)) == 20 * CHUNK


@pytest.mark.parametrize("length", [10, MEMORY // 2, 2 * CHUNK + 5])
def test_the_memory_of_a_write_is_its_owners_again(volume: FileSystem, drive: Service, length: int) -> None:
    opened, attributes = volume.create(ME, FILES_ROOT, "a", 0o644, os.O_RDWR)
    memory = bytearray(length)
    for number in range(3):
        memory[:] = bytes([number + 1]) * length
        assert volume.write(opened.handle, number * length, memoryview(memory)) == length
    memory[:] = bytes(length)
    assert volume.read(opened.handle, 0, 3 * length) == b"".join(bytes([n]) * length for n in (1, 2, 3))
    close(volume, opened.handle)
    assert content(drive, attributes.id) == b"".join(bytes([n]) * length for n in (1, 2, 3))


class TogetherStore(FullStore):
    """A drive that takes a large blob only while another thread brings one too."""

    def __init__(self, drive: Service) -> None:
        super().__init__(drive)
        self.both = Barrier(2, timeout=30)

    def put_blob(self, digest: bytes, source: Path | bytes, *, durable: bool) -> None:
        self.both.wait()
        super().put_blob(digest, source, durable=durable)


def test_chunks_are_given_to_the_store_by_several_threads(drive: Service, staging: Path) -> None:
    store = TogetherStore(drive)
    volume = FileSystem(store, staging, memory=MEMORY, interval=3600)  # type: ignore[arg-type]  # passes on what it lacks
    opened, attributes = volume.create(ME, FILES_ROOT, "a", 0o644, os.O_RDWR)
    data = os.urandom(4 * CHUNK)
    volume.write(opened.handle, 0, data)
    volume.fsync(opened.handle, False)
    close(volume, opened.handle)
    assert content(drive, attributes.id) == data
    parts = [data[: CHUNK // 2], data[CHUNK // 2 : CHUNK]]
    opened, attributes = volume.create(ME, FILES_ROOT, "b", 0o644, os.O_RDWR)
    for number in range(2):  # chunks that are not whole: none was given while they were written
        volume.write(opened.handle, number * CHUNK, parts[number])
    volume.fsync(opened.handle, False)
    close(volume, opened.handle)
    assert content(drive, attributes.id) == parts[0].ljust(CHUNK, b"\0") + parts[1]
    volume.close()


def test_a_small_change_of_a_big_file_is_a_small_commit(volume: FileSystem, drive: Service) -> None:
    node = write_file(volume, "big", os.urandom(8 * CHUNK))
    before = drive.layout(ME, node)
    handle = volume.open(ME, node, os.O_RDWR).handle
    volume.write(handle, 3 * CHUNK + 5, b"x" * 10)
    volume.fsync(handle, True)
    after = drive.layout(ME, node)
    assert len(set(after.extents) - set(before.extents)) == 3
    assert len(after.extents) == len(before.extents) + 2
    close(volume, handle)


def test_an_unlinked_file_goes_on_until_it_is_closed(volume: FileSystem, drive: Service) -> None:
    opened, attributes = volume.create(ME, FILES_ROOT, "a", 0o600, os.O_RDWR)
    volume.write(opened.handle, 0, b"before")
    volume.unlink(ME, FILES_ROOT, "a")
    volume.write(opened.handle, 6, b" and after")
    volume.flush(opened.handle)
    assert volume.read(opened.handle, 0, 100) == b"before and after"
    assert volume.getattr(ME, attributes.id).links == 0
    volume.release(opened.handle)
    with pytest.raises(NotFound):
        volume.getattr(ME, attributes.id)


def test_a_replaced_open_file_still_reads_as_it_was(volume: FileSystem) -> None:
    old = write_file(volume, "a", b"old")
    handle = volume.open(ME, old, os.O_RDONLY).handle
    new = write_file(volume, "b", b"new")
    volume.rename(ME, FILES_ROOT, "b", FILES_ROOT, "a", Replace.ALLOW)
    assert volume.lookup(ME, FILES_ROOT, "a").id == new
    assert volume.read(handle, 0, 10) == b"old"
    close(volume, handle)


def test_a_change_by_somebody_else_is_seen_by_an_open_reader(volume: FileSystem, drive: Service) -> None:
    node = write_file(volume, "a", b"old")
    handle = volume.open(ME, node, os.O_RDONLY).handle
    assert volume.read(handle, 0, 10) == b"old"
    other_client_writes(drive, node, b"newer")
    assert volume.read(handle, 0, 10) == b"newer"
    assert volume.getattr(ME, node).size == 5
    close(volume, handle)


class Hasty:
    """A drive of which no events come, and in which somebody makes a version each time one looks."""

    def __init__(self, drive: Service) -> None:
        self._drive = drive
        self.contents: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._drive, name)

    def subscribe(self, listener: object) -> Any:
        return lambda: None

    def layout(self, caller: Caller, node: int) -> Layout:
        self._write(node)
        return self._drive.layout(caller, node)

    def node(self, caller: Caller, node: int) -> Node:
        self._write(node)
        return self._drive.node(caller, node)

    def _write(self, node: int) -> None:
        if self.contents:
            other_client_writes(self._drive, node, self.contents.pop(0))


@pytest.mark.parametrize("looks", range(6))
def test_what_is_read_is_one_version_whole_however_fast_they_come(drive: Service, staging: Path, looks: int) -> None:
    hasty = Hasty(drive)
    versions = [b"short", b"somewhat longer than it was", b"", b"x" * 3 * CHUNK, b"brief", b"long again" * CHUNK]
    volume = FileSystem(cast("Drive", hasty), staging, memory=MEMORY, interval=3600)
    node = write_file(volume, "a", b"the first of them")
    volume.close()
    volume = FileSystem(cast("Drive", hasty), staging, memory=MEMORY, interval=3600)
    hasty.contents = versions[:looks]
    handle = volume.open(ME, node, os.O_RDONLY).handle
    found = volume.read(handle, 0, 100 * CHUNK)
    assert found in {b"the first of them", *versions[:looks]}
    if looks > 1:  # one was made while it was read
        assert found != b"the first of them"
    close(volume, handle)
    volume.close()


@pytest.mark.parametrize("length", [5, 3 * CHUNK + 7])
def test_of_two_writers_one_wins_and_the_other_is_kept_beside(volume: FileSystem, drive: Service, length: int) -> None:
    base = os.urandom(2 * CHUNK)
    node = write_file(volume, "report.txt", base)
    handle = volume.open(ME, node, os.O_RDWR).handle
    ours = os.urandom(length)
    volume.write(handle, 100, ours)
    other_client_writes(drive, node, b"theirs")
    assert volume.read(handle, 100, length) == ours
    close(volume, handle)
    assert content(drive, node) == b"theirs"
    assert volume.getattr(ME, node).size == 6
    (copy,) = set(names(volume)) - {"report.txt"}
    assert re.fullmatch(r"report \(conflict \d{4}-\d\d-\d\d \d\d\.\d\d\.\d\d\)\.txt", copy)
    expected = bytearray(base)
    expected[100 : 100 + length] = ours
    assert content(drive, node_of(drive, copy).id) == expected


def test_the_name_of_a_conflict_copy_fits_whatever_the_name_was() -> None:
    assert conflict_name("a.txt", now=0).endswith(").txt")
    assert conflict_name("Makefile", now=0).startswith("Makefile (conflict 19")
    assert conflict_name(".profile", now=0).startswith(".profile (conflict ")
    assert conflict_name("a.txt", 2, now=0).endswith(" 2).txt")
    for long in ("ä" * 127 + ".odt", "x" * 255, "a." + "b" * 250, os.fsdecode(b"\xff" * 255)):
        assert len(os.fsencode(conflict_name(long))) <= 255


def test_what_the_store_sweeps_before_the_commit_is_given_to_it_again(volume: FileSystem, drive: Service) -> None:
    """A blob belongs to nobody until the commit, however long a writer takes."""
    opened, attributes = volume.create(ME, FILES_ROOT, "a", 0o644, os.O_RDWR)
    data = os.urandom(3 * CHUNK) + b"the end" * 200
    volume.write(opened.handle, 0, data)
    put = drive.commit

    def swept(*arguments: Any, **named: Any) -> Node:
        drive.commit = put  # type: ignore[method-assign]  # once
        for digest, _, _ in list(drive.blobs.digests()):
            drive.blobs.delete(digest)
        return put(*arguments, **named)

    drive.commit = swept  # type: ignore[method-assign]  # a sweep at the worst moment
    volume.fsync(opened.handle, False)
    assert volume.read(opened.handle, 0, len(data)) == data
    close(volume, opened.handle)
    assert content(drive, attributes.id) == data


class TestFullStore:
    @pytest.fixture
    def store(self, drive: Service) -> FullStore:
        return FullStore(drive)

    @pytest.fixture
    def volume(self, store: FullStore, staging: Path) -> FileSystem:
        return FileSystem(store, staging, memory=MEMORY, interval=3600)  # type: ignore[arg-type]  # passes on what it lacks

    @pytest.mark.parametrize("length", [10, 500, 3 * CHUNK + 5])
    def test_the_writer_is_told_and_can_try_again(
        self, volume: FileSystem, store: FullStore, drive: Service, length: int
    ) -> None:
        opened, attributes = volume.create(ME, FILES_ROOT, "a", 0o644, os.O_RDWR)
        data = os.urandom(length)
        volume.write(opened.handle, 0, data)
        store.full = True
        for _ in range(2):
            with pytest.raises(NoSpace):
                volume.fsync(opened.handle, False)
            assert volume.read(opened.handle, 0, length) == data
        with pytest.raises(NoSpace):
            volume.flush(opened.handle)
        store.full = False
        close(volume, opened.handle)
        assert content(drive, attributes.id) == data
        volume.close()

    @pytest.mark.allows_log("could not be committed when it was closed")
    def test_what_was_closed_while_it_was_full_is_still_there_and_is_committed_later(
        self, volume: FileSystem, store: FullStore, drive: Service
    ) -> None:
        opened, attributes = volume.create(ME, FILES_ROOT, "a", 0o644, os.O_RDWR)
        data = os.urandom(CHUNK + 5)
        volume.write(opened.handle, 0, data)
        store.full = True
        with pytest.raises(NoSpace):
            volume.flush(opened.handle)
        with pytest.raises(NoSpace):
            volume.release(opened.handle)
        assert volume.lookup(ME, FILES_ROOT, "a").size == len(data)
        again = volume.open(ME, attributes.id, os.O_RDONLY).handle
        assert volume.read(again, 0, len(data)) == data
        store.full = False
        close(volume, again)
        assert content(drive, attributes.id) == data
        volume.close()

    def test_closing_the_mount_leaves_what_the_store_does_not_take_to_a_recovery(
        self, volume: FileSystem, store: FullStore, drive: Service, staging: Path
    ) -> None:
        opened, attributes = volume.create(ME, FILES_ROOT, "a", 0o644, os.O_RDWR)
        volume.write(opened.handle, 0, b"little")
        store.full = True
        with pytest.raises(NoSpace):
            volume.close()
        assert content(drive, attributes.id) == b""
        assert len(list(staging.iterdir())) == 1


def test_a_full_staging_disk_is_told_to_the_writer_and_harms_nothing(
    volume: FileSystem, drive: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, attributes = volume.create(ME, FILES_ROOT, "a", 0o644, os.O_RDWR)
    volume.write(opened.handle, 0, b"a" * 2000)
    write = os.pwrite

    def full(descriptor: int, data: bytes, offset: int) -> int:
        if offset >= 2000:
            raise OSError(28, "No space left on device")
        return write(descriptor, data, offset)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(NoSpace):
            volume.write(opened.handle, 2000, b"b" * 100)
        assert volume.getattr(ME, attributes.id).size == 2000
    volume.write(opened.handle, 2000, b"c" * 100)
    close(volume, opened.handle)
    assert content(drive, attributes.id) == b"a" * 2000 + b"c" * 100


def test_more_open_files_than_descriptors(volume: FileSystem, drive: Service) -> None:
    handles = []
    for number in range(300):
        opened, attributes = volume.create(ME, FILES_ROOT, f"f{number}", 0o644, os.O_RDWR)
        volume.write(opened.handle, 0, b"%04d" % number * 300)
        handles.append((opened.handle, attributes.id))
    assert len(os.listdir("/proc/self/fd")) < 600
    for number, (handle, _) in enumerate(handles):
        volume.write(handle, 0, b"%04d" % (number + 1))
    for number, (handle, node) in enumerate(handles):
        assert volume.read(handle, 0, 8) == b"%04d%04d" % (number + 1, number)
        close(volume, handle)
        assert content(drive, node) == b"%04d" % (number + 1) + b"%04d" % number * 299


def test_times_set_while_a_file_is_written_survive_its_closing(volume: FileSystem, drive: Service) -> None:
    """`cp -p`: write, futimens, close."""
    opened, attributes = volume.create(ME, FILES_ROOT, "a", 0o644, os.O_RDWR)
    volume.write(opened.handle, 0, b"content")
    volume.setattr(ME, attributes.id, AttributeChange(atime=10**18, mtime=10**18 + 1), handle=opened.handle)
    assert volume.getattr(ME, attributes.id).mtime == 10**18 + 1
    close(volume, opened.handle)
    shown = volume.getattr(ME, attributes.id)
    assert (shown.atime, shown.mtime, shown.size) == (10**18, 10**18 + 1, 7)
    assert node_of(drive, "a").mtime == 10**18 + 1


def test_cutting_by_path_is_a_version_of_its_own(volume: FileSystem, drive: Service) -> None:
    node = write_file(volume, "a", b"0123456789" * 1000)
    assert volume.setattr(ME, node, NOTHING, 5).size == 5
    assert content(drive, node) == b"01234"
    volume.setattr(ME, node, NOTHING, 8)
    assert content(drive, node) == b"01234\0\0\0"


def test_what_cannot_be(volume: FileSystem) -> None:
    node = write_file(volume, "a", b"content")
    reader, writer = volume.open(ME, node, os.O_RDONLY).handle, volume.open(ME, node, os.O_WRONLY).handle
    with pytest.raises(NotPermitted):
        volume.write(reader, 0, b"x")
    with pytest.raises(TooLarge):
        volume.write(writer, 2**63 - 1, b"xx")
    with pytest.raises(TooLarge):
        volume.setattr(ME, node, NOTHING, 2**63, writer)
    with pytest.raises(NotSupported):
        volume.allocate(writer, PUNCH_HOLE, 0, 10)
    with pytest.raises(InvalidArgument):
        volume.allocate(writer, 0, 0, 0)
    with pytest.raises(InvalidArgument):
        volume.read(999_999, 0, 1)
    with pytest.raises(NotFound):
        volume.seek(reader, 7, 3)
    with pytest.raises(InvalidArgument):
        volume.setattr(ME, volume.mknod(ME, FILES_ROOT, "pipe", stat.S_IFIFO | 0o644, 0).id, NOTHING, 5)
    close(volume, reader)
    close(volume, writer)


def test_what_the_kernel_cached_holds_while_the_version_is_the_same(volume: FileSystem, drive: Service) -> None:
    node = write_file(volume, "a", b"content")
    first = volume.open(ME, node, os.O_RDONLY)
    assert first.keep_cache
    close(volume, first.handle)
    other_client_writes(drive, node, b"other")
    second = volume.open(ME, node, os.O_RDONLY)
    assert not second.keep_cache
    close(volume, second.handle)
    third = volume.open(ME, node, os.O_RDONLY)
    assert third.keep_cache
    close(volume, third.handle)


def test_only_what_may_wait_is_called_long(volume: FileSystem) -> None:
    opened, _ = volume.create(ME, FILES_ROOT, "a", 0o644, os.O_RDWR)
    volume.write(opened.handle, 0, b"little")
    assert volume.cost("flush", opened.handle) is Cost.SHORT
    assert volume.cost("write", opened.handle) is Cost.SHORT
    assert volume.cost("fsync", opened.handle) is Cost.LONG
    volume.write(opened.handle, 0, b"much" * CHUNK)
    assert volume.cost("flush", opened.handle) is Cost.LONG
    close(volume, opened.handle)
    assert volume.cost("lookup", FILES_ROOT) is Cost.SHORT


def test_access_times_follow_relatime_and_are_recorded_without_a_change_of_ctime(drive: Service, staging: Path) -> None:
    now = [10**18]
    volume = FileSystem(drive, staging, interval=3600, clock=lambda: now[0])
    node = write_file(volume, "a", b"content")
    volume.setattr(ME, node, AttributeChange(mtime=5 * 10**17, atime=5 * 10**17))
    now[0] = 2 * 10**18
    before = volume.getattr(ME, node)

    def read() -> None:
        handle = volume.open(ME, node, os.O_RDONLY).handle
        volume.read(handle, 0, 1)
        close(volume, handle)

    read()
    shown = volume.getattr(ME, node)
    assert shown.atime == 2 * 10**18
    assert (shown.mtime, shown.ctime) == (before.mtime, before.ctime)
    volume.close()
    recorded = drive.node(ME, node)
    assert (recorded.atime, recorded.ctime) == (2 * 10**18, before.ctime)
