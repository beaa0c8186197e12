"""A real drive in a temporary folder, with the whole file system over it and no kernel."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.service.service import Service, open_service
from graphfs.config import Config
from graphfs.model import Caller
from graphfs.vfs.filesystem import FileSystem
from graphfs.vfs.labels import TagLabels
from graphfs.vfs.rooms import standard_rooms
from graphfs.vfs.tags import Surroundings
from tests.unit.vfs_tags.shell import Shell

MOUNT_POINT = "/media/drive"


@dataclass
class Ground:
    """A drive on disk; `mount` shows it, `mount(entries="symlink")` with other settings."""

    folder: Path
    service: Service

    @contextmanager
    def mount(
        self,
        entries: str = "file",
        inbox: str = "Inbox",
        clock: Callable[[], float] = time.monotonic,
        late: bool = False,
    ) -> Iterator[Shell]:
        around = Surroundings(0, 0, inbox=inbox, entries=entries, mount_point=MOUNT_POINT, late=late, clock=clock)
        volume = FileSystem(
            self.service,
            self.folder / "staging",
            rooms=standard_rooms(self.service, around),
            labels=TagLabels(self.service),
        )
        try:
            yield Shell(volume, Caller(0, 0, pid=100))
        finally:
            volume.close()


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    service = open_service(tmp_path / "state", Config(), 0)
    try:
        yield Ground(tmp_path, service)
    finally:
        service.close()


@pytest.fixture
def drive(ground: Ground) -> Service:
    return ground.service


@pytest.fixture
def sh(ground: Ground) -> Iterator[Shell]:
    with ground.mount() as shell:
        yield shell


@pytest.fixture
def edges(drive: Service, sh: Shell) -> Callable[[str], list[tuple[str, str, str]]]:
    """(tag, state, source) of everything that is said of the file at a path."""

    def look(path: str) -> list[tuple[str, str, str]]:
        file = int(sh.getxattr(path, "user.graphfs.id"))
        return sorted((edge.tag, edge.state.value, edge.source.value) for edge in drive.edges(sh.caller, file))

    return look
