"""Folders, names and attributes."""

import os
import stat

import pytest

from graphfs.errors import (
    AlreadyExists,
    InvalidArgument,
    IsAFolder,
    NameTooLong,
    NotAFolder,
    NotEmpty,
    NotFound,
    NotPermitted,
)
from graphfs.model import FILES_ROOT, SUPER_ROOT, AttributeChange, Caller, Replace
from tests.contracts.ground import FILE, FOLDER, ODD_NAMES, OWNER, STRANGER, Ground

MISSING = 999_999


def test_the_roots_are_folders(ground: Ground) -> None:
    drive = ground.drive
    assert stat.S_ISDIR(drive.node(OWNER, SUPER_ROOT).mode)
    assert stat.S_ISDIR(drive.node(OWNER, FILES_ROOT).mode)
    assert drive.lookup(OWNER, SUPER_ROOT, "files").id == FILES_ROOT
    assert drive.path(OWNER, FILES_ROOT) == "files"
    assert drive.path(OWNER, SUPER_ROOT) == ""


def test_a_new_file(ground: Ground) -> None:
    caller = Caller(1234, 5678)
    shared = ground.folder("shared", mode=0o777)
    made = ground.drive.create(caller, shared.id, "a", stat.S_IFREG | 0o640)
    assert (made.mode, made.uid, made.gid) == (stat.S_IFREG | 0o640, 1234, 5678)
    assert (made.size, made.stored, made.links, made.tags) == (0, 0, 1, 0)
    assert made.file > 0
    assert made.atime == made.mtime == made.ctime > 0
    assert ground.drive.node(OWNER, made.id) == made == ground.drive.lookup(OWNER, shared.id, "a")
    assert ground.drive.file(OWNER, made.file) == made
    assert ground.drive.job(made.file).state == "queued"
    assert ground.drive.layout(OWNER, made.id).size == 0


def test_a_new_folder(ground: Ground) -> None:
    before = ground.drive.node(OWNER, FILES_ROOT)
    made = ground.drive.create(OWNER, FILES_ROOT, "d", FOLDER)
    assert (made.mode, made.links, made.file) == (FOLDER, 2, 0)
    after = ground.drive.node(OWNER, FILES_ROOT)
    assert after.links == before.links + 1
    assert after.mtime > before.mtime
    assert after.ctime == after.mtime


def test_special_files(ground: Ground) -> None:
    for kind in (stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK):
        rdev = os.makedev(5, 3) if kind in {stat.S_IFCHR, stat.S_IFBLK} else 0
        made = ground.drive.create(OWNER, FILES_ROOT, "special", kind | 0o600, rdev=rdev)
        assert (made.mode, made.rdev, made.file) == (kind | 0o600, rdev, 0)
        ground.drive.unlink(OWNER, FILES_ROOT, "special")
        with pytest.raises(NotFound):
            ground.drive.node(OWNER, made.id)


def test_a_symbolic_link_keeps_its_target_as_it_is(ground: Ground) -> None:
    target = os.fsdecode(b"../no such/\xff" + b"x" * 3000)
    made = ground.drive.create(OWNER, FILES_ROOT, "l", stat.S_IFLNK | 0o777, target=target)
    assert ground.drive.readlink(OWNER, made.id) == target
    assert made.size == len(os.fsencode(target))
    file = ground.file("f")
    with pytest.raises(InvalidArgument):
        ground.drive.readlink(OWNER, file.id)
    with pytest.raises(NotFound):
        ground.drive.readlink(OWNER, MISSING)


def test_creating_what_is_there_or_nowhere(ground: Ground) -> None:
    ground.file("a")
    with pytest.raises(AlreadyExists):
        ground.drive.create(OWNER, FILES_ROOT, "a", FOLDER)
    with pytest.raises(NotFound):
        ground.drive.create(OWNER, MISSING, "a", FILE)
    with pytest.raises(NotAFolder):
        ground.drive.create(OWNER, ground.at("a").id, "b", FILE)
    assert ground.names(FILES_ROOT) == ["a"]


def test_names_that_are_none(ground: Ground) -> None:
    other = ground.file("other")
    for name in ("", ".", "..", "a/b", "a\0b"):
        with pytest.raises(InvalidArgument):
            ground.drive.create(OWNER, FILES_ROOT, name, FILE)
        with pytest.raises(InvalidArgument):
            ground.drive.link(OWNER, other.id, FILES_ROOT, name)
        with pytest.raises(InvalidArgument):
            ground.drive.rename(OWNER, FILES_ROOT, "other", FILES_ROOT, name)
    assert ground.names(FILES_ROOT) == ["other"]


def test_names_have_255_bytes_at_most(ground: Ground) -> None:
    longest = "é" * 127 + "x"
    ground.file(longest)
    assert ground.names(FILES_ROOT) == [longest]
    with pytest.raises(NameTooLong):
        ground.drive.create(OWNER, FILES_ROOT, "é" * 128, FILE)


def test_names_are_any_bytes(ground: Ground) -> None:
    for name in ODD_NAMES:
        ground.file(name)
    assert ground.names(FILES_ROOT) == list(ODD_NAMES)
    for name in ODD_NAMES:
        node = ground.drive.lookup(OWNER, FILES_ROOT, name)
        assert ground.drive.path(OWNER, node.id) == f"files/{name}"
        ground.drive.rename(OWNER, FILES_ROOT, name, FILES_ROOT, "moved")
        ground.drive.rename(OWNER, FILES_ROOT, "moved", FILES_ROOT, name)
        ground.drive.unlink(OWNER, FILES_ROOT, name)
    assert ground.names(FILES_ROOT) == []


def test_a_setgid_folder_hands_its_group_down(ground: Ground) -> None:
    above = ground.folder("shared", mode=0o777)
    team = ground.drive.create(Caller(1, 77), above.id, "team", stat.S_IFDIR | stat.S_ISGID | 0o777)
    inside = ground.drive.create(Caller(5, 5), team.id, "d", FOLDER)
    assert (inside.gid, inside.mode & stat.S_ISGID) == (77, stat.S_ISGID)
    file = ground.drive.create(Caller(5, 5), team.id, "f", FILE)
    assert (file.gid, file.mode & stat.S_ISGID) == (77, 0)


def test_a_file_is_created_with_its_tags_or_not_at_all(ground: Ground) -> None:
    made = ground.drive.create(OWNER, FILES_ROOT, "a", FILE, tags=("project/apollo", "urgent"))
    assert made.tags == 2
    assert ground.applied(made) == ["project/apollo", "urgent"]
    assert {edge.source for edge in ground.drive.edges(OWNER, made.file)} == {"person"}
    with pytest.raises(InvalidArgument):
        ground.drive.create(OWNER, FILES_ROOT, "b", FILE, tags=("fine", "-bad"))
    assert ground.names(FILES_ROOT) == ["a"]
    assert "fine" not in [tag.path for tag in ground.drive.tags(OWNER)]


def test_a_draft_is_seen_at_once(ground: Ground) -> None:
    made = ground.drive.create(OWNER, FILES_ROOT, "a", FILE, tags=("x",), draft=True)
    assert ground.at("a") == made
    assert ground.names(FILES_ROOT) == ["a"]
    assert ground.found("x") == ["a"]
    assert ground.drive.job(made.file).state == "queued"
    with pytest.raises(AlreadyExists):
        ground.drive.create(OWNER, FILES_ROOT, "a", FILE, draft=True)
    ground.drive.settle()
    assert ground.read(ground.write(ground.at("a"), b"x")) == b"x"
    ground.drive.create(OWNER, FILES_ROOT, "b", FILE, draft=True)
    ground.drive.unlink(OWNER, FILES_ROOT, "b")
    ground.drive.settle()
    assert ground.names(FILES_ROOT) == ["a"]


def test_lookup_says_what_is_wrong(ground: Ground) -> None:
    file = ground.file("a")
    with pytest.raises(NotFound):
        ground.drive.lookup(OWNER, FILES_ROOT, "b")
    with pytest.raises(NotAFolder):
        ground.drive.lookup(OWNER, file.id, "b")
    with pytest.raises(NotFound):
        ground.drive.lookup(OWNER, MISSING, "a")
    with pytest.raises(NotFound):
        ground.drive.node(OWNER, MISSING)


def test_children_go_on_where_they_were(ground: Ground) -> None:
    for number in range(10):
        ground.file(f"{number}")
    first = ground.drive.children(OWNER, FILES_ROOT, limit=4)
    assert [entry.name for entry in first] == ["0", "1", "2", "3"]
    assert [entry.cookie for entry in first] == sorted({entry.cookie for entry in first})
    # What was listed goes, what was not goes too, and something new comes: the rest is seen once.
    ground.drive.unlink(OWNER, FILES_ROOT, "3")
    ground.drive.unlink(OWNER, FILES_ROOT, "5")
    ground.file("new")
    rest = ground.drive.children(OWNER, FILES_ROOT, after=first[-1].cookie)
    assert [entry.name for entry in rest] == ["4", "6", "7", "8", "9", "new"]
    assert rest[0].node == ground.at("4")
    assert ground.drive.children(OWNER, FILES_ROOT, after=rest[-1].cookie) == []


def test_children_of_what_has_none(ground: Ground) -> None:
    assert ground.drive.children(OWNER, ground.folder("empty").id) == []
    with pytest.raises(NotAFolder):
        ground.drive.children(OWNER, ground.file("a").id)
    with pytest.raises(NotFound):
        ground.drive.children(OWNER, MISSING)


def test_hard_links_are_one_node(ground: Ground) -> None:
    file = ground.file("a", b"same")
    folder = ground.folder("d")
    linked = ground.drive.link(OWNER, file.id, folder.id, "b")
    assert (linked.id, linked.links, linked.file) == (file.id, 2, file.file)
    assert ground.drive.path(OWNER, file.id) == "files/a"
    ground.drive.unlink(OWNER, FILES_ROOT, "a")
    assert ground.drive.path(OWNER, file.id) == "files/d/b"
    assert ground.at("d/b").links == 1
    assert ground.read(ground.at("d/b")) == b"same"
    assert ground.drive.trash(OWNER) == []


def test_links_that_cannot_be(ground: Ground) -> None:
    file, folder = ground.file("a"), ground.folder("d")
    with pytest.raises(NotPermitted):
        ground.drive.link(OWNER, folder.id, FILES_ROOT, "e")
    with pytest.raises(AlreadyExists):
        ground.drive.link(OWNER, file.id, FILES_ROOT, "d")
    with pytest.raises(NotFound):
        ground.drive.link(OWNER, MISSING, FILES_ROOT, "e")
    with pytest.raises(NotFound):
        ground.drive.link(OWNER, file.id, MISSING, "e")
    assert ground.at("a").links == 1


def test_unlink_and_rmdir(ground: Ground) -> None:
    file = ground.file("a")
    folder = ground.folder("d/e")
    with pytest.raises(IsAFolder):
        ground.drive.unlink(OWNER, FILES_ROOT, "d")
    with pytest.raises(NotAFolder):
        ground.drive.rmdir(OWNER, FILES_ROOT, "a")
    with pytest.raises(NotEmpty):
        ground.drive.rmdir(OWNER, FILES_ROOT, "d")
    for call in (ground.drive.unlink, ground.drive.rmdir):
        with pytest.raises(NotFound):
            call(OWNER, FILES_ROOT, "none")
    links = ground.at("d").links
    ground.drive.rmdir(OWNER, ground.at("d").id, "e")
    assert ground.at("d").links == links - 1
    ground.drive.rmdir(OWNER, FILES_ROOT, "d")
    ground.drive.unlink(OWNER, FILES_ROOT, "a")
    for gone in (file, folder):
        with pytest.raises(NotFound):
            ground.drive.node(OWNER, gone.id)
    with pytest.raises(NotFound):
        ground.drive.file(OWNER, file.file)
    with pytest.raises(NotFound):
        ground.drive.job(file.file)


def test_what_is_held_lives_without_a_name(ground: Ground) -> None:
    node = ground.file("a", b"still here")
    ground.drive.hold(node.id)
    ground.drive.hold(node.id)
    ground.drive.unlink(OWNER, FILES_ROOT, "a")
    ground.drive.release(node.id)
    assert ground.drive.node(OWNER, node.id).links == 0
    assert ground.drive.path(OWNER, node.id) == ""
    assert ground.read(node) == b"still here"
    with pytest.raises(NotFound):
        ground.drive.file(OWNER, node.file)
    ground.drive.release(node.id)
    empty = ground.file("b")
    ground.drive.hold(empty.id)
    ground.drive.unlink(OWNER, FILES_ROOT, "b")
    written = ground.write(ground.drive.node(OWNER, empty.id), b"written without a name")
    assert ground.read(written) == b"written without a name"
    ground.drive.release(empty.id)
    with pytest.raises(NotFound):
        ground.drive.node(OWNER, empty.id)


def test_rename_moves_the_node(ground: Ground) -> None:
    file, folder = ground.file("a", b"x", tags=("t",)), ground.folder("d")
    ground.drive.rename(OWNER, FILES_ROOT, "a", folder.id, "b")
    moved = ground.at("d/b")
    assert (moved.id, moved.file, moved.links) == (file.id, file.file, 1)
    assert moved.ctime > file.ctime
    assert moved.mtime == file.mtime
    assert ground.names(FILES_ROOT) == ["d"]
    assert ground.applied(moved) == ["t"]


def test_rename_of_folders_counts_their_parents_links(ground: Ground) -> None:
    one, two = ground.folder("one"), ground.folder("two")
    ground.folder("one/d/e")
    assert (ground.at("one").links, ground.at("two").links) == (3, 2)
    ground.drive.rename(OWNER, one.id, "d", two.id, "moved")
    assert (ground.at("one").links, ground.at("two").links) == (2, 3)
    assert ground.drive.path(OWNER, ground.at("two/moved/e").id) == "files/two/moved/e"


def test_rename_to_another_name_of_the_same_node_does_nothing(ground: Ground) -> None:
    file = ground.file("a")
    ground.drive.link(OWNER, file.id, FILES_ROOT, "b")
    ground.drive.rename(OWNER, FILES_ROOT, "a", FILES_ROOT, "b")
    ground.drive.rename(OWNER, FILES_ROOT, "a", FILES_ROOT, "a")
    assert ground.names(FILES_ROOT) == ["a", "b"]


def test_renames_that_cannot_be(ground: Ground) -> None:
    ground.file("f")
    ground.file("full/inside")
    top = ground.folder("top")
    below = ground.folder("top/below")
    cases = [
        (NotFound, ("none", FILES_ROOT, "x", Replace.ALLOW)),
        (NotFound, ("f", MISSING, "x", Replace.ALLOW)),
        (NotAFolder, ("f", ground.at("f").id, "x", Replace.ALLOW)),
        (AlreadyExists, ("f", FILES_ROOT, "top", Replace.REFUSE)),
        (IsAFolder, ("f", FILES_ROOT, "top", Replace.ALLOW)),
        (NotAFolder, ("top", FILES_ROOT, "f", Replace.ALLOW)),
        (NotEmpty, ("top", FILES_ROOT, "full", Replace.ALLOW)),
        (InvalidArgument, ("top", top.id, "x", Replace.ALLOW)),
        (InvalidArgument, ("top", below.id, "x", Replace.ALLOW)),
        (InvalidArgument, ("top", below.id, "x", Replace.REFUSE)),
        (NotFound, ("f", FILES_ROOT, "none", Replace.EXCHANGE)),
    ]
    for error, (name, new_folder, new_name, replace) in cases:
        with pytest.raises(error):
            ground.drive.rename(OWNER, FILES_ROOT, name, new_folder, new_name, replace)
    assert ground.names(FILES_ROOT) == ["f", "full", "top"]
    assert ground.names(top) == ["below"]


def test_a_folder_replaces_an_empty_folder(ground: Ground) -> None:
    ground.file("a/inside")
    empty = ground.folder("b")
    links = ground.at("").links
    ground.drive.rename(OWNER, FILES_ROOT, "a", FILES_ROOT, "b")
    assert ground.names(FILES_ROOT) == ["b"]
    assert ground.names(ground.at("b")) == ["inside"]
    assert ground.at("").links == links - 1
    with pytest.raises(NotFound):
        ground.drive.node(OWNER, empty.id)


def test_a_safe_save_keeps_the_stable_id_and_the_tags(ground: Ground) -> None:
    old = ground.file("report", b"old", tags=("kept",))
    new = ground.file(".report.tmp", b"new")
    ground.drive.rename(OWNER, FILES_ROOT, ".report.tmp", FILES_ROOT, "report")
    saved = ground.at("report")
    assert (saved.id, saved.file) == (new.id, old.file)
    assert ground.read(saved) == b"new"
    assert ground.applied(saved) == ["kept"]
    assert ground.drive.file(OWNER, old.file).id == new.id
    (item,) = ground.drive.trash(OWNER)
    assert (item.path, item.why) == ("files/report", "replaced")
    assert ground.read(item.node) == b"old"


def test_a_save_by_backup_keeps_the_stable_id_and_the_tags(ground: Ground) -> None:
    old = ground.file("report", b"old", tags=("kept",))
    ground.drive.rename(OWNER, FILES_ROOT, "report", FILES_ROOT, "report~")
    ground.file("report", b"new")
    ground.drive.unlink(OWNER, FILES_ROOT, "report~")
    saved = ground.at("report")
    assert saved.file == old.file
    assert ground.read(saved) == b"new"
    assert ground.applied(saved) == ["kept"]


def test_exchange(ground: Ground) -> None:
    file, folder = ground.file("f", b"x", tags=("t",)), ground.folder("d/e")
    above = ground.at("d")
    ground.drive.rename(OWNER, FILES_ROOT, "f", above.id, "e", Replace.EXCHANGE)
    assert (ground.at("f").id, ground.at("d/e").id) == (folder.id, file.id)
    assert ground.at("d").links == 2
    assert ground.at("d/e").file == file.file
    assert ground.applied(ground.at("d/e")) == ["t"]
    assert ground.drive.trash(OWNER) == []


def test_set_attributes(ground: Ground) -> None:
    file = ground.file("a", b"x")
    changed = ground.drive.set_attributes(
        OWNER, file.id, AttributeChange(mode=0o4711, uid=42, gid=43, atime=1, mtime=-2_000_000_001)
    )
    assert (changed.mode, changed.uid, changed.gid) == (stat.S_IFREG | 0o4711, 42, 43)
    assert (changed.atime, changed.mtime) == (1, -2_000_000_001)
    assert changed.ctime > file.ctime
    assert (changed.size, changed.version, changed.file) == (file.size, file.version, file.file)
    again = ground.drive.set_attributes(OWNER, file.id, AttributeChange())
    assert (again.mode, again.uid, again.atime) == (changed.mode, 42, 1)
    # A whole st_mode does not change the type.
    assert stat.S_ISREG(ground.drive.set_attributes(OWNER, file.id, AttributeChange(mode=FOLDER)).mode)
    with pytest.raises(NotFound):
        ground.drive.set_attributes(OWNER, MISSING, AttributeChange(mode=0))


def test_accessed_sets_access_times_only(ground: Ground) -> None:
    one, two = ground.file("a"), ground.file("b")
    ground.drive.accessed([(one.id, 5), (MISSING, 6), (two.id, 7)])
    assert [ground.at("a").atime, ground.at("b").atime] == [5, 7]
    assert (ground.at("a").ctime, ground.at("a").mtime) == (one.ctime, one.mtime)


def test_stable_ids_follow_the_file(ground: Ground) -> None:
    file = ground.file("a/b", b"x")
    ground.drive.rename(OWNER, ground.at("a").id, "b", FILES_ROOT, "c")
    assert ground.drive.path(OWNER, ground.drive.file(OWNER, file.file).id) == "files/c"
    bin_ = ground.drive.create(OWNER, SUPER_ROOT, f".Trash-{OWNER.uid}", stat.S_IFDIR | 0o700)
    ground.drive.rename(OWNER, FILES_ROOT, "c", bin_.id, "c")
    with pytest.raises(NotFound):
        ground.drive.file(OWNER, file.file)
    ground.drive.rename(OWNER, bin_.id, "c", FILES_ROOT, "c")
    assert ground.drive.file(OWNER, file.file).id == file.id
    assert ground.drive.job(file.file).state == "queued"


def test_space(ground: Ground) -> None:
    space = ground.drive.space()
    assert space.block_size > 0
    assert space.blocks >= space.blocks_free >= space.blocks_available >= 0
    assert space.nodes_free > 0


def test_callers_own_what_they_make(ground: Ground) -> None:
    shared = ground.drive.create(OWNER, FILES_ROOT, "shared", stat.S_IFDIR | 0o777)
    made = ground.drive.create(STRANGER, shared.id, "mine", FILE)
    assert (made.uid, made.gid) == (STRANGER.uid, STRANGER.gid)


@pytest.mark.parametrize("mode", [0, 0o644, 0o170644, 0o1100644, 0o200000 | FILE])
def test_a_node_is_of_a_type_that_kernels_know(ground: Ground, mode: int) -> None:
    with pytest.raises(InvalidArgument):
        ground.drive.create(OWNER, FILES_ROOT, "a", mode)
    assert ground.names(FILES_ROOT) == []


@pytest.mark.parametrize("target", ["", "a\0b", "x" * 4096])
def test_targets_that_no_link_has(ground: Ground, target: str) -> None:
    with pytest.raises((InvalidArgument, NameTooLong)):
        ground.drive.create(OWNER, FILES_ROOT, "a", 0o120777, target=target)
    ground.drive.create(OWNER, FILES_ROOT, "a", 0o120777, target=target.replace("\0", "")[:4095] or "a")
