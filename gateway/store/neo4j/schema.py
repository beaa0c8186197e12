"""The constraints and indexes of the graph, the folders every drive has, and how an older graph becomes a newer one.

A migration is never changed once it was released; a new one is added. The version is `schema` of the one `:Drive` node.
docs/graph-schema.md shows the graph to people. Schema statements cannot share a transaction with data, so a step is
written to be repeated: a process that dies in it leaves a graph that the next one finishes.
"""

import time
from collections.abc import Callable

from neo4j.exceptions import DriverError, Neo4jError

from gateway.store.neo4j.connection import Connection, translate
from gateway.store.neo4j.marks import SET_ALL
from graphfs.errors import Busy, TooNew
from graphfs.model import FILES_ROOT, FIRST_FREE_ID, SUPER_ROOT

_FIRST: tuple[str, ...] = (
    "CREATE CONSTRAINT node_id IF NOT EXISTS FOR (n:Node) REQUIRE n.id IS UNIQUE",
    "CREATE CONSTRAINT file_id IF NOT EXISTS FOR (n:File) REQUIRE n.id IS UNIQUE",
    "CREATE CONSTRAINT name_in_folder IF NOT EXISTS FOR ()-[h:HOLDS]-() REQUIRE (h.folder, h.name) IS UNIQUE",
    "CREATE INDEX name_by_age IF NOT EXISTS FOR ()-[h:HOLDS]-() ON (h.folder, h.id)",
    "CREATE INDEX name_any IF NOT EXISTS FOR ()-[h:HOLDS]-() ON (h.name)",
    "CREATE CONSTRAINT extent_place IF NOT EXISTS FOR (n:Extent) REQUIRE (n.node, n.offset) IS UNIQUE",
    "CREATE INDEX extent_digest IF NOT EXISTS FOR (n:Extent) ON (n.digest)",
    "CREATE CONSTRAINT blob_digest IF NOT EXISTS FOR (n:Blob) REQUIRE n.digest IS UNIQUE",
    "CREATE CONSTRAINT xattr_name IF NOT EXISTS FOR (n:Xattr) REQUIRE (n.node, n.name) IS UNIQUE",
    "CREATE CONSTRAINT tag_id IF NOT EXISTS FOR (n:Tag) REQUIRE n.id IS UNIQUE",
    "CREATE CONSTRAINT tag_in_parent IF NOT EXISTS FOR (n:Tag) REQUIRE (n.parent, n.key) IS UNIQUE",
    "CREATE CONSTRAINT alias_in_parent IF NOT EXISTS FOR (n:Alias) REQUIRE (n.parent, n.key) IS UNIQUE",
    "CREATE INDEX alias_tag IF NOT EXISTS FOR (n:Alias) ON (n.tag)",
    "CREATE CONSTRAINT batch_id IF NOT EXISTS FOR (n:Batch) REQUIRE n.id IS UNIQUE",
    "CREATE INDEX batch_last IF NOT EXISTS FOR (n:Batch) ON (n.at)",
    "CREATE CONSTRAINT steps_place IF NOT EXISTS FOR (n:Steps) REQUIRE (n.batch, n.first) IS UNIQUE",
    "CREATE CONSTRAINT trash_node IF NOT EXISTS FOR (n:Trash) REQUIRE n.node IS UNIQUE",
    "CREATE INDEX trash_at IF NOT EXISTS FOR (n:Trash) ON (n.at)",
    "CREATE INDEX job_due IF NOT EXISTS FOR (n:File) ON (n.state, n.not_before)",
    "CREATE INDEX job_lease IF NOT EXISTS FOR (n:File) ON (n.state, n.lease_until)",
    "CREATE CONSTRAINT answer_key IF NOT EXISTS FOR (n:Answer) REQUIRE n.key IS UNIQUE",
    "CREATE CONSTRAINT done_key IF NOT EXISTS FOR (n:Done) REQUIRE n.key IS UNIQUE",
    "CREATE INDEX done_at IF NOT EXISTS FOR (n:Done) ON (n.at)",
    "CREATE CONSTRAINT change_seq IF NOT EXISTS FOR (n:Change) REQUIRE n.seq IS UNIQUE",
    "CREATE INDEX change_token IF NOT EXISTS FOR (n:Change) ON (n.token)",
    "CALL db.awaitIndexes(300)",
)

_TOKENS: tuple[str, ...] = ("CREATE CONSTRAINT token_name IF NOT EXISTS FOR (n:Token) REQUIRE n.name IS UNIQUE",)

# Whose turn it is must not cost a walk over all that wait: a job knows the owner of its file.
_QUEUE_TURNS: tuple[str, ...] = (
    "MATCH (n:Node)-[:IS]->(f:File) WHERE f.state IS NOT NULL AND f.owner IS NULL SET f.owner = n.uid",
    "CREATE INDEX job_turn IF NOT EXISTS FOR (n:File) ON (n.state, n.owner, n.id)",
    "CALL db.awaitIndexes(300)",
)

_LOANS: tuple[str, ...] = ("CREATE CONSTRAINT loan_folder IF NOT EXISTS FOR (n:Loan) REQUIRE n.folder IS UNIQUE",)

_MARKS: tuple[str, ...] = (SET_ALL,)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _TOKENS, _QUEUE_TURNS, _LOANS, _MARKS)
SCHEMA = len(MIGRATIONS)

_DRIVE = "CREATE CONSTRAINT drive_id IF NOT EXISTS FOR (n:Drive) REQUIRE n.id IS UNIQUE"
_FOUND = "MATCH (d:Drive {id: 0}) RETURN d.schema"
# Whoever sets `migrating` alone goes on; a lease of a minute, in case that process dies.
_LOCK = """
MERGE (d:Drive {id: 0}) ON CREATE SET d.schema = 0, d.migrating = 0
SET d.locked = 0
WITH d, d.migrating AS until, timestamp() AS now
SET d.migrating = CASE WHEN until < now THEN now + 60000 ELSE until END
RETURN until < now, d.schema"""
_DONE = "MATCH (d:Drive {id: 0}) SET d.schema = $step"
_UNLOCK = "MATCH (d:Drive {id: 0}) SET d.migrating = 0"
_SEED = """
MATCH (d:Drive {id: 0}) WHERE d.seq IS NULL
SET d.seq = timestamp(), d.pruned = timestamp(), d.entry = 1, d.next_id = $first
CREATE (r:Node:Folder $root), (f:Node:Folder $files), (r)-[:HOLDS {folder: $top, id: 1, name: 'files'}]->(f)"""


def migrate(connection: Connection, now: int, uid: int, gid: int, patience: float = 120.0) -> None:
    """Brings the graph to this schema, one process at a time. TooNew when it is already beyond."""
    try:
        if _found(connection) == SCHEMA:
            return
        connection.write(_DRIVE)
        _locked(connection, time.monotonic() + patience, lambda: _steps(connection, now, uid, gid))
    except (Neo4jError, DriverError) as error:
        raise translate(error) from error


def _found(connection: Connection) -> int:
    rows = connection.read(_FOUND)
    found = int(rows[0][0]) if rows else 0
    if found > SCHEMA:
        raise TooNew(
            f"this drive has schema {found}, this GraphFS knows up to {SCHEMA}: use the newer GraphFS that wrote it"
        )
    return found


def _locked(connection: Connection, deadline: float, work: Callable[[], None]) -> None:
    while not connection.write(_LOCK)[0][0]:
        if time.monotonic() > deadline:
            raise Busy("another main server has been migrating the graph for long; try again")
        time.sleep(0.2)
    try:
        work()
    finally:
        connection.write(_UNLOCK)


def _steps(connection: Connection, now: int, uid: int, gid: int) -> None:
    for step in range(_found(connection), SCHEMA):
        for statement in MIGRATIONS[step]:
            connection.write(statement)
        if step == 0:
            seed(connection, now, uid, gid)
        connection.write(_DONE, {"step": step + 1})


def seed(connection: Connection, now: int, uid: int, gid: int) -> None:
    """The folders that every drive has, once."""
    folder = {
        "mode": 0o40755, "uid": uid, "gid": gid, "rdev": 0, "size": 0, "stored": 0, "atime": now, "mtime": now,
        "ctime": now, "tags": 0, "version": 0, "file": 0, "arrived": now,
    }  # fmt: skip
    root = {**folder, "id": SUPER_ROOT, "links": 3, "live": False}
    files = {**folder, "id": FILES_ROOT, "links": 2, "live": True, "name": "files"}
    values = {"first": FIRST_FREE_ID, "root": root, "files": files, "top": SUPER_ROOT}
    connection.write(_SEED, values)
