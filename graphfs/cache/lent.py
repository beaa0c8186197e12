"""What a mount made in the folders that it was lent, and the server does not have yet: names and content at hand, and
which of it is sent next. It asks nobody and starts nothing; `graphfs.cache.telling` sends, `graphfs.cache.drive` asks.

A folder that this mount made in a lent one is lent from its beginning. What is made is `open` until it was closed (or
has waited, or somebody wants it), then it waits `ready` in the order in which it was made, then it is `sent`.
"""

import stat
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from hashlib import sha256
from threading import Condition

import msgspec

from graphfs.cache.journal import Made
from graphfs.cache.waiting import Lending, Stage, Waiting
from graphfs.errors import AlreadyExists, DriveError, NotFound, Unavailable
from graphfs.loans import LOAN_SECONDS, NEVER_LENT, Loan
from graphfs.model import (
    Caller,
    Node,
    moment,
)

MOST = 256
"""So much may wait; who makes more waits."""
MOST_BYTES = 4 << 20
BATCH, BATCH_BYTES = 64, 1 << 20
"""What is sent together."""
SURE = LOAN_SECONDS / 3
"""Seconds for which a mount relies on what it was lent: less than the server does."""
FOLDERS = 1000
"""Folders that are lent at the same time; the longest unused are handed back."""
KNOWN = 10_000
OPEN_LONG = 1.0
"""Seconds after which what is still open is sent as it is."""
PATIENCE = 10.0
"""Seconds for which a call waits for the server to take what waits: a mount that died has a folder no longer."""


class LentFolders:
    """Of one mount. Thread-safe; who waits is woken."""

    def __init__(
        self,
        write: Callable[[Waiting], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`write`: what is told here outlives this process when it returns. Called before anything is acknowledged."""
        self._write, self._clock = write, clock
        self._ahead = -(1 << 62)
        """How far the drive's clock is ahead of this one, ns; told with a loan, and never too much."""
        self.changed = Condition()
        self._waiting: dict[int, Waiting] = {}
        self._by_name: dict[tuple[int, str], Waiting] = {}
        self._contents: dict[bytes, bytes] = {}
        """By SHA-256."""
        self._bytes = 0
        self._lent: OrderedDict[int, Lending] = OrderedDict()
        self._until = 0.0
        self._ids = iter(range(0))
        self.without_ids = False
        """A folder has to be asked for again, to get more of them."""
        self._known: OrderedDict[int, None] = OrderedDict()
        """Folders that the server may think are lent to this mount."""
        self._asked: dict[int, bool] = {}
        """Folders that are asked for just now, and whether they were recalled meanwhile."""
        self.wanted: dict[int, None] = {}
        """Folders to be handed back as soon as nothing of them waits."""
        self.told = 0
        """How often something of what waited was told."""
        self.stuck = False
        """What waits cannot be sent now: nothing more is made here."""

    # -- loans

    def asking(self, folder: int) -> bool:
        """The folder is about to be asked for. False: it must not be, it was recalled a moment ago."""
        with self.changed:
            if self.stuck or folder in self.wanted or folder in self._asked:
                return False
            self._asked[folder] = False
            self._know(folder)
            return True

    def refused(self, folder: int) -> None:
        """It was asked for in vain."""
        with self.changed:
            self._asked.pop(folder, None)

    def lend(self, loan: Loan, asked: float) -> None:
        """A folder was lent to an asker who began to ask then. It may have been recalled already."""
        with self.changed:
            if self._asked.pop(loan.folder.id, False):
                self.recall([loan.folder.id])
                return
            self._at_least(loan.at)
            self._lend(loan.folder.id, Lending(loan.folder, set(loan.names)))
            self._ids, self.without_ids = iter(range(loan.first, loan.first + loan.count)), False
            self._until = max(self._until, asked + SURE)

    def _lend(self, folder: int, lending: Lending) -> None:
        self._lent[folder] = lending
        self._know(folder)
        if len(self._lent) > FOLDERS:
            busy = {one.folder for one in self._waiting.values()} | self._waiting.keys() | {folder}
            self.recall([one for one in self._lent if one not in busy][: FOLDERS // 2])

    def _know(self, folder: int) -> None:
        self._known[folder] = None
        self._known.move_to_end(folder)
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)

    def heard(self, asked: float) -> None:
        """The server prolonged what is lent, for an asker who began to ask then."""
        with self.changed:
            self._until = max(self._until, asked + SURE)

    def lent(self, folder: int) -> bool:
        """Whether names in this folder are made here."""
        return self._lending(folder) is not None

    def _lending(self, folder: int) -> Lending | None:
        found = self._lent.get(folder)
        if found is None or self.stuck:
            return None
        if self._clock() >= self._until:
            self._lent.clear()
            return None
        return found

    def recall(self, folders: Iterable[int] | None) -> None:
        """Nothing is made in them from now on (None: in any); those that the server may think are lent are handed
        back."""
        with self.changed:
            for folder in list(self._known) if folders is None else folders:
                self._lent.pop(folder, None)
                if folder in self._asked:
                    self._asked[folder] = True
                elif folder in self._known:
                    self.wanted[folder] = None
            for one in self._waiting.values():
                if one.folder in self.wanted:
                    self._hurry(one)
            self.changed.notify_all()

    def to_hand_back(self) -> list[int]:
        """Folders that are wanted, and of which nothing waits."""
        with self.changed:
            busy = {one.folder for one in self._waiting.values()} | self._waiting.keys()
            return [folder for folder in self.wanted if folder not in busy]

    def inherited(self, folders: Iterable[int]) -> None:
        """They were lent to a mount that died: to be handed back as soon as what it made there is told."""
        with self.changed:
            for folder in folders:
                self._know(folder)
                self.wanted[folder] = None
            self.changed.notify_all()

    def handed_back(self, folders: Iterable[int]) -> None:
        with self.changed:
            for folder in folders:
                self.wanted.pop(folder, None)
                self._known.pop(folder, None)

    def returned(self) -> bool:
        """Whether nothing waits, and nothing has to be handed back."""
        with self.changed:
            return not self._waiting and not self.wanted

    def any_lent(self) -> bool:
        """Whether any folder may be lent, or something waits."""
        return bool(self._lent or self._waiting)

    def gone(self, folder: int) -> None:
        """This mount removed it (if it is a folder): nothing is made there, and it is not there to be seen."""
        with self.changed:
            self._lent.pop(folder, None)

    def others(self, folder: int) -> None:
        """Somebody changed the folder's own record."""
        with self.changed:
            lending = self._lent.get(folder)
            if lending is not None:
                lending.node = None

    def named(self, folder: int, name: str) -> None:
        """A name was made there in another way by this mount."""
        with self.changed:
            lending = self._lent.get(folder)
            if lending is not None:
                lending.names.add(name)
                lending.node = None

    # -- what is made

    def make(self, caller: Caller, folder: int, name: str, mode: int) -> Node | None:
        """A new file or folder; None: this has to be asked for. AlreadyExists; Unavailable when too much waits."""
        with self.changed:
            if not self.changed.wait_for(self._room, PATIENCE):
                raise Unavailable("what was written before waits for the server")
            lending = self._lending(folder)
            above = lending.node if lending is not None else None
            if lending is None or above is None or name in NEVER_LENT or not _is_text(name):
                return None
            if (folder, name) in self._by_name:
                raise AlreadyExists(name)
            if name in lending.names:
                return None  # or it was there once
            number = next(self._ids, 0)
            if not number:
                self.without_ids = True
                return None
            node = self._node(caller, number, mode, above)
            made = Waiting(caller, folder, name, node, self._clock(), at=node.ctime)
            if stat.S_ISDIR(mode):
                self._close(made)  # and is in the journal, or was not made
                self._lend(number, Lending(node))
            self._waiting[number] = self._by_name[folder, name] = made
            links = above.links + stat.S_ISDIR(mode)
            lending.node = msgspec.structs.replace(above, mtime=node.mtime, ctime=node.mtime, links=links)
            self._lent.move_to_end(folder)
            self.changed.notify_all()
            return node

    def _at_least(self, at: int) -> None:
        """By the drive's clock it was so late already."""
        self._ahead = max(self._ahead, at - int(self._clock() * 1e9))

    def _wall(self) -> int:
        """What time it is on the drive: what this mount shows of what it made is what the server will."""
        return int(self._clock() * 1e9) + self._ahead

    def _room(self) -> bool:
        return self.stuck or (len(self._waiting) < MOST and self._bytes < MOST_BYTES)

    def _node(self, caller: Caller, number: int, mode: int, above: Node) -> Node:
        """The record as the server will make it."""
        now, is_folder = self._wall(), stat.S_ISDIR(mode)
        gid = caller.gid
        if above.mode & stat.S_ISGID:
            gid = above.gid
            mode |= stat.S_ISGID if is_folder else 0
        return Node(
            number, mode, caller.uid, gid, 0, 0, 0, now, now, now, 1 + is_folder, 0, 0, 0 if is_folder else number
        )

    def _close(self, made: Waiting) -> None:
        if made.stage is Stage.OPEN:
            self._write(made)
            made.stage = Stage.READY
            self.changed.notify_all()

    def _hurry(self, made: Waiting) -> None:
        """It is sent before it was closed. A journal that cannot be written is no reason against it."""
        with suppress(DriveError):
            self._close(made)
        made.stage = Stage.READY if made.stage is Stage.OPEN else made.stage
        self.changed.notify_all()

    def commit(self, number: int, base: int, size: int, data: bytes, mtime: int | None) -> Node | None:
        """Its first content, whole. None: this has to be asked for."""
        with self.changed:
            made = self._waiting.get(number)
            if made is None or made.stage is not Stage.OPEN or base != 0 or len(data) != size:
                return None
            now = self._wall()
            mtime = now if mtime is None else moment(mtime)
            before, made.node = (
                made.node,
                msgspec.structs.replace(
                    made.node, size=size, stored=size, mtime=mtime, ctime=now, version=int(size > 0)
                ),
            )
            made.data = data or None
            try:
                self._close(made)
            except BaseException:
                made.node, made.data = before, None
                raise
            self._keep(data)
            return made.node

    def _keep(self, data: bytes | None) -> None:
        if data:
            self._bytes += len(data)
            self._contents[sha256(data).digest()] = data

    def changing(self, number: int, mode: int | None, atime: int | None, mtime: int | None) -> Node | None:
        """Other attributes of a file. None: this has to be asked for."""
        with self.changed:
            made = self._waiting.get(number)
            if made is None or made.stage is Stage.SENT or not stat.S_ISREG(made.node.mode):
                return None
            node = made.node
            made.node = msgspec.structs.replace(
                node,
                mode=node.mode if mode is None else stat.S_IFMT(node.mode) | mode & 0o7777,
                atime=node.atime if atime is None else moment(atime),
                mtime=node.mtime if mtime is None else moment(mtime),
                ctime=self._wall(),
            )
            if made.stage is Stage.READY:
                try:
                    self._write(made)
                except BaseException:
                    made.node = node
                    raise
            return made.node

    def close_all(self) -> bool:
        """Whatever is open may be sent. Whether there was anything."""
        with self.changed:
            found = [one for one in self._waiting.values() if one.stage is Stage.OPEN]
            for one in found:
                self._close(one)
            return bool(found)

    def left_open(self) -> bool:
        """Closes what has been open for long. Whether something still is."""
        with self.changed:
            late = self._clock() - OPEN_LONG
            found = [one for one in self._waiting.values() if one.stage is Stage.OPEN]
            for one in found:
                if one.made < late:
                    self._hurry(one)
            return any(one.stage is Stage.OPEN for one in found)

    def before(self, made: Made) -> None:
        """Something of a mount that died: it is sent first."""
        making, caller = made.making, Caller(made.uid, made.gid, made.groups)
        size, folder = len(making.data or b""), stat.S_ISDIR(making.mode)
        node = Node(
            making.id, making.mode, caller.uid, caller.gid, 0, size, size, making.atime, making.mtime, making.mtime,
            1 + folder, 0, int(size > 0), 0 if folder else making.id,
        )  # fmt: skip
        with self.changed:
            one = Waiting(caller, making.folder, making.name, node, 0.0, making.data, Stage.READY, again=True)
            self._waiting[making.id] = self._by_name[making.folder, making.name] = one
            self._keep(making.data)
            if folder:
                self.inherited([making.id])  # it is lent to this mount as it is made

    # -- what is asked

    def lookup(self, folder: int, name: str) -> Node | None:
        """What the name leads to. None: ask. NotFound: nothing."""
        with self.changed:
            made = self._by_name.get((folder, name))
            if made is not None:
                return self._shown(made)
            lending = self._lending(folder)
            if lending is not None and name not in lending.names:
                raise NotFound(name)
            return None

    def _shown(self, made: Waiting) -> Node:
        lending = self._lent.get(made.node.id)
        return lending.node if lending is not None and lending.node is not None else made.node

    def node(self, number: int) -> Node | None:
        """None: ask."""
        with self.changed:
            made = self._waiting.get(number)
            if made is not None:
                return self._shown(made)
            lending = self._lending(number)
            return lending.node if lending is not None else None

    def seen(self, node: Node) -> None:
        """A lent folder's record, of which nothing waited when it was asked for. What is made later is not older."""
        with self.changed:
            self._at_least(node.ctime)
            lending = self._lent.get(node.id)
            if lending is not None and not any(one.folder == node.id for one in self._waiting.values()):
                lending.node = node

    def waiting(self, number: int) -> Waiting | None:
        return self._waiting.get(number)

    def content(self, digest: bytes) -> bytes | None:
        """A content of what waits, by its SHA-256."""
        return self._contents.get(digest)

    def progress(self, seconds: float) -> bool:
        """Waits until something was told. False: nothing is, or not in time."""
        with self.changed:
            told = self.told
            return self.changed.wait_for(lambda: self.stuck or self.told > told, seconds) and not self.stuck

    def any_left(self, some: Iterable[Waiting]) -> bool:
        """Whether any of it still waits."""
        return any(self._waiting.get(one.node.id) is one for one in some)

    def counts(self) -> tuple[int, int]:
        """What waits, and its bytes."""
        return len(self._waiting), self._bytes

    def concerned(self, ids: Collection[int] | None) -> list[Waiting]:
        """What waits of these nodes and in these folders (None: all); what of it was open may be sent now."""
        if not self._waiting:
            return []
        with self.changed:
            found = [one for one in self._waiting.values() if ids is None or one.node.id in ids or one.folder in ids]
            for one in found:
                self._hurry(one)
            return found

    # -- sending

    def batch(self) -> list[Waiting]:
        """What is to be sent next, of one caller, in order; it counts as sent."""
        with self.changed:
            some: list[Waiting] = []
            size = 0
            for one in self._waiting.values():
                if one.stage is not Stage.READY:
                    continue
                same = not some or _same(one.caller, some[0].caller)
                size += len(one.data or b"")
                if not same or len(some) == BATCH or (some and (size > BATCH_BYTES or one.again)):
                    break
                some.append(one)
                if one.again:
                    break
            for one in some:
                one.stage = Stage.SENT
            return some

    @property
    def ready(self) -> bool:
        """Whether there is something to send."""
        return any(one.stage is Stage.READY for one in self._waiting.values())

    def one_by_one(self, some: Iterable[Waiting]) -> None:
        """Together they were refused, and nothing of them was made."""
        with self.changed:
            for one in some:
                one.stage, one.again = Stage.READY, True

    def not_sent(self, some: Iterable[Waiting], *, stuck: bool) -> None:
        """Nobody knows what became of them: they are sent once more."""
        with self.changed:
            for one in some:
                one.stage, one.again = Stage.READY, True
            self.stuck = stuck
            self.changed.notify_all()

    def done(self, some: Iterable[Waiting]) -> None:
        """The server has them."""
        with self.changed:
            self.stuck = False
            self.told += 1
            for one in some:
                del self._waiting[one.node.id]
                self._by_name.pop((one.folder, one.name), None)
                self._bytes -= len(one.data or b"")
                lending = self._lent.get(one.folder)
                if lending is not None:
                    lending.names.add(one.name)
            if not self._bytes:
                self._contents.clear()
            self.changed.notify_all()


def _same(one: Caller, other: Caller) -> bool:
    return (one.uid, one.gid, one.groups) == (other.uid, other.gid, other.groups)


def _is_text(name: str) -> bool:
    """Whether it is UTF-8; other names are rare, and not worth a form of their own in the journal."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
