"""A file stays the same file when a program saves it: stable id and tags, whichever way the program takes."""

import pytest

from graphfs.model import FILES_ROOT
from tests.contracts.ground import FILE, OWNER, Ground


def saved(ground: Ground, name: str, old: int) -> None:
    node = ground.drive.lookup(OWNER, FILES_ROOT, name)
    assert node.file == old
    assert [edge.tag for edge in ground.drive.edges(OWNER, node.file)] == ["red"]
    assert [entry.name for entry in ground.drive.view_files(OWNER, ("red",))] == [name]
    assert ground.drive.fsck(OWNER) == []


def test_a_new_file_is_renamed_over_the_old_one(ground: Ground) -> None:
    old = ground.file("a.txt", b"one")
    ground.drive.change_tags(OWNER, [old.file], ["red"], [])
    ground.file("a.txt.new", b"two")
    ground.drive.rename(OWNER, FILES_ROOT, "a.txt.new", FILES_ROOT, "a.txt")
    saved(ground, "a.txt", old.file)
    assert [item.why for item in ground.drive.trash(OWNER)] == ["replaced"]


@pytest.mark.parametrize("backup", ["a.txt~", "a.txt.bak", "old"])
def test_the_old_file_is_moved_away_and_deleted_after_the_save(ground: Ground, backup: str) -> None:
    old = ground.file("a.txt", b"one")
    ground.drive.change_tags(OWNER, [old.file], ["red"], [])
    ground.drive.rename(OWNER, FILES_ROOT, "a.txt", FILES_ROOT, backup)
    ground.file("a.txt", b"two")
    ground.drive.unlink(OWNER, FILES_ROOT, backup)
    saved(ground, "a.txt", old.file)


@pytest.mark.parametrize("way", ["create", "rename"])
def test_the_old_file_is_kept_as_a_backup(ground: Ground, way: str) -> None:
    old = ground.file("a.txt", b"one")
    ground.drive.change_tags(OWNER, [old.file], ["red"], [])
    ground.drive.rename(OWNER, FILES_ROOT, "a.txt", FILES_ROOT, "a.txt~")
    if way == "create":
        ground.drive.create(OWNER, FILES_ROOT, "a.txt", FILE)
    else:
        ground.file("temporary", b"two")
        ground.drive.rename(OWNER, FILES_ROOT, "temporary", FILES_ROOT, "a.txt")
    saved(ground, "a.txt", old.file)
    assert ground.drive.lookup(OWNER, FILES_ROOT, "a.txt~").tags == 0


def test_a_file_that_was_moved_away_by_a_person_stays_itself(ground: Ground) -> None:
    old = ground.file("a.txt", b"one")
    ground.drive.change_tags(OWNER, [old.file], ["red"], [])
    ground.drive.rename(OWNER, FILES_ROOT, "a.txt", FILES_ROOT, "b.txt")
    new = ground.file("a.txt", b"two")
    assert new.file != old.file
    saved(ground, "b.txt", old.file)
