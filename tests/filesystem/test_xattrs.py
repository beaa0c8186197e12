"""Extended attributes: values, flags, names, and on what they can be."""

import errno
import os
from pathlib import Path

import pytest

from tests.filesystem.syscalls import failure

LARGEST_EVERYWHERE = 3_000
"""ext4 keeps all attributes of a file in one 4 KiB block; the drive takes 64 KiB a value."""


@pytest.fixture
def file(drive: Path) -> Path:
    """A file without attributes."""
    (drive / "f").write_bytes(b"x")
    return drive / "f"


@pytest.mark.parametrize("value", [b"", b"v", b"\0\xff binary \n", "wörd".encode(), bytes(LARGEST_EVERYWHERE)])
def test_a_value_comes_back(file: Path, value: bytes) -> None:
    os.setxattr(file, "user.a", value)
    assert os.getxattr(file, "user.a") == value
    assert os.listxattr(file) == ["user.a"]


def test_attributes_are_listed_replaced_and_removed(file: Path) -> None:
    assert os.listxattr(file) == []
    for name in ("user.one", "user.two", "user.with space", "user.ünï"):
        os.setxattr(file, name, name.encode())
    assert sorted(os.listxattr(file)) == sorted(["user.one", "user.two", "user.with space", "user.ünï"])
    os.setxattr(file, "user.one", b"shorter")
    assert os.getxattr(file, "user.one") == b"shorter"
    os.removexattr(file, "user.two")
    assert failure(lambda: os.getxattr(file, "user.two")) == errno.ENODATA
    assert failure(lambda: os.removexattr(file, "user.two")) == errno.ENODATA
    assert len(os.listxattr(file)) == 3


def test_create_refuses_what_is_there(file: Path) -> None:
    os.setxattr(file, "user.a", b"1", os.XATTR_CREATE)
    assert failure(lambda: os.setxattr(file, "user.a", b"2", os.XATTR_CREATE)) == errno.EEXIST
    assert os.getxattr(file, "user.a") == b"1"


def test_replace_refuses_what_is_not_there(file: Path) -> None:
    assert failure(lambda: os.setxattr(file, "user.a", b"1", os.XATTR_REPLACE)) == errno.ENODATA
    assert os.listxattr(file) == []
    os.setxattr(file, "user.a", b"1")
    os.setxattr(file, "user.a", b"2", os.XATTR_REPLACE)
    assert os.getxattr(file, "user.a") == b"2"


def test_a_name_of_255_bytes_and_no_longer_one(file: Path) -> None:
    longest = "user." + "n" * 250
    os.setxattr(file, longest, b"v")
    assert os.listxattr(file) == [longest]
    assert failure(lambda: os.setxattr(file, longest + "n", b"v")) == errno.ERANGE


def test_folders_have_attributes_too(drive: Path) -> None:
    (drive / "folder").mkdir()
    os.setxattr(drive / "folder", "user.a", b"v")
    os.rename(drive / "folder", drive / "moved")
    assert os.getxattr(drive / "moved", "user.a") == b"v"


def test_attributes_by_descriptor_and_through_every_name(file: Path) -> None:
    os.link(file, file.parent / "other")
    with open(file, "r+b") as stream:
        os.setxattr(stream.fileno(), "user.a", b"v")
        assert os.getxattr(file.parent / "other", "user.a") == b"v"
        assert os.listxattr(stream.fileno()) == ["user.a"]


def test_symlinks_take_no_user_attributes(file: Path) -> None:
    (file.parent / "link").symlink_to("f")
    refused = failure(lambda: os.setxattr(file.parent / "link", "user.a", b"v", follow_symlinks=False))
    assert refused == errno.EPERM
    os.setxattr(file.parent / "link", "user.a", b"v")
    assert os.getxattr(file, "user.a") == b"v"


def test_attributes_survive_a_change_of_content_and_go_with_the_file(file: Path) -> None:
    os.setxattr(file, "user.a", b"v")
    file.write_bytes(b"new content")
    assert os.getxattr(file, "user.a") == b"v"
    os.unlink(file)
    file.write_bytes(b"another file")
    assert os.listxattr(file) == []


def test_an_unknown_namespace_is_not_supported(file: Path) -> None:
    assert failure(lambda: os.setxattr(file, "nonsense.a", b"v")) == errno.EOPNOTSUPP


def test_sixty_attributes(drive: Path) -> None:
    (drive / "f").touch()
    wanted = {f"user.a{number:03}": b"%d" % number for number in range(60)}
    for name, value in wanted.items():
        os.setxattr(drive / "f", name, value)
    assert {name: os.getxattr(drive / "f", name) for name in os.listxattr(drive / "f")} == wanted


def test_a_value_of_64_kibibytes(file: Path) -> None:
    value = os.urandom(65_536)
    os.setxattr(file, "user.large", value)
    assert os.getxattr(file, "user.large") == value
    os.setxattr(file, "user.small", b"beside it")
    assert sorted(os.listxattr(file)) == ["user.large", "user.small"]
    assert failure(lambda: os.setxattr(file, "user.larger", bytes(65_537))) == errno.E2BIG
