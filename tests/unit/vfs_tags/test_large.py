"""Large folders of `tags/`: read in parts, as they are gone through, and believed for as long as that takes."""

from collections.abc import Iterator, Sequence

import pytest

from graphfs.errors import Unavailable
from graphfs.model import Caller, ViewEntry
from graphfs.vfs import snapshot, tags, tags_believed
from tests.unit.vfs_tags.conftest import Ground
from tests.unit.vfs_tags.shell import Shell

FILES = 60


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tags, "_FIRST_PART", 4)
    monkeypatch.setattr(tags, "_PART", 9)
    monkeypatch.setattr(snapshot, "STEP", 4)
    monkeypatch.setattr(snapshot, "BLOCK", 16)


@pytest.fixture(params=[False, True], ids=["here", "elsewhere"])
def sh(ground: Ground, request: pytest.FixtureRequest) -> Iterator[Shell]:
    with ground.mount(late=request.param) as shell:
        shell.mkdir("files/d")
        for number in range(FILES):
            shell.write(f"files/d/{number}", str(number))
            shell.tag(f"files/d/{number}", "a", "b")
        yield shell


def _names() -> list[str]:
    return [str(number) for number in range(FILES)]


def test_every_file_is_listed_once_and_folders_behind(sh: Shell) -> None:
    assert sh.ls("tags/a")[:FILES] == _names()
    assert sh.files("tags/a/b") == _names()


def test_only_what_is_gone_through_is_asked_for(sh: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    drive, asked = sh.volume._drive, []
    real = drive.view_files

    def view_files(caller: Caller, path: Sequence[str], after: int, limit: int) -> list[ViewEntry]:
        asked.append(limit)
        return real(caller, path, after, limit)

    monkeypatch.setattr(drive, "view_files", view_files)
    handle = sh.volume.opendir(sh.caller, sh.stat("tags/a").id)
    assert next(sh.volume.readdir(handle, 0)).name == "0"
    assert asked == [4]
    assert [entry.name for entry in sh.volume.readdir(handle, 2)][: FILES - 2] == _names()[2:]
    assert asked[1:] == [9] * (len(asked) - 1)
    sh.volume.releasedir(handle)


def test_a_tag_that_goes_ends_its_listing(sh: Shell) -> None:
    handle = sh.volume.opendir(sh.caller, sh.stat("tags/a").id)
    sh.volume._drive.drop_tag(sh.caller, "a")
    assert [entry.name for entry in sh.volume.readdir(handle, 0)][:4] == _names()[:4]
    sh.volume.releasedir(handle)


def test_a_part_that_cannot_be_read_is_no_end(sh: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    drive = sh.volume._drive
    handle = sh.volume.opendir(sh.caller, sh.stat("tags/a").id)

    def view_files(*_: object) -> object:
        raise Unavailable("the server is gone")

    with monkeypatch.context() as gone:
        gone.setattr(drive, "view_files", view_files)
        for _ in range(2):
            with pytest.raises(Unavailable):
                list(sh.volume.readdir(handle, 0))
    with pytest.raises(Unavailable):
        list(sh.volume.readdir(handle, 4))
    assert [entry.name for entry in sh.volume.readdir(handle, 0)][:FILES] == _names(), "from the beginning: anew"
    sh.volume.releasedir(handle)


def test_entries_are_believed_for_as_long_as_it_takes(sh: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = dict(sh.entries("tags/a"))["5"]
    assert (shown.entry_timeout, shown.attribute_timeout) == (1.0, 1.0)
    monkeypatch.setattr(tags_believed, "_EACH", 0.05)
    for name in ("0", "59"):
        shown = dict(sh.entries("tags/a"))[name]
        assert (shown.entry_timeout, shown.attribute_timeout) == (3.0, 3.0)
    monkeypatch.setattr(sh.volume, "_entry_timeout", 0.0)  # nothing is to be believed
    assert dict(sh.entries("tags/a"))["0"].entry_timeout == 0
