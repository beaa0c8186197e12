"""What file managers do through GIO, without a window: `gio`, and calls of its library that `gio` has no word for.

Every operation that the drive gives a meaning to is done here as a file manager does it.
"""

import os
import re
import select
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.desktop.drive import TAGS, HomeDrive
from tests.desktop.session import PYTHON, Session, until

Gio = Callable[..., str]
"""Runs `gio` with any number of words."""

SAVE = """
import sys
from gi.repository import Gio
file = Gio.File.new_for_path(sys.argv[1])
stream = file.replace(None, sys.argv[2] == "backup", Gio.FileCreateFlags.NONE, None)
stream.write_all(sys.stdin.buffer.read(), None)
stream.close(None)
"""
PROBES = """
import sys
from gi.repository import Gio
for path in sys.argv[1:]:
    file = Gio.File.new_for_path(path)
    file.query_info("*", Gio.FileQueryInfoFlags.NONE, None)
    file.query_filesystem_info("*", None)
    file.find_enclosing_mount(None)
    for probe in (".directory", ".hidden", "desktop.ini", "Thumbs.db", ".DS_Store", "autorun.inf", ".xdg-volume-info"):
        file.get_child(probe).query_exists(None)
    print(*sorted(info.get_name() for info in file.enumerate_children("*", Gio.FileQueryInfoFlags.NONE, None)), sep="|")
"""


@pytest.fixture
def gio(bus: Session, drive: HomeDrive) -> Gio:
    """`gio WORD...` in the root of the drive; paths may be relative to it."""
    return lambda *words, **options: bus.run("gio", *map(str, words), cwd=drive.drive, **options)


def trashed(bus: Session) -> dict[str, str]:
    """What the desktop's trash shows: the place that a thing came from, and its address."""
    lines = bus.run("gio", "trash", "--list").splitlines()
    return {_plain(place): address for address, place in (line.split("\t") for line in lines)}


def _plain(escaped: str) -> str:
    r"""`gio` writes \xNN for each byte that is not ASCII."""
    return re.sub(rb"\\x([0-9a-f]{2})", lambda found: bytes.fromhex(found[1].decode()), escaped.encode()).decode()


def in_trash(bus: Session, path: Path) -> str:
    """Waits until the desktop's trash shows what was at `path`; its address."""
    until(lambda: str(path) in trashed(bus), f"{path} in trash:///")
    return trashed(bus)[str(path)]


def names(folder: Path) -> set[str]:
    return set(os.listdir(folder))


def test_the_drive_is_a_place_with_a_trash(bus: Session, drive: HomeDrive, gio: Gio) -> None:
    assert "GraphFS" in gio("mount", "--list")
    assert "filesystem::type: fuse" in gio("info", "--filesystem", "tags")
    for path in ("files/Travel", "tags/travel", "tags/travel/Old town.jpg", "files/Travel/Old town.jpg"):
        assert "access::can-trash: TRUE" in gio("info", path), path


def test_listing(bus: Session, drive: HomeDrive, gio: Gio) -> None:
    assert {"travel", "year", "home", "to do"} <= set(gio("list", "tags").splitlines())
    assert gio("list", "tags/year/2024").splitlines() == ["Budget 2024.csv"]
    assert "Budget 2024.csv" in gio("tree", "tags/year")
    shown = gio("info", "tags/travel/Lisbon harbour.jpg")
    assert "standard::content-type: image/jpeg" in shown
    assert "xattr::xdg.tags: " in shown
    inode = [line for line in shown.splitlines() if "unix::inode" in line]
    assert inode == [line for line in gio("info", "files/Travel/Lisbon harbour.jpg").splitlines() if "inode" in line]


def test_probes_create_nothing(bus: Session, drive: HomeDrive) -> None:
    folders = [drive.drive, drive.files, drive.tags, drive.tags / "travel", drive.tags / "year/2023"]
    before = [(names(folder), folder.stat().st_mtime_ns) for folder in folders]
    asked = bus.run(PYTHON, "-c", PROBES, *map(str, folders))
    assert [set(filter(None, line.split("|"))) for line in asked.splitlines()] == [seen for seen, _ in before]
    assert [(names(folder), folder.stat().st_mtime_ns) for folder in folders] == before


def test_moving_on_a_tag_tags(bus: Session, drive: HomeDrive, gio: Gio) -> None:
    gio("move", "files/Home/Bread recipe.md", "tags/home/")
    assert drive.tags_of("Home/Bread recipe.md") == {"home"}
    assert "Bread recipe.md" in names(drive.files / "Home")
    gio("move", "tags/home/Bread recipe.md", "tags/to do/")
    assert drive.tags_of("Home/Bread recipe.md") == {"to do"}
    gio("mkdir", "files/Kitchen")
    gio("move", "tags/to do/Bread recipe.md", "files/Kitchen/")
    assert drive.tags_of("Kitchen/Bread recipe.md") == {"to do"}
    assert "Bread recipe.md" not in names(drive.files / "Home")


def test_copying_into_a_tag_makes_a_tagged_file(bus: Session, drive: HomeDrive, gio: Gio) -> None:
    (drive.folder / "note.txt").write_text("from outside")
    gio("copy", drive.folder / "note.txt", "tags/year/2024/")
    assert (drive.files / "Inbox/note.txt").read_text() == "from outside"
    assert drive.tags_of("Inbox/note.txt") == {"year/2024"}
    assert "note.txt" in names(drive.tags / "year/2024")


def test_moving_into_a_tag_from_outside(bus: Session, drive: HomeDrive, gio: Gio) -> None:
    (drive.folder / "scan.txt").write_text("a scan")
    gio("move", drive.folder / "scan.txt", "tags/home/")
    assert not (drive.folder / "scan.txt").exists()
    assert (drive.files / "Inbox/scan.txt").read_text() == "a scan"
    assert drive.tags_of("Inbox/scan.txt") == {"home"}


def test_copying_out_gives_real_files(bus: Session, drive: HomeDrive, gio: Gio) -> None:
    out = drive.folder / "stick"
    out.mkdir()
    for name in sorted(names(drive.tags / "travel")):
        gio("copy", f"tags/travel/{name}", out)
        assert (out / name).read_bytes() == (drive.tags / "travel" / name).read_bytes()
        assert not (out / name).is_symlink()
    assert {Path(path).name for path in TAGS["travel"]} <= names(out)


def test_tags_are_made_renamed_and_nested(bus: Session, drive: HomeDrive, gio: Gio) -> None:
    gio("mkdir", "tags/clubs")
    gio("mkdir", "tags/clubs/chess")
    gio("move", "files/Home/Garden plan.md", "tags/clubs/chess/")
    assert drive.tags_of("Home/Garden plan.md") == {"clubs/chess"}
    gio("rename", "tags/clubs/chess", "go")
    assert drive.tags_of("Home/Garden plan.md") == {"clubs/go"}
    gio("move", "tags/clubs/go", "tags/go")
    assert drive.tags_of("Home/Garden plan.md") == {"go"}
    (drive.tags / "go").rename(drive.tags / "clubs" / "go")
    assert drive.tags_of("Home/Garden plan.md") == {"clubs/go"}
    assert "already exists" in gio("rename", "tags/clubs", "travel", status=1)
    assert drive.tags_of("Home/Garden plan.md") == {"clubs/go"}
    gio("remove", "tags/clubs/go", status=1)
    gio("remove", "tags/clubs/go/Garden plan.md")
    assert drive.tags_of("Home/Garden plan.md") == set()
    gio("remove", "tags/clubs/go")
    gio("remove", "tags/clubs")
    assert "clubs" not in names(drive.tags)


def test_the_attribute_that_desktops_use_for_tags(bus: Session, drive: HomeDrive, gio: Gio) -> None:
    gio("set", "--type=string", "files/Travel/Reading list.txt", "xattr::xdg.tags", "to do,books")
    assert drive.tags_of("Travel/Reading list.txt") == {"to do", "books"}
    assert names(drive.tags / "books") == {"Reading list.txt"}
    gio("set", "--delete", "files/Travel/Reading list.txt", "xattr::xdg.tags")
    assert drive.tags_of("Travel/Reading list.txt") == set()
    gio("set", "--type=string", "files/Travel/Reading list.txt", "xattr::xdg.comment", "for the beach")
    assert os.getxattr(drive.files / "Travel/Reading list.txt", "user.xdg.comment") == b"for the beach"


@pytest.mark.parametrize("restored", ["by the trash", "by moving"])
def test_a_trashed_entry_is_untagged_until_restored(bus: Session, drive: HomeDrive, gio: Gio, restored: str) -> None:
    entry, file = drive.tags / "year/2023/Lisbon harbour.jpg", drive.files / "Travel/Lisbon harbour.jpg"
    before = file.read_bytes()
    gio("trash", entry)
    assert drive.tags_of("Travel/Lisbon harbour.jpg") == {"travel"}
    assert names(entry.parent) == {"Tax return 2023.pdf"}
    assert file.read_bytes() == before
    address = in_trash(bus, entry)
    if restored == "by moving":
        gio("move", address, entry)
    else:
        gio("trash", "--restore", address)
    assert drive.tags_of("Travel/Lisbon harbour.jpg") == {"travel", "year/2023"}
    assert "Lisbon harbour.jpg" in names(entry.parent)
    until(lambda: str(entry) not in trashed(bus), "the trash lets go of it")
    assert names(drive.files / "Travel") >= {"Lisbon harbour.jpg"}


def test_a_trashed_tag_comes_back_with_its_files(bus: Session, drive: HomeDrive, gio: Gio) -> None:
    files = {path: drive.tags_of(path) for path in (*TAGS["travel"], *TAGS["year/2024"])}
    gio("trash", "tags/travel")
    assert "travel" not in names(drive.tags)
    assert {path: drive.tags_of(path) for path in files} == {path: tags - {"travel"} for path, tags in files.items()}
    gio("trash", "--restore", in_trash(bus, drive.tags / "travel"))
    assert {path: drive.tags_of(path) for path in files} == files
    assert {Path(path).name for path in TAGS["travel"]} <= names(drive.tags / "travel")


def test_a_trashed_file_comes_back_with_its_tags(bus: Session, drive: HomeDrive, gio: Gio) -> None:
    file = drive.files / "Money/Rent receipt.pdf"
    before = file.read_bytes(), os.getxattr(file, "user.graphfs.id")
    gio("trash", file)
    assert not file.exists()
    assert "Rent receipt.pdf" not in names(drive.tags / "home")
    gio("trash", "--restore", in_trash(bus, file))
    assert (file.read_bytes(), os.getxattr(file, "user.graphfs.id")) == before
    assert drive.tags_of("Money/Rent receipt.pdf") == {"home"}
    assert "Rent receipt.pdf" in names(drive.tags / "home")


def test_a_trashed_folder_comes_back(bus: Session, drive: HomeDrive, gio: Gio) -> None:
    folder = drive.files / "Paper"
    folder.mkdir()
    (folder / "kept.txt").write_text("kept")
    gio("move", folder / "kept.txt", "tags/to do/")
    gio("trash", folder)
    assert "kept.txt" not in names(drive.tags / "to do")
    gio("trash", "--restore", in_trash(bus, folder))
    assert (folder / "kept.txt").read_text() == "kept"
    assert drive.tags_of("Paper/kept.txt") == {"to do"}


def test_emptying_the_trash_keeps_untagged_files(bus: Session, drive: HomeDrive, gio: Gio) -> None:
    gio("trash", "tags/home/Kitchen.png")
    in_trash(bus, drive.tags / "home/Kitchen.png")
    gio("trash", "--empty")
    until(lambda: trashed(bus) == {} and names(drive.drive / ".Trash-0/files") == set(), "the trash is empty")
    assert (drive.files / "Home/Kitchen.png").read_bytes().startswith(b"\x89PNG")
    assert drive.tags_of("Home/Kitchen.png") == set()


@pytest.mark.parametrize("backup", ["backup", "none"])
@pytest.mark.parametrize("place", ["files", "tags/to do"])
def test_saving_a_tagged_file_keeps_it_and_its_tags(bus: Session, drive: HomeDrive, place: str, backup: str) -> None:
    """It counts two links, so GIO writes it in place."""
    name = f"tagged {place.rpartition('/')[2]} {backup}.txt"
    file, opened = drive.files / name, drive.drive / place / name
    file.write_text("old")
    file.rename(drive.tags / "to do" / name)
    assert file.stat().st_nlink == 2
    saved(bus, drive, opened, file, backup)
    assert drive.tags_of(name) == {"to do"}


@pytest.mark.parametrize("place", ["files", "tags/+untagged", "tags/+recent"])
def test_saving_a_file_of_one_link_keeps_it(bus: Session, drive: HomeDrive, place: str) -> None:
    """GIO writes beside it and renames over it."""
    name = f"untagged {place.rpartition('/')[2]}.txt"
    file, opened = drive.files / name, drive.drive / place / name
    file.write_text("old")
    assert file.stat().st_nlink == 1
    saved(bus, drive, opened, file, "none")


def test_where_nothing_can_be_put_no_backup_is_made_and_nothing_is_lost(bus: Session, drive: HomeDrive) -> None:
    """An editor that insists on its `name~` beside the file is refused before it has touched it."""
    file, opened = drive.files / "kept.txt", drive.tags / "+recent" / "kept.txt"
    file.write_text("old")
    assert "Backup file creation failed" in bus.run(PYTHON, "-c", SAVE, str(opened), "backup", text="new", status=1)
    assert file.read_text() == "old"


def test_a_tag_over_a_question_is_refused(bus: Session, drive: HomeDrive, gio: Gio) -> None:
    """`tags/travel/home` is a question already (travel and home), so GIO will not move a tag there."""
    before = [drive.tags_of(path) for paths in TAGS.values() for path in paths]
    assert "over directory" in gio("move", "tags/home", "tags/travel/home", status=1)
    assert [drive.tags_of(path) for paths in TAGS.values() for path in paths] == before


def saved(bus: Session, drive: HomeDrive, opened: Path, file: Path, backup: str) -> None:
    """Saves as text editors of a desktop do: the same file has the new content, and no other file is left."""
    before = os.getxattr(file, "user.graphfs.id"), names(opened.parent)
    bus.run(PYTHON, "-c", SAVE, str(opened), backup, text="new content")
    assert file.read_text() == opened.read_text() == "new content"
    kept = {f"{opened.name}~"} if backup == "backup" else set()
    assert names(opened.parent) - kept == before[1]
    assert os.getxattr(file, "user.graphfs.id") == before[0]


def test_a_monitor_sees_what_happens_in_a_tag(bus: Session, drive: HomeDrive) -> None:
    """The kernel tells what is done through the mount: enough for an open window to follow."""
    monitor = bus.start("gio", "monitor", str(drive.tags / "to do"), stdout=subprocess.PIPE)
    assert monitor.stdout is not None
    probe = drive.tags / "to do" / "probe"
    file = drive.files / "Money/Tax return 2023.pdf"

    def heard(word: str, event: str) -> None:
        assert monitor.stdout is not None
        for line in monitor.stdout:
            if word in line and event in line:
                return
        raise AssertionError(f"{event} of {word} was not reported")

    def watching() -> bool:
        """A file that comes is reported as soon as the monitor has begun."""
        probe.write_text("x")
        probe.unlink()
        os.set_blocking(monitor.stdout.fileno(), False)  # type: ignore[union-attr]  # asserted above
        return bool(os.read(monitor.stdout.fileno(), 1)) if _readable(monitor) else False

    until(watching, "the monitor reports")
    os.set_blocking(monitor.stdout.fileno(), True)
    file.rename(drive.tags / "to do" / file.name)
    heard(file.name, "")
    (drive.tags / "to do" / file.name).unlink()
    heard(file.name, "deleted")
    monitor.terminate()


def _readable(process: "subprocess.Popen[str]") -> bool:
    return bool(select.select([process.stdout], [], [], 0.2)[0])


def test_names_of_any_kind_go_through_addresses(bus: Session, drive: HomeDrive, gio: Gio) -> None:
    name = '50% "off" #1 – Grüße 猫\'s.txt'
    (drive.files / name).write_text("odd")
    address = "file://" + quote(str(drive.files / name))
    gio("move", address, "file://" + quote(str(drive.tags / "to do")))
    assert name in gio("list", "file://" + quote(str(drive.tags / "to do"))).splitlines()
    gio("trash", drive.tags / "to do" / name)
    gio("trash", "--restore", in_trash(bus, drive.tags / "to do" / name))
    assert drive.tags_of(name) == {"to do"}
    assert name in names(drive.tags / "to do")
