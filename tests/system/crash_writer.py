"""A process that writes to a mounted drive in all the ways that programs do, and notes outside the drive what was
acknowledged.

Run as a program: `crash_writer.py FILES NOTES SEED`. It ends when the drive is gone. What each file may hold
afterwards is
told by `tests.system.test_crash`. Every version of a file has bytes of its own (`content`), so a mix of two is seen.
"""

import json
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

NAMES = 12


def content(name: str, version: int) -> bytes:
    """The bytes of a version: as long as chance (seeded by both) says, from nothing to 300 KiB, each line of it
    marked."""
    size = random.Random(f"{name}:{version}").choice((0, 1, 100, 4096, 20_000, 70_000, 300_000))
    line = f"{name} version {version:06d} ".encode()
    return (line * (size // len(line) + 1))[:size]


class Writer:
    """Versions of a few files, each written by one of the ways below."""

    def __init__(self, files: Path, notes: Path, seed: int) -> None:
        self.files = files
        self.notes = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.random = random.Random(seed)
        self.version = 0

    def note(self, event: str, name: str, version: int) -> None:
        os.write(self.notes, (json.dumps([event, name, version]) + "\n").encode())

    def write_all(self, descriptor: int, data: bytes) -> None:
        """In pieces, so that the drive can die in the middle."""
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view[: self.random.choice((1000, 4096, 65_536))]) :]

    def rewrite(self, name: str, version: int) -> None:
        descriptor = os.open(self.files / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        self.write_all(descriptor, content(name, version))
        os.close(descriptor)
        self.note("done", name, version)

    def rewrite_synced(self, name: str, version: int) -> None:
        descriptor = os.open(self.files / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        self.write_all(descriptor, content(name, version))
        os.fsync(descriptor)
        self.note("done", name, version)
        os.close(descriptor)

    def replace(self, name: str, version: int) -> None:
        new = self.files / f".{name}.new"
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        self.write_all(descriptor, content(name, version))
        os.fsync(descriptor)
        os.close(descriptor)
        os.rename(new, self.files / name)
        self.note("done", name, version)

    def shorten_and_write(self, name: str, version: int) -> None:
        descriptor = os.open(self.files / name, os.O_RDWR | os.O_CREAT, 0o644)
        data = content(name, version)
        half = len(data) // 2
        os.lseek(descriptor, half, os.SEEK_SET)
        self.write_all(descriptor, data[half:])
        os.lseek(descriptor, 0, os.SEEK_SET)
        self.write_all(descriptor, data[:half])
        os.ftruncate(descriptor, len(data))
        os.close(descriptor)
        self.note("done", name, version)

    def run(self) -> None:
        ways: tuple[Callable[[str, int], None], ...] = (
            self.rewrite,
            self.rewrite_synced,
            self.replace,
            self.shorten_and_write,
        )
        while True:
            self.version += 1
            name = f"file-{self.random.randrange(NAMES)}'.txt"
            self.note("began", name, self.version)
            self.random.choice(ways)(name, self.version)
            if self.random.random() < 0.3:
                self.tag(name)

    def tag(self, name: str) -> None:
        """A person's tag, by the xattr that desktops use; acknowledged, so it stays."""
        tag = f"tag {self.version}"
        os.setxattr(self.files / name, "user.xdg.tags", tag.encode())
        self.note("tagged", name, self.version)


if __name__ == "__main__":
    try:
        Writer(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])).run()
    except OSError as error:
        # The drive was killed: that is the end of the experiment.
        print(f"the drive is gone: {error.strerror}")
