"""Locks of files that several mounts share: what one owner's locks are after a change, who is in the way, and how they
are kept.

They are memos of the store: one a file with its locks, one a holder with its lease and the files it has locks of, and
one that names the holders. So whichever server is asked, of two that take what only one can have, one is overtaken and
looks again.
"""

from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec
from msgspec import Struct

from gateway.service.core import Core, again
from gateway.service.repeats import nothing, once
from gateway.store.base import Overtaken, Transaction
from graphfs.errors import Conflict, InvalidArgument, TooLarge
from graphfs.model import LOCK_END, Caller, Lock, LockKind

MOST = 1000
"""Locks of a file."""
LONGEST = 3600.0
"""Seconds of a lease."""
KEPT = 3600 * 10**9
"""How long what is known of a holder stays after its lease ran out, ns."""
_HOLDERS = "lock holders"
_SYSTEM = Caller(uid=0, gid=0, actor="locks")

T = TypeVar("T")


class Lease(Struct, frozen=True):
    """Until when a holder's locks are its (ns), and the nodes it has any of."""

    until: int = 0
    nodes: tuple[int, ...] = ()


def same_owner(one: Lock, other: Lock) -> bool:
    """Whether they never stand in each other's way, whatever they lock."""
    return one.kind is other.kind and one.holder == other.holder and one.owner == other.owner


def overlap(one: Lock, other: Lock) -> bool:
    """Whether they have bytes in common."""
    return one.start < other.end and other.start < one.end


def hinders(held: Lock, wanted: Lock) -> bool:
    """Whether `wanted` cannot be taken while `held` is there."""
    return (
        held.kind is wanted.kind
        and not same_owner(held, wanted)
        and (held.exclusive or wanted.exclusive)
        and overlap(held, wanted)
    )


def without(locks: Iterable[Lock], gone: Lock) -> list[Lock]:
    """The locks when the owner of `gone` has none of its kind there: those that reach beyond are cut."""
    left = []
    for lock in locks:
        if not (same_owner(lock, gone) and overlap(lock, gone)):
            left.append(lock)
            continue
        if lock.start < gone.start:
            left.append(msgspec.structs.replace(lock, end=gone.start))
        if gone.end < lock.end:
            left.append(msgspec.structs.replace(lock, start=gone.end))
    return left


def with_lock(locks: Iterable[Lock], new: Lock) -> list[Lock]:
    """The locks when `new` is taken; what touches it and is like it becomes one with it."""
    left = without(locks, new)
    like = [one for one in left if same_owner(one, new) and one.exclusive == new.exclusive]
    touching = [one for one in like if one.end == new.start or one.start == new.end]
    start, end = min([new.start, *(one.start for one in touching)]), max([new.end, *(one.end for one in touching)])
    return [one for one in left if one not in touching] + [msgspec.structs.replace(new, start=start, end=end)]


class _InTheWayError(Exception):
    """Nothing is changed."""

    def __init__(self, lock: Lock) -> None:
        super().__init__()
        self.lock = lock


class LockPart(Core):
    """Implements `graphfs.api.Locks`."""

    @once(nothing)
    def lock(self, caller: Caller, node: int, lock: Lock, seconds: float) -> Lock | None:
        try:
            self._take_lock(caller, node, lock, seconds)
        except _InTheWayError as found:
            return found.lock
        return None

    @again
    def _take_lock(self, caller: Caller, node: int, lock: Lock, seconds: float) -> None:
        _checked(lock)
        with self.change(caller) as change:
            tx = change.tx
            self.need(tx.node(node), node)
            held = self._living(tx, node, lock.holder, change.now)
            hindering = _first(held, lock)
            if hindering is not None:
                raise _InTheWayError(hindering)
            locks = with_lock(held, lock)
            if len(locks) > MOST:
                raise TooLarge(f"a file has {MOST} locks at most")
            tx.save_memo(_of_node(node), _text(locks))
            lease = _lease(tx, lock.holder)
            if 0 < lease.until <= change.now:
                raise Conflict("this holder's lease ran out, others may have what was its: go on as another one")
            if not lease.until:
                _name(tx, {*_holders(tx), lock.holder})
            until = _until(change.now, seconds)
            # Not at each lock: a renewal is a change too, and comes by itself.
            if node not in lease.nodes or lease.until < until - int(seconds * 5e8):
                nodes = dict.fromkeys((*lease.nodes, node))
                tx.save_memo(_of_holder(lock.holder), _text(Lease(max(until, lease.until), tuple(nodes))))

    @once(nothing)
    @again
    def unlock(self, caller: Caller, node: int, lock: Lock) -> None:
        _checked(lock)
        with self.change(caller) as change:
            tx = change.tx
            known = _read(tx.memo(_of_node(node)), list[Lock], [])
            left = without(known, lock)
            if left == known:
                return
            tx.save_memo(_of_node(node), _text(left) if left else "")
            if not any(one.holder == lock.holder for one in left):
                lease = _lease(tx, lock.holder)
                nodes = tuple(one for one in lease.nodes if one != node)
                tx.save_memo(_of_holder(lock.holder), _text(Lease(lease.until, nodes)))

    @again
    def in_the_way(self, caller: Caller, node: int, lock: Lock) -> Lock | None:
        _checked(lock)
        store = self.store
        self.need(store.node(node), node)
        now = self.clock()
        for held in _read(store.memo(_of_node(node)), list[Lock], []):
            if hinders(held, lock) and _read(store.memo(_of_holder(held.holder)), Lease, Lease()).until > now:
                return _told(held, lock.holder)
        return None

    @again
    def renew_locks(self, holder: str, seconds: float) -> bool:
        with self.change(_SYSTEM) as change:
            lease = _lease(change.tx, holder)
            if lease.until <= change.now:
                return False
            until = max(lease.until, _until(change.now, seconds))
            change.tx.save_memo(_of_holder(holder), _text(Lease(until, lease.nodes)))
        return True

    @again
    def drop_locks(self, holder: str) -> None:
        with self.change(_SYSTEM) as change:
            _forget(change.tx, holder)

    @again
    def forget_locks(self) -> None:
        """What holders left behind that came to an end long ago."""
        names = _read(self.store.memo(_HOLDERS), list[str], [])
        for holder in names:
            lease = _read(self.store.memo(_of_holder(holder)), Lease, Lease())
            if lease.until < self.clock() - KEPT:
                self.drop_locks(holder)

    def _living(self, tx: Transaction, node: int, holder: str, now: int) -> list[Lock]:
        """The locks of a file whose holders have a lease (as the one who asks will have)."""
        locks = _read(tx.memo(_of_node(node)), list[Lock], [])
        others = {lock.holder for lock in locks} - {holder}
        alive = {holder} | {one for one in others if _lease(tx, one).until > now}
        return [lock for lock in locks if lock.holder in alive]


def _until(now: int, seconds: float) -> int:
    if seconds > LONGEST:
        raise InvalidArgument(f"a lease is of {LONGEST:.0f} s at most")
    return now + int(seconds * 1e9)


def _checked(lock: Lock) -> None:
    if lock.start >= lock.end:
        raise InvalidArgument("a lock is of one byte at least")
    if lock.kind is LockKind.FILE and (lock.start, lock.end) != (0, LOCK_END):
        raise InvalidArgument("a lock of this kind is of the whole file")


def _first(held: Sequence[Lock], wanted: Lock) -> Lock | None:
    return next((_told(one, wanted.holder) for one in held if hinders(one, wanted)), None)


def _told(lock: Lock, holder: str) -> Lock:
    """Who knows a holder's name can drop its locks."""
    return lock if lock.holder == holder else msgspec.structs.replace(lock, holder="")


def _forget(tx: Transaction, holder: str) -> None:
    for node in _lease(tx, holder).nodes:
        known = _read(tx.memo(_of_node(node)), list[Lock], [])
        left = [lock for lock in known if lock.holder != holder]
        if left != known:
            tx.save_memo(_of_node(node), _text(left) if left else "")
    names = _holders(tx)
    if holder in names:
        tx.save_memo(_of_holder(holder), "")
        _name(tx, names - {holder})


def _holders(tx: Transaction) -> set[str]:
    return set(_read(tx.memo(_HOLDERS), list[str], []))


def _name(tx: Transaction, holders: set[str]) -> None:
    tx.save_memo(_HOLDERS, _text(sorted(holders)) if holders else "")


def _lease(tx: Transaction, holder: str) -> Lease:
    return _read(tx.memo(_of_holder(holder)), Lease, Lease())


def _of_node(node: int) -> str:
    return f"locks of {node}"


def _of_holder(holder: str) -> str:
    return f"lock holder {holder}"


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _read(text: str, kind: type[T], missing: T) -> T:
    """Overtaken: it was read while somebody wrote it, which Neo4j shows."""
    try:
        return msgspec.json.decode(text, type=kind) if text else missing
    except msgspec.DecodeError as error:
        raise Overtaken from error
