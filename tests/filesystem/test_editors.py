"""How editors save, each in its own manner. Names, modes, attributes and content come out as on a disk."""

import os
import stat
from pathlib import Path

import pytest

from tests.filesystem.programs import run

VIM = ("vim", "-N", "-u", "NONE", "-i", "NONE", "-Es", "-c", "set backupskip=")


@pytest.fixture
def document(drive: Path) -> Path:
    """A text that an editor opens."""
    path = drive / "document.txt"
    path.write_text("first line\nsecond line\n")
    path.chmod(0o640)
    os.setxattr(path, "user.note", b"a note")
    return path


@pytest.mark.parametrize("backup", ["yes", "no", "auto"])
@pytest.mark.parametrize("linked", [False, True])
def test_vim_saves(document: Path, backup: str, linked: bool) -> None:
    if linked:
        os.link(document, document.parent / "other name")
    (document.parent / "pointer").symlink_to(document.name)
    command = ["-c", f"set backupcopy={backup} writebackup swapfile fsync", "-c", "%s/first/changed/", "-c", "wq"]
    run(*VIM, *command, document, at=document.parent)
    assert document.read_text() == "changed line\nsecond line\n"
    assert stat.S_IMODE(document.stat().st_mode) == 0o640
    run(
        *VIM,
        "-c",
        "set backup",
        "-c",
        "%s/second/last/",
        "-c",
        "wq",
        "pointer",
        at=document.parent,
    )
    assert document.read_text() == "changed line\nlast line\n"
    left = {"document.txt", "pointer~", "pointer"} | ({"other name"} if linked else set())
    assert set(os.listdir(document.parent)) == left
    assert (document.parent / "pointer~").read_text() == "changed line\nsecond line\n"


def test_sed_in_place(document: Path) -> None:
    run("sed", "-i", "s/first/1st/", document.name, at=document.parent)
    assert document.read_text() == "1st line\nsecond line\n"
    assert stat.S_IMODE(document.stat().st_mode) == 0o640
    run("sed", "-i.bak", "$d", document.name, at=document.parent)
    assert document.read_text() == "1st line\n"
    assert (document.parent / "document.txt.bak").read_text() == "1st line\nsecond line\n"


def test_perl_in_place(document: Path) -> None:
    run("perl", "-pi", "-e", "s/line/row/", document.name, at=document.parent)
    assert document.read_text() == "first row\nsecond row\n"
    assert os.listdir(document.parent) == [document.name]


def test_a_save_as_gtk_does_it(document: Path) -> None:
    """GIO's replace: an exclusive temporary file, its attributes, fsync, a backup by link, rename over."""
    old = document.stat()
    temporary = document.parent / ".goutputstream-A1B2C3"
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
    os.write(descriptor, b"new text\n")
    os.fsync(descriptor)
    os.link(document, f"{document}~")
    os.rename(temporary, document)
    assert os.fstat(descriptor).st_size == 9
    os.close(descriptor)
    assert document.read_text() == "new text\n"
    assert Path(f"{document}~").read_text() == "first line\nsecond line\n"
    assert stat.S_IMODE(document.stat().st_mode) == 0o640


def test_a_save_as_libreoffice_does_it(document: Path) -> None:
    """A lock file, a temporary file written in pieces, the old one moved away, the new one in its place."""
    folder = document.parent
    lock = os.open(folder / ".~lock.document.txt#", os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)
    os.write(lock, b",person,machine,date;")
    temporary = os.open(folder / "lu1234.tmp", os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    content = os.urandom(300_000)
    for start in range(0, len(content), 32_768):
        os.write(temporary, content[start : start + 32_768])
    os.lseek(temporary, 10, os.SEEK_SET)
    os.write(temporary, b"header")
    os.fsync(temporary)
    os.close(temporary)
    os.rename(document, folder / "document.txt.bak")
    os.rename(folder / "lu1234.tmp", document)
    os.chmod(document, 0o640)
    os.unlink(folder / "document.txt.bak")
    os.close(lock)
    os.unlink(folder / ".~lock.document.txt#")
    assert document.read_bytes() == content[:10] + b"header" + content[16:]
    assert os.listdir(folder) == ["document.txt"]


def test_a_save_in_place(document: Path) -> None:
    """gedit with hard links, nano, and most small editors: open, truncate, write."""
    inode = document.stat().st_ino
    descriptor = os.open(document, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    os.write(descriptor, b"short")
    os.close(descriptor)
    assert document.read_text() == "short"
    assert document.stat().st_ino == inode
    assert os.getxattr(document, "user.note") == b"a note"


def test_many_saves_in_a_row(document: Path) -> None:
    for number in range(100):
        temporary = document.parent / f".{number}.tmp"
        temporary.write_text(f"save {number}\n" * 100)
        os.replace(temporary, document)
        assert document.read_text() == f"save {number}\n" * 100
    assert os.listdir(document.parent) == [document.name]
