"""Looking after a drive, and what survives."""

import os
import random
import threading
from pathlib import Path

from gateway.service import open_service
from graphfs.model import FILES_ROOT, JobState, Node, Outcome, Suggestion
from tests.contracts.conftest import CONFIG
from tests.contracts.ground import FILE, OWNER, Ground, listening


def test_status(ground: Ground) -> None:
    empty = ground.drive.status(OWNER)
    assert (empty.files, empty.bytes, empty.tags, empty.edges, empty.trashed) == (0, 0, 0, 0, 0)
    ground.file("d/a", b"12345", tags=("x", "y/z"))
    ground.file("b", b"123")
    ground.drive.unlink(OWNER, FILES_ROOT, "b")
    status = ground.drive.status(OWNER)
    assert (status.files, status.folders - empty.folders, status.bytes) == (1, 1, 5)
    assert (status.tags, status.edges, status.review, status.trashed) == (3, 2, 0, 1)
    assert sum(status.jobs.values()) == 1
    assert status.stored > 0
    assert status.version
    assert status.schema > 0


def test_gc_frees_what_nobody_needs(ground: Ground) -> None:
    data = random.Random(1).randbytes(500_000)
    kept = ground.file("kept", data)
    ground.file("gone", data[::-1])
    ground.drive.unlink(OWNER, FILES_ROOT, "gone")
    ground.drive.gc(OWNER)
    ground.drive.restore(OWNER, ground.drive.trash(OWNER)[0].id)
    assert ground.read(ground.at("gone")) == data[::-1]
    ground.drive.unlink(OWNER, FILES_ROOT, "gone")
    ground.drive.purge(OWNER, 2**62)
    ground.drive.gc(OWNER)
    assert ground.read(kept) == data
    assert ground.drive.fsck(OWNER, verify=True) == []


def test_gc_never_takes_what_is_being_written(ground: Ground) -> None:
    """Blobs are put before the commit that names them."""
    stop = threading.Event()

    def sweep() -> None:
        while not stop.is_set():
            ground.drive.gc(OWNER)

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    try:
        for number in range(15):
            data = random.Random(number).randbytes(50_000)
            assert ground.read(ground.file(f"{number}", data)) == data
    finally:
        stop.set()
        sweeper.join()


def test_a_blob_is_as_old_as_the_clock_says_that_it_was_put_by(tmp_path: Path) -> None:
    """The records' clock and the blobs' may be those of two machines, one of which is wrong."""
    drive = open_service(tmp_path / "state", CONFIG)
    try:
        ground = Ground(drive, tmp_path / "state")
        late, data = drive.store.clock() + 48 * 3600 * 10**9, random.Random(3).randbytes(100_000)
        drive.clock = lambda: late
        (patch,) = ground.patches(data)
        assert drive.gc(OWNER) == 0
        drive.unused_blobs([patch.digest])
        assert drive.erase_blobs() == 0
        node = drive.create(OWNER, FILES_ROOT, "slow", FILE)
        drive.commit(OWNER, node.id, node.version, len(data), [patch], durable=True)
        assert ground.read(ground.at("slow")) == data
    finally:
        drive.close()


def test_fsck_names_blobs_that_are_shorter_than_their_files(tmp_path: Path) -> None:
    drive = open_service(tmp_path / "state", CONFIG)
    try:
        ground = Ground(drive, tmp_path / "state")
        for name in ("cut", "whole"):
            ground.file(name, random.Random(name).randbytes(100_000))
        assert drive.fsck(OWNER) == []
        digest = drive.layout(OWNER, ground.at("cut").id).extents[0].digest
        name = digest.hex()
        os.truncate(tmp_path / "state/blobs" / name[:2] / name[2:], 99_999)
        assert [(one.kind, one.subject, one.repaired) for one in drive.fsck(OWNER)] == [("short blob", name, False)]
    finally:
        drive.close()


def said_of(ground: Ground, file: Node) -> object:
    drive = ground.drive
    return drive.node(OWNER, file.id), drive.edges(OWNER, file.file), drive.tags(OWNER), drive.journal(OWNER)


def test_what_was_acknowledged_is_there_after_a_restart(tmp_path: Path) -> None:
    ground = Ground(open_service(tmp_path / "state", CONFIG), tmp_path / "state")
    data = random.Random(2).randbytes(200_000)
    file = ground.file("d/a", data, tags=("x",))
    job = ground.leased(file)[file.file]
    ground.drive.finish(file.file, job.lease, Outcome(JobState.TAGGED, (Suggestion("m", 0.9),)))
    ground.drive.remember("c", "m", "p", ["kept"])
    draft = ground.drive.create(OWNER, FILES_ROOT, "draft", FILE, draft=True)
    ground.drive.settle()
    before = said_of(ground, file)
    ground.drive.close()
    again = Ground(open_service(tmp_path / "state", CONFIG), tmp_path / "state")
    try:
        assert said_of(again, file) == before
        assert again.at("draft") == draft
        assert again.read(file) == data
        assert again.drive.remembered("c", "m", "p") == ("kept",)
        assert again.drive.job(file.file).state == "tagged"
        assert again.drive.fsck(OWNER, verify=True) == []
    finally:
        again.drive.close()


def test_many_threads_at_once(ground: Ground) -> None:
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            folder = ground.folder(f"t{number}")
            for turn in range(12):
                file = ground.file(f"t{number}/f{turn}", f"{number} {turn}".encode(), tags=(f"tag{turn % 3}",))
                if turn % 4 == 3:
                    ground.drive.unlink(OWNER, folder.id, f"f{turn}")
                else:
                    assert ground.read(file) == f"{number} {turn}".encode()
        except BaseException as error:  # noqa: BLE001  # told to the test's own thread
            failed.append(error)

    with listening(ground.drive):
        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failed == []
    assert ground.drive.status(OWNER).files == 6 * 9
    assert len(ground.found("tag0,tag1,tag2")) == 54
