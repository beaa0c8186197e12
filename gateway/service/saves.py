"""Renames within a folder that may be an editor's save by backup and rewrite: remembered for a minute, in step with the
store's log, so that every main server knows them whichever one was asked."""

from collections import OrderedDict

from msgspec import Struct

from gateway.store.base import SavedStep

WINDOW = 60 * 10**9
"""How long after a rename its old name, made anew, still counts as the same file being saved, ns."""
_MOST = 10_000


class Origin(Struct, frozen=True):
    """The name a node had before its last rename within its folder, and when that was."""

    folder: int
    name: str
    at: int


class Saves:
    """What was renamed last. Told by one thread at a time; asked from any."""

    def __init__(self) -> None:
        self._renamed: OrderedDict[int, Origin] = OrderedDict()
        self._backups: OrderedDict[tuple[int, str], tuple[int, int]] = OrderedDict()

    def apply(self, step: SavedStep) -> None:
        """A rename, or that one is over."""
        place = (step.folder, step.name)
        if not step.at:
            self._renamed.pop(step.node, None)
            self._backups.pop(place, None)
            return
        self._renamed[step.node] = Origin(step.folder, step.name, step.at)
        self._renamed.move_to_end(step.node)
        if step.backup:
            self._backups[place] = (step.node, step.at)
            self._backups.move_to_end(place)
        for known in (self._renamed, self._backups):
            if len(known) > _MOST:
                known.popitem(last=False)

    def origin(self, node: int) -> Origin | None:
        """Where a node was, however long ago."""
        return self._renamed.get(node)

    def backup(self, folder: int, name: str) -> tuple[int, int]:
        """The node that was moved from this name to a backup's, and when; zeros for none."""
        return self._backups.get((folder, name), (0, 0)) if self._backups else (0, 0)
