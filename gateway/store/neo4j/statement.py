"""The statements of a commit (mostly one), and their parameters.

It takes the lock of the one `:Drive` node, so commits of all main servers come one after another; looks whether
anything that the change relies on was changed since (then it writes nothing); writes; and appends to the change log.
All texts are constants, and every value is a parameter. There is one parameter, `p`: Neo4j plans a statement anew for
every combination of its lists' orders of magnitude, which took seconds; what is inside of a map it does not look at.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from gateway.store.neo4j.marks import RECORD, of_record, of_text
from gateway.store.neo4j.pending import Pending
from gateway.store.neo4j.texts import stored
from gateway.store.neo4j.writes import Writes

NEW = 1 << 61
_FOLDER = 0o040000

_CHECK = """
MATCH (d:Drive {id: 0}) SET d.locked = 0
WITH d, d.seq AS seq, d.entry AS entry, d.pruned > $p.applied AS behind
CALL (d) { MATCH (c:Change) WHERE c.seq > $p.applied WITH c ORDER BY c.seq
  RETURN collect([c.seq, c.count, c.keys, c.notes]) AS missed }
CALL (d) { UNWIND $p.free AS r MATCH ()-[h:HOLDS {folder: r[0], name: r[1]}]->() RETURN count(h) AS taken }
CALL (d) { UNWIND $p.done AS r MATCH (k:Done {key: r[0]}) RETURN count(k) AS repeated }
CALL (d) { UNWIND $p.free_tags AS r MATCH (t:Tag {parent: r[0], key: r[1]}) RETURN count(t) AS known }
WITH d, seq, entry, behind, missed, taken + repeated AS taken, known,
  NOT behind AND taken + repeated = 0 AND known = 0
  AND none(c IN missed WHERE any(k IN c[2] WHERE k IN $p.reads) OR size(c[2]) = 0) AS fine
"""

_PARTS: dict[str, str] = {
    "nodes": """
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.files ELSE [] END AS r
  CREATE (n:Node)-[:IS]->(:File {id: r.id}) SET n = r }
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.folders ELSE [] END AS r CREATE (n:Node:Folder) SET n = r }
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.others ELSE [] END AS r CREATE (n:Node) SET n = r }
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.patches ELSE [] END AS r
  MATCH (n:Node {id: r.id}) WITH r, n, n.mark - """
    + RECORD
    + """ AS sum
  SET n += r.set, n.links = n.links + r.links
  SET n.mark = CASE WHEN r.mark IS NULL THEN n.mark ELSE sum + r.mark + """
    + RECORD
    + """ END }
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.names_gone ELSE [] END AS r
  MATCH ()-[h:HOLDS {folder: r[0], name: r[1]}]->() DELETE h }
CALL (d, fine, entry) { UNWIND CASE WHEN fine THEN $p.names ELSE [] END AS r
  MATCH (f:Node {id: r[0]}) MATCH (n:Node {id: r[3]})
  CREATE (f)-[:HOLDS {folder: r[0], name: r[1],
    id: CASE WHEN r[2] >= $p.new THEN entry + r[2] - $p.new ELSE r[2] END}]->(n) }
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.jobs ELSE [] END AS r MATCH (f:File {id: r.id}) SET f += r }""",
    "content": """
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.extents_gone ELSE [] END AS r
  MATCH (x:Extent {node: r[0], offset: r[1]}) DELETE x }
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.extents ELSE [] END AS r CREATE (x:Extent) SET x = r }
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.blobs ELSE [] END AS r
  MERGE (b:Blob {digest: r[0]}) ON CREATE SET b.data = r[1], b.size = r[2] }""",
    "swaps": """
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.swaps ELSE [] END AS r
  MATCH (a:Node {id: r[0]})-[x:IS]->(s:File) MATCH (b:Node {id: r[1]})-[y:IS]->(t:File)
  DELETE x, y CREATE (a)-[:IS]->(t), (b)-[:IS]->(s) SET a.file = t.id, b.file = s.id }""",
    "xattrs": """
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.xattrs_gone ELSE [] END AS r
  MATCH (x:Xattr {node: r[0], name: r[1]}) DELETE x }
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.xattrs ELSE [] END AS r
  MERGE (x:Xattr {node: r[0], name: r[1]}) SET x.value = r[2] }""",
    "tags": """
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.edges_gone ELSE [] END AS r
  MATCH (:File {id: r[0]})-[h:HAS_TAG]->(:Tag {id: r[1]}) DELETE h }
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.tags_gone ELSE [] END AS r MATCH (a:Alias {tag: r}) DELETE a }
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.tags_gone ELSE [] END AS r MATCH (a:Alias {parent: r}) DELETE a }
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.tags_gone ELSE [] END AS r MATCH (t:Tag {id: r}) DETACH DELETE t }
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.aliases_gone ELSE [] END AS r
  MATCH (a:Alias {parent: r[0], key: r[1]}) DELETE a }
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.tags ELSE [] END AS r MERGE (t:Tag {id: r.id}) SET t += r }
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.tags ELSE [] END AS r
  MATCH (t:Tag {id: r.id})-[c:CHILD_OF]->() DELETE c }
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.tags ELSE [] END AS r
  MATCH (t:Tag {id: r.id}) MATCH (p:Tag {id: r.parent}) CREATE (t)-[:CHILD_OF]->(p) }
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.tags_touched ELSE [] END AS r
  MATCH (t:Tag {id: r[0]}) SET t.changed = r[1] }
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.aliases ELSE [] END AS r
  MERGE (a:Alias {parent: r.parent, key: r.key}) SET a += r }
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.edges ELSE [] END AS r
  MATCH (f:File {id: r.file}) MATCH (t:Tag {id: r.tag}) MERGE (f)-[h:HAS_TAG]->(t) SET h = r }
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.batches ELSE [] END AS r MERGE (b:Batch {id: r.id}) SET b = r }
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.steps ELSE [] END AS r
  CREATE (:Steps {batch: r[0], first: r[1], rows: r[2]}) }""",
    "trash": """
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.trash_gone ELSE [] END AS r MATCH (t:Trash {node: r}) DELETE t }
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.trash ELSE [] END AS r MERGE (t:Trash {node: r.node}) SET t = r }
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.jobs_gone ELSE [] END AS r
  MATCH (f:File {id: r}) SET f = {id: r} }
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.deleted ELSE [] END AS r
  MATCH (x:Extent) WHERE x.node = r AND x.offset >= 0 DELETE x }
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.deleted ELSE [] END AS r
  MATCH (x:Xattr) WHERE x.node = r AND x.name >= '' DELETE x }
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.deleted ELSE [] END AS r MATCH (l:Loan {folder: r}) DELETE l }
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.deleted ELSE [] END AS r
  MATCH (n:Node {id: r}) OPTIONAL MATCH (n)-[:IS]->(f:File) DETACH DELETE n, f }""",
    "loans": """
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.loans_gone ELSE [] END AS r MATCH (l:Loan {folder: r}) DELETE l }
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.loans ELSE [] END AS r
  MERGE (l:Loan {folder: r[0]}) SET l.mount = r[1] }""",
    "done": """
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.forgotten ELSE [] END AS r MATCH (k:Done) WHERE k.at < r DELETE k }
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.done ELSE [] END AS r CREATE (:Done {key: r[0], at: r[1]}) }""",
    "answers": """
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.answers ELSE [] END AS r
  MERGE (a:Answer {key: r[0]}) SET a.texts = r[1], a.check = r[2]
  WITH a WHERE a.texts = '' DELETE a }""",
    "tokens": """
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.tokens_gone ELSE [] END AS r MATCH (t:Token {name: r}) DELETE t }
CALL (d, fine) { UNWIND CASE WHEN fine THEN $p.tokens ELSE [] END AS r MERGE (t:Token {name: r.name}) SET t = r }""",
}

_LOG = """
CALL (d, fine, seq, entry) { WITH * WHERE fine
  SET d.seq = seq + $p.count, d.settled = seq, d.entry = entry + $p.fresh
  CREATE (:Change {seq: seq + $p.count, count: $p.count, keys: $p.keys, notes: $p.notes, token: $p.token,
    at: timestamp()}) }
RETURN fine, seq, behind, missed, taken + known"""

_MOST_KEYS = 20_000


FIRST = _CHECK + _PARTS["nodes"] + _PARTS["content"] + _PARTS["done"] + _LOG
"""What nearly every commit is, whole. One text, so that Neo4j plans it once."""
_OTHERS = ("swaps", "xattrs", "tags", "trash", "answers", "tokens", "loans")
_REST = {name: "WITH true AS fine, 0 AS d" + _PARTS[name] for name in _OTHERS}


def statements(values: dict[str, Any]) -> list[str]:
    """What is sent, in this order, for these parameters. They stand or fall together."""
    return [FIRST, *(text for name, text in _REST.items() if any(one in values for one in _NAMES[name]))]


_NAMES: dict[str, tuple[str, ...]] = {
    "nodes": ("files", "folders", "others", "patches", "names_gone", "names", "jobs"),
    "content": ("extents_gone", "extents", "blobs"),
    "swaps": ("swaps",),
    "xattrs": ("xattrs_gone", "xattrs"),
    "tags": (
        "edges_gone", "tags_gone", "aliases_gone", "tags", "tags_touched", "aliases", "edges", "batches", "steps",
    ),
    "trash": ("trash_gone", "trash", "jobs_gone", "deleted"),
    "answers": ("answers",),
    "tokens": ("tokens_gone", "tokens"),
    "loans": ("loans", "loans_gone"),
    "done": ("done", "forgotten"),
}  # fmt: skip
_ALWAYS = ("reads", "keys")


def parameters(changes: Sequence[Pending]) -> dict[str, Any]:
    """What several changes write, together; they are independent of one another. A list with nothing in it is left
    out: to Cypher it is null, of which UNWIND makes no rows, and packing forty of them took a third of a commit's
    time here."""
    values: dict[str, Any] = defaultdict(list)
    fresh = 0
    reads: set[int] = set()
    keys: set[int] = set()
    for change in changes:
        fresh = _tree(values, change.out, fresh)
        _content(values, change.out)
        _graph(values, change.out)
        reads |= change.reads
        keys |= change.writes | change.shared
    values["reads"] = list(reads)
    values["keys"] = list(keys) if len(keys) <= _MOST_KEYS else []
    values["fresh"], values["new"] = fresh, NEW
    return {name: value for name, value in values.items() if value != [] or name in _ALWAYS}


def _tree(values: dict[str, Any], out: Writes, fresh: int) -> int:
    for row in out.created.values():
        kind = "files" if row["file"] else "folders" if row["mode"] & 0o170000 == _FOLDER else "others"
        # What a swap gives a file that was made in the same change is said by the swap.
        if row["file"]:
            row = row | {"mark": of_record(row["version"], row["size"]) + out.marks.get(row["id"], 0)}
        values[kind].append(row)
    for number in out.patched.keys() | out.links.keys():
        what = out.patched.get(number, {})
        mark = out.marks.get(number, 0) if number in out.marks or "version" in what or "size" in what else None
        values["patches"].append({"id": number, "set": what, "links": out.links.get(number, 0), "mark": mark})
    values["free"] += out.free
    values["names_gone"] += out.gone_entries
    for (folder, name), one in out.entries.items():
        if one is None:
            continue
        entry = one[0]
        if entry >= NEW:
            fresh += 1
            entry = NEW + fresh
        values["names"].append((folder, name, entry, one[1]))
    values["swaps"] += out.swapped
    values["deleted"] += out.deleted
    values["trash_gone"] += [node for node, row in out.trash.items() if row is None]
    values["trash"] += [
        msgspec.structs.asdict(row) | {"path": stored(row.path)} for row in out.trash.values() if row is not None
    ]
    for file, job in out.jobs.items():
        if job is None:
            values["jobs_gone"].append(file)
        else:
            values["jobs"].append(_with_id(msgspec.structs.asdict(job)))
    return fresh


def _with_id(row: dict[str, Any]) -> dict[str, Any]:
    row["id"] = row.pop("file")
    return row


def _content(values: dict[str, Any], out: Writes) -> None:
    for node, rows in out.extents.items():
        for offset, row in rows.items():
            if node not in out.created:  # one that is replaced at its place goes first
                values["extents_gone"].append((node, offset))
            if row is not None:
                one, inline = row
                values["extents"].append(
                    {
                        "node": node, "offset": one.offset, "length": one.length, "digest": one.digest.hex(),
                        "start": one.start, "inline": inline,
                    }
                )  # fmt: skip
    values["blobs"] += [(digest.hex(), data, len(data)) for digest, data in out.blobs.items()]
    for (node, name), value in out.xattrs.items():
        if value is None:
            values["xattrs_gone"].append((node, name))
        else:
            values["xattrs"].append((node, name, value))
    values["loans"] += [one for one in out.loans.items() if one[1]]
    values["loans_gone"] += [folder for folder, mount in out.loans.items() if not mount]
    values["answers"] += [(place, texts, of_text(texts)) for place, texts in out.answers.items()]
    values["done"] += out.done.items()
    values["forgotten"] += out.forgotten


def _graph(values: dict[str, Any], out: Writes) -> None:
    _sort(values, "edges", out.edges.items())
    _sort(values, "aliases", out.aliases.items())
    _sort(values, "tokens", out.tokens.items())
    for tag, row in out.tags.items():
        if row is None:
            values["tags_gone"].append(tag)
        else:
            values["tags"].append(msgspec.structs.asdict(row))
            if tag in out.new_tags:
                values["free_tags"].append((row.parent, row.key))
    values["tags_touched"] += out.touched_tags.items()
    values["batches"] += [msgspec.structs.asdict(row) for row in out.batches.values()]
    values["steps"] += [(batch, first, msgspec.json.encode(rows).decode()) for batch, first, rows in out.steps]


def _sort(values: dict[str, Any], name: str, rows: Iterable[tuple[Any, Any]]) -> None:
    for place, row in rows:
        if row is None:
            values[f"{name}_gone"].append(place)
        else:
            values[name].append(msgspec.structs.asdict(row))
