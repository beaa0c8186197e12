"""`review`: the suggestions that wait for a person, and what the person says of them.
`retag`: files are tagged anew."""

from argparse import Namespace
from collections.abc import Iterator

import msgspec

from graphfs.cli.drives import Place, opened
from graphfs.cli.exits import NO, OK, exit_of
from graphfs.cli.locations import files_at
from graphfs.cli.screen import Screen, count_text
from graphfs.cli.tagging import split_tags
from graphfs.errors import DriveError, InvalidArgument
from graphfs.model import Edge, EdgeState, Node

_BATCH = 1000
_WAITING = "+review"


def review(arguments: Namespace, screen: Screen) -> int:
    """Lists, accepts or rejects. NO when nothing waits that was named."""
    tags = split_tags(arguments.tags or ())
    if arguments.action != "list" and not (arguments.file or tags or arguments.all):
        raise InvalidArgument("say which: files, -t TAG, or --all")
    status, told = OK, []
    with opened(arguments, arguments.file) as place:
        wanted: dict[int, tuple[str, Node]] = {}
        for path in arguments.file:
            try:
                for shown, node in files_at(place, path, recursive=arguments.recursive):
                    wanted[node.file] = (shown, node)
            except DriveError as error:
                screen.error(error, screen.name(path))
                status = status or exit_of(error)
        found = wanted.values() if arguments.file else _all(place, tags)
        for path, node in found:
            waiting = _waiting(place, node, tags)
            if waiting:
                told.append({"path": path, "id": node.file, "tags": waiting})
                _say(place, arguments.action, node, waiting)
                if not screen.as_json:
                    _print(screen, place, path, waiting)
    count = sum(len(one["tags"]) for one in told)  # type: ignore[arg-type,misc]  # a list of edges
    if screen.as_json:
        screen.json(told)
    else:
        done = {"list": "waiting", "accept": "accepted", "reject": "rejected"}[arguments.action]
        screen.note(f"{count_text(count, 'suggestion')} {done}, of {count_text(len(told), 'file')}")
    return status or (OK if told or arguments.action == "list" else NO)


def _all(place: Place, tags: list[str]) -> Iterator[tuple[str, Node]]:
    """Every file with something that waits, of these tags if any are named."""
    seen: set[int] = set()
    for path in [(_WAITING, *tag.split("/")) for tag in tags] or [(_WAITING,)]:
        for entry in place.drive.view_files(place.caller, path):
            if entry.node.file not in seen:
                seen.add(entry.node.file)
                yield place.drive.path(place.caller, entry.node.id), entry.node


def _waiting(place: Place, node: Node, tags: list[str]) -> list[Edge]:
    roots = [tag.casefold() for tag in tags]
    return [
        edge
        for edge in place.drive.edges(place.caller, node.file)
        if edge.state is EdgeState.REVIEW
        and (not roots or any(f"{edge.tag.casefold()}/".startswith(f"{root}/") for root in roots))
    ]


def _say(place: Place, action: str, node: Node, waiting: list[Edge]) -> None:
    if action == "accept":
        tags = [edge.tag for edge in waiting]
        place.drive.change_tags(place.caller, [node.file], tags, (), why="graphfs review accept")
    elif action == "reject":
        refused = [msgspec.structs.replace(edge, state=EdgeState.REJECTED, at=0, actor="") for edge in waiting]
        place.drive.put_edges(place.caller, node.file, refused, why="graphfs review reject")


def _print(screen: Screen, place: Place, path: str, waiting: list[Edge]) -> None:
    screen.line(f"{screen.name(place.show(path))}:")
    for edge in waiting:
        because = screen.style(f"  {screen.name(edge.evidence)}", "dim") if edge.evidence else ""
        screen.line(f"  {screen.style(screen.name(edge.tag), 'yellow')}  {edge.confidence:.0%} sure{because}")


def retag(arguments: Namespace, screen: Screen) -> int:
    """Queues files as if they had just arrived: what machines gave is replaced by what they say now."""
    if not (arguments.file or arguments.all):
        raise InvalidArgument("say which files, or --all")
    status, queued = OK, 0
    with opened(arguments, arguments.file) as place:
        numbers: dict[int, None] = {}
        for path in ["/files"] if arguments.all and place.root is None else arguments.file or [f"{place.root}/files"]:
            try:
                recursive = arguments.recursive or arguments.all
                numbers.update({node.file: None for _, node in files_at(place, path, recursive=recursive)})
            except DriveError as error:
                screen.error(error, screen.name(path))
                status = status or exit_of(error)
        files = list(numbers)
        for start in range(0, len(files), _BATCH):
            queued += place.drive.retry(place.caller, files[start : start + _BATCH])
    if screen.as_json:
        screen.json({"queued": queued})
    else:
        screen.note(f"{count_text(queued, 'file')} will be tagged again")
    return status
