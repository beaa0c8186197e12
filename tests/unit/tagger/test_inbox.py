"""Following a folder: settled files only, moves kept as moves, deletions to the trash, nothing missed over a
restart."""

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tagger.inbox import Inbox, Manifest, PlainFolder, Settings, Stamp
from tagger.inbox.birth import born
from tagger.inbox.changes import Move, Put, Remove, changes
from tagger.inbox.follow import is_being_written

QUICK = Settings(settle_seconds=0.2, rescan_seconds=60.0, retry_seconds=0.2)


def stamp(inode: int, content: int = 1) -> Stamp:
    return Stamp(content, content, inode, 7)


def test_changes() -> None:
    imported = {"a": stamp(1), "b": stamp(2), "c": stamp(3)}
    assert changes(imported, dict(imported)) == []
    assert changes({}, {"x": stamp(1)}) == [Put("x")]
    assert changes({"a": stamp(1)}, {}) == [Remove("a")]
    assert changes({"a": stamp(1)}, {"a": stamp(1, 2)}) == [Put("a")]
    assert changes({"a": stamp(1)}, {"a": stamp(9)}) == [Put("a")]
    assert changes({"a": stamp(1)}, {"d/z": stamp(1)}) == [Move("a", "d/z")]
    assert changes({"a": stamp(1)}, {"z": stamp(1, 2)}) == [Move("a", "z"), Put("z")]


def test_a_new_file_with_the_inode_of_one_that_is_gone_is_no_move(tmp_path: Path) -> None:
    """ext4 gives the number away at once: tags of the one must not come to the other."""
    assert changes({"a": stamp(1)}, {"z": stamp(1, 2)._replace(born=9)}) == [Put("z"), Remove("a")]
    made = tmp_path / "made"
    made.touch()
    assert abs(born(str(made)) - made.stat().st_ctime_ns) < 10**9
    assert born(str(tmp_path / "none")) == 0


def test_moves_in_a_row_keep_their_order() -> None:
    imported = {"a": stamp(1), "b": stamp(2)}
    assert changes(imported, {"b": stamp(1), "c": stamp(2)}) == [Move("b", "c"), Move("a", "b")]


def test_a_move_over_another_file() -> None:
    assert changes({"a": stamp(1), "b": stamp(2)}, {"b": stamp(1)}) == [Move("a", "b")]


def test_a_backup_beside_a_new_save_is_no_move() -> None:
    assert changes({"a": stamp(1)}, {"a": stamp(5), "a.bak": stamp(1)}) == [Put("a"), Put("a.bak")]


def test_a_circle_is_imported_by_content() -> None:
    assert set(changes({"a": stamp(1), "b": stamp(2)}, {"a": stamp(2), "b": stamp(1)})) == {Put("a"), Put("b")}


def test_a_hard_link_is_a_second_file() -> None:
    assert changes({"a": stamp(1)}, {"a": stamp(1), "b": stamp(1)}) == [Put("b")]


def test_the_manifest_survives_a_torn_line(tmp_path: Path) -> None:
    odd = os.fsdecode(b"new\nline \xff")
    with contextlib.closing(Manifest(tmp_path / "m")) as manifest:
        manifest.set(odd, stamp(1))
        manifest.set("gone", stamp(2))
        manifest.forget("gone")
    with (tmp_path / "m").open("a") as file:
        file.write('["half')
    with contextlib.closing(Manifest(tmp_path / "m")) as manifest:
        assert manifest.entries == {odd: stamp(1)}


class Ground:
    """A watched folder, where it goes, and the engine on a thread."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.source, self.target, self.trash = root / "in", root / "out", root / "trash"
        self.source.mkdir()
        self.target.mkdir()

    @contextlib.contextmanager
    def following(self) -> Iterator[Inbox]:
        manifest = Manifest(self.root / "manifest")
        inbox = Inbox(self.source, PlainFolder(self.target, self.trash), manifest, QUICK)
        stop = threading.Event()
        thread = threading.Thread(target=inbox.run, args=(stop,))
        thread.start()
        try:
            yield inbox
        finally:
            stop.set()
            thread.join(20)
            manifest.close()

    def there(self) -> dict[str, str]:
        """Names and contents. What is renamed while we look (a temporary file that becomes the file) is left out."""
        found = {}
        for path in self.target.rglob("*"):
            with contextlib.suppress(FileNotFoundError):
                if path.is_file():
                    found[str(path.relative_to(self.target))] = path.read_text()
        return found

    def folders(self) -> set[str]:
        return {str(path.relative_to(self.target)) for path in self.target.rglob("*") if path.is_dir()}

    def wait(self, met: Callable[[], bool]) -> None:
        end = time.monotonic() + 20
        pause = threading.Event()
        while not met():
            assert time.monotonic() < end, f"it never came to be so: {self.there()}"
            pause.wait(0.02)


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


def test_it_imports_and_follows(ground: Ground) -> None:
    (ground.source / "old").mkdir()
    (ground.source / "old" / "a.txt").write_text("one")
    (ground.source / "a.txt.swp~").write_text("x")
    with ground.following() as inbox:
        ground.wait(lambda: ground.there() == {"old/a.txt": "one"})
        (ground.source / "new").mkdir()
        (ground.source / "new" / "b.txt").write_text("two")
        ground.wait(lambda: ground.there() == {"old/a.txt": "one", "new/b.txt": "two"})
        inode = (ground.target / "new" / "b.txt").stat().st_ino
        (ground.source / "new" / "b.txt").rename(ground.source / "c.txt")
        ground.wait(lambda: ground.there() == {"old/a.txt": "one", "c.txt": "two"})
        assert (ground.target / "c.txt").stat().st_ino == inode
        (ground.source / "old").rename(ground.source / "older")
        ground.wait(lambda: ground.there() == {"older/a.txt": "one", "c.txt": "two"})
        (ground.source / "c.txt").write_text("three")
        ground.wait(lambda: ground.there().get("c.txt") == "three")
        (ground.source / "c.txt").unlink()
        ground.wait(lambda: ground.there() == {"older/a.txt": "one"})
        assert [path.read_text() for path in ground.trash.iterdir()] == ["three"]
        assert inbox.moved == 2


def test_folders_that_went_go_when_they_are_empty(ground: Ground) -> None:
    for path in ("kept/deep/er/a", "gone/b", "stays/c", "filled/d"):
        (ground.source / path).parent.mkdir(parents=True)
        (ground.source / path).write_text(path)
    with ground.following() as inbox:
        ground.wait(lambda: len(ground.there()) == 4)
        (ground.target / "filled" / "by hand").write_text("x")
        (ground.source / "kept" / "deep").rename(ground.source / "kept" / "moved")
        shutil.rmtree(ground.source / "gone")
        (ground.source / "stays" / "c").unlink()
        shutil.rmtree(ground.source / "filled")
        ground.wait(lambda: ground.there() == {"kept/moved/er/a": "kept/deep/er/a", "filled/by hand": "x"})
        ground.wait(lambda: inbox.pending == 0)
        # That of the folder itself may be heard of when its files have long gone.
        ground.wait(lambda: ground.folders() == {"kept", "kept/moved", "kept/moved/er", "stays", "filled"})


def test_a_restart_misses_nothing(ground: Ground) -> None:
    for name in ("a", "b", "c"):
        (ground.source / name).write_text(name)
    with ground.following():
        ground.wait(lambda: len(ground.there()) == 3)
    inode = (ground.target / "a").stat().st_ino
    (ground.source / "a").rename(ground.source / "moved")
    (ground.source / "b").write_text("changed")
    (ground.source / "c").unlink()
    (ground.source / "d").write_text("d")
    with ground.following() as inbox:
        ground.wait(lambda: ground.there() == {"moved": "a", "b": "changed", "d": "d"})
        ground.wait(lambda: inbox.pending == 0)
    assert (ground.target / "moved").stat().st_ino == inode


def test_a_file_that_is_being_written_waits(ground: Ground) -> None:
    path = ground.source / "long.bin"
    with ground.following() as inbox:
        with path.open("w") as file:
            file.write("half")
            file.flush()
            os.utime(path, (1, 1))
            ground.wait(lambda: inbox.pending == 1)
            assert is_being_written(path)
            assert ground.there() == {}
            file.write(" and half")
        ground.wait(lambda: ground.there() == {"long.bin": "half and half"})


def test_a_destination_that_refuses_is_asked_again(ground: Ground) -> None:
    (ground.source / "a").write_text("a")
    blocked = ground.target / "a"
    blocked.mkdir()
    (blocked / "inside").write_text("x")
    with ground.following() as inbox:
        ground.wait(lambda: "a" in inbox.failed)
        (blocked / "inside").unlink()
        blocked.rmdir()
        ground.wait(lambda: ground.there() == {"a": "a"})
        ground.wait(lambda: not inbox.failed)


def test_odd_names(ground: Ground) -> None:
    name = os.fsdecode(b'it\'s "odd"\n\xff')
    (ground.source / name).write_text("x")
    with ground.following():
        ground.wait(lambda: ground.there() == {name: "x"})
