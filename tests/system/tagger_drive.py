"""A drive served over a unix socket for the tagger's tests, and what they do with it."""

import hashlib
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

from gateway.app import run_in_thread
from gateway.service import open_service
from graphfs.api import Drive
from graphfs.client import connect
from graphfs.config import Config, Jobs
from graphfs.errors import NotFound
from graphfs.model import FILES_ROOT, Caller, EdgeState, JobState, Node, Patch

OWNER = Caller(os.getuid(), os.getgid())
PATIENCE = 60.0
CONFIG = Config(
    jobs=Jobs(settle_seconds=0.0, lease_seconds=5.0, max_attempts=3, backoff_seconds=0.01, backoff_max_seconds=0.05)
)


class TaggedDrive:
    """The service and its server in this process, and a client as the tagger has it."""

    def __init__(self, state: Path, config: Config = CONFIG) -> None:
        self.state, self.config = state, config
        self.service = open_service(state, config)
        self.address = f"unix:{state / 'api.sock'}"
        self.server = run_in_thread(self.service, self.address, token="t")
        self.client = connect(self.address)

    def __enter__(self) -> "TaggedDrive":
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        """After nearly every test the drive must be in order."""
        try:
            assert failed is not None or self.service.fsck(OWNER, verify=True) == []
        finally:
            self.close()

    def restart(self) -> None:
        """The server and the service go and come back; clients stay as they are."""
        self.server.stop()
        self.service.close()
        self.service = open_service(self.state, self.config)
        self.server = run_in_thread(self.service, self.address, token="t")

    def close(self) -> None:
        self.client.close()
        self.server.stop()
        self.service.close()

    def write(self, path: str, data: bytes) -> Node:
        """A file at a path below `files/`, new or changed."""
        return write(self.service, path, data)

    def state_of(self, node: Node) -> JobState:
        return self.service.job(node.file).state

    def tags_of(self, node: Node, state: EdgeState = EdgeState.APPLIED) -> set[str]:
        return {edge.tag for edge in self.service.edges(OWNER, node.file) if edge.state is state}

    def wait(self, met: Callable[[], bool], patience: float = PATIENCE) -> None:
        """Until something is so; each change on the drive is looked at, and AssertionError says that it never was."""
        end = time.monotonic() + patience
        after = self.service.events(-1, 0.0)[-1].seq
        while not met():
            assert time.monotonic() < end, "it never came to be so"
            found = self.service.events(after, 0.25)
            after = found[-1].seq if found else after

    def wait_for(self, node: Node, *states: JobState) -> None:
        self.wait(lambda: self.state_of(node) in states)


def write(drive: Drive, path: str, data: bytes) -> Node:
    """A file at a path below `files/`, new or changed. With a queue that waits for nothing, a new one would be leased
    before its content is there, and read once more with it: the queue stands still meanwhile."""
    paused = drive.pause(OWNER, True)
    try:
        return _write(drive, path, data)
    finally:
        if not paused:
            drive.pause(OWNER, False)


def _write(drive: Drive, path: str, data: bytes) -> Node:
    folder = FILES_ROOT
    *folders, name = path.split("/")
    for part in folders:
        try:
            folder = drive.lookup(OWNER, folder, part).id
        except NotFound:
            folder = drive.create(OWNER, folder, part, stat.S_IFDIR | 0o755).id
    try:
        node = drive.lookup(OWNER, folder, name)
    except NotFound:
        node = drive.create(OWNER, folder, name, stat.S_IFREG | 0o644)
    patches = []
    size = drive.chunk_size()
    for start in range(0, len(data), size):
        piece = data[start : start + size]
        patches.append(Patch(start, len(piece), hashlib.sha256(piece).digest(), 0, piece))
    return drive.commit(OWNER, node.id, node.version, len(data), patches) if data else node
