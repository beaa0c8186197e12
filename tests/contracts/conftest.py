"""Every implementation of the boundary, each over a fresh state directory. After nearly every test the drive must be
in order."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.app import run_in_thread
from gateway.service import open_service
from graphfs.api import Drive
from graphfs.client import connect
from graphfs.config import Config, Jobs, Tags
from tests.contracts.ground import OWNER, Ground

CONFIG = Config(
    jobs=Jobs(settle_seconds=0.0, lease_seconds=1.0, max_attempts=3, backoff_seconds=0.01, backoff_max_seconds=0.02),
    tags=Tags(facet_minimum=2, facet_depth=2),
)
TOKEN = "contract-token"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def service(state: Path, request: pytest.FixtureRequest) -> Iterator[Drive]:
    """The service in this process."""
    drive = open_service(state, CONFIG)
    yield drive
    try:
        if request.node.get_closest_marker("damages") is None:
            assert drive.fsck(OWNER, verify=True) == []
    finally:
        drive.close()


@pytest.fixture(params=["service", "unix", "tcp"])
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
