"""Real programs save in folders of `tags/`: the file stays the same, by all of its paths."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.filesystem.tags.conftest import Place, eventually, run


def sed(file: Path) -> None:
    run("sed", "-i", "s/old/new/", file)


def vim(file: Path) -> None:
    run("vim", "-u", "NONE", "-N", "-es", "-c", "%s/old/new/", "-c", "wq", file)


def vim_renaming(file: Path) -> None:
    run("vim", "-u", "NONE", "-N", "-es", "-c", "set backupcopy=no", "-c", "%s/old/new/", "-c", "wq", file)


def gio(file: Path) -> None:
    """As gedit and all of GTK save."""
    run("sh", "-c", f"echo new | gio save '{file}'")


def python(file: Path) -> None:
    beside = file.with_name(f".{file.name}.tmp")
    with open(beside, "x") as stream:
        stream.write("new\n")
        os.fsync(stream.fileno())
    os.replace(beside, file)


@pytest.mark.parametrize("save", [sed, vim, vim_renaming, gio, python])
def test_a_save_keeps_the_file(place: Place, save: Callable[[Path], None]) -> None:
    name = place.name("f.txt")
    file = place.file(name, "old\n", "a", "b")
    number = os.getxattr(file, "user.graphfs.id")
    assert (place.b / name).read_text() == "old\n"  # the kernel knows all paths before
    save(place.a / name)
    for path in (file, place.b / name, place.a / name, place.a / place.b.name / name):
        eventually(place, lambda path=path: path.read_text() == "new\n")
        assert os.getxattr(path, "user.graphfs.id") == number
    assert place.tags(file) == {"a", "b"}
    assert os.listdir(place.files) == os.listdir(place.a) == os.listdir(place.b) == [name]
    left = os.listdir(place.inbox) if place.inbox.exists() else []
    assert [found for found in left if name in found] == []


def backup(file: Path) -> None:
    """As editors save that keep the old file until the new one is whole, then not any more."""
    kept = file.with_name(f"{file.name}~")
    file.rename(kept)
    file.write_text("new\n")
    kept.unlink()


@pytest.mark.parametrize("save", [sed, vim, vim_renaming, gio, python, backup])
def test_a_save_keeps_a_file_that_was_made_in_the_tag(place: Place, save: Callable[[Path], None]) -> None:
    name = place.name("f.txt")
    (place.a / name).write_text("old\n")
    number = os.getxattr(place.a / name, "user.graphfs.id")
    save(place.a / name)
    for path in (place.a / name, place.inbox / name):
        eventually(place, lambda path=path: path.read_text() == "new\n")
        assert os.getxattr(path, "user.graphfs.id") == number
    assert place.tags(place.inbox / name) == {"a"}
    assert os.listdir(place.a) == [name]
    assert [found for found in os.listdir(place.inbox) if name in found] == [name]


def test_a_save_with_a_backup_of_a_file_that_could_not_have_its_name(place: Place) -> None:
    """The Inbox has another one of that name: by the name that the program used it is found all the same."""
    name = place.name("f.txt")
    (place.inbox / name).write_text("another")
    (place.a / name).write_text("old\n")
    backup(place.a / name)
    assert (place.a / name).read_text() == "new\n"
    assert (place.inbox / name).read_text() == "another"
    assert sorted(found for found in os.listdir(place.inbox) if found.startswith(place.name(""))) == [
        place.name("f (2).txt"),
        name,
    ]


def test_a_listing_that_was_believed_is_taken_back(place: Place) -> None:
    name = place.name("f.txt")
    file = place.file(name, "old\n", "a", "b")
    with os.scandir(place.b) as entries:
        assert [entry.stat().st_ino for entry in entries] == [file.stat().st_ino]
    sed(place.a / name)
    eventually(place, lambda: (place.b / name).read_text() == "new\n")


def test_a_program_that_is_reading_goes_on_reading_the_old_file(place: Place) -> None:
    name = place.name("f.txt")
    place.file(name, "old\n", "a", "b")
    with open(place.a / name) as stream:
        sed(place.b / name)
        assert stream.read() == "old\n"
    eventually(place, lambda: (place.a / name).read_text() == "new\n")
    # by another of its paths, of which the kernel is told beside
    eventually(place, lambda: place.tags(place.files / name) == {"a", "b"})
