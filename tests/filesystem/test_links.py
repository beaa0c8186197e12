"""Hard links, symbolic links, unlink(2), rmdir(2), and what is open while its name goes."""

import errno
import os
import stat
from pathlib import Path

import pytest

from tests.filesystem.processes import run_apart
from tests.filesystem.syscalls import failure


def test_hard_links_are_one_file(drive: Path) -> None:
    (drive / "a").write_bytes(b"one")
    os.link(drive / "a", drive / "b")
    a, b = os.stat(drive / "a"), os.stat(drive / "b")
    assert (a.st_ino, a.st_nlink) == (b.st_ino, b.st_nlink)
    assert a.st_nlink == 2
    (drive / "b").write_bytes(b"changed")
    assert (drive / "a").read_bytes() == b"changed"
    os.chmod(drive / "a", 0o600)
    assert stat.S_IMODE(os.stat(drive / "b").st_mode) == 0o600
    os.unlink(drive / "a")
    assert os.stat(drive / "b").st_nlink == 1
    assert (drive / "b").read_bytes() == b"changed"


def test_an_appender_and_a_reader_through_two_names(drive: Path) -> None:
    (drive / "a").write_bytes(b"")
    os.link(drive / "a", drive / "b")
    for number in range(20):
        with open(drive / "a", "ab") as stream:
            stream.write(b"%d\n" % number)
        assert (drive / "b").read_bytes().endswith(b"%d\n" % number)
        assert os.stat(drive / "a").st_size == os.stat(drive / "b").st_size


def test_links_refuse_what_they_should(drive: Path) -> None:
    (drive / "f").touch()
    (drive / "g").touch()
    (drive / "folder").mkdir()
    assert failure(lambda: os.link(drive / "f", drive / "g")) == errno.EEXIST
    assert failure(lambda: os.link(drive / "absent", drive / "h")) == errno.ENOENT
    assert failure(lambda: os.link(drive / "folder", drive / "h")) == errno.EPERM
    assert failure(lambda: os.link(drive / "f", drive / "f" / "h")) == errno.ENOTDIR
    assert sorted(os.listdir(drive)) == ["f", "folder", "g"]


def test_a_file_with_many_names(drive: Path) -> None:
    (drive / "0").touch()
    for number in range(1, 300):
        os.link(drive / "0", drive / str(number))
    assert os.stat(drive / "0").st_nlink == 300
    for number in range(299):
        os.unlink(drive / str(number))
    assert os.stat(drive / "299").st_nlink == 1


@pytest.mark.parametrize("target", ["relative", "/absolute/path", "../up", "with space\nand newline", "x" * 4095, "."])
def test_a_symlink_keeps_its_text(drive: Path, target: str) -> None:
    os.symlink(target, drive / "link")
    assert os.readlink(drive / "link") == target
    attributes = os.lstat(drive / "link")
    assert stat.S_ISLNK(attributes.st_mode)
    assert attributes.st_size == len(os.fsencode(target))
    assert stat.S_IMODE(attributes.st_mode) == 0o777


def test_symlinks_are_followed_through_folders(drive: Path) -> None:
    (drive / "real" / "sub").mkdir(parents=True)
    (drive / "real" / "sub" / "f").write_bytes(b"x")
    (drive / "one").symlink_to("real")
    (drive / "two").symlink_to("one/sub")
    assert (drive / "two" / "f").read_bytes() == b"x"
    assert os.path.realpath(drive / "two" / "f") == str(drive.resolve() / "real" / "sub" / "f")
    (drive / "two" / "new").write_bytes(b"y")
    assert (drive / "real" / "sub" / "new").read_bytes() == b"y"
    assert failure(lambda: os.rmdir(drive / "one")) == errno.ENOTDIR
    os.unlink(drive / "one")
    assert (drive / "real" / "sub" / "f").exists()


def test_a_circle_of_symlinks_is_refused(drive: Path) -> None:
    (drive / "a").symlink_to("b")
    (drive / "b").symlink_to("a")
    (drive / "self").symlink_to("self")
    for name in ("a", "b", "self"):
        assert failure(lambda name=name: os.stat(drive / name)) == errno.ELOOP  # type: ignore[misc]  # bound at once
        assert failure(lambda name=name: os.open(drive / name, os.O_CREAT | os.O_RDWR)) == errno.ELOOP  # type: ignore[misc]  # bound at once
    assert os.readlink(drive / "a") == "b"


def test_a_chain_of_forty_symlinks_is_followed_and_no_longer_one(drive: Path) -> None:
    (drive / "0").write_bytes(b"end")
    for number in range(1, 42):
        (drive / str(number)).symlink_to(str(number - 1))
    assert (drive / "40").read_bytes() == b"end"
    assert failure((drive / "41").read_bytes) == errno.ELOOP


def test_symlink_refuses_a_taken_name_and_an_empty_target(drive: Path) -> None:
    (drive / "f").touch()
    assert failure(lambda: os.symlink("x", drive / "f")) == errno.EEXIST
    assert failure(lambda: os.symlink("", drive / "g")) == errno.ENOENT


def test_an_unlinked_open_file_stays_usable(drive: Path) -> None:
    with open(drive / "f", "w+b", 0) as stream:
        stream.write(b"before ")
        os.unlink(drive / "f")
        assert failure(lambda: os.stat(drive / "f")) == errno.ENOENT
        assert os.listdir(drive) == []
        stream.write(b"after")
        assert os.pread(stream.fileno(), 100, 0) == b"before after"
        os.ftruncate(stream.fileno(), 3)
        os.fchmod(stream.fileno(), 0o600)
        attributes = os.fstat(stream.fileno())
        assert (attributes.st_nlink, attributes.st_size, stat.S_IMODE(attributes.st_mode)) == (0, 3, 0o600)


def test_an_unlinked_open_file_can_be_read_and_written(drive: Path) -> None:
    """The part of it that holds whatever the file is called meanwhile."""
    with open(drive / "f", "w+b", 0) as stream:
        stream.write(b"before ")
        os.unlink(drive / "f")
        assert not (drive / "f").exists()
        stream.write(b"after")
        os.fsync(stream.fileno())
        assert os.pread(stream.fileno(), 100, 0) == b"before after"
    assert os.listdir(drive) == []


def test_a_new_file_under_the_name_of_an_unlinked_open_one(drive: Path) -> None:
    (drive / "f").write_bytes(b"old")
    with open(drive / "f", "rb", 0) as stream:
        os.unlink(drive / "f")
        (drive / "f").write_bytes(b"new file")
        assert stream.read() == b"old"
    assert (drive / "f").read_bytes() == b"new file"


def test_a_folder_can_go_while_an_unlinked_file_of_it_is_open(drive: Path) -> None:
    (drive / "folder").mkdir()
    with open(drive / "folder" / "f", "w+b", 0) as stream:
        os.unlink(drive / "folder" / "f")
        os.rmdir(drive / "folder")
        stream.write(b"still here")
        assert os.pread(stream.fileno(), 100, 0) == b"still here"


def test_a_removed_working_folder(drive: Path) -> None:
    (drive / "here").mkdir()

    def inside() -> tuple[list[str], int | None, int]:
        os.chdir(drive / "here")
        os.rmdir(drive / "here")
        return os.listdir("."), failure(lambda: os.open("f", os.O_CREAT | os.O_RDWR)), os.stat(".").st_nlink

    assert run_apart(inside) == ([], errno.ENOENT, 0)


def test_a_renamed_working_folder_is_still_the_same(drive: Path) -> None:
    (drive / "here").mkdir()

    def inside() -> str:
        os.chdir(drive / "here")
        os.rename(drive / "here", drive / "there")
        Path("f").write_bytes(b"x")
        return os.getcwd()

    assert run_apart(inside) == str(drive.resolve() / "there")
    assert (drive / "there" / "f").read_bytes() == b"x"


def test_folders_count_their_sub_folders(drive: Path) -> None:
    assert os.stat(drive).st_nlink == 2
    (drive / "a").mkdir()
    (drive / "b").mkdir()
    (drive / "f").touch()
    assert os.stat(drive).st_nlink == 4
    os.rmdir(drive / "a")
    assert os.stat(drive).st_nlink == 3


def test_removal_refuses_what_it_should(drive: Path) -> None:
    (drive / "full" / "sub").mkdir(parents=True)
    (drive / "f").touch()
    assert failure(lambda: os.rmdir(drive / "full")) == errno.ENOTEMPTY
    assert failure(lambda: os.rmdir(drive / "f")) == errno.ENOTDIR
    assert failure(lambda: os.unlink(drive / "full")) == errno.EISDIR
    assert failure(lambda: os.unlink(drive / "absent")) == errno.ENOENT
    assert failure(lambda: os.rmdir(drive / "absent")) == errno.ENOENT
    assert failure(lambda: os.rmdir(f"{drive}/full/.")) == errno.EINVAL
    assert failure(lambda: os.rmdir(f"{drive}/full/sub/..")) == errno.ENOTEMPTY
    assert failure(lambda: os.mkdir(drive / "f")) == errno.EEXIST
    assert failure(lambda: os.mkdir(drive / "absent" / "x")) == errno.ENOENT


def test_an_inode_number_is_not_taken_by_two_living_files(drive: Path) -> None:
    seen: dict[int, str] = {}
    for number in range(200):
        name = f"f{number}"
        (drive / name).touch()
        inode = os.stat(drive / name).st_ino
        assert inode not in seen, (name, seen[inode])
        seen[inode] = name
    listed = {entry.name: entry.inode() for entry in os.scandir(drive)}
    assert listed == {name: inode for inode, name in seen.items()}


def test_a_name_comes_back_as_something_else(drive: Path) -> None:
    """The kernel remembers names: what it remembers must be told what happened."""
    for _ in range(20):
        (drive / "x").write_bytes(b"file")
        assert (drive / "x").is_file()
        os.unlink(drive / "x")
        assert not (drive / "x").exists()
        (drive / "x").mkdir()
        assert (drive / "x").is_dir()
        os.rmdir(drive / "x")
        (drive / "x").symlink_to("nowhere")
        assert (drive / "x").is_symlink()
        os.unlink(drive / "x")


def test_a_name_is_used_again_while_the_old_file_goes(drive: Path) -> None:
    """The last descriptor of an unlinked file is closed, and at once the name is made anew: they must not meet."""
    for number in range(300):
        descriptor = os.open(drive / "f", os.O_CREAT | os.O_RDWR)
        assert os.fstat(descriptor).st_size == 0
        os.write(descriptor, b"old")
        os.unlink(drive / "f")
        os.close(descriptor)
        (drive / "f").write_bytes(b"%d" % number)
        assert (drive / "f").read_bytes() == b"%d" % number
        os.unlink(drive / "f")
    assert os.listdir(drive) == []
