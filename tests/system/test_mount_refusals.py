"""What mount.py says when it cannot mount: each reason has its message and its exit status, and changes nothing."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.mounts import PROJECT, SECONDS, Place, place

NOBODY = 65534


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Place]:
    with place(tmp_path) as made:
        yield made


def refused(done: subprocess.CompletedProcess[str], status: int, *words: str) -> None:
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("graphfs: ")
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_a_folder_that_is_not_empty(there: Place) -> None:
    there.drive.mkdir()
    (there.drive / "mine").touch()
    refused(there.mount(), 5, "not empty", "'mine'")
    assert os.listdir(there.drive) == ["mine"]


def test_a_file_as_mount_point(there: Place) -> None:
    there.drive.touch()
    refused(there.mount(), 6, "not a folder")


def test_a_mount_point_that_is_in_use_already(there: Place, tmp_path: Path) -> None:
    assert there.mount().returncode == 0
    again = Place(tmp_path, {})
    done = subprocess.run(
        [sys.executable, str(PROJECT / "mount.py"), str(there.drive), "--state", str(tmp_path / "other")],
        capture_output=True, text=True, timeout=SECONDS, check=False, env=again.surroundings(),
    )  # fmt: skip
    refused(done, 21, "is in use", f"process {there.record.pid}", str(there.state))
    assert (there.drive / "files").is_dir()


def test_a_state_directory_that_is_in_use(there: Place, tmp_path: Path) -> None:
    assert there.mount().returncode == 0
    done = subprocess.run(
        [sys.executable, str(PROJECT / "mount.py"), str(tmp_path / "second"), "--state", str(there.state)],
        capture_output=True, text=True, timeout=SECONDS, check=False, env=there.surroundings(),
    )  # fmt: skip
    refused(done, 21, f"in use by process {there.record.pid}", f"the drive on {there.drive}")
    assert not os.path.ismount(tmp_path / "second")
    assert (there.drive / "files").is_dir()


def test_a_mount_of_something_else(there: Place) -> None:
    there.drive.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(there.drive)], check=True)
    try:
        refused(there.mount(), 21, "is in use", "tmpfs")
    finally:
        subprocess.run(["umount", "--lazy", str(there.drive)], check=True)


def test_a_state_directory_inside_the_drive_and_the_other_way_round(there: Place) -> None:
    refused(there.mount("--state", str(there.drive / "state")), 8, "inside the mount point")
    refused(there.mount("--state", str(there.drive)), 8, "inside the mount point")
    refused(there.mount("--state", str(there.folder)), 8, "inside the state directory")


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("bindings=x", ("'bindings=x'", "unknown", "binding")),
        ("binding=zfs", ("mount.binding", "pyfuse3, fusepy, mfusepy")),
        ("entry_timeout=soon", ("mount.entry_timeout", "a number")),
        ("tag_entries=hard", ("mount.tag_entries", "file, symlink")),
    ],
)
def test_a_wrong_option(there: Place, option: str, words: tuple[str, ...]) -> None:
    refused(there.mount("-o", option), 8, *words)
    assert not there.state.exists()


def test_a_wrong_setting(there: Place) -> None:
    there.state.mkdir()
    (there.state / "config.yaml").write_text("mount:\n  bindnig: auto\n")
    refused(there.mount(), 8, "mount.bindnig", "mount.binding")


def test_a_machine_without_fuse(there: Place) -> None:
    there.prefix = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /dev && : > /dev/null && exec "$@"', "sh")
    refused(there.mount(), 23, "/dev/fuse is missing", "modprobe fuse")


def as_somebody(there: Place, device_mode: str) -> None:
    """Lets mount.py run as nobody, on a machine whose /dev/fuse has this mode."""
    somebody = f"setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups"
    device = f'cp /dev/null "$0" && chmod {device_mode} "$0" && mount --bind "$0" /dev/fuse'
    there.prefix = ("unshare", "--mount", "sh", "-c", f'{device} && exec {somebody} "$@"', str(there.folder / "fuse"))
    there.drive.mkdir()
    os.chown(there.drive, NOBODY, NOBODY)
    for folder in (there.folder, *there.folder.parents):
        if folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o055)


def test_a_device_that_may_not_be_used(there: Place) -> None:
    as_somebody(there, "600")
    refused(there.mount(), 11, "/dev/fuse cannot be opened", "Permission denied")


def test_a_user_who_may_not_write_the_state_directory(there: Place) -> None:
    as_somebody(there, "666")
    refused(there.mount(), 11, f"the state directory {there.state} cannot be made")


def test_a_user_who_may_not_even_look_for_the_state_directory(there: Place, tmp_path: Path) -> None:
    as_somebody(there, "666")
    (tmp_path / "shut").mkdir(mode=0o700)
    refused(there.mount("--state", str(tmp_path / "shut" / "state")), 11, "shut/state cannot be made")


def test_a_user_who_may_not_write_the_mount_point(there: Place) -> None:
    as_somebody(there, "666")
    os.chown(there.drive, 0, 0)
    refused(there.mount(), 11, f"{there.drive} cannot be written")


def test_others_are_let_in_only_where_root_allows_it(there: Place) -> None:
    as_somebody(there, "666")
    refused(there.mount("-o", "allow_other"), 11, "user_allow_other", "/etc/fuse.conf")


def test_a_machine_without_the_tools(there: Place, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    refused(there.mount(PATH=str(tmp_path / "bin")), 23, "fusermount3 is missing", "fuse3")
