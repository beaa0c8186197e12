"""A drive's rows as tables that mean the same in every engine: how a drive is moved from one engine to another.

A row is a tuple of numbers, texts, bytes and None, in the order of the columns; names of files are `bytes`. The first
columns of a table are its key: a row that is put twice is there once. What is not moved: marks of requests that may be
repeated, models' remembered answers, and notes (that the queue is paused, today's tokens), all of which are forgotten
in time or said again.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec
from msgspec import Struct

Row = tuple[Any, ...]

UNFINISHED = "migration"
"""In the state directory while a move to or from it is under way: how far it is."""


class Table(Struct, frozen=True):
    """Its name, how many of its columns are the key, and all columns."""

    name: str
    key: int
    columns: tuple[str, ...]


def _table(name: str, key: int, columns: str) -> Table:
    return Table(name, key, tuple(columns.split()))


TABLES: tuple[Table, ...] = (
    _table(
        "node",
        1,
        "id mode uid gid rdev size stored atime mtime ctime links tags version file live arrived target",
    ),
    _table("entry", 2, "folder id name node"),
    _table("extent", 2, "node offset length digest start inline"),
    _table("blob", 1, "digest data"),
    _table("xattr", 2, "node name value"),
    _table("tag", 1, "id parent name key changed proposed"),
    _table("alias", 2, "parent key name tag"),
    _table("edge", 2, "file tag state source model prompt confidence evidence at actor"),
    _table("batch", 1, "id at last uid pid actor why changes undone"),
    _table("change", 2, "batch step kind file tag before after"),
    _table("trash", 1, "node path at uid actor why"),
    _table("job", 1, "file state attempts not_before lease lease_until worker error owner"),
    _table("token", 1, "name digest scopes uid gid created expires by"),
)
"""Those that others speak of come first."""


class Tables(Protocol):
    """The rows of one engine, for whoever has the drive alone."""

    def empty(self) -> bool:
        """Whether nothing was ever made there."""
        ...

    def mark(self) -> int:
        """Another value when somebody changed something meanwhile."""
        ...

    def next_id(self) -> int:
        """No id at or above it was ever given."""
        ...

    def rows(self, table: Table, after: Row | None, limit: int) -> list[Row]:
        """The next ones behind a key, in an order of the engine's own."""
        ...

    def put(self, table: Table, rows: Sequence[Row]) -> None:
        """All of them or none. Those that are there already are replaced."""
        ...

    def finish(self, next_id: int) -> None:
        """All rows are there; ids are given from `next_id` on."""
        ...

    def used_digests(self) -> set[bytes]:
        """The blobs of the blob store that are part of a content."""
        ...

    def close(self) -> None: ...


class Sum(Struct, frozen=True):
    """A table's number of rows, and a sum of the SHA-256 of each: the same in whatever order they come."""

    rows: int
    digest: int


def sum_of(tables: Tables, table: Table, page: int, told: Callable[[int], object]) -> Sum:
    """Reads all of a table. `told` gets the number of rows of each page."""
    digest, count, after = 0, 0, None
    while rows := tables.rows(table, after, page):
        for row in rows:
            digest += int.from_bytes(hashlib.sha256(msgspec.msgpack.encode(row)).digest(), "big")
        count += len(rows)
        after = rows[-1][: table.key]
        told(len(rows))
    return Sum(count, digest % (1 << 256))
