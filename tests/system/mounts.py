"""Runs mount.py and the unmounting as processes of their own, and leaves no mount behind whatever happens."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from graphfs.mounting.mountinfo import mounted_at
from graphfs.mounting.registry import MountRecord, record_in

PROJECT = Path(__file__).resolve().parents[2]
SECONDS = 60
UNMOUNT = (
    "import sys; from pathlib import Path\n"
    "from graphfs.errors import DriveError; from graphfs.mounting.unmounting import unmount\n"
    "try: unmount(Path(sys.argv[1]), lazy='--lazy' in sys.argv)\n"
    "except DriveError as error: sys.exit(f'{error.code}: {error}')\n"
)


@dataclass
class Place:
    """A mount point and a state directory, with a runtime directory of its own."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()
    """Command in front of mount.py, such as `unshare`."""

    @property
    def drive(self) -> Path:
        return self.folder / "drive"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def log(self) -> str:
        path = self.state / "logs" / "mount.log"
        return path.read_text() if path.exists() else ""

    def command(self, *arguments: str) -> list[str]:
        program = [sys.executable, str(PROJECT / "mount.py"), str(self.drive), "--state", str(self.state)]
        return [*self.prefix, *program, *arguments]

    def surroundings(self, changes: Mapping[str, str] = {}) -> dict[str, str]:  # read only
        return {
            **os.environ,
            "GRAPHFS_TAGGER__ENABLED": "false",
            "XDG_RUNTIME_DIR": str(self.folder / "runtime"),
            "PYTHONPATH": str(PROJECT),
            **self.environment,
            **changes,
        }

    def mount(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """In the background; returns when mount.py does."""
        return subprocess.run(
            self.command(*arguments),
            capture_output=True, text=True, timeout=SECONDS, check=False, env=self.surroundings(environment), cwd="/",
        )  # fmt: skip

    @contextmanager
    def foreground(self, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
        """In the foreground, once the drive answers; killed at the end if it runs still."""
        with subprocess.Popen(
            self.command("--foreground", *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.surroundings(),
            cwd="/",
        ) as process:
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    if line.startswith("graphfs: "):
                        break
                yield process
            finally:
                process.kill()

    def unmount(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", UNMOUNT, str(self.drive), *arguments],
            capture_output=True, text=True, timeout=SECONDS, check=False, env=self.surroundings(), cwd="/",
        )  # fmt: skip

    @property
    def mounted(self) -> bool:
        return mounted_at(str(self.drive)) is not None

    @property
    def record(self) -> MountRecord:
        found = record_in(self.state)
        assert found is not None, self.log
        return found

    def clear(self) -> None:
        """Whatever is there still goes away: the mount, then its process."""
        record = record_in(self.state)
        while self.mounted:
            subprocess.run(["fusermount3", "-uz", str(self.drive)], check=True, timeout=SECONDS)
        if record is not None and not ended(record.pid, SECONDS):
            os.kill(record.pid, signal.SIGKILL)
            raise AssertionError(f"the mount did not end by itself:\n{self.log}")


def ended(pid: int, seconds: float) -> bool:
    """Waits for the end of a process that is not a child."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], seconds)[0])
    finally:
        os.close(process)


@contextmanager
def place(folder: Path, **environment: str) -> Iterator[Place]:
    """A place that is cleared at the end."""
    (folder / "runtime").mkdir(parents=True, mode=0o700)
    made = Place(folder, environment)
    try:
        yield made
    finally:
        made.clear()
