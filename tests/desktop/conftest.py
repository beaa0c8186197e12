"""Fixtures of the desktop tests: one drive and one session for a module, on a disk of its own in the eyes of GIO."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.desktop.drive import HomeDrive, drive_at_home
from tests.desktop.session import Session, desktop, session


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home folder of the session."""
    folder = tmp_path_factory.mktemp("desktop") / "anna"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def drive(home: Path) -> Iterator[HomeDrive]:
    """`~/GraphFS`, filled."""
    with drive_at_home(home) as made:
        yield made


@pytest.fixture(scope="module")
def bus(drive: HomeDrive) -> Iterator[Session]:
    """A session without a display."""
    with session(drive.folder, drive.folder.parent / "session") as made:
        yield made


@pytest.fixture(scope="module")
def screen(drive: HomeDrive) -> Iterator[Session]:
    """A session with a display, a window manager, eyes and hands."""
    with desktop(drive.folder, drive.folder.parent / "session") as made:
        yield made


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go."""
    return Path(os.environ.get("SCREENSHOTS") or tmp_path_factory.mktemp("screenshots")).absolute()
