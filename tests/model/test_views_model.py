"""The service's views, facets and searches equal the pure evaluator's on random graphs.

Not the meaning of queries (that is the evaluator's) but that the engine keeps to it, whatever was tagged, aliased,
moved or deleted before.
"""

import pathlib
import random
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec
import pytest

from gateway.service import Service, open_service
from graphfs.api import Drive
from graphfs.config import Config, Jobs, Store, Tags
from graphfs.errors import DriveError, NotFound
from graphfs.model import FILES_ROOT, AttributeChange, EdgeState
from graphfs.query.evaluate import Graph, evaluate, evaluate_facets
from graphfs.query.facets import Limits
from graphfs.query.parser import ROOT, Path, step
from graphfs.query.vocabulary import TagRef
from tests.contracts.ground import OWNER, STRANGER, Ground

NAMES = ("red", "Blue", "2020", "2023", "2024", "my tag", "Straße", "x")
ROUNDS = 12
LIMITS = Limits(minimum=0, depth=5)


@pytest.fixture
def drive(tmp_path: pathlib.Path, request: pytest.FixtureRequest) -> Iterator[Service]:
    config = Config(jobs=Jobs(settle_seconds=0.0), tags=Tags(facet_minimum=LIMITS.minimum, facet_depth=LIMITS.depth))
    if request.param == "neo4j":
        emptied = request.getfixturevalue("graph").emptied()
        config = msgspec.structs.replace(config, store=Store(engine="neo4j"), neo4j=emptied)
    service = open_service(tmp_path / "state", config)
    yield service
    assert service.fsck(OWNER) == []
    service.close()


@dataclass(frozen=True)
class Known(Graph):
    """A graph whose aliases may be anywhere: a tag that was merged or moved is still found where it was."""

    places: Mapping[tuple[int, str], int] = field(default_factory=dict)

    def child(self, tag: int, key: str) -> TagRef | None:
        found = super().child(tag, key)
        other = self.places.get((tag, key))
        return found or (TagRef(other, self.tag_names[other]) if other else None)


def graph_of(drive: Service, files: dict[int, int], visible: set[int] | None) -> Graph:
    """What the drive says of every file and tag by itself, as the evaluator takes it."""
    tags = drive.tags(OWNER)
    by_path = {tag.path: tag.id for tag in tags}
    edges = {
        file: {by_path[edge.tag] for edge in drive.edges(OWNER, file) if edge.state == EdgeState.APPLIED}
        for file in files
    }
    return Known(
        files=set(files),
        parents={tag.id: tag.parent for tag in tags},
        tag_names={tag.id: tag.path.rpartition("/")[2] for tag in tags},
        places={(row.parent, row.key): row.tag for row in drive.store.aliases()},
        edges=edges,
        arrived=dict.fromkeys(files, 1),
        visible=visible,
    )


def change(chance: random.Random, ground: Ground, files: dict[int, int], closed: set[int]) -> None:
    """One random change of files or tags. `files`: stable id to node."""
    drive = ground.drive
    what = chance.random()
    paths = [tag.path for tag in drive.tags(OWNER)]
    new = "/".join(chance.sample(NAMES, chance.randrange(1, 3)))
    some = chance.choice(paths) if paths else new
    if what < 0.25 or not files:
        made = ground.file(f"f{chance.randrange(10**6)}", b"x", tags=(new,))
        files[made.file] = made.id
        if chance.random() < 0.3:
            drive.set_attributes(OWNER, made.id, AttributeChange(mode=0o600))
            closed.add(made.file)
    elif what < 0.7:
        chosen = chance.sample(sorted(files), min(len(files), chance.randrange(1, 4)))
        drive.change_tags(OWNER, chosen, [chance.choice([new, some])], [some] if chance.random() < 0.4 else [])
    elif what < 0.76:
        drive.rename_tag(OWNER, some, new)
    elif what < 0.82:
        drive.merge_tags(OWNER, some, new)
    elif what < 0.86:
        drive.set_alias(OWNER, some, chance.choice(NAMES))
    elif what < 0.9:
        drive.drop_tag(OWNER, some)
    elif what < 0.95:
        drive.undo(OWNER)
    else:
        file = chance.choice(sorted(files))
        path = drive.path(OWNER, files[file])
        drive.unlink(OWNER, FILES_ROOT, path.rpartition("/")[2])
        del files[file]


def components(chance: random.Random, drive: Drive) -> list[str]:
    """A random path below `tags/`: mostly of what is there."""
    names = [tag.path.rpartition("/")[2] for tag in drive.tags(OWNER)] or ["none"]
    found: list[str] = []
    for _ in range(chance.randrange(1, 5)):
        one, other = chance.choice(names), chance.choice(names)
        found += chance.choice(
            [[one], [one.upper()], [f"{one},{other}"], [f"-{one}"], ["+not", one], ["+all"], ["+untagged"], ["+direct"],
             ["2020..2023"], ["2021.."], [f"{one},-{other}"]]
        )  # fmt: skip
    return found


def walked(path: list[str], graph: Graph) -> Path | None:
    """Where the components lead; None where they name nothing."""
    place: Path | None = ROOT
    for component in path:
        place = step(place, component, graph) if place is not None else None
    return place


def check(chance: random.Random, drive: Drive, graphs: dict[bool, Graph]) -> int:
    """Compares some random views for both callers; returns how many were there."""
    seen = 0
    for _ in range(25):
        path = components(chance, drive)
        for strange, graph in graphs.items():
            caller = STRANGER if strange else OWNER
            place = walked(path, graph)
            try:
                got = {entry.node.file for entry in drive.view_files(caller, path)}
            except NotFound:
                assert place is None, path
                continue
            assert place is not None, path
            wanted = evaluate(place.query, graph) if not place.pending else set()
            assert (path, got, drive.view(caller, path).files) == (path, wanted, len(wanted))
            facets = [(one.name, one.files, one.child) for one in drive.view_facets(caller, path)]
            narrowed = [(one.tag.name, one.files, one.child) for one in evaluate_facets(place, graph, LIMITS)]
            assert (path, facets) == (path, narrowed)
            seen += 1
    return seen


@pytest.mark.parametrize(
    ("drive", "seed", "rounds"),
    [("sqlite", 1, ROUNDS), ("sqlite", 2, ROUNDS), ("sqlite", 3, ROUNDS), ("neo4j", 4, ROUNDS // 4)],
    indirect=["drive"],
)
def test_views_equal_the_evaluator(drive: Service, tmp_path: pathlib.Path, seed: int, rounds: int) -> None:
    chance = random.Random(seed)
    ground = Ground(drive, tmp_path)
    files: dict[int, int] = {}
    closed: set[int] = set()
    seen = 0
    for _ in range(rounds):
        for _ in range(8):
            # Many random changes cannot be; that they then change nothing is seen by what comes next.
            with suppress(DriveError):
                change(chance, ground, files, closed)
        graphs = {False: graph_of(drive, files, None), True: graph_of(drive, files, set(files) - closed)}
        seen += check(chance, drive, graphs)
    assert seen > 8 * rounds
