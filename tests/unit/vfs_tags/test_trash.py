"""The desktop's trash: what is moved into `.Trash-<uid>` from `tags/`, and back."""

import pytest

from gateway.service.service import Service
from graphfs.errors import NotPermitted
from tests.unit.vfs_tags.shell import Shell

TRASH = ".Trash-0/files"


@pytest.fixture
def filled(sh: Shell) -> Shell:
    sh.mkdir(".Trash-0")
    sh.mkdir(TRASH)
    sh.mkdir("files/d")
    for name, tags in (("one.txt", "a"), ("two.txt", "a/x,a/y,b"), ("three.txt", "b")):
        sh.write(f"files/d/{name}", name)
        sh.tag(f"files/d/{name}", *tags.split(","))
    return sh


def test_an_entry_in_the_trash_is_untagged_and_can_be_looked_at(filled: Shell) -> None:
    filled.mv("tags/a/two.txt", f"{TRASH}/two.txt")
    assert filled.tags("files/d/two.txt") == {"b"}
    assert filled.read(f"{TRASH}/two.txt") == b"two.txt"
    assert filled.read("files/d/two.txt") == b"two.txt"


def test_bringing_an_entry_back_gives_exactly_what_it_had(filled: Shell) -> None:
    filled.mv("tags/a/two.txt", f"{TRASH}/two.2.txt")
    filled.mv(f"{TRASH}/two.2.txt", "tags/a/two.txt")
    assert filled.tags("files/d/two.txt") == {"a/x", "a/y", "b"}
    assert filled.ls(TRASH) == []
    assert filled.stat("files/d/two.txt").links == 1 + 3
    assert "user.graphfs.trashed" not in filled.volume.listxattr(filled.caller, filled.stat("files/d/two.txt").id)


def test_bringing_an_entry_back_elsewhere_gives_that_tag(filled: Shell) -> None:
    filled.mkdir("tags/c")
    filled.mv("tags/a/two.txt", f"{TRASH}/two.txt")
    filled.mv(f"{TRASH}/two.txt", "tags/c/")
    assert filled.tags("files/d/two.txt") == {"b", "c"}


def test_emptying_the_trash_harms_no_file(filled: Shell) -> None:
    filled.mv("tags/a/one.txt", f"{TRASH}/one.txt")
    filled.rm(f"{TRASH}/one.txt")
    assert filled.read("files/d/one.txt") == b"one.txt"


def test_a_deleted_file_that_is_brought_back_into_a_tag_goes_to_the_inbox(filled: Shell) -> None:
    filled.mv("files/d/one.txt", f"{TRASH}/one.txt")
    assert not filled.files("tags/a") or "one.txt" not in filled.files("tags/a")
    filled.mv(f"{TRASH}/one.txt", "tags/b/")
    assert filled.read("files/Inbox/one.txt") == b"one.txt"
    assert filled.tags("files/Inbox/one.txt") == {"a", "b"}
    assert filled.ls(TRASH) == []


def test_a_tag_in_the_trash_is_gone_with_its_edges_and_comes_back_with_them(filled: Shell, drive: Service) -> None:
    before = {name: filled.tags(f"files/d/{name}") for name in filled.files("files/d")}
    filled.mv("tags/a", f"{TRASH}/a")
    assert {tag.path for tag in drive.tags(filled.caller)} == {"b"}
    assert filled.tags("files/d/two.txt") == {"b"}
    assert filled.entries(f"{TRASH}/a") == []
    filled.mv(f"{TRASH}/a", "tags/a")
    assert {name: filled.tags(f"files/d/{name}") for name in filled.files("files/d")} == before
    assert filled.ls(TRASH) == []


def test_a_tag_can_be_brought_back_under_another_name(filled: Shell) -> None:
    filled.mv("tags/a", f"{TRASH}/a.2")
    filled.mv(f"{TRASH}/a.2", "tags/z")
    assert filled.tags("files/d/one.txt") == {"z"}


def test_a_child_and_a_tag_without_files(filled: Shell) -> None:
    filled.mv("tags/a/x", f"{TRASH}/x")
    assert filled.tags("files/d/two.txt") == {"a/y", "b"}
    filled.mv(f"{TRASH}/x", "tags/a/x")
    assert filled.tags("files/d/two.txt") == {"a/x", "a/y", "b"}
    filled.mkdir("tags/empty")
    filled.mv("tags/empty", f"{TRASH}/empty")
    assert not filled.exists("tags/empty")
    filled.mv(f"{TRASH}/empty", "tags/empty")
    assert "empty" in filled.folders("tags")


def test_a_facet_in_the_trash_takes_its_tag_off_the_files_of_the_view(filled: Shell) -> None:
    filled.mv("tags/a/b", f"{TRASH}/b")
    assert filled.tags("files/d/two.txt") == {"a/x", "a/y"}
    assert filled.tags("files/d/three.txt") == {"b"}
    filled.mv(f"{TRASH}/b", "tags/a/b")
    assert filled.tags("files/d/two.txt") == {"a/x", "a/y", "b"}
    assert filled.ls(TRASH) == []


def test_what_has_no_tag_to_lose_is_not_put_into_the_trash(filled: Shell) -> None:
    for path in ("tags/+recent/one.txt", "tags/+recent", "tags/a,b", "tags/-a"):
        with pytest.raises(NotPermitted):
            filled.mv(path, f"{TRASH}/x")
    assert filled.ls(TRASH) == []


def test_a_folder_of_files_does_not_become_a_tag(filled: Shell) -> None:
    filled.mv("files/d", f"{TRASH}/d")
    with pytest.raises(NotPermitted):
        filled.mv(f"{TRASH}/d", "tags/d")
    assert filled.exists(f"{TRASH}/d/one.txt")


def test_a_tag_that_was_brought_back_by_undo_leaves_no_folder(filled: Shell, drive: Service) -> None:
    filled.mv("tags/a", f"{TRASH}/a")
    drive.undo(filled.caller)
    filled.mv(f"{TRASH}/a", "tags/a")
    assert filled.tags("files/d/one.txt") == {"a"}
    assert filled.ls(TRASH) == []
