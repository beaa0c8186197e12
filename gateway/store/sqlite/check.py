"""What can be wrong among the rows, as one query each, with the statement that repairs it.

A check selects the key and a description; its repair runs once, inside the same transaction, when anything was found.
"""

import sqlite3

from msgspec import Struct

from graphfs.model import Problem


class Check(Struct, frozen=True):
    """`find` selects a text that names each wrong row; `repair` is empty where only a person can decide."""

    kind: str
    find: str
    repair: str = ""


_LINKS = (
    "CASE n.mode & 61440 WHEN 16384 THEN 2 + (SELECT count(*) FROM entry e JOIN node c ON c.id = e.node"
    " WHERE e.folder = n.id AND c.mode & 61440 = 16384) ELSE (SELECT count(*) FROM entry e WHERE e.node = n.id) END"
)
_TAGS = "(SELECT count(*) FROM edge WHERE file = n.file AND state = 'applied')"
_STORED = "(SELECT ifnull(sum(length), 0) FROM extent WHERE node = n.id)"
_NO_JOB = "n.live = 1 AND n.file IS NOT NULL AND n.file NOT IN (SELECT file FROM job)"
_DEAD_JOB = "job.file NOT IN (SELECT file FROM node WHERE live = 1 AND file IS NOT NULL)"
_NO_NODE = "NOT EXISTS(SELECT 1 FROM node WHERE id = entry.node)"
_NO_FOLDER = "NOT EXISTS(SELECT 1 FROM node WHERE id = entry.folder AND mode & 61440 = 16384)"
_LOST_EXTENT = "NOT EXISTS(SELECT 1 FROM node WHERE id = extent.node)"
_LOST_EDGE = "edge.file NOT IN (SELECT file FROM node WHERE file IS NOT NULL) OR edge.tag NOT IN (SELECT id FROM tag)"
_LOST_TRASH = "NOT EXISTS(SELECT 1 FROM node WHERE id = trash.node)"

CHECKS: tuple[Check, ...] = (
    Check(
        "entry without node",
        f"SELECT folder || '/' || hex(name) FROM entry WHERE {_NO_NODE}",
        f"DELETE FROM entry WHERE {_NO_NODE}",
    ),
    Check("entry without folder", f"SELECT folder || '/' || hex(name) FROM entry WHERE {_NO_FOLDER}"),
    Check(
        "wrong link count",
        f"SELECT id FROM node n WHERE links <> {_LINKS}",
        f"UPDATE node AS n SET links = {_LINKS} WHERE links <> {_LINKS}",
    ),
    Check(
        "wrong tag count",
        f"SELECT id FROM node n WHERE file IS NOT NULL AND tags <> {_TAGS}",
        f"UPDATE node AS n SET tags = {_TAGS} WHERE file IS NOT NULL AND tags <> {_TAGS}",
    ),
    Check(
        "wrong stored size",
        f"SELECT id FROM node n WHERE file IS NOT NULL AND stored <> {_STORED}",
        f"UPDATE node AS n SET stored = {_STORED} WHERE file IS NOT NULL AND stored <> {_STORED}",
    ),
    Check(
        "extent beyond the end",
        "SELECT n.id || '@' || x.offset FROM extent x JOIN node n ON n.id = x.node WHERE x.offset + x.length >"
        " n.size OR x.length <= 0",
    ),
    Check(
        "overlapping extents",
        "SELECT a.node || '@' || a.offset FROM extent a JOIN extent b ON b.node = a.node AND b.offset > a.offset"
        " AND b.offset < a.offset + a.length AND b.offset = (SELECT min(offset) FROM extent WHERE node = a.node AND"
        " offset > a.offset)",
    ),
    Check(
        "extent without node",
        f"SELECT node FROM extent WHERE {_LOST_EXTENT}",
        f"DELETE FROM extent WHERE {_LOST_EXTENT}",
    ),
    Check(
        "missing small blob",
        "SELECT node || '@' || offset FROM extent WHERE inline = 1 AND NOT EXISTS(SELECT 1 FROM blob WHERE digest ="
        " extent.digest)",
    ),
    Check(
        "short small blob",
        "SELECT x.node || '@' || x.offset FROM extent x JOIN blob b ON b.digest = x.digest WHERE x.inline = 1"
        " AND x.start + x.length > length(b.data)",
    ),
    Check(
        "file without job",
        f"SELECT n.file FROM node n WHERE {_NO_JOB}",
        f"INSERT INTO job SELECT n.file, 'queued', 0, 0, '', 0, '', '', n.uid FROM node n WHERE {_NO_JOB}",
    ),
    Check("job without file", f"SELECT file FROM job WHERE {_DEAD_JOB}", f"DELETE FROM job WHERE {_DEAD_JOB}"),
    Check(
        "edge without file or tag",
        f"SELECT file || ':' || tag FROM edge WHERE {_LOST_EDGE}",
        f"DELETE FROM edge WHERE {_LOST_EDGE}",
    ),
    Check(
        "two nodes of one stable id",
        "SELECT file FROM node WHERE file IS NOT NULL GROUP BY file HAVING count(*) > 1",
    ),
    Check(
        "tag without parent",
        "SELECT id FROM tag t WHERE parent <> 0 AND NOT EXISTS(SELECT 1 FROM tag WHERE id = t.parent)",
        "UPDATE tag SET parent = 0, key = key || '~' || id, name = name || '~' || id WHERE parent <> 0"
        " AND parent NOT IN (SELECT id FROM tag)",
    ),
    Check(
        "trash without node", f"SELECT node FROM trash WHERE {_LOST_TRASH}", f"DELETE FROM trash WHERE {_LOST_TRASH}"
    ),
    Check(
        "wrong live mark",
        "SELECT id FROM node n WHERE id > 2 AND live <> EXISTS(SELECT 1 FROM entry e JOIN node f ON f.id = e.folder"
        " WHERE e.node = n.id AND f.live = 1)",
        "UPDATE node SET live = EXISTS(SELECT 1 FROM entry e JOIN node f ON f.id = e.folder WHERE e.node = node.id"
        " AND f.live = 1)"
        " WHERE id > 2",
    ),
)


def check(db: sqlite3.Connection, repair: bool) -> list[Problem]:
    """Runs them all inside the caller's transaction; at most 1,000 of a kind."""
    found: list[Problem] = []
    for row in db.execute("PRAGMA quick_check(100)").fetchall():
        if row[0] != "ok":
            found.append(Problem("damaged database", str(row[0]), False))
    for one in CHECKS:
        rows = db.execute(f"{one.find} LIMIT 1000").fetchall()
        mend = repair and bool(one.repair)
        found += [Problem(one.kind, str(row[0]), mend) for row in rows]
        if rows and mend:
            db.execute(one.repair)
    return found
