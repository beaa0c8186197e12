"""Keeps what is pinned on this machine: looks at it through the drive, so that names and listings are remembered, and
fetches the blobs that are missing. Again after every change of it."""

import logging
import stat
import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from graphfs.api import Content, Tree, Views
from graphfs.cache.pins import Pin, Pins
from graphfs.errors import DriveError, Unavailable
from graphfs.model import SUPER_ROOT, Caller, Event, EventKind, Layout, Node, PinState, View

log = logging.getLogger(__name__)

_LOOK = 1.0
"""Seconds between looks at the list of pins, and after a change before it is followed: changes come in swarms."""
_AGAIN = 2.0
"""Seconds until what failed is tried again."""
_VIEWS = "tags"


class Shown(Tree, Content, Views, Protocol):
    """What is needed of the drive."""


class Blobs(Protocol):
    """Where blobs are kept."""

    def keep(self, digests: set[bytes]) -> None:
        """These never give way to others; those that were kept before may."""
        ...

    def has(self, digest: bytes) -> bool: ...


class Keeping:
    """One thread. It begins with `start`."""

    def __init__(self, pins: Pins, drive: Shown, blobs: Blobs, fetch: Callable[[bytes], object]) -> None:
        """`fetch` brings a blob into `blobs`."""
        self._pins = pins
        self._drive = drive
        self._blobs = blobs
        self._fetch = fetch
        self._wake = threading.Event()
        self._closed = False
        self._watched: set[int] = set()
        """Folders and files that were seen on the last walk."""
        self._views = False
        self._layouts: dict[int, Layout] = {}
        """Of the pinned files, by node."""
        self._states: tuple[PinState, ...] = ()
        self._thread = threading.Thread(target=self._run, name="pins", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def states(self) -> tuple[PinState, ...]:
        """How far each pin is; those that were not looked at yet are not ready."""
        known = {one.path: one for one in self._states}
        try:
            pins = self._pins.read()
        except DriveError:
            return self._states
        return tuple([known.get(pin.path, PinState(pin.path, 0, 0, 0, False)) for pin in pins])

    def changed(self, event: Event) -> None:
        """It must be quick: only notes that something pinned may be another thing now."""
        concerns = event.kind is EventKind.RESET or event.node in self._watched
        if concerns or (self._views and event.kind is EventKind.TAGS):
            self._wake.set()

    def back(self) -> None:
        """The server is there again."""
        if self._watched or self._views:
            self._wake.set()

    def _run(self) -> None:
        stamp, failed = 0, False
        while not self._closed:
            new = self._pins.stamp()
            if new != stamp or self._wake.is_set():
                stamp = new
                self._wake.clear()
                failed = not self._keep()
            self._pause(_AGAIN if failed else _LOOK)
            if failed:
                self._wake.set()

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._closed and time.monotonic() < end:
            time.sleep(min(0.1, seconds))

    def _keep(self) -> bool:
        """False: something could not be had now."""
        try:
            pins = self._pins.read()
        except DriveError as error:
            log.warning("nothing is pinned: %s", error)
            return False
        walk = _Walk(self._drive, self._layouts)
        found: list[tuple[Pin, set[bytes], int, str]] = []
        self._views = any(pin.path.split("/")[0] == _VIEWS for pin in pins)
        good = True
        for pin in pins:
            walk.begin()
            why = ""
            try:
                walk.path(pin.caller, pin.path.split("/"))
            except Unavailable:
                return False  # what is kept stays as it is
            except DriveError as failure:
                why = str(failure) or failure.code
            found.append((pin, walk.digests, walk.files, why))
        self._watched = walk.watched
        self._layouts = walk.layouts
        wanted = {digest for _, digests, _, _ in found for digest in digests}
        self._blobs.keep(wanted)
        self._tell(found)
        for _, digests, _, _ in found:
            for digest in digests:
                if self._closed or (self._wake.is_set() and not good):
                    return False
                if not self._blobs.has(digest):
                    try:
                        self._fetch(digest)
                    except DriveError as failure:
                        log.info("a pinned content is not here yet: %s", failure)
                        good = False
            self._tell(found)
        return good

    def _tell(self, found: list[tuple[Pin, set[bytes], int, str]]) -> None:
        states = []
        for pin, digests, files, error in found:
            missing = sum([not self._blobs.has(digest) for digest in digests])
            states.append(PinState(pin.path, files, len(digests), missing, not missing and not error, error))
        self._states = tuple(states)

    def close(self) -> None:
        self._closed = True
        if self._thread.is_alive():
            self._thread.join()


class _Walk:
    """Looks at everything below some paths, once, asking for the layouts of new versions only."""

    def __init__(self, drive: Shown, known: dict[int, Layout]) -> None:
        self._drive = drive
        self._known = known
        self.layouts: dict[int, Layout] = {}
        self.watched: set[int] = set()
        self.digests: set[bytes] = set()
        self.files = 0

    def begin(self) -> None:
        """Another pin."""
        self.digests, self.files = set(), 0

    def path(self, caller: Caller, parts: list[str]) -> None:
        drive = self._drive
        if parts[0] == _VIEWS:
            found = drive.view_entry(caller, parts[1:-1], parts[-1]) if len(parts) > 1 else drive.view(caller, ())
            for end in range(1, len(parts)):
                drive.view(caller, tuple(parts[1:end]))
            self._view(caller, tuple(parts[1:])) if isinstance(found, View) else self._node(caller, found)
            return
        node = drive.node(caller, SUPER_ROOT)
        for name in parts:
            self.watched.add(node.id)
            node = drive.lookup(caller, node.id, name)
        self._node(caller, node)

    def _view(self, caller: Caller, path: tuple[str, ...]) -> None:
        self._drive.view(caller, path)
        self._drive.view_facets(caller, path)
        for entry in self._drive.view_files(caller, path):
            self._node(caller, entry.node)

    def _node(self, caller: Caller, node: Node) -> None:
        pending = [node]
        while pending:
            one = pending.pop()
            self.watched.add(one.id)
            if stat.S_ISDIR(one.mode):
                pending += list(self._children(caller, one.id))
            elif stat.S_ISREG(one.mode):
                self._file(caller, one)
            elif stat.S_ISLNK(one.mode):
                self._drive.readlink(caller, one.id)

    def _children(self, caller: Caller, folder: int) -> Iterator[Node]:
        after = 0
        while entries := self._drive.children(caller, folder, after, 4096):
            yield from [entry.node for entry in entries]
            after = entries[-1].cookie

    def _file(self, caller: Caller, node: Node) -> None:
        self.files += 1
        layout = self._known.get(node.id)
        if layout is None or layout.version != node.version:
            layout = self._drive.layout(caller, node.id)
        self.layouts[node.id] = layout
        self.digests.update(extent.digest for extent in layout.extents)
