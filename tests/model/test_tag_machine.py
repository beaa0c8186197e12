"""Random operations on `tags/` beside a small dictionary: no file is lost, no tag of an uninvolved file changes."""

import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from gateway.service.service import open_service
from graphfs.config import Config
from graphfs.errors import AlreadyExists, NotEmpty, NotFound
from tests.unit.vfs_tags.conftest import Ground

TAGS = ("a", "a/x", "a/y", "b", "b/x", "c")
TOP = ("a", "b", "c")
FOLDERS = ("d0", "d1", "Inbox")

some_tag = st.sampled_from(TAGS)
some_tags = st.lists(st.sampled_from(TAGS), min_size=1, max_size=2, unique=True)
some_folder = st.sampled_from(FOLDERS)


def under(tag: str, top: str) -> bool:
    return tag == top or tag.startswith(f"{top}/")


class File:
    """What must be true of one file."""

    def __init__(self, folder: str, name: str, content: str, tags: set[str]) -> None:
        self.folder = folder
        self.name = name
        self.content = content
        self.tags = tags

    def has(self, tag: str) -> bool:
        return any(under(mine, tag) for mine in self.tags)

    @property
    def path(self) -> str:
        return f"files/{self.folder}/{self.name}"


class Drive(RuleBasedStateMachine):
    """Names of files are unique; processes are one a step, so that nothing is joined by chance."""

    files = Bundle("files")

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.known: set[str] = set()
        self.all: list[File] = []
        self.step = 0

    @initialize()
    def start(self) -> None:
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.service = open_service(folder / "state", Config(), 0)
        self.stack.callback(self.service.close)
        self.root = self.stack.enter_context(Ground(folder, self.service).mount())
        for name in FOLDERS:
            self.root.mkdir(f"files/{name}")

    def teardown(self) -> None:
        self.stack.close()

    @property
    def sh(self):  # type: ignore[no-untyped-def]  # a Shell
        self.step += 1
        return self.root.process(1000 + self.step)

    def need(self, *tags: str) -> None:
        """Makes tags that are not there yet."""
        for tag in tags:
            parts = tag.split("/")
            for depth in range(1, len(parts) + 1):
                path = "/".join(parts[:depth])
                if path not in self.known:
                    self.sh.mkdir(f"tags/{path}")
                    self.known.add(path)

    def give(self, file: File, *tags: str) -> None:
        file.tags |= set(tags)

    def take(self, file: File, tag: str) -> None:
        file.tags = {mine for mine in file.tags if not under(mine, tag)}

    # -- files come

    @rule(target=files, folder=some_folder, tags=st.lists(some_tag, max_size=3))
    def write(self, folder: str, tags: list[str]) -> File:
        file = File(folder, f"f{len(self.all)}.txt", f"content {len(self.all)}", set(tags))
        self.sh.write(file.path, file.content)
        if tags:
            self.sh.tag(file.path, *tags)
            self.know(tags)
        self.all.append(file)
        return file

    def know(self, tags: list[str]) -> None:
        for tag in tags:
            self.known |= {tag, tag.partition("/")[0]}

    @rule(target=files, tags=some_tags)
    def create_in_a_view(self, tags: list[str]) -> File:
        self.need(*tags)
        file = File("Inbox", f"f{len(self.all)}.txt", f"content {len(self.all)}", set(tags))
        self.sh.write(f"tags/{'/'.join(tags)}/{file.name}", file.content)
        self.all.append(file)
        return file

    # -- tags of files change

    @rule(file=files, tags=some_tags)
    def move_in(self, file: File, tags: list[str]) -> None:
        self.need(*tags)
        self.sh.mv(file.path, f"tags/{'/'.join(tags)}/")
        self.give(file, *tags)

    @rule(file=files, source=some_tag, goal=some_tag)
    def move_between(self, file: File, source: str, goal: str) -> None:
        self.need(source, goal)
        path = f"tags/{source}/{file.name}"
        if not file.has(source):
            with pytest.raises(NotFound):
                self.sh.mv(path, f"tags/{goal}/")
            return
        self.sh.mv(path, f"tags/{goal}/")
        if source != goal:
            kept = {goal} & file.tags
            self.take(file, source)
            file.tags |= kept | {goal}

    @rule(file=files, tags=some_tags)
    def remove(self, file: File, tags: list[str]) -> None:
        self.need(*tags)
        path = f"tags/{'/'.join(tags)}/{file.name}"
        if all(file.has(tag) for tag in tags):
            self.sh.rm(path)
            self.take(file, tags[-1])
        else:
            with pytest.raises(NotFound):
                self.sh.rm(path)

    @rule(file=files, tags=st.lists(some_tag, max_size=3))
    def set_tags(self, file: File, tags: list[str]) -> None:
        self.sh.tag(file.path, *tags)
        self.know(tags)
        file.tags = set(tags)

    @rule(file=files, tag=some_tag, into=some_tag)
    def trash_and_bring_back(self, file: File, tag: str, into: str) -> None:
        if not file.has(tag):
            return
        self.need(into)
        for folder in (".Trash-0", ".Trash-0/files"):
            if not self.root.exists(folder):
                self.sh.mkdir(folder)
        lost = {mine for mine in file.tags if under(mine, tag)}
        self.sh.mv(f"tags/{tag}/{file.name}", f".Trash-0/files/{file.name}")
        self.take(file, tag)
        assert self.root.tags(file.path) == file.tags
        self.sh.mv(f".Trash-0/files/{file.name}", f"tags/{into}/")
        back = {mine for mine in lost if under(mine, into)}
        file.tags |= back or {into}

    # -- files change

    @rule(file=files, tag=some_tag)
    def save(self, file: File, tag: str) -> None:
        if not file.has(tag):
            return
        self.step += 1
        file.content = f"saved {self.step}"
        editor = self.sh
        editor.write(f"tags/{tag}/.goutputstream-ABCDEF", file.content)
        editor.mv(f"tags/{tag}/.goutputstream-ABCDEF", f"tags/{tag}/{file.name}")

    @rule(file=files, tag=some_tag)
    def rename(self, file: File, tag: str) -> None:
        if file.has(tag):
            self.step += 1
            new = f"r{self.step}.txt"
            self.sh.mv(f"tags/{tag}/{file.name}", f"tags/{tag}/{new}")
            file.name = new

    @rule(file=files, tag=some_tag, folder=some_folder)
    def move_out(self, file: File, tag: str, folder: str) -> None:
        if file.has(tag):
            self.sh.mv(f"tags/{tag}/{file.name}", f"files/{folder}/")
            file.folder = folder

    @rule(file=consumes(files))
    def delete(self, file: File) -> None:
        self.sh.rm(file.path)
        self.all.remove(file)
        self.all.insert(0, File("", "", "", set()))  # the count goes on growing, so names stay unique

    # -- tags change

    @rule(tag=some_tag)
    def rmdir(self, tag: str) -> None:
        if tag not in self.known:
            return
        if any(file.has(tag) for file in self.all) or any(one != tag and under(one, tag) for one in self.known):
            with pytest.raises(NotEmpty):
                self.sh.rmdir(f"tags/{tag}")
        else:
            self.sh.rmdir(f"tags/{tag}")
            self.known.discard(tag)

    @rule(tag=some_tag, depth_first=st.booleans(), back=st.booleans())
    def remove_recursively(self, tag: str, depth_first: bool, back: bool) -> None:
        if tag not in self.known:
            return
        before = [(file, set(file.tags)) for file in self.all], set(self.known)
        remover = self.sh
        (remover.rm_r_depth_first if depth_first else remover.rm_r)(f"tags/{tag}")
        for file in self.all:
            self.take(file, tag)
        self.known = {one for one in self.known if not under(one, tag)}
        if back:
            self.check()
            self.service.undo(remover.caller)
            for file, tags in before[0]:
                file.tags = tags
            self.known = before[1]

    @rule(tag=some_tag)
    def trash_a_tag_and_bring_it_back(self, tag: str) -> None:
        if tag not in self.known:
            return
        for folder in (".Trash-0", ".Trash-0/files"):
            if not self.root.exists(folder):
                self.sh.mkdir(folder)
        self.sh.mv(f"tags/{tag}", ".Trash-0/files/tag")
        assert not any(under(mine, tag) for file in self.all if file.name for mine in self.root.tags(file.path))
        self.sh.mv(".Trash-0/files/tag", f"tags/{tag}")

    @rule(tag=st.sampled_from(TOP), other=st.sampled_from(TOP))
    def rename_and_back(self, tag: str, other: str) -> None:
        if tag not in self.known:
            return
        if other in self.known and other != tag:
            with pytest.raises(AlreadyExists):
                self.sh.mv(f"tags/{tag}", f"tags/{other}")
        self.sh.mv(f"tags/{tag}", "tags/meanwhile")
        self.sh.mv("tags/meanwhile", f"tags/{tag}")

    # -- what must hold

    @invariant()
    def check(self) -> None:
        files = [file for file in self.all if file.name]
        for file in files:
            assert self.root.read(file.path).decode() == file.content
            assert self.root.tags(file.path) == file.tags
        assert {tag.path for tag in self.service.tags(self.root.caller)} == self.known
        for tag in self.known:
            assert sorted(self.root.files(f"tags/{tag}")) == sorted(file.name for file in files if file.has(tag))
        here = sorted(f"{folder}/{name}" for folder in FOLDERS for name in self.root.files(f"files/{folder}"))
        assert here == sorted(f"{file.folder}/{file.name}" for file in files)


Drive.TestCase.settings = settings(
    max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestDrive = pytest.mark.timeout(600)(Drive.TestCase)
