"""`migrate`: moves a drive between a state directory's SQLite and Neo4j."""

import os
from argparse import Namespace
from contextlib import ExitStack, closing
from pathlib import Path

from gateway.moving import Place, graph_place, move, state_place
from gateway.store.tables import UNFINISHED
from graphfs.cli.exits import OK
from graphfs.cli.progress import progress
from graphfs.cli.screen import Screen, count_text, size_text
from graphfs.config import for_drive, load
from graphfs.errors import InvalidArgument
from graphfs.mounting.state import StateLock, prepare_state

SQLITE, NEO4J = "sqlite", "neo4j"


def migrate(arguments: Namespace, screen: Screen) -> int:
    """One side is a state directory, the other a graph."""
    kinds = [one.partition(":")[0] for one in (arguments.source, arguments.target)]
    if sorted(kinds) != [NEO4J, SQLITE]:
        raise InvalidArgument("one of --from and --to is sqlite:STATE_DIRECTORY, the other neo4j:ADDRESS")
    names = dict(zip(kinds, (arguments.source, arguments.target), strict=True))
    state = Path(names[SQLITE].partition(":")[2]).expanduser().absolute()
    config = load(Path(arguments.config) if arguments.config else None, os.environ)
    if kinds[0] == SQLITE and not (state / "graph.sqlite").exists():
        raise InvalidArgument(f"{state} holds no drive")
    prepare_state(state)
    StateLock(state, "graphfs migrate")
    with ExitStack() as stack:
        places: dict[str, Place] = {
            SQLITE: state_place(names[SQLITE], state, for_drive(state, None, os.environ)),
            NEO4J: graph_place(names[NEO4J], names[NEO4J].partition(":")[2], state, config),
        }
        for place in places.values():
            stack.enter_context(closing(place.tables))
            stack.enter_context(closing(place.blobs))
        bar = stack.enter_context(progress(screen, "moving"))
        done = [0]

        def told(name: str, more: int) -> None:
            done[0] += more
            bar.update(done[0], None, name)

        report = move(places[kinds[0]], places[kinds[1]], state / UNFINISHED, told)
    if screen.as_json:
        screen.json({"rows": report.rows, "blobs": report.blobs, "bytes": report.bytes})
        return OK
    files = f"{count_text(report.rows['node'], 'file and folder', 'files and folders')}"
    content = f"{size_text(report.bytes)} of content copied" if report.blobs else "content left in place"
    screen.note(f"{files}, {count_text(report.rows['tag'], 'tag')} moved and compared; {content}.")
    return OK
