"""A real Neo4j for the tests: one a run, emptied for each drive. It is not a fake of anything."""

import importlib.util
import os
import socket
import time
from pathlib import Path
from types import ModuleType

import neo4j

from gateway.store.neo4j.connection import Connection
from gateway.store.neo4j.schema import SCHEMA, seed
from graphfs.config import Neo4j, Secret

_PASSWORD = "only-for-tests"
_SCRIPT = Path(__file__).resolve().parents[1] / "scripts/neo4j/server.py"


def _starter() -> ModuleType:
    spec = importlib.util.spec_from_file_location("neo4j_server", _SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Graph:
    """A server of its own, or the one at GRAPHFS_TEST_NEO4J (a bolt address; everything in it is deleted)."""

    def __init__(self, home: Path) -> None:
        self._starter = _starter()
        self.home = home
        self.server = None
        address = os.environ.get("GRAPHFS_TEST_NEO4J")
        if address is None:
            assert self._starter.LIBRARY.is_dir(), "Neo4j is missing: run scripts/setup test"
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
            self.start()
            address = f"bolt://127.0.0.1:{self.port}"
        self.settings = Neo4j(uri=address, password=Secret(_PASSWORD))
        self.driver = neo4j.GraphDatabase.driver(address, auth=("neo4j", _PASSWORD))

    @property
    def process(self) -> int:
        """The server's process, to be stopped for a while. One that others started (at
        GRAPHFS_TEST_NEO4J) must be named by GRAPHFS_TEST_NEO4J_PID."""
        return int(os.environ["GRAPHFS_TEST_NEO4J_PID"]) if self.server is None else self.server.pid

    def start(self) -> None:
        self.server = self._starter.start(self.home, self.port)
        self._starter.wait(self.server, self.port, _PASSWORD)

    def kill(self) -> None:
        """It ends without a word. `start` brings it back as it was."""
        assert self.server is not None, "only a server of the tests' own can be killed: unset GRAPHFS_TEST_NEO4J"
        self.server.kill()
        self.server.wait()

    def run(self, text: str, **values: object) -> list[list[object]]:
        with self.driver.session() as session:
            return session.run(text, **values).values()

    def emptied(self) -> Neo4j:
        """The settings of a new drive. Where there was one, its schema stays: making it anew throws away all plans."""
        if self.run("MATCH (d:Drive) WHERE d.schema = $schema REMOVE d.seq RETURN 1", schema=SCHEMA):
            self.run("MATCH (n) WHERE NOT n:Drive DETACH DELETE n")
            connection = Connection(self.settings.uri, "neo4j", _PASSWORD, "neo4j")
            seed(connection, time.time_ns(), os.getuid(), os.getgid())
            connection.close()
        else:
            self.run("MATCH (n) DETACH DELETE n")
        return self.settings

    def stop(self) -> None:
        self.driver.close()
        if self.server is not None:
            self._starter.stop(self.server)
