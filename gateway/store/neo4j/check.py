"""What can be wrong in the graph, as one question each, with the statement that repairs it."""

from msgspec import Struct

from gateway.store.neo4j.connection import Connection
from gateway.store.neo4j.marks import RIGHT
from gateway.store.neo4j.reader import ALONE
from graphfs.model import Problem


class Check(Struct, frozen=True):
    """`find` begins with a match and ends with a condition; `subject` names each wrong one; `repair` is empty where
    only a person can decide."""

    kind: str
    find: str
    subject: str
    repair: str = ""


_LINKS = "CASE WHEN n:Folder THEN 2 + COUNT { (n)-[:HOLDS]->(:Folder) } ELSE COUNT { ()-[:HOLDS]->(n) } END"
_TAGS = "COUNT { MATCH (n)-[:IS]->()-[h:HAS_TAG]->() WHERE h.state = 'applied' }"
_LIVE = "EXISTS { MATCH (p:Node)-[:HOLDS]->(n) WHERE p.live }"

CHECKS: tuple[Check, ...] = (
    Check(
        "wrong link count",
        f"MATCH (n:Node) WITH n, {_LINKS} AS right WHERE n.links <> right",
        "toString(n.id)",
        "SET n.links = right",
    ),
    Check(
        "wrong tag count",
        f"MATCH (n:Node) WHERE n.file > 0 WITH n, {_TAGS} AS right WHERE n.tags <> right",
        "toString(n.id)",
        "SET n.tags = right",
    ),
    Check(
        "wrong stored size",
        "MATCH (n:Node) WHERE n.file > 0 CALL (n) { OPTIONAL MATCH (x:Extent) WHERE x.node = n.id AND x.offset >= 0"
        " RETURN coalesce(sum(x.length), 0) AS right } WITH n, right WHERE n.stored <> right",
        "toString(n.id)",
        "SET n.stored = right",
    ),
    Check(
        "wrong mark of a content",
        f"{RIGHT} WHERE n.mark IS NULL OR n.mark <> right",
        "toString(n.id)",
        "SET n.mark = right",
    ),
    Check(
        "extent beyond the end",
        "MATCH (x:Extent) MATCH (n:Node {id: x.node}) WHERE x.offset + x.length > n.size OR x.length <= 0",
        "n.id + '@' + x.offset",
    ),
    Check(
        "overlapping extents",
        "MATCH (x:Extent) MATCH (y:Extent) WHERE y.node = x.node AND y.offset > x.offset"
        " AND y.offset < x.offset + x.length",
        "x.node + '@' + x.offset",
    ),
    Check(
        "extent without node",
        "MATCH (x:Extent) WHERE NOT EXISTS { MATCH (n:Node) WHERE n.id = x.node }",
        "toString(x.node)",
        "DELETE x",
    ),
    Check(
        "missing small blob",
        "MATCH (x:Extent) WHERE x.inline AND NOT EXISTS { MATCH (b:Blob) WHERE b.digest = x.digest }",
        "x.node + '@' + x.offset",
    ),
    Check(
        "short small blob",
        "MATCH (x:Extent) WHERE x.inline MATCH (b:Blob {digest: x.digest}) WHERE x.start + x.length > size(b.data)",
        "x.node + '@' + x.offset",
    ),
    Check(
        "file without job",
        "MATCH (n:Node)-[:IS]->(f:File) WHERE n.live AND f.state IS NULL",
        "toString(f.id)",
        "SET f += {state: 'queued', attempts: 0, not_before: 0, lease: '', lease_until: 0, worker: '', error: ''}",
    ),
    Check(
        "job without file",
        "MATCH (f:File) WHERE f.state IS NOT NULL AND NOT EXISTS { MATCH (n:Node)-[:IS]->(f) WHERE n.live }",
        "toString(f.id)",
        "SET f = {id: f.id}",
    ),
    Check(
        "two nodes of one stable id",
        "MATCH (n:Node)-[:IS]->(f:File) WITH f, count(n) AS many, collect(n.file) AS said"
        " WHERE many > 1 OR any(one IN said WHERE one <> f.id)",
        "toString(f.id)",
    ),
    Check(
        "edge that contradicts itself",
        "MATCH (f:File)-[h:HAS_TAG]->(t:Tag) WHERE h.file <> f.id OR h.tag <> t.id",
        "f.id + ':' + t.id",
        "SET h.file = f.id, h.tag = t.id",
    ),
    Check(
        "name that contradicts itself",
        "MATCH (p:Node)-[h:HOLDS]->(n:Node) WHERE h.folder <> p.id OR NOT p:Folder",
        "p.id + '/' + h.name",
    ),
    Check(
        "tag without parent",
        "MATCH (t:Tag) WHERE t.parent <> 0 AND NOT EXISTS { MATCH (p:Tag) WHERE p.id = t.parent }",
        "toString(t.id)",
        "SET t.key = t.key + '~' + t.id, t.name = t.name + '~' + t.id, t.parent = 0",
    ),
    Check(
        "tag beside its parent",
        "MATCH (t:Tag)-[c:CHILD_OF]->(p:Tag) WHERE t.parent <> p.id",
        "toString(t.id)",
        "DELETE c",
    ),
    Check(
        "trash without node",
        "MATCH (t:Trash) WHERE NOT EXISTS { MATCH (n:Node) WHERE n.id = t.node }",
        "toString(t.node)",
        "DELETE t",
    ),
    Check(
        "loan without folder",
        "MATCH (l:Loan) WHERE NOT EXISTS { MATCH (n:Node) WHERE n.id = l.folder }",
        "toString(l.folder)",
        "DELETE l",
    ),
    Check(
        "wrong live mark",
        f"MATCH (n:Node) WHERE n.id > 2 WITH n, {_LIVE} AS right WHERE n.live <> right",
        "toString(n.id)",
        "SET n.live = right",
    ),
)


ANEW = (
    "MATCH (d:Drive {id: 0}) SET d.locked = 0 WITH d, d.seq + 1 AS next SET d.seq = next, d.pruned = next RETURN true"
)
"""A repair is no change of the log: together with it every main server is told that what it remembers reaches back too
far."""


def check(connection: Connection, repair: bool) -> list[Problem]:
    """Asks them all; at most 1,000 of a kind are named."""
    found: list[Problem] = []
    for one in CHECKS:
        mend = repair and bool(one.repair)
        question = f"{one.find} RETURN {one.subject} LIMIT 1000"
        rows = connection.read(question)
        if rows:
            rows = connection.read(question)  # it may have been a commit that was being written
        if rows:
            # Or another one. While this is asked nobody writes any, and everybody waits.
            rows = connection.read(f"{ALONE} {question}", alone=True)
        found += [Problem(one.kind, str(row[0]), mend) for row in rows]
        if rows and mend:
            connection.write_together((ANEW, f"MATCH (d:Drive {{id: 0}}) WITH d {one.find} {one.repair}"), {})
    return found
