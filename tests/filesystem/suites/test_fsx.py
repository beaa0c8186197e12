"""fsx: random reads, writes, truncates and maps on one file, each read compared with what must be there."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.filesystem.drives import Drive
from tests.filesystem.suites.programs import built

OPERATIONS = 20_000
"""In all, shared out over the kinds of operation."""

ORDINARY = """
flen = 262144
[opsize]
max = 65536
[weights]
close_open = 1
invalidate = 1
read = 10
write = 10
truncate = 5
fsync = 0.2
fdatasync = 0.2
sendfile = 1
copy_file_range = 1
mapread = 0
mapwrite = 0
"""
MAPPED = """
flen = 262144
[opsize]
max = 65536
[weights]
close_open = 1
invalidate = 1
read = 5
write = 5
truncate = 3
mapread = 5
mapwrite = 5
fsync = 0.1
"""
LARGE = """
flen = 33554432
[opsize]
max = 1048576
[weights]
close_open = 0.5
read = 5
write = 5
truncate = 2
mapread = 2
mapwrite = 2
"""


def _run(mounted: Drive, drive: Path, configuration: str, operations: int, seed: int) -> None:
    (drive / "fsx.toml").write_text(configuration)
    artifacts = drive / "artifacts"
    artifacts.mkdir()
    command = [str(built("fsx")), "-f", str(drive / "fsx.toml"), "-N", str(operations), "-S", str(seed)]
    done = subprocess.run(
        [*command, "-P", str(artifacts), "-q", str(drive / "file")],
        capture_output=True,
        timeout=mounted.seconds(100),
        check=False,
    )
    output = (done.stdout + done.stderr).decode(errors="replace")
    assert done.returncode == 0, f"fsx with seed {seed}:\n{output[-6_000:]}"


@pytest.mark.parametrize("seed", [1])
def test_fsx_with_reads_and_writes(mounted: Drive, drive: Path, seed: int) -> None:
    _run(mounted, drive, ORDINARY, OPERATIONS * 2 // 5, seed)


@pytest.mark.parametrize("seed", [2])
def test_fsx_with_maps(mounted: Drive, drive: Path, seed: int) -> None:
    _run(mounted, drive, MAPPED, OPERATIONS * 2 // 5, seed)


def test_fsx_with_a_file_of_many_chunks(mounted: Drive, drive: Path) -> None:
    _run(mounted, drive, LARGE, 500, 3)


def test_fsx_with_a_seed_never_tried(mounted: Drive, drive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    with capsys.disabled():
        sys.stderr.write(f"[fsx seed {seed}] ")
    _run(mounted, drive, MAPPED, OPERATIONS // 5, seed)
