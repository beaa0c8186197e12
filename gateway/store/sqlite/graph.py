"""Tags, edges, the journal of their changes and the trash in SQLite."""

import os
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from gateway.store.rows import AliasRow, BatchRow, ChangeRow, EdgeRow, TagRow, TrashRow
from gateway.store.sqlite.records import OF_FILE

_EDGE = "file, tag, state, source, model, prompt, confidence, evidence, at, actor"
_BATCH = "id, at, last, uid, pid, actor, why, changes, undone"
_TRASH = "node, path, at, uid, actor, why"


def _batch(row: tuple[Any, ...]) -> BatchRow:
    batch, at, last, uid, pid, actor, why, changes, undone = row
    return BatchRow(batch, at, last, uid, pid, actor, why, changes, bool(undone))


def _trash(row: tuple[Any, ...]) -> TrashRow:
    node, path, *rest = row
    return TrashRow(node, os.fsdecode(path), *rest)


class GraphReader:
    """Reads of the graph."""

    def query(self, sql: str, arguments: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        raise NotImplementedError

    def tags(self) -> list[TagRow]:
        rows = self.query("SELECT id, parent, name, key, changed, proposed FROM tag ORDER BY parent, key")
        return [TagRow(tag, parent, name, key, when, bool(flag)) for tag, parent, name, key, when, flag in rows]

    def aliases(self) -> list[AliasRow]:
        return [AliasRow(*row) for row in self.query("SELECT parent, key, name, tag FROM alias ORDER BY parent, key")]

    def edges(self, file: int) -> list[EdgeRow]:
        return [EdgeRow(*row) for row in self.query(f"SELECT {_EDGE} FROM edge WHERE file = ?", (file,))]

    def edges_of(self, tag: int) -> list[EdgeRow]:
        return [EdgeRow(*row) for row in self.query(f"SELECT {_EDGE} FROM edge WHERE tag = ?", (tag,))]

    def members(self, state: str) -> Iterable[tuple[int, list[int]]]:
        groups: dict[int, list[int]] = {}
        for file, tag in self.query("SELECT file, tag FROM edge WHERE state = ?", (state,)):
            groups.setdefault(tag, []).append(file)
        return groups.items()

    def batches(self, limit: int, before: int) -> list[BatchRow]:
        rows = self.query(
            f"SELECT {_BATCH} FROM batch WHERE id < ? ORDER BY id DESC LIMIT ?", (before or (1 << 62), limit or -1)
        )
        return [_batch(row) for row in rows]

    def batch(self, batch: int) -> BatchRow | None:
        rows = self.query(f"SELECT {_BATCH} FROM batch WHERE id = ?", (batch,))
        return _batch(rows[0]) if rows else None

    def last_batch(self, uid: int) -> BatchRow | None:
        rows = self.query(
            f"SELECT {_BATCH} FROM batch WHERE uid = ? AND undone = 0 AND changes > 0 AND actor <> 'tagger' AND why"
            f" NOT LIKE 'undo %'"
            " ORDER BY id DESC LIMIT 1",
            (uid,),
        )
        return _batch(rows[0]) if rows else None

    def changes(self, batch: int) -> list[ChangeRow]:
        rows = self.query("SELECT kind, file, tag, before, after FROM change WHERE batch = ? ORDER BY step", (batch,))
        return [ChangeRow(*row) for row in rows]

    def trash(self, limit: int) -> list[TrashRow]:
        return [
            _trash(row)
            for row in self.query(f"SELECT {_TRASH} FROM trash ORDER BY at DESC, node DESC LIMIT ?", (limit or -1,))
        ]

    def trashed(self, item: int) -> TrashRow | None:
        rows = self.query(f"SELECT {_TRASH} FROM trash WHERE node = ?", (item,))
        return _trash(rows[0]) if rows else None

    def trashed_before(self, when: int) -> list[TrashRow]:
        return [
            _trash(row)
            for row in self.query(f"SELECT {_TRASH} FROM trash WHERE at < ? ORDER BY at, node LIMIT 10000", (when,))
        ]


class GraphWriter(GraphReader):
    """Changes of the graph, inside a transaction."""

    db: sqlite3.Connection
    open: tuple[tuple[int, int, str], int, int] | None = None
    """The last batch of changes: whose it is, its number, when it grew last. None: not known."""

    def add_tag(self, parent: int, name: str, key: str, now: int, *, proposed: bool = False) -> int:
        done = self.db.execute(
            "INSERT INTO tag(parent, name, key, changed, proposed) VALUES(?, ?, ?, ?, ?)",
            (parent, name, key, now, proposed),
        )
        return int(done.lastrowid or 0)

    def put_tag(self, row: TagRow) -> None:
        self.db.execute(
            "INSERT INTO tag(id, parent, name, key, changed, proposed) VALUES(?, ?, ?, ?, ?, ?) ON CONFLICT(id) DO"
            " UPDATE SET"
            " parent = excluded.parent, name = excluded.name, key = excluded.key, changed = excluded.changed,"
            " proposed = excluded.proposed",
            (row.id, row.parent, row.name, row.key, row.changed, row.proposed),
        )

    def delete_tag(self, tag: int) -> None:
        self.db.execute("DELETE FROM tag WHERE id = ?", (tag,))
        self.db.execute("DELETE FROM alias WHERE tag = ? OR parent = ?", (tag, tag))

    def touch_tags(self, tags: Iterable[int], now: int) -> None:
        self.db.executemany("UPDATE tag SET changed = ? WHERE id = ?", [(now, tag) for tag in tags])

    def put_alias(self, row: AliasRow) -> None:
        self.db.execute("INSERT OR REPLACE INTO alias VALUES(?, ?, ?, ?)", (row.parent, row.key, row.name, row.tag))

    def delete_alias(self, parent: int, key: str) -> None:
        self.db.execute("DELETE FROM alias WHERE parent = ? AND key = ?", (parent, key))

    def put_edges(self, rows: Iterable[EdgeRow]) -> None:
        self.db.executemany(
            f"INSERT OR REPLACE INTO edge({_EDGE}) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (r.file, r.tag, r.state, r.source, r.model, r.prompt, r.confidence, r.evidence, r.at, r.actor)
                for r in rows
            ],
        )

    def delete_edge(self, file: int, tag: int) -> None:
        self.db.execute("DELETE FROM edge WHERE file = ? AND tag = ?", (file, tag))

    def delete_edges(self, file: int) -> None:
        self.db.execute("DELETE FROM edge WHERE file = ?", (file,))

    def count_tags(self, file: int, now: int) -> int:
        rows = self.db.execute(
            "UPDATE node SET tags = (SELECT count(*) FROM edge WHERE file = ?1 AND state = 'applied'), ctime = ?2"
            f" WHERE id = {OF_FILE.format('?1')} AND file = ?1 RETURNING id",
            (file, now),
        ).fetchall()
        return int(rows[0][0]) if rows else 0

    def open_batch(self, uid: int, pid: int, actor: str, why: str, now: int, gap: int) -> int:
        who = (uid, pid, actor)
        if pid and self.open and self.open[0] == who and 0 <= now - self.open[2] < gap:
            self.open = (who, self.open[1], now)
            return self.open[1]
        batch = self._batch_of(uid, pid, actor, now, gap) or self._new_batch(uid, pid, actor, why, now)
        self.open = (who, batch, now)
        return batch

    def _batch_of(self, uid: int, pid: int, actor: str, now: int, gap: int) -> int:
        """The batch that this process goes on with, 0: none."""
        if pid:
            rows = self.db.execute(
                "SELECT id, last, undone FROM batch WHERE id > (SELECT max(id) - 8 FROM batch)"
                " AND uid = ? AND pid = ? AND actor = ? ORDER BY id DESC LIMIT 1",
                (uid, pid, actor),
            ).fetchall()
            for batch, last, undone in rows:
                if not undone and 0 <= now - last < gap:
                    return int(batch)
        return 0

    def _new_batch(self, uid: int, pid: int, actor: str, why: str, now: int) -> int:
        done = self.db.execute(
            "INSERT INTO batch(at, last, uid, pid, actor, why, changes, undone) VALUES(?, ?, ?, ?, ?, ?, 0, 0)",
            (now, now, uid, pid, actor, why),
        )
        return int(done.lastrowid or 0)

    def add_changes(self, batch: int, rows: Sequence[ChangeRow], now: int) -> None:
        steps = self.db.execute(
            "UPDATE batch SET changes = changes + ?, last = ? WHERE id = ? RETURNING changes", (len(rows), now, batch)
        ).fetchall()
        first = steps[0][0] - len(rows)
        self.db.executemany(
            "INSERT INTO change VALUES(?, ?, ?, ?, ?, ?, ?)",
            [(batch, first + step, r.kind, r.file, r.tag, r.before, r.after) for step, r in enumerate(rows)],
        )

    def mark_undone(self, batch: int) -> None:
        self.open = None
        self.db.execute("UPDATE batch SET undone = 1 WHERE id = ?", (batch,))

    def add_trash(self, node: int, path: str, now: int, uid: int, actor: str, why: str) -> None:
        self.db.execute(
            "INSERT OR REPLACE INTO trash VALUES(?, ?, ?, ?, ?, ?)",
            (node, os.fsencode(path), now, uid, actor, why),
        )

    def delete_trash(self, item: int) -> None:
        self.db.execute("DELETE FROM trash WHERE node = ?", (item,))
