"""pjdfstest: 398 cases of what POSIX asks of a file system, run as root by several users."""

import os
import pwd
import re
import subprocess
from pathlib import Path

import pytest

from tests.filesystem.drives import Drive
from tests.filesystem.suites.programs import built

CONFIGURATION = """
[features]
posix_fallocate = {}
rename_ctime = {}
utime_now = {}
utimensat = {}
[settings]
naptime = 0.02
allow_remount = false
[dummy_auth]
entries = [["nobody", "GROUP"], ["daemon", "daemon"]]
"""

NOT_RUN = {
    f"{call}::{case}"
    for call, cases in {
        "chmod": ["erofs_named"],
        "chown": ["erofs_named"],
        "chown::lchown": ["erofs_named"],
        "link": ["erofs_named"],
        "mkdir": ["erofs_new_file"],
        "mkfifo": ["erofs_new_file"],
        "open": ["erofs_named", "erofs_new_file"],
        "rename": ["erofs_named"],
        "rmdir": ["erofs_named"],
        "symlink": ["erofs_new_file"],
        "truncate": ["erofs_named"],
        "unlink": ["erofs_named"],
    }.items()
    for case in cases
}
"""They remount the file system read-only and back, which would end a mount by a user's process."""

ONLY_ON_EXT4 = {"link::link_count_max"}
"""FUSE answers no limit of names a file, so there is none to reach."""


def _folder(drive: Path) -> Path:
    """A folder, with a name of a length at which pjdfstest 0.2.2 does not miscount the parts of its longest path."""
    folder = drive / "p"
    while (4095 - (len(str(folder)) + 22)) % 127 in (0, 1):
        folder = folder.with_name(folder.name + "p")
    folder.mkdir()
    folder.chmod(0o755)
    return folder


def _another_file_system(drive: Path) -> Path:
    """A folder on another device, for EXDEV."""
    for place in (Path("/dev/shm"), Path("/tmp")):
        if place.stat().st_dev != drive.stat().st_dev:
            return place
    raise AssertionError("there is only one file system here")


@pytest.mark.superuser
def test_pjdfstest(mounted: Drive, drive: Path, tmp_path: Path) -> None:
    group = "nogroup" if pwd.getpwnam("nobody").pw_gid == 65534 and Path("/etc/debian_version").exists() else "nobody"
    configuration = tmp_path / "pjdfstest.toml"
    configuration.write_text(CONFIGURATION.replace("GROUP", group))
    command = [str(built("pjdfstest")), "-c", str(configuration), "-p", str(_folder(drive))]
    done = subprocess.run(
        [*command, "-s", str(_another_file_system(drive))],
        capture_output=True,
        timeout=mounted.seconds(110),
        check=False,
        env={**os.environ, "RUST_BACKTRACE": "0"},
    )
    output = (done.stdout + done.stderr).decode(errors="replace")
    outcomes = dict(re.findall(r"^(\w+(?:::\w+)+)\s+(ok|skipped|FAILED)\s*$", output, re.MULTILINE))
    assert len(outcomes) >= 390, output[-4_000:]
    skipped = {name for name, outcome in outcomes.items() if outcome == "skipped"}
    assert skipped == (NOT_RUN if mounted.kind == "plain" else NOT_RUN | ONLY_ON_EXT4)
    failed = {name for name, outcome in outcomes.items() if outcome == "FAILED"}
    assert not failed, {name: output.split(f"{name} ", 1)[1].split("\n", 2)[1].strip() for name in failed}
