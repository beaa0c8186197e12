"""A drive is moved from one engine to the other and back, and is the same drive."""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from gateway.moving import graph_place, move, state_place
from gateway.service import open_service
from gateway.store.tables import TABLES, UNFINISHED, Row, Table
from graphfs.api import Drive
from graphfs.config import Blobs, Config, Store
from graphfs.errors import AlreadyExists, Busy, Unavailable
from graphfs.model import FILES_ROOT, SUPER_ROOT, Edge, EdgeState, Scope, Source
from tests.contracts.conftest import CONFIG
from tests.contracts.ground import ODD_NAMES, OWNER, Ground
from tests.neo4j import Graph


def fill(ground: Ground) -> None:
    """Something of everything."""
    drive = ground.drive
    for number, name in enumerate(ODD_NAMES):
        node = ground.file(f"odd/{name}", name.encode("utf-8", "surrogateescape") * 3, tags=(f"t{number % 3}", "a/b"))
        drive.set_xattr(OWNER, node.id, f"user.{name[:20]}", b"\x00value")
    large = ground.file("large", os.urandom(200_000), tags=("big",))
    drive.link(OWNER, large.id, FILES_ROOT, "again")
    drive.create(OWNER, FILES_ROOT, "link", 0o120777, target=ODD_NAMES[9])
    ground.file("gone", b"in the trash", tags=("t0",))
    drive.unlink(OWNER, FILES_ROOT, "gone")
    drive.set_alias(OWNER, "a", "alias of a")
    drive.change_tags(OWNER, [large.file], ["Größe 中文"], ["big"], why="because")
    old, new = ground.file("saved", b"old", tags=("kept",)), ground.file("saved.tmp", b"new")
    drive.rename(OWNER, FILES_ROOT, "saved.tmp", FILES_ROOT, "saved")
    assert drive.lookup(OWNER, FILES_ROOT, "saved").file == old.file != new.file
    machine = Edge("guessed", EdgeState.APPLIED, Source.MODEL, "model", "prompt", 0.8, "its words", 5)
    waits = Edge("perhaps", EdgeState.REVIEW, Source.MODEL, "model", "prompt", 0.5, "its words", 6)
    drive.put_edges(OWNER, large.file, [machine, waits])
    drive.change_tags(OWNER, [large.file], [], ["guessed"])
    assert {edge.state for edge in drive.edges(OWNER, large.file)} == set(EdgeState)
    batch = drive.change_tags(OWNER, [large.file], ["undone"], []) and drive.journal(OWNER, 1)[0].batch
    drive.undo(OWNER, batch)
    drive.create_token(OWNER, "laptop", [Scope.READ, Scope.TAG], uid=1234, expires=2**62)
    drive.create(OWNER, FILES_ROOT, "pipe", 0o10600)
    drive.lease("worker", 3, 1000.0)


def told(drive: Drive) -> object:
    """What a user can see of a drive."""

    def below(folder: int) -> list[object]:
        found: list[object] = []
        for entry in sorted(drive.children(OWNER, folder), key=lambda entry: entry.name):
            node = entry.node
            xattrs = {name: drive.xattr(OWNER, node.id, name) for name in drive.xattrs(OWNER, node.id)}
            edges = [msgspec.to_builtins(edge) for edge in drive.edges(OWNER, node.file)] if node.file else []
            found.append((entry.name, node, sorted(xattrs.items()), edges, drive.layout(OWNER, node.id)))
            if node.mode & 0o170000 == 0o040000:
                found += below(node.id)
            if node.mode & 0o170000 == 0o120000:
                found.append(drive.readlink(OWNER, node.id))
        return found

    tags = sorted((tag.path, tag.id, tag.files, tag.aliases) for tag in drive.tags(OWNER))
    status = drive.status(OWNER)
    return below(SUPER_ROOT), tags, drive.trash(OWNER), drive.journal(OWNER, 0), drive.tokens(OWNER), status.jobs


def test_a_drive_is_not_opened_in_the_middle_of_a_move(tmp_path: Path) -> None:
    drive = open_service(tmp_path, CONFIG)
    drive.close()
    (tmp_path / UNFINISHED).touch()
    with pytest.raises(Busy, match="graphfs migrate"):
        open_service(tmp_path, CONFIG)
    (tmp_path / UNFINISHED).unlink()
    open_service(tmp_path, CONFIG).close()


FORGOTTEN = {"meta", "done", "answer", "memo", "sqlite_sequence"}
"""Counters, and what is forgotten in time anyway."""


def test_every_column_is_moved(tmp_path: Path) -> None:
    """A table or column that a migration adds belongs into `gateway.store.tables`, or is named here with a reason."""
    drive = open_service(tmp_path / "state", CONFIG)
    drive.close()
    with closing(sqlite3.connect(tmp_path / "state/graph.sqlite")) as db:
        names = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")} - FORGOTTEN
        columns = {name: {row[1] for row in db.execute(f"PRAGMA table_info({name})")} for name in names}
    columns["blob"].discard("id")  # the engine's own, to read them in order
    assert {table.name: set(table.columns) for table in TABLES} == columns


class Failing:
    """A target that dies in the middle: before it took a page, or after."""

    def __init__(self, tables: object, after: int, *, taken: bool = False) -> None:
        self._tables, self._left, self._taken = tables, after, taken

    def __getattr__(self, name: str) -> object:
        return getattr(self._tables, name)

    def put(self, table: Table, rows: Sequence[Row]) -> None:
        self._left -= 1
        if self._left >= 0 or self._taken:
            self._tables.put(table, rows)  # type: ignore[attr-defined]  # whatever it stands for
        if self._left < 0:
            raise Unavailable("gone")


@pytest.mark.parametrize("taken", [False, True])
def test_a_move_that_dies_anywhere_goes_on(tmp_path: Path, taken: bool) -> None:
    one, journal = tmp_path / "one", tmp_path / "journal"
    drive = open_service(one, CONFIG)
    fill(Ground(drive, one))
    before = told(drive)
    drive.close()
    deaths = 0
    while True:
        here, there = state_place("here", one, CONFIG), state_place("there", tmp_path / "there", CONFIG)
        failing = Failing(there.tables, deaths if taken else 1, taken=taken)
        try:
            move(here, msgspec.structs.replace(there, tables=failing), journal)
            break
        except Unavailable:
            deaths += 1
            assert journal.exists()
        finally:
            for place in (here, there):
                place.tables.close()
                place.blobs.close()
    assert deaths > 3
    drive = open_service(tmp_path / "there", CONFIG)
    assert told(drive) == before
    assert drive.fsck(OWNER, verify=True) == []
    drive.close()


@pytest.fixture
def cluster(graph: Graph, tmp_path: Path) -> Config:
    return msgspec.structs.replace(
        CONFIG, store=Store(engine="neo4j"), neo4j=graph.emptied(), blobs=Blobs(folder=str(tmp_path / "elsewhere"))
    )


def test_there_and_back(cluster: Config, tmp_path: Path) -> None:
    one, other, journal = tmp_path / "one", tmp_path / "other", tmp_path / "journal"
    drive = open_service(one, CONFIG)
    fill(Ground(drive, one))
    before = told(drive)
    drive.close()

    here, there = state_place("here", one, CONFIG), graph_place("there", "", one, cluster)
    with pytest.raises(Unavailable):
        move(here, msgspec.structs.replace(there, tables=Failing(there.tables, 5)), journal)
    worked: list[str] = []
    report = move(here, there, journal, lambda name, more: worked.append(name))
    assert "node" not in worked, "it went on where it was"
    assert report.rows["edge"] > 30
    assert (report.blobs, report.bytes) == (1, 200_000)
    assert not journal.exists()
    with pytest.raises(AlreadyExists):
        move(here, there, journal)
    for place in (here, there):
        place.tables.close()
        place.blobs.close()

    drive = open_service(tmp_path / "server", cluster)
    assert told(drive) == before
    assert drive.fsck(OWNER, verify=True) == []
    made = drive.create(OWNER, FILES_ROOT, "made there", 0o100644, tags=("new",))
    assert made.id > max(row[0].id for row in [(entry.node,) for entry in drive.children(OWNER, FILES_ROOT)][:-1])
    before = told(drive)
    drive.close()

    here, there = graph_place("there", "", tmp_path, cluster), state_place("back", other, CONFIG)
    assert move(here, there, journal).bytes == 200_000
    for place in (here, there):
        place.tables.close()
        place.blobs.close()
    drive = open_service(other, CONFIG)
    assert told(drive) == before
    assert drive.fsck(OWNER, verify=True) == []
    drive.create_tag(OWNER, "newest")
    drive.close()
