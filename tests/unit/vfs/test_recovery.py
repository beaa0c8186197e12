"""What a dead mount had staged: brought to the trash from every state it can have died in."""

import os
from pathlib import Path

import pytest

from gateway.service import Service
from graphfs.model import FILES_ROOT, AttributeChange
from graphfs.vfs.filesystem import FileSystem
from graphfs.vfs.recovery import recover
from graphfs.vfs.staging import LOG, StagedFile
from tests.unit.vfs.mounted import CHUNK, ME, MEMORY, FullStore, content, write_file

pytestmark = pytest.mark.allows_log("never closed are in the trash")

DATA = os.urandom(3 * CHUNK + 100)
PART = os.urandom(CHUNK - 100)
"""Never fills a chunk: nothing goes on in the background."""


@pytest.fixture
def volume(drive: Service, staging: Path) -> FileSystem:
    """One that the tests let die."""
    return FileSystem(drive, staging, memory=MEMORY, interval=3600)


def recovered(drive: Service, staging: Path) -> bytes | None:
    items = recover(drive, staging)
    assert not list(staging.iterdir())
    if not items:
        return None
    (item,) = items
    trashed = next(one for one in drive.trash(ME) if one.id == item)
    assert trashed.why == "recovered"
    return content(drive, trashed.node.id)


def test_what_was_written_and_never_closed_is_in_the_trash_and_the_file_as_it_was(
    volume: FileSystem, drive: Service, staging: Path
) -> None:
    node = write_file(volume, "a", b"the last version")
    handle = volume.open(ME, node, os.O_RDWR).handle
    volume.write(handle, 4, DATA)
    volume.abandon()
    assert recovered(drive, staging) == b"the " + DATA
    assert content(drive, node) == b"the last version"
    assert recover(drive, staging) == []


def test_a_file_that_was_only_cut_and_extended(volume: FileSystem, drive: Service, staging: Path) -> None:
    node = write_file(volume, "a", DATA)
    handle = volume.open(ME, node, os.O_RDWR).handle
    volume.setattr(ME, node, AttributeChange(), 10, handle)
    volume.write(handle, 5000, b"x" * 2 * MEMORY)
    volume.setattr(ME, node, AttributeChange(), 3 * CHUNK, handle)
    volume.abandon()
    expected = DATA[:10].ljust(5000, b"\0") + b"x" * 2 * MEMORY
    assert recovered(drive, staging) == expected.ljust(3 * CHUNK, b"\0")


def test_a_size_beyond_the_last_byte_is_kept_when_memory_is_spilled(
    volume: FileSystem, drive: Service, staging: Path
) -> None:
    opened, attributes = volume.create(ME, FILES_ROOT, "a", 0o644, os.O_RDWR)
    volume.write(opened.handle, 0, b"x" * 10)
    volume.setattr(ME, attributes.id, AttributeChange(), 2 * CHUNK, opened.handle)
    volume.write(opened.handle, 10, b"y" * MEMORY)
    volume.abandon()
    assert recovered(drive, staging) == (b"x" * 10 + b"y" * MEMORY).ljust(2 * CHUNK, b"\0")


def test_what_waits_in_memory_is_staged_soon(drive: Service, staging: Path) -> None:
    volume = FileSystem(drive, staging, interval=0.01)
    opened, _ = volume.create(ME, FILES_ROOT, "a", 0o644, os.O_RDWR)
    volume.write(opened.handle, 0, b"a few bytes")
    while volume.cost("flush", opened.handle) == 0:  # in memory; the test's time limit is the deadline
        volume.getattr(ME, FILES_ROOT)
    volume.abandon()
    assert recovered(drive, staging) == b"a few bytes"


@pytest.mark.parametrize("at", ["log", "rename", "freeze", "hash", "put"])
def test_death_at_every_step_of_giving_a_chunk_to_the_store(
    volume: FileSystem, drive: Service, staging: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    class Death(BaseException):
        pass

    def dies(*_: object, **__: object) -> None:
        raise Death

    def dies_after(name: str, owner: object) -> None:
        original = getattr(owner, name)

        def wrapped(*arguments: object, **named: object) -> None:
            original(*arguments, **named)
            raise Death

        monkeypatch.setattr(owner, name, wrapped)

    opened, attributes = volume.create(ME, FILES_ROOT, "a", 0o644, os.O_RDWR)
    volume.write(opened.handle, 0, PART)
    if at == "log":
        monkeypatch.setattr(Path, "rename", dies)
    elif at == "rename":
        monkeypatch.setattr("graphfs.vfs.staging.Frozen", dies)
    elif at == "freeze":
        dies_after("freeze", StagedFile)
    elif at == "hash":
        monkeypatch.setattr(drive, "put_blob", dies)
    else:
        dies_after("put_blob", drive)
    with pytest.raises(Death):
        volume.fsync(opened.handle, False)
    monkeypatch.undo()
    volume.abandon()
    assert recovered(drive, staging) == PART
    assert content(drive, attributes.id) == b""


def test_death_after_the_commit_leaves_nothing_to_recover(
    volume: FileSystem, drive: Service, staging: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Death(BaseException):
        pass

    def dies(_: object) -> None:
        raise Death

    opened, attributes = volume.create(ME, FILES_ROOT, "a", 0o644, os.O_RDWR)
    volume.write(opened.handle, 0, DATA)
    monkeypatch.setattr(StagedFile, "drop", dies)
    with pytest.raises(Death):
        volume.flush(opened.handle)
    monkeypatch.undo()
    volume.abandon()
    assert recovered(drive, staging) is None
    assert content(drive, attributes.id) == DATA


def test_a_later_version_by_somebody_else_is_not_mixed_in(volume: FileSystem, drive: Service, staging: Path) -> None:
    node = write_file(volume, "a", b"first version")
    handle = volume.open(ME, node, os.O_RDWR).handle
    volume.write(handle, 13, DATA)
    found = drive.node(ME, node)
    drive.commit(ME, node, found.version, 3, [])
    volume.abandon()
    assert recovered(drive, staging) == b"first version" + DATA
    assert content(drive, node) == b"fir"


def test_a_file_that_is_gone_takes_what_was_written_with_it(volume: FileSystem, drive: Service, staging: Path) -> None:
    opened, attributes = volume.create(ME, FILES_ROOT, "a", 0o644, os.O_RDWR)
    volume.write(opened.handle, 0, DATA)
    volume.unlink(ME, FILES_ROOT, "a")
    volume.abandon()
    drive.release(attributes.id)  # what was held is forgotten when the process ends
    assert recovered(drive, staging) is None
    assert drive.trash(ME) == []


@pytest.mark.parametrize("torn", [1, 7, 16])
def test_a_log_whose_last_line_was_cut_off(volume: FileSystem, drive: Service, staging: Path, torn: int) -> None:
    opened, _ = volume.create(ME, FILES_ROOT, "a", 0o644, os.O_RDWR)
    volume.write(opened.handle, 0, PART)
    volume.write(opened.handle, len(PART), b"more")
    volume.abandon()
    (log,) = staging.glob(f"*/{LOG}")
    os.truncate(log, log.stat().st_size - torn)
    assert recovered(drive, staging) == PART


def test_an_unreadable_folder_of_nothing_is_cleared_away(drive: Service, staging: Path) -> None:
    folder = staging / "16-1-abc-1"
    folder.mkdir(parents=True)
    (folder / "record").write_bytes(b"half a rec")
    assert recovered(drive, staging) is None


@pytest.mark.allows_log("could not be recovered and is left there")
def test_a_full_store_leaves_it_for_the_next_time(volume: FileSystem, drive: Service, staging: Path) -> None:
    opened, _ = volume.create(ME, FILES_ROOT, "a", 0o644, os.O_RDWR)
    volume.write(opened.handle, 0, DATA)
    volume.abandon()
    store = FullStore(drive)
    store.full = True
    assert recover(store, staging) == []  # type: ignore[arg-type]  # passes on what it lacks
    assert recovered(drive, staging) == DATA


@pytest.mark.allows_log("could not be recovered and is left there")
def test_damaged_staging_is_never_served_as_if_it_were_right(volume: FileSystem, drive: Service, staging: Path) -> None:
    opened, _ = volume.create(ME, FILES_ROOT, "a", 0o644, os.O_RDWR)
    volume.write(opened.handle, 0, DATA)
    volume.abandon()
    (last,) = staging.glob("*/3")
    os.truncate(last, 50)
    assert recover(drive, staging) == []
    assert len(list(staging.iterdir())) == 1
