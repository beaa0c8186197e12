"""Extended attributes that are kept as they are."""

import os

import pytest

from graphfs.errors import AlreadyExists, InvalidArgument, NameTooLong, NoAttribute, NotFound, TooLarge
from graphfs.model import XattrMode
from tests.contracts.ground import OWNER, Ground

VALUES = (b"", b"text", bytes(range(256)), b"\0" * 70, b"x" * 65536)
NAMES = ("user.plain", "user.with/slash", "user.%2F?#&", os.fsdecode(b"user.\xff"), "user." + "n" * 250)


def test_values_come_back_as_they_were(ground: Ground) -> None:
    node = ground.file("a").id
    for name in NAMES:
        for value in VALUES:
            ground.drive.set_xattr(OWNER, node, name, value)
            assert ground.drive.xattr(OWNER, node, name) == value
    assert sorted(ground.drive.xattrs(OWNER, node)) == sorted(NAMES)


def test_modes(ground: Ground) -> None:
    node = ground.file("a").id
    with pytest.raises(NoAttribute):
        ground.drive.set_xattr(OWNER, node, "user.a", b"1", XattrMode.REPLACE)
    ground.drive.set_xattr(OWNER, node, "user.a", b"2", XattrMode.CREATE)
    with pytest.raises(AlreadyExists):
        ground.drive.set_xattr(OWNER, node, "user.a", b"3", XattrMode.CREATE)
    assert ground.drive.xattr(OWNER, node, "user.a") == b"2"
    ground.drive.set_xattr(OWNER, node, "user.a", b"4", XattrMode.REPLACE)
    assert ground.drive.xattr(OWNER, node, "user.a") == b"4"


def test_removing(ground: Ground) -> None:
    node = ground.file("a").id
    ground.drive.set_xattr(OWNER, node, "user.a", b"1")
    ground.drive.remove_xattr(OWNER, node, "user.a")
    assert ground.drive.xattrs(OWNER, node) == []
    with pytest.raises(NoAttribute):
        ground.drive.xattr(OWNER, node, "user.a")
    with pytest.raises(NoAttribute):
        ground.drive.remove_xattr(OWNER, node, "user.a")


def test_too_large(ground: Ground) -> None:
    node = ground.file("a").id
    with pytest.raises(TooLarge):
        ground.drive.set_xattr(OWNER, node, "user.a", b"x" * 65537)
    assert ground.drive.xattrs(OWNER, node) == []


def test_they_are_the_nodes_and_change_its_ctime(ground: Ground) -> None:
    file = ground.file("a")
    ground.drive.link(OWNER, file.id, ground.folder("d").id, "b")
    before = ground.at("a")
    ground.drive.set_xattr(OWNER, file.id, "user.a", b"1")
    assert ground.drive.xattr(OWNER, ground.at("d/b").id, "user.a") == b"1"
    assert ground.at("a").ctime > before.ctime
    assert ground.at("a").mtime == before.mtime


def test_of_nothing(ground: Ground) -> None:
    with pytest.raises(NotFound):
        ground.drive.set_xattr(OWNER, 999_999, "user.a", b"1")
    with pytest.raises((NotFound, NoAttribute)):
        ground.drive.remove_xattr(OWNER, 999_999, "user.a")


@pytest.mark.parametrize("name", ["user.\0", "x" * 256, "user." + "é" * 126])
def test_names_that_no_attribute_has(ground: Ground, name: str) -> None:
    file = ground.file("a")
    with pytest.raises((InvalidArgument, NameTooLong)):
        ground.drive.set_xattr(OWNER, file.id, name, b"x")
    assert ground.drive.xattrs(OWNER, file.id) == []
