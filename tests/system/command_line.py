"""The program `graphfs` as a process of its own, over a drive that is served or mounted."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.app import run_in_thread
from gateway.service import open_service
from graphfs.api import Drive
from graphfs.config import Config, Jobs
from graphfs.model import Caller
from tests.system.mounts import PROJECT, Place

SECONDS = 60
ME = Caller(os.getuid(), os.getgid())
TOKEN = "token-of-a-test"
ODD = (
    "new\nline",
    'it\'s "quoted" \\ $HOME `x`',
    "emoji 😀 größe",
    os.fsdecode(b"stray \xff\xfe"),
    "-rf",
    " blank ",
    "tab\tand\x1b[31mred",
    "'; DROP TABLE nodes; --",
)


@dataclass(frozen=True)
class Said:
    """What a command said, as bytes for stdout."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return os.fsdecode(self.out)

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.out)


@dataclass
class CommandLine:
    """Runs commands, and holds them to their exit code."""

    before: tuple[str, ...] = ()
    cwd: Path = Path("/")
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-P", "-m", "graphfs.cli", *words[:1], *self.before, *words[1:]]

    def surroundings(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GRAPHFS_")}
        return {**kept, "PYTHONPATH": str(PROJECT), **self.environment}

    def __call__(self, *words: str, code: int = 0, cwd: Path | None = None) -> Said:
        done = subprocess.run(
            self.command(*words),
            capture_output=True, stdin=subprocess.DEVNULL, timeout=SECONDS, check=False,
            cwd=cwd or self.cwd, env=self.surroundings(),
        )  # fmt: skip
        said = Said(done.returncode, done.stdout, os.fsdecode(done.stderr))
        assert said.code == code, f"{words} ended with {said.code}, not {code}:\n{said.text}\n{said.err}"
        assert "Traceback" not in said.err, said.err
        return said

    def at(self, place: Place) -> "CommandLine":
        """The same, in the surroundings of a mount."""
        return CommandLine(
            self.before, place.drive, {**self.environment, "XDG_RUNTIME_DIR": str(place.folder / "runtime")}
        )


@dataclass
class Served:
    """A drive that is served from this process, and the command line that speaks with it."""

    drive: Drive
    state: Path
    cli: CommandLine
    port: int = 0

    def paths(self, *query: str) -> set[str]:
        """What `find` finds."""
        return set(self.cli("find", "-0", *query).text.split("\0")) - {""}

    def tags(self, path: str) -> list[str]:
        """The tags of a file."""
        tags: list[str] = self.cli("tags", path, "--json").json[0]["tags"]
        return tags


@contextmanager
def served(state: Path, *, by_port: bool = False) -> Iterator[Served]:
    """A fresh drive behind its socket (or a port); sound at the end."""
    config = Config(jobs=Jobs(settle_seconds=0.0, max_attempts=1, backoff_seconds=0.01))
    service = open_service(state, config)
    addresses = [f"unix:{state / 'api.sock'}", *(["127.0.0.1:0"] if by_port else [])]
    server = run_in_thread(service, *addresses, token=TOKEN)
    try:
        cli = CommandLine(("--state", str(state)))
        port = server.ports[0] if by_port else 0
        yield Served(service, state, cli, port)
        assert service.fsck(ME, verify=True) == []
    finally:
        server.stop()
        service.close()


def folder_of(path: Path, files: dict[str, bytes]) -> Path:
    """An ordinary folder with these files."""
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path
