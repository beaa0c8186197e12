"""The rows of a drive on Neo4j, for moving it. See `gateway.store.tables`."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from neo4j.exceptions import DriverError, Neo4jError

from gateway.store.neo4j.connection import Connection, translate
from gateway.store.neo4j.marks import SET_ALL
from gateway.store.neo4j.reader import NODE
from gateway.store.neo4j.texts import plain, stored
from gateway.store.rows import ChangeRow
from gateway.store.tables import Row, Table
from graphfs.model import FIRST_FREE_ID

_EDGE = "h.state, h.source, h.model, h.prompt, h.confidence, h.evidence, h.at, h.actor"

_LEAST: dict[str, tuple[Any, Any]] = {"blob": ("", 0), "token": ("", 0), "xattr": (-1, ""), "alias": (-1, "")}
# Of each table: the match with the condition of its key (a, b: the key after which), what is returned, its order.
_READ: dict[str, tuple[str, str, str]] = {
    "node": (
        "MATCH (n:Node) WHERE n.id > $a",
        f"{NODE}, n.live, n.arrived, coalesce(n.target, '')",
        "n.id",
    ),
    "entry": (
        "MATCH ()-[h:HOLDS]->(n) WHERE h.folder >= $a AND h.id IS NOT NULL AND (h.folder > $a OR h.id > $b)",
        "h.folder, h.id, h.name, n.id",
        "h.folder, h.id",
    ),
    "extent": (
        "MATCH (x:Extent) WHERE x.node >= $a AND x.offset IS NOT NULL AND (x.node > $a OR x.offset > $b)",
        "x.node, x.offset, x.length, x.digest, x.start, x.inline",
        "x.node, x.offset",
    ),
    "blob": ("MATCH (b:Blob) WHERE b.digest > $a", "b.digest, b.data", "b.digest"),
    "xattr": (
        "MATCH (x:Xattr) WHERE x.node >= $a AND x.name IS NOT NULL AND (x.node > $a OR x.name > $b)",
        "x.node, x.name, x.value",
        "x.node, x.name",
    ),
    "tag": ("MATCH (t:Tag) WHERE t.id > $a", "t.id, t.parent, t.name, t.key, t.changed, t.proposed", "t.id"),
    "alias": (
        "MATCH (n:Alias) WHERE n.parent >= $a AND n.key IS NOT NULL AND (n.parent > $a OR n.key > $b)",
        "n.parent, n.key, n.name, n.tag",
        "n.parent, n.key",
    ),
    "edge": (
        "MATCH (f:File)-[h:HAS_TAG]->(t) WHERE f.id >= $a AND (f.id > $a OR h.tag > $b)",
        f"f.id, h.tag, {_EDGE}",
        "f.id, h.tag",
    ),
    "change": (
        "MATCH (s:Steps) WHERE s.batch >= $a AND s.first IS NOT NULL AND (s.batch > $a OR s.first > $b)",
        "s.batch, s.first, s.rows",
        "s.batch, s.first",
    ),
    "batch": (
        "MATCH (b:Batch) WHERE b.id > $a",
        "b.id, b.at, b.last, b.uid, b.pid, b.actor, b.why, b.changes, b.undone",
        "b.id",
    ),
    "trash": ("MATCH (t:Trash) WHERE t.node > $a", "t.node, t.path, t.at, t.uid, t.actor, t.why", "t.node"),
    "job": (
        "MATCH (f:File) WHERE f.id > $a AND f.state IS NOT NULL",
        "f.id, f.state, f.attempts, f.not_before, f.lease, f.lease_until, f.worker, f.error, f.owner",
        "f.id",
    ),
    "token": (
        "MATCH (t:Token) WHERE t.name > $a",
        "t.name, t.digest, t.scopes, t.uid, t.gid, t.created, t.expires, t.by",
        "t.name",
    ),
}

_PUT: dict[str, str] = {
    # r: what is set; f: the stable id of a regular file
    "node": """
UNWIND $rows AS row MERGE (n:Node {id: row.r.id}) SET n += row.r
FOREACH (_ IN CASE WHEN row.folder THEN [1] ELSE [] END | SET n:Folder)
FOREACH (_ IN CASE WHEN row.r.file > 0 THEN [1] ELSE [] END | MERGE (f:File {id: row.r.file}) MERGE (n)-[:IS]->(f))""",
    "entry": """
UNWIND $rows AS r MATCH (f:Node {id: r.folder}) MATCH (n:Node {id: r.node})
MERGE (f)-[h:HOLDS {folder: r.folder, name: r.name}]->(n) SET h.id = r.id""",
    "extent": "UNWIND $rows AS r MERGE (x:Extent {node: r.node, offset: r.offset}) SET x = r",
    "blob": "UNWIND $rows AS r MERGE (b:Blob {digest: r.digest}) SET b = r",
    "xattr": "UNWIND $rows AS r MERGE (x:Xattr {node: r.node, name: r.name}) SET x = r",
    "tag": "UNWIND $rows AS r MERGE (t:Tag {id: r.id}) SET t = r",
    "alias": "UNWIND $rows AS r MERGE (n:Alias {parent: r.parent, key: r.key}) SET n = r",
    "edge": """
UNWIND $rows AS r MATCH (f:File {id: r.file}) MATCH (t:Tag {id: r.tag}) MERGE (f)-[h:HAS_TAG]->(t) SET h = r""",
    "batch": "UNWIND $rows AS r MERGE (b:Batch {id: r.id}) SET b = r",
    "change": "UNWIND $rows AS r MERGE (s:Steps {batch: r.batch, first: r.first}) SET s = r",
    "trash": "UNWIND $rows AS r MERGE (t:Trash {node: r.node}) SET t = r",
    "job": "UNWIND $rows AS r MATCH (f:File {id: r.id}) SET f += r",
    "token": "UNWIND $rows AS r MERGE (t:Token {name: r.name}) SET t = r",
}
_FINISH = (
    SET_ALL,
    "MATCH (t:Tag) WHERE t.parent > 0 MATCH (p:Tag {id: t.parent}) MERGE (t)-[:CHILD_OF]->(p)",
    """
MATCH (d:Drive {id: 0}) CALL () { MATCH ()-[h:HOLDS]->() RETURN max(h.id) AS entry }
SET d.next_id = CASE WHEN d.next_id < $next THEN $next ELSE d.next_id END, d.entry = entry,
  d.seq = d.seq + 1, d.pruned = d.seq + 1""",
)


class Neo4jTables:
    """Implements `gateway.store.tables.Tables`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _one(self, text: str) -> int:
        return int(self._connection.read(text)[0][0])

    def empty(self) -> bool:
        return self._one("MATCH (d:Drive {id: 0}) RETURN d.next_id") == FIRST_FREE_ID

    def mark(self) -> int:
        return self._one("MATCH (d:Drive {id: 0}) RETURN d.seq")

    def next_id(self) -> int:
        return self._one("MATCH (d:Drive {id: 0}) RETURN d.next_id")

    def rows(self, table: Table, after: Row | None, limit: int) -> list[Row]:
        match, returned, order = _READ[table.name]
        first, second = _LEAST.get(table.name, (-1, -1)) if after is None else (*_kept_key(table, after), -1)[:2]
        text = f"{match} RETURN {returned} ORDER BY {order} LIMIT $limit"
        found = self._connection.read(text, {"a": first, "b": second, "limit": limit})
        if table.name == "change":
            return [
                (batch, first + step, one.kind, one.file, one.tag, one.before, one.after)
                for batch, first, rows in found
                for step, one in enumerate(msgspec.json.decode(rows, type=list[ChangeRow]))
            ]
        change = _OUT.get(table.name)
        return [change(row) if change else tuple(row) for row in found]

    def put(self, table: Table, rows: Sequence[Row]) -> None:
        if table.name == "change":
            values = _steps(rows)
        else:
            change = _IN.get(table.name)
            values = [dict(zip(table.columns, row, strict=True)) for row in rows]
            values = [change(one) for one in values] if change else values
        try:
            self._connection.write(_PUT[table.name], {"rows": values})
        except (Neo4jError, DriverError) as error:
            raise translate(error) from error

    def finish(self, next_id: int) -> None:
        try:
            for text in _FINISH:
                self._connection.write(text, {"next": next_id})
        except (Neo4jError, DriverError) as error:
            raise translate(error) from error

    def used_digests(self) -> set[bytes]:
        rows = self._connection.read("MATCH (x:Extent) WHERE NOT x.inline RETURN DISTINCT x.digest")
        return {bytes.fromhex(row[0]) for row in rows}

    def close(self) -> None:
        self._connection.close()


def _text(name: bytes) -> str:
    return stored(name.decode("utf-8", "surrogateescape"))


def _bytes(text: str) -> bytes:
    return plain(text).encode("utf-8", "surrogateescape")


def _kept_key(table: Table, key: Row) -> Row:
    """As the graph has it."""
    if table.name == "blob":
        return (key[0].hex(),)
    return (key[0], _text(key[1])) if table.name == "xattr" else key


_OUT: dict[str, Callable[[Sequence[Any]], Row]] = {
    "node": lambda row: (*row[:14], bool(row[14]), row[15], _bytes(row[16])),
    "entry": lambda row: (row[0], row[1], _bytes(row[2]), row[3]),
    "extent": lambda row: (row[0], row[1], row[2], bytes.fromhex(row[3]), row[4], bool(row[5])),
    "blob": lambda row: (bytes.fromhex(row[0]), bytes(row[1])),
    "xattr": lambda row: (row[0], _bytes(row[1]), bytes(row[2])),
    "trash": lambda row: (row[0], _bytes(row[1]), *row[2:]),
}


def _node(row: dict[str, Any]) -> dict[str, Any]:
    target = _text(row.pop("target"))
    return {"r": row | ({"target": target} if target else {}), "folder": row["mode"] & 0o170000 == 0o040000}


_IN: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "node": _node,
    "entry": lambda row: row | {"name": _text(row["name"])},
    "extent": lambda row: row | {"digest": row["digest"].hex()},
    "blob": lambda row: row | {"digest": row["digest"].hex(), "size": len(row["data"])},
    "xattr": lambda row: row | {"name": _text(row["name"])},
    "trash": lambda row: row | {"path": _text(row["path"])},
    "job": lambda row: {("id" if name == "file" else name): value for name, value in row.items()},
}


def _steps(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Those of one batch that follow each other stand together."""
    found: list[tuple[int, int, list[ChangeRow]]] = []
    for batch, step, *rest in rows:
        if not found or found[-1][0] != batch or found[-1][1] + len(found[-1][2]) != step:
            found.append((batch, step, []))
        found[-1][2].append(ChangeRow(*rest))
    return [
        {"batch": batch, "first": first, "rows": msgspec.json.encode(some).decode()} for batch, first, some in found
    ]
