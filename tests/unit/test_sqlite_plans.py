"""What is asked again and again goes by an index: what a call costs does not grow with the drive."""

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.service import open_service
from gateway.service.service import Service
from gateway.store.sqlite.database import Database
from graphfs.config import load
from graphfs.model import FILES_ROOT, AttributeChange, JobState, Outcome, Replace, Source, Suggestion, XattrMode
from tests.contracts.ground import FILE, FOLDER, OWNER, patch

GROWING = ("node", "entry", "extent", "xattr", "edge", "change", "job", "trash", "blob", "done", "answer")
_SCAN = re.compile(rf"SCAN (?:{'|'.join(GROWING)}|[nejxt])\b(?! VIRTUAL| USING COVERING INDEX node_file)")
WHOLE = ("AND arrived >= ", "FROM trash ")
"""What is asked seldom, and for which every write would have to keep another index: `+recent`, and the trash."""


class Listener:
    """Every statement that the drive's connections execute, each once."""

    def __init__(self) -> None:
        self.heard: dict[str, None] = {}

    def hear(self, statement: str) -> None:
        self.heard[statement] = None


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Listener:
    made = Listener()
    connect = Database._connect

    def listened(self: Database) -> sqlite3.Connection:
        connection = connect(self)
        connection.set_trace_callback(made.hear)
        return connection

    monkeypatch.setattr(Database, "_connect", listened)
    return made


@pytest.fixture
def drive(tmp_path: Path, listener: Listener) -> Iterator[Service]:
    service = open_service(tmp_path, load(None, {"GRAPHFS_JOBS__SETTLE_SECONDS": "0"}))
    listener.heard.clear()  # the sets in memory are read once, whole
    yield service
    service.close()


def use(drive: Service) -> None:
    """What programs do with files, what people do with tags, and what a tagger does."""
    folder = drive.create(OWNER, FILES_ROOT, "d", FOLDER).id
    made = [drive.create(OWNER, folder, f"f{number}", FILE) for number in range(6)]
    for node in made:
        drive.commit(OWNER, node.id, 0, 4, [patch(0, b"text")])
    one, two = made[0], made[1]
    drive.commit(OWNER, one.id, 1, 8, [patch(4, b"more")])
    drive.lookup(OWNER, folder, "f0")
    drive.node(OWNER, one.id)
    drive.file(OWNER, one.file)
    drive.layout(OWNER, one.id)
    drive.children(OWNER, folder, 0, 3)
    drive.paths(OWNER, one.id)
    drive.set_attributes(OWNER, one.id, AttributeChange(mode=0o600))
    drive.accessed([(one.id, 5)])
    drive.link(OWNER, one.id, folder, "again")
    drive.rename(OWNER, folder, "again", FILES_ROOT, "elsewhere")
    drive.rename(OWNER, folder, "f4", folder, "f5")
    drive.rename(OWNER, folder, "f2", folder, "f3", Replace.EXCHANGE)
    drive.set_xattr(OWNER, one.id, "user.a", b"1", XattrMode.ANY)
    drive.xattr(OWNER, one.id, "user.a")
    drive.xattrs(OWNER, one.id)
    drive.remove_xattr(OWNER, one.id, "user.a")
    for job in drive.lease("w", 2, 60.0):
        drive.heartbeat(job.file, job.lease, 60.0)
        said = Suggestion("machine", 0.9, Source.MODEL, "m", "p", "e")
        drive.finish(job.file, job.lease, Outcome(JobState.TAGGED, (said,)))
        drive.job(job.file)
    drive.remember("c", "m", "p", ["said"])
    drive.remembered("c", "m", "p")
    drive.change_tags(OWNER, [one.file, two.file], ["a/b", "c"], [])
    drive.change_tags(OWNER, [one.file], [], ["c"])
    drive.edges(OWNER, one.file)
    for path in ((), ("a",), ("a", "b"), ("+untagged",), ("+recent",), ("-c",)):
        drive.view(OWNER, path)
        drive.view_files(OWNER, path, 0, 10)
        drive.view_facets(OWNER, path)
    drive.view_entry(OWNER, ("a",), "f0")
    drive.find(OWNER, "a -c", 0, 10)
    drive.rename_tag(OWNER, "a/b", "a/d")
    drive.journal(OWNER, 3)
    drive.undo(OWNER)
    drive.unlink(OWNER, folder, "f1")
    drive.restore(OWNER, two.id)
    drive.unlink(OWNER, folder, "f1")
    drive.trash(OWNER, 3)
    drive.purge(OWNER, 1)
    drive.sync()


def test_no_call_reads_a_whole_table(drive: Service, listener: Listener) -> None:
    use(drive)
    drive.store.settle()
    statements = list(listener.heard)
    assert len(statements) > 100
    with sqlite3.connect(drive.store.database.path) as database:
        whole = []
        for statement in statements:
            if statement.upper().startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")):
                plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {statement}")]
                whole += [(statement, line) for line in plan if _SCAN.match(line)]
    database.close()
    whole = [one for one in whole if not any(known in one[0] for known in WHOLE)]
    assert whole == []
