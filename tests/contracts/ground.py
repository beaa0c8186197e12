"""What the contract's tests stand on: a drive, callers, and the few moves that nearly every test makes."""

import hashlib
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from graphfs.api import Drive
from graphfs.errors import NotFound
from graphfs.model import FILES_ROOT, Caller, Event, Job, Node, Patch

T = TypeVar("T")

OWNER = Caller(os.getuid(), os.getgid())
"""Who the drive belongs to. Without a pid each of its tag changes is a batch of its own."""
STRANGER = Caller(os.getuid() + 1000, os.getgid() + 1000)
"""Somebody else."""
FILE = stat.S_IFREG | 0o644
FOLDER = stat.S_IFDIR | 0o755
PATIENCE = 10.0

ODD_NAMES = (
    "plain",
    "Größe 中文 😀",
    "e\u0301",
    "\u00e9",
    'it\'s "quoted" \\ back',
    "new\nline\ttab",
    "a%2Fb?c#d&e=f+g",
    "'; DROP TABLE nodes; --",
    "'}) DETACH DELETE (n",
    os.fsdecode(b"\xff\xfe latin \xe9"),
    os.fsdecode(bytes(one for one in range(1, 128) if one != ord("/"))),
    os.fsdecode(bytes(range(128, 256))),
    "-rf",
    "+all",
    " blank ",
    "x" * 255,
)
"""Names that have broken programs."""


def digest_of(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def patch(offset: int, data: bytes) -> Patch:
    """A patch whose blob travels with it."""
    return Patch(offset, len(data), digest_of(data), 0, data)


class Ground:
    """A drive under test and how to work on it."""

    def __init__(self, drive: Drive, state: Path) -> None:
        self.drive = drive
        self.state = state

    def folder(self, path: str, caller: Caller = OWNER, mode: int = 0o755) -> Node:
        """The folder at a path below `files/`, made when it is missing."""
        node = self.drive.node(caller, FILES_ROOT)
        for name in filter(None, path.split("/")):
            try:
                node = self.drive.lookup(caller, node.id, name)
            except NotFound:
                node = self.drive.create(caller, node.id, name, stat.S_IFDIR | mode)
        return node

    def file(
        self, path: str, data: bytes = b"", *, tags: tuple[str, ...] = (), caller: Caller = OWNER, mode: int = 0o644
    ) -> Node:
        """A new file with this content."""
        above, _, name = path.rpartition("/")
        node = self.drive.create(caller, self.folder(above).id, name, stat.S_IFREG | mode, tags=tags)
        return self.write(node, data, caller=caller) if data else node

    def write(self, node: Node, data: bytes, *, caller: Caller = OWNER) -> Node:
        """Gives a file another content."""
        return self.drive.commit(caller, node.id, node.version, len(data), self.patches(data))

    def patches(self, data: bytes) -> list[Patch]:
        """Patches that write all of `data`; what is large is put before."""
        size = self.drive.chunk_size()
        found = []
        for offset in range(0, len(data), size):
            chunk = data[offset : offset + size]
            if len(chunk) > self.drive.inline_limit():
                self.drive.put_blob(digest_of(chunk), chunk, durable=False)
                found.append(Patch(offset, len(chunk), digest_of(chunk)))
            else:
                found.append(patch(offset, chunk))
        return found

    def read(self, node: int | Node) -> bytes:
        """A file's content, by its layout."""
        layout = self.drive.layout(OWNER, node if isinstance(node, int) else node.id)
        content = bytearray(layout.size)
        for extent in layout.extents:
            part = self.drive.read_blob(extent.digest, extent.start, extent.length)
            assert len(part) == extent.length
            content[extent.offset : extent.offset + extent.length] = part
        assert len(content) == layout.size
        return bytes(content)

    def at(self, path: str) -> Node:
        """The node at a path below `files/`."""
        node = self.drive.node(OWNER, FILES_ROOT)
        for name in filter(None, path.split("/")):
            node = self.drive.lookup(OWNER, node.id, name)
        return node

    def names(self, folder: int | Node) -> list[str]:
        """What a folder lists."""
        entries = self.drive.children(OWNER, folder if isinstance(folder, int) else folder.id)
        return [entry.name for entry in entries]

    def applied(self, node: Node) -> list[str]:
        """The tags that a file has, sorted."""
        return sorted(edge.tag for edge in self.drive.edges(OWNER, node.file) if edge.state == "applied")

    def found(self, *path: str, caller: Caller = OWNER) -> list[str]:
        """Names of the files in a view."""
        return [entry.name for entry in self.drive.view_files(caller, path)]

    def leased(self, *nodes: Node, seconds: float = 60.0) -> dict[int, Job]:
        """Leases until all these files' jobs were handed out; by file."""
        wanted = {node.file for node in nodes}
        got: dict[int, Job] = {}

        def attempt() -> bool:
            got.update({job.file: job for job in self.drive.lease("worker", 100, seconds)})
            return wanted <= got.keys()

        eventually(attempt)
        return got


def eventually(condition: Callable[[], T], seconds: float = PATIENCE) -> T:
    """The first true answer, asked again and again until a deadline: for what another clock or process brings about."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < deadline, "it did not happen in time"
        pause.wait(0.01)


class Listener:
    """Collects events, and waits for the one that is wanted."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._arrived = threading.Condition()

    def __call__(self, event: Event) -> None:
        with self._arrived:
            self.events.append(event)
            self._arrived.notify_all()

    def wait(self, wanted: Callable[[Event], bool], seconds: float = PATIENCE) -> Event:
        """The first event that is wanted."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: any(map(wanted, self.events)), seconds), self.events
            return next(filter(wanted, self.events))


@contextmanager
def listening(drive: Drive) -> Iterator[Listener]:
    """A listener that is subscribed for a while."""
    listener = Listener()
    stop = drive.subscribe(listener)
    try:
        yield listener
    finally:
        stop()
