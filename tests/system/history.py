"""A history of what was written, read and tagged by several clients at once, and whether it can have been so.

Each file has one writer. What was acknowledged is there from then on; a read sees no older content than the last one
acknowledged before it began (of others, by a mount: so long before that it must have heard of it; while nobody can be
reached: than it has read before), no newer one than was ever begun, and never a mix; tags that were acknowledged stay.
An operation that failed may have happened or not. It knows nothing of the faults in between but when nobody was there.
"""

import functools
import hashlib
import itertools
import math
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from graphfs.client.drive import HttpDrive
from graphfs.client.retry import Policy
from graphfs.errors import DriveError, NotFound
from graphfs.model import FILES_ROOT
from graphfs.wire.address import parse_address
from tests.contracts.ground import FILE, OWNER, Ground

PATIENCE = 30.0
"""Seconds for which clients and mounts of such a test wait: longer than by default, so that what fails is not the busy
machine's fault."""
_FILES = 5
_TAGS = 4
_NEW, _LATELY = 4, 8
_SETTLED = 15.0
"""Seconds within which a mount knows that all is there again."""
_NUMBERS = itertools.count()
_LARGE = 0.2
"""The share of contents that are too large to stand beside their record."""


def content(name: str, number: int) -> bytes:
    """Version `number` of a file: says what it is, and every byte of it follows from that."""
    chance = random.Random(f"{name} {number}")
    size = chance.randrange(40_000, 120_000) if chance.random() < _LARGE else chance.randrange(10, 3_000)
    head = f"{name} {number} {size}\n".encode()
    return head + hashlib.shake_128(head).digest(size)


def number_of(name: str, data: bytes) -> int:
    """Which version this is, whole; -1: none of them."""
    try:
        said, number, _ = data.partition(b"\n")[0].decode().split(" ")
        return int(number) if said == name and data == content(name, int(number)) else -1
    except ValueError:
        return -1


def parts(name: str, data: bytes) -> str:
    """What a content that is no version looks like: what its head says, and how far that is so."""
    head = data.partition(b"\n")[0].decode(errors="replace")
    try:
        whole = content(name, int(head.split(" ")[1]))
    except (ValueError, IndexError):
        return f"{len(data)} bytes, {data[:60]!r}"
    same = next((at for at, (one, other) in enumerate(zip(data, whole, strict=False)) if one != other), len(data))
    return f"{head!r}, {len(data)} bytes of {len(whole)}, the same up to {same}, then {data[same : same + 40]!r}"


class Client(Protocol):
    """Somebody who works on the drive. Calls raise OSError or DriveError."""

    def write(self, name: str, data: bytes) -> None:
        """Durable, and whole for every reader, on return."""
        ...

    def make(self, name: str, data: bytes) -> None:
        """A new file in a folder of the client's own, closed on return: whole for whoever opens it from then on."""
        ...

    def read(self, name: str) -> bytes: ...

    @property
    def began(self) -> float:
        """When its last call began: an operation has several, and each is bounded."""
        ...

    @property
    def delay(self) -> float:
        """Seconds after which it must see what others did."""
        ...

    def tag(self, name: str, tags: list[str]) -> None:
        """It has these tags on return, maybe others too."""
        ...


class Timed:
    """A drive that notes when it was asked last."""

    def __init__(self, drive: HttpDrive) -> None:
        self._drive = drive
        self.began = 0.0

    def __getattr__(self, name: str) -> Any:
        self.began = time.monotonic()
        return getattr(self._drive, name)


class HttpClient:
    """By HTTP, as patient as a mount."""

    delay = 0.0

    def __init__(self, url: str, token: str, folder: Path) -> None:
        policy = Policy(tries=10, patient=True)
        self.drive = Timed(HttpDrive(parse_address(url), token=token, timeout=PATIENCE, policy=policy))
        self._ground = Ground(self.drive, folder)

    @property
    def began(self) -> float:
        return self.drive.began

    def write(self, name: str, data: bytes) -> None:
        try:
            node = self.drive.lookup(OWNER, FILES_ROOT, name)
        except NotFound:
            node = self.drive.create(OWNER, FILES_ROOT, name, FILE)
        patches = self._ground.patches(data)
        self.drive.commit(OWNER, node.id, node.version, len(data), patches, durable=True)

    def make(self, name: str, data: bytes) -> None:
        self._ground.file(name, data)

    def read(self, name: str) -> bytes:
        return self._ground.read(self._ground.at(name))

    def tag(self, name: str, tags: list[str]) -> None:
        file = self.drive.lookup(OWNER, FILES_ROOT, name).file
        self.drive.change_tags(OWNER, [file], tags, [])

    def tags(self, name: str) -> list[str]:
        return self._ground.applied(self.drive.lookup(OWNER, FILES_ROOT, name))


class MountClient:
    """By a mounted drive, as an editor saves."""

    delay = 4.0
    """Two seconds are promised while all is well; its events may have to come by another main server first."""

    def __init__(self, root: Path) -> None:
        self._files = root / "files"
        self.began = 0.0
        """Of those that may take long."""

    def write(self, name: str, data: bytes) -> None:
        new = self._files / f".{name}.{next(_NUMBERS)}.new"
        self.began = time.monotonic()
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            self.began = time.monotonic()
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self.began = time.monotonic()
        os.replace(new, self._files / name)

    def make(self, name: str, data: bytes) -> None:
        path = self._files / name
        path.parent.mkdir(exist_ok=True)
        with path.open("xb", buffering=0) as file:
            assert file.write(data) == len(data)

    def read(self, name: str) -> bytes:
        return (self._files / name).read_bytes()

    def tag(self, name: str, tags: list[str]) -> None:
        os.setxattr(self._files / name, "user.xdg.tags", ",".join(tags).encode())


@dataclass(frozen=True)
class Failed:
    """An operation that ended with an error."""

    at: float
    seconds: float
    what: str


@dataclass
class History:
    """What everybody did."""

    acknowledged: dict[str, list[tuple[float, int]]] = field(default_factory=dict)
    """By file: when each version was, and its number."""
    begun: dict[str, int] = field(default_factory=dict)
    later: list[str] = field(default_factory=list)
    """Files that were made while nobody could be reached: they may have waited on the machine of who made them."""
    tags: dict[str, set[str]] = field(default_factory=dict)
    failures: list[Failed] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    """What cannot have been so."""
    done: int = 0
    slowest: float = 0.0
    _seen: dict[tuple[str, str], int] = field(default_factory=dict)
    """By who and file: the newest version that they found there or wrote."""
    _back: float = 0.0
    """When all parts were there again without which nothing works; inf: one is missing."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)

    def _attempt(self, what: str, client: Client, act: Callable[[], object]) -> bool:
        began = time.monotonic()
        try:
            act()
        except (OSError, DriveError) as error:
            began = max(began, client.began)
            with self._lock:
                text = f"{what}: {type(error).__name__}: {error}"
                self.failures.append(Failed(began, time.monotonic() - began, text))
            self._stop.wait(0.1)
            return False
        with self._lock:
            self.done += 1
            self.slowest = max(self.slowest, time.monotonic() - began)
        return True

    @contextmanager
    def without(self) -> Iterator[None]:
        """Meanwhile a part is missing without which nothing works."""
        self._back = math.inf
        try:
            yield
        finally:
            self._back = time.monotonic()

    def _least(self, who: str, name: str, delay: float) -> int:
        """The oldest version that a read of somebody may find, if it begins now."""
        own, now = name.startswith((f"{who}-", f"{who}/")), time.monotonic()
        with self._lock:
            seen = self._seen.get((who, name), 0)
            if delay and now - (0.0 if own else delay) < self._back:
                return seen
            before = now if own or "/" in name else now - delay  # nobody can have remembered what was there before
            return max((seen, *(number for when, number in self.acknowledged[name] if when <= before)))

    def check(self, who: str, name: str, client: Client) -> None:
        """One read of a file that was acknowledged, by somebody."""
        least = self._least(who, name, client.delay)
        if not least and time.monotonic() - client.delay >= self._back:
            return  # it need not have heard that there is such a file
        data = b""

        def act() -> None:
            nonlocal data
            try:
                data = client.read(name)
            except (FileNotFoundError, NotFound):
                if least:
                    self.broken.append(f"{who} reads {name}: it is not there")
                raise

        if self._attempt(f"{who} reads {name}", client, act):
            found = number_of(name, data)
            with self._lock:
                self._seen[who, name] = max(least, found)
                if not least <= found <= self.begun[name]:
                    wrong = f"{who} reads {name}: {found}, not {least}..{self.begun[name]}; {parts(name, data)}"
                    self.broken.append(wrong)

    def _write(self, who: str, client: Client, name: str) -> None:
        with self._lock:
            number = self.begun[name] = self.begun.get(name, 0) + 1
        if self._attempt(f"{who} writes {name}", client, lambda: client.write(name, content(name, number))):
            with self._lock:
                self.acknowledged.setdefault(name, []).append((time.monotonic(), number))
                self._seen[who, name] = number

    def _make(self, who: str, client: Client) -> None:
        """A few new files one after the other, as a copied folder comes."""
        for _ in range(_NEW):
            name = f"{who}/{next(_NUMBERS)}"
            self.begun[name] = 1
            there = not client.delay or time.monotonic() - _SETTLED >= self._back
            if self._attempt(f"{who} makes {name}", client, functools.partial(client.make, name, content(name, 1))):
                with self._lock:
                    if there and not math.isinf(self._back):
                        self.acknowledged[name] = [(time.monotonic(), 1)]
                        self._seen[who, name] = 1
                    else:
                        self.later.append(name)

    def came(self, name: str, client: Client) -> bool:
        """Whether what was made meanwhile is there by now, as one of those sees it who wait for nothing."""
        try:
            return number_of(name, client.read(name)) == 1
        except NotFound:
            return False

    def _tag(self, who: str, client: Client, name: str, tag: str) -> None:
        wanted = sorted({*self.tags.get(name, set()), tag})
        if self._attempt(f"{who} tags {name}", client, lambda: client.tag(name, wanted)):
            with self._lock:
                self.tags[name] = set(wanted)

    def _work(self, who: str, client: Client) -> None:
        chance = random.Random(who)
        names = [f"{who}-{number}" for number in range(_FILES)]
        while not self._stop.is_set():
            name = chance.choice(names)
            move = chance.random()
            if move < 0.35 or name not in self.acknowledged:
                self._write(who, client, name)
            elif move < 0.4:
                self._make(who, client)
            elif move < 0.5:
                self._tag(who, client, name, f"tag{chance.randrange(_TAGS)}")
            else:
                with self._lock:
                    known = list(self.acknowledged)
                new = [name for name in known if "/" in name][-_LATELY:]
                old = sorted(name for name in known if "/" not in name)
                self.check(who, chance.choice(new if new and chance.random() < 0.3 else old), client)

    @contextmanager
    def kept(self, clients: dict[str, Client]) -> Iterator[None]:
        """All of them work, each on a thread, until the block is left."""
        threads = [threading.Thread(target=self._work, args=one, daemon=True) for one in clients.items()]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(60)
        assert not any(thread.is_alive() for thread in threads), "a client hangs"

    def goes_on(self, count: int, seconds: float) -> None:
        """Returns when so many further operations were done; AssertionError when that takes longer."""
        wanted, deadline = self.done + count, time.monotonic() + seconds
        while self.done < wanted:
            assert time.monotonic() < deadline, f"{self.done - wanted + count} of {count}; {self.failures[-3:]}"
            self._stop.wait(0.05)

    def failed_since(self, when: float) -> list[Failed]:
        with self._lock:
            return [one for one in self.failures if one.at + one.seconds >= when]
