"""What all parts of the service stand on: the store, the blobs, the clock, who holds what, and one turn for every
change."""

import functools
import random
import stat
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import msgspec
from msgspec import Struct

from gateway.blobs.base import Blobs
from gateway.service.events import Publisher
from gateway.service.gate import Gate
from gateway.service.index import Index
from gateway.service.lent import Lent, LentFolders
from gateway.service.repeats import kept_key
from gateway.service.saves import Saves
from gateway.store.base import (
    EdgeStep,
    LiveStep,
    Notes,
    Overtaken,
    PathsStep,
    Reader,
    SavedStep,
    Step,
    Store,
    TokensStep,
    Told,
    Transaction,
)
from gateway.store.loans import LentStep, LoanStep
from graphfs.errors import Busy, Conflict, InvalidArgument, NotAFolder, NotFound
from graphfs.loans import mount_of
from graphfs.model import Caller, EventKind, JobRecord, Node


class Settings(Struct, frozen=True):
    """What the service is told from outside. Times in seconds, sizes in bytes."""

    inline_limit: int = 32 << 10
    chunk_size: int = 4 << 20
    settle: float = 3.0
    max_attempts: int = 5
    backoff: float = 2.0
    backoff_max: float = 600.0
    retention: float = 30 * 86400.0
    apply_at: float = 0.75
    review_at: float = 0.45
    facet_minimum: int = 24
    facet_depth: int = 3
    facet_folders: int = 200_000
    recent: float = 7 * 86400.0
    batch_gap: float = 2.0
    sweep_every: float = 60.0
    owner: int = 0
    """uid of who runs the drive: sees all of it."""
    lends: bool = False
    """Folders are lent to mounts."""
    away: bool = False
    """Who has files open is on other machines, where it may die unnoticed, and asks any of several servers: nobody is
    counted, and an open file that loses its last name stays for a day."""


class Change:
    """One change under way: its transaction, and what follows once it is committed (sets in memory, events)."""

    __slots__ = ("_after", "_events", "_steps", "caller", "now", "origin", "tx")

    def __init__(self, tx: Transaction, caller: Caller, now: int) -> None:
        self.tx = tx
        self.caller = caller
        self.origin = caller.pid
        """What the events of this change are said to come from."""
        self.now = now
        self._events: list[Told] = []
        self._steps: list[Step] = []
        self._after: list[Callable[[], object]] = []

    def then(self, *steps: Step) -> None:
        """After the commit, in order, before anyone else's change, in every process with this graph."""
        self._steps += steps

    def after(self, step: Callable[[], object]) -> None:
        """After the commit, in this process: what it alone remembers."""
        self._after.append(step)

    def tell(self, kind: EventKind, node: int = 0, name: str = "") -> None:
        self._events.append(Told(kind, node, name, self.origin))

    def live(self, file: int, live: bool) -> None:
        self._steps.append(LiveStep(file, live))

    def absorb(self, other: "Change") -> None:
        """What follows from another one, of the same transaction, follows from this."""
        self._steps += other._steps
        self._events += other._events
        self._after += other._after

    def notes(self) -> Notes:
        return Notes(tuple(self._steps), tuple(self._events))

    def finish(self) -> None:
        for step in self._after:
            step()


P = ParamSpec("P")
T = TypeVar("T")
_TRIES = 30
_SYSTEM = Caller(uid=0, gid=0, actor="system")
_WAITING = 8
"""So many calls at most wait for lent folders at the same time: each has a thread, and handing back needs one too."""
_PATIENCE = 2.0
"""Seconds for which one request waits for a folder that is lent. Who is patient asks again; a proxy takes a main server
for stopped that is silent for longer (nginx/cluster.conf)."""
_LOOK = 0.02
"""Seconds between looks at the log while a folder is waited for."""


def again(method: Callable[P, T]) -> Callable[P, T]:
    """Makes a call that changes something again when somebody else's change came between, or when a folder was lent and
    had to be got back: nothing of it has happened. Busy when that goes on."""

    @functools.wraps(method)
    def call(*args: P.args, **named: P.kwargs) -> T:
        for attempt in range(_TRIES):
            try:
                return method(*args, **named)
            except Overtaken:
                part = args[0]
                assert isinstance(part, Core)
                part.store.settle()
                if attempt > 2:
                    time.sleep(random.random() * 0.01 * attempt)
                part.store.caught_up()
                part.store.settled()
            except Lent as lent:
                part = args[0]
                caller = args[1]
                assert isinstance(part, Core)
                assert isinstance(caller, Caller)
                part.recall(caller, lent.folder)
        raise Busy("others keep changing the same; try again")

    return call


class Core:
    """State that the parts share. Each part is a mixin over it; `Service` puts them together."""

    def __init__(self, store: Store, blobs: Blobs, settings: Settings) -> None:
        self.store = store
        self.blobs = blobs
        self.settings = settings
        self.clock = store.clock
        self.publisher = Publisher()
        self.index = Index(store)
        self.gate = Gate(store)
        self._turn = threading.RLock()
        # Not the turn of the changes: opening a file waits for nobody.
        self._holding = threading.Lock()
        self._held: Counter[int] = Counter()
        # Nodes without a name that live only as long as somebody holds them.
        self._unnamed: set[int] = set()
        self._folder_paths: dict[int, str] = {}
        self.saves = Saves()
        self.lent = LentFolders(store.served)
        self.lent.load(store.loans())
        self._recalled: Counter[int] = Counter()
        self.publisher.begin(store.follow(self._told))
        store.caught_up()

    @contextmanager
    def change(self, caller: Caller, *, draft: bool = False) -> Iterator[Change]:
        """One atomic change: commits at the end; then the sets are up to date and everyone was told, in the order of
        the commits. Whoever calls is marked `again`."""
        with self._turn, self.store.transaction(draft=draft) as tx:
            if caller.key and tx.done(kept_key(caller)):
                raise Conflict("this was done already")
            change = Change(tx, caller, self.clock())
            yield change
            if caller.key:
                tx.mark_done(kept_key(caller), change.now)
            tx.note(change.notes())
        tx.wait()
        change.finish()

    def _told(self, first: int, notes: Notes | None) -> None:
        """What the store tells of a commit, of this process or another."""
        if notes is None:
            self.read_anew(first)
            return
        if notes.steps:
            self.index.apply(notes.steps)
            for step in notes.steps:
                match step:
                    case PathsStep():
                        self._folder_paths.clear()
                    case SavedStep():
                        self.saves.apply(step)
                    case LentStep() | LoanStep():
                        self.lent.apply(step)
                    case TokensStep():
                        self.gate.forget()
        for offset, event in enumerate(notes.events):
            number = first + offset if first else 0
            self.publisher.publish(EventKind(event.kind), event.node, event.name, event.origin, number=number)

    def read_anew(self, number: int = 0) -> None:
        """What is kept in memory is wrong: it is read anew, and everybody is told to."""
        self.index.load()
        self.gate.forget()
        self._folder_paths.clear()
        self.lent.load(self.store.loans())
        self.publisher.publish(EventKind.RESET, number=number)

    # -- folders that are lent

    def ours(self, change: Change, folder: int) -> None:
        """Lent: another mount than the caller's makes names there. The change relies on the folder's record, which a
        loan writes: one that this server has not heard of overtakes it."""
        if not self.store.shared:
            return
        change.tx.place(folder)
        if self._elsewhere(change.caller, folder):
            raise Lent(folder)

    def _elsewhere(self, caller: Caller, folder: int) -> bool:
        return self.lent.mount(folder) not in (0, mount_of(caller.pid))

    def all_there(self, caller: Caller, folder: int, ended: int) -> bool:
        """Whether what was just read of a folder is all there is of it. False: it was lent to another mount when it was
        read, and has been handed back; it has to be read again. `ended`: how many were handed back before.
        Busy."""
        if not self.store.shared:
            return True
        self.store.caught_up()
        if self._elsewhere(caller, folder):
            self.recall(caller, folder)
            return False
        return self.lent.ended == ended

    def recall(self, caller: Caller, folder: int) -> None:
        """Returns when nobody else has the folder: it was handed back, or the loan is over. Busy: its mount has
        not handed it back yet, or too many wait."""
        begun = time.monotonic()
        with self._holding:
            if self._recalled.total() >= _WAITING:
                raise Busy("too many calls wait for folders that are lent; try again in a moment")
            self._recalled[folder] += 1
            first = self._recalled[folder] == 1
        try:
            if first:
                self._tell_recall(_SYSTEM, folder)
            while self._elsewhere(caller, folder):
                if time.monotonic() > begun + _PATIENCE:
                    raise Busy("another mount makes files in this folder just now; try again in a moment")
                time.sleep(_LOOK)
                self.store.caught_up()
        finally:
            with self._holding:
                self._recalled[folder] -= 1
                if not self._recalled[folder]:
                    del self._recalled[folder]

    @again
    def _tell_recall(self, caller: Caller, folder: int) -> None:
        with self.change(caller) as change:
            change.tell(EventKind.RECALL, folder)

    def need(self, node: Node | None, what: int | str = "") -> Node:
        if node is None:
            raise NotFound(f"no such file or folder: {what}")
        return node

    def need_file(self, tx: Reader, file: int) -> None:
        """NotFound when no file has this id, in the trash or not. Where nobody else changes the graph, what is live is
        known here."""
        if self.store.shared or file not in self.index.live:
            self.need(tx.by_file(file), file)

    def need_bytes(self, digest: bytes, size: int) -> None:
        """That a blob was put, and has so many bytes: no record speaks of others. NotFound, InvalidArgument."""
        try:
            found = self.blobs.size(digest)
        except NotFound:
            small = self.store.blob(digest)
            if small is None:
                raise NotFound(f"blob {digest.hex()} was not put before the commit") from None
            found = len(small)
        if size > found:
            raise InvalidArgument(f"blob {digest.hex()} has {found} bytes, not {size}")

    def need_folder(self, tx: Transaction, folder: int) -> tuple[Node, bool]:
        """The folder and whether it is live. NotFound, NotAFolder."""
        found = tx.place(folder)
        if found is None:
            raise NotFound("the folder is gone")
        if not stat.S_ISDIR(found[0].mode):
            raise NotAFolder("not a folder")
        return found

    def actor(self, caller: Caller) -> str:
        return caller.actor or f"uid:{caller.uid}"

    def folder_path(self, folder: int) -> str:
        """Path of a folder from the mount's root ('' for the root itself); remembered until a folder moves."""
        known = self._folder_paths.get(folder)
        if known is not None:
            return known
        names = self.store.names(folder)
        if not names:
            return ""
        above = self.folder_path(names[0].folder)
        path = f"{above}/{names[0].name}" if above else names[0].name
        if len(self._folder_paths) > 10_000:
            self._folder_paths.clear()
        self._folder_paths[folder] = path
        return path

    def oldest_path(self, node: int) -> str:
        """The oldest live name of a node as a path, else its oldest, else ''."""
        names = self.store.names(node)
        if not names:
            return ""
        first = next((name for name in names if name.live), names[0])
        above = self.folder_path(first.folder)
        return f"{above}/{first.name}" if above else first.name

    def job_record(self, record: JobRecord) -> JobRecord:
        """As the store has it, with the path from the mount's root."""
        node = self.store.by_file(record.file)
        return msgspec.structs.replace(record, path=self.oldest_path(node.id) if node else "")

    def path(self, caller: Caller, node: int) -> str:
        """See `graphfs.api.Tree.path`."""
        return self.oldest_path(node)

    def paths(self, caller: Caller, node: int) -> list[str]:
        """See `graphfs.api.Tree.paths`."""
        found = []
        for name in self.store.names(node):
            above = self.folder_path(name.folder)
            found.append(f"{above}/{name.name}" if above else name.name)
        return found

    def hold(self, node: int) -> None:
        if self.settings.away:
            return
        with self._holding:
            self._held[node] += 1

    def release(self, node: int) -> None:
        if self.settings.away:
            return
        with self._holding:
            self._held[node] -= 1
            if self._held[node] > 0:
                return
            del self._held[node]
            if node not in self._unnamed:
                return
        self._let_go(node)

    @again
    def _let_go(self, node: int) -> None:
        with self.change(_SYSTEM) as change:
            if node in self._unnamed and node not in self._held:
                found = change.tx.node(node)
                if found is not None:
                    self.erase(change, found)
                change.after(lambda: self._unnamed.discard(node))

    def left_to_holders(self, node: Node) -> bool:
        """Whether somebody may hold this node, who has lost its last name: it goes with the last hold then."""
        if self.settings.away:
            return stat.S_ISREG(node.mode)
        with self._holding:
            if node.id in self._held:
                self._unnamed.add(node.id)
                return True
        return False

    def erase(self, change: Change, node: Node) -> None:
        """Removes a node without names for good, or leaves it to whoever holds it."""
        if not self.settings.away and self.left_to_holders(node):
            return
        tx = change.tx
        said = tx.edges(node.file) if node.file else []
        tx.delete_node(node.id)
        if node.file:
            tx.delete_job(node.file)
            if said:
                tx.delete_edges(node.file)
                change.then(*(EdgeStep(node.file, edge.tag, None) for edge in said))
