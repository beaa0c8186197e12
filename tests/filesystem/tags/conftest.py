"""What the tests of `tags/` with the kernel share: tags and folders of their own on the session's drives."""

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from tests.filesystem.drives import FIRST, Drive, chosen

_number = count(FIRST)
BINDINGS = tuple(kind for kind in chosen() if kind != "plain" and not kind.startswith("loop-"))


@dataclass(frozen=True)
class Place:
    """A corner of a mounted drive: the folder `files` and the tags `a` and `b` are this test's alone."""

    drive: Drive
    number: int

    @property
    def root(self) -> Path:
        return self.drive.root

    @property
    def inbox(self) -> Path:
        return self.drive.files / "Inbox"

    @property
    def files(self) -> Path:
        return self.drive.files / f"tags-{self.number}"

    @property
    def a(self) -> Path:
        return self.root / "tags" / f"a{self.number}"

    @property
    def b(self) -> Path:
        return self.root / "tags" / f"b{self.number}"

    def name(self, name: str) -> str:
        """A file's name that no other test uses, for the one Inbox that all share."""
        return f"{self.number}-{name}"

    def file(self, name: str, content: str = "content", *tags: str) -> Path:
        """A file in this test's folder with tags."""
        path = self.files / name
        path.write_text(content)
        if tags:
            set_tags(path, *(self.full(tag) for tag in tags))
        return path

    def full(self, tag: str) -> str:
        """`a/x` as `a7/x`: the first part of a tag is this test's alone."""
        top, slash, rest = tag.partition("/")
        return f"{top}{self.number}{slash}{rest}"

    def tags(self, path: Path) -> set[str]:
        """The tags that were given to a file, without the test's number."""
        return {tag.replace(str(self.number), "", 1) for tag in get_tags(path)}


def get_tags(path: Path) -> set[str]:
    done = subprocess.run(
        ["getfattr", "--only-values", "-n", "user.xdg.tags", str(path)], capture_output=True, text=True, check=False
    )
    return set(done.stdout.split(",")) - {""}


def set_tags(path: Path, *tags: str) -> None:
    subprocess.run(["setfattr", "-n", "user.xdg.tags", "-v", ",".join(tags), str(path)], check=True)


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Runs a program that must succeed; returns what it printed."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=cwd, check=False, timeout=60)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def eventually(place: Place, holds: Callable[[], bool]) -> None:
    """What was changed by one path of a file is seen by its others when the kernel has been told: by a thread of its
    own, within less than the second for which it would believe what it knows; by a server within what it promises."""
    end = time.monotonic() + (10 if place.drive.remote else 0.9)
    while not holds():
        assert time.monotonic() < end


@pytest.fixture(params=BINDINGS)
def place(request: pytest.FixtureRequest, _drives: dict[str, Drive]) -> Place:
    corner = Place(_drives[str(request.param)], next(_number))
    corner.files.mkdir()
    corner.a.mkdir()
    corner.b.mkdir()
    return corner
