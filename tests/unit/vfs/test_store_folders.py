"""`files/`, `.Trash-<uid>` and the root: names, listings and attributes of what the store holds."""

import os
import stat

import pytest

from gateway.service import Service
from graphfs.errors import (
    AlreadyExists,
    InvalidArgument,
    IsAFolder,
    NameTooLong,
    NoAttribute,
    NotAFolder,
    NotEmpty,
    NotFound,
    NotPermitted,
    NotSupported,
    TooLarge,
)
from graphfs.model import FARTHEST, FILES_ROOT, SUPER_ROOT, AttributeChange, Caller, Node, Replace, XattrMode
from graphfs.vfs.filesystem import FileSystem
from tests.unit.vfs.mounted import ME, close, names, write_file

BYTES_NAME = os.fsdecode(b"\xff\xfe name")


def test_the_root_shows_the_drives_own_folders_and_nothing_else_can_be_made_there(volume: FileSystem) -> None:
    assert names(volume, SUPER_ROOT) == ["files"]
    assert volume.lookup(ME, SUPER_ROOT, "files").id == FILES_ROOT
    for name in ("tags", "x", ".Trash-", ".Trash-x", ".Trash"):
        with pytest.raises(NotFound):
            volume.lookup(ME, SUPER_ROOT, name)
    with pytest.raises(NotPermitted):
        volume.mkdir(ME, SUPER_ROOT, "x", 0o755)
    with pytest.raises(NotPermitted):
        volume.create(ME, SUPER_ROOT, "x", 0o644, os.O_WRONLY)
    with pytest.raises(NotPermitted):
        volume.symlink(ME, SUPER_ROOT, "x", "files")
    with pytest.raises(NotPermitted):
        volume.rmdir(ME, SUPER_ROOT, "files")
    with pytest.raises(NotPermitted):
        volume.rename(ME, SUPER_ROOT, "files", SUPER_ROOT, "archive", Replace.ALLOW)
    with pytest.raises(NotFound):
        volume.rmdir(ME, SUPER_ROOT, "x")


def test_everybody_makes_their_own_trash_folder_and_no_other(volume: FileSystem) -> None:
    user = Caller(uid=1000, gid=1000, pid=1)
    volume.mkdir(user, SUPER_ROOT, ".Trash-1000", 0o700)
    assert volume.lookup(user, SUPER_ROOT, ".Trash-1000").uid == 1000
    assert ".Trash-1000" in names(volume, SUPER_ROOT)
    with pytest.raises(NotPermitted):
        volume.mkdir(user, SUPER_ROOT, ".Trash-1001", 0o700)
    with pytest.raises(AlreadyExists):
        volume.mkdir(user, SUPER_ROOT, ".Trash-1000", 0o700)
    volume.rmdir(user, SUPER_ROOT, ".Trash-1000")
    assert names(volume, SUPER_ROOT) == ["files"]


def test_a_listing_misses_nothing_and_repeats_nothing_while_entries_come_and_go(volume: FileSystem) -> None:
    for number in range(2500):
        volume.mknod(ME, FILES_ROOT, f"f{number}", stat.S_IFREG | 0o644, 0)
    handle = volume.opendir(ME, FILES_ROOT)
    seen: list[str] = []
    cookie = 0
    while True:
        page = []
        for entry in volume.readdir(handle, cookie):
            page.append(entry)
            if len(page) == 100:
                break
        if not page:
            break
        cookie = page[-1].cookie
        seen += [entry.name for entry in page]
        for entry in page[::2]:
            volume.unlink(ME, FILES_ROOT, entry.name)
    assert seen == [f"f{number}" for number in range(2500)]
    assert len(list(volume.readdir(handle, 0))) == 1250
    volume.releasedir(handle)
    with pytest.raises(InvalidArgument):
        volume.readdir(handle, 0)


def test_a_listing_shows_sizes_as_written_so_far(volume: FileSystem) -> None:
    opened, attributes = volume.create(ME, FILES_ROOT, "a", 0o644, os.O_WRONLY)
    volume.write(opened.handle, 0, b"12345")
    handle = volume.opendir(ME, FILES_ROOT)
    (entry,) = volume.readdir(handle, 0)
    assert (entry.name, entry.attributes.id, entry.attributes.size) == ("a", attributes.id, 5)
    close(volume, opened.handle)
    volume.releasedir(handle)


def test_names_of_any_bytes(volume: FileSystem) -> None:
    node = write_file(volume, BYTES_NAME, b"content")
    assert volume.lookup(ME, FILES_ROOT, BYTES_NAME).id == node
    assert names(volume) == [BYTES_NAME]
    target = volume.symlink(ME, FILES_ROOT, "link", BYTES_NAME)
    assert volume.readlink(ME, target.id) == BYTES_NAME
    with pytest.raises(NameTooLong):
        volume.mkdir(ME, FILES_ROOT, "x" * 256, 0o755)


def test_creating_a_name_that_is_taken(volume: FileSystem) -> None:
    node = write_file(volume, "a", b"content")
    folder = volume.mkdir(ME, FILES_ROOT, "d", 0o755)
    with pytest.raises(AlreadyExists):
        volume.create(ME, FILES_ROOT, "a", 0o644, os.O_WRONLY | os.O_EXCL)
    opened, attributes = volume.create(ME, FILES_ROOT, "a", 0o644, os.O_RDWR | os.O_CREAT)
    assert (attributes.id, attributes.size) == (node, 7)
    close(volume, opened.handle)
    opened, attributes = volume.create(ME, FILES_ROOT, "a", 0o644, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    assert attributes.size == 0
    close(volume, opened.handle)
    with pytest.raises(IsAFolder):
        volume.create(ME, FILES_ROOT, "d", 0o644, os.O_WRONLY | os.O_CREAT)
    with pytest.raises(IsAFolder):
        volume.open(ME, folder.id, os.O_RDONLY)
    with pytest.raises(NotAFolder):
        volume.opendir(ME, node)
    with pytest.raises(IsAFolder):
        volume.setattr(ME, folder.id, AttributeChange(), 0)
    volume.mkdir(ME, folder.id, "e", 0o755)
    with pytest.raises(NotEmpty):
        volume.rmdir(ME, FILES_ROOT, "d")


def test_a_removed_folder_is_there_for_those_who_are_in_it(volume: FileSystem) -> None:
    folder = volume.mkdir(ME, FILES_ROOT, "d", 0o755).id
    volume.rmdir(ME, FILES_ROOT, "d")
    assert volume.getattr(ME, folder).links == 0
    assert names(volume, folder) == []
    with pytest.raises(NotFound):
        volume.create(ME, folder, "f", 0o644, os.O_WRONLY)
    volume.forget(folder)
    with pytest.raises(NotFound):
        volume.getattr(ME, folder)


def test_looking_up_a_name_that_is_too_long(volume: FileSystem) -> None:
    for name in ("x" * 256, "\u6f22" * 86, "\xe9" * 128):
        with pytest.raises(NameTooLong):
            volume.lookup(ME, FILES_ROOT, name)
    with pytest.raises(NotFound):
        volume.lookup(ME, FILES_ROOT, "x" * 255)


def test_extended_attributes_by_their_kind(volume: FileSystem, drive: Service) -> None:
    node = write_file(volume, "a", b"content")
    volume.setxattr(ME, node, "user.mine", b"\0value", XattrMode.CREATE)
    volume.setxattr(ME, node, "trusted.overlay", b"x", XattrMode.ANY)
    assert volume.getxattr(ME, node, "user.mine") == b"\0value"
    assert sorted(volume.listxattr(ME, node)) == ["trusted.overlay", "user.mine"]
    with pytest.raises(AlreadyExists):
        volume.setxattr(ME, node, "user.mine", b"", XattrMode.CREATE)
    with pytest.raises(NoAttribute):
        volume.setxattr(ME, node, "user.new", b"", XattrMode.REPLACE)
    with pytest.raises(NoAttribute):
        volume.getxattr(ME, node, "security.capability")
    for name in ("system.posix_acl_access", "system.posix_acl_default", "com.apple.x"):
        with pytest.raises(NotSupported):
            volume.getxattr(ME, node, name)
        with pytest.raises(NotSupported):
            volume.setxattr(ME, node, name, b"", XattrMode.ANY)
    with pytest.raises(TooLarge):
        volume.setxattr(ME, node, "user.big", bytes(65537), XattrMode.ANY)
    with pytest.raises(NameTooLong):
        volume.setxattr(ME, node, "user." + "x" * 251, b"", XattrMode.ANY)
    volume.removexattr(ME, node, "user.mine")
    with pytest.raises(NoAttribute):
        volume.removexattr(ME, node, "user.mine")


def test_a_time_beyond_all_numbers_of_the_api_is_the_farthest_there_is(
    volume: FileSystem, drive: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A main server elsewhere is told of times in numbers of 64 bits."""
    node = write_file(volume, "f", b"")
    asked: list[AttributeChange] = []
    truth = drive.set_attributes

    def heard(caller: Caller, node: int, change: AttributeChange) -> Node:
        asked.append(change)
        return truth(caller, node, change)

    monkeypatch.setattr(drive, "set_attributes", heard)
    shown = volume.setattr(ME, node, AttributeChange(atime=-(2**70), mtime=2**70))
    assert (asked[0].atime, asked[0].mtime) == (-FARTHEST, FARTHEST)
    assert shown.mtime == FARTHEST
