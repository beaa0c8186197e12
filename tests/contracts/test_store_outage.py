"""Neo4j falls silent, or dies: who asks is told soon, and service comes back by itself."""

import gc
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import msgspec
import neo4j
import pytest

from gateway.service import open_service
from gateway.service.service import Service
from gateway.store.neo4j.connection import Connection
from graphfs.config import Config, Store
from graphfs.errors import DriveError, Unavailable
from graphfs.model import FILES_ROOT
from tests.contracts.conftest import CONFIG
from tests.contracts.ground import OWNER, eventually
from tests.neo4j import Graph
from tests.processes import suspend

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def settings(graph: Graph) -> Config:
    return msgspec.structs.replace(CONFIG, store=Store(engine="neo4j"), neo4j=graph.emptied())


@pytest.fixture
def alone(settings: Config, tmp_path: Path) -> Iterator[Service]:
    found = open_service(tmp_path / "state", settings)
    yield found
    try:
        assert found.fsck(OWNER, verify=True) == []
    finally:
        found.close()


def works(alone: Service, name: str) -> bool:
    try:
        alone.create(OWNER, FILES_ROOT, name, 0o100644)
    except DriveError:
        return False
    return True


@pytest.mark.allows_log("could not be made durable yet|sweeping failed")
def test_a_silent_store_is_away_within_ten_seconds(alone: Service, graph: Graph) -> None:
    alone.create(OWNER, FILES_ROOT, "before", 0o100644)
    suspend(graph.process)
    try:
        for _ in range(2):
            begun = time.monotonic()
            with pytest.raises(Unavailable):
                alone.lookup(OWNER, FILES_ROOT, "before")
            with pytest.raises(Unavailable):
                alone.create(OWNER, FILES_ROOT, "meanwhile", 0o100644)
            assert time.monotonic() - begun < 20, "ten seconds each"
    finally:
        os.kill(graph.process, signal.SIGCONT)
    eventually(lambda: works(alone, f"after {time.monotonic_ns()}"), 60)
    assert alone.lookup(OWNER, FILES_ROOT, "before").links == 1
    gc.collect()  # a socket that was left behind is told of here, and not in the test after this


def waits(alone: Service) -> list[float]:
    """Seconds for which a look and a change wait, each in vain."""
    found = []
    for act in (
        lambda: alone.node(OWNER, FILES_ROOT),
        lambda: alone.lookup(OWNER, FILES_ROOT, "before"),
        lambda: alone.create(OWNER, FILES_ROOT, "meanwhile", 0o100644),
    ):
        begun = time.monotonic()
        with pytest.raises(Unavailable):
            act()
        found.append(time.monotonic() - begun)
    return found


@pytest.mark.allows_log("could not be made durable yet|sweeping failed")
def test_a_dead_store_is_waited_for_once(alone: Service, graph: Graph) -> None:
    alone.create(OWNER, FILES_ROOT, "before", 0o100644)
    graph.kill()
    try:
        first, *others = waits(alone)
        assert first < 15, "it might have been back within ten seconds"
        assert max(others + waits(alone)) < 5, "that it is away is known"
    finally:
        graph.start()
    eventually(lambda: works(alone, f"after {time.monotonic_ns()}"), 60)
    assert alone.lookup(OWNER, FILES_ROOT, "before").links == 1
    gc.collect()


def test_a_connection_that_was_opened_as_the_driver_was_given_up_is_closed(graph: Graph) -> None:
    place = graph.settings
    connection = Connection(place.uri, place.user, place.password.reveal(), place.database)
    with connection._session("READ") as session:
        given_up, connection._driver = connection._driver, connection._open()
        given_up.close()
        session.run("RETURN 1").consume()
    connection.close()
    del given_up, session
    gc.collect()


def test_one_that_stands_still_in_the_middle_of_a_commit_keeps_nobody_for_long(
    alone: Service, settings: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the locks of everything when it stops; what it was about to commit it commits when it goes on."""
    stands, goes_on, commit = threading.Event(), threading.Event(), neo4j.Transaction.commit

    def commits(transaction: neo4j.Transaction) -> None:
        if not stands.is_set():
            stands.set()
            assert goes_on.wait(60)
        commit(transaction)

    file = alone.create(OWNER, FILES_ROOT, "file", 0o100644)
    with closing(open_service(tmp_path / "other", settings)) as other:
        monkeypatch.setattr(neo4j.Transaction, "commit", commits)
        with ThreadPoolExecutor() as pool:
            stood = pool.submit(alone.change_tags, OWNER, [file.file], ["red"], [])
            try:
                assert stands.wait(30)
                begun = time.monotonic()
                other.create(OWNER, FILES_ROOT, "meanwhile", 0o100644)
                assert time.monotonic() - begun < 15, "Neo4j gives up such a commit after 4 s, and looks every 2"
            finally:
                goes_on.set()
            stood.result(60)
        assert [edge.tag for edge in alone.edges(OWNER, file.file)] == ["red"]
        eventually(lambda: [edge.tag for edge in other.edges(OWNER, file.file)] == ["red"], 10)


def test_a_graph_that_was_emptied_ends_no_server(settings: Config, graph: Graph, tmp_path: Path) -> None:
    """Somebody restores it: it says so until the drive is there again, and then goes on."""
    neo = settings.neo4j
    assert neo.password is not None
    with (
        closing(open_service(tmp_path / "state", settings)) as service,
        neo4j.GraphDatabase.driver(neo.uri, auth=(neo.user, neo.password.reveal())) as driver,
    ):
        drive = driver.execute_query("MATCH (d:Drive) RETURN properties(d)").records[0][0]
        driver.execute_query("MATCH (d:Drive) DELETE d")
        with pytest.raises(Unavailable, match="holds no drive"):
            service.store.caught_up()
        threading.Event().wait(1)  # what follows the log has looked too
        driver.execute_query("CREATE (d:Drive) SET d = $drive", drive=drive)
        service.create(OWNER, FILES_ROOT, "after", 0o100644)
        assert service.store._follower.is_alive()
