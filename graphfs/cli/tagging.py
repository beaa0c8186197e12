"""`tag`, `untag` and `why`: what is said of files and tags."""

import os
from argparse import Namespace
from collections.abc import Sequence
from datetime import datetime

from graphfs.cli.drives import Place, opened
from graphfs.cli.exits import OK, exit_of
from graphfs.cli.locations import files_at, locate
from graphfs.cli.screen import Screen, count_text
from graphfs.cli.vocabulary import find_tag
from graphfs.errors import DriveError, InvalidArgument, NotFound
from graphfs.model import Edge, EdgeState, Node

_BATCH = 1000
"""Files a call: one transaction each."""


def split_tags(words: Sequence[str]) -> list[str]:
    """Tags of words that are each a comma list."""
    return list(dict.fromkeys(tag.strip() for word in words for tag in word.split(",") if tag.strip()))


def _files_and_tags(arguments: Namespace) -> tuple[list[str], list[str]]:
    """Which words are files and which are tags. InvalidArgument where that is not clear."""
    words: list[str] = arguments.words
    if arguments.tags is not None:
        tags = split_tags(arguments.tags)
        if not tags:
            raise InvalidArgument("-t names no tag")
        return words, tags
    if getattr(arguments, "all", False):
        return words, []
    if len(words) < 2:
        raise InvalidArgument("no tag is given: FILE TAG [TAG ...], or -t TAG[,TAG] FILE [FILE ...]")
    # `tag *.pdf draft` would take the second file for a tag.
    several = [word for word in words[1:] if os.path.isfile(word)]
    if several:
        raise InvalidArgument(
            f"{several[0]} is a file here: for several files write the tags first, with -t: "
            f"graphfs {arguments.command} -t TAG FILE FILE"
        )
    return words[:1], split_tags(words[1:])


def tag(arguments: Namespace, screen: Screen) -> int:
    """Gives or takes tags (`untag`), a thousand files a transaction."""
    paths, tags = _files_and_tags(arguments)
    taking = arguments.command == "untag"
    status, changed, files = OK, 0, 0
    with opened(arguments, paths) as place:
        wanted: dict[int, Node] = {}
        for path in paths:
            try:
                for _, node in files_at(place, path, recursive=arguments.recursive):
                    wanted[node.file] = node
            except DriveError as error:
                screen.error(error, screen.name(path))
                status = status or exit_of(error)
        if taking and tags:
            # A tag that does not exist is a slip of the fingers, and said so.
            for one in tags:
                find_tag(place, one)
        nodes = list(wanted.values())
        for start in range(0, len(nodes), _BATCH):
            some = nodes[start : start + _BATCH]
            files += len(some)
            changed += _change(place, some, tags, taking=taking)
    if screen.as_json:
        screen.json({"files": files, "changed": changed})
    elif files:
        done = "taken" if taking else "given"
        screen.note(f"{count_text(changed, 'tag')} {done}, {count_text(files, 'file')} looked at")
    return status


def _change(place: Place, nodes: Sequence[Node], tags: Sequence[str], *, taking: bool) -> int:
    drive, caller = place.drive, place.caller
    numbers = [node.file for node in nodes]
    if not taking:
        return drive.change_tags(caller, numbers, tags, (), why="graphfs tag")
    if tags:
        return drive.change_tags(caller, numbers, (), tags, why="graphfs untag")
    count = 0
    for number in numbers:
        edges = drive.edges(caller, number)
        given = [edge.tag for edge in edges if edge.state is not EdgeState.REJECTED]
        if given:
            count += drive.change_tags(caller, [number], (), given, why="graphfs untag --all")
    return count


def why(arguments: Namespace, screen: Screen) -> int:
    """Prints everything that is said of files."""
    status, told = OK, []
    with opened(arguments, arguments.file[:1]) as place:
        paths, tags = _asked(place, arguments.file, split_tags(arguments.tags or ()))
        for path in paths:
            try:
                for _, node in files_at(place, path):
                    edges = [
                        edge
                        for edge in place.drive.edges(place.caller, node.file)
                        if not tags or edge.tag.casefold() in {tag.casefold() for tag in tags}
                    ]
                    job = _job(place, node)
                    told.append({"path": locate(place, path).path, "id": node.file, "job": job, "tags": edges})
                    if not screen.as_json:
                        _print(screen, path, edges, job, heading=len(paths) > 1, asked=bool(tags))
            except DriveError as error:
                screen.error(error, screen.name(path))
                status = status or exit_of(error)
    if screen.as_json:
        screen.json(told)
    return status


def _asked(place: Place, words: list[str], tags: list[str]) -> tuple[list[str], list[str]]:
    """Files and tags: FILE TAG may be said without -t where the second word names no file."""
    if not tags and len(words) == 2:
        try:
            locate(place, words[1])
        except DriveError:
            return words[:1], split_tags(words[1:])
    return words, tags


def _job(place: Place, node: Node) -> dict[str, object] | None:
    try:
        record = place.drive.job(node.file)
    except NotFound:
        return None
    return {"state": record.state, "attempts": record.attempts, "error": record.error}


def _print(
    screen: Screen, path: str, edges: Sequence[Edge], job: dict[str, object] | None, *, heading: bool, asked: bool
) -> None:
    if heading:
        screen.line(f"{screen.name(path)}:")
    styles = {EdgeState.APPLIED: "green", EdgeState.REVIEW: "yellow", EdgeState.REJECTED: "dim"}
    for edge in edges:
        when = datetime.fromtimestamp(edge.at / 1e9).astimezone().strftime("%Y-%m-%d %H:%M")
        who = edge.actor if edge.source == "person" else " ".join(filter(None, (edge.source, edge.model)))
        sure = "" if edge.source == "person" else f", {edge.confidence:.0%} sure"
        name = screen.style(screen.name(edge.tag), styles[edge.state])
        screen.line(f"{name}  {edge.state}, by {screen.name(who)} on {when}{sure}")
        if edge.evidence:
            screen.line(f"    {screen.name(edge.evidence)}")
        if edge.prompt and edge.source != "person":
            screen.line(screen.style(f"    prompt {screen.name(edge.prompt)}", "dim"))
    if not edges:
        screen.line("nothing is said of it" if asked else "no tags")
    if job is not None:
        failed = f": {job['error']}" if job["error"] else ""
        screen.line(
            screen.style(f"the tagger: {job['state']} after {job['attempts']} tries{screen.name(failed)}", "dim")
        )
