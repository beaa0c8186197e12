"""What a main server answers from memory is what the graph says now, whoever changed it: these two look at the log only
when they must."""

import random
import stat
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.service import open_service
from gateway.service.service import Service
from gateway.store.neo4j.current import CurrentReader
from gateway.store.neo4j.reader import Neo4jReader
from gateway.store.neo4j.schema import SCHEMA
from gateway.store.neo4j.store import Neo4jStore
from graphfs.config import Config
from graphfs.errors import DriveError, NotFound, Unavailable
from graphfs.model import FILES_ROOT, AttributeChange, Layout, Replace
from tests.contracts.ground import FILE, FOLDER, OWNER, eventually, patch

NAMES = ("a", "b", "c", 'it\'s "d"')


def neo4j(service: Service) -> Neo4jStore:
    store = service.store
    assert isinstance(store, Neo4jStore)
    return store


class Users:
    """Two main servers, and somebody who does anything by either."""

    def __init__(self, servers: tuple[Service, Service], chance: random.Random) -> None:
        self.servers, self.chance = servers, chance
        self.folders = [
            FILES_ROOT,
            *(servers[0].create(OWNER, FILES_ROOT, name, FOLDER).id for name in ("left", "right")),
        ]

    def step(self) -> None:
        """One change; what is not possible just now is none."""
        drive, chance = self.chance.choice(self.servers), self.chance
        folder, name = chance.choice(self.folders), chance.choice(NAMES)
        other, new = chance.choice(self.folders), chance.choice(NAMES)
        try:
            match chance.randrange(9):
                case 0 | 1:
                    drive.create(OWNER, folder, name, FILE)
                case 2:
                    node = drive.lookup(OWNER, folder, name)
                    data = chance.randbytes(9)
                    drive.commit(OWNER, node.id, node.version, 9, [patch(0, data)])
                case 3:
                    drive.rename(OWNER, folder, name, other, new)
                case 4:
                    drive.rename(OWNER, folder, name, other, new, Replace.EXCHANGE)
                case 5:
                    drive.unlink(OWNER, folder, name)
                case 6:
                    drive.link(OWNER, drive.lookup(OWNER, folder, name).id, other, new)
                case 7:
                    node = drive.lookup(OWNER, folder, name)
                    mode = stat.S_IMODE(chance.randrange(0o1000))
                    drive.set_attributes(OWNER, node.id, AttributeChange(mode=mode))
                case 8:
                    node = drive.lookup(OWNER, folder, name)
                    drive.change_tags(OWNER, (node.file,), (chance.choice(("x", "y/z")),), ())
        except DriveError:
            pass


def answers(reader: Neo4jReader, folders: list[int]) -> list[Any]:
    """All that is kept in memory, asked for as the service asks."""
    found: list[Any] = []
    for folder in folders:
        listed = reader.children(folder, 0, 0)
        found += [listed, reader.children(folder, 0, 2), reader.node(folder)]
        found += [reader.lookup(folder, name) for name in NAMES]
        found += [reader.node(entry.node.id) for entry in listed]
        files = sorted(entry.node.file for entry in listed if entry.node.file)
        found += [reader.named(files), *(reader.named((file,)) for file in files)]
    return found


@pytest.mark.parametrize("seed", range(2))
def test_memory_says_what_the_graph_says(slow: tuple[Service, Service], seed: int) -> None:
    """A user who does anything, and after each step both servers are asked twice: the second time of memory."""
    users = Users(slow, random.Random(seed))
    truth = Neo4jReader(neo4j(slow[0]).connection)
    for step in range(40):
        users.step()
        expected = answers(truth, users.folders)
        for server in slow:
            assert answers(neo4j(server), users.folders) == expected, step
            assert answers(neo4j(server), users.folders) == expected, step


def test_a_file_is_shown_by_its_other_name_when_the_older_one_goes(slow: tuple[Service, Service]) -> None:
    one, other = slow
    folder = one.create(OWNER, FILES_ROOT, "folder", FOLDER).id
    node = one.create(OWNER, folder, "first", FILE)
    one.link(OWNER, node.id, FILES_ROOT, "second")
    for _ in range(2):
        assert neo4j(other).named((node.file,))[0][0] == "first"
    one.unlink(OWNER, folder, "first")
    assert neo4j(other).named((node.file,))[0][0] == "second"


def test_what_a_repair_mends_is_known_to_all(slow: tuple[Service, Service]) -> None:
    """It is written past the log."""
    one = slow[0]
    folder = one.create(OWNER, FILES_ROOT, "folder", FOLDER).id
    node = one.create(OWNER, folder, "file", FILE)
    store = neo4j(one)
    store.connection.write("MATCH (n:Node {id: $id}) SET n.links = 7", {"id": node.id})
    for server in slow:
        neo4j(server).children(folder, 0, 0)
        assert server.children(OWNER, folder)[0].node.links == 7
    assert [problem.repaired for problem in one.fsck(OWNER, repair=True)] == [True]
    for server in slow:
        assert server.children(OWNER, folder)[0].node.links == 1


MANY = 32


def at_once(
    store: Neo4jStore, monkeypatch: pytest.MonkeyPatch, look: Callable[[], None], ask: Callable[[], object]
) -> tuple[int, list[object]]:
    """Looks at the log that were made for many who asked while the first was under way, and what each was told."""
    looks: list[int] = []
    found: list[object] = []

    def counted() -> None:
        looks.append(1)
        if len(looks) == 1:
            eventually(lambda: len(vars(store._looking)["_waiters"]) == MANY - 1, 60)
        look()

    def asked() -> None:
        try:
            store.caught_up()
            found.append(ask())
        except DriveError as error:
            found.append(type(error))

    with monkeypatch.context() as patched:
        patched.setattr(store, "_catch_up", counted)
        threads = [threading.Thread(target=asked) for _ in range(MANY)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    return len(looks), found


def test_many_who_ask_at_once_share_a_look(slow: tuple[Service, Service], monkeypatch: pytest.MonkeyPatch) -> None:
    """One is under way when the others come; the next serves them all, and each sees what was committed before."""
    one, other = slow
    folder = one.create(OWNER, FILES_ROOT, "folder", FOLDER).id
    store = neo4j(other)
    store.children(folder, 0, 0)
    one.create(OWNER, folder, "a", FILE)
    store.children(folder, 0, 0)
    one.create(OWNER, folder, "b", FILE)
    truth = store._catch_up
    looks, seen = at_once(store, monkeypatch, truth, lambda: store._applied)
    assert looks == 2
    assert seen == [neo4j(one)._applied] * MANY
    assert [entry.name for entry in store.children(folder, 0, 0)] == ["a", "b"]


def test_a_look_that_fails_has_failed_for_all_who_wait(
    slow: tuple[Service, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that is away takes ten seconds to say so: nobody waits for that after another."""

    def away() -> None:
        raise Unavailable("away")

    store = neo4j(slow[0])
    looks, told = at_once(store, monkeypatch, away, lambda: None)
    assert looks == 1
    assert told == [Unavailable] * MANY
    store.caught_up()


def test_a_name_that_is_replaced_is_never_absent(
    slow: tuple[Service, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neo4j shows a commit while it is being written: the old name is gone, and the new one is not there yet. Here
    nothing is remembered, so every look asks the graph."""
    monkeypatch.setattr(CurrentReader, "_keep", lambda *given: None)
    one, other = slow
    moved = one.create(OWNER, FILES_ROOT, "moved", FILE)
    one.change_tags(OWNER, [moved.file], ["red"], [])
    one.create(OWNER, FILES_ROOT, "kept", FILE)
    over = threading.Event()
    missed: list[str] = []

    def look(drive: Service) -> None:
        while not over.is_set():
            try:
                drive.lookup(OWNER, FILES_ROOT, "kept")
                drive.path(OWNER, moved.id)
                drive.file(OWNER, moved.file)
            except NotFound as error:
                missed.append(str(error))
            names = {entry.name for entry in drive.children(OWNER, FILES_ROOT, 0, 0)}
            if "kept" not in names or not names & {"moved", "away"}:
                missed.append(f"listed: {names}")
            shown = [entry.name for entry in drive.view_files(OWNER, ["red"])]
            if len(shown) != 1:
                missed.append(f"tags/red: {shown}")

    readers = [threading.Thread(target=look, args=(drive,)) for drive in (one, other) * 2]
    for reader in readers:
        reader.start()
    try:
        for number in range(60):
            one.create(OWNER, FILES_ROOT, f"new-{number}", FILE)
            one.rename(OWNER, FILES_ROOT, f"new-{number}", FILES_ROOT, "kept")
            names = ("moved", "away")[:: 1 - number % 2 * 2]
            one.rename(OWNER, FILES_ROOT, names[0], FILES_ROOT, names[1])
    finally:
        over.set()
        for reader in readers:
            reader.join()
    assert missed == []


def test_a_layout_is_of_one_version(slow: tuple[Service, Service], monkeypatch: pytest.MonkeyPatch) -> None:
    """A content that is being replaced is read as it was, or as it is, with the version that it has: never without its
    bytes, nor with those of another."""
    monkeypatch.setattr(CurrentReader, "_keep", lambda *given: None)
    writer = slow[0]
    node = writer.create(OWNER, FILES_ROOT, "content", FILE)
    valid = {(node.version, Layout(node.version, 0, ()))}
    read: set[tuple[int, Layout]] = set()
    over = threading.Event()

    def look(drive: Service) -> None:
        while not over.is_set():
            found = drive.layout(OWNER, node.id)
            read.add((found.version, found))

    readers = [threading.Thread(target=look, args=(drive,)) for drive in (*slow, *slow)]
    for reader in readers:
        reader.start()
    try:
        for number in range(1, 150):
            pieces = [patch(at, f"{number} {at}".encode()) for at in range(0, 20 * (number % 5 + 1), 20)]
            size = pieces[-1].offset + pieces[-1].length
            node = writer.commit(OWNER, node.id, node.version, size, pieces)
            valid.add((node.version, writer.layout(OWNER, node.id)))
    finally:
        over.set()
        for reader in readers:
            reader.join()
    assert read <= valid
    assert len(read) > 20


@pytest.mark.allows_log("the mark of node")
def test_a_wrong_mark_costs_a_look_and_is_repaired(
    slow: tuple[Service, Service], caplog: pytest.LogCaptureFixture
) -> None:
    """As where an older main server wrote while a newer one was there."""
    drive, store = slow[0], neo4j(slow[0])
    node = drive.create(OWNER, FILES_ROOT, "content", FILE)
    drive.commit(OWNER, node.id, 0, 25, [patch(0, b"some"), patch(20, b"bytes")])
    layout = drive.layout(OWNER, node.id)
    store.connection.write("MATCH (n:Node {id: $id}) SET n.mark = 1", {"id": node.id})
    with caplog.at_level("WARNING"):
        assert drive.layout(OWNER, node.id) == layout
    assert "mark of node" in caplog.text
    assert [one.kind for one in drive.fsck(OWNER)] == ["wrong mark of a content"]
    assert [one.repaired for one in drive.fsck(OWNER, repair=True)] == [True]
    caplog.clear()
    assert drive.layout(OWNER, node.id) == layout
    assert caplog.text == ""


def test_an_older_graph_is_given_marks(slow: tuple[Service, Service], shared: Config, tmp_path: Path) -> None:
    drive, store = slow[0], neo4j(slow[0])
    for number in range(5):
        node = drive.create(OWNER, FILES_ROOT, f"content {number}", FILE)
        drive.commit(
            OWNER, node.id, 0, 2**33 + number, [patch(2**32 * part, b"x%d" % part) for part in range(number % 3)]
        )
    truth = store.query("MATCH (n:Node) WHERE n.file > 0 RETURN n.id, n.mark ORDER BY n.id")
    assert all(mark for _, mark in truth)
    store.connection.write("MATCH (n:Node) REMOVE n.mark")
    store.connection.write("MATCH (d:Drive {id: 0}) SET d.schema = $old REMOVE d.settled", {"old": SCHEMA - 1})
    with closing(open_service(tmp_path / "newer", shared)) as newer:
        assert newer.fsck(OWNER) == []
    assert store.query("MATCH (n:Node) WHERE n.file > 0 RETURN n.id, n.mark ORDER BY n.id") == truth


def test_a_name_that_a_commit_may_be_changing_is_not_to_be_kept(slow: tuple[Service, Service]) -> None:
    """The entry of the log can be read, and was heard of, before the new name can."""
    drive, store = slow[0], neo4j(slow[0])
    renamed = drive.create(OWNER, FILES_ROOT, "before", 0o100644)
    other = drive.create(OWNER, FILES_ROOT, "other", 0o100644)
    store.caught_up()
    store.settled()
    before = store._settled
    drive.rename(OWNER, FILES_ROOT, "before", FILES_ROOT, "after")
    store.caught_up()
    store._settled = before
    assert store.own_names([renamed.file, other.file]) == [(renamed.file, "after", False), (other.file, "other", True)]
    store.settled()
    assert store.own_names([renamed.file]) == [(renamed.file, "after", True)]


@pytest.mark.parametrize("torn", ["locks of b", None, ""])
def test_a_text_that_was_read_half_written_is_read_again(
    slow: tuple[Service, Service], monkeypatch: pytest.MonkeyPatch, torn: str | None
) -> None:
    """One that is replaced in its place: now and then the beginning of the new one was found with the end of the old
    one."""
    store = neo4j(slow[0])
    with store.transaction() as change:
        change.save_memo("a memo", "locks of a")
    change.wait()
    truth, alone = store.connection.read, []

    def read(text: str, values: dict[str, Any] | None = None, **how: bool) -> list[list[Any]]:
        rows = truth(text, values, **how)
        if ":Answer" not in text:  # the log's follower asks too
            return rows
        alone.append(how.get("alone", False))
        return rows if alone[-1] else [[torn, *row[1:]] for row in rows]

    monkeypatch.setattr(store.connection, "read", read)
    assert store.memo("a memo") == "locks of a"
    assert alone == [False, True]
