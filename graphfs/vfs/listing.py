"""Listings of open folders: where reading goes on, and what it sees while things come and go.

A store folder is read by pages in the order of age, so nothing that stays is missed or seen twice; a query is a
snapshot.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

from graphfs.api import Drive
from graphfs.errors import NotFound
from graphfs.model import SUPER_ROOT, Caller, Node
from graphfs.vfs.interface import Attributes, DirectoryEntry

FIRST_PAGE = 128
PAGE = 1024
"""Entries that are asked for at once: a folder of a few costs little, one of many few calls."""
FIRST_DOOR = 2**61
"""Cookies from here on are those of the rooms in the mount's root: behind all that the store gives."""


class Listing(Protocol):
    """An open folder."""

    def entries(self, after: int) -> Iterator[DirectoryEntry]:
        """What comes after this cookie; 0 starts anew, and sees what there is now."""
        ...


class StoreListing:
    """A folder of the store; in the mount's root with the doors to the rooms behind it."""

    def __init__(
        self,
        drive: Drive,
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

    def entries(self, after: int) -> Iterator[DirectoryEntry]:
        show, root = self._show, self._folder == SUPER_ROOT
        limit = FIRST_PAGE
        while after < FIRST_DOOR:
            try:
                page = self._drive.children(self._caller, self._folder, after, limit)
            except NotFound:  # removed while it is open: it is empty
                return
            for entry in page:
                if not root or entry.name == "files" or entry.name.startswith(".Trash-"):
                    yield DirectoryEntry(entry.name, show(entry.node), entry.cookie)
            if len(page) < limit:
                break
            after, limit = page[-1].cookie, PAGE
        if self._doors is not None:
            for number, (name, attributes) in enumerate(self._doors(self._caller), FIRST_DOOR):
                if number > after:
                    yield DirectoryEntry(name, attributes, number)


class RoomListing:
    """A folder that is a query: a snapshot, made when reading starts."""

    def __init__(self, ask: Callable[[], list[DirectoryEntry]]) -> None:
        self._ask = ask
        self._snapshot: list[DirectoryEntry] | None = None

    def entries(self, after: int) -> Iterator[DirectoryEntry]:
        if self._snapshot is None or after == 0:
            self._snapshot = self._ask()
        return iter(self._snapshot[after:])
