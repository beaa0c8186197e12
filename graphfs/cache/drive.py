"""`CachedDrive`: the drive of a server as a mount uses it. Blobs come from the local disk where they can; while the
server is away, so does everything it said lately. What changes something is the server's alone.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import msgspec

from graphfs.cache.ahead import Ahead
from graphfs.cache.blobs import BlobCache
from graphfs.cache.fetching import Fetching
from graphfs.cache.keeping import Keeping
from graphfs.cache.memory import Memory
from graphfs.cache.pins import Pins
from graphfs.client import HttpDrive
from graphfs.errors import NotFound, ReadOnly, Unavailable
from graphfs.model import Caller, Entry, Event, EventKind, Layout, Link, Node, Patch, Replace, Status, View, ViewEntry
from graphfs.wire.address import Address

log = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])


def _last_answer(method: F) -> F:
    """The call; while the server is away, its last answer to the same question by the same caller."""

    @wraps(method)
    def call(drive: "CachedDrive", *given: Any, **named: Any) -> Any:
        question = (method.__name__, *map(_plain, given), *((key, _plain(named[key])) for key in sorted(named)))
        try:
            found = method(drive, *given, **named)
        except Unavailable:
            return drive.memory.answer(question)
        drive.memory.answered(question, found)
        return found

    return cast("F", call)


def _plain(value: object) -> object:
    """A caller without its process, a sequence that can be a key."""
    if isinstance(value, Caller):
        return (value.uid, value.gid, value.groups)
    return tuple(value) if isinstance(value, list) else value


class Waiting(NamedTuple):
    """What a mount has not sent yet, and what it kept beside."""

    files: int = 0
    unsent: int = 0
    conflicts: tuple[str, ...] = ()


class CachedDrive(HttpDrive):
    """See `graphfs.api.Drive` for every call."""

    def __init__(
        self,
        address: Address,
        cache: BlobCache,
        own: Callable[[int], bool] = lambda origin: False,
        *,
        believed: float = 0.0,
        **connection: Any,
    ) -> None:
        """`own`: whether an event's origin is a call of ours, whose outcome is known. `believed`: seconds for which a
        kernel believes what a listing says of the names in it. `connection`: as `HttpDrive` takes it."""
        super().__init__(address, **connection)
        self._ahead = Ahead(self.children, lambda: self.asker.changes, believed) if believed else None
        self.memory = Memory()
        self._own = own
        self.waiting: Callable[[], Waiting] = Waiting
        """What the mount has not sent yet; it says how to ask."""
        self.cache = cache
        self._fetching = Fetching(cache, self._whole)
        self._keeping: Keeping | None = None

    def keep(self, pins: Pins) -> None:
        """From now on what is pinned is kept here, and followed."""
        self._keeping = keeping = Keeping(pins, self, self.cache, self._fetching.bring)
        self.asker.outage.watch(lambda away: None if away else keeping.back())
        keeping.start()

    @property
    def away(self) -> bool:
        """Whether the server has been away for longer than one waits."""
        return self.asker.outage.away

    def _whole(self, digest: bytes) -> bytes:
        return super().read_blob(digest, 0, self.chunk_size())

    # -- the tree

    def node(self, caller: Caller, node: int) -> Node:
        try:
            found = super().node(caller, node)
        except Unavailable:
            return self.memory.node(node)
        self.memory.seen([found])
        return found

    def lookup(self, caller: Caller, folder: int, name: str) -> Node:
        try:
            found = super().lookup(caller, folder, name)
        except NotFound:
            self.memory.named(folder, name, None)
            raise
        except Unavailable:
            return self.memory.lookup(folder, name)
        self.memory.named(folder, name, found)
        return found

    def look(self, caller: Caller, folder: int, name: str) -> Node:
        """`lookup` for a kernel, which believes for a while what it is told: a name may be answered from a listing of
        just now."""
        ahead = self._ahead
        if ahead is None:
            return self.lookup(caller, folder, name)
        found = ahead.known(caller, folder, name)
        if found is None:
            found = self.lookup(caller, folder, name)
            ahead.asked(caller, folder, name)
        return found

    def children(self, caller: Caller, folder: int, after: int = 0, limit: int = 0) -> list[Entry]:
        try:
            found = super().children(caller, folder, after, limit)
        except Unavailable:
            return self.memory.children(folder, after, limit)
        self.memory.listed(folder, after, found)
        return found

    def create(
        self,
        caller: Caller,
        folder: int,
        name: str,
        mode: int,
        *,
        rdev: int = 0,
        target: str = "",
        tags: Sequence[str] = (),
        draft: bool = False,
    ) -> Node:
        found = super().create(caller, folder, name, mode, rdev=rdev, target=target, tags=tags, draft=draft)
        self.memory.named(folder, name, found)
        return found

    def link(self, caller: Caller, node: int, folder: int, name: str) -> Node:
        found = super().link(caller, node, folder, name)
        self.memory.named(folder, name, found)
        return found

    def unlink(self, caller: Caller, folder: int, name: str) -> None:
        super().unlink(caller, folder, name)
        self.memory.named(folder, name, None)

    def rmdir(self, caller: Caller, folder: int, name: str) -> None:
        super().rmdir(caller, folder, name)
        self.memory.named(folder, name, None)

    def rename(
        self, caller: Caller, folder: int, name: str, new_folder: int, new_name: str, replace: Replace = Replace.ALLOW
    ) -> None:
        super().rename(caller, folder, name, new_folder, new_name, replace)
        self.memory.renamed(folder, name, new_folder, new_name, exchanged=replace is Replace.EXCHANGE)

    def hold(self, node: int) -> None:
        """A server counts no holds of other machines: it keeps an open file that lost its last name for a day."""

    def release(self, node: int) -> None:
        """See `hold`."""

    readlink = _last_answer(HttpDrive.readlink)
    path = _last_answer(HttpDrive.path)
    file = _last_answer(HttpDrive.file)
    space = _last_answer(HttpDrive.space)
    xattr = _last_answer(HttpDrive.xattr)
    xattrs = _last_answer(HttpDrive.xattrs)
    view = _last_answer(HttpDrive.view)
    view_facets = _last_answer(HttpDrive.view_facets)
    find = _last_answer(HttpDrive.find)
    tags = _last_answer(HttpDrive.tags)
    edges = _last_answer(HttpDrive.edges)
    journal = _last_answer(HttpDrive.journal)
    _asked_status = _last_answer(HttpDrive.status)

    def status(self, caller: Caller) -> Status:
        waiting = self.waiting()
        pins = self._keeping.states() if self._keeping else ()
        link = Link(self.asker.outage.seconds, self.cache.size, waiting.files, waiting.unsent, waiting.conflicts, pins)
        return msgspec.structs.replace(self._asked_status(caller), link=link)

    def view_files(self, caller: Caller, path: Sequence[str], after: int = 0, limit: int = 0) -> list[ViewEntry]:
        view = _plain(caller), tuple(path)
        try:
            found = super().view_files(caller, path, after, limit)
        except Unavailable:
            return self.memory.view_files(view, after, limit)
        self.memory.viewed(view, after, limit, found)
        self.memory.seen([entry.node for entry in found])
        return found

    def view_entry(self, caller: Caller, path: Sequence[str], name: str) -> View | Node:
        """A folder that was made or listed here leads somewhere although nobody looked it up."""
        try:
            return self._asked_entry(caller, tuple(path), name)
        except Unavailable:
            with suppress(Unavailable):
                return self.view(caller, (*path, name))
            return self.memory.view_file((_plain(caller), tuple(path)), name)

    _asked_entry = _last_answer(HttpDrive.view_entry)

    # -- bytes

    def layout(self, caller: Caller, node: int) -> Layout:
        try:
            found = super().layout(caller, node)
        except Unavailable:
            return self.memory.layout(node)
        self.memory.laid_out(node, found)
        self._fetching.laid_out(found)
        return found

    def read_blob(self, digest: bytes, start: int, length: int) -> bytes:
        return self._fetching.read(digest, start, length)

    def put_blob(self, digest: bytes, source: Path | bytes, *, durable: bool) -> None:
        """What was written here is read here next."""
        data = source if isinstance(source, bytes) else source.read_bytes()
        super().put_blob(digest, data, durable=durable)
        self.cache.put(digest, data)
        if isinstance(source, Path):
            source.unlink(missing_ok=True)

    def commit(
        self,
        caller: Caller,
        node: int,
        base: int,
        size: int,
        patches: Sequence[Patch],
        *,
        mtime: int | None = None,
        durable: bool = False,
    ) -> Node:
        found = super().commit(caller, node, base, size, patches, mtime=mtime, durable=durable)
        for patch in patches:
            if patch.data is not None:
                self.cache.put(patch.digest, patch.data)
        self.memory.seen([found])
        return found

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """What is kept is told first."""

        def both(event: Event) -> None:
            if not self._own(event.origin):
                self.memory.changed(event)
                self._elsewhere_changed(event)
            if self._keeping is not None:
                self._keeping.changed(event)
            listener(event)

        return super().subscribe(both)

    def _elsewhere_changed(self, event: Event) -> None:
        if self._ahead is not None:
            if event.kind in (EventKind.NODE, EventKind.ENTRY):
                self._ahead.touched(event.node)
            elif event.kind is EventKind.RESET:
                self._ahead.forget()

    def close(self) -> None:
        if self._keeping is not None:
            self._keeping.close()
        self._fetching.close()
        try:
            super().close()
        except (Unavailable, ReadOnly) as error:
            log.warning("the server could not be asked to make everything durable: %s", error)
