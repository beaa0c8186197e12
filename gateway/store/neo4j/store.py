"""The Neo4j engine, put together: reads at once, changes by groups, and the log that tells every main server of all.

A change runs on what was read and sends nothing; leaving it hands it in. Whoever waits first commits for all who have
handed in by then, in one statement. The log is the only thing that main servers know of one another: it is read after
every commit and several times a second, brings the sets in memory up to date, and numbers the events.
"""

import itertools
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from neo4j.exceptions import ClientError, DriverError, Neo4jError, TransientError

from gateway.store.base import Listener, Notes, Overtaken
from gateway.store.neo4j.check import check
from gateway.store.neo4j.clock import ServerClock
from gateway.store.neo4j.connection import PATIENCE, Connection, timed_out, translate, uncertain
from gateway.store.neo4j.current import CurrentReader
from gateway.store.neo4j.known import keys_of
from gateway.store.neo4j.log import Commit, entry_of, packed
from gateway.store.neo4j.pending import Pending
from gateway.store.neo4j.reader import ALONE
from gateway.store.neo4j.schema import SCHEMA, migrate
from gateway.store.neo4j.statement import parameters, statements
from gateway.store.neo4j.transaction import Neo4jTransaction
from graphfs.errors import DriveError, InvalidArgument, Unavailable
from graphfs.model import Problem

_ID_BLOCK = 1024
_FOLLOW = 0.15
"""Seconds between looks at the log."""
_REMEMBERED = 1000
_RETOLD = 2000
"""Changes that whoever starts is told of."""
_KEPT_MS = 3_600_000
_FIRST_TIME, _LONGEST_TIME = 4.0, 60.0
"""Seconds that a commit of several statements may take Neo4j at first, and after which it is not sent with four times
as many once more. For so long a main server that is stopped or cut off in the middle can keep all others waiting."""
_PRUNE_EVERY = 60.0

_IDS = "MATCH (d:Drive {id: 0}) SET d.next_id = d.next_id + $count RETURN d.next_id - $count"
_SEQ = f"{ALONE} RETURN d.seq"
# Where the latest changes begin: they are told anew to whoever starts, so that it can answer as the others do.
_START = """
MATCH (d:Drive {id: 0})
CALL () { MATCH (c:Change) WHERE c.seq > 0 WITH c ORDER BY c.seq DESC LIMIT $latest
  RETURN min(c.seq - c.count) AS first }
RETURN CASE WHEN first IS NULL THEN d.seq WHEN first < d.pruned THEN d.pruned ELSE first END"""
_TAIL = """
MATCH (d:Drive {id: 0}) WITH d.pruned > $applied AS behind, d.seq AS seq, coalesce(d.settled, 0) AS settled
CALL () { MATCH (c:Change) WHERE c.seq > $applied WITH c ORDER BY c.seq
  RETURN collect([c.seq, c.count, c.keys, c.notes]) AS missed }
RETURN behind, missed, seq, settled, datetime.realtime().epochMillis"""
_WHOLE_TAIL = _TAIL.replace("MATCH (d:Drive {id: 0})", ALONE, 1)
_TIME = "RETURN datetime.realtime().epochMillis"
_COMMITTED = """
MATCH (d:Drive {id: 0}) SET d.locked = 0 WITH d
OPTIONAL MATCH (c:Change {token: $token}) RETURN count(c) > 0"""
_PRUNE = """
MATCH (d:Drive {id: 0}) SET d.locked = 0 WITH d
MATCH (c:Change) WHERE c.seq > 0 AND c.at < timestamp() - $age WITH d, c ORDER BY c.seq LIMIT 20000
WITH d, collect(c) AS old, max(c.seq) AS last
FOREACH (c IN old | DELETE c) SET d.pruned = CASE WHEN last > d.pruned THEN last ELSE d.pruned END"""


class Neo4jStore(CurrentReader):
    """One graph, shared by any number of processes."""

    schema = SCHEMA
    shared = True

    def __init__(self, connection: Connection, uid: int, gid: int) -> None:
        super().__init__(connection)
        self.clock = ServerClock()
        self.served = self.clock.served
        try:
            asked = self.clock.ticks()
            self.clock.heard(asked, connection.read(_TIME)[0][0])
            migrate(connection, self.clock(), uid, gid)
            self._applied = self._settled = int(connection.read(_START, {"latest": _RETOLD})[0][0])
        except BaseException:
            connection.close()
            raise
        self._turn = threading.RLock()
        self._ids_lock = threading.Lock()
        self._next = self._reserved = 0
        self._committing = threading.RLock()
        self._open: list[Pending] = []
        self._recent: deque[Commit] = deque(maxlen=_REMEMBERED)
        self._listener: Listener | None = None
        self._anew = 0
        """Where in the log all was read anew the last time: what came before is not remembered."""
        self._closed = threading.Event()
        self._pruned = time.monotonic()
        self._careful = threading.local()
        self._follower = threading.Thread(target=self._follow, name="log", daemon=True)

    # -- changes

    def _remember(self, batch: Sequence[Pending], seq: int) -> None:
        """What a commit made of the nodes that it alone changed. Under the lock of the log, after its own entry."""
        times = Counter(one for change in batch for one in change.writes | change.shared)
        for change in batch:
            later = [entry.keys for entry in self._since(change.base) if entry.seq != seq]
            if not all(later) or self._is_behind(change):
                continue
            foreign = set[int]().union(*later)
            for node, place in change.places():
                keys = keys_of(node)
                own = keys & (change.writes | change.shared)
                if place is not None and own and all(times[one] == 1 for one in own) and foreign.isdisjoint(keys):
                    self._known.put(node, place)

    def next_id(self) -> int:
        """Ids are given in blocks that this process alone has; what it leaves unused is never used."""
        with self._ids_lock:
            if self._next >= self._reserved:
                self._next = self.reserve(_ID_BLOCK)
                self._reserved = self._next + _ID_BLOCK
            self._next += 1
            return self._next - 1

    def reserve(self, count: int) -> int:
        """The first of so many ids that nobody else is given."""
        try:
            return int(self.connection.write(_IDS, {"count": count})[0][0])
        except (Neo4jError, DriverError) as error:
            raise translate(error) from error

    @contextmanager
    def transaction(self, *, draft: bool = False) -> Iterator[Neo4jTransaction]:
        """A `draft` is committed like all else: another main server may be asked next."""
        with self._turn:
            careful = getattr(self._careful, "on", False)
            believes, self._careful.asks = not getattr(self._careful, "asks", False), False
            change = Neo4jTransaction(
                self, self._settled, self.next_id, self.reserve, self._wait, careful=careful, believes=believes
            )
            try:
                yield change
            except DriveError as error:
                if change.believed:
                    self._ask_next(error)
                raise
            if change.believed and not change.wrote:
                self._ask_next(None)
            self._hand_in(change)

    def _ask_next(self, refusal: DriveError | None) -> NoReturn:
        """A refusal, or that there is nothing to do, is looked at by no commit: another main server may have changed
        what was believed. So the call is made once more, and all is read."""
        self._careful.asks = True
        raise Overtaken from refusal

    def _hand_in(self, change: Pending) -> None:
        if not change.wrote:
            change.ended = True
            return
        for other in self._open:
            touched = other.writes | other.shared
            if not touched.isdisjoint(change.reads) or not other.writes.isdisjoint(change.writes | change.shared):
                self._careful.on = True
                raise Overtaken
        self._open.append(change)

    def _wait(self, change: Pending) -> None:
        with self._committing:
            if not change.ended:
                with self._turn:
                    batch, self._open = self._open, []
                self._commit_all(batch)
        if change.error is not None:
            self._careful.on = isinstance(change.error, Overtaken)
            raise change.error
        self._careful.on = False

    def settle(self) -> None:
        """Commits what was handed in."""
        with self._committing:
            with self._turn:
                batch, self._open = self._open, []
            self._commit_all(batch)

    def _commit_all(self, batch: Sequence[Pending]) -> None:
        """Every change of the batch ends done, with or without an error."""
        try:
            batch = self._current(batch)
            while batch:
                if self._commit(batch):
                    break
                left = self._current(batch)
                if len(left) == len(batch):
                    # Not the log: a name is taken, or a statement was refused. Each alone, so that one fails alone.
                    for one in left:
                        if len(left) == 1 or not self._commit((one,)):
                            one.error = one.error or Overtaken()
                        one.ended = True
                    break
                batch = left
        except DriveError as error:
            for one in batch:
                if not one.ended:
                    one.error = error
        finally:
            for one in batch:
                if not one.ended and one.error is None:
                    one.error = Overtaken()
                one.ended = True

    def _current(self, batch: Sequence[Pending]) -> list[Pending]:
        """Those that nothing overtook, as far as this process knows; the others are done."""
        with self._applying:
            left = []
            for one in batch:
                if one.ended:
                    continue
                if self._is_behind(one) or any(entry.concerns(one) for entry in self._since(one.base)):
                    one.error, one.ended = Overtaken(), True
                else:
                    left.append(one)
            return left

    def _since(self, seq: int) -> Iterator[Commit]:
        """Commits after one, the newest first."""
        return itertools.takewhile(lambda entry: entry.seq > seq, reversed(self._recent))

    def _touched(self, keys: Collection[int], since: int) -> bool:
        with self._applying:
            oldest = self._recent[0] if self._recent else None
            if oldest is None or oldest.seq - oldest.count > since:
                return self._applied > since  # what came first is remembered no more
            return any(not entry.keys or not entry.keys.isdisjoint(keys) for entry in self._since(since))

    def _is_behind(self, change: Pending) -> bool:
        """Whether more was committed since it began than is remembered here."""
        if change.base < self._anew:
            return True
        first = self._recent[0] if len(self._recent) == _REMEMBERED else None
        return first is not None and first.seq - first.count > change.base

    def _commit(self, batch: Sequence[Pending]) -> bool:
        """One statement. False: nothing was written, and what is new in the log is known now. DriveError."""
        notes = Notes(
            tuple(step for one in batch for step in one.notes.steps),
            tuple(event for one in batch for event in one.notes.events),
        )
        values = parameters(batch)
        values |= {"applied": self._applied, "token": uuid.uuid4().hex, "notes": packed(notes)}
        values["count"] = max(1, len(notes.events))
        try:
            rows = self._sent(statements(values), values)
        except Neo4jError as error:
            if len(batch) == 1:
                batch[0].error = translate(error)
            return False
        except (UnicodeEncodeError, OverflowError):
            if len(batch) == 1:
                batch[0].error = InvalidArgument("a text holds bytes that are not UTF-8, or a number is too large")
            return False
        fine, seq, behind, missed, _ = rows[0]
        if behind:
            self._start_over()
            return False
        own = [Commit(seq + values["count"], values["count"], set(values["keys"]), notes)] if fine else []
        with self._applying:
            self._apply([entry_of(row) for row in missed] + own)
            self._settle(own[0].seq if own else seq)
            if own and self._applied == own[0].seq and own[0].keys:
                self._remember(batch, own[0].seq)
        if fine:
            for one in batch:
                one.ended, one.error = True, None
        return bool(fine)

    def _sent(self, texts: Sequence[str], values: dict[str, Any]) -> list[list[Any]]:
        """Sends a commit; where the answer was lost, asks whether it took place. DriveError when nobody knows."""
        begun, seconds = time.monotonic(), _FIRST_TIME
        while True:
            try:
                return self.connection.write_together(texts, {"p": values}, seconds)
            except ClientError as error:
                if not timed_out(error) or seconds > _LONGEST_TIME:
                    raise
                seconds *= 4  # it may be a large change, or a text that Neo4j had to plan
            except TransientError as error:
                if time.monotonic() > begun + PATIENCE:
                    raise translate(error) from error
                self._closed.wait(0.02)
            except DriverError as error:
                if not uncertain(error) or time.monotonic() > begun + PATIENCE:
                    raise translate(error) from error
                if self._took_place(values["token"], begun):
                    self._catch_up()
                    return [[True, self._applied - values["count"], False, [], 0]]

    def _took_place(self, token: str, begun: float) -> bool:
        while True:
            try:
                return bool(self.connection.write(_COMMITTED, {"token": token})[0][0])
            except (TransientError, DriverError) as error:
                late = self.connection.silent or time.monotonic() > begun + PATIENCE
                if late or self._closed.wait(0.1):
                    self.connection.waited(begun)
                    raise translate(error) from error

    # -- the log

    def follow(self, listener: Listener) -> int:
        with self._applying:
            self._listener = listener
            began = self._applied
        self._follower.start()
        self.connection.watch()
        return began

    def _follow(self) -> None:
        while not self._closed.wait(_FOLLOW):
            with suppress(DriveError):  # away: the next look may find it
                self._catch_up(whole=self._settled < self._applied)
                if time.monotonic() - self._pruned > _PRUNE_EVERY:
                    self._pruned = time.monotonic()
                    with suppress(Neo4jError, DriverError):
                        self.connection.write(_PRUNE, {"age": _KEPT_MS})

    def _catch_up(self, *, whole: bool = False) -> None:
        while True:
            asked, applied = self.clock.ticks(), self._applied
            text = _WHOLE_TAIL if whole else _TAIL
            rows = self.connection.read(text, {"applied": applied}, alone=whole)
            if not rows or rows[0][2] is None:
                raise Unavailable("the graph holds no drive any more: was it emptied, or is it being restored?")
            behind, missed, seq, settled, now = rows[0]
            self.clock.heard(asked, now)
            if behind:
                self._start_over()
                return
            if not whole and any(None in row[:3] for row in missed):
                whole = True  # the log's end is being pruned
                continue
            self._apply([entry_of(row) for row in missed])
            self._settle(seq if whole else settled)
            if whole or seq <= self._applied:
                return
            # A commit is being written whose entry cannot be read yet, but other parts of it can.
            whole = True

    def _settle(self, seq: int) -> None:
        """Up to there every commit can be read whole. (An entry of the log can be read before the rest of it.)"""
        with self._applying:
            self._settled = max(self._settled, min(seq, self._applied))

    def _apply(self, entries: Sequence[Commit]) -> None:
        """Tells what is new, in order, once."""
        with self._applying:
            for entry in entries:
                first = entry.seq - entry.count + 1
                if first != self._applied + 1:
                    continue
                self._forget(entry.keys)
                if self._listener is not None:
                    self._listener(first if entry.notes is not None else entry.seq, entry.notes)
                self._recent.append(entry)
                self._applied = entry.seq

    def _start_over(self) -> None:
        """The log no longer reaches back to what this process knows."""
        with self._applying:
            self._recent.clear()
            self._forget(())
            seq = int(self.connection.read(_SEQ, alone=True)[0][0])
            if self._listener is not None:
                self._listener(seq, None)
            # Only now: where reading everything anew failed it has to be done once more.
            self._applied = self._settled = self._anew = seq

    # -- the store's own questions

    def on_lost(self, forget: Callable[[], None]) -> None:
        """No draft is ever lost: there are none."""

    def flush(self) -> None:
        """A commit of Neo4j is on its disk when it returns."""
        self.settle()

    def digest_used(self, digest: bytes) -> bool:
        return bool(
            self.query("MATCH (x:Extent {digest: $digest}) WHERE NOT x.inline RETURN 1 LIMIT 1", digest=digest.hex())
        )

    def used_digests(self) -> dict[bytes, int]:
        rows = self.query("MATCH (x:Extent) WHERE NOT x.inline RETURN x.digest, max(x.start + x.length)")
        return {bytes.fromhex(digest): end for digest, end in rows}

    def sweep_blobs(self) -> int:
        try:
            rows = self.connection.write(_SWEEP)
        except (Neo4jError, DriverError) as error:
            raise translate(error) from error
        self._catch_up()
        return int(rows[0][0] or 0) if rows else 0

    def small_blobs(self) -> Iterator[tuple[bytes, bytes]]:
        after = ""
        while rows := self.query(
            "MATCH (b:Blob) WHERE b.digest > $after RETURN b.digest, b.data ORDER BY b.digest LIMIT 500", after=after
        ):
            for digest, data in rows:
                yield bytes.fromhex(digest), bytes(data)
            after = rows[-1][0]

    def unnamed(self) -> list[int]:
        rows = self.query(
            "MATCH (n:Node) WHERE n.id > 1 AND NOT ()-[:HOLDS]->(n)"
            " AND NOT EXISTS { MATCH (t:Trash) WHERE t.node = n.id } RETURN n.id"
        )
        return [row[0] for row in rows]

    def totals(self) -> dict[str, int]:
        row = self.query(
            "CALL () { MATCH (n:Node) WHERE n.live AND n.file > 0 RETURN count(n) AS files, sum(n.size) AS bytes }"
            " RETURN files, COUNT { MATCH (n:Folder) WHERE n.live }, bytes,"
            " COUNT { MATCH (t:Tag) WHERE NOT t.proposed },"
            " COUNT { MATCH (:Trash) },"
            " reduce(all = 0, one IN COLLECT { MATCH (b:Blob) RETURN b.size } | all + one)"
        )[0]
        return dict(zip(("files", "folders", "bytes", "tags", "trashed", "stored"), row, strict=True))

    def check(self, repair: bool) -> list[Problem]:
        try:
            found = check(self.connection, repair)
        except (Neo4jError, DriverError) as error:
            raise translate(error) from error
        if repair:
            self._catch_up()
        return found

    def close(self) -> None:
        with suppress(DriveError):
            self.settle()
        self._closed.set()
        if self._follower.is_alive():
            self._follower.join()
        self.connection.close()


# Under the lock of all commits, and logged as a change of everything: who has just seen a blob there looks again.
_SWEEP = """
MATCH (d:Drive {id: 0}) SET d.locked = 0 WITH d
MATCH (b:Blob) WHERE NOT EXISTS { MATCH (x:Extent {digest: b.digest}) WHERE x.inline }
WITH d, collect(b) AS unused, sum(b.size) AS freed WHERE size(unused) > 0
FOREACH (b IN unused | DELETE b) SET d.seq = d.seq + 1
CREATE (:Change {seq: d.seq, count: 1, keys: [], notes: null, token: 'sweep', at: timestamp()})
RETURN freed"""
