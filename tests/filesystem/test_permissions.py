"""Owners, modes, sticky and setgid folders, checked with processes of other users."""

import errno
import os
import stat
from pathlib import Path

import pytest

from tests.filesystem.processes import ALICE, BOB, CREW, Person, run_as
from tests.filesystem.syscalls import failure

ROOT_ONLY = pytest.mark.superuser
alice, bob = Person(ALICE, ALICE), Person(BOB, BOB)
alice_of_crew, bob_of_crew = Person(ALICE, ALICE, (CREW,)), Person(BOB, BOB, (CREW,))


def _mode(path: Path) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


@pytest.mark.parametrize("mode", [0o000, 0o400, 0o644, 0o755, 0o777, 0o1777, 0o2750, 0o4711, 0o7777])
def test_chmod_sets_every_bit(drive: Path, mode: int) -> None:
    (drive / "f").touch()
    (drive / "folder").mkdir()
    for name in ("f", "folder"):
        os.chmod(drive / name, mode)
        assert _mode(drive / name) == mode
    descriptor = os.open(drive, os.O_RDONLY)
    os.fchmod(descriptor, 0o711)
    os.close(descriptor)
    assert _mode(drive) == 0o711


def test_chmod_changes_ctime_and_not_mtime(drive: Path) -> None:
    (drive / "f").touch()
    os.utime(drive / "f", ns=(10**18, 10**18))
    before = os.stat(drive / "f")
    os.chmod(drive / "f", 0o600)
    after = os.stat(drive / "f")
    assert after.st_mtime_ns == before.st_mtime_ns == 10**18
    assert after.st_ctime_ns >= before.st_ctime_ns


@ROOT_ONLY
def test_a_new_file_belongs_to_who_made_it(drive: Path) -> None:
    os.chmod(drive, 0o777)

    def make() -> None:
        (drive / "f").touch()
        (drive / "folder").mkdir()
        (drive / "link").symlink_to("f")
        os.mkfifo(drive / "pipe")

    run_as(alice, make)
    for name in ("f", "folder", "link", "pipe"):
        attributes = os.lstat(drive / name)
        assert (attributes.st_uid, attributes.st_gid) == (ALICE, ALICE), name


@ROOT_ONLY
def test_chown_by_root(drive: Path) -> None:
    (drive / "f").touch()
    (drive / "link").symlink_to("f")
    os.chown(drive / "f", ALICE, BOB)
    os.chown(drive / "f", -1, CREW)
    os.lchown(drive / "link", BOB, BOB)
    assert (os.stat(drive / "f").st_uid, os.stat(drive / "f").st_gid) == (ALICE, CREW)
    assert (os.lstat(drive / "link").st_uid, os.lstat(drive / "link").st_gid) == (BOB, BOB)


@ROOT_ONLY
def test_chown_by_others_is_limited(drive: Path) -> None:
    (drive / "f").touch()
    os.chown(drive / "f", ALICE, ALICE)
    assert run_as(alice, lambda: failure(lambda: os.chown(drive / "f", BOB, -1))) == errno.EPERM
    assert run_as(alice, lambda: failure(lambda: os.chown(drive / "f", -1, CREW))) == errno.EPERM
    assert run_as(alice_of_crew, lambda: failure(lambda: os.chown(drive / "f", -1, CREW))) is None
    assert run_as(bob_of_crew, lambda: failure(lambda: os.chown(drive / "f", -1, CREW))) == errno.EPERM
    assert run_as(bob, lambda: failure(lambda: os.chmod(drive / "f", 0o777))) == errno.EPERM
    assert run_as(alice, lambda: failure(lambda: os.chmod(drive / "f", 0o600))) is None
    assert os.stat(drive / "f").st_gid == CREW


@ROOT_ONLY
@pytest.mark.parametrize(
    ("person", "mode", "readable", "writable"),
    [
        (alice, 0o400, True, False),
        (alice, 0o200, False, True),
        (alice, 0o077, False, False),
        (bob, 0o700, False, False),
        (bob, 0o704, True, False),
        (bob, 0o702, False, True),
        (bob_of_crew, 0o740, True, False),
        (bob_of_crew, 0o720, False, True),
        (bob_of_crew, 0o707, False, False),
    ],
)
def test_the_mode_decides_who_reads_and_writes(
    drive: Path, person: Person, mode: int, readable: bool, writable: bool
) -> None:
    (drive / "f").write_bytes(b"x")
    os.chown(drive / "f", ALICE, CREW)
    os.chmod(drive / "f", mode)

    def attempts() -> tuple[int | None, int | None, bool, bool]:
        return (
            failure((drive / "f").read_bytes),
            failure(lambda: os.close(os.open(drive / "f", os.O_WRONLY))),
            os.access(drive / "f", os.R_OK),
            os.access(drive / "f", os.W_OK),
        )

    refused = errno.EACCES
    expected = (None if readable else refused, None if writable else refused, readable, writable)
    assert run_as(person, attempts) == expected


@ROOT_ONLY
def test_folders_need_search_and_write_permission(drive: Path) -> None:
    (drive / "folder").mkdir()
    (drive / "folder" / "f").write_bytes(b"x")
    os.chmod(drive / "folder" / "f", 0o666)

    def attempts() -> tuple[int | None, ...]:
        return (
            failure(lambda: os.listdir(drive / "folder")),
            failure((drive / "folder" / "f").read_bytes),
            failure((drive / "folder" / "new").touch),
            failure(lambda: os.unlink(drive / "folder" / "new")),
            failure(lambda: os.rename(drive / "folder" / "f", drive / "folder" / "g")),
        )

    refused, allowed = errno.EACCES, None
    for mode, expected in (
        (0o700, (refused,) * 5),
        (0o704, (allowed, refused, refused, refused, refused)),
        (0o701, (refused, allowed, refused, refused, refused)),
        (0o705, (allowed, allowed, refused, refused, refused)),
        (0o707, (allowed, allowed, allowed, allowed, allowed)),
    ):
        os.chmod(drive / "folder", mode)
        outcome = run_as(bob, attempts)
        if mode & 1 and not mode & 2:  # without write permission even what is absent is refused or absent
            outcome = (*outcome[:3], refused if outcome[3] == errno.ENOENT else outcome[3], outcome[4])
        assert outcome == expected, oct(mode)


@ROOT_ONLY
def test_a_sticky_folder_protects_each_owners_names(drive: Path) -> None:
    os.chmod(drive, 0o1777)
    run_as(alice, lambda: (drive / "hers").write_bytes(b"x"))
    run_as(bob, lambda: (drive / "his").write_bytes(b"y"))
    assert run_as(bob, lambda: failure(lambda: os.unlink(drive / "hers"))) == errno.EPERM
    assert run_as(bob, lambda: failure(lambda: os.rename(drive / "hers", drive / "x"))) == errno.EPERM
    assert run_as(bob, lambda: failure(lambda: os.rename(drive / "his", drive / "hers"))) == errno.EPERM
    assert run_as(alice, lambda: failure(lambda: os.rename(drive / "hers", drive / "z"))) is None
    assert run_as(alice, lambda: failure(lambda: os.unlink(drive / "z"))) is None


@ROOT_ONLY
def test_a_setgid_folder_gives_its_group(drive: Path) -> None:
    (drive / "shared").mkdir()
    os.chown(drive / "shared", ALICE, CREW)
    os.chmod(drive / "shared", 0o2777)

    def make() -> None:
        (drive / "shared" / "f").touch()
        (drive / "shared" / "sub").mkdir(mode=0o755)
        (drive / "shared" / "link").symlink_to("f")

    run_as(bob, make)
    for name in ("f", "sub", "link"):
        attributes = os.lstat(drive / "shared" / name)
        assert (attributes.st_uid, attributes.st_gid) == (BOB, CREW), name
    assert _mode(drive / "shared" / "sub") & stat.S_ISGID
    assert not _mode(drive / "shared" / "f") & stat.S_ISGID


@ROOT_ONLY
def test_chmod_outside_the_group_drops_setgid(drive: Path) -> None:
    (drive / "f").touch()
    os.chown(drive / "f", ALICE, CREW)
    run_as(alice, lambda: os.chmod(drive / "f", 0o2755))
    assert _mode(drive / "f") == 0o755
    run_as(alice_of_crew, lambda: os.chmod(drive / "f", 0o2755))
    assert _mode(drive / "f") == 0o2755


@ROOT_ONLY
def test_chown_by_an_owner_drops_setuid_and_setgid(drive: Path) -> None:
    (drive / "f").touch()
    os.chown(drive / "f", ALICE, ALICE)
    os.chmod(drive / "f", 0o6755)
    run_as(alice_of_crew, lambda: os.chown(drive / "f", -1, CREW))
    assert _mode(drive / "f") == 0o755


@ROOT_ONLY
def test_writing_drops_setuid(drive: Path) -> None:
    (drive / "f").write_bytes(b"x")
    os.chown(drive / "f", ALICE, ALICE)
    os.chmod(drive / "f", 0o4777)

    def write() -> None:
        with open(drive / "f", "r+b") as stream:
            stream.write(b"y")

    run_as(bob, write)
    assert _mode(drive / "f") == 0o777


@ROOT_ONLY
def test_times_may_be_set_by_the_owner_and_to_now_by_a_writer(drive: Path) -> None:
    (drive / "f").touch()
    os.chown(drive / "f", ALICE, ALICE)
    os.chmod(drive / "f", 0o666)
    assert run_as(alice, lambda: failure(lambda: os.utime(drive / "f", (1, 1)))) is None
    assert run_as(bob, lambda: failure(lambda: os.utime(drive / "f", (1, 1)))) == errno.EPERM
    assert run_as(bob, lambda: failure(lambda: os.utime(drive / "f"))) is None
    os.chmod(drive / "f", 0o644)
    assert run_as(bob, lambda: failure(lambda: os.utime(drive / "f"))) == errno.EACCES


@ROOT_ONLY
def test_a_descriptor_keeps_its_rights_after_chmod(drive: Path) -> None:
    os.chmod(drive, 0o777)

    def attempt() -> tuple[bytes, int | None]:
        with open(drive / "f", "w+b", 0) as stream:
            stream.write(b"kept")
            os.chmod(drive / "f", 0o000)
            stream.seek(0)
            return stream.read(), failure((drive / "f").read_bytes)

    assert run_as(alice, attempt) == (b"kept", errno.EACCES)


@ROOT_ONLY
def test_a_program_needs_execute_permission(drive: Path) -> None:
    (drive / "program").write_text("#!/bin/sh\nexit 7\n")

    def run() -> int:
        return os.waitstatus_to_exitcode(os.waitpid(os.posix_spawn(drive / "program", ["program"], {}), 0)[1])

    os.chmod(drive / "program", 0o644)
    assert run_as(bob, lambda: failure(run)) == errno.EACCES
    os.chmod(drive / "program", 0o755)
    assert run_as(bob, run) == 7


@ROOT_ONLY
def test_xattrs_need_the_files_permissions(drive: Path) -> None:
    (drive / "f").touch()
    os.chown(drive / "f", ALICE, ALICE)
    os.chmod(drive / "f", 0o600)
    run_as(alice, lambda: os.setxattr(drive / "f", "user.a", b"x"))
    assert run_as(bob, lambda: failure(lambda: os.getxattr(drive / "f", "user.a"))) == errno.EACCES
    assert run_as(bob, lambda: failure(lambda: os.setxattr(drive / "f", "user.a", b"y"))) == errno.EACCES
    assert run_as(bob, lambda: os.listxattr(drive / "f")) == ["user.a"]
