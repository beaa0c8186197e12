"""What has to be done so that what was imported equals what is there: a pure function of both."""

from collections.abc import Mapping
from typing import NamedTuple

from tagger.inbox.manifest import Stamp


class Put(NamedTuple):
    """Import the content at a path."""

    path: str


class Move(NamedTuple):
    """The file at one path is now at another."""

    old: str
    path: str


class Remove(NamedTuple):
    """The file is gone."""

    path: str


Change = Put | Move | Remove


def changes(imported: Mapping[str, Stamp], there: Mapping[str, Stamp]) -> list[Change]:
    """Moves first (in an order in which none overwrites another's source), then contents, then removals.

    A file found at another path with its old identity was moved, also when its content changed on the way, unless its
    old path holds a new file now: then it is a backup copy, and what is saved under the old name stays the same file.
    Names in a circle are imported by content.
    """
    home = {stamp.identity: path for path, stamp in imported.items()}
    moves: dict[str, str] = {}
    for path, stamp in there.items():
        old = home.get(stamp.identity)
        if old is None or old == path or (path in imported and imported[path].identity == stamp.identity):
            continue
        holder = there.get(old)
        if holder is None or (holder.identity != stamp.identity and holder.identity in home):
            moves[path] = old
    ordered = _in_order(moves)
    moved = {move.old: move.path for move in ordered}
    after: dict[str, Stamp] = {moved.get(path, path): stamp for path, stamp in imported.items() if path in moved}
    for path, stamp in imported.items():
        if path not in moved:
            after.setdefault(path, stamp)
    puts = [Put(path) for path, stamp in there.items() if after.get(path) != stamp]
    removes = [Remove(path) for path in after if path not in there]
    return [*ordered, *puts, *removes]


def _in_order(moves: dict[str, str]) -> list[Move]:
    """The moves such that each target is free when it comes: not the source of a later one. Circles are left out."""
    left = dict(moves)
    ordered: list[Move] = []
    while left:
        sources = set(left.values())
        free = [path for path in left if path not in sources]
        if not free:
            break
        for path in free:
            ordered.append(Move(left.pop(path), path))
    return ordered
