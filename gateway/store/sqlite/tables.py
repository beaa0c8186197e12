"""The rows of a SQLite drive, for moving it. See `gateway.store.tables`."""

from collections.abc import Sequence
from typing import Any

from gateway.store.sqlite.store import SqliteStore
from gateway.store.tables import Row, Table
from graphfs.model import FIRST_FREE_ID

_FILE = 13
_FLAGS = {"node": ("live",), "extent": ("inline",), "tag": ("proposed",), "batch": ("undone",)}


class SqliteTables:
    """Implements `gateway.store.tables.Tables`."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    def empty(self) -> bool:
        rows = self._store.query("SELECT value FROM meta WHERE name = 'next_id'")
        return bool(rows[0][0] == FIRST_FREE_ID)

    def mark(self) -> int:
        return 0  # the state directory is locked

    def next_id(self) -> int:
        rows = self._store.query(
            "SELECT value FROM meta WHERE name = 'next_id' UNION SELECT seq + 1 FROM sqlite_sequence"
        )
        return max(int(row[0]) for row in rows)

    def rows(self, table: Table, after: Row | None, limit: int) -> list[Row]:
        # `change` and the like are words of SQL.
        names = [f'"{name}"' for name in table.columns]
        key = ", ".join(names[: table.key])
        where = f"WHERE ({key}) > ({', '.join('?' * table.key)})" if after is not None else ""
        sql = f'SELECT {", ".join(names)} FROM "{table.name}" {where} ORDER BY {key} LIMIT ?'
        return [_read(table, row) for row in self._store.database.scan(sql, (*(after or ()), limit))]

    def put(self, table: Table, rows: Sequence[Row]) -> None:
        names = ", ".join(f'"{name}"' for name in table.columns)
        marks = ", ".join("?" * len(table.columns))
        with self._store.transaction() as tx:
            tx.db.executemany(
                f'INSERT OR REPLACE INTO "{table.name}"({names}) VALUES({marks})', [_kept(table, row) for row in rows]
            )

    def finish(self, next_id: int) -> None:
        with self._store.transaction() as tx:
            tx.db.execute("UPDATE meta SET value = ? WHERE name = 'next_id'", (next_id,))
            tx.db.execute("UPDATE sqlite_sequence SET seq = max(seq, ?)", (next_id - 1,))
        self._store.flush()

    def used_digests(self) -> set[bytes]:
        return set(self._store.used_digests())

    def close(self) -> None:
        self._store.close()


def _read(table: Table, row: tuple[Any, ...]) -> Row:
    found = list(row)
    for name in _FLAGS.get(table.name, ()):
        at = table.columns.index(name)
        found[at] = bool(found[at])
    if table.name == "node":
        found[_FILE] = found[_FILE] or 0
        found[-1] = found[-1] or b""
    return tuple(found)


def _kept(table: Table, row: Row) -> Row:
    if table.name == "node":
        return (*row[:_FILE], row[_FILE] or None, *row[_FILE + 1 : -1], row[-1] or None)
    return row
