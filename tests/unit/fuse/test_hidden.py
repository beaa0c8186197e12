"""Files removed while they were open, as libfuse's path API does it: no listing tells of their hidden names."""

import os
import threading
import time

import pytest

from graphfs.errors import Conflict, DriveError
from graphfs.fuse.hidden import HiddenNames
from graphfs.model import Caller, Replace
from tests.fakes.memory_volume import ROOT, MemoryVolume

ME = Caller(uid=os.getuid(), gid=os.getgid(), pid=4711)
HIDDEN = ".fuse_hidden0000000000000110"


class _Watched(MemoryVolume):
    """A volume of whose root somebody makes a listing before and after each of its changes."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = HiddenNames(self)
        self.seen: list[set[str]] = []
        """Names that each listing had, hidden or not."""
        self.told: set[str] = set()
        self.fails = False
        self.going, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    def look(self) -> None:
        begun = time.monotonic()
        lines = self.lines()
        self.seen.append({name for name, _ in lines})
        self.told |= {name for name, node in lines if self.hidden.listed(ROOT, name, node, begun)}

    def lines(self) -> list[tuple[str, int]]:
        handle = self.opendir(ME, ROOT)
        try:
            return [(line.name, line.attributes.id) for line in self.readdir(handle, 0)]
        finally:
            self.releasedir(handle)

    def rename(self, caller: Caller, folder: int, name: str, new_folder: int, new_name: str, replace: Replace) -> None:
        super().rename(caller, folder, name, new_folder, new_name, replace)
        self.look()

    def unlink(self, caller: Caller, folder: int, name: str) -> None:
        self.look()
        self.going.set()
        assert self.go_on.wait(30)
        if self.fails:
            raise Conflict("not now")
        super().unlink(caller, folder, name)


@pytest.fixture
def volume() -> _Watched:
    return _Watched()


def _hide(volume: _Watched) -> int:
    node = volume.plant(ROOT, "f", b"open")
    volume.hidden.hide(ME, node, ROOT, "f", HIDDEN)
    return node


def test_no_listing_tells_of_a_file_from_its_removal_to_its_last_close(volume: _Watched) -> None:
    _hide(volume)
    assert volume.hidden.unlink(ME, (ROOT, HIDDEN))
    volume.look()
    assert volume.seen == [{HIDDEN}, {"f~00000110"}, {"f~00000110"}, set()]
    assert volume.told == set()
    assert not volume.hidden.unlink(ME, (ROOT, HIDDEN))


def test_a_listing_made_before_the_last_close_and_read_after_it_does_not_tell_of_it(volume: _Watched) -> None:
    node, begun = _hide(volume), time.monotonic()
    lines = volume.lines()
    assert lines == [(HIDDEN, node)]
    assert volume.hidden.unlink(ME, (ROOT, HIDDEN))
    assert not volume.hidden.listed(ROOT, HIDDEN, node, begun)
    # another file of that name, and this one once it is back from the trash, are told
    assert volume.hidden.listed(ROOT, "f~00000110", node + 1, begun)
    assert volume.hidden.listed(ROOT, "f~00000110", node, time.monotonic())


def test_what_could_not_be_removed_is_not_hidden(volume: _Watched) -> None:
    node, volume.fails = _hide(volume), True
    with pytest.raises(DriveError):
        volume.hidden.unlink(ME, (ROOT, HIDDEN))
    assert volume.lines() == [("f~00000110", node)]
    assert volume.hidden.listed(ROOT, "f~00000110", node, time.monotonic())
    volume.plant(ROOT, "g", b"")
    with pytest.raises(DriveError):
        volume.hidden.hide(ME, node, ROOT, "not there", ".fuse_hidden0000000000000111")
    assert volume.hidden.node((ROOT, ".fuse_hidden0000000000000111")) is None


def test_clearing_a_folder_waits_for_what_is_just_being_removed_from_it(volume: _Watched) -> None:
    _hide(volume)
    volume.go_on.clear()
    closing = threading.Thread(target=volume.hidden.unlink, args=(ME, (ROOT, HIDDEN)))
    closing.start()
    assert volume.going.wait(30)
    assert not volume.hidden.unlink(ME, (ROOT, HIDDEN))
    threading.Timer(0.1, volume.go_on.set).start()
    assert volume.hidden.clear(ME, ROOT, ())
    assert volume.lines() == []
    closing.join()
    assert not volume.hidden.clear(ME, ROOT, ())
