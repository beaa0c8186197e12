"""The server-side trash."""

import stat

import pytest

from graphfs.errors import InvalidArgument, NotFound
from graphfs.model import FILES_ROOT, SUPER_ROOT, Caller, Extent, Layout
from tests.contracts.ground import OWNER, STRANGER, Ground, digest_of, eventually


def test_what_is_deleted_can_be_restored(ground: Ground) -> None:
    file = ground.file("d/a", b"content", tags=("x",))
    ground.drive.set_xattr(OWNER, file.id, "user.a", b"1")
    ground.drive.unlink(Caller(OWNER.uid, OWNER.gid, actor="ada"), ground.at("d").id, "a")
    (item,) = ground.drive.trash(OWNER)
    assert (item.path, item.why, item.actor, item.node.file) == ("files/d/a", "deleted", "ada", file.file)
    assert item.at > 0
    with pytest.raises(NotFound):
        ground.drive.file(OWNER, file.file)
    assert ground.drive.restore(OWNER, item.id) == "files/d/a"
    back = ground.at("d/a")
    assert (back.id, back.file, back.links) == (file.id, file.file, 1)
    assert ground.read(back) == b"content"
    assert ground.applied(back) == ["x"]
    assert ground.drive.xattr(OWNER, back.id, "user.a") == b"1"
    assert ground.drive.trash(OWNER) == []
    assert ground.drive.job(file.file).state == "queued"
    with pytest.raises(NotFound):
        ground.drive.restore(OWNER, item.id)


def test_restoring_makes_missing_folders(ground: Ground) -> None:
    ground.file("d/e/a", b"1")
    ground.drive.unlink(OWNER, ground.at("d/e").id, "a")
    ground.drive.rmdir(OWNER, ground.at("d").id, "e")
    ground.drive.rmdir(OWNER, FILES_ROOT, "d")
    assert ground.drive.restore(OWNER, ground.drive.trash(OWNER)[0].id) == "files/d/e/a"
    assert ground.read(ground.at("d/e/a")) == b"1"


def test_restoring_never_takes_a_name_that_is_taken(ground: Ground) -> None:
    for content in (b"1", b"2"):
        ground.file("a.txt", content)
        ground.drive.unlink(OWNER, FILES_ROOT, "a.txt")
    ground.file("a.txt", b"3")
    newest, oldest = ground.drive.trash(OWNER)
    path = ground.drive.restore(OWNER, newest.id)
    assert path != "files/a.txt"
    assert " (restored" in path
    other = ground.drive.restore(OWNER, oldest.id)
    assert len({path, other, "files/a.txt"}) == 3
    assert ground.read(ground.at("a.txt")) == b"3"
    assert ground.read(ground.at(path.removeprefix("files/"))) == b"2"
    assert ground.read(ground.at(other.removeprefix("files/"))) == b"1"


def test_newest_first_and_limited(ground: Ground) -> None:
    for name in "abc":
        ground.file(name, b"x")
        ground.drive.unlink(OWNER, FILES_ROOT, name)
    assert [item.path for item in ground.drive.trash(OWNER)] == ["files/c", "files/b", "files/a"]
    assert [item.path for item in ground.drive.trash(OWNER, 1)] == ["files/c"]
    assert ground.drive.status(OWNER).trashed == 3


def test_what_has_nothing_to_lose_is_not_kept(ground: Ground) -> None:
    ground.file("empty")
    ground.drive.unlink(OWNER, FILES_ROOT, "empty")
    kept = ground.file("kept", b"x")
    ground.drive.link(OWNER, kept.id, FILES_ROOT, "other")
    ground.drive.unlink(OWNER, FILES_ROOT, "kept")
    bin_ = ground.drive.create(OWNER, SUPER_ROOT, f".Trash-{OWNER.uid}", stat.S_IFDIR | 0o700)
    ground.file("moved", b"x")
    ground.drive.rename(OWNER, FILES_ROOT, "moved", bin_.id, "moved")
    ground.drive.unlink(OWNER, bin_.id, "moved")
    assert ground.drive.trash(OWNER) == []


def test_purging_forgets_for_good(ground: Ground) -> None:
    ground.file("a", b"x" * 300_000, tags=("t",))
    ground.drive.unlink(OWNER, FILES_ROOT, "a")
    (item,) = ground.drive.trash(OWNER)
    assert ground.drive.purge(OWNER, item.at) == 0
    assert ground.drive.purge(OWNER, item.at + 1) == 1
    assert ground.drive.trash(OWNER) == []
    with pytest.raises(NotFound):
        ground.drive.restore(OWNER, item.id)
    with pytest.raises(NotFound):
        ground.drive.node(OWNER, item.node.id)
    assert ground.drive.tags(OWNER)[0].files == 0


def test_what_a_dead_mount_left_is_recovered(ground: Ground) -> None:
    data = b"never committed" * 10_000
    ground.drive.put_blob(digest_of(data), data, durable=True)
    layout = Layout(0, len(data) + 10, (Extent(5, len(data), digest_of(data)),))
    item = ground.drive.recover(OWNER, "files/d/a", layout)
    (trashed,) = ground.drive.trash(OWNER)
    assert (trashed.id, trashed.path, trashed.why, trashed.node.uid) == (item, "files/d/a", "recovered", OWNER.uid)
    assert ground.drive.restore(OWNER, item) == "files/d/a"
    assert ground.read(ground.at("d/a")) == bytes(5) + data + bytes(5)
    missing = Layout(0, 3, (Extent(0, 3, digest_of(b"never put")),))
    with pytest.raises(NotFound):
        ground.drive.recover(OWNER, "files/b", missing)
    assert ground.drive.trash(OWNER) == []


def test_everyone_sees_their_own_trash_only(ground: Ground) -> None:
    shared = ground.folder("shared", mode=0o777)
    ground.file("shared/mine", b"x")
    ground.drive.unlink(OWNER, shared.id, "mine")
    (item,) = ground.drive.trash(OWNER)
    assert ground.drive.trash(STRANGER) == []
    with pytest.raises(NotFound):
        ground.drive.restore(STRANGER, item.id)
    assert eventually(lambda: ground.drive.trash(OWNER)) == [item]


def test_what_had_no_place_is_restored_too(ground: Ground) -> None:
    """A mount whose file nobody can see any more keeps what was written to it under the node's number."""
    blob = b"y" * 9
    ground.drive.put_blob(digest_of(blob), blob, durable=True)
    item = ground.drive.recover(OWNER, "node 123", Layout(0, 9, (Extent(0, 9, digest_of(blob)),)))
    assert ground.drive.restore(OWNER, item) == "files/node 123"
    assert ground.read(ground.at("node 123")) == blob


def test_what_cannot_be_recovered(ground: Ground) -> None:
    blob = b"y" * 9
    ground.drive.put_blob(digest_of(blob), blob, durable=True)
    good = (Extent(0, 9, digest_of(blob)),)
    for path, layout in (
        ("files/../a", Layout(0, 9, good)),
        ("files/", Layout(0, 9, good)),
        ("files/a", Layout(0, 9, (Extent(0, 10, digest_of(blob)),))),
        ("files/a", Layout(0, 5, good)),
    ):
        with pytest.raises(InvalidArgument):
            ground.drive.recover(OWNER, path, layout)
    assert ground.drive.trash(OWNER) == []


def test_a_restored_name_is_still_a_name(ground: Ground) -> None:
    for name in ("é" * 127, "x" * 251 + ".pdf"):
        ground.file(name, b"old")
        ground.drive.unlink(OWNER, FILES_ROOT, name)
        ground.file(name, b"new")
        (item,) = ground.drive.trash(OWNER)
        found = ground.drive.restore(OWNER, item.id).removeprefix("files/")
        assert found.removesuffix(".pdf").endswith(" (restored)")
        assert ground.read(ground.at(found)) == b"old"
        assert len(found.encode()) <= 255
