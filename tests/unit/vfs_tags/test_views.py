"""What folders of `tags/` show: names, attributes, bounds, crawlers' files, links instead of files."""

import stat
from queue import SimpleQueue

import pytest
from msgspec.structs import replace

from gateway.service.service import Service
from graphfs.errors import NotFound, Stale
from graphfs.model import Replace
from graphfs.vfs.interface import Invalidation
from tests.unit.vfs_tags.conftest import Ground
from tests.unit.vfs_tags.shell import Shell


@pytest.fixture
def filled(sh: Shell) -> Shell:
    sh.mkdir("files/d")
    sh.mkdir("files/e")
    for path, tags in (("d/one.txt", "a"), ("e/one.txt", "a,b"), ("d/two.txt", "a/x"), ("d/b", "a")):
        sh.write(f"files/{path}", path)
        sh.tag(f"files/{path}", *tags.split(","))
    return sh


def test_the_root_lists_what_is_there_and_not_what_is_hidden(filled: Shell) -> None:
    assert sorted(filled.folders("")) == ["files", "tags"]
    for name in (".graphfs", "tags/CACHEDIR.TAG"):
        assert filled.exists(name)


def test_files_are_the_real_ones(filled: Shell) -> None:
    real = filled.stat("files/d/two.txt")
    for path in ("tags/a/two.txt", "tags/a/x/two.txt"):
        assert replace(filled.stat(path), entry_timeout=real.entry_timeout) == real
        assert filled.stat(path).entry_timeout == 0  # the name is asked for again at every use
    assert dict(filled.entries("tags/a"))["two.txt"] == real
    assert real.links == 2


def test_what_a_listing_told_is_taken_back_when_another_path_changes_it(filled: Shell) -> None:
    told: SimpleQueue[Invalidation] = SimpleQueue()
    filled.volume.watch(told.put)
    folder = filled.stat("tags/b").id
    (shown,) = filled.files("tags/b")
    filled.write("tags/a/.goutputstream-AB12CD", "new")
    filled.mv("tags/a/.goutputstream-AB12CD", f"tags/b/{shown}")
    while told.get(timeout=10) != Invalidation(folder, shown):
        pass


def test_equal_names_are_told_apart_and_every_form_resolves(filled: Shell) -> None:
    first = filled.getxattr("files/d/one.txt", "user.graphfs.id")
    shown = {name: filled.getxattr(f"tags/a/{name}", "user.graphfs.path") for name in filled.files("tags/a")}
    assert shown["one.txt"] == "files/d/one.txt"
    (other,) = [name for name, path in shown.items() if path == "files/e/one.txt"]
    assert other.startswith("one~")
    assert other.endswith(".txt")
    assert filled.getxattr("tags/a/one.txt", "user.graphfs.id") == first
    assert filled.stat(f"tags/b/{other}").id == filled.stat("tags/b/one.txt").id


def test_a_folder_keeps_its_name_and_the_file_gives_way(filled: Shell) -> None:
    assert stat.S_ISDIR(filled.stat("tags/a/b").mode)
    (shown,) = [name for name in filled.files("tags/a") if name.startswith("b~")]
    assert filled.read(f"tags/a/{shown}") == b"d/b"


def test_moving_an_entry_by_its_second_name_does_not_rename_the_file(filled: Shell) -> None:
    (other,) = [name for name in filled.files("tags/a") if name.startswith("one~")]
    filled.mkdir("tags/c")
    filled.mv(f"tags/a/{other}", "tags/c/")
    assert filled.files("tags/c") == ["one.txt"]
    assert filled.tags("files/e/one.txt") == {"b", "c"}


def test_attributes_of_folders(filled: Shell) -> None:
    shown = filled.stat("tags/a")
    assert (shown.size, shown.uid, shown.gid) == (4, 0, 0)
    assert shown.entry_timeout <= 1
    assert shown.attribute_timeout <= 1
    assert shown.id >= 2**62
    for name in ("tags", "tags/a", "tags/a/x", "tags/a/b", "tags/+untagged", "tags/a/+direct"):
        assert stat.S_IMODE(filled.stat(name).mode) == 0o755, name
    for name in ("tags/a,b", "tags/-a", "tags/+not/a", "tags/+recent", "tags/+all", "tags/+not"):
        assert stat.S_IMODE(filled.stat(name).mode) == 0o555, name


def test_the_time_of_a_folder_is_that_of_its_last_change(filled: Shell) -> None:
    before = filled.stat("tags/a").mtime, filled.stat("tags/b").mtime
    filled.rm("tags/a/two.txt")
    assert filled.stat("tags/a").mtime > before[0]
    assert filled.stat("tags/b").mtime == before[1]


def test_ids_are_one_for_each_literal_path_and_the_same_after_a_remount(filled: Shell, ground: Ground) -> None:
    paths = ["tags", "tags/a", "tags/A", "tags/a/b", "tags/b/a", "tags/b", "tags/a/x", "tags/a,b"]
    ids = [filled.stat(path).id for path in paths]
    assert len(set(ids)) == len(paths)
    with ground.mount() as again:
        assert [again.stat(path).id for path in paths] == ids


def test_a_forgotten_folder_is_known_again_when_it_is_looked_up(filled: Shell) -> None:
    folder = filled.stat("tags/a").id
    filled.volume.forget(folder)
    with pytest.raises(NotFound):
        filled.volume.getattr(filled.caller, folder)
    assert filled.stat("tags/a").id == folder


def test_crawlers_are_told_to_stay_out(filled: Shell) -> None:
    names = [name for name, _ in filled.entries("tags")]
    assert {".trackerignore", ".nomedia"} <= set(names)
    assert "CACHEDIR.TAG" not in names
    assert filled.read("tags/CACHEDIR.TAG").startswith(b"Signature: 8a477f597d28d172789f06886806bc55")
    assert filled.read("tags/.nomedia") == b""
    assert not filled.exists("CACHEDIR.TAG")  # a backup of the whole drive takes the files


def test_folders_come_after_files_and_have_larger_ids(filled: Shell) -> None:
    kinds = [stat.S_ISDIR(shown.mode) for _, shown in filled.entries("tags/a")]
    assert kinds == sorted(kinds)
    ids = [shown.id for _, shown in filled.entries("tags/a")]
    assert max(ids[: kinds.index(True)]) < min(ids[kinds.index(True) :])


def test_find_ends(filled: Shell) -> None:
    for number in range(60):
        filled.write(f"files/d/many{number}", str(number))
        filled.tag(f"files/d/many{number}", *(f"t{bit}" for bit in range(5) if number % (bit + 2) == 0))
    found = filled.find("tags")
    assert len(found) == len(set(found))
    assert max(path.count("/") for path in found) <= 5


def test_a_listing_goes_on_where_it_was_whatever_changes(filled: Shell) -> None:
    handle = filled.volume.opendir(filled.caller, filled.stat("tags/a").id)
    first = next(iter(filled.volume.readdir(handle, 0)))
    filled.rm(f"tags/a/{first.name}")
    rest = list(filled.volume.readdir(handle, first.cookie))
    assert len(rest) >= 3
    assert first.name not in [entry.name for entry in rest]


def test_a_view_that_is_read_in_parts_lists_all_once(filled: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = ("tags", "tags/a", "tags/+recent", "tags/+all", "tags/b")
    whole = [filled.entries(path) for path in paths]
    for part in (1, 2, 3):
        monkeypatch.setattr("graphfs.vfs.tags._PART", part)
        assert [filled.entries(path) for path in paths] == whole


@pytest.fixture
def links(ground: Ground, filled: Shell) -> Shell:
    """The same drive, mounted with -o tag_entries=symlink."""
    with ground.mount(entries="symlink") as shell:
        yield shell  # type: ignore[misc]  # pytest takes a generator here


def test_entries_can_be_links_to_the_real_files(links: Shell) -> None:
    shown = dict(links.entries("tags/a"))["two.txt"]
    assert stat.S_ISLNK(shown.mode)
    assert links.stat("tags/a/two.txt") == shown
    assert links.volume.readlink(links.caller, shown.id) == "../../files/d/two.txt"
    assert shown.size == len("../../files/d/two.txt")
    assert links.volume.readlink(links.caller, links.stat("tags/a/x/two.txt").id) == "../../../files/d/two.txt"


def test_operations_on_links_mean_the_same(links: Shell) -> None:
    links.rm("tags/a/two.txt")
    assert links.tags("files/d/two.txt") == set()
    links.mv("files/d/two.txt", "tags/b/", Replace.REFUSE)
    assert links.tags("files/d/two.txt") == {"b"}
    links.mv("tags/b/two.txt", "tags/a/")
    assert links.tags("files/d/two.txt") == {"a"}
    links.write("tags/a/new.txt", "n")
    assert links.read("files/Inbox/new.txt") == b"n"
    assert stat.S_ISLNK(links.stat("tags/a/new.txt").mode)


def test_a_folder_that_is_gone_is_looked_for_once_more(filled: Shell, drive: Service) -> None:
    """The kernel may still take its name for the query that it was, when something else has come to that place."""
    node = filled.stat("tags/a").id
    listed = filled.volume.opendir(filled.caller, node)
    drive.drop_tag(filled.caller, "a")
    with pytest.raises(Stale):
        filled.volume.opendir(filled.caller, node)
    filled.volume.releasedir(listed)
