"""What each operation in `tags/` means: the rows of the design's table, one by one."""

import errno
import stat
from collections.abc import Callable

import pytest

from gateway.service.service import Service
from graphfs.errors import (
    AlreadyExists,
    InvalidArgument,
    IsAFolder,
    NotAFolder,
    NotEmpty,
    NotFound,
    NotPermitted,
)
from graphfs.model import AttributeChange, Caller, Edge, EdgeState, Replace, Source
from tests.unit.vfs_tags.shell import Shell

Edges = Callable[[str], list[tuple[str, str, str]]]

NOTHING_GOES_IN = ("tags/a,b", "tags/-a", "tags/a/-b", "tags/year/2020..2024", "tags/+recent", "tags/+not/a", "tags")


@pytest.fixture
def filled(sh: Shell) -> Shell:
    """Three files in files/d with the tags a, b and year/2023."""
    sh.mkdir("files/d")
    for name, tags in (("one.txt", "a"), ("two.txt", "a,b"), ("three.txt", "b,year/2023")):
        sh.write(f"files/d/{name}", name)
        sh.tag(f"files/d/{name}", tags)
    return sh


# -- making tags


def test_mkdir_makes_a_tag_that_is_shown_although_empty(sh: Shell, drive: Service) -> None:
    sh.mkdir("tags/x")
    assert "x" in sh.folders("tags")
    assert [tag.path for tag in drive.tags(sh.caller)] == ["x"]


def test_mkdir_in_a_tag_makes_a_child_shown_although_empty(sh: Shell, drive: Service) -> None:
    sh.mkdir("tags/a")
    sh.mkdir("tags/a/x")
    assert sh.folders("tags/a") == ["x"]
    assert [tag.path for tag in drive.tags(sh.caller)] == ["a", "a/x"]


def test_mkdir_in_a_facet_makes_a_child_of_the_last_tag(filled: Shell, drive: Service) -> None:
    filled.mkdir("tags/a/b/new")
    assert "b/new" in [tag.path for tag in drive.tags(filled.caller)]
    filled.rmdir("tags/a/b/new")
    assert "b/new" not in [tag.path for tag in drive.tags(filled.caller)]


@pytest.mark.parametrize("name", [".x", "+x", "-x", "x,y", "a..b", "x" * 201])
def test_bad_names_of_tags_are_refused(sh: Shell, name: str) -> None:
    with pytest.raises(InvalidArgument) if len(name) < 200 else pytest.raises(Exception, match="200"):
        sh.mkdir(f"tags/{name}")


def test_mkdir_of_a_known_tag_is_refused_whatever_its_case(sh: Shell) -> None:
    sh.mkdir("tags/Jazz")
    with pytest.raises(AlreadyExists):
        sh.mkdir("tags/jazz")


@pytest.mark.parametrize("folder", [folder for folder in NOTHING_GOES_IN if folder != "tags"])
def test_no_tags_are_made_below_expressions(filled: Shell, folder: str) -> None:
    with pytest.raises(NotPermitted):
        filled.mkdir(f"{folder}/new")


# -- files come in


def test_a_created_file_is_kept_in_the_inbox_with_all_tags_of_the_path(sh: Shell) -> None:
    sh.mkdir("tags/a")
    sh.mkdir("tags/b")
    node = sh.write("tags/a/b/f.txt", "hello")
    assert sh.files("tags/a/b") == ["f.txt"]
    assert sh.stat("files/Inbox/f.txt").id == node == sh.stat("tags/a/f.txt").id
    assert sh.read("files/Inbox/f.txt") == b"hello"
    assert sh.tags("files/Inbox/f.txt") == {"a", "b"}


def test_a_created_file_belongs_to_its_maker_and_has_its_mode(sh: Shell) -> None:
    sh.mkdir("tags/a")
    sh.write("tags/a/f.txt")
    shown = sh.stat("tags/a/f.txt")
    assert stat.S_ISREG(shown.mode)
    assert stat.S_IMODE(shown.mode) == 0o644
    assert shown.links == 2  # one name and one tag


def test_the_inbox_is_made_again_when_it_was_removed(sh: Shell) -> None:
    sh.mkdir("tags/a")
    sh.write("tags/a/f.txt")
    sh.mv("files/Inbox", "files/Old")
    sh.write("tags/a/g.txt")
    assert sh.exists("files/Inbox/g.txt")


def test_another_file_of_the_same_name_gets_a_number(sh: Shell) -> None:
    sh.mkdir("tags/a")
    sh.mkdir("tags/b")
    sh.write("tags/a/f.txt", "one")
    second = sh.write("tags/b/f.txt", "two")
    assert sorted(sh.files("files/Inbox")) == ["f (2).txt", "f.txt"]
    assert sh.files("tags/b") == ["f (2).txt"]
    assert sh.stat("tags/b/f.txt").id == second  # the name it was made by leads to it still


def test_creating_over_an_entry_is_refused_exclusively_and_opens_it_else(sh: Shell) -> None:
    sh.mkdir("tags/a")
    node = sh.write("tags/a/f.txt", "old")
    with pytest.raises(AlreadyExists):
        sh.create("tags/a/f.txt")
    folder, name = sh.walk("tags/a/f.txt")
    opened, shown = sh.volume.create(sh.caller, folder, name, 0o644, 0o1)
    sh.close(opened.handle)
    assert shown.id == node


@pytest.mark.parametrize("folder", NOTHING_GOES_IN)
def test_no_file_comes_into_what_is_no_plain_query(filled: Shell, folder: str) -> None:
    with pytest.raises(NotPermitted):
        filled.create(f"{folder}/f.txt")
    with pytest.raises((NotPermitted, NotFound)):
        filled.mv("files/d/one.txt", f"{folder}/new.txt")
    with pytest.raises(NotPermitted):
        filled.ln("files/d/one.txt", f"{folder}/new.txt")
    assert filled.exists("files/d/one.txt")


# -- files get tags


def test_moving_a_file_in_adds_the_tag_and_leaves_the_file(filled: Shell) -> None:
    node = filled.stat("files/d/one.txt").id
    filled.mv("files/d/one.txt", "tags/b/")
    assert filled.tags("files/d/one.txt") == {"a", "b"}
    assert filled.stat("tags/b/one.txt").id == filled.stat("files/d/one.txt").id == node


def test_moving_in_twice_changes_nothing(filled: Shell) -> None:
    filled.mv("files/d/one.txt", "tags/a/")
    assert filled.tags("files/d/one.txt") == {"a"}


def test_moving_in_beside_another_of_the_name_lists_both(filled: Shell) -> None:
    filled.mkdir("files/e")
    filled.write("files/e/one.txt", "other")
    filled.mv("files/e/one.txt", "tags/a/")
    assert filled.read("files/d/one.txt") == b"one.txt"
    assert filled.read("files/e/one.txt") == b"other"
    assert len([name for name in filled.files("tags/a") if name.startswith("one")]) == 2
    filled.write("files/one.txt", "third")
    with pytest.raises(AlreadyExists):
        filled.mv("files/one.txt", "tags/a/", Replace.REFUSE)


def test_moving_in_under_another_name_renames_the_file(filled: Shell) -> None:
    filled.mv("files/d/three.txt", "tags/a/drei.txt")
    assert filled.exists("files/d/drei.txt")
    assert "drei.txt" in filled.files("tags/a")


def test_moving_over_an_entry_under_another_name_is_a_save(filled: Shell) -> None:
    filled.write("files/tmp", "new content")
    before = filled.getxattr("files/d/two.txt", "user.graphfs.id")
    filled.mv("files/tmp", "tags/a/two.txt")
    assert filled.read("files/d/two.txt") == b"new content"
    assert filled.getxattr("files/d/two.txt", "user.graphfs.id") == before
    assert filled.tags("files/d/two.txt") == {"a", "b"}
    assert not filled.exists("files/tmp")


def test_folders_links_and_fifos_of_files_have_no_tags(filled: Shell) -> None:
    filled.ln_s("one.txt", "files/d/link")
    filled.volume.mknod(filled.caller, *filled.walk("files/d/fifo"), stat.S_IFIFO | 0o644, 0)
    for name in ("files/d", "files/d/link", "files/d/fifo"):
        with pytest.raises(NotPermitted):
            filled.mv(name, "tags/a/")


def test_moving_between_tags_takes_one_and_gives_the_other(filled: Shell) -> None:
    filled.mv("tags/a/one.txt", "tags/b/")
    assert filled.tags("files/d/one.txt") == {"b"}
    assert "one.txt" not in filled.files("tags/a")


@pytest.mark.parametrize(
    ("had", "source", "target", "has"),
    [
        ("a,b", "tags/a/b/f", "tags/a/c/", "a,c"),
        ("a,b", "tags/a/b/f", "tags/a/", "a"),
        ("a,b", "tags/b/a/f", "tags/a/", "a"),
        ("a", "tags/a/f", "tags/a/b/", "a,b"),
        ("a/x", "tags/a/f", "tags/a/b/", "a/x,b"),
        ("year/2023", "tags/year/f", "tags/year/2024/", "year/2024"),
        ("year/2023", "tags/year/2023/f", "tags/year/2024/", "year/2024"),
        ("year/2023,year/2024", "tags/year/2023/f", "tags/year/2024/", "year/2024"),
        ("c", "tags/+recent/f", "tags/a/", "a,c"),
        ("", "tags/+untagged/f", "tags/a/", "a"),
        ("c", "tags/c,a/f", "tags/b/", "b,c"),
    ],
)
def test_what_a_move_between_views_takes_and_gives(sh: Shell, had: str, source: str, target: str, has: str) -> None:
    for name in ("a", "a/x", "b", "c", "year", "year/2023", "year/2024"):
        sh.mkdir(f"tags/{name}")
    sh.write("files/f")
    sh.tag("files/f", had)
    sh.mv(source, target)
    assert sh.tags("files/f") == set(has.split(","))


def test_renaming_in_a_tag_renames_the_file_in_its_own_folder(filled: Shell) -> None:
    filled.mv("tags/a/one.txt", "tags/a/eins.txt")
    assert filled.exists("files/d/eins.txt")
    assert not filled.exists("files/d/one.txt")
    assert filled.tags("files/d/eins.txt") == {"a"}


def test_renaming_never_takes_the_place_of_an_uninvolved_file(filled: Shell) -> None:
    filled.write("files/d/other.txt", "untagged")
    with pytest.raises(AlreadyExists):
        filled.mv("tags/a/one.txt", "tags/a/other.txt")
    assert filled.read("files/d/other.txt") == b"untagged"


def test_exchange_swaps_the_names_of_two_entries(filled: Shell) -> None:
    filled.mv("tags/a/one.txt", "tags/a/two.txt", Replace.EXCHANGE)
    assert filled.read("tags/a/one.txt") == b"two.txt"
    assert filled.read("files/d/two.txt") == b"one.txt"
    with pytest.raises(NotPermitted):
        filled.mv("tags/a/one.txt", "files/d/three.txt", Replace.EXCHANGE)


def test_moving_out_moves_the_file_and_its_tags_stay(filled: Shell) -> None:
    filled.mkdir("files/e")
    filled.mv("tags/a/two.txt", "files/e/")
    assert filled.exists("files/e/two.txt")
    assert not filled.exists("files/d/two.txt")
    assert filled.tags("files/e/two.txt") == {"a", "b"}


def test_a_tag_folder_never_becomes_a_folder_of_files(filled: Shell) -> None:
    with pytest.raises(NotPermitted):
        filled.mv("tags/a", "files/a")


def test_a_hard_link_adds_the_tag(filled: Shell) -> None:
    filled.ln("files/d/one.txt", "tags/b/")
    assert filled.tags("files/d/one.txt") == {"a", "b"}
    with pytest.raises(AlreadyExists):
        filled.ln("files/d/one.txt", "tags/b/")


def test_a_hard_link_of_another_name_is_kept_in_the_inbox(filled: Shell) -> None:
    """As copies of folders with hard links make them (`cp -a`, `rsync -H`, `tar x`)."""
    filled.ln("files/d/three.txt", "tags/a/another-name")
    assert filled.tags("files/d/three.txt") == {"a", "b", "year/2023"}
    numbers = {
        filled.stat(path).id for path in ("files/d/three.txt", "files/Inbox/another-name", "tags/a/another-name")
    }
    assert len(numbers) == 1
    assert sorted(filled.files("tags/a")) == ["one.txt", "three.txt", "two.txt"]


def test_the_mode_and_times_of_a_folder_are_what_they_are_and_may_be_set_for_nothing(filled: Shell) -> None:
    """As every program that copies a folder does at its end."""
    for path in ("tags", "tags/a", "tags/a/b", "tags/a,b"):
        before = filled.stat(path)
        shown = filled.volume.setattr(filled.caller, before.id, AttributeChange(mode=0o700, mtime=1, uid=5))
        assert (shown.mode, shown.mtime, shown.uid) == (before.mode, before.mtime, before.uid)
    with pytest.raises(NotPermitted):
        filled.volume.setattr(filled.caller, filled.stat("tags/.nomedia").id, AttributeChange(mode=0o700))


@pytest.mark.parametrize(
    "target",
    [
        "../../files/d/one.txt",
        "/media/drive/files/d/one.txt",
        "/media/drive/tags/a/one.txt",
        "../a/one.txt",
        "../.././files//d/../d/one.txt",
    ],
)
def test_a_symbolic_link_to_a_file_of_the_drive_adds_the_tag(filled: Shell, target: str) -> None:
    shown = filled.ln_s(target, "tags/b/")
    assert stat.S_ISLNK(shown.mode)
    assert shown.entry_timeout == 0  # the next look shows the file itself
    assert filled.tags("files/d/one.txt") == {"a", "b"}
    assert filled.stat("tags/b/one.txt") == shown  # libfuse looks whether it is a link, in the same call
    assert stat.S_ISREG(filled.stat("tags/b/one.txt").mode)


@pytest.mark.parametrize(
    "target", ["/etc/one.txt", "one.txt", "../../../one.txt", "/media/drive/files/d", "/media/drivel/files/d/one.txt"]
)
def test_other_symbolic_links_are_refused(filled: Shell, target: str) -> None:
    with pytest.raises(NotPermitted):
        filled.ln_s(target, "tags/b/one.txt")


# -- files lose tags


def test_rm_takes_the_tag_and_never_the_file(filled: Shell) -> None:
    filled.rm("tags/a/two.txt")
    assert filled.tags("files/d/two.txt") == {"b"}
    assert filled.read("files/d/two.txt") == b"two.txt"


def test_rm_takes_what_is_below_the_tag_too(filled: Shell) -> None:
    filled.rm("tags/year/three.txt")
    assert filled.tags("files/d/three.txt") == {"b"}


def test_rm_below_several_terms_takes_the_last_one(filled: Shell) -> None:
    filled.rm("tags/a/b/two.txt")
    assert filled.tags("files/d/two.txt") == {"a"}


def test_a_machines_tag_that_was_removed_is_remembered_as_rejected(filled: Shell, drive: Service, edges: Edges) -> None:
    file = int(filled.getxattr("files/d/one.txt", "user.graphfs.id"))
    drive.put_edges(filled.caller, file, [Edge("cats", EdgeState.APPLIED, Source.MODEL, "m", confidence=0.9)])
    filled.rm("tags/cats/one.txt")
    assert ("cats", "rejected", "model") in edges("files/d/one.txt")


@pytest.mark.parametrize("folder", ["tags/a,b", "tags/-b", "tags/+recent", "tags/+all", "tags/a/-b"])
def test_nothing_is_removed_where_no_tag_says_why_it_is_there(filled: Shell, folder: str) -> None:
    with pytest.raises(NotPermitted):
        filled.rm(f"{folder}/one.txt")
    assert filled.tags("files/d/one.txt") == {"a"}


def test_rmdir_deletes_an_unused_tag_only(filled: Shell, drive: Service) -> None:
    filled.mkdir("tags/x")
    filled.rmdir("tags/x")
    assert "x" not in [tag.path for tag in drive.tags(filled.caller)]
    with pytest.raises(NotEmpty):
        filled.rmdir("tags/a")
    with pytest.raises(NotEmpty):
        filled.rmdir("tags/a/b")
    with pytest.raises(NotAFolder):
        filled.rmdir("tags/a/one.txt")
    with pytest.raises(NotPermitted):
        filled.rmdir("tags/+recent")


def test_the_crawlers_files_and_folders_are_not_unlinked(filled: Shell) -> None:
    with pytest.raises(IsAFolder):
        filled.rm("tags/a")
    with pytest.raises(NotPermitted):
        filled.rm("tags/.nomedia")


# -- tags move


def test_moving_a_tag_renames_it(filled: Shell) -> None:
    filled.mv("tags/a", "tags/z")
    assert filled.tags("files/d/one.txt") == {"z"}
    assert not filled.exists("tags/a")
    filled.mv("tags/year/2023", "tags/year/2022")
    assert filled.tags("files/d/three.txt") == {"b", "year/2022"}


def test_a_renamed_folder_that_is_open_goes_on_working(filled: Shell) -> None:
    folder = filled.stat("tags/a").id
    filled.mv("tags/a", "tags/z")
    assert filled.volume.getattr(filled.caller, folder).size == 2
    assert filled.volume.lookup(filled.caller, folder, "one.txt").id == filled.stat("files/d/one.txt").id
    filled.mkdir("tags/a")
    assert filled.stat("tags/a").id not in (folder, filled.stat("tags/z").id)


def test_changing_only_the_case_of_a_tag(filled: Shell, drive: Service) -> None:
    filled.mv("tags/a", "tags/A")
    assert "A" in [tag.path for tag in drive.tags(filled.caller)]


def test_moving_a_tag_into_another_makes_it_a_child(filled: Shell) -> None:
    filled.mv("tags/a", "tags/b/a")
    assert filled.tags("files/d/one.txt") == {"b/a"}
    filled.mv("tags/b/a", "tags/a")
    assert filled.tags("files/d/one.txt") == {"a"}


def test_a_taken_name_a_cycle_and_a_facet_are_refused(filled: Shell) -> None:
    with pytest.raises(AlreadyExists):
        filled.mv("tags/a", "tags/b")
    with pytest.raises(InvalidArgument):
        filled.mv("tags/year", "tags/year/2023/year")
    with pytest.raises(NotPermitted):
        filled.mv("tags/a/b", "tags/year/b")
    with pytest.raises(NotPermitted):
        filled.mv("tags/a", "tags/-b/a")
    with pytest.raises(IsAFolder):
        filled.mv("files/d/one.txt", "tags/b")


# -- rm -r


def tree_of(sh: Shell) -> dict[str, set[str]]:
    return {name: sh.tags(f"files/d/{name}") for name in sh.files("files/d")}


@pytest.mark.parametrize("how", ["rm_r", "rm_r_depth_first"])
def test_rm_r_removes_exactly_the_tag_and_undo_brings_it_back(sh: Shell, drive: Service, how: str) -> None:
    sh.mkdir("files/d")
    names = [f"f{number:02}" for number in range(40)]
    for number, name in enumerate(names):
        sh.write(f"files/d/{name}", name)
        tags = [tag for tag, every in (("a", 2), ("a/x", 3), ("b", 4), ("b/y", 5), ("c", 7)) if number % every == 0]
        sh.tag(f"files/d/{name}", *tags)
    file = int(sh.getxattr("files/d/f04", "user.graphfs.id"))
    drive.put_edges(sh.caller, file, [Edge("c", EdgeState.APPLIED, Source.MODEL, "m", confidence=0.8)])
    before, said = tree_of(sh), drive.edges(sh.caller, file)
    remover = sh.process(4711)
    getattr(remover, how)("tags/a")
    assert tree_of(sh) == {name: {tag for tag in tags if tag[0] != "a"} for name, tags in before.items()}
    assert [tag.path for tag in drive.tags(sh.caller)] == ["b", "b/y", "c"]
    assert [edge for edge in drive.edges(sh.caller, file) if edge.tag == "c"] == [e for e in said if e.tag == "c"]
    assert all(sh.read(f"files/d/{name}") == name.encode() for name in names)
    drive.undo(remover.caller)
    assert tree_of(sh) == before
    assert sorted(drive.edges(sh.caller, file), key=lambda e: e.tag) == sorted(said, key=lambda e: e.tag)


def test_rm_r_of_a_facet_takes_that_tag_off_the_files_of_the_view(filled: Shell, drive: Service) -> None:
    filled.rm_r("tags/a/b")
    assert tree_of(filled) == {"one.txt": {"a"}, "two.txt": {"a"}, "three.txt": {"b", "year/2023"}}
    assert "b" in [tag.path for tag in drive.tags(filled.caller)]


def test_nothing_is_ever_exdev() -> None:
    """No error of ours is one that makes `mv` copy and delete."""
    from graphfs.fuse.errnos import ERRNOS  # noqa: PLC0415

    assert errno.EXDEV not in ERRNOS.values()


def test_other_users_see_what_they_may_read(filled: Shell) -> None:
    stranger = Caller(1234, 1234, pid=5)
    folder = filled.stat("tags/a").id
    filled.volume.setattr(filled.caller, filled.stat("files/d/one.txt").id, AttributeChange(mode=0o600))
    handle = filled.volume.opendir(stranger, folder)
    assert [e.name for e in filled.volume.readdir(handle, 0) if e.name.endswith("txt")] == ["two.txt"]
    assert filled.volume.getattr(stranger, folder).size == 1
