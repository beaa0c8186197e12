"""Locks that the drive keeps, as the processes of one mount take them: waiting, and the lease that they hang on.

What locks mean is said in `graphfs.api.Locks`; here every lock is this mount's. A program that locks a file reads what
others had written there before they let go of it, and its own is with the drive before it lets go.
"""

import contextlib
import logging
import secrets
import threading
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from graphfs.api import Drive
from graphfs.errors import Conflict, DriveError, ReadOnly, TooLarge, Unavailable
from graphfs.model import LOCK_END, Caller, Lock, LockKind

log = logging.getLogger(__name__)

LEASE = 30.0
"""Seconds for which a mount that falls silent keeps its locks."""
WAITING = 200
"""So many processes may wait for a lock: each takes a thread that answers the kernel."""
_SHORTEST, _LONGEST = 0.01, 0.25
"""Seconds between two looks of one who waits."""

Held = tuple[int, LockKind, int]


class Owed(NamedTuple):
    """What was let go of, and how often its owner had asked for a lock by then."""

    caller: Caller
    node: int
    lock: Lock
    asked: int


class Locks:
    """One mount's. Thread-safe."""

    def __init__(self, drive: Drive, *, lease: float = LEASE) -> None:
        """`lease`: seconds."""
        self._drive, self._lease = drive, lease
        self._holder = ""
        self._held: dict[Held, int] = {}
        """Nodes and owners that may have locks, and how often they asked for one: nobody else's closing is a question
        to the drive."""
        self._owed: list[Owed] = []
        """What was let go of while the drive was away, in order."""
        self._waiting = 0
        self._lock = threading.Lock()
        self._settling = threading.Lock()
        self._closed = threading.Event()
        self._renewing: threading.Thread | None = None

    def take(self, caller: Caller, node: int, lock: Lock, goes_on: Callable[[], bool] | None) -> bool:
        """Whether it was taken. `goes_on`: asked while another has it, whether to wait; None: not at all."""
        if self._attempt(caller, node, lock):
            return True
        if goes_on is None:
            return False
        with self._lock:
            if self._waiting >= WAITING:
                raise TooLarge("too many processes of this mount wait for locks")
            self._waiting += 1
        try:
            pause = _SHORTEST
            while goes_on() and not self._closed.wait(pause):
                if self._attempt(caller, node, lock):
                    return True
                pause = min(pause * 1.5, _LONGEST)
            return False
        finally:
            with self._lock:
                self._waiting -= 1

    def _attempt(self, caller: Caller, node: int, lock: Lock) -> bool:
        self._settle()
        holder = self._begun()
        held = (node, lock.kind, lock.owner)
        with self._lock:  # before it is asked: nobody may learn what became of it
            before = self._held.get(held, 0)
            self._held[held] = before + 1
        try:
            found = self._drive.lock(caller, node, msgspec.structs.replace(lock, holder=holder), self._lease)
        except Conflict:
            self._lost(holder)
            return self._attempt(caller, node, lock)
        if found is not None:
            self._refused(held, before)
        return found is None

    def _refused(self, held: Held, before: int) -> None:
        """An owner who had none has none."""
        with self._lock:
            if not before and self._held.get(held) == 1:
                del self._held[held]

    def release(self, caller: Caller, node: int, lock: Lock) -> None:
        """Its owner has no lock of the kind there. Nothing is asked for who never had one; while the drive is away it
        is owed: who let go may be gone when the drive is back, and the lease would be renewed for ever."""
        with self._lock:
            asked = self._held.get((node, lock.kind, lock.owner))
            if asked is None:
                return
            lock = msgspec.structs.replace(lock, holder=self._holder)
            self._owed.append(Owed(caller, node, lock, asked))
        with contextlib.suppress(DriveError):
            self._settle()

    def _settle(self) -> None:
        """Lets go of what is owed. Unavailable, ReadOnly."""
        with self._settling:
            while self._owed:
                owed = self._owed[0]
                try:
                    self._drive.unlock(owed.caller, owed.node, owed.lock)
                except (Unavailable, ReadOnly):
                    raise
                except DriveError as error:
                    log.warning("a lock of node %d could not be let go of: %s", owed.node, error)
                self._settled(owed)

    def _settled(self, owed: Owed) -> None:
        with self._lock:
            if owed not in self._owed:
                return  # the locks were lost meanwhile
            self._owed.remove(owed)
            held = (owed.node, owed.lock.kind, owed.lock.owner)
            whole = (owed.lock.start, owed.lock.end) == (0, LOCK_END)
            if whole and self._held.get(held) == owed.asked:
                del self._held[held]

    def has(self, node: int, kind: LockKind, owner: int) -> bool:
        """Whether this owner may have a lock of the file."""
        return (node, kind, owner) in self._held

    def in_the_way(self, caller: Caller, node: int, lock: Lock) -> Lock | None:
        """The first lock that would hinder this one. Its pid means something when its holder is told."""
        return self._drive.in_the_way(caller, node, msgspec.structs.replace(lock, holder=self._holder or "nobody"))

    def _begun(self) -> str:
        """This mount's name as a holder; from the first lock on its lease is renewed."""
        with self._lock:
            if not self._holder:
                self._holder = secrets.token_hex(16)
            if self._renewing is None:
                self._renewing = threading.Thread(target=self._renew, name="locks", daemon=True)
                self._renewing.start()
            return self._holder

    def _lost(self, holder: str) -> None:
        with self._lock:
            if self._holder != holder:
                return
            held, self._holder = len(self._held), ""
            self._held.clear()
            self._owed.clear()
        if held:
            log.warning("%d locks are lost: the server heard nothing of this mount for %.0f s", held, self._lease)

    def _renew(self) -> None:
        while not self._closed.wait(self._lease / 3):
            with self._lock:
                holder = self._holder if self._held else ""
            if not holder:
                continue
            try:
                self._settle()
                if not self._drive.renew_locks(holder, self._lease):
                    self._lost(holder)
            except DriveError as error:
                log.info("the lease of the locks was not renewed: %s", error)

    def abandon(self) -> None:
        """Ends as if the process had died: the locks end with their lease."""
        self._closed.set()
        if self._renewing is not None:
            self._renewing.join()

    def close(self) -> None:
        """This mount has no locks any more."""
        self.abandon()
        if self._holder:
            try:
                self._drive.drop_locks(self._holder)
            except DriveError as error:
                log.warning("locks end when their lease does, in %.0f s: %s", self._lease, error)
