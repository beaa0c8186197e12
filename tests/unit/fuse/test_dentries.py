"""Paths to nodes: what is kept, what is not any more, and that the volume hears of what was forgotten."""

import os

import pytest

from graphfs.errors import NotAFolder, NotFound
from graphfs.fuse.dentries import Dentries
from graphfs.model import Caller, Replace
from graphfs.vfs.interface import Attributes
from tests.fakes.memory_volume import MemoryVolume

ROOT = Caller(0, 0)


class Counted(MemoryVolume):
    """Counts lookups."""

    def __init__(self) -> None:
        super().__init__()
        self.lookups: list[str] = []

    def lookup(self, caller: Caller, folder: int, name: str) -> Attributes:
        self.lookups.append(name)
        return super().lookup(caller, folder, name)


@pytest.fixture
def volume() -> Counted:
    volume = Counted()
    folder = volume.mkdir(ROOT, 1, "a", 0o755).id
    deeper = volume.mkdir(ROOT, folder, "b", 0o755).id
    volume.mknod(ROOT, deeper, "f", 0o100644, 0)
    return volume


def test_a_path_is_asked_for_once(volume: Counted) -> None:
    dentries = Dentries(volume)
    first = dentries.node(ROOT, "/a/b/f")[0]
    assert volume.lookups == ["a", "b", "f"]
    assert dentries.node(ROOT, "/a/b/f") == (first, dentries.place(ROOT, "/a/b/f"))
    assert volume.lookups == ["a", "b", "f"]


def test_the_root_is_known(volume: Counted) -> None:
    assert Dentries(volume).node(ROOT, "/") == (1, None)


def test_a_renamed_folder_is_found_at_its_new_path_only(volume: Counted) -> None:
    dentries = Dentries(volume)
    node = dentries.node(ROOT, "/a/b/f")[0]
    volume.rename(ROOT, 1, "a", 1, "c", Replace.ALLOW)
    dentries.forget(1, "a")
    dentries.forget(1, "c")
    with pytest.raises(NotFound):
        dentries.node(ROOT, "/a/b/f")
    assert dentries.node(ROOT, "/c/b/f")[0] == node


def test_a_removed_file_leaves_its_folder_known(volume: Counted) -> None:
    dentries = Dentries(volume)
    folder, name = dentries.place(ROOT, "/a/b/f")
    dentries.node(ROOT, "/a/b/f")
    dentries.forget(folder, name)
    volume.lookups.clear()
    assert dentries.place(ROOT, "/a/b/g") == (folder, "g")
    assert volume.lookups == []


def test_a_file_is_no_folder(volume: Counted) -> None:
    with pytest.raises(NotAFolder):
        Dentries(volume).node(ROOT, "/a/b/f/g")


def test_what_is_dropped_for_room_is_forgotten(volume: Counted) -> None:
    dentries = Dentries(volume, limit=8)
    nodes = {volume.mknod(ROOT, 1, f"n{number}", 0o100644, 0).id for number in range(20)}
    for number in range(20):
        dentries.node(ROOT, f"/n{number}")
    assert volume.forgotten
    assert set(volume.forgotten) <= nodes
    for number in range(20):
        assert dentries.node(ROOT, f"/n{number}")[0] in nodes


def test_a_node_with_two_kept_names_is_not_forgotten_with_one(volume: Counted) -> None:
    dentries = Dentries(volume, limit=4)
    node = volume.mknod(ROOT, 1, "x", 0o100644, 0).id
    volume.link(ROOT, node, 1, "y")
    dentries.node(ROOT, "/x")
    for number in range(3):
        volume.mknod(ROOT, 1, f"n{number}", 0o100644, 0)
        dentries.node(ROOT, f"/n{number}")
    dentries.node(ROOT, "/y")
    assert node not in volume.forgotten


def test_a_change_during_a_lookup_is_not_overwritten(volume: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    dentries = Dentries(volume)

    original = volume.lookup

    def lookup(caller: Caller, folder: int, name: str) -> Attributes:
        found = original(caller, folder, name)
        dentries.forget(folder, name)
        return found

    monkeypatch.setattr(volume, "lookup", lookup)
    dentries.lookup(ROOT, (1, "a"))
    assert dentries.known((1, "a")) is None


def test_names_are_any_bytes(volume: Counted) -> None:
    name = os.fsdecode(b"caf\xe9\n'")
    node = volume.mknod(ROOT, 1, name, 0o100644, 0).id
    assert Dentries(volume).node(ROOT, f"/{name}")[0] == node
