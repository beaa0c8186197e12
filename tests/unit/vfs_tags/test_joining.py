"""The same file that comes into several tags is one file with all of them."""

from typing import Any

import pytest

from gateway.service.service import Service
from graphfs.errors import NoSpace
from graphfs.model import AttributeChange, XattrMode
from tests.unit.vfs_tags.shell import Shell


def test_the_same_content_under_the_same_name_is_one_file(sh: Shell) -> None:
    sh.mkdir("tags/a")
    sh.mkdir("tags/b")
    first = sh.write("tags/a/f.txt", "same")
    sh.write("tags/b/f.txt", "same")
    assert sh.files("files/Inbox") == ["f.txt"]
    assert sh.tags("files/Inbox/f.txt") == {"a", "b"}
    assert sh.stat("tags/b/f.txt").id == first
    assert sh.files("tags/a/b") == ["f.txt"]


def test_attributes_that_come_after_the_bytes_go_to_the_file_that_stays(sh: Shell) -> None:
    sh.mkdir("tags/a")
    sh.mkdir("tags/b")
    sh.write("tags/a/f.txt", "same")
    second = sh.write("tags/b/f.txt", "same")
    sh.volume.setxattr(sh.caller, second, "user.xdg.tags", b"c", XattrMode.ANY)
    sh.volume.setattr(sh.caller, second, AttributeChange(mtime=5))
    assert sh.tags("files/Inbox/f.txt") == {"a", "b", "c"}
    assert sh.stat("files/Inbox/f.txt").mtime == 5


def test_where_two_files_could_not_be_joined_each_stays_itself(
    sh: Shell, drive: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    sh.mkdir("tags/a")
    sh.mkdir("tags/b")
    sh.write("tags/a/f.txt", "same")

    def refused(*given: object, **named: object) -> None:
        raise NoSpace("the disk is full")

    handle = sh.create("tags/b/f.txt")
    sh.volume.write(handle, 0, b"same")
    sh.volume.flush(handle)
    with monkeypatch.context() as full:
        full.setattr(drive, "unlink", refused)
        with pytest.raises(NoSpace):
            sh.volume.release(handle)
    second = sh.stat("files/Inbox/f (2).txt").id
    sh.volume.setxattr(sh.caller, second, "user.xdg.tags", b"mine", XattrMode.ANY)
    assert "mine" in sh.tags("files/Inbox/f (2).txt")
    assert "mine" not in sh.tags("files/Inbox/f.txt")


def test_empty_files_of_one_name_stay_two(sh: Shell) -> None:
    sh.mkdir("tags/a")
    sh.mkdir("tags/b")
    sh.close(sh.create("tags/a/notes"))
    sh.close(sh.create("tags/b/notes"))
    assert sorted(sh.files("files/Inbox")) == ["notes", "notes (2)"]


@pytest.mark.parametrize("before", [True, False], ids=["joined-first", "set-first"])
def test_attributes_that_come_while_two_files_are_joined(
    sh: Shell, drive: Service, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    sh.mkdir("tags/a")
    sh.mkdir("tags/b")
    sh.write("tags/a/f.txt", "same")
    handle = sh.create("tags/b/f.txt")
    second = sh.stat("files/Inbox/f (2).txt").id
    sh.volume.write(handle, 0, b"same")
    sh.volume.flush(handle)
    change = drive.set_tags
    meanwhile = [lambda: sh.volume.release(handle)]

    def joining(*given: Any, **named: Any) -> None:
        steps = [lambda: change(*given, **named)]
        steps = [*meanwhile, *steps] if before else [*steps, *meanwhile]
        meanwhile.clear()
        for step in steps:
            step()

    monkeypatch.setattr(drive, "set_tags", joining)
    sh.volume.setxattr(sh.caller, second, "user.xdg.tags", b"c", XattrMode.ANY)
    assert sh.files("files/Inbox") == ["f.txt"]
    assert sh.tags("files/Inbox/f.txt") == {"a", "b", "c"}
