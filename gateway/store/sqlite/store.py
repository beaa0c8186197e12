"""The SQLite engine, put together: reads through the pool, changes in one writer's transaction."""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.store.base import Listener, Notes
from gateway.store.sqlite.check import check
from gateway.store.sqlite.database import Database, translate
from gateway.store.sqlite.graph import GraphReader, GraphWriter
from gateway.store.sqlite.queue import QueueReader, QueueWriter
from gateway.store.sqlite.records import RecordReader, RecordWriter
from gateway.store.sqlite.schema import SCHEMA, migrate
from graphfs.errors import DriveError
from graphfs.model import Problem

_ID_BLOCK = 1024


class SqliteTransaction(RecordWriter, GraphWriter, QueueWriter):
    """The open transaction; one object for the life of the store, valid only inside `transaction()`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self._next = self._reserved = 0
        self.notes: Notes | None = None

    def forget_notes(self) -> None:
        self.notes = None

    def note(self, notes: Notes) -> None:
        self.notes = notes

    def wait(self) -> None:
        """It is committed when the block is left."""

    def query(self, sql: str, arguments: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        return self.db.execute(sql, arguments).fetchall()

    def next_id(self) -> int:
        """Ids are reserved in blocks in the transaction that first needs one; a rolled-back reservation only leaves
        a gap or is
        taken again, and what a crash leaves unused is never used."""
        if self._next >= self._reserved:
            self._next = int(self.query("SELECT value FROM meta WHERE name = 'next_id'")[0][0])
            self._reserved = self._next + _ID_BLOCK
            self.db.execute("UPDATE meta SET value = ? WHERE name = 'next_id'", (self._reserved,))
        self._next += 1
        return self._next - 1

    def reserve(self, count: int) -> int:
        first = int(self.query("SELECT value FROM meta WHERE name = 'next_id'")[0][0])
        self.db.execute("UPDATE meta SET value = ? WHERE name = 'next_id'", (first + count,))
        return first

    def rolled_back(self) -> None:
        """What was reserved and begun may be gone with it."""
        self._next = self._reserved = 0
        self.open = None


class SqliteStore(RecordReader, GraphReader, QueueReader):
    """One database file in the state directory."""

    schema = SCHEMA
    shared = False

    def __init__(self, path: Path, clock: Callable[[], int] = time.time_ns) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.clock = clock
        self.served = time.monotonic
        self.database = Database(path)
        try:
            migrate(self.database.writer, clock(), os.getuid(), os.getgid())
        except sqlite3.Error as error:
            self.database.close()
            raise translate(error, path.parent) from error
        except DriveError:
            self.database.close()
            raise
        self.database.start()
        self._transaction = SqliteTransaction(self.database.writer)
        self._listener: Listener | None = None
        # What was committed is told before the next change begins.
        self._turn = threading.RLock()
        # The pool itself: no second call on the hot path.
        self.query = self.database.query  # type: ignore[method-assign]  # a bound method is put in place of one

    @contextmanager
    def transaction(self, *, draft: bool = False) -> Iterator[SqliteTransaction]:
        with self._turn:
            self._transaction.forget_notes()
            with self.database.transaction(draft=draft):
                try:
                    yield self._transaction
                except BaseException:
                    self._transaction.rolled_back()
                    raise
            if self._transaction.notes is not None and self._listener is not None:
                self._listener(0, self._transaction.notes)

    def follow(self, listener: Listener) -> int:
        self._listener = listener
        return 0

    def caught_up(self) -> None:
        """Nobody else has this database."""

    def settled(self) -> None:
        """What was committed is there."""

    def on_lost(self, forget: Callable[[], None]) -> None:
        def lost() -> None:
            self._transaction.rolled_back()
            forget()

        self.database.lost = lost

    def settle(self) -> None:
        self.database.settle()

    def flush(self) -> None:
        self.database.flush()

    def digest_used(self, digest: bytes) -> bool:
        return bool(self.query("SELECT 1 FROM extent WHERE digest = ? AND inline = 0 LIMIT 1", (digest,)))

    def used_digests(self) -> dict[bytes, int]:
        rows = self.database.scan("SELECT digest, max(start + length) FROM extent WHERE inline = 0 GROUP BY digest")
        return {bytes(digest): end for digest, end in rows}

    def sweep_blobs(self) -> int:
        unused = "digest NOT IN (SELECT digest FROM extent WHERE inline = 1)"
        with self.transaction() as tx:
            freed = int(tx.query(f"SELECT ifnull(sum(length(data)), 0) FROM blob WHERE {unused}")[0][0])
            if freed:
                tx.db.execute(f"DELETE FROM blob WHERE {unused}")
        return freed

    def small_blobs(self) -> Iterator[tuple[bytes, bytes]]:
        after = 0
        while rows := self.database.scan(
            "SELECT id, digest, data FROM blob WHERE id > ? ORDER BY id LIMIT 500", (after,)
        ):
            for _, digest, data in rows:
                yield bytes(digest), bytes(data)
            after = rows[-1][0]

    def unnamed(self) -> list[int]:
        rows = self.query(
            "SELECT id FROM node n WHERE id > 1 AND NOT EXISTS(SELECT 1 FROM entry WHERE node = n.id)"
            " AND NOT EXISTS(SELECT 1 FROM trash WHERE node = n.id)"
        )
        return [row[0] for row in rows]

    def totals(self) -> dict[str, int]:
        row = self.database.scan(
            "SELECT count(file), count(CASE WHEN mode & 61440 = 16384 THEN 1 END),"
            " ifnull(sum(CASE WHEN file IS NOT NULL THEN size END), 0),"
            " (SELECT count(*) FROM tag WHERE proposed = 0), (SELECT count(*) FROM trash) FROM node WHERE live = 1"
        )[0]
        found = dict(zip(("files", "folders", "bytes", "tags", "trashed"), row, strict=True))
        found["stored"] = sum(
            os.stat(f"{self.database.path}{end}").st_size
            for end in ("", "-wal")
            if os.path.exists(f"{self.database.path}{end}")
        )
        return found

    def check(self, repair: bool) -> list[Problem]:
        with self.transaction() as tx:
            return check(tx.db, repair)

    def close(self) -> None:
        self.database.close()
