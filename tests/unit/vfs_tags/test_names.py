"""Names that programs use for themselves, names that are free, and ids of what is only looked at."""

from itertools import islice

import pytest

from graphfs.errors import NotFound
from graphfs.model import Event, EventKind
from graphfs.vfs.interface import Invalidation
from graphfs.vfs.room import FIRST_VIRTUAL_ID
from graphfs.vfs.tags_arrivals import Memory
from graphfs.vfs.tags_believed import LOOKED, Believed
from graphfs.vfs.tags_names import is_passing, is_probe, is_scratch, may_be_passing, unique_names
from graphfs.vfs.virtual import Kind, VirtualIds


@pytest.mark.parametrize(
    "name",
    [
        ".goutputstream-A1B2C3",
        ".f.txt.swp",
        ".f.swpx",
        ".~lock.f.odt#",
        ".#f",
        "sedAb1Cd2",
        ".f.txt.Ab12Cd",
        ".f.txt.mcuqzd",
        "lu12ab.tmp",
    ],
)
def test_scratch_names(name: str) -> None:
    assert is_scratch(name)
    assert is_passing(name)
    assert may_be_passing(name)


@pytest.mark.parametrize("name", ["f~", "~$f.docx", "#f#", "f.pdf.part", "f.iso.crdownload"])
def test_passing_names_that_people_use_too(name: str) -> None:
    assert not is_scratch(name)
    assert is_passing(name)


@pytest.mark.parametrize("name", [".bashrc", ".gitignore", "report.tmp", "f.bak", "ziAb12Cd"])
def test_names_that_may_be_passing(name: str) -> None:
    assert not is_passing(name)
    assert may_be_passing(name)


@pytest.mark.parametrize("name", ["report.pdf", "2024.txt", "a", "sedentary", "zimbabwe", "part", "4913", "12"])
def test_ordinary_names(name: str) -> None:
    assert not may_be_passing(name)
    assert not is_probe(name)


def test_probes() -> None:
    assert all(is_probe(name) for name in (".hidden", ".Trash", "desktop.ini", "Thumbs.db", "AUTORUN.INF"))


def test_free_names_are_numbered_before_the_extension_and_never_too_long() -> None:
    assert list(islice(unique_names("a.tar.gz"), 3)) == ["a.tar.gz", "a (2).tar.gz", "a (3).tar.gz"]
    assert list(islice(unique_names("README"), 2)) == ["README", "README (2)"]
    long = "ä" * 125 + ".txt"
    assert all(len(name.encode()) <= 255 for name in islice(unique_names(long), 12))


def test_ids_move_with_their_folder() -> None:
    ids = VirtualIds("room")
    old, below = ids.id(Kind.FOLDER, ("a",)), ids.id(Kind.FOLDER, ("a", "b"))
    assert old >= FIRST_VIRTUAL_ID
    assert ids.id(Kind.FILE, ("a",)) != old
    ids.moved(("a",), ("z",))
    assert ids.path(old) == (Kind.FOLDER, ("z",))
    assert ids.path(below) == (Kind.FOLDER, ("z", "b"))
    assert ids.id(Kind.FOLDER, ("a",)) != old
    ids.forget(old)
    assert not ids.owns(old)
    with pytest.raises(NotFound):
        ids.path(old)


def test_a_memory_is_bounded_in_time_and_number() -> None:
    now = [0.0]
    memory: Memory[int, str] = Memory(lambda: now[0], seconds=10, limit=2)
    for number in range(3):
        memory.put(number, str(number))
    assert [memory.get(number) for number in range(3)] == [None, "1", "2"]
    now[0] = 11
    assert memory.get(1) is None
    assert memory.pop(2) is None


def test_what_the_kernel_believes_is_remembered_for_a_second() -> None:
    now = [0.0]
    believed = Believed(lambda: now[0])
    believed.gave(7, ["f.txt", "f~1a.txt"], [20, 42], 1.0)
    believed.looked(8, "f.txt", 20)
    assert set(believed.stale(Event(1, EventKind.NODE, 20))) == {Invalidation(7, "f.txt"), Invalidation(8, "f.txt")}
    assert set(believed.stale(Event(2, EventKind.ENTRY, 2, "f.txt"))) == {
        Invalidation(7, "f.txt"),
        Invalidation(7, "f~1a.txt"),
        Invalidation(8, "f.txt"),
    }
    assert believed.stale(Event(3, EventKind.NODE, 21)) == []
    assert believed.stale(Event(4, EventKind.TAGS)) == []
    now[0] = 1.5
    believed.looked(9, "g", 5)
    assert believed.stale(Event(5, EventKind.NODE, 20)) == []


def test_looked_up_names_are_bounded() -> None:
    believed = Believed(lambda: 0.0)
    for number in range(LOOKED + 10):
        believed.looked(7, str(number), number)
    assert believed.stale(Event(1, EventKind.NODE, 0)) == []
    assert believed.stale(Event(2, EventKind.NODE, LOOKED)) == [Invalidation(7, str(LOOKED))]
