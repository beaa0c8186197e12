"""Jobs, remembered answers and tokens in SQLite."""

import os
import sqlite3
from collections.abc import Sequence
from typing import Any

from msgspec.structs import astuple

from gateway.store.rows import DueJob, TokenRow
from gateway.store.sqlite.records import OF_FILE
from graphfs.model import JobRecord, JobState

# The node that is the file of a job: mostly the one with the same id.
_NODE_OF = OF_FILE.format("j.file")


class QueueReader:
    """Reads of the queue."""

    def query(self, sql: str, arguments: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        raise NotImplementedError

    def _records(self, where: str, arguments: tuple[Any, ...]) -> list[JobRecord]:
        rows = self.query(
            "SELECT j.file, j.state, j.attempts, j.not_before, j.error,"
            f" (SELECT e.name FROM entry e WHERE e.node = {_NODE_OF} ORDER BY e.id LIMIT 1) FROM job j WHERE {where}",
            arguments,
        )
        return [
            JobRecord(file, JobState(state), attempts, not_before, os.fsdecode(name or b""), error)
            for file, state, attempts, not_before, error, name in rows
        ]

    def job(self, file: int) -> JobRecord | None:
        found = self._records("j.file = ?", (file,))
        return found[0] if found else None

    def lease_of(self, file: int) -> tuple[str, int]:
        rows = self.query("SELECT lease, lease_until FROM job WHERE file = ?", (file,))
        return (rows[0][0], rows[0][1]) if rows else ("", 0)

    def jobs(self, state: str, limit: int) -> list[JobRecord]:
        return self._records("j.state = ? LIMIT ?", (state, limit or -1))

    def job_counts(self) -> dict[str, int]:
        return dict(self.query("SELECT state, count(*) FROM job GROUP BY state"))

    def answer(self, content: str, model: str, prompt: str) -> str | None:
        rows = self.query(
            "SELECT texts FROM answer WHERE content = ? AND model = ? AND prompt = ?", (content, model, prompt)
        )
        return str(rows[0][0]) if rows else None

    def loans(self) -> list[tuple[int, int]]:
        return []

    def tokens(self) -> list[TokenRow]:
        return [TokenRow(*row) for row in self.query("SELECT * FROM token ORDER BY name")]

    def memo(self, name: str) -> str:
        rows = self.query("SELECT text FROM memo WHERE name = ?", (name,))
        return str(rows[0][0]) if rows else ""

    def done(self, key: str) -> bool:
        return bool(self.query("SELECT 1 FROM done WHERE key = ?", (key,)))


class QueueWriter(QueueReader):
    """Changes of the queue, inside a transaction."""

    db: sqlite3.Connection

    def queue(self, file: int, not_before: int) -> None:
        self.db.execute(
            "INSERT INTO job VALUES(?1, 'queued', 0, ?2, '', 0, '', '',"
            f" ifnull((SELECT uid FROM node WHERE id = {OF_FILE.format('?1')} AND file = ?1), 0))"
            " ON CONFLICT(file) DO UPDATE SET state = 'queued', attempts = 0, not_before = excluded.not_before,"
            " lease = '', lease_until = 0, worker = '', error = '', owner = excluded.owner",
            (file, not_before),
        )

    def delete_job(self, file: int) -> None:
        self.db.execute("DELETE FROM job WHERE file = ?", (file,))

    def job_owners(self) -> list[int]:
        # from one owner to the next by the index, not over all that wait
        found: set[int] = set()
        for state in ("queued", "leased"):
            rows = self.db.execute(
                "WITH RECURSIVE turn(owner) AS (SELECT min(owner) FROM job WHERE state = ?1 UNION ALL"
                " SELECT (SELECT min(owner) FROM job WHERE state = ?1 AND owner > turn.owner) FROM turn"
                " WHERE turn.owner IS NOT NULL) SELECT owner FROM turn WHERE owner IS NOT NULL",
                (state,),
            )
            found.update(row[0] for row in rows)
        return sorted(found)

    def due_jobs(self, now: int, limit: int, owner: int) -> list[DueJob]:
        # each part walks its state's end of the index: the cost must not grow with what waits
        newest = (
            "SELECT * FROM (SELECT j.file, n.id, n.version, n.size, j.attempts, j.worker FROM job j JOIN node n"
            f" ON n.id = {_NODE_OF} WHERE j.state = {{}} AND j.owner = ?3 ORDER BY j.file DESC LIMIT ?2)"
        )
        rows = self.db.execute(
            newest.format("'queued' AND j.not_before <= ?1")
            + " UNION ALL "
            + newest.format("'leased' AND j.lease_until <= ?1")
            + " ORDER BY 1 DESC LIMIT ?2",
            (now, limit, owner),
        ).fetchall()
        return [DueJob(*row) for row in rows]

    def save_job(
        self,
        file: int,
        state: str,
        attempts: int,
        not_before: int,
        lease: str,
        lease_until: int,
        worker: str,
        error: str,
    ) -> None:
        self.db.execute(
            "UPDATE job SET state=?, attempts=?, not_before=?, lease=?, lease_until=?, worker=?, error=? WHERE file=?",
            (state, attempts, not_before, lease, lease_until, worker, error, file),
        )

    def save_answer(self, content: str, model: str, prompt: str, texts: str) -> None:
        self.db.execute("INSERT OR REPLACE INTO answer VALUES(?, ?, ?, ?)", (content, model, prompt, texts))

    def add_token(self, row: TokenRow) -> None:
        self.db.execute("INSERT INTO token VALUES(?, ?, ?, ?, ?, ?, ?, ?)", astuple(row))

    def delete_token(self, name: str) -> None:
        self.db.execute("DELETE FROM token WHERE name = ?", (name,))

    def save_memo(self, name: str, text: str) -> None:
        if text:
            self.db.execute("INSERT OR REPLACE INTO memo VALUES(?, ?)", (name, text))
        else:
            self.db.execute("DELETE FROM memo WHERE name = ?", (name,))

    def lend(self, folders: Sequence[int], mount: int) -> None:
        """What one process lends is over when it ends."""

    def mark_done(self, key: str, now: int) -> None:
        # Transactions take turns, and who marks has asked before: there is none yet.
        self.db.execute("INSERT INTO done VALUES(?, ?)", (key, now))

    def forget_done(self, before: int) -> None:
        self.db.execute("DELETE FROM done WHERE at < ?", (before,))
