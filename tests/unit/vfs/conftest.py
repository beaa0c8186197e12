"""A drive with small chunks, and a file system over it, for each test of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.service import Service
from graphfs.vfs.filesystem import FileSystem
from tests.unit.vfs.mounted import ME, MEMORY, small_drive


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[Service]:
    drive = small_drive(tmp_path / "state")
    yield drive
    assert drive.fsck(ME) == []
    drive.close()


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    return tmp_path / "staging"


@pytest.fixture
def volume(drive: Service, staging: Path) -> Iterator[FileSystem]:
    volume = FileSystem(drive, staging, memory=MEMORY, interval=3600)
    yield volume
    volume.close()
