"""What a main server answers from memory is what the graph says now, whoever changed it: these two look at the log only
when they must."""

import random
import stat
import threading
from collections.abc import Callable
from typing import Any

import pytest

from gateway.service.service import Service
from gateway.store.neo4j.reader import Neo4jReader
from gateway.store.neo4j.store import Neo4jStore
from graphfs.errors import DriveError
from graphfs.model import FILES_ROOT, AttributeChange, Replace
from tests.contracts.ground import FILE, FOLDER, OWNER, patch

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


def test_many_who_ask_at_once_share_a_look(two: tuple[Service, Service], monkeypatch: pytest.MonkeyPatch) -> None:
    """And each sees what was committed before it asked."""
    one, other = two
    folder = one.create(OWNER, FILES_ROOT, "folder", FOLDER).id
    one.create(OWNER, folder, "a", FILE)
    other.children(OWNER, folder)
    one.create(OWNER, folder, "b", FILE)
    store = neo4j(other)
    many, looks = 32, [0]
    here, all_here = [0], threading.Event()
    look: Callable[[], None] = store._catch_up

    def counted() -> None:
        looks[0] += 1
        all_here.wait(30)
        look()

    monkeypatch.setattr(store, "_catch_up", counted)
    found: list[list[str]] = []

    def ask() -> None:
        here[0] += 1
        if here[0] == many:
            all_here.set()
        store.caught_up()
        found.append([entry.name for entry in other.children(OWNER, folder)])

    threads = [threading.Thread(target=ask) for _ in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [["a", "b"]] * many
    assert looks[0] < many
