"""Bytes: versions, blobs and commits."""

import random
from itertools import pairwise
from pathlib import Path

import pytest

from graphfs.errors import Conflict, Corrupt, InvalidArgument, NotFound, TooLarge
from graphfs.model import FILES_ROOT, Patch
from tests.contracts.ground import OWNER, Ground, digest_of, patch


def test_a_commit_makes_a_version(ground: Ground) -> None:
    file = ground.file("a")
    written = ground.drive.commit(OWNER, file.id, file.version, 5, [patch(0, b"hello")])
    assert (written.size, written.stored) == (5, 5)
    assert written.version == file.version + 1
    assert written.mtime > file.mtime
    assert written.ctime >= written.mtime
    assert ground.at("a") == written
    assert ground.read(written) == b"hello"
    layout = ground.drive.layout(OWNER, file.id)
    assert (layout.version, layout.size) == (written.version, 5)


def test_large_content_comes_by_blobs(ground: Ground) -> None:
    data = random.Random(1).randbytes(ground.drive.chunk_size() + 100_000)
    written = ground.write(ground.file("big"), data)
    assert ground.read(written) == data
    for extent in ground.drive.layout(OWNER, written.id).extents:
        chunk = ground.drive.chunk_size()
        assert extent.offset // chunk == (extent.offset + extent.length - 1) // chunk


def test_holes_are_zeros_and_take_no_room(ground: Ground) -> None:
    file = ground.file("sparse")
    written = ground.drive.commit(OWNER, file.id, file.version, 10_000_000, [patch(5_000_000, b"middle")])
    assert (written.size, written.stored) == (10_000_000, 6)
    content = ground.read(written)
    assert content.strip(b"\0") == b"middle"
    assert content[5_000_000:5_000_006] == b"middle"
    punched = ground.drive.commit(OWNER, file.id, written.version, 10_000_000, [Patch(5_000_001, 4)])
    assert ground.read(punched).strip(b"\0") == b"m\0\0\0\0e"


def test_cutting_and_extending(ground: Ground) -> None:
    file = ground.file("a", b"0123456789")
    cut = ground.drive.commit(OWNER, file.id, file.version, 4, [])
    assert ground.read(cut) == b"0123"
    longer = ground.drive.commit(OWNER, file.id, cut.version, 8, [])
    assert ground.read(longer) == b"0123\0\0\0\0"
    assert longer.version == cut.version + 1


def test_patches_may_use_parts_of_a_blob(ground: Ground) -> None:
    data = b"the quick brown fox"
    ground.drive.put_blob(digest_of(data), data, durable=False)
    file = ground.file("a")
    written = ground.drive.commit(OWNER, file.id, file.version, 9, [Patch(0, 5, digest_of(data), 4), patch(5, b" end")])
    assert ground.read(written) == b"quick end"


def test_many_small_writes_equal_a_byte_array(ground: Ground) -> None:
    chance = random.Random(7)
    model = bytearray()
    node = ground.file("a")
    for _ in range(60):
        size = chance.choice([len(model), len(model), chance.randrange(0, 20_000)])
        del model[size:]
        model.extend(bytes(size - len(model)))
        patches = []
        if size and chance.random() < 0.9:
            offset = chance.randrange(size)
            length = min(size - offset, chance.randrange(1, 3000))
            data = chance.randbytes(length)
            patches.append(patch(offset, data) if chance.random() < 0.8 else Patch(offset, length))
            model[offset : offset + length] = data if patches[0].digest else bytes(length)
        node = ground.drive.commit(OWNER, node.id, node.version, size, patches)
    assert ground.read(node) == bytes(model)
    extents = ground.drive.layout(OWNER, node.id).extents
    assert all(one.offset + one.length <= two.offset for one, two in pairwise(extents))


def test_the_first_of_two_writers_wins_whole(ground: Ground) -> None:
    file = ground.file("a", b"base")
    first = ground.drive.commit(OWNER, file.id, file.version, 5, [patch(0, b"first")])
    with pytest.raises(Conflict):
        ground.drive.commit(OWNER, file.id, file.version, 6, [patch(0, b"second")])
    assert ground.at("a") == first
    assert ground.read(first) == b"first"


def test_a_commit_without_its_blobs_changes_nothing(ground: Ground) -> None:
    file = ground.file("a", b"base")
    missing = digest_of(b"never put")
    with pytest.raises(NotFound):
        ground.drive.commit(OWNER, file.id, file.version, 20, [patch(0, b"new"), Patch(3, 9, missing)])
    assert ground.at("a") == file
    assert ground.read(file) == b"base"
    with pytest.raises(NotFound):
        ground.drive.commit(OWNER, 999_999, 0, 0, [])


def test_without_patches_and_with_the_same_size_only_time_and_durability_are_done(ground: Ground) -> None:
    file = ground.file("a", b"base")
    same = ground.drive.commit(OWNER, file.id, file.version, 4, [], durable=True)
    assert (same.version, same.mtime) == (file.version, file.mtime)
    timed = ground.drive.commit(OWNER, file.id, file.version, 4, [], mtime=12345)
    assert (timed.version, timed.mtime) == (file.version, 12345)
    given = ground.drive.commit(OWNER, file.id, file.version, 4, [patch(0, b"next")], mtime=777, durable=True)
    assert given.mtime == 777
    ground.drive.sync()


def test_a_new_content_is_a_new_job(ground: Ground) -> None:
    file = ground.file("a", b"one")
    ground.leased(file)
    assert ground.drive.job(file.file).state == "leased"
    ground.write(ground.at("a"), b"two")
    assert ground.drive.job(file.file).state == "queued"


def test_equal_contents_are_stored_once(ground: Ground) -> None:
    data = random.Random(3).randbytes(300_000)
    ground.file("a", data)
    before = ground.drive.status(OWNER).stored
    ground.file("b", data)
    assert ground.drive.status(OWNER).stored - before < 100_000
    ground.drive.unlink(OWNER, FILES_ROOT, "a")
    ground.drive.purge(OWNER, 2**62)
    ground.drive.gc(OWNER)
    assert ground.read(ground.at("b")) == data


def test_a_blob_is_taken_over(ground: Ground, tmp_path: Path) -> None:
    data = random.Random(5).randbytes(200_000)
    source = tmp_path / "staged"
    source.write_bytes(data)
    ground.drive.put_blob(digest_of(data), source, durable=True)
    assert not source.exists()
    ground.drive.put_blob(digest_of(data), data, durable=False)
    source.write_bytes(data)
    ground.drive.put_blob(digest_of(data), source, durable=False)
    assert not source.exists()
    assert ground.drive.read_blob(digest_of(data), 0, len(data)) == data


def test_reading_parts_of_a_blob(ground: Ground) -> None:
    for data in (b"0123456789", b"0123456789" * 20_000):
        digest = digest_of(data)
        ground.drive.put_blob(digest, data, durable=False)
        assert ground.drive.read_blob(digest, 3, 4) == b"3456"
        assert ground.drive.read_blob(digest, len(data) - 2, 100) == b"89"
        assert ground.drive.read_blob(digest, len(data) + 5, 10) == b""
        assert ground.drive.read_blob(digest, 0, 0) == b""
    with pytest.raises(NotFound):
        ground.drive.read_blob(digest_of(b"none"), 0, 1)


@pytest.mark.damages
def test_a_damaged_blob_is_never_served(ground: Ground) -> None:
    data = random.Random(9).randbytes(300_000)
    file = ground.file("a", data)
    files = [path for path in ground.state.rglob("*") if path.is_file()]
    (stored,) = [path for path in files if digest_of(path.read_bytes()) == digest_of(data)]
    stored.chmod(0o600)
    stored.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(Corrupt):
        ground.read(file)
    found = ground.drive.fsck(OWNER, verify=True)
    assert found
    stored.unlink()
    assert ground.drive.fsck(OWNER)


def test_impossible_commits(ground: Ground) -> None:
    file = ground.file("a", b"base")
    with pytest.raises(InvalidArgument):
        ground.drive.commit(OWNER, file.id, file.version, -1, [])
    with pytest.raises(InvalidArgument):
        ground.drive.commit(OWNER, file.id, file.version, 4, [patch(-1, b"x")])
    assert ground.at("a") == file


def test_readers_keep_the_layout_they_have(ground: Ground) -> None:
    data = random.Random(11).randbytes(100_000)
    file = ground.file("a", data)
    old = ground.drive.layout(OWNER, file.id)
    ground.write(file, b"replaced")
    assert b"".join(ground.drive.read_blob(one.digest, one.start, one.length) for one in old.extents) == data


def test_no_record_speaks_of_bytes_that_its_blob_does_not_have(ground: Ground) -> None:
    file = ground.file("a", b"first")
    large = b"x" * (ground.drive.inline_limit() + 1)
    ground.drive.put_blob(digest_of(large), large, durable=False)
    ground.file("small", b"12345")
    for bad in (
        Patch(0, 6, digest_of(b"12345"), 0, b"12345"),
        Patch(0, 3, digest_of(b"12345"), 3, b"12345"),
        Patch(0, 6, digest_of(b"12345")),
        Patch(0, len(large) + 1, digest_of(large)),
        Patch(0, len(large), digest_of(large), 1),
    ):
        with pytest.raises(InvalidArgument):
            ground.drive.commit(OWNER, file.id, file.version, 1 << 20, [bad])
    with pytest.raises(TooLarge):
        ground.drive.commit(OWNER, file.id, file.version, 1 << 30, [patch(0, b"y" * (ground.drive.chunk_size() + 1))])
    assert ground.read(file) == b"first"
