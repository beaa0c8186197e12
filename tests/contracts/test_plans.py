"""What is asked of Neo4j again and again goes by an index: what a call costs does not grow with the graph."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.service import open_service
from gateway.service.service import Service
from gateway.store.neo4j.connection import Connection
from graphfs.config import Store
from tests.contracts.conftest import CONFIG
from tests.neo4j import Graph
from tests.unit.test_sqlite_plans import use

SEARCHES = (
    "AllNodesScan", "NodeByLabelScan", "UnionNodeByLabelsScan", "NodeIndexScan", "AllRelationshipsScan",
    "RelationshipTypeScan", "RelationshipTypesScan", "RelationshipIndexScan",
)  # fmt: skip
FEW = ("t:Tag", "a:Alias", "b:Batch", "t:Token", "t:Trash")
"""Of these there are few, or they are read whole on purpose."""
WHOLE = ("n.arrived >= $when",)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """Every statement that was sent, with the last of its parameters."""
    heard: dict[str, dict[str, Any]] = {}
    read, write, together = Connection.read, Connection.write, Connection.write_together

    def reads(
        self: Connection, text: str, values: dict[str, Any] | None = None, *, alone: bool = False
    ) -> list[list[Any]]:
        heard[text] = values or {}
        return read(self, text, values, alone=alone)

    def writes(self: Connection, text: str, values: dict[str, Any] | None = None) -> list[list[Any]]:
        heard[text] = values or {}
        return write(self, text, values)

    def writes_together(
        self: Connection, texts: Sequence[str], values: dict[str, Any], seconds: float | None = None
    ) -> list[list[Any]]:
        heard.update(dict.fromkeys(texts, values))
        return together(self, texts, values, seconds)

    monkeypatch.setattr(Connection, "read", reads)
    monkeypatch.setattr(Connection, "write", writes)
    monkeypatch.setattr(Connection, "write_together", writes_together)
    return heard


@pytest.fixture
def served(graph: Graph, asked: dict[str, dict[str, Any]], tmp_path: Path) -> Iterator[Service]:
    settings = msgspec.structs.replace(CONFIG, store=Store(engine="neo4j"), neo4j=graph.emptied())
    service = open_service(tmp_path, settings)
    asked.clear()  # the sets in memory are read once, whole
    yield service
    service.close()


FILL = """
UNWIND range(1, 2000) AS i
CREATE (p:Node:Folder {id: $base + 2 * i, live: true, file: 0})
CREATE (p)-[:HOLDS {folder: $base + 2 * i, name: 'n' + i, id: $base + i}]->(n:Node {id: $base + 2 * i + 1, live: true,
  file: $base + i, arrived: i})
CREATE (n)-[:IS]->(:File {id: $base + i, state: 'tagged', owner: i % 10, not_before: i})
CREATE (:Extent {node: n.id, offset: 0, digest: 'd' + i, inline: true}), (:Blob {digest: 'd' + i, size: 1})
CREATE (:Xattr {node: n.id, name: 'x'}), (:Done {key: 'k' + i, at: i}),
  (:Answer {key: 'a' + i}), (:Steps {batch: $base + i, first: 0})
"""
"""A graph of some size: in one with a handful of nodes a scan is as cheap to the planner as a search."""


def operators(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Each operator of a plan, and what it works on."""
    yield plan["operatorType"].partition("@")[0], plan["args"].get("Details", "")
    for child in plan.get("children", ()):
        yield from operators(child)


def test_no_call_reads_the_whole_graph(served: Service, asked: dict[str, dict[str, Any]], graph: Graph) -> None:
    use(served)
    statements = dict(asked)
    assert len(statements) > 30
    found = []
    with graph.driver.session() as session:
        session.run(FILL, base=10**12).consume()
        session.run("CALL db.prepareForReplanning(60)").consume()
        for text, values in statements.items():
            plan = session.run(f"CYPHER replan=force EXPLAIN {text}", values).consume().plan
            assert plan is not None
            found += [
                (text, operator, details)
                for operator, details in operators(plan)
                if operator.endswith(SEARCHES) and not details.startswith(FEW)
            ]
    found = [one for one in found if not any(known in one[0] for known in WHOLE)]
    assert found == []
