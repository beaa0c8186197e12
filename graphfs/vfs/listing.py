"""Listings of open folders: a store's folder page by page, a query as a snapshot. Not what a folder is.

The kernel asks for some entries at a time and believes the attributes it gets with them, so what was read ahead must
not be older than the request: a listing is told of every change, and reads again what it concerns.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Protocol

import msgspec

from graphfs.api import Tree
from graphfs.errors import NotFound
from graphfs.model import SUPER_ROOT, Caller, Entry, Event, EventKind, Node
from graphfs.vfs.interface import Attributes, DirectoryEntry
from graphfs.vfs.room import FIRST_VIRTUAL_ID
from graphfs.vfs.snapshot import Snapshot

FIRST_PAGE = 256
PAGE = 2048
FIRST_DOOR = 1 << 61
"""Cookies of the entries that a root shows behind those of the store."""


class Listing(Protocol):
    """An open folder."""

    @property
    def ready(self) -> bool:
        """Whether reading on takes no longer than a short call."""
        ...

    def entries(self, after: int) -> Iterator[DirectoryEntry]:
        """The entries behind this cookie."""
        ...

    def changed(self, event: Event) -> None:
        """Something changed that may have been read ahead. Called before anyone learns of the change by other ways."""
        ...


class StoreListing:
    """A folder of the store; in the mount's root with the doors to the rooms behind it."""

    ready = True

    def __init__(
        self,
        drive: Tree,
        caller: Caller,
        folder: int,
        show: Callable[[Node], Attributes],
        doors: Callable[[Caller], list[tuple[str, Attributes]]] | None,
    ) -> None:
        self._drive = drive
        self._caller = caller
        self._folder = folder
        self._show = show
        self._doors = doors
        self._page: list[Entry] = []
        self._nodes: frozenset[int] | None = None
        """Ids in the page, made when something changes."""
        self._limit = FIRST_PAGE

    def changed(self, event: Event) -> None:
        if not self._page:
            return
        if event.kind is EventKind.NODE:
            if self._nodes is None:
                self._nodes = frozenset(entry.node.id for entry in self._page)
            if event.node not in self._nodes:
                return
        elif event.kind is not EventKind.RESET and (event.kind, event.node) != (EventKind.ENTRY, self._folder):
            return
        self._page, self._nodes, self._limit = [], None, FIRST_PAGE

    def _read(self, after: int) -> list[Entry]:
        """What stands behind the cookie: the rest of the page, or the next one."""
        page = self._page
        if page and page[0].cookie <= after < page[-1].cookie:
            return page[bisect_right(page, after, key=_cookie) :]
        try:
            page = self._drive.children(self._caller, self._folder, after, self._limit)
        except NotFound:  # removed while it is open: it is empty
            page = []
        self._page, self._nodes, self._limit = page, None, PAGE
        return page

    def entries(self, after: int) -> Iterator[DirectoryEntry]:
        show, root = self._show, self._folder == SUPER_ROOT
        while after < FIRST_DOOR and (rest := self._read(after)):
            for entry in rest:
                if not root or entry.name == "files" or entry.name.startswith(".Trash-"):
                    yield DirectoryEntry(entry.name, show(entry.node), entry.cookie)
            after = rest[-1].cookie
        if self._doors is not None:
            for number, (name, attributes) in enumerate(self._doors(self._caller), FIRST_DOOR):
                if number > after:
                    yield DirectoryEntry(name, attributes, number)


class RoomListing:
    """A folder that is a query: asked when it is opened, and when reading starts anew. Its first entries are read then,
    others when somebody gets there."""

    def __init__(
        self,
        ask: Callable[[], Iterable[DirectoryEntry]],
        refresh: Callable[[int], Attributes],
        files: Collection[int],
    ) -> None:
        """`refresh`: the attributes of a node as they are now; `files`: those that are open, whose attributes may have
        changed without an event."""
        self._ask = ask
        self._refresh = refresh
        self._files = files
        self._snapshot: Snapshot | None = None
        self._unread = False
        self._touched: set[int] = set()

    def open(self) -> None:
        """NotFound when there is no such folder."""
        self._snapshot, self._unread = Snapshot(self._ask()), True

    @property
    def ready(self) -> bool:
        return self._snapshot is not None and self._snapshot.ready

    def changed(self, event: Event) -> None:
        if event.kind is EventKind.NODE and self._snapshot is not None:
            self._touched.add(event.node)

    def entries(self, after: int) -> Iterator[DirectoryEntry]:
        snapshot = self._snapshot
        if snapshot is None or (after == 0 and not self._unread):
            self._touched = set()
            snapshot = self._snapshot = Snapshot(self._ask())
        self._unread = False
        touched, files = self._touched, self._files
        if not touched and not files:
            yield from snapshot.after(after)
            return
        for entry in snapshot.after(after):
            node = entry.attributes.id
            if (node in touched or node in files) and node < FIRST_VIRTUAL_ID:
                try:
                    yield DirectoryEntry(entry.name, self._now(entry.attributes), entry.cookie)
                except NotFound:  # deleted meanwhile
                    continue
            else:
                yield entry

    def _now(self, old: Attributes) -> Attributes:
        return msgspec.structs.replace(
            self._refresh(old.id), entry_timeout=old.entry_timeout, attribute_timeout=old.attribute_timeout
        )


def _cookie(entry: Entry) -> int:
    return entry.cookie
