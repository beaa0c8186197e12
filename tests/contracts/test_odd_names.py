"""Names that have broken programs, through the operations that take one: kept byte for byte, and without a meaning."""

import os

import pytest

from graphfs.errors import InvalidArgument, NameTooLong, NotFound
from graphfs.model import FILES_ROOT
from tests.contracts.ground import FILE, FOLDER, ODD_NAMES, OWNER, Ground

NAMES = (
    *ODD_NAMES,
    "`n` {id: 0}) SET n.x = 1 ; --",
    "$p.files",
    "\u202eexe.txt",
    "👩‍👩‍👧‍👦🏳️‍🌈",
    "\x01\x7f\u0085\u2028",
    "ÿ" * 127,
    os.fsdecode(b"\xed\xa0\x80 a surrogate in UTF-8"),
    "ff0000",
)
TAGS = (
    "O'Brien",
    '"; DROP',
    "`x`) DETACH DELETE (y",
    "{id: 0}",
    "$p.tags",
    "\u200b\u202e rtl",
    "👩‍👧",
    "100 %",
    "a\\b",
)
REFUSED = ("", ".", "..", "a/b", "nul\0", "\0ff", "x" * 256, "\ud800")


def test_files(ground: Ground) -> None:
    drive = ground.drive
    folder, other = ground.folder("d"), ground.folder("e")
    for name in NAMES:
        node = drive.create(OWNER, folder.id, name, FILE)
        assert drive.lookup(OWNER, folder.id, name).id == node.id
        drive.link(OWNER, node.id, other.id, name)
    assert ground.names(folder) == ground.names(other) == list(NAMES)
    for name in NAMES[::3]:
        node = drive.create(OWNER, other.id, f"to {name}"[:80], 0o120777, target=name)
        assert drive.readlink(OWNER, node.id) == name
        drive.set_xattr(OWNER, node.id, f"user.{name}"[:80], name.encode("utf-8", "surrogateescape"))
        assert drive.xattrs(OWNER, node.id) == [f"user.{name}"[:80]]
        drive.unlink(OWNER, other.id, name)
        drive.rename(OWNER, folder.id, name, other.id, name)
        assert drive.path(OWNER, drive.lookup(OWNER, other.id, name).id) == f"files/e/{name}"
    assert len(ground.names(folder)) == len(NAMES) - len(NAMES[::3])
    made = drive.create(OWNER, folder.id, "below", FOLDER)
    drive.rmdir(OWNER, folder.id, made and "below")


def test_tags(ground: Ground) -> None:
    drive = ground.drive
    for name in TAGS:
        node = ground.file("f", b"x", tags=(f"{name}/{name}",))
        assert ground.applied(node) == [f"{name}/{name}"]
        assert ground.found(name, name) == ["f"]
        drive.unlink(OWNER, FILES_ROOT, "f")
    assert {tag.path for tag in drive.tags(OWNER)} == {path for name in TAGS for path in (name, f"{name}/{name}")}
    drive.rename_tag(OWNER, TAGS[0], f"{TAGS[1]}/{TAGS[2]}")
    drive.set_alias(OWNER, TAGS[3], TAGS[0])
    assert drive.view(OWNER, [TAGS[0]]).tag.path == TAGS[3]  # type: ignore[union-attr]  # it is a tag's


def test_what_is_no_name(ground: Ground) -> None:
    for name in REFUSED:
        with pytest.raises((InvalidArgument, NameTooLong)):
            ground.drive.create(OWNER, FILES_ROOT, name, FILE)
        with pytest.raises((InvalidArgument, NotFound)):
            ground.drive.lookup(OWNER, FILES_ROOT, name)
    assert ground.names(FILES_ROOT) == []
