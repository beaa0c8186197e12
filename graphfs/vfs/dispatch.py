"""What all calls of a mounted drive share: the drive, the rooms, the open files, and how a node is shown.

Which call means what is in `graphfs.vfs.names`, `graphfs.vfs.files` and `graphfs.vfs.filesystem`.
"""

import stat
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path

from graphfs.api import Drive
from graphfs.errors import NotFound, NotPermitted, Stale
from graphfs.model import SUPER_ROOT, Caller, Event, EventKind, Node
from graphfs.vfs.contents import INTERVAL, MEMORY, Away, Contents
from graphfs.vfs.interface import EVERYTHING, Attributes, Invalidation
from graphfs.vfs.invalidation import Invalidations
from graphfs.vfs.listing import Listing
from graphfs.vfs.locks import Locks
from graphfs.vfs.origins import Origins
from graphfs.vfs.room import Labels, Room, Show
from graphfs.vfs.shown import Refused, Shown, Verdict
from graphfs.vfs.xattrs import ExtendedAttributes

Look = Callable[[Caller, int, str], Node]
_EXACT = 1.0
"""Seconds within which a kernel that was told to look again has done so."""

TIMEOUT = 1.0
"""Seconds for which the kernel may believe names and attributes without asking."""

Rooms = Callable[[Show], Mapping[str, Room]]
"""Makes the rooms, by their names in the mount's root, from the way to show a node of the store."""


class Dispatch:
    """State that the calls share; `FileSystem` puts them together."""

    def __init__(
        self,
        drive: Drive,
        staging: Path,
        *,
        rooms: Rooms | None = None,
        labels: Labels | None = None,
        entry_timeout: float = TIMEOUT,
        attribute_timeout: float = TIMEOUT,
        remote: Origins | None = None,
        memory: int = MEMORY,
        interval: float = INTERVAL,
        clock: Callable[[], int] = time.time_ns,
        make_room: Callable[[], bool] = lambda: False,
        away: Away | None = None,
        look: Look | None = None,
    ) -> None:
        """`staging` is this mount's own folder for data under way. `memory`: bytes of a file that wait in memory.
        `interval`: seconds between looks at what waits. `make_room` frees some of the disk that stages when it is
        full; False: nothing can give way. `remote`: the drive is elsewhere, and knows this mount by this stamp; `away`:
        what is done while it cannot be reached; `look`: its `lookup` for a kernel that believes what it is told for as
        long as the time-outs say."""
        self.remote = remote is not None
        self._drive = drive
        self._look: Look = look or drive.lookup
        self._exact_until = 0.0
        self._exchanged_until = 0.0
        """When the kernel has heard that what it took along for a tag is one no more (`NameCalls.rename`)."""
        self._chunk = drive.chunk_size()
        self._invalidations = Invalidations(remote)
        self._shown = Shown(max(entry_timeout, attribute_timeout)) if self.remote else None
        self._refused = Refused(max(entry_timeout, attribute_timeout, 1.0))
        self._contents = Contents(
            drive,
            staging,
            memory=memory,
            interval=interval,
            clock=clock,
            changed=self._invalidations.pages,
            written=self._shown.told if self._shown is not None else lambda node, size, mtime: None,
            make_room=make_room,
            away=away,
        )
        self._locks = Locks(drive)
        self._files = self._contents.files
        self._accessed = self._contents.accessed
        self._entry_timeout = entry_timeout
        self._attribute_timeout = attribute_timeout
        self._doors = dict(rooms(self.attributes)) if rooms else {}
        self._rooms = list(dict.fromkeys(self._doors.values()))
        self._xattrs = ExtendedAttributes(drive, labels)
        self._small: dict[int, bytes] = {}
        """Content of open virtual files, by handle."""
        self._listings: dict[int, Listing] = {}
        self._removed: OrderedDict[int, Node] = OrderedDict()
        """Folders that were removed and that the kernel has not forgotten yet: somebody may be in one."""
        self._numbers = count(1)
        self._unsubscribe = drive.subscribe(self._on_event)

    def attributes(self, node: Node, listed: float = 0.0) -> Attributes:
        """A node of the store as stat shows it: with what was written to it and is not a version yet. `listed`: seconds
        for which the listing of a view is believed that it is in; settings under a second go before."""
        size, stored, atime, mtime, ctime = node.size, node.stored, node.atime, node.mtime, node.ctime
        number = node.id
        file = self._files.get(number) if self._files else None
        if file is not None:
            shown = file.mtime
            if shown is not None:
                size, stored, mtime, ctime = file.size, file.stored(), shown, max(ctime, file.written)
            elif file.node.version > node.version:  # it became a version after `node` was read
                newer = file.node
                size, stored, mtime, ctime = newer.size, newer.stored, newer.mtime, newer.ctime
        if self._accessed:
            atime = self._accessed.get(number, atime)
        links = node.links + node.tags if stat.S_ISREG(node.mode) else node.links
        entry_timeout, attribute_timeout = self._entry_timeout, self._attribute_timeout
        if listed and min(entry_timeout, attribute_timeout) < TIMEOUT:
            entry_timeout = min(entry_timeout, listed)
        elif listed:
            entry_timeout, attribute_timeout = listed, max(attribute_timeout, listed)
        return Attributes(
            number,
            node.mode,
            links,
            node.uid,
            node.gid,
            node.rdev,
            size,
            stored,
            atime,
            mtime,
            ctime,
            entry_timeout,
            attribute_timeout,
        )

    def told(self, found: Attributes) -> None:
        """The kernel has these attributes now. What is open of another version is read anew: the kernel would cut those
        bytes at this end, or pad them."""
        if self._shown is not None and stat.S_ISREG(found.mode):
            self._shown.told(found.id, found.size, found.mtime)
            file = self._files.get(found.id)
            if file is not None and not file.dirty and (file.node.size, file.node.mtime) != (found.size, found.mtime):
                file.stale = True

    def invalidated(self, invalidation: Invalidation) -> None:
        """The kernel has forgotten what it was told to. Of a drive that is elsewhere a newer version is read only from
        now on by who has the file open: before, it would be cut at the end of the old one."""
        if self.remote:
            self._overtaken(invalidation)

    def _overtaken(self, invalidation: Invalidation) -> None:
        if invalidation == EVERYTHING:
            for file in list(self._files.values()):
                file.stale = True
        elif not invalidation.name:
            open_here = self._files.get(invalidation.node)
            if open_here is not None:
                open_here.stale = True

    def _on_event(self, event: Event) -> None:
        """Quick, and without any lock of a file: it may come on the thread of whoever made the change."""
        for listing in list(self._listings.values()):
            listing.changed(event)
        foreign = self._invalidations.foreign(event)
        if foreign or event.kind is not EventKind.NODE:
            for room in self._rooms:
                for forgotten in room.stale(event):
                    self._invalidations.put(forgotten)
        if not foreign:
            return
        at_once = not (self.remote and self._invalidations.watched)
        if at_once and event.kind in (EventKind.NODE, EventKind.RESET):
            self._overtaken(Invalidation(event.node) if event.kind is EventKind.NODE else EVERYTHING)
        self._invalidations.event(event)

    def _indirectly(self, caller: Caller) -> AbstractContextManager[None]:
        self._invalidations.own(caller)
        return self._invalidations.indirect()

    def _check_current(self, node: Node) -> None:
        """Stale when the kernel still takes a name for a file that another mount has replaced or removed: what was
        done to it would be lost. A file that is open here may have lost its names here."""
        if self.remote and node.links == 0 and stat.S_ISREG(node.mode) and node.id not in self._files:
            raise self._stale("another mount has replaced the file: its name leads to the new one")

    def _past_the_cache(self, node: Node) -> bool:
        """Whether an open of the file must go past what the kernel knows of its size. Stale: the kernel shall look
        first, for another mount has made a version since it was told."""
        if self._shown is None:
            return False
        file = self._files.get(node.id)
        if file is not None and file.dirty:
            return False  # the kernel knows what is being written here, the server does not yet
        verdict = self._shown.verdict(node.id, node.size, node.mtime)
        if verdict is Verdict.LOOK_AGAIN:
            raise self._stale("another mount has written the file since the kernel was told of it")
        return verdict is Verdict.PAST_THE_CACHE

    def _stale(self, why: str) -> Stale:
        """The kernel looks the name up again, once: what it is told then has to be as it is."""
        self._exact_until = time.monotonic() + _EXACT
        return Stale(why)

    def _known(self, caller: Caller, node: int) -> Node:
        try:
            return self._drive.node(caller, node)
        except NotFound:
            removed = self._removed.get(node)
            if removed is None:
                raise
            return removed

    def _joined(self, node: int) -> int:
        for room in self._rooms:
            node = room.joined(node)
        return node

    def _room(self, node: int) -> Room:
        for room in self._rooms:
            if room.owns(node):
                return room
        raise NotFound("this query is not known any more")

    def _writable(self, caller: Caller, folder: int) -> None:
        if folder == SUPER_ROOT:
            raise NotPermitted("the root of the drive holds its own folders only")
        self._invalidations.own(caller)
