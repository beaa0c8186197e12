"""`LendingDrive`: a mount's drive that makes new small files here, in folders that the server lent it, and tells the
server of them a moment later, many at once. Whatever else is asked of them waits until they were told of.

So a name that is not there costs no question, a new file no round trip, and nobody elsewhere sees less than was closed:
who looks into a lent folder has it recalled first.
"""

import inspect
import logging
import stat
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import wraps
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from graphfs.cache.blobs import BlobCache
from graphfs.cache.drive import CachedDrive
from graphfs.cache.journal import FILE, Journal, Mounts, unsent
from graphfs.cache.lent import PATIENCE, LentFolders
from graphfs.cache.telling import Teller
from graphfs.cache.waiting import Waiting
from graphfs.client.drive import trust_for
from graphfs.client.outage import Outage
from graphfs.client.retry import Policy
from graphfs.errors import (
    AccessDenied,
    Conflict,
    DriveError,
    NotFound,
    NotPermitted,
    NotSupported,
    TooLarge,
    Unavailable,
)
from graphfs.loans import Making, mount_of
from graphfs.model import (
    AttributeChange,
    Caller,
    Event,
    EventKind,
    Extent,
    Layout,
    Node,
    Patch,
    Replace,
    Status,
    XattrMode,
)
from graphfs.wire.address import parse_address

log = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])

ENOUGH = 2
"""So many new names in a folder, one after the other, and it is asked for."""
SOON = 5.0
"""Seconds within which they count: a server that has much to do may take long for each."""
SHORTEST, LONGEST = 1.0, 60.0
"""Seconds until a folder that was recalled, or refused, is asked for again: the first time, and at most."""
_REMEMBERED = 256
_SUBJECTS = ("node", "folder", "new_folder", "files")
"""Fields that say what a call is about."""


def _when_told(method: F) -> F:
    """The call, once the server has all that it is about; of what says nothing of that, everything."""
    names = list(inspect.signature(method).parameters)[1:]
    about = [(at, name) for at, name in enumerate(names) if name in _SUBJECTS]

    @wraps(method)
    def call(drive: "LendingDrive", *given: Any, **named: Any) -> Any:
        ids: set[int] = set()
        for at, name in about:
            value = given[at] if at < len(given) else named.get(name, ())
            ids |= {value} if isinstance(value, int) else set(value)
        drive.tell(ids if about else None)
        return method(drive, *given, **named)

    return cast("F", call)


class _Server:
    """The server itself, behind what is made here."""

    def __init__(self, drive: CachedDrive) -> None:
        self._drive = drive

    def make(self, caller: Caller, files: Sequence[Making]) -> list[Node]:
        return CachedDrive.make(self._drive, caller, files)

    def inherit(self, caller: Caller, mounts: Sequence[int]) -> list[int]:
        return CachedDrive.inherit(self._drive, caller, mounts)

    def hand_back(self, caller: Caller, folders: Sequence[int]) -> None:
        CachedDrive.hand_back(self._drive, caller, folders)

    def node(self, caller: Caller, node: int) -> Node:
        return CachedDrive.node(self._drive, caller, node)

    def put_blob(self, digest: bytes, source: bytes, *, durable: bool) -> None:
        CachedDrive.put_blob(self._drive, digest, source, durable=durable)

    def recover(self, caller: Caller, path: str, layout: Layout) -> int:
        return CachedDrive.recover(self._drive, caller, path, layout)


class LendingDrive(CachedDrive):
    """See `graphfs.api.Drive` for every call."""

    def __init__(
        self, *given: Any, state: Path, mount: int, serving: Callable[[], None] = lambda: None, **named: Any
    ) -> None:
        """`state`: the mount's state directory; `mount`: its number, as its callers are stamped. `serving`: said on the
        thread that tells the server what this mount's kernel asked for."""
        super().__init__(*given, **named)
        self._mounts, self._mount = Mounts(state), mount
        dead = self._mounts.read()
        with suppress(DriveError):  # a full disk: should this mount die, its loans end by themselves
            self._mounts.write([*dead, mount])
        before = unsent(state / FILE)
        self._journal = Journal(state / FILE)
        self.folders = LentFolders(lambda made: self._journal.made([made.record()]))
        self._teller = Teller(self.folders, _Server(self), serving, self._told, self._elsewhere, dead, self._inherited)
        self._listeners: list[Callable[[Event], None]] = []
        self._lends = True
        self._made: OrderedDict[int, tuple[int, float]] = OrderedDict()
        """How many names were made in a folder lately, and when the last one was."""
        self._rests: OrderedDict[int, tuple[float, float]] = OrderedDict()
        """Until when a folder is not asked for, and for how long that is."""
        if before:
            log.warning("%d new files of a mount that died are sent now", len(before))
            self._journal.made(before)
            for made in before:
                self.folders.before(made)
        self._teller.start()

    # -- what the server is told

    def tell(self, ids: set[int] | None = None) -> None:
        """Returns when the server has what was made of these nodes, and in these folders (None: everything).
        Unavailable: it takes nothing."""
        folders = self.folders
        concerned = folders.concerned(ids)
        if not concerned:
            return
        with folders.changed:
            while folders.any_left(concerned):
                if not folders.progress(PATIENCE):
                    raise Unavailable("what was made here waits for the server")

    def _told(self, some: Sequence[Waiting], made: Sequence[Node]) -> None:
        for one, node in zip(some, made, strict=True):
            self.memory.named(one.folder, one.name, node)
        self._journal.told([one.node.id for one in some])

    def _inherited(self) -> None:
        """What was lent to those before is lent to this one."""
        with suppress(DriveError):  # they are asked for once more, in vain
            self._mounts.write([self._mount])

    def _elsewhere(self, one: Waiting) -> None:
        """The kernel believes in a name that leads elsewhere."""
        for listener in self._listeners:
            listener(Event(0, EventKind.ENTRY, one.folder, one.name))

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """What is recalled is seen to on the way."""

        def both(event: Event) -> None:
            self._heard(event)
            listener(event)

        self._listeners = [*self._listeners, listener]
        return super().subscribe(both)

    def _heard(self, event: Event) -> None:
        if event.kind is EventKind.RECALL:
            if self.folders.lent(event.node):
                self._rest(event.node)
            self.folders.recall([event.node])
        elif event.kind is EventKind.RESET:
            self.folders.recall(None)
        elif event.kind is EventKind.NODE and not self._own(event.origin):
            self.folders.others(event.node)

    # -- borrowing

    def _borrow(self, caller: Caller, folder: int) -> None:
        """Asks for a folder in which names are made one after the other."""
        now = time.monotonic()
        count, last = self._made.get(folder, (0, 0.0))
        count = count + 1 if now - last < SOON else 1
        self._made[folder] = count, now
        self._made.move_to_end(folder)
        if len(self._made) > _REMEMBERED:
            self._made.popitem(last=False)
        if count < ENOUGH or not self._lends or (self.folders.lent(folder) and not self.folders.without_ids):
            return
        if now < self._rests.get(folder, (0.0, 0.0))[0] or not self.folders.asking(folder):
            return
        try:
            self.folders.lend(super().lend(caller, folder), now)
        except (NotSupported, NotPermitted, AccessDenied):
            self._lends = False  # this server, or whoever mounted here, does not
        except (Conflict, TooLarge) as error:
            log.debug("a folder is not lent: %s", error)
            self._rest(folder)
        except DriveError as error:
            log.info("a folder could not be asked for: %s", error)
            self._rest(folder)
        finally:
            self.folders.refused(folder)

    def _rest(self, folder: int) -> None:
        """Somebody else is at work there."""
        _, pause = self._rests.get(folder, (0.0, SHORTEST / 2))
        pause = min(2 * pause, LONGEST)
        self._rests[folder] = (time.monotonic() + pause, pause)
        self._rests.move_to_end(folder)
        if len(self._rests) > _REMEMBERED:
            self._rests.popitem(last=False)

    # -- the tree

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
        plain = (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) and not tags
        if plain and self.folders.lent(folder):
            if self.folders.node(folder) is None:
                self.node(caller, folder)
            made = self.folders.make(caller, folder, name, mode)
            if made is not None:
                return made
        self.tell({folder})
        found = super().create(caller, folder, name, mode, rdev=rdev, target=target, tags=tags, draft=draft)
        self.folders.named(folder, name)
        if plain:
            self._borrow(caller, folder)
        return found

    def lookup(self, caller: Caller, folder: int, name: str) -> Node:
        made = self._made_here(folder, name)
        return self._as_here(caller, super().lookup(caller, folder, name)) if made is None else made

    def _as_here(self, caller: Caller, found: Node) -> Node:
        """Of a folder in which names are made here the server's record is a moment old."""
        return self.node(caller, found.id) if self.folders.lent(found.id) else found

    def _made_here(self, folder: int, name: str) -> Node | None:
        """None: it has to be asked for. NotFound."""
        try:
            return self.folders.lookup(folder, name)
        except NotFound:
            self.memory.named(folder, name, None)
            raise

    def look(self, caller: Caller, folder: int, name: str) -> Node:
        """What was made here is known better than from a listing."""
        made = self._made_here(folder, name)
        return self._as_here(caller, super().look(caller, folder, name)) if made is None else made

    def node(self, caller: Caller, node: int) -> Node:
        made = self.folders.node(node)
        if made is not None:
            return made
        self.tell({node})
        found = super().node(caller, node)
        self.folders.seen(found)
        return found

    def settle(self) -> None:
        if not self.folders.close_all():
            super().settle()

    def link(self, caller: Caller, node: int, folder: int, name: str) -> Node:
        self.tell({node, folder})
        found = super().link(caller, node, folder, name)
        self.folders.named(folder, name)
        return found

    def rename(
        self, caller: Caller, folder: int, name: str, new_folder: int, new_name: str, replace: Replace = Replace.ALLOW
    ) -> None:
        self.tell({folder, new_folder})
        moved, other = self._named_folder(caller, folder, name), self._named_folder(caller, new_folder, new_name)
        super().rename(caller, folder, name, new_folder, new_name, replace)
        self.folders.others(moved)
        if replace is Replace.EXCHANGE:
            self.folders.others(other)
        else:
            self.folders.gone(other)
        self.folders.named(folder, name)
        self.folders.named(new_folder, new_name)

    def unlink(self, caller: Caller, folder: int, name: str) -> None:
        self.tell({folder})
        super().unlink(caller, folder, name)
        self.folders.named(folder, name)

    def rmdir(self, caller: Caller, folder: int, name: str) -> None:
        self.tell({folder})
        removed = self._named_folder(caller, folder, name)
        super().rmdir(caller, folder, name)
        self.folders.gone(removed)
        self.folders.named(folder, name)

    def _named_folder(self, caller: Caller, folder: int, name: str) -> int:
        """What the name leads to, if it may be a folder that is lent; the server then knows whether it is empty."""
        if not self.folders.any_lent():
            return 0
        try:
            number = self.memory.lookup(folder, name).id
        except Unavailable:
            try:
                number = super().lookup(caller, folder, name).id
            except NotFound:
                return 0
        self.tell({number})
        return number

    def set_attributes(self, caller: Caller, node: int, change: AttributeChange) -> Node:
        if change.uid is None and change.gid is None:
            made = self.folders.changing(node, change.mode, change.atime, change.mtime)
            if made is not None:
                return made
        self.tell({node})
        found = super().set_attributes(caller, node, change)
        self.folders.others(node)
        return found

    def set_xattr(self, caller: Caller, node: int, name: str, value: bytes, mode: XattrMode = XattrMode.ANY) -> None:
        self.tell({node})
        super().set_xattr(caller, node, name, value, mode)
        self.folders.others(node)

    def remove_xattr(self, caller: Caller, node: int, name: str) -> None:
        self.tell({node})
        super().remove_xattr(caller, node, name)
        self.folders.others(node)

    children = _when_told(CachedDrive.children)
    readlink = _when_told(CachedDrive.readlink)
    path = _when_told(CachedDrive.path)
    paths = _when_told(CachedDrive.paths)
    file = _when_told(CachedDrive.file)
    xattr = _when_told(CachedDrive.xattr)
    xattrs = _when_told(CachedDrive.xattrs)
    lock = _when_told(CachedDrive.lock)
    in_the_way = _when_told(CachedDrive.in_the_way)
    sync = _when_told(CachedDrive.sync)
    view = _when_told(CachedDrive.view)
    view_entry = _when_told(CachedDrive.view_entry)
    view_files = _when_told(CachedDrive.view_files)
    view_facets = _when_told(CachedDrive.view_facets)
    find = _when_told(CachedDrive.find)
    tags = _when_told(CachedDrive.tags)
    edges = _when_told(CachedDrive.edges)
    change_tags = _when_told(CachedDrive.change_tags)
    set_tags = _when_told(CachedDrive.set_tags)
    put_edges = _when_told(CachedDrive.put_edges)
    undo = _when_told(CachedDrive.undo)
    trash = _when_told(CachedDrive.trash)
    job = _when_told(CachedDrive.job)
    retry = _when_told(CachedDrive.retry)
    fsck = _when_told(CachedDrive.fsck)
    gc = _when_told(CachedDrive.gc)

    def restore(self, caller: Caller, item: int) -> str:
        """It makes names, wherever."""
        self.folders.recall(None)
        self.tell()
        return super().restore(caller, item)

    def status(self, caller: Caller) -> Status:
        found = super().status(caller)
        files, unsent_bytes = self.folders.counts()
        if found.link is None:
            return found
        link = msgspec.structs.replace(
            found.link,
            waiting=found.link.waiting + files,
            waiting_bytes=found.link.waiting_bytes + unsent_bytes,
            conflicts=(*found.link.conflicts, *self._teller.conflicts),
        )
        return msgspec.structs.replace(found, link=link)

    # -- bytes

    def layout(self, caller: Caller, node: int) -> Layout:
        made = self.folders.waiting(node)
        if made is None:
            return super().layout(caller, node)
        data = made.data or b""
        extents = (Extent(0, len(data), sha256(data).digest(), 0),) if data else ()
        return Layout(made.node.version, len(data), extents)

    def read_blob(self, digest: bytes, start: int, length: int) -> bytes:
        made = self.folders.content(digest)
        return super().read_blob(digest, start, length) if made is None else made[start : start + length]

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
        whole = _whole(size, patches)
        if whole is not None and self.folders.waiting(node) is not None:
            made = self.folders.commit(node, base, size, whole, mtime)
            if made is not None:
                if whole:
                    self.cache.put(patches[0].digest, whole)
                if durable:
                    self.tell({node})
                    super().sync()
                return made
        self.tell({node})
        return super().commit(caller, node, base, size, patches, mtime=mtime, durable=durable)

    def close(self) -> None:
        self.folders.recall(None)
        try:
            self.tell()
        except Unavailable as error:
            log.warning("what was made here is sent by the next mount with this state directory: %s", error)
        self._teller.stop()
        if self.folders.returned():
            with suppress(DriveError):
                self._mounts.write([])
        super().close()
        self._journal.close()


def _whole(size: int, patches: Sequence[Patch]) -> bytes | None:
    """A whole content that travels in one piece; None: it does not."""
    if not size and not patches:
        return b""
    if len(patches) != 1:
        return None
    one = patches[0]
    return one.data if one.data is not None and (one.offset, one.start, one.length) == (0, 0, size) else None


def connect_mount(
    address: str,
    cache: BlobCache,
    *,
    token: str,
    patience: float,
    ca_file: Path | None,
    stamp: Callable[[Caller], Caller],
    own: Callable[[int], bool],
    serving: Callable[[], None],
    state: Path,
    believed: float = 0.0,
) -> LendingDrive:
    """The drive for a mount, which lives long: the server may go away and come back. `patience`: seconds for which a
    call waits for it. `believed`: as `CachedDrive` takes it."""
    found = parse_address(address)
    return LendingDrive(
        found,
        cache,
        own,
        token=token,
        timeout=patience,
        policy=Policy(patient=True),
        trust=trust_for(found, ca_file),
        outage=Outage(patience),
        stamp=stamp,
        checked=True,
        serving=serving,
        state=state,
        believed=believed,
        mount=mount_of(stamp(Caller(0, 0)).pid),
    )
