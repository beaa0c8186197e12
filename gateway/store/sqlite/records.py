"""Nodes, names, content and extended attributes in SQLite."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from gateway.store.rows import Name
from graphfs.errors import InvalidArgument
from graphfs.model import Entry, Extent, Layout, Node

_NODE = (
    "n.id, n.mode, n.uid, n.gid, n.rdev, n.size, n.stored, n.atime, n.mtime, n.ctime, n.links, n.tags, n.version,"
    " ifnull(n.file, 0)"
)


def _encode(name: str) -> bytes:
    """As `os.fsencode` does, at a fifth of its cost. InvalidArgument for what no bytes can be."""
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise InvalidArgument("a name holds what is neither Unicode nor bytes") from error


def _decode(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


# The oldest name of a node that is reachable under files/: its cookie, and the name itself.
_OLDEST = (
    "(SELECT e.{} FROM entry e JOIN node f ON f.id = e.folder WHERE e.node = n.id AND f.live = 1 ORDER BY e.id LIMIT 1)"
)
_OLDEST_COOKIE, _OLDEST_NAME = _OLDEST.format("id"), _OLDEST.format("name")
# The node that is the file with a stable id: mostly the one with that id.
OF_FILE = "ifnull((SELECT id FROM node WHERE file = {0} AND file <> id), {0})"


class RecordReader:
    """Reads of the tree. `query` is given by whoever mixes it in: the pool, or the open transaction."""

    def query(self, sql: str, arguments: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        raise NotImplementedError

    def node(self, node: int) -> Node | None:
        rows = self.query(f"SELECT {_NODE} FROM node n WHERE n.id = ?", (node,))
        return Node(*rows[0]) if rows else None

    def lookup(self, folder: int, name: str) -> Node | None:
        rows = self.query(
            f"SELECT {_NODE} FROM entry e JOIN node n ON n.id = e.node WHERE e.folder = ? AND e.name = ?",
            (folder, _encode(name)),
        )
        return Node(*rows[0]) if rows else None

    def children(self, folder: int, after: int, limit: int) -> list[Entry]:
        rows = self.query(
            f"SELECT e.id, e.name, {_NODE} FROM entry e JOIN node n ON n.id = e.node"
            " WHERE e.folder = ? AND e.id > ? ORDER BY e.id LIMIT ?",
            (folder, after, limit or -1),
        )
        return [Entry(row[0], _decode(row[1]), Node(*row[2:])) for row in rows]

    def has_children(self, folder: int) -> bool:
        return bool(self.query("SELECT 1 FROM entry WHERE folder = ? LIMIT 1", (folder,)))

    def names(self, node: int) -> list[Name]:
        rows = self.query(
            "SELECT e.id, e.folder, e.name, f.live FROM entry e LEFT JOIN node f ON f.id = e.folder WHERE e.node = ?"
            " ORDER BY e.id",
            (node,),
        )
        return [Name(entry, folder, _decode(name), bool(live)) for entry, folder, name, live in rows]

    def known(self, node: int) -> tuple[Node, bool] | None:
        return None

    def place(self, folder: int) -> tuple[Node, bool] | None:
        rows = self.query(f"SELECT n.live, {_NODE} FROM node n WHERE n.id = ?", (folder,))
        return (Node(*rows[0][1:]), bool(rows[0][0])) if rows else None

    def target(self, node: int) -> str:
        rows = self.query("SELECT target FROM node WHERE id = ?", (node,))
        return _decode(rows[0][0] or b"") if rows else ""

    def by_file(self, file: int) -> Node | None:
        rows = self.query(
            f"SELECT {_NODE} FROM node n WHERE n.id = {OF_FILE.format('?1')} AND n.file = ?1",
            (file,),
        )
        return Node(*rows[0]) if rows else None

    def extents(self, node: int) -> tuple[Extent, ...]:
        rows = self.query("SELECT offset, length, digest, start FROM extent WHERE node = ? ORDER BY offset", (node,))
        return tuple([Extent(*row) for row in rows])

    def extents_within(self, node: int, start: int, end: int) -> tuple[Extent, ...]:
        rows = self.query(
            "SELECT offset, length, digest, start FROM extent WHERE node = ? AND offset >= ? AND offset < ? ORDER BY"
            " offset",
            (node, start, end),
        )
        return tuple([Extent(*row) for row in rows])

    def end_before(self, node: int, start: int) -> int:
        rows = self.query(
            "SELECT offset + length FROM extent WHERE node = ? AND offset < ? ORDER BY offset DESC LIMIT 1",
            (node, start),
        )
        return int(rows[0][0]) if rows else 0

    def layout(self, node: int) -> Layout | None:
        rows = self.query(
            "SELECT n.version, n.size, x.offset, x.length, x.digest, x.start FROM node n LEFT JOIN extent x ON"
            " x.node = n.id"
            " WHERE n.id = ? ORDER BY x.offset",
            (node,),
        )
        if not rows:
            return None
        return Layout(
            rows[0][0], rows[0][1], tuple([Extent(*row[2:]) for row in rows]) if rows[0][2] is not None else ()
        )

    def has_blob(self, digest: bytes) -> bool:
        return bool(self.query("SELECT 1 FROM blob WHERE digest = ?", (digest,)))

    def blob(self, digest: bytes) -> bytes | None:
        rows = self.query("SELECT data FROM blob WHERE digest = ?", (digest,))
        return bytes(rows[0][0]) if rows else None

    def xattr(self, node: int, name: str) -> bytes | None:
        rows = self.query("SELECT value FROM xattr WHERE node = ? AND name = ?", (node, _encode(name)))
        return bytes(rows[0][0]) if rows else None

    def xattrs(self, node: int) -> list[str]:
        return [_decode(row[0]) for row in self.query("SELECT name FROM xattr WHERE node = ? ORDER BY name", (node,))]

    def by_name(self, name: str) -> list[int]:
        rows = self.query(
            "SELECT n.file FROM entry a JOIN node n ON n.id = a.node AND n.live = 1 AND n.file IS NOT NULL"
            f" WHERE a.name = ? AND a.id = {_OLDEST_COOKIE} ORDER BY n.file",
            (_encode(name),),
        )
        return [row[0] for row in rows]

    def named(self, files: Iterable[int]) -> list[tuple[str, Node]]:
        return [(_decode(row[0]), Node(*row[1:])) for row in self._of_files(files, _NODE)]

    def own_names(self, files: Iterable[int]) -> list[tuple[int, str, bool]]:
        return [(row[2], _decode(row[0]), row[1] == 1) for row in self._of_files(files, "n.links, n.file")]

    def _of_files(self, files: Iterable[int], columns: str) -> list[tuple[Any, ...]]:
        """The live ones of the files: name, then these columns, of which the last is the stable id."""
        # The few files that are not the node of their number are asked for once, not once for each row.
        moved = dict(self.query("SELECT file, id FROM node WHERE file <> id"))
        files = list(files)
        nodes = [moved.get(file, file) for file in files] if moved else files
        rows = self.query(
            # CROSS JOIN fixes the order: walk the ids, look each up, take its first live name (nearly always its only
            # one).
            "SELECT CASE n.links WHEN 1 THEN (SELECT name FROM entry WHERE node = n.id)"
            f" ELSE {_OLDEST_NAME} END, {columns} FROM json_each('[' || ? || ']') j"
            " CROSS JOIN node n ON n.id = j.value WHERE n.live = 1 AND n.file IS NOT NULL",
            (",".join(map(str, nodes)),),
        )
        if moved:  # a node whose number is asked for may be another file by now
            wanted = set(files)
            rows = [row for row in rows if row[-1] in wanted]
        return rows

    def live_files(self) -> Iterable[int]:
        return [row[0] for row in self.query("SELECT file FROM node WHERE live = 1 AND file IS NOT NULL")]

    def arrived_since(self, when: int) -> Iterable[int]:
        rows = self.query("SELECT file FROM node WHERE live = 1 AND file IS NOT NULL AND arrived >= ?", (when,))
        return [row[0] for row in rows]


class RecordWriter(RecordReader):
    """Changes of the tree, inside a transaction."""

    db: sqlite3.Connection

    def next_id(self) -> int:
        raise NotImplementedError

    def add_node(
        self,
        mode: int,
        uid: int,
        gid: int,
        rdev: int,
        now: int,
        *,
        links: int,
        live: bool,
        target: str = "",
        number: int = 0,
    ) -> Node:
        node = number or self.next_id()
        regular = mode & 0o170000 == 0o100000
        size = len(_encode(target))
        self.db.execute(
            "INSERT INTO node VALUES(?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, 0, 0, ?, ?, ?, ?)",
            (
                node,
                mode,
                uid,
                gid,
                rdev,
                size,
                now,
                now,
                now,
                links,
                node if regular else None,
                live,
                now,
                _encode(target) if target else None,
            ),
        )
        return Node(node, mode, uid, gid, rdev, size, 0, now, now, now, links, 0, 0, node if regular else 0)

    def save_node(self, node: Node) -> None:
        self.db.execute(
            "UPDATE node SET mode=?, uid=?, gid=?, rdev=?, size=?, stored=?, atime=?, mtime=?, ctime=?, links=?,"
            " tags=?, version=?"
            " WHERE id=?",
            (
                node.mode,
                node.uid,
                node.gid,
                node.rdev,
                node.size,
                node.stored,
                node.atime,
                node.mtime,
                node.ctime,
                node.links,
                node.tags,
                node.version,
                node.id,
            ),
        )

    def touch(self, folder: int, now: int, links: int = 0) -> None:
        self.db.execute("UPDATE node SET mtime=?, ctime=?, links=links+? WHERE id=?", (now, now, links, folder))

    def delete_node(self, node: int) -> None:
        for table, key in (("node", "id"), ("extent", "node"), ("xattr", "node")):
            self.db.execute(f"DELETE FROM {table} WHERE {key} = ?", (node,))

    def swap_files(self, one: int, other: int) -> None:
        files = dict(self.db.execute("SELECT id, file FROM node WHERE id IN (?, ?)", (one, other)).fetchall())
        self.db.execute("UPDATE node SET file = NULL WHERE id = ?", (one,))
        self.db.execute("UPDATE node SET file = ? WHERE id = ?", (files[one], other))
        self.db.execute("UPDATE node SET file = ? WHERE id = ?", (files[other], one))

    def set_accessed(self, times: Sequence[tuple[int, int]]) -> None:
        self.db.executemany("UPDATE node SET atime = ? WHERE id = ?", [(when, node) for node, when in times])

    def set_changed(self, node: int, now: int) -> None:
        self.db.execute("UPDATE node SET ctime = ? WHERE id = ?", (now, node))

    def retire(self, node: int, now: int) -> None:
        self.db.execute("UPDATE node SET links = 0, live = 0, ctime = ? WHERE id = ?", (now, node))

    def add_entry(self, folder: int, name: str, node: int) -> bool:
        done = self.db.execute(
            "INSERT INTO entry VALUES(?, ?, ?, ?) ON CONFLICT(folder, name) DO NOTHING",
            (folder, self.next_id(), _encode(name), node),
        )
        return done.rowcount == 1

    def move_entry(self, folder: int, name: str, new_folder: int, new_name: str) -> None:
        self.db.execute(
            "UPDATE entry SET folder=?, name=? WHERE folder=? AND name=?",
            (new_folder, _encode(new_name), folder, _encode(name)),
        )

    def point_entry(self, folder: int, name: str, node: int) -> None:
        self.db.execute("UPDATE entry SET node=? WHERE folder=? AND name=?", (node, folder, _encode(name)))

    def delete_entry(self, folder: int, name: str) -> None:
        self.db.execute("DELETE FROM entry WHERE folder=? AND name=?", (folder, _encode(name)))

    def set_live(self, node: int, live: bool) -> list[tuple[int, bool]]:
        below = (
            "WITH RECURSIVE below(id) AS (SELECT ? UNION SELECT e.node FROM below b JOIN entry e ON e.folder = b.id)"
        )
        self.db.execute(f"{below} UPDATE node SET live = ? WHERE id IN below AND mode & 61440 = 16384", (node, live))
        rows = self.db.execute(
            f"{below} SELECT n.id, n.file, n.live, EXISTS(SELECT 1 FROM entry e JOIN node f ON f.id = e.folder"
            " WHERE e.node = n.id AND f.live = 1) FROM node n WHERE n.id IN below AND n.mode & 61440 <> 16384",
            (node,),
        ).fetchall()
        changed = [row for row in rows if row[2] != row[3]]
        self.db.executemany("UPDATE node SET live = ? WHERE id = ?", [(row[3], row[0]) for row in changed])
        return [(row[1], bool(row[3])) for row in changed if row[1]]

    def put_extents(
        self, node: int, extents: Sequence[Extent], inline: Iterable[bytes], start: int = 0, end: int = 1 << 62
    ) -> list[bytes]:
        rows: list[tuple[Any, ...]] = []
        if start < end:
            rows = self.db.execute(
                "SELECT offset, length, digest, start, inline FROM extent WHERE node = ? AND offset >= ? AND offset"
                " < ?",
                (node, start, end),
            ).fetchall()
        before = {(row[0], row[1], row[2], row[3]): row[4] for row in rows}
        after = {(e.offset, e.length, e.digest, e.start) for e in extents}
        gone = before.keys() - after
        if gone:
            self.db.executemany("DELETE FROM extent WHERE node = ? AND offset = ?", [(node, key[0]) for key in gone])
        new = after - before.keys()
        if new:
            small = set(inline) | {key[2] for key, flag in before.items() if flag}
            self.db.executemany(
                "INSERT INTO extent VALUES(?, ?, ?, ?, ?, ?)", [(node, *key, key[2] in small) for key in sorted(new)]
            )
        if not gone:
            return []
        kept = {key[2] for key in after}
        return list({key[2] for key in gone if not before[key] and key[2] not in kept})

    def add_blob(self, digest: bytes, data: bytes) -> None:
        self.db.execute("INSERT INTO blob(digest, data) VALUES(?, ?) ON CONFLICT(digest) DO NOTHING", (digest, data))

    def set_xattr(self, node: int, name: str, value: bytes) -> None:
        self.db.execute("INSERT OR REPLACE INTO xattr VALUES(?, ?, ?)", (node, _encode(name), value))

    def delete_xattr(self, node: int, name: str) -> bool:
        return self.db.execute("DELETE FROM xattr WHERE node=? AND name=?", (node, _encode(name))).rowcount > 0
