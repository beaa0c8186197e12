"""stress-ng's file system stressors, many at once, with their own verification."""

import subprocess
from pathlib import Path

import pytest

from tests.filesystem.drives import Drive
from tests.filesystem.suites.programs import packaged

SECONDS = 3

# Without fsize: where a binding has no fallocate, it takes its own imitation of that for one that ignores the limit.
GROUPS: dict[str, list[str]] = {
    "names": [
        "access",
        "chdir",
        "chmod",
        "chown",
        "dentry",
        "dir",
        "dirdeep",
        "filename",
        "getdent",
        "link",
        "rename",
        "symlink",
        "touch",
    ],
    "content": [
        "fallocate",
        "fpunch",
        "hdd",
        "io",
        "iomix",
        "mmap",
        "seek",
        "sendfile",
        "sync-file",
    ],
    "attributes": [
        "dup",
        "fcntl",
        "flock",
        "fstat",
        "handle",
        "inotify",
        "lease",
        "locka",
        "lockf",
        "lockofd",
        "mknod",
        "open",
        "utime",
        "xattr",
    ],
}
SIZES: dict[str, list[str]] = {
    "fallocate": ["--fallocate-bytes", "4M"],
    "hdd": ["--hdd-bytes", "4M"],
    "iomix": ["--iomix-bytes", "4M"],
    "mmap": ["--mmap-file", "--mmap-bytes", "1M"],
    "seek": ["--seek-size", "1M"],
    "sendfile": ["--sendfile-size", "256K"],
    "sync-file": ["--sync-file-bytes", "1M"],
    "dirdeep": ["--dirdeep-inodes", "200"],
    "dentry": ["--dentries", "128"],
}
"""Small: what is looked for is a wrong answer, not a full disk."""


@pytest.mark.parametrize("group", GROUPS)
def test_stress_ng(mounted: Drive, drive: Path, group: str) -> None:
    command = [str(packaged("stress-ng")), "--temp-path", str(drive), "--timeout", f"{SECONDS}s", "--verify"]
    for stressor in GROUPS[group]:
        command += [f"--{stressor}", "1", *SIZES.get(stressor, [])]
    done = subprocess.run(command, capture_output=True, timeout=mounted.seconds(100), check=False, cwd=drive)
    output = (done.stdout + done.stderr).decode(errors="replace")
    wrong = [line for line in output.splitlines() if "fail:" in line or "error:" in line]
    assert done.returncode == 0, f"stress-ng ended with {done.returncode}:\n" + "\n".join(wrong or [output[-4_000:]])
    assert not wrong, "\n".join(wrong)
