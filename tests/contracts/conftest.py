"""Every implementation of the boundary, each over a fresh state directory. After nearly every test the drive must be
in order."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from gateway.app import run_in_thread
from gateway.service import open_service
from gateway.service.service import Service
from graphfs.api import Drive
from graphfs.client import connect
from graphfs.config import Config, Jobs, Store, Tags
from tests.contracts.ground import OWNER, Ground
from tests.neo4j import Graph

CONFIG = Config(
    jobs=Jobs(settle_seconds=0.0, lease_seconds=1.0, max_attempts=3, backoff_seconds=0.01, backoff_max_seconds=0.02),
    tags=Tags(facet_minimum=2, facet_depth=2),
)
TOKEN = "contract-token"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def config(request: pytest.FixtureRequest) -> Config:
    """The settings of the drive: those of the engine that the test runs on."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return CONFIG
    graph: Graph = request.getfixturevalue("graph")
    return msgspec.structs.replace(CONFIG, store=Store(engine="neo4j"), neo4j=graph.emptied())


@pytest.fixture
def service(state: Path, config: Config, request: pytest.FixtureRequest) -> Iterator[Drive]:
    """The service in this process."""
    drive = open_service(state, config)
    yield drive
    try:
        if request.node.get_closest_marker("damages") is None:
            assert drive.fsck(OWNER, verify=True) == []
    finally:
        drive.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """In process on every engine; over HTTP, which knows no engine, on one."""
    if "drive" in metafunc.fixturenames:
        ways = [("service", "sqlite"), ("service", "neo4j"), ("unix", "sqlite"), ("tcp", "sqlite")]
        names = ["service", "neo4j", "unix", "tcp"]
        metafunc.parametrize(("drive", "config"), ways, indirect=True, ids=names)


@pytest.fixture
def drive(request: pytest.FixtureRequest, service: Drive, state: Path) -> Iterator[Drive]:
    """The drive under test."""
    if request.param == "service":
        yield service
        return
    address = f"unix:{state / 'api.sock'}" if request.param == "unix" else "127.0.0.1:0"
    server = run_in_thread(service, address, token=TOKEN)
    client = connect(state) if request.param == "unix" else connect(f"127.0.0.1:{server.ports[0]}", token=TOKEN)
    try:
        yield client
    finally:
        client.close()
        server.stop()


@pytest.fixture
def ground(drive: Drive, state: Path) -> Ground:
    return Ground(drive, state)


@pytest.fixture
def shared(graph: Graph, tmp_path: Path) -> Config:
    """The settings of main servers that have the graph and the blobs' folder in common."""
    return msgspec.structs.replace(
        CONFIG,
        store=Store(engine="neo4j", lend_folders=True),
        neo4j=graph.emptied(),
        blobs=msgspec.structs.replace(CONFIG.blobs, folder=str(tmp_path / "blobs")),
    )


@pytest.fixture
def two(shared: Config, tmp_path: Path) -> Iterator[tuple[Service, Service]]:
    """Two main servers."""
    one, other = (open_service(tmp_path / name, shared, away=True) for name in ("one", "other"))
    yield one, other
    try:
        other.store.caught_up()
        one.store.caught_up()
        assert one.fsck(OWNER, verify=True) == other.fsck(OWNER, verify=True) == []
    finally:
        one.close()
        other.close()


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch, shared: Config, tmp_path: Path) -> Iterator[tuple[Service, Service]]:
    """Two main servers that read the log only when they commit or have to."""
    monkeypatch.setattr("gateway.store.neo4j.store._FOLLOW", 3600.0)
    one, other = (open_service(tmp_path / name, shared, away=True) for name in ("one", "other"))
    yield one, other
    try:
        assert one.fsck(OWNER, verify=True) == other.fsck(OWNER, verify=True) == []
    finally:
        one.close()
        other.close()
