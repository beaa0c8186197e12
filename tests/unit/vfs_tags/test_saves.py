"""How programs save in a folder of `tags/`: the file stays the same file, and nothing of theirs stays behind."""

from collections.abc import Callable

import pytest

from gateway.service.service import Service
from graphfs.errors import NotFound
from tests.unit.vfs_tags.shell import Shell


@pytest.fixture
def filled(sh: Shell) -> Shell:
    """files/d/f.txt with the tags a and b."""
    sh.mkdir("files/d")
    sh.write("files/d/f.txt", "old")
    sh.tag("files/d/f.txt", "a", "b")
    return sh


def by_temporary_file(sh: Shell) -> None:
    """GIO (gedit), Kate, `sed -i` and most others: a new file beside, renamed over."""
    sh.write("tags/a/.goutputstream-AB12CD", "new")
    sh.mv("tags/a/.goutputstream-AB12CD", "tags/a/f.txt")


def by_sed(sh: Shell) -> None:
    sh.write("tags/a/sedX1y2Z3", "new")
    sh.mv("tags/a/sedX1y2Z3", "tags/a/f.txt")


def by_sed_whose_chance_is_a_word(sh: Shell) -> None:
    """Not taken for its temporary name: a file of any name that is renamed over another is a save."""
    sh.write("tags/a/sedentary", "new")
    sh.mv("tags/a/sedentary", "tags/a/f.txt")


def in_place(sh: Shell) -> None:
    sh.write("tags/a/f.txt", "new")


def by_vim_renaming(sh: Shell) -> None:
    """vim with backupcopy=no: a try whether it may create, a swap file, the old file renamed away."""
    sh.write("tags/a/.f.txt.swp", "swap")
    sh.close(sh.create("tags/a/4913"))
    sh.rm("tags/a/4913")
    sh.mv("tags/a/f.txt", "tags/a/f.txt~")
    sh.write("tags/a/f.txt", "new")
    sh.rm("tags/a/f.txt~")
    sh.rm("tags/a/.f.txt.swp")


def by_vim_copying(sh: Shell) -> None:
    """vim with backupcopy=yes, which it takes for a file of several links."""
    sh.write("tags/a/.f.txt.swp", "swap")
    sh.write("tags/a/f.txt~", sh.read("tags/a/f.txt"))
    sh.write("tags/a/f.txt", "new")
    sh.rm("tags/a/f.txt~")
    sh.rm("tags/a/.f.txt.swp")


def by_backup_and_temporary_file(sh: Shell) -> None:
    """The old file is renamed away, the new one is renamed in, the old one is removed."""
    sh.write("tags/a/.f.txt.tmp", "new")
    sh.mv("tags/a/f.txt", "tags/a/f.txt.bak")
    sh.mv("tags/a/.f.txt.tmp", "tags/a/f.txt")
    sh.rm("tags/a/f.txt.bak")


def by_removing_first(sh: Shell) -> None:
    """zip and 7z: the new archive is whole before the old one is removed, and then renamed."""
    sh.write("tags/a/ziAB12CD", "new")
    sh.rm("tags/a/f.txt")
    sh.mv("tags/a/ziAB12CD", "tags/a/f.txt")


def by_copying_back(sh: Shell) -> None:
    """zip, when the archive has several links: into the old file, and the temporary one is removed."""
    sh.write("tags/a/ziAB12CD", "new")
    sh.write("tags/a/f.txt", sh.read("tags/a/ziAB12CD"))
    sh.rm("tags/a/ziAB12CD")


SAVES = [
    by_temporary_file,
    by_sed,
    by_sed_whose_chance_is_a_word,
    in_place,
    by_vim_renaming,
    by_vim_copying,
    by_backup_and_temporary_file,
    by_removing_first,
    by_copying_back,
]


@pytest.mark.parametrize("save", SAVES)
@pytest.mark.parametrize("times", [1, 3])
def test_a_save_keeps_id_tags_and_folder(
    filled: Shell, drive: Service, save: Callable[[Shell], None], times: int
) -> None:
    before = filled.getxattr("files/d/f.txt", "user.graphfs.id")
    for _ in range(times):
        save(filled.process(55))
    assert filled.read("files/d/f.txt") == b"new"
    assert filled.read("tags/b/f.txt") == b"new"
    assert filled.getxattr("files/d/f.txt", "user.graphfs.id") == before
    assert filled.tags("files/d/f.txt") == {"a", "b"}
    assert filled.ls("files/d") == ["f.txt"]
    assert filled.ls("tags/a") == filled.ls("tags/b") == ["f.txt"]
    left = [name for name, _ in filled.entries("files/Inbox")] if filled.exists("files/Inbox") else []
    assert left == []


def test_what_a_save_replaced_can_be_restored(filled: Shell, drive: Service) -> None:
    by_temporary_file(filled)
    assert [(item.path, item.why) for item in drive.trash(filled.caller)] == [("files/d/f.txt", "replaced")]


@pytest.mark.parametrize("save", [by_temporary_file, by_sed, in_place])
def test_a_save_is_no_change_of_tags(filled: Shell, drive: Service, save: Callable[[Shell], None]) -> None:
    before = drive.journal(filled.caller)
    save(filled.process(55))
    assert drive.journal(filled.caller) == before


def test_tags_that_a_removal_took_along_come_back_with_the_save(filled: Shell, drive: Service) -> None:
    """Under `tags/a` an entry's removal takes `a/x` too."""
    filled.tag("files/d/f.txt", "a/x", "b")
    by_removing_first(filled.process(55))
    assert filled.tags("files/d/f.txt") >= {"a/x", "b"}


def test_a_try_whether_a_file_can_be_made_leaves_nothing(filled: Shell) -> None:
    """zip makes the archive, removes it, and renames another file there."""
    zip_ = filled.process(55)
    zip_.close(zip_.create("tags/a/new.zip"))
    zip_.rm("tags/a/new.zip")
    zip_.write("tags/a/ziAB12CD", "new")
    zip_.mv("tags/a/ziAB12CD", "tags/a/new.zip")
    assert filled.ls("tags/a") == ["f.txt", "new.zip"]
    assert filled.ls("files/Inbox") == ["new.zip"]
    assert filled.tags("files/Inbox/new.zip") == {"a"}


def test_what_one_process_removes_and_another_makes_are_two_files(filled: Shell) -> None:
    filled.process(1).write("tags/a/g.txt", "another")
    filled.process(2).rm("tags/a/f.txt")
    filled.process(1).mv("tags/a/g.txt", "tags/a/f.txt")
    assert filled.read("files/d/f.txt") == b"old"
    assert filled.tags("files/d/f.txt") == {"b"}
    assert filled.read("tags/a/f.txt") == b"another"


def test_libreoffice_leaves_no_lock_behind(filled: Shell) -> None:
    office = filled.process(77)
    office.write("tags/a/.~lock.f.txt#", ",me,host,,;")
    office.write("tags/a/lu1234abcd.tmp", "new")
    office.mv("tags/a/lu1234abcd.tmp", "tags/a/f.txt")
    office.rm("tags/a/.~lock.f.txt#")
    assert filled.read("files/d/f.txt") == b"new"
    assert [name for name, _ in filled.entries("files/Inbox")] == []


def test_a_temporary_file_becomes_a_new_file(filled: Shell) -> None:
    """rsync, browsers and file managers write beside and rename when all is there."""
    filled.write("tags/a/.g.txt.Ab12Cd", "content")
    filled.mv("tags/a/.g.txt.Ab12Cd", "tags/a/g.txt")
    assert filled.ls("files/Inbox") == ["g.txt"]
    assert filled.tags("files/Inbox/g.txt") == {"a"}


def test_a_temporary_file_that_becomes_what_is_there_already_is_that_file(filled: Shell) -> None:
    for folder in ("tags/a", "tags/b"):
        filled.write(f"{folder}/.g.txt.Ab12Cd", "content")
        filled.mv(f"{folder}/.g.txt.Ab12Cd", f"{folder}/g.txt")
    assert filled.ls("files/Inbox") == ["g.txt"]
    assert filled.tags("files/Inbox/g.txt") == {"a", "b"}
    assert filled.exists("tags/b/g.txt")


def test_a_temporary_file_never_takes_an_uninvolved_files_name(filled: Shell) -> None:
    filled.mkdir("files/Inbox")
    filled.write("files/Inbox/g.txt", "mine, without tags")
    filled.write("tags/a/.g.txt.Ab12Cd", "content")
    filled.mv("tags/a/.g.txt.Ab12Cd", "tags/a/g.txt")
    assert filled.read("files/Inbox/g.txt") == b"mine, without tags"
    assert filled.read("files/Inbox/g (2).txt") == b"content"
    assert filled.read("tags/a/g.txt") == b"content"


def test_a_dot_file_that_another_process_removes_only_loses_its_tag(filled: Shell) -> None:
    filled.process(1).write("tags/a/.bashrc", "mine")
    filled.process(2).rm("tags/a/.bashrc")
    assert filled.read("files/Inbox/.bashrc") == b"mine"
    assert filled.tags("files/Inbox/.bashrc") == set()


def test_without_memory_a_removed_backup_is_untagged_and_no_more(filled: Shell) -> None:
    filled.mv("tags/a/f.txt", "tags/a/f.txt~")
    filled.rm("tags/a/f.txt~")
    assert filled.read("files/d/f.txt~") == b"old"
    assert filled.tags("files/d/f.txt~") == {"b"}


def test_probes_are_answered_from_memory_until_something_changes(filled: Shell, drive: Service) -> None:
    asked: list[str] = []
    real = drive.view_entry
    folder = filled.stat("tags/a").id

    def counting(caller: object, path: object, name: str) -> object:
        asked.append(name)
        return real(caller, path, name)  # type: ignore[arg-type]  # passed through as they came

    drive.view_entry = counting  # type: ignore[method-assign, assignment]  # a listener on the line, not a replacement
    for name in (".hidden", "desktop.ini", "Thumbs.db", "AUTORUN.INF"):
        for _ in range(5):
            with pytest.raises(NotFound):
                filled.volume.lookup(filled.caller, folder, name)
        assert asked == [name]
        asked.clear()
    filled.write("files/d/.hidden", "is there now")
    filled.tag("files/d/.hidden", "a")
    assert filled.volume.lookup(filled.caller, folder, ".hidden").id == filled.stat("files/d/.hidden").id


def test_a_probed_name_that_was_created_here_is_found(filled: Shell) -> None:
    folder, name = filled.walk("tags/a/.f.txt.swp")
    with pytest.raises(NotFound):
        filled.volume.lookup(filled.caller, folder, name)
    node = filled.write("tags/a/.f.txt.swp", "x")
    assert filled.volume.lookup(filled.caller, folder, name).id == node
    filled.rm("tags/a/.f.txt.swp")
    with pytest.raises(NotFound):
        filled.volume.lookup(filled.caller, folder, name)


def test_looking_makes_nothing(filled: Shell, drive: Service) -> None:
    before = drive.status(filled.caller)
    for name in ("tags/nothing", "tags/a/nothing", "tags/a,nothing", "tags/a/.nothing", "tags/-nothing", "tags/@"):
        assert not filled.exists(name)
    assert drive.status(filled.caller) == before
