"""What is asked of the graph: one constant statement a question, one round trip each."""

import logging
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct

from gateway.store.base import Overtaken
from gateway.store.neo4j.connection import Connection
from gateway.store.neo4j.marks import of_extents, of_record, of_text
from gateway.store.neo4j.texts import plain, stored
from gateway.store.rows import AliasRow, BatchRow, ChangeRow, EdgeRow, Name, TagRow, TokenRow, TrashRow
from graphfs.model import Entry, Extent, JobRecord, JobState, Layout, Node

_log = logging.getLogger(__name__)
NODE = (
    "n.id, n.mode, n.uid, n.gid, n.rdev, n.size, n.stored, n.atime, n.mtime, n.ctime, n.links, n.tags, n.version"
    ", n.file"
)
_WIDTH = 14
_EDGE = "h.file, h.tag, h.state, h.source, h.model, h.prompt, h.confidence, h.evidence, h.at, h.actor"
_ACCESS = "t.name, t.digest, t.scopes, t.uid, t.gid, t.created, t.expires, t.by"
_BATCH = "b.id, b.at, b.last, b.uid, b.pid, b.actor, b.why, b.changes, b.undone"
_TRASH = "t.node, t.path, t.at, t.uid, t.actor, t.why"
_MANY = 1 << 62
ALONE = "MATCH (d:Drive {id: 0}) SET d.locked = 0 WITH d"
"""Before a question: whoever commits has the same lock until all of it can be read. (Nothing is written: it was 0.)"""

# The oldest name that is reachable under files/.
_OLDEST = "CALL (n) { MATCH (p:Node)-[e:HOLDS]->(n) WHERE p.live RETURN e ORDER BY e.id LIMIT 1 }"


_LAYOUT = (
    "MATCH (n:Node {id: $id}) RETURN n.version, n.size, n.mark, CASE WHEN n.stored = 0 THEN [] ELSE"
    " COLLECT { MATCH (x:Extent) WHERE x.node = $id RETURN [x.offset, x.length, x.digest, x.start]"
    " ORDER BY x.offset } END"
)


_ANSWER = "MATCH (a:Answer {key: $key}) RETURN a.texts, a.check"


class JobRow(Struct):
    """A job as stored."""

    file: int
    state: str
    attempts: int
    not_before: int
    lease: str
    lease_until: int
    worker: str
    error: str
    owner: int


_JOB = "f.id, f.state, f.attempts, f.not_before, f.lease, f.lease_until, f.worker, f.error, coalesce(f.owner, 0)"


_NEXT_OWNER = """
CALL () {
  MATCH (f:File) WHERE f.state = 'queued' AND f.owner > $after AND f.id > 0
  WITH f ORDER BY f.state, f.owner, f.id LIMIT 1 RETURN f.owner AS owner
  UNION ALL
  MATCH (f:File) WHERE f.state = 'leased' AND f.owner > $after AND f.id > 0
  WITH f ORDER BY f.state, f.owner, f.id LIMIT 1 RETURN f.owner AS owner }
RETURN min(owner)"""


def answer_key(content: str, model: str, prompt: str) -> str:
    """One key for three texts of any length."""
    return sha256("\0".join((content, model, prompt)).encode("utf-8", "surrogatepass")).hexdigest()


def node_of(row: Sequence[Any]) -> Node:
    return Node(*row[:_WIDTH])


def _there(rows: list[list[Any]], start: int = 0, end: int = _WIDTH) -> list[list[Any]]:
    """Those rows whose columns in between have values: what is just being deleted may be found without them."""
    return [row for row in rows if None not in row[start:end]]


class Neo4jReader:
    """Implements `gateway.store.base.Reader` and the store's own questions, over the last committed state."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def query(self, text: str, **values: Any) -> list[list[Any]]:
        return self.connection.read(text, values)

    def _collected(self, text: str, **values: Any) -> list[list[Any]]:
        """The rows that the text collects into one list: of many the driver makes them four times as fast."""
        rows: list[list[Any]] = self.query(text, **values)[0][0]
        return rows

    # -- the tree

    def node(self, node: int) -> Node | None:
        rows = _there(self.query(f"MATCH (n:Node {{id: $id}}) RETURN {NODE}", id=node))
        return node_of(rows[0]) if rows else None

    def known(self, node: int) -> tuple[Node, bool] | None:
        """What `place` says, where it is known without asking."""
        return None

    def place(self, folder: int) -> tuple[Node, bool] | None:
        rows = _there(self.query(f"MATCH (n:Node {{id: $id}}) RETURN {NODE}, n.live", id=folder), end=_WIDTH + 1)
        return (node_of(rows[0]), bool(rows[0][-1])) if rows else None

    def named_node(self, folder: int, name: str) -> tuple[int, Node, bool] | None:
        """Entry id, node and liveness of what a name leads to."""
        rows = self.query(
            f"MATCH ()-[h:HOLDS {{folder: $folder, name: $name}}]->(n) RETURN {NODE}, n.live, h.id",
            folder=folder,
            name=stored(name),
        )
        rows = _there(rows, end=_WIDTH + 2)
        return (rows[0][-1], node_of(rows[0]), bool(rows[0][-2])) if rows else None

    def lookup(self, folder: int, name: str) -> Node | None:
        found = self.named_node(folder, name)
        return found[1] if found else None

    def children(self, folder: int, after: int, limit: int) -> list[Entry]:
        return self.listed(folder, after, limit)

    def listed(self, folder: int, after: int, limit: int) -> list[Entry]:
        """The names of a folder, asked for."""
        rows = self._collected(
            f"MATCH ()-[h:HOLDS]->(n) WHERE h.folder = $folder AND h.id > $after"
            f" WITH h, n ORDER BY h.id LIMIT $limit RETURN collect([{NODE}, h.id, h.name])",
            folder=folder,
            after=after,
            limit=limit or _MANY,
        )
        return [Entry(row[-2], plain(row[-1]), node_of(row)) for row in _there(rows, end=_WIDTH + 2)]

    def has_children(self, folder: int, but: Sequence[int] = ()) -> bool:
        return bool(
            self.query(
                "MATCH ()-[h:HOLDS]->() WHERE h.folder = $folder AND h.id > 0 AND NOT h.id IN $but RETURN 1 LIMIT 1",
                folder=folder,
                but=list(but),
            )
        )

    def names(self, node: int) -> list[Name]:
        rows = self.query(
            "MATCH (p:Node)-[h:HOLDS]->(:Node {id: $id}) RETURN h.id, h.folder, h.name, p.live ORDER BY h.id", id=node
        )
        return [Name(entry, folder, plain(name), bool(live)) for entry, folder, name, live in _there(rows)]

    def target(self, node: int) -> str:
        rows = self.query("MATCH (n:Node {id: $id}) RETURN n.target", id=node)
        return plain(rows[0][0] or "") if rows else ""

    def by_file(self, file: int) -> Node | None:
        rows = _there(self.query(f"MATCH (:File {{id: $id}})<-[:IS]-(n:Node) RETURN {NODE}", id=file))
        return node_of(rows[0]) if rows else None

    def below(self, node: int) -> list[list[Any]]:
        """All below a folder and itself: id, mode, file, live, and for what is no folder the folders of its names with
        their liveness."""
        return self.query(
            "MATCH (:Node {id: $id})-[:HOLDS*0..]->(n:Node) WITH DISTINCT n"
            " RETURN n.id, n.mode, n.file, n.live, CASE WHEN n:Folder THEN [] ELSE"
            " [(p:Node)-[:HOLDS]->(n) | [p.id, p.live]] END",
            id=node,
        )

    # -- content

    def extent_rows(self, node: int, start: int, end: int) -> list[tuple[Extent, bool]]:
        rows = self.query(
            "MATCH (x:Extent) WHERE x.node = $node AND x.offset >= $start AND x.offset < $end"
            " RETURN x.offset, x.length, x.digest, x.start, x.inline ORDER BY x.offset",
            node=node,
            start=start,
            end=end,
        )
        if len(_there(rows)) < len(rows):
            raise Overtaken
        return [(Extent(row[0], row[1], bytes.fromhex(row[2]), row[3]), bool(row[4])) for row in rows]

    def extents(self, node: int) -> tuple[Extent, ...]:
        return self.extents_within(node, 0, _MANY)

    def extents_within(self, node: int, start: int, end: int) -> tuple[Extent, ...]:
        return tuple([row[0] for row in self.extent_rows(node, start, end)])

    def end_before(self, node: int, start: int) -> int:
        rows = self.query(
            "MATCH (x:Extent) WHERE x.node = $node AND x.offset < $start"
            " RETURN x.offset + x.length ORDER BY x.offset DESC LIMIT 1",
            node=node,
            start=start,
        )
        return int(rows[0][0]) if rows else 0

    def layout(self, node: int) -> Layout | None:
        for _ in range(2):
            found, whole = self._layout(_LAYOUT, node)
            if whole:
                return found
        # It is being written again and again; not while this is asked.
        found, whole = self._layout(f"{ALONE} {_LAYOUT}", node, alone=True)
        if not whole:
            _log.warning("the mark of node %d is wrong: run graphfs fsck --repair", node)
        return found

    def _layout(self, text: str, node: int, *, alone: bool = False) -> tuple[Layout | None, bool]:
        rows = self.connection.read(text, {"id": node}, alone=alone)
        if not rows:
            return None, True
        version, size, mark, extents = rows[0]
        if version is None or size is None or any(None in one for one in extents):
            return None, alone
        found = Layout(version, size, tuple([Extent(o, n, bytes.fromhex(d), s) for o, n, d, s in extents]))
        return found, mark is None or mark == of_record(version, size) + of_extents(found.extents)

    def blob(self, digest: bytes) -> bytes | None:
        rows = self.query("MATCH (b:Blob {digest: $digest}) RETURN b.data", digest=digest.hex())
        return bytes(rows[0][0]) if rows else None

    def has_blob(self, digest: bytes) -> bool:
        return bool(self.query("MATCH (b:Blob {digest: $digest}) RETURN 1", digest=digest.hex()))

    def xattr(self, node: int, name: str) -> bytes | None:
        rows = self.query("MATCH (x:Xattr {node: $node, name: $name}) RETURN x.value", node=node, name=stored(name))
        return bytes(rows[0][0]) if rows else None

    def xattrs(self, node: int) -> list[str]:
        rows = self.query(
            "MATCH (x:Xattr) WHERE x.node = $node AND x.name >= '' RETURN x.name ORDER BY x.name", node=node
        )
        return [plain(row[0]) for row in rows]

    # -- files

    def by_name(self, name: str) -> list[int]:
        rows = self.query(
            "MATCH ()-[h:HOLDS {name: $name}]->(n) WHERE n.live AND n.file > 0"
            f" {_OLDEST} WITH n, h, e WHERE e.id = h.id RETURN n.file ORDER BY n.file",
            name=stored(name),
        )
        return [row[0] for row in rows]

    def named(self, files: Iterable[int]) -> list[tuple[str, Node]]:
        rows = self._collected(
            f"UNWIND $files AS file MATCH (:File {{id: file}})<-[:IS]-(n:Node) WHERE n.live {_OLDEST}"
            f" WITH n, e ORDER BY n.file RETURN collect([{NODE}, e.name])",
            files=list(files),
        )
        return [(plain(row[-1]), node_of(row)) for row in _there(rows, end=_WIDTH + 1)]

    def _own_names(self, files: Iterable[int]) -> list[tuple[int, str, bool, int]]:
        """What `own_names` says, and the node of each."""
        rows = self._collected(
            f"UNWIND $files AS file MATCH (:File {{id: file}})<-[:IS]-(n:Node) WHERE n.live {_OLDEST}"
            " WITH n, e ORDER BY n.file RETURN collect([n.file, e.name, n.links, n.id])",
            files=list(files),
        )
        return [(file, plain(name), links == 1, node) for file, name, links, node in _there(rows, end=4)]

    def live_files(self) -> Iterable[int]:
        found: list[int] = self.query("MATCH (n:Node) WHERE n.live AND n.file > 0 RETURN collect(n.file)")[0][0]
        return found

    def live_of(self, files: Sequence[int]) -> set[int]:
        rows = self.query(
            "UNWIND $files AS file MATCH (:File {id: file})<-[:IS]-(n:Node) WHERE n.live RETURN n.file", files=files
        )
        return {row[0] for row in rows}

    def arrived_since(self, when: int) -> Iterable[int]:
        rows = self.query("MATCH (n:Node) WHERE n.live AND n.file > 0 AND n.arrived >= $when RETURN n.file", when=when)
        return [row[0] for row in rows]

    # -- the graph

    def tags(self) -> list[TagRow]:
        rows = self.query(
            "MATCH (t:Tag) RETURN t.id, t.parent, t.name, t.key, t.changed, t.proposed ORDER BY t.parent, t.key"
        )
        return [TagRow(*row) for row in rows]

    def aliases(self) -> list[AliasRow]:
        rows = self.query("MATCH (a:Alias) RETURN a.parent, a.key, a.name, a.tag ORDER BY a.parent, a.key")
        return [AliasRow(*row) for row in rows]

    def edges(self, file: int) -> list[EdgeRow]:
        rows = self.query(f"MATCH (:File {{id: $id}})-[h:HAS_TAG]->() RETURN {_EDGE}", id=file)
        return [EdgeRow(*row) for row in _there(rows, end=3)]

    def edges_of_files(self, files: Sequence[int]) -> list[EdgeRow]:
        rows = self.query(
            f"UNWIND $files AS file MATCH (:File {{id: file}})-[h:HAS_TAG]->() RETURN {_EDGE}", files=files
        )
        return [EdgeRow(*row) for row in _there(rows, end=3)]

    def edges_of(self, tag: int) -> list[EdgeRow]:
        rows = self.query(f"MATCH (:Tag {{id: $id}})<-[h:HAS_TAG]-() RETURN {_EDGE}", id=tag)
        return [EdgeRow(*row) for row in _there(rows, end=3)]

    def members(self, state: str) -> Iterable[tuple[int, list[int]]]:
        rows = self.query("MATCH ()-[h:HAS_TAG]->() WHERE h.state = $state RETURN h.tag, collect(h.file)", state=state)
        return [(tag, files) for tag, files in rows if tag is not None]

    # -- the journal and the trash

    def batches(self, limit: int, before: int) -> list[BatchRow]:
        rows = self.query(
            "OPTIONAL MATCH (l:Batch {id: $before}) WITH l.at AS till MATCH (b:Batch)"
            " WHERE till IS NULL OR b.at < till OR (b.at = till AND b.id < $before)"
            f" RETURN {_BATCH} ORDER BY b.at DESC, b.id DESC LIMIT $limit",
            before=before,
            limit=limit or _MANY,
        )
        return [BatchRow(*row) for row in rows]

    def recent_batches(self) -> list[BatchRow]:
        rows = self.query(f"MATCH (b:Batch) WHERE b.at > 0 RETURN {_BATCH} ORDER BY b.at DESC LIMIT 8")
        return [BatchRow(*row) for row in rows]

    def batch(self, batch: int) -> BatchRow | None:
        rows = self.query(f"MATCH (b:Batch {{id: $id}}) RETURN {_BATCH}", id=batch)
        return BatchRow(*rows[0]) if rows else None

    def last_batch(self, uid: int) -> BatchRow | None:
        rows = self.query(
            "MATCH (b:Batch) WHERE b.at > 0 AND b.uid = $uid AND NOT b.undone AND b.changes > 0 AND b.actor <> 'tagger'"
            f" AND NOT b.why STARTS WITH 'undo ' RETURN {_BATCH} ORDER BY b.at DESC, b.id DESC LIMIT 1",
            uid=uid,
        )
        return BatchRow(*rows[0]) if rows else None

    def changes(self, batch: int) -> list[ChangeRow]:
        rows = self.query(
            "MATCH (s:Steps) WHERE s.batch = $id AND s.first >= 0 RETURN s.rows ORDER BY s.first", id=batch
        )
        return [one for row in rows for one in msgspec.json.decode(row[0], type=list[ChangeRow])]

    def _trash(self, text: str, **values: Any) -> list[TrashRow]:
        return [TrashRow(row[0], plain(row[1]), *row[2:]) for row in self.query(text, **values)]

    def trash(self, limit: int) -> list[TrashRow]:
        return self._trash(
            f"MATCH (t:Trash) RETURN {_TRASH} ORDER BY t.at DESC, t.node DESC LIMIT $limit", limit=limit or _MANY
        )

    def trashed(self, item: int) -> TrashRow | None:
        rows = self._trash(f"MATCH (t:Trash {{node: $id}}) RETURN {_TRASH}", id=item)
        return rows[0] if rows else None

    def trashed_before(self, when: int) -> list[TrashRow]:
        return self._trash(
            f"MATCH (t:Trash) WHERE t.at < $when RETURN {_TRASH} ORDER BY t.at, t.node LIMIT 10000", when=when
        )

    # -- jobs

    def job_row(self, file: int) -> JobRow | None:
        rows = self.query(f"MATCH (f:File {{id: $id}}) WHERE f.state IS NOT NULL RETURN {_JOB}", id=file)
        return JobRow(*rows[0]) if rows else None

    def job(self, file: int) -> JobRecord | None:
        row = self.job_row(file)
        return record_of(row) if row else None

    def lease_of(self, file: int) -> tuple[str, int]:
        row = self.job_row(file)
        return (row.lease, row.lease_until) if row else ("", 0)

    def jobs(self, state: str, limit: int) -> list[JobRecord]:
        rows = self.query(
            f"MATCH (f:File {{state: $state}}) RETURN {_JOB} LIMIT $limit", state=state, limit=limit or _MANY
        )
        return [record_of(JobRow(*row)) for row in rows]

    def job_counts(self) -> dict[str, int]:
        rows = self.query("MATCH (f:File) WHERE f.state IS NOT NULL RETURN f.state, count(*)")
        return {row[0]: row[1] for row in rows}

    def owners(self) -> list[int]:
        # from one owner to the next by the index, not over all that wait
        found: list[int] = []
        while (owner := self.query(_NEXT_OWNER, after=found[-1] if found else -1)[0][0]) is not None:
            found.append(owner)
        return found

    def due(self, now: int, limit: int, owner: int) -> list[list[Any]]:
        """Rows of file, node, version, size, attempts, worker."""
        return self.query(
            "CALL () { MATCH (f:File) USING INDEX f:File(state, owner, id)"
            " WHERE f.state = 'queued' AND f.owner = $owner AND f.id > 0 AND f.not_before <= $now"
            " RETURN f ORDER BY f.state DESC, f.owner DESC, f.id DESC LIMIT $limit UNION ALL"
            " MATCH (f:File) WHERE f.state = 'leased' AND f.owner = $owner AND f.lease_until <= $now RETURN f }"
            " WITH f ORDER BY f.id DESC LIMIT $limit MATCH (n:Node)-[:IS]->(f)"
            " RETURN f.id, n.id, n.version, n.size, f.attempts, f.worker ORDER BY f.id DESC",
            now=now,
            limit=limit,
            owner=owner,
        )

    def memo(self, name: str) -> str:
        return self.answer("", "memo", name) or ""

    def answer(self, content: str, model: str, prompt: str) -> str | None:
        values = {"key": answer_key(content, model, prompt)}
        rows = self.connection.read(_ANSWER, values)
        if any(text is None or (check is not None and check != of_text(text)) for text, check in rows):
            rows = self.connection.read(f"{ALONE} {_ANSWER}", values, alone=True)
        return str(rows[0][0]) if rows else None

    def tokens(self) -> list[TokenRow]:
        return [TokenRow(*row) for row in self.query(f"MATCH (t:Token) RETURN {_ACCESS} ORDER BY t.name")]

    def loans(self) -> list[tuple[int, int]]:
        return [(folder, mount) for folder, mount in self.query("MATCH (l:Loan) RETURN l.folder, l.mount")]

    def done(self, key: str) -> bool:
        return bool(self.query("MATCH (d:Done {key: $key}) RETURN 1", key=key))


def record_of(row: JobRow) -> JobRecord:
    """Without the path: the service says it."""
    return JobRecord(row.file, JobState(row.state), row.attempts, row.not_before, "", row.error)
