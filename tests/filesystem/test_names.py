"""Names: any bytes but `/` and NUL, 255 bytes long, paths of 4,095 bytes, and trees deeper than that."""

import errno
import os
from pathlib import Path

import pytest

from tests.filesystem.syscalls import failure

LONGEST_NAME = 255
LONGEST_PATH = 4095

STRANGE = [
    b"plain",
    b" leading and trailing space ",
    b"new\nline",
    b"tab\tand\x01control\x7f",
    b"quotes ' \" ` and $(dollar) ; | & > <",
    b"back\\slash",
    b"*?[glob]{a,b}",
    b"-rf",
    b"--help",
    b"%s%n",
    b"...",
    b".hidden",
    b"~tilde",
    b"CON",
    b"a:b",
    b"'; DROP TABLE nodes; --",
    b"MATCH (n) DETACH DELETE n",
    "ünïcödé".encode(),
    "e\u0301 decomposed".encode(),
    "\u00e9 composed".encode(),
    "漢字かな交じり文".encode(),
    "👩‍👩‍👧‍👦 🎉".encode(),
    "right\u202eto left".encode(),
    b"not utf-8 \xff\xfe",
    b"\x80",
    b"half of one \xc3",
    b"surrogate \xed\xa0\x80",
    b"n" * LONGEST_NAME,
    b"\xff" * LONGEST_NAME,
]


@pytest.mark.parametrize("name", STRANGE, ids=lambda name: repr(name)[:30])
def test_any_name_works(drive: Path, name: bytes) -> None:
    folder = os.fsencode(drive)
    path = folder + b"/" + name
    with open(path, "wb") as stream:
        stream.write(name)
    assert os.listdir(folder) == [name]
    assert os.stat(path).st_size == len(name)
    other = folder + b"/other"
    os.rename(path, other)
    os.rename(other, path)
    os.link(path, other)
    os.unlink(path)
    os.mkdir(path)
    os.rename(other, path + b"/" + name)
    with open(path + b"/" + name, "rb") as stream:
        assert stream.read() == name
    os.symlink(name, other)
    assert os.readlink(other) == name
    assert os.listdir(other) == [name]
    os.unlink(path + b"/" + name)
    os.rmdir(path)


def test_all_strange_names_in_one_folder(drive: Path) -> None:
    folder = os.fsencode(drive)
    for name in STRANGE:
        with open(folder + b"/" + name, "wb") as stream:
            stream.write(name)
    assert sorted(os.listdir(folder)) == sorted(STRANGE)
    for name in STRANGE:
        with open(folder + b"/" + name, "rb") as stream:
            assert stream.read() == name


def test_names_differ_by_case_and_by_normal_form(drive: Path) -> None:
    names = ["readme", "README", "Readme", "\u00e9", "e\u0301", "\u212b", "\u00c5"]
    for name in names:
        (drive / name).write_text(name)
    assert sorted(os.listdir(drive)) == sorted(names)
    assert [(drive / name).read_text() for name in names] == names


@pytest.mark.parametrize("letter", ["n", "é", "漢"])
def test_a_name_over_255_bytes_is_refused_everywhere(drive: Path, letter: str) -> None:
    longest = letter * (LONGEST_NAME // len(letter.encode()))
    too_long = longest + letter
    (drive / longest).write_bytes(b"x")
    assert os.listdir(drive) == [longest]
    (drive / "f").touch()
    refused = errno.ENAMETOOLONG
    assert failure(lambda: os.open(drive / too_long, os.O_CREAT | os.O_WRONLY)) == refused
    assert failure(lambda: os.stat(drive / too_long)) == refused
    assert failure(lambda: os.mkdir(drive / too_long)) == refused
    assert failure(lambda: os.rename(drive / "f", drive / too_long)) == refused
    assert failure(lambda: os.link(drive / "f", drive / too_long)) == refused
    assert failure(lambda: os.symlink("f", drive / too_long)) == refused
    assert failure(lambda: os.unlink(drive / too_long)) == refused


def test_a_path_of_4095_bytes_and_no_longer_one(drive: Path) -> None:
    start = os.fsencode(drive.resolve())
    path = start
    while len(path) + 1 + 100 < LONGEST_PATH - 2:
        path += b"/" + b"d" * 100
        os.mkdir(path)
    last = path + b"/" + b"f" * (LONGEST_PATH - len(path) - 1)
    assert len(last) == LONGEST_PATH
    with open(last, "wb") as stream:
        stream.write(b"deep")
    with open(last, "rb") as stream:
        assert stream.read() == b"deep"
    os.rename(last, path + b"/g")
    os.rename(path + b"/g", last)
    assert os.stat(last).st_size == 4
    assert failure(lambda: os.stat(last + b"f")) == errno.ENAMETOOLONG


def test_a_tree_deeper_than_a_path_can_say(drive: Path) -> None:
    depth, name = 60, "d" * 100
    folder = os.open(drive, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=folder)
        below = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=folder)
        os.close(folder)
        folder = below
    descriptor = os.open("bottom", os.O_CREAT | os.O_RDWR, dir_fd=folder)
    os.write(descriptor, b"very deep")
    assert os.pread(descriptor, 20, 0) == b"very deep"
    os.close(descriptor)
    assert os.listdir(folder) == ["bottom"]
    os.unlink("bottom", dir_fd=folder)
    for _ in range(depth):
        above = os.open("..", os.O_RDONLY | os.O_DIRECTORY, dir_fd=folder)
        os.rmdir(name, dir_fd=above)
        os.close(folder)
        folder = above
    assert os.fstat(folder).st_ino == os.stat(drive).st_ino
    os.close(folder)


def test_dot_and_dot_dot(drive: Path) -> None:
    (drive / "a" / "b").mkdir(parents=True)
    assert os.stat(f"{drive}/a/.").st_ino == os.stat(drive / "a").st_ino
    assert os.stat(f"{drive}/a/b/..").st_ino == os.stat(drive / "a").st_ino
    assert failure(lambda: os.mkdir(f"{drive}/a/.")) == errno.EEXIST
    assert failure(lambda: os.rename(f"{drive}/a/b/..", drive / "c")) == errno.EBUSY
    assert sorted(os.listdir(drive / "a")) == ["b"]
