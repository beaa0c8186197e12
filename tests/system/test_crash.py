"""Nothing is lost when processes die: the mount, the tagger or both, by SIGKILL at random moments under load.

Afterwards every acknowledged version is there or a later one, whole; every tag that was acknowledged is there; `fsck`
finds nothing; nothing is left in staging. A few kills by default, `CRASH_KILLS=200` for long (`make soak`).
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.system.crash_writer import content

PROJECT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("CRASH_KILLS", "9"))
VICTIMS = ("mount", "tagger", "both")
WAIT = 30.0


class Mounted:
    """A drive in a process of its own."""

    def __init__(self, folder: Path, state: Path, binding: str) -> None:
        self.folder = folder
        self.state = state
        self.process = subprocess.Popen(
            [
                sys.executable,
                "mount.py",
                str(folder),
                "--state",
                str(state),
                "--foreground",
                "-o",
                f"binding={binding}",
            ],
            cwd=PROJECT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        deadline = time.monotonic() + WAIT
        while not os.path.ismount(folder):
            assert self.process.poll() is None, self.errors()
            assert time.monotonic() < deadline, "the drive was not mounted in time"
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(0.05)

    def errors(self) -> str:
        return self.process.stderr.read().decode(errors="replace") if self.process.stderr else ""

    def tagger(self) -> int:
        """The tagger's process id, 0 while there is none."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        for task in children.parent.parent.glob("*/children"):
            for child in task.read_text().split():
                with suppress(OSError):
                    if b"tagger" in Path(f"/proc/{child}/cmdline").read_bytes():
                        return int(child)
        return 0

    def kill(self, victim: str) -> None:
        tagger = self.tagger()
        if victim in ("tagger", "both") and tagger:
            os.kill(tagger, signal.SIGKILL)
        if victim in ("mount", "both"):
            self.process.kill()
            self.process.wait(WAIT)

    def stop(self) -> None:
        if os.path.ismount(self.folder) or _is_stale(self.folder):
            subprocess.run(["fusermount3", "-uz", str(self.folder)], check=False, capture_output=True)
        try:
            self.process.wait(WAIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(WAIT)
        if self.process.stderr:
            self.process.stderr.close()


def _is_stale(folder: Path) -> bool:
    try:
        folder.stat()
    except OSError:
        return True
    return False


@contextmanager
def mounted(folder: Path, state: Path, binding: str) -> Iterator[Mounted]:
    drive = Mounted(folder, state, binding)
    try:
        yield drive
    finally:
        drive.stop()


def _expectation(notes: Path) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    """Of each file: the last acknowledged version, the last one begun, and the last tag that nothing came after."""
    done: dict[str, int] = {}
    began: dict[str, int] = {}
    tagged: dict[str, int] = {}
    for line in notes.read_text().splitlines():
        event, name, version = json.loads(line)
        {"done": done, "began": began, "tagged": tagged}[event][name] = version
    return done, began, tagged


def _check(drive: Mounted, notes: Path) -> None:
    done, began, tagged = _expectation(notes)
    for name, last in began.items():
        path = drive.folder / "files" / name
        allowed = {content(name, version): version for version in range(done.get(name, last), last + 1)}
        if name not in done:
            assert not path.exists() or path.read_bytes() in {b"", *allowed}, f"{name} is a mix"
            continue
        found = path.read_bytes()
        assert found in allowed, (
            f"{name}: {found[:60]!r} ({len(found)} bytes) is none of versions {sorted(allowed.values())}"
        )
        if name in tagged:
            tags = os.getxattr(path, "user.xdg.tags").decode()
            versions = {f"tag {version}" for version in range(tagged[name], last + 1)}
            assert versions & set(tags.split(",")), f"{name} lost its tag: {tags}"
    check = subprocess.run(
        [sys.executable, "-m", "graphfs.cli", "fsck", "--verify", "--json", "--state", str(drive.state)],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert check.returncode == 0, check.stdout + check.stderr


@pytest.mark.slow
@pytest.mark.timeout(60 + 15 * KILLS)
@pytest.mark.parametrize("binding", ["pyfuse3", "fusepy"])
def test_killed_at_random_moments(tmp_path: Path, binding: str) -> None:
    folder, state = tmp_path / "drive", tmp_path / "state"
    folder.mkdir()
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    notes = tmp_path / "notes"
    for round_ in range(KILLS):
        victim = VICTIMS[round_ % len(VICTIMS)]
        notes.write_text("")
        with mounted(folder, state, binding) as drive:
            writer = subprocess.Popen(
                [sys.executable, "tests/system/crash_writer.py", str(folder / "files"), str(notes), str(seed + round_)],
                cwd=PROJECT, stdout=subprocess.DEVNULL,
            )  # fmt: skip
            try:
                with suppress(subprocess.TimeoutExpired):
                    writer.wait(chance.uniform(0.05, 1.0))
                drive.kill(victim)
                if victim == "tagger":
                    drive.process.kill()
                assert writer.wait(WAIT) == 0
            finally:
                writer.kill()
                writer.wait(WAIT)
        with mounted(folder, state, binding) as drive:
            _check(drive, notes)
            for path in (folder / "files").iterdir():
                path.unlink()


def test_a_file_that_was_never_closed_is_kept_in_the_trash(tmp_path: Path) -> None:
    folder, state = tmp_path / "drive", tmp_path / "state"
    folder.mkdir()
    with mounted(folder, state, "pyfuse3") as drive:
        (folder / "files" / "report.txt").write_text("the first version")
        descriptor = os.open(folder / "files" / "report.txt", os.O_WRONLY | os.O_TRUNC)
        os.write(descriptor, b"half of the second" * 100_000)
        drive.kill("mount")
        with suppress(OSError):
            os.close(descriptor)
    with mounted(folder, state, "pyfuse3"):
        assert (folder / "files" / "report.txt").read_text() == "the first version"
        listed = subprocess.run(
            [sys.executable, "-m", "graphfs.cli", "restore", "--list", "--json", "--state", str(state)],
            cwd=PROJECT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert "recovered" in listed.stdout
        assert "report.txt" in listed.stdout
