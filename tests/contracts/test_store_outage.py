"""Neo4j falls silent, or dies: who asks is told soon, and service comes back by itself."""

import gc
import os
import signal
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
from tests.processes import suspend

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
