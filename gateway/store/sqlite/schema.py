"""The tables of the SQLite engine and how an older database becomes a newer one.

A migration is never changed once it was released; a new one is added. The version is `PRAGMA user_version`.
"""

import sqlite3

from graphfs.errors import TooNew
from graphfs.model import FILES_ROOT, FIRST_FREE_ID, SUPER_ROOT

_FIRST = """
-- One value a name. next_id: no node id at or above it was ever given (ids are reserved in blocks, never used again).
CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;

-- An inode. `file` is the stable id of a regular file, NULL for all else. `live`: reachable under files/.
CREATE TABLE node(
  id INTEGER PRIMARY KEY, mode INTEGER NOT NULL, uid INTEGER NOT NULL, gid INTEGER NOT NULL, rdev INTEGER NOT NULL,
  size INTEGER NOT NULL, stored INTEGER NOT NULL, atime INTEGER NOT NULL, mtime INTEGER NOT NULL, ctime INTEGER NOT
  NULL,
  links INTEGER NOT NULL, tags INTEGER NOT NULL, version INTEGER NOT NULL, file INTEGER, live INTEGER NOT NULL,
  arrived INTEGER NOT NULL, target BLOB);
-- Nearly every file's stable id is its node's id; only those that a safe save exchanged stand in the index.
CREATE UNIQUE INDEX node_file ON node(file) WHERE file <> id;

-- A name. Its id is the cookie of a listing and grows with age; a folder's names lie together in that order.
CREATE TABLE entry(
  folder INTEGER NOT NULL, id INTEGER NOT NULL, name BLOB NOT NULL, node INTEGER NOT NULL,
  PRIMARY KEY(folder, id)) WITHOUT ROWID;
CREATE UNIQUE INDEX entry_name ON entry(folder, name);
-- With the name, so that a view's listing reads no entries.
CREATE INDEX entry_node ON entry(node, name);
CREATE INDEX entry_any ON entry(name);

-- Where the bytes of the current version are. `inline`: the blob stands in the blob table, else in the blob store.
CREATE TABLE extent(
  node INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL, digest BLOB NOT NULL, start INTEGER NOT NULL,
  inline INTEGER NOT NULL, PRIMARY KEY(node, offset)) WITHOUT ROWID;
CREATE INDEX extent_digest ON extent(digest) WHERE inline = 0;

-- Small blobs, beside their records.
CREATE TABLE blob(id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, data BLOB NOT NULL);

CREATE TABLE xattr(node INTEGER NOT NULL, name BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY(node, name)) WITHOUT
ROWID;

-- A tag. `key` is the folded name, unique among siblings together with the aliases. `proposed`: only a machine has
-- spoken
-- of it, and no file has it.
CREATE TABLE tag(
  id INTEGER PRIMARY KEY AUTOINCREMENT, parent INTEGER NOT NULL, name TEXT NOT NULL, key TEXT NOT NULL,
  changed INTEGER NOT NULL, proposed INTEGER NOT NULL, UNIQUE(parent, key));
CREATE TABLE alias(
  parent INTEGER NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL, tag INTEGER NOT NULL, PRIMARY KEY(parent, key))
  WITHOUT ROWID;
CREATE INDEX alias_tag ON alias(tag);

-- What is said of a file and a tag: applied, waiting for review, or rejected.
CREATE TABLE edge(
  file INTEGER NOT NULL, tag INTEGER NOT NULL, state TEXT NOT NULL, source TEXT NOT NULL, model TEXT NOT NULL,
  prompt TEXT NOT NULL, confidence REAL NOT NULL, evidence TEXT NOT NULL, at INTEGER NOT NULL, actor TEXT NOT NULL,
  PRIMARY KEY(file, tag)) WITHOUT ROWID;
CREATE INDEX edge_tag ON edge(tag);

-- A batch of tag changes, and each change with what was before and what is after (JSON; null: nothing).
CREATE TABLE batch(
  id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, last INTEGER NOT NULL, uid INTEGER NOT NULL, pid INTEGER
  NOT NULL,
  actor TEXT NOT NULL, why TEXT NOT NULL, changes INTEGER NOT NULL, undone INTEGER NOT NULL);
CREATE TABLE change(
  batch INTEGER NOT NULL, step INTEGER NOT NULL, kind TEXT NOT NULL, file INTEGER NOT NULL, tag INTEGER NOT NULL,
  before TEXT NOT NULL, after TEXT NOT NULL, PRIMARY KEY(batch, step)) WITHOUT ROWID;

-- A file that left files/: kept for a while. Its id is the node's.
CREATE TABLE trash(
  node INTEGER PRIMARY KEY, path BLOB NOT NULL, at INTEGER NOT NULL, uid INTEGER NOT NULL, actor TEXT NOT NULL,
  why TEXT NOT NULL);

-- One job a live regular file, whatever its state.
CREATE TABLE job(
  file INTEGER PRIMARY KEY, state TEXT NOT NULL, attempts INTEGER NOT NULL, not_before INTEGER NOT NULL,
  lease TEXT NOT NULL, lease_until INTEGER NOT NULL, worker TEXT NOT NULL, error TEXT NOT NULL);
CREATE INDEX job_due ON job(state, not_before);

-- What a model answered for a content and a prompt: never asked twice.
CREATE TABLE answer(
  content TEXT NOT NULL, model TEXT NOT NULL, prompt TEXT NOT NULL, texts TEXT NOT NULL,
  PRIMARY KEY(content, model, prompt)) WITHOUT ROWID;
"""

_DONE = """
-- Changes that may be asked again: the key that each was asked with.
CREATE TABLE done(key TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX done_at ON done(at);
"""

# The newest due job is found without sorting all that wait: a lease took 270 ms with 100,000 files in the queue.
_QUEUE_ORDER = """
DROP INDEX job_due;
CREATE INDEX job_by_state ON job(state, file);
"""

_TOKENS = """
-- Who may come over a network. `digest`: SHA-256 of the secret, which is kept nowhere; `scopes`: joined by commas.
CREATE TABLE token(
  name TEXT PRIMARY KEY, digest TEXT NOT NULL UNIQUE, scopes TEXT NOT NULL, uid INTEGER NOT NULL, gid INTEGER NOT NULL,
  created INTEGER NOT NULL, expires INTEGER NOT NULL, by TEXT NOT NULL) WITHOUT ROWID;
"""

# Whose turn it is must not cost a walk over all that wait: a job knows the owner of its file.
_QUEUE_TURNS = """
ALTER TABLE job ADD COLUMN owner INTEGER NOT NULL DEFAULT 0;
UPDATE job SET owner = ifnull((SELECT uid FROM node WHERE node.file = job.file), 0);
DROP INDEX job_by_state;
CREATE INDEX job_by_owner ON job(state, owner, file);
-- Short texts by name: whether the queue rests, tokens used on a day.
CREATE TABLE memo(name TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
"""

MIGRATIONS: tuple[str, ...] = (_FIRST, _DONE, _QUEUE_ORDER, _TOKENS, _QUEUE_TURNS)
SCHEMA = len(MIGRATIONS)


def migrate(db: sqlite3.Connection, now: int, uid: int, gid: int) -> None:
    """Brings a database to this schema, each step in one transaction. TooNew when it is already beyond."""
    found = int(db.execute("PRAGMA user_version").fetchall()[0][0])
    if found > SCHEMA:
        raise TooNew(
            f"this drive has schema {found}, this GraphFS knows up to {SCHEMA}: use the newer GraphFS that wrote it"
        )
    for step in range(found, SCHEMA):
        db.execute("BEGIN IMMEDIATE")
        try:
            for statement in _statements(MIGRATIONS[step]):
                db.execute(statement)
            if step == 0:
                _seed(db, now, uid, gid)
            db.execute("PRAGMA user_version = " + str(step + 1))
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise


def _statements(script: str) -> list[str]:
    """Splits a script; `executescript` would commit the open transaction."""
    found, pending = [], ""
    for line in script.splitlines():
        pending += line + "\n"
        if sqlite3.complete_statement(pending):
            found.append(pending)
            pending = ""
    return found


def _seed(db: sqlite3.Connection, now: int, uid: int, gid: int) -> None:
    """The folders that every drive has."""
    db.execute("INSERT INTO meta VALUES('next_id', ?)", (FIRST_FREE_ID,))
    for node, links, live in ((SUPER_ROOT, 3, 0), (FILES_ROOT, 2, 1)):
        db.execute(
            "INSERT INTO node VALUES(?, ?, ?, ?, 0, 0, 0, ?, ?, ?, ?, 0, 0, NULL, ?, ?, NULL)",
            (node, 0o40755, uid, gid, now, now, now, links, live, now),
        )
    db.execute("INSERT INTO entry VALUES(?, 1, ?, ?)", (SUPER_ROOT, b"files", FILES_ROOT))
