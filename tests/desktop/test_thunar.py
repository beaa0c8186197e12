"""Thunar on the drive, with real mouse and keys: tags are folders, a drag tags, deleting untags, the trash brings back.

`SCREENSHOTS=docs/screenshots` keeps what it saw where the documentation shows it.
"""

import os
from pathlib import Path

import pytest

from tests.desktop.drive import HomeDrive
from tests.desktop.session import Session, require, until

pytestmark = pytest.mark.slow

SETTINGS = {
    "last-view": ("string", "ThunarDetailsView"),  # rows, which the accessibility bus can see; icons it cannot
    "last-details-view-visible-columns": ("string", "THUNAR_COLUMN_NAME,THUNAR_COLUMN_SIZE"),
    "last-location-bar": ("string", "ThunarLocationButtons"),
    "last-window-width": ("int", "960"),
    "last-window-height": ("int", "500"),
    "misc-open-new-windows-in-split-view": ("bool", "true"),
}
RIGHT = 570
"""Where the right pane begins, in pixels."""


@pytest.fixture(scope="module", autouse=True)
def _settings(drive: HomeDrive) -> None:
    """What somebody has chosen in Thunar's menus: a list of names and sizes, and two panes."""
    require("thunar")
    folder = drive.folder / ".config/xfce4/xfconf/xfce-perchannel-xml"
    folder.mkdir(parents=True)
    lines = [f'<property name="{name}" type="{kind}" value="{value}"/>' for name, (kind, value) in SETTINGS.items()]
    text = '<?xml version="1.0" encoding="UTF-8"?>\n<channel name="thunar" version="1.0">\n{}\n</channel>\n'
    (folder / "thunar.xml").write_text(text.format("\n".join(lines)))


def enter(screen: Session, *names: str, after: int = 0) -> None:
    """Opens folder after folder by double clicks; a pane is told by where it begins."""
    for name in names:
        screen.click(screen.find(name, app="thunar", role="table cell", after=after), times=2)


def test_a_drag_on_a_tag_tags_the_file_and_leaves_it_where_it_is(
    screen: Session, drive: HomeDrive, shots: Path
) -> None:
    with screen.window("thunar", drive.drive):
        enter(screen, "tags", after=RIGHT)
        screen.find("to do", after=RIGHT)
        enter(screen, "files", "Travel")
        source = screen.find("Packing list.txt")
        screen.carry(source, screen.find("to do", after=RIGHT))
        screen.screenshot(shots / "thunar-drag.png")
        screen.drop()
        until(lambda: drive.tags_of("Travel/Packing list.txt") == {"to do"}, "the file is tagged")
        enter(screen, "to do", after=RIGHT)
        screen.find("Packing list.txt", after=RIGHT)
        screen.find("Packing list.txt")
        screen.screenshot(shots / "thunar-dragged.png")
    assert (drive.files / "Travel/Packing list.txt").read_text().startswith("Passport")
    assert os.listdir(drive.tags / "to do") == ["Packing list.txt"]


def test_a_deleted_entry_is_untagged_and_the_trash_brings_the_tag_back(
    screen: Session, drive: HomeDrive, shots: Path
) -> None:
    with screen.window("thunar", drive.tags):
        enter(screen, "travel", after=RIGHT)
        entry = screen.find("Old town.jpg", after=RIGHT)
        screen.find("travel")
        screen.screenshot(shots / "thunar-tags.png")
        screen.click(entry)
        screen.key("Delete")
        until(lambda: drive.tags_of("Travel/Old town.jpg") == set(), "the tag is gone")
        screen.gone("Old town.jpg", after=RIGHT)
        assert not (drive.tags / "travel" / "Old town.jpg").exists()
        assert (drive.files / "Travel" / "Old town.jpg").exists()
        screen.click(screen.find("Trash", role="table cell"))
        trashed = screen.find("Old town.jpg", after=RIGHT)
        screen.screenshot(shots / "thunar-trash.png")
        screen.click(trashed, button=3)
        screen.click(screen.find("Restore", role="menu item"))
        until(lambda: drive.tags_of("Travel/Old town.jpg") == {"travel"}, "the tag is back")
    assert "Old town.jpg" in os.listdir(drive.tags / "travel")
    assert os.listdir(drive.drive / ".Trash-0" / "files") == []


def test_a_deleted_tag_comes_back_with_its_files(screen: Session, drive: HomeDrive) -> None:
    with screen.window("thunar", drive.tags):
        screen.click(screen.find("year", role="table cell"))
        screen.key("Delete")
        until(lambda: "year" not in os.listdir(drive.tags), "the tag is gone")
        assert drive.tags_of("Money/Budget 2024.csv") == set()
        screen.click(screen.find("Trash", role="table cell"))
        screen.click(screen.find("year", role="table cell", after=170), button=3)
        screen.click(screen.find("Restore", role="menu item"))
        until(lambda: "year" in os.listdir(drive.tags), "the tag is back")
    assert drive.tags_of("Money/Budget 2024.csv") == {"year/2024"}
    assert os.listdir(drive.tags / "year" / "2024") == ["Budget 2024.csv"]


def test_a_new_folder_in_tags_is_a_tag(screen: Session, drive: HomeDrive) -> None:
    with screen.window("thunar", drive.tags):
        screen.click(screen.find("home", role="table cell"))
        screen.key("ctrl+shift+n")
        screen.find("Cancel", role="push button")
        screen.write("garden")
        screen.click(screen.find("Create", role="push button"))
        until(lambda: "garden" in os.listdir(drive.tags), "the tag is made")
        screen.find("garden", role="table cell")
