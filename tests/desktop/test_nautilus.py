"""Nautilus (GNOME's "Files") on the drive, with real mouse and keys.

Its toolkit does not say where things are on the screen, so the screen is read.

`SCREENSHOTS=docs/screenshots` keeps what it saw where the documentation shows it.
"""

import os
from pathlib import Path

import pytest

from tests.desktop.drive import HomeDrive
from tests.desktop.session import Session, require, until

pytestmark = pytest.mark.slow

CONTENT = 250
"""Where the side bar ends, in pixels."""
NOTICES = 400
"""Where the notices begin that lie over the files ("Old town.jpg moved to trash")."""


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    require("nautilus", "tesseract")


def test_tags_are_folders_and_a_deleted_entry_comes_back(screen: Session, drive: HomeDrive, shots: Path) -> None:
    with screen.window("nautilus", "--new-window", drive.tags):
        screen.spot("to do", after=CONTENT)
        screen.screenshot(shots / "nautilus-tags.png")
        screen.click(screen.spot("travel", after=CONTENT), times=2)
        entry = screen.spot("Old town.jpg", after=CONTENT)
        screen.screenshot(shots / "nautilus-tag.png")
        screen.click(entry)
        screen.spot("selected", below=500)
        screen.key("Delete")
        until(lambda: drive.tags_of("Travel/Old town.jpg") == set(), "the tag is gone")
    assert (drive.files / "Travel" / "Old town.jpg").exists()
    with screen.window("nautilus", "--new-window", "trash:///"):
        screen.click(screen.spot("Old town.jpg", after=CONTENT, above=NOTICES), button=3)
        restore = screen.spot("Restore From Trash")
        screen.screenshot(shots / "nautilus-restore.png")
        screen.click(restore)
        until(lambda: drive.tags_of("Travel/Old town.jpg") == {"travel"}, "the tag is back")
    assert "Old town.jpg" in os.listdir(drive.tags / "travel")
    assert os.listdir(drive.drive / ".Trash-0" / "files") == []


def test_a_drag_on_a_tag_tags(screen: Session, drive: HomeDrive, shots: Path) -> None:
    with screen.window("nautilus", "--new-window", drive.tags / "year"):
        source = screen.spot("Budget 2024.csv", after=CONTENT)
        screen.carry(source, screen.spot("2023", after=CONTENT))
        screen.screenshot(shots / "nautilus-drag.png")
        screen.drop()
        until(lambda: drive.tags_of("Money/Budget 2024.csv") == {"year/2023"}, "the tag is changed")
    assert (drive.files / "Money/Budget 2024.csv").exists()
    assert "Budget 2024.csv" in os.listdir(drive.tags / "year" / "2023")
