"""rename(2) and renameat2(2): what replaces what, and what stays."""

import errno
import os
from pathlib import Path

from tests.filesystem.syscalls import RenameFlag, failure, rename


def test_a_file_moves_with_its_inode_content_and_attributes(drive: Path) -> None:
    (drive / "a").write_bytes(b"content")
    os.setxattr(drive / "a", "user.note", b"kept")
    os.chmod(drive / "a", 0o640)
    (drive / "folder").mkdir()
    before = os.stat(drive / "a")
    os.rename(drive / "a", drive / "folder" / "b")
    after = os.stat(drive / "folder" / "b")
    assert (after.st_ino, after.st_mode, after.st_mtime_ns) == (before.st_ino, before.st_mode, before.st_mtime_ns)
    assert os.getxattr(drive / "folder" / "b", "user.note") == b"kept"
    assert (drive / "folder" / "b").read_bytes() == b"content"
    assert os.listdir(drive) == ["folder"]


def test_a_file_replaces_a_file(drive: Path) -> None:
    (drive / "old").write_bytes(b"old")
    (drive / "new").write_bytes(b"new")
    inode = os.stat(drive / "new").st_ino
    os.rename(drive / "new", drive / "old")
    assert (drive / "old").read_bytes() == b"new"
    assert os.stat(drive / "old").st_ino == inode
    assert os.listdir(drive) == ["old"]


def test_the_replaced_file_lives_on_in_its_descriptor(drive: Path) -> None:
    (drive / "old").write_bytes(b"old")
    (drive / "new").write_bytes(b"new")
    with open(drive / "old", "r+b", 0) as stream:
        os.rename(drive / "new", drive / "old")
        assert stream.read() == b"old"
        stream.write(b" and more")
        assert os.pread(stream.fileno(), 100, 0) == b"old and more"
        assert os.fstat(stream.fileno()).st_nlink == 0
        assert os.listdir(drive) == ["old"]
    assert (drive / "old").read_bytes() == b"new"


def test_a_renamed_open_file_stays_writable(drive: Path) -> None:
    with open(drive / "a", "wb", 0) as stream:
        stream.write(b"one ")
        os.rename(drive / "a", drive / "b")
        stream.write(b"two")
        assert os.stat(drive / "b").st_size == 7
    assert (drive / "b").read_bytes() == b"one two"
    assert not (drive / "a").exists()


def test_a_folder_replaces_an_empty_folder_only(drive: Path) -> None:
    for name in ("source", "empty", "full"):
        (drive / name).mkdir()
    (drive / "source" / "f").write_bytes(b"x")
    (drive / "full" / "g").touch()
    assert failure(lambda: os.rename(drive / "source", drive / "full")) == errno.ENOTEMPTY
    os.rename(drive / "source", drive / "empty")
    assert (drive / "empty" / "f").read_bytes() == b"x"
    assert sorted(os.listdir(drive)) == ["empty", "full"]


def test_files_and_folders_do_not_replace_each_other(drive: Path) -> None:
    (drive / "file").touch()
    (drive / "folder").mkdir()
    assert failure(lambda: os.rename(drive / "file", drive / "folder")) == errno.EISDIR
    assert failure(lambda: os.rename(drive / "folder", drive / "file")) == errno.ENOTDIR


def test_a_folder_cannot_move_into_itself(drive: Path) -> None:
    (drive / "a" / "b").mkdir(parents=True)
    assert failure(lambda: os.rename(drive / "a", drive / "a" / "b" / "c")) == errno.EINVAL
    assert failure(lambda: os.rename(drive / "a" / "b", drive / "a")) == errno.ENOTEMPTY


def test_what_is_not_there_cannot_be_renamed(drive: Path) -> None:
    (drive / "f").touch()
    assert failure(lambda: os.rename(drive / "absent", drive / "x")) == errno.ENOENT
    assert failure(lambda: os.rename(drive / "f", drive / "absent" / "x")) == errno.ENOENT
    assert failure(lambda: os.rename(drive / "f", drive / "f" / "x")) == errno.ENOTDIR


def test_renaming_one_name_onto_the_other_of_one_file_does_nothing(drive: Path) -> None:
    (drive / "a").write_bytes(b"x")
    os.link(drive / "a", drive / "b")
    os.rename(drive / "a", drive / "b")
    assert sorted(os.listdir(drive)) == ["a", "b"]
    os.rename(drive / "a", drive / "a")
    assert os.stat(drive / "a").st_nlink == 2


def test_a_tree_moves_in_one_step(drive: Path) -> None:
    (drive / "a" / "b" / "c").mkdir(parents=True)
    for folder in ("a", "a/b", "a/b/c"):
        (drive / folder / "f").write_bytes(folder.encode())
    (drive / "elsewhere").mkdir()
    with open(drive / "a" / "b" / "c" / "f", "rb") as stream:
        os.rename(drive / "a", drive / "elsewhere" / "z")
        assert stream.read() == b"a/b/c"
    assert (drive / "elsewhere" / "z" / "b" / "c" / "f").read_bytes() == b"a/b/c"
    assert not (drive / "a").exists()


def test_symlinks_are_renamed_not_followed(drive: Path) -> None:
    (drive / "target").write_bytes(b"t")
    (drive / "link").symlink_to("target")
    os.rename(drive / "link", drive / "moved")
    assert os.readlink(drive / "moved") == "target"
    (drive / "other").write_bytes(b"o")
    os.rename(drive / "other", drive / "moved")
    assert not (drive / "moved").is_symlink()
    assert (drive / "target").read_bytes() == b"t"


def test_noreplace_refuses_a_taken_name(drive: Path) -> None:
    (drive / "a").write_bytes(b"a")
    (drive / "b").write_bytes(b"b")
    assert failure(lambda: rename(drive / "a", drive / "b", RenameFlag.NOREPLACE)) == errno.EEXIST
    assert ((drive / "a").read_bytes(), (drive / "b").read_bytes()) == (b"a", b"b")


def test_noreplace_takes_a_free_name(drive: Path) -> None:
    (drive / "a").write_bytes(b"a")
    rename(drive / "a", drive / "c", RenameFlag.NOREPLACE)
    assert (drive / "c").read_bytes() == b"a"


def test_exchange_swaps_files(drive: Path) -> None:
    (drive / "a").write_bytes(b"a")
    (drive / "b").write_bytes(b"b")
    inodes = os.stat(drive / "a").st_ino, os.stat(drive / "b").st_ino
    rename(drive / "a", drive / "b", RenameFlag.EXCHANGE)
    assert ((drive / "a").read_bytes(), (drive / "b").read_bytes()) == (b"b", b"a")
    assert (os.stat(drive / "b").st_ino, os.stat(drive / "a").st_ino) == inodes


def test_exchange_swaps_a_file_and_a_full_folder(drive: Path) -> None:
    (drive / "folder" / "sub").mkdir(parents=True)
    (drive / "file").write_bytes(b"f")
    rename(drive / "file", drive / "folder", RenameFlag.EXCHANGE)
    assert (drive / "folder").read_bytes() == b"f"
    assert (drive / "file" / "sub").is_dir()


def test_exchange_needs_both(drive: Path) -> None:
    (drive / "a").write_bytes(b"a")
    assert failure(lambda: rename(drive / "a", drive / "absent", RenameFlag.EXCHANGE)) == errno.ENOENT
    assert (drive / "a").read_bytes() == b"a"


def test_links_of_folders_follow_a_move(drive: Path) -> None:
    (drive / "a" / "sub").mkdir(parents=True)
    (drive / "b").mkdir()
    os.rename(drive / "a" / "sub", drive / "b" / "sub")
    assert os.stat(drive / "a").st_nlink == 2
    assert os.stat(drive / "b").st_nlink == 3
    assert os.stat(drive / "b" / "sub" / "..").st_ino == os.stat(drive / "b").st_ino
