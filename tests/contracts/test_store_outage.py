"""Neo4j falls silent, or is killed in the middle of changes: who asks is told soon, nothing acknowledged is lost, and
service comes back by itself."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from gateway.service import open_service
from gateway.service.service import Service
from graphfs.config import Store
from graphfs.errors import DriveError, Unavailable
from graphfs.model import FILES_ROOT
from tests.contracts.conftest import CONFIG
from tests.contracts.ground import OWNER, eventually
from tests.neo4j import Graph

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def alone(graph: Graph, tmp_path: Path) -> Iterator[Service]:
    found = open_service(
        tmp_path / "state", msgspec.structs.replace(CONFIG, store=Store(engine="neo4j"), neo4j=graph.emptied())
    )
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
    os.kill(graph.process, signal.SIGSTOP)
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


@pytest.mark.allows_log("could not be made durable yet|sweeping failed")
def test_a_killed_store_keeps_what_was_acknowledged(alone: Service, graph: Graph) -> None:
    acknowledged: list[str] = []
    enough = threading.Event()

    def write(which: int) -> None:
        number = 0
        while not enough.is_set():
            number += 1
            name = f"{which}-{number}"
            try:
                node = alone.create(OWNER, FILES_ROOT, name, 0o100644, tags=("t",))
            except DriveError:
                enough.wait(0.2)
                continue
            acknowledged.append(f"{name}={node.id}")

    threads = [threading.Thread(target=write, args=(which,)) for which in range(4)]
    for thread in threads:
        thread.start()
    try:
        eventually(lambda: len(acknowledged) > 20, 60)
        graph.kill()
        before = len(acknowledged)
        graph.start()
        eventually(lambda: len(acknowledged) > before + 20, 60)
    finally:
        enough.set()
        for thread in threads:
            thread.join(30)
    entries = {f"{entry.name}={entry.node.id}" for entry in alone.children(OWNER, FILES_ROOT)}
    assert set(acknowledged) <= entries
    alone.store.caught_up()
    assert alone.view(OWNER, ["t"]).files == len(entries)
