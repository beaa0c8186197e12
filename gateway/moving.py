"""Moves a drive from one engine to another: all rows, then the bytes where they are kept elsewhere, then a comparison
of both by counts and hashes. It goes on where it was interrupted, and the source is only read.

Nobody else may change either drive meanwhile; a source that was changed is noticed at the end.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from gateway.blobs.base import Blobs
from gateway.blobs.engine import open_blobs
from gateway.store.neo4j.connection import Connection
from gateway.store.neo4j.schema import migrate
from gateway.store.neo4j.tables import Neo4jTables
from gateway.store.sqlite.store import SqliteStore
from gateway.store.sqlite.tables import SqliteTables
from gateway.store.tables import TABLES, Row, Sum, Table, Tables, sum_of
from graphfs import config
from graphfs.errors import AlreadyExists, Busy, Corrupt

PAGE = 2000
_BLOB_PAGE = 200
"""Rows of small blobs at a time: each may have 32 KiB."""
Told = Callable[[str, int], object]
"""The name of what is worked on, and how many rows more are done."""


class Place(Struct, frozen=True):
    """One side of a move. `name` says which drive it is, for people and for going on."""

    name: str
    tables: Tables
    blobs: Blobs
    bytes_at: str
    """Where the bytes are: the same on both sides are left in place."""


class Progress(Struct):
    """How far a move is, as kept on disk."""

    source: str
    target: str
    mark: int
    table: int = 0
    after: Row | None = None


class Report(Struct, frozen=True):
    """What was moved: rows of every table, and blobs with their bytes (0 when they were left in place)."""

    rows: dict[str, int]
    blobs: int
    bytes: int


def move(source: Place, target: Place, journal: Path, told: Told = lambda name, more: None) -> Report:
    """Moves everything. `journal`: the file that remembers how far it is, gone at the end. AlreadyExists (the target
    holds a drive), Busy (the source was changed meanwhile), Corrupt (the two differ), NoSpace, Unavailable."""
    progress = _begun(source, target, journal)
    for number in range(progress.table, len(TABLES)):
        table = TABLES[number]
        while rows := source.tables.rows(table, progress.after, _page(table)):
            target.tables.put(table, rows)
            progress.after = rows[-1][: table.key]
            _keep(journal, progress)
            told(table.name, len(rows))
        progress.table, progress.after = number + 1, None
        _keep(journal, progress)
    blobs, size = (0, 0) if source.bytes_at == target.bytes_at else _move_bytes(source, target, told)
    target.tables.finish(source.tables.next_id())
    rows_of = _compared(source, target, told)
    if source.tables.mark() != progress.mark:
        journal.unlink()
        raise Busy(f"{source.name} was changed while it was moved: stop its servers, empty the target, and begin again")
    journal.unlink()
    return Report({name: found.rows for name, found in rows_of.items()}, blobs, size)


def _page(table: Table) -> int:
    return _BLOB_PAGE if table.name == "blob" else PAGE


def _begun(source: Place, target: Place, journal: Path) -> Progress:
    if journal.exists():
        progress = msgspec.msgpack.decode(journal.read_bytes(), type=Progress)
        if (progress.source, progress.target) == (source.name, target.name):
            return progress
        raise AlreadyExists(f"{journal} is of an unfinished move from {progress.source} to {progress.target}")
    if not target.tables.empty():
        raise AlreadyExists(f"{target.name} holds a drive already: a drive is moved to where there is none")
    progress = Progress(source.name, target.name, source.tables.mark())
    # Before the first row: a target with rows and without this would be taken for a drive.
    _keep(journal, progress)
    return progress


def _keep(journal: Path, progress: Progress) -> None:
    new = journal.with_suffix(".new")
    new.write_bytes(msgspec.msgpack.encode(progress))
    new.replace(journal)


def _move_bytes(source: Place, target: Place, told: Told) -> tuple[int, int]:
    """Every put verifies its digest."""
    count = size = 0
    for digest in sorted(source.tables.used_digests()):
        if not target.blobs.has(digest):
            data = source.blobs.read(digest, 0, source.blobs.size(digest))
            target.blobs.put(digest, data, durable=False)
            size += len(data)
        count += 1
        told("content", 1)
    target.blobs.flush()
    return count, size


def _compared(source: Place, target: Place, told: Told) -> dict[str, Sum]:
    found = {}
    for table in TABLES:
        here, there = (
            sum_of(place.tables, table, _page(table), lambda more: told("comparing", more))
            for place in (source, target)
        )
        if here != there:
            raise Corrupt(
                f"{table.name}: {here.rows} rows in {source.name}, {there.rows} in {target.name}, or they differ"
            )
        found[table.name] = here
    missing = [digest.hex() for digest in source.tables.used_digests() if not target.blobs.has(digest)]
    if missing:
        raise Corrupt(f"{len(missing)} blobs are not where {target.name} keeps its bytes, {missing[0]} among them")
    return found


def state_place(name: str, state: Path, settings: config.Config) -> Place:
    """The drive of a state directory, made when there is none. TooNew, Busy, Corrupt."""
    tables = SqliteTables(SqliteStore(state / "graph.sqlite"))
    return Place(name, tables, open_blobs(settings.blobs, state, 0), _bytes_at(settings.blobs, state))


def graph_place(name: str, uri: str, state: Path, settings: config.Config) -> Place:
    """The drive in a graph, made when there is none; `uri` empty: that of the settings. Bytes that the settings keep in
    no place of their own are those of the state directory. TooNew, Unavailable, AccessDenied."""
    there = settings.neo4j
    password = there.password.reveal() if there.password else ""
    connection = Connection(uri or there.uri, there.user if password else "", password, there.database)
    try:
        migrate(connection, time.time_ns(), os.getuid(), os.getgid())
        blobs = open_blobs(settings.blobs, state, 0)
    except BaseException:
        connection.close()
        raise
    return Place(name, Neo4jTables(connection), blobs, _bytes_at(settings.blobs, state))


def _bytes_at(settings: config.Blobs, state: Path) -> str:
    if settings.engine == "s3":
        return f"{settings.endpoint}/{settings.bucket}/{settings.prefix.strip('/')}"
    return os.path.realpath(Path(settings.folder).expanduser() if settings.folder else state / "blobs")
