"""Random calls on a mounted folder beside a tree in dictionaries: the same answers and errnos, the same tree.

Runs over an ordinary folder too, so that it is the model that is proved there, and the drive here.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from tests.filesystem.drives import started
from tests.filesystem.syscalls import RenameFlag, rename
from tests.model.tree_model import File, Folder, Symlink, TreeModel

names = st.sampled_from(["a", "b", "ç"])
paths = st.lists(names, min_size=1, max_size=3).map(tuple)
targets = st.sampled_from(["a", "b", "a/b", "b/a/a", "ç"])
offsets = st.one_of(st.integers(0, 50), st.sampled_from([4_095, 4_096, 131_071, 200_000]))
contents = st.one_of(st.binary(min_size=1, max_size=20), st.sampled_from([b"x" * 4_096, b"yz" * 70_000]))
flags = st.sampled_from([RenameFlag(0), RenameFlag(0), RenameFlag.NOREPLACE, RenameFlag.EXCHANGE])


class TreeMachine(RuleBasedStateMachine):
    """Does everything twice: in the model and in `folder`, which is empty at the start."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.model = TreeModel()
        self.handles: list[tuple[int, File]] = []

    def path(self, parts: tuple[str, ...]) -> Path:
        return self.folder.joinpath(*parts)

    def both(self, model: Callable[[], object], real: Callable[[], object]) -> tuple[object, object] | None:
        """What both gave; None when both refused with the same errno."""
        expected: int | None = None
        wanted: object = None
        try:
            wanted = model()
        except OSError as error:
            expected = error.errno
        got: int | None = None
        given: object = None
        try:
            given = real()
        except OSError as error:
            got = error.errno
        assert got == expected, f"{os.strerror(got or 0)}, not {os.strerror(expected or 0)}"
        return None if expected is not None else (wanted, given)

    def keep(self, opened: tuple[object, object] | None) -> None:
        if opened is not None:
            file, descriptor = opened
            assert isinstance(file, File)
            assert isinstance(descriptor, int)
            self.handles.append((descriptor, file))

    @rule(path=paths)
    def create(self, path: tuple[str, ...]) -> None:
        how = os.O_CREAT | os.O_EXCL | os.O_RDWR
        self.keep(self.both(lambda: self.model.create(path), lambda: os.open(self.path(path), how, 0o644)))

    @rule(path=paths)
    def open(self, path: tuple[str, ...]) -> None:
        how = os.O_CREAT | os.O_RDWR
        self.keep(self.both(lambda: self.model.open(path), lambda: os.open(self.path(path), how, 0o644)))

    @rule(path=paths)
    def mkdir(self, path: tuple[str, ...]) -> None:
        self.both(lambda: self.model.mkdir(path), lambda: os.mkdir(self.path(path)))

    @rule(path=paths)
    def rmdir(self, path: tuple[str, ...]) -> None:
        self.both(lambda: self.model.rmdir(path), lambda: os.rmdir(self.path(path)))

    @rule(path=paths)
    def unlink(self, path: tuple[str, ...]) -> None:
        self.both(lambda: self.model.unlink(path), lambda: os.unlink(self.path(path)))

    @rule(text=targets, path=paths)
    def symlink(self, text: str, path: tuple[str, ...]) -> None:
        self.both(lambda: self.model.symlink(text, path), lambda: os.symlink(text, self.path(path)))

    @rule(source=paths, path=paths)
    def link(self, source: tuple[str, ...], path: tuple[str, ...]) -> None:
        self.both(lambda: self.model.link(source, path), lambda: os.link(self.path(source), self.path(path)))

    @rule(old=paths, new=paths, how=flags)
    def rename(self, old: tuple[str, ...], new: tuple[str, ...], how: RenameFlag) -> None:
        self.both(lambda: self.model.rename(old, new, how), lambda: rename(self.path(old), self.path(new), how))

    @rule(path=paths, size=offsets)
    def truncate(self, path: tuple[str, ...], size: int) -> None:
        self.both(lambda: self.model.truncate(path, size), lambda: os.truncate(self.path(path), size))

    @precondition(lambda self: self.handles)
    @rule(which=st.integers(0, 9), offset=offsets, data=contents)
    def write(self, which: int, offset: int, data: bytes) -> None:
        descriptor, file = self.handles[which % len(self.handles)]
        assert os.pwrite(descriptor, data, offset) == len(data)
        self.model.write(file, offset, data)

    @precondition(lambda self: self.handles)
    @rule(which=st.integers(0, 9), size=offsets)
    def resize(self, which: int, size: int) -> None:
        descriptor, file = self.handles[which % len(self.handles)]
        os.ftruncate(descriptor, size)
        self.model.resize(file, size)

    @precondition(lambda self: self.handles)
    @rule(which=st.integers(0, 9), flush=st.booleans())
    def close(self, which: int, flush: bool) -> None:
        descriptor, _ = self.handles.pop(which % len(self.handles))
        if flush:
            os.fsync(descriptor)
        os.close(descriptor)

    @invariant()
    def handles_show_their_file(self) -> None:
        for descriptor, file in self.handles:
            attributes = os.fstat(descriptor)
            assert (attributes.st_size, attributes.st_nlink) == (len(file.content), file.links)
            assert os.pread(descriptor, len(file.content) + 1, 0) == file.content

    @invariant()
    def the_tree_is_the_models(self) -> None:
        self.inodes: dict[object, int] = {}
        self.same(self.folder, self.model.root)
        assert len(set(self.inodes.values())) == len(self.inodes), "two files share an inode number"

    def same(self, path: Path, folder: Folder) -> None:
        assert sorted(os.listdir(path)) == sorted(folder.entries)
        folders = sum(isinstance(node, Folder) for node in folder.entries.values())
        assert os.lstat(path).st_nlink == 2 + folders
        for name, node in folder.entries.items():
            below = path / name
            attributes = os.lstat(below)
            assert self.inodes.setdefault(node, attributes.st_ino) == attributes.st_ino
            if isinstance(node, Folder):
                self.same(below, node)
            elif isinstance(node, Symlink):
                assert (os.readlink(below), attributes.st_nlink) == (node.target, node.links)
            else:
                assert (attributes.st_size, attributes.st_nlink) == (len(node.content), node.links)
                assert below.read_bytes() == node.content

    def teardown(self) -> None:
        for descriptor, _ in self.handles:
            os.close(descriptor)
        self.handles.clear()
        self.the_tree_is_the_models()


@pytest.fixture(scope="module", params=["plain", "pyfuse3"])
def folder(request: pytest.FixtureRequest) -> Iterator[Path]:
    """An empty folder of a drive of each kind."""
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="graphfs-model-")))
        drive = stack.enter_context(started(str(request.param), place / "place"))
        top = drive.files / "machine"
        top.mkdir()
        yield top


def test_a_tree_of_random_calls(folder: Path) -> None:
    numbers = count(1)

    def machine() -> TreeMachine:
        fresh = folder / str(next(numbers))
        fresh.mkdir()
        return TreeMachine(fresh)

    run_state_machine_as_test(  # type: ignore[no-untyped-call]  # hypothesis does not type it
        machine,
        settings=settings(
            max_examples=40,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
