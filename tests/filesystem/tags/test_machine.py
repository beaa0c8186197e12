"""Random calls of programs on `files/`, `tags/` and the trash, through the kernel, beside a small dictionary.

What was done by a path is seen by that path and in every listing at once; by the file's other paths in a moment.
"""

import os
import random
import time
from collections.abc import Callable
from contextlib import suppress
from errno import ENODATA, ENOTEMPTY
from pathlib import Path

import pytest

from tests.filesystem.tags.conftest import Place

STEPS = 120
BELIEVED = 1.5
"""Seconds, on a machine that is busy: the kernel believes for one what it was told, where it cannot be told otherwise
(below renamed tags, by the bindings that speak of paths)."""
NAMES = ("a'b{}.txt", "n{}", "ü{}.md", "x y{}.pdf", "{}-ünï.txt", "`q`{}", '"{}"', "two\nlines{}", "l" * 230 + "{}")
NAMES += (os.fsdecode(b"no \xff utf{}"),)


def at_or_under(tag: str, above: str) -> bool:
    return tag == above or tag.startswith(f"{above}/")


def gone(path: Path) -> bool:
    try:
        path.lstat()
    except FileNotFoundError:
        return True
    return False


class File:
    """What must be true of one file. Its tags are full paths."""

    def __init__(self, path: Path, content: bytes, tags: set[str]) -> None:
        self.path = path
        self.content = content
        self.tags = tags

    def has(self, tag: str) -> bool:
        return any(at_or_under(mine, tag) for mine in self.tags)

    def lose(self, tag: str) -> None:
        self.tags = {mine for mine in self.tags if not at_or_under(mine, tag)}


class Machine:
    """Does things, says what it did, and looks."""

    def __init__(self, place: Place, seed: int) -> None:
        self.place = place
        self.random = random.Random(seed)
        self.files: list[File] = []
        self.tags = {place.a.name, place.b.name}
        self.done: list[str] = []
        self.trash = place.root / f".Trash-{os.getuid()}" / "files"
        self.trash.mkdir(parents=True, exist_ok=True)
        self.folders = [place.files / "d0", place.files / "d1"]
        for folder in self.folders:
            folder.mkdir()

    def name(self) -> str:
        """One that no other test uses: all share an Inbox."""
        return self.place.name(self.random.choice(NAMES).format(len(self.done)))

    def tag_name(self, name: str) -> str:
        """One that no other test uses: all share tags/."""
        return f"{name}-{self.place.number}"

    def entry(self, tag: str, file: File) -> Path:
        return self.place.root / "tags" / tag / file.path.name

    def paths(self, file: File) -> list[Path]:
        return [file.path, *(self.entry(tag, file) for tag in sorted(file.tags))]

    def some(self, holds: Callable[[File], bool] = lambda file: True) -> File | None:
        found = [file for file in self.files if holds(file)]
        return self.random.choice(found) if found else None

    def tag(self) -> str:
        return self.random.choice(sorted(self.tags))

    # -- looking

    def look(self, file: File, by: Path) -> None:
        assert by.read_bytes() == file.content
        assert by.stat().st_size == len(file.content)
        for path in self.paths(file):
            self.soon(lambda path=path: path.read_bytes() == file.content, path)
            assert os.getxattr(path, "user.graphfs.id") == os.getxattr(by, "user.graphfs.id")
        assert self.shown(file) == file.tags
        for tag in file.tags:
            self.list(tag)

    def shown(self, file: File) -> set[str]:
        try:
            return set(os.getxattr(file.path, "user.xdg.tags").decode().split(","))
        except OSError as error:
            if error.errno != ENODATA:
                raise
            return set()

    def list(self, tag: str) -> None:
        """Files, then tags below. Of those that are offered beside, because the files have them, nothing is asked."""
        listed = set(os.listdir(self.place.root / "tags" / tag))
        below = {one.removeprefix(f"{tag}/").split("/")[0] for one in self.tags if one.startswith(f"{tag}/")}
        mine = {name for name in listed if name.lstrip(".").startswith(self.place.name(""))}
        assert mine == {file.path.name for file in self.files if file.has(tag)}
        assert below <= listed

    def soon(self, holds: Callable[[], bool], path: Path) -> None:
        def tried() -> bool:
            with suppress(FileNotFoundError):
                return holds()
            return False

        end = time.monotonic() + (10 if self.place.drive.remote else BELIEVED)
        while not tried():
            assert time.monotonic() < end, f"{path} leads to what it was"

    # -- doing

    def run(self, steps: int) -> None:
        for _ in range(steps):
            do = self.random.choice(DOINGS)
            try:
                do(self)
            except (OSError, AssertionError) as error:
                raise AssertionError("\n".join([*self.done, f"{do.__name__}: {error!r}"])) from error

    def says(self, *what: object) -> None:
        self.done.append(" ".join(ascii(str(one)) for one in what))

    def create(self) -> None:
        content = self.random.randbytes(self.random.choice([0, 1, 10, 5000]))
        file = File(self.random.choice(self.folders) / self.name(), content, set())
        self.says("create", file.path)
        file.path.write_bytes(content)
        self.files.append(file)
        self.look(file, file.path)

    def create_in_a_tag(self) -> None:
        tag = self.tag()
        file = File(self.place.inbox / self.name(), self.random.randbytes(200), {tag})
        self.says("create", self.entry(tag, file))
        self.entry(tag, file).write_bytes(file.content)
        self.files.append(file)
        self.look(file, self.entry(tag, file))

    def write(self) -> None:
        file = self.some()
        if file is not None:
            by, mode = self.random.choice(self.paths(file)), self.random.choice(["ab", "wb"])
            content = self.random.randbytes(self.random.choice([1, 100, 9000]))
            self.says("write", mode, by)
            with by.open(mode) as stream:
                stream.write(content)
            file.content = file.content + content if mode == "ab" else content
            self.look(file, by)

    def save(self) -> None:
        """A new file is renamed over the old one."""
        file = self.some()
        if file is not None:
            by = self.random.choice(self.paths(file))
            beside = by.with_name(f".{by.name}.{len(self.done)}.tmp")
            self.says("save", by)
            file.content = self.random.randbytes(300)
            beside.write_bytes(file.content)
            beside.rename(by)
            assert gone(beside)
            self.look(file, by)

    def save_with_backup(self) -> None:
        """The old file is renamed away until the new one is whole."""
        file = self.some()
        if file is not None:
            by = self.random.choice(self.paths(file))
            backup = by.with_name(f"{by.name}~")
            self.says("save with a backup", by)
            file.content = self.random.randbytes(77)
            by.rename(backup)
            by.write_bytes(file.content)
            backup.unlink()
            assert gone(backup)
            self.look(file, by)

    def delete(self) -> None:
        file = self.some()
        if file is not None:
            self.says("delete", file.path)
            file.path.unlink()
            self.files.remove(file)
            assert gone(file.path)
            for tag in file.tags:
                entry = self.entry(tag, file)
                self.soon(lambda entry=entry: gone(entry), entry)
                self.list(tag)

    def rename(self) -> None:
        """In files/, or in a view: the name is the file's."""
        file = self.some()
        if file is None:
            return
        by, before = self.random.choice(self.paths(file)), self.paths(file)
        name = self.name()
        self.says("rename", by, name)
        if by == file.path:
            file.path = self.random.choice(self.folders) / name
            by.rename(file.path)
        else:
            by.rename(by.with_name(name))
            file.path = file.path.with_name(name)
        assert gone(by)
        for path in before:
            self.soon(lambda path=path: gone(path), path)
        self.look(file, file.path if by == before[0] else by.with_name(name))

    def give(self) -> None:
        """By moving, or by a link."""
        tag = self.tag()
        file = self.some(lambda file: not file.has(tag))
        if file is not None:
            how = self.random.choice([os.rename, os.link])
            self.says(how.__name__, file.path, "to", tag)
            how(file.path, self.entry(tag, file))
            file.tags.add(tag)
            self.look(file, self.entry(tag, file))

    def take(self) -> None:
        file = self.some(lambda file: bool(file.tags))
        if file is not None:
            tag = self.random.choice(sorted(file.tags))
            self.says("remove", self.entry(tag, file))
            self.entry(tag, file).unlink()
            file.lose(tag)
            assert gone(self.entry(tag, file))
            self.list(tag)
            self.look(file, file.path)

    def retag(self) -> None:
        """Moved from one view to another: it loses the tag of the first."""
        file, new = self.some(lambda file: bool(file.tags)), self.tag()
        if file is not None and not file.has(new):
            old = self.random.choice(sorted(file.tags))
            if not at_or_under(new, old):
                self.says("move", self.entry(old, file), "to", new)
                self.entry(old, file).rename(self.entry(new, file))
                file.lose(old)
                file.tags.add(new)
                assert gone(self.entry(old, file))
                self.list(old)
                self.look(file, self.entry(new, file))

    def trash_file(self) -> None:
        """And brings it back."""
        file = self.some()
        if file is not None:
            by, thrown = self.random.choice(self.paths(file)), self.trash / self.place.name(f"file {len(self.done)}")
            self.says("to the trash and back:", by)
            by.rename(thrown)
            assert gone(by)
            assert thrown.read_bytes() == file.content
            thrown.rename(by)
            assert gone(thrown)
            self.look(file, by)

    def trash_tag(self) -> None:
        """And brings it back, with all below it."""
        tag = self.tag()
        folder, thrown = self.place.root / "tags" / tag, self.trash / self.place.name(f"tag {len(self.done)}")
        self.says("to the trash and back:", folder)
        folder.rename(thrown)
        assert gone(folder)
        assert os.listdir(thrown) == []
        for file in self.files:
            assert self.shown(file) == {one for one in file.tags if not at_or_under(one, tag)}
        thrown.rename(folder)
        self.random.choice([self.list, self.members, lambda tag: folder.stat()])(tag)
        assert gone(thrown)
        for one in self.tags:
            self.list(one)
        self.members(tag)

    def members(self, tag: str) -> None:
        for file in self.files:
            if file.has(tag):
                assert self.entry(tag, file).read_bytes() == file.content

    def make_tag(self) -> None:
        above = self.random.choice([None, *sorted(self.tags)])
        name = f"s{self.random.randrange(4)}"
        tag = f"{above}/{name}" if above and above.count("/") < 2 else self.tag_name(name)
        self.says("make", tag)
        if tag in self.tags:
            with pytest.raises(FileExistsError):
                (self.place.root / "tags" / tag).mkdir()
        else:
            (self.place.root / "tags" / tag).mkdir()
            self.tags.add(tag)
        self.list(tag)

    def rename_tag(self) -> None:
        tag = self.tag()
        above, slash, _ = tag.rpartition("/")
        new = f"{above}{slash}{self.tag_name(f'r{len(self.done)}')}"
        self.says("rename", tag, new)
        old, folder = self.place.root / "tags" / tag, self.place.root / "tags" / new
        old.rename(folder)

        def moved(one: str) -> str:
            return new + one[len(tag) :] if at_or_under(one, tag) else one

        self.tags = set(map(moved, self.tags))
        for file in self.files:
            file.tags = set(map(moved, file.tags))
        assert gone(old)
        self.list(new)
        self.members(new)

    def remove_tag(self) -> None:
        tag = self.tag()
        used = any(file.has(tag) for file in self.files) or any(one.startswith(f"{tag}/") for one in self.tags)
        if len(self.tags) > 1 or used:
            self.says("remove", tag, "in use" if used else "")
            folder = self.place.root / "tags" / tag
            if used:
                with pytest.raises(OSError, match=os.strerror(ENOTEMPTY)):
                    folder.rmdir()
            else:
                folder.rmdir()
                self.tags.remove(tag)
                assert gone(folder)


OFTEN = (Machine.create, Machine.create_in_a_tag, Machine.give, Machine.write, Machine.save, Machine.retag)
DOINGS = (
    *OFTEN,
    *OFTEN,
    Machine.give,
    Machine.save_with_backup,
    Machine.save_with_backup,
    Machine.trash_tag,
    Machine.trash_file,
    Machine.rename,
    Machine.rename,
    Machine.take,
    Machine.delete,
    Machine.make_tag,
    Machine.make_tag,
    Machine.rename_tag,
    Machine.remove_tag,
)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_programs_do_is_what_is_there(place: Place, seed: int) -> None:
    machine = Machine(place, seed)
    machine.run(STEPS)
    for file in machine.files:
        machine.look(file, file.path)
