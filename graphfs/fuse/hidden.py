"""What libfuse's path API does instead of removing a file that is open: it renames it to `.fuse_hidden...`, and removes
that later.

Kept here so that it means no more than it should: the hidden name is not listed, a tag's entry is not renamed, what
ends in the trash tells by its name what it was, and a file that replaces an open one still takes over its identity.
"""

import math
import re
import threading
import time
from collections.abc import Container
from dataclasses import dataclass

from graphfs.errors import AlreadyExists, DriveError, NotFound
from graphfs.fuse.dentries import Name
from graphfs.model import Caller, Replace
from graphfs.vfs.interface import Volume

PREFIX = ".fuse_hidden"
PATTERN = re.compile(r"\.fuse_hidden[0-9a-f]{16}")
FIRST_VIRTUAL = 2**62
"""Ids of folders that are queries: a name there cannot be renamed, only taken away."""
AT_ONCE = 0.05
"""Seconds within which libfuse goes from hiding a file to putting another in its place."""
PATIENCE = 10
"""Seconds to wait for what another thread is just removing."""
KEPT = 60
"""Seconds for which a listing may be read on that was made before a name in it was removed."""


@dataclass
class _Hidden:
    node: int
    name: str
    """What it was called, in the same folder."""
    renamed: bool
    """Whether the volume knows it by its hidden name (else it has no name in this folder any more)."""
    thread: int
    at: float


class HiddenNames:
    """Files that were taken away while they were open."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        self._hidden: dict[Name, _Hidden] = {}
        self._leaving: dict[Name, tuple[int, float]] = {}
        """The node behind a name that is being removed for good, and when that was done."""
        self._left = threading.Condition()

    def node(self, place: Name) -> int | None:
        """The node behind a hidden name of ours."""
        hidden = self._hidden.get(place) if place[1].startswith(PREFIX) else None
        return hidden.node if hidden else None

    def listed(self, folder: int, name: str, node: int, begun: float) -> bool:
        """Whether a listing that was begun then (monotonic seconds) should tell of a name: not of a hidden one, and not
        of one that was hidden when the listing was made."""
        hidden = self._hidden.get((folder, name))
        if hidden is not None:
            return hidden.node != node
        left = self._leaving.get((folder, name))
        return left is None or left[0] != node or begun > left[1]

    def hide(self, caller: Caller, node: int, folder: int, name: str, hidden_name: str) -> None:
        """libfuse renames an open file out of the way."""
        renamed, place = folder < FIRST_VIRTUAL, (folder, hidden_name)
        hidden = self._hidden[place] = _Hidden(node, name, renamed, threading.get_ident(), time.monotonic())
        try:
            if renamed:
                self._volume.rename(caller, folder, name, folder, hidden_name, Replace.REFUSE)
            else:
                self._volume.unlink(caller, folder, name)
        except BaseException:
            self._hidden.pop(place, None)
            raise
        hidden.at = time.monotonic()

    def restore(self, caller: Caller, folder: int, name: str) -> None:
        """Another file is about to be put where one was hidden just now: puts it back, so that it is replaced and not
        merely missed."""
        now, thread = time.monotonic(), threading.get_ident()
        for place, hidden in list(self._hidden.items()):
            if place[0] != folder or hidden.name != name or hidden.thread != thread or now - hidden.at > AT_ONCE:
                continue
            try:
                if hidden.renamed:
                    self._volume.rename(caller, folder, place[1], folder, name, Replace.REFUSE)
                else:
                    self._volume.link(caller, hidden.node, folder, name)
                hidden.renamed = False
            except AlreadyExists:
                pass  # somebody was faster: that file is replaced

    def unlink(self, caller: Caller, place: Name) -> bool:
        """The last descriptor is closed: removes it for good. False when the name is not a hidden one of ours."""
        # Under a name that tells in the trash what it was. Never its own again, however shortly: whoever makes a new
        # file of that name just then would get this one, and lose it.
        with self._left:  # a last close and the removal of the folder may come at once: one of them removes it
            hidden = self._hidden.get(place) if place[1].startswith(PREFIX) else None
            if hidden is None:
                return False
            known = (place[0], f"{hidden.name}~{place[1][-8:]}")
            if hidden.renamed:
                self._leave(hidden.node, place, known, math.inf)
            del self._hidden[place]
        if not hidden.renamed:
            return True
        done = 0.0
        try:
            self._remove(caller, place, known[1])
            done = time.monotonic()
        finally:
            self._leave(hidden.node, place, known, done)
        return True

    def _leave(self, node: int, place: Name, known: Name, at: float) -> None:
        with self._left:
            for name, (_, left) in list(self._leaving.items()):
                if left < time.monotonic() - KEPT:
                    del self._leaving[name]
            self._leaving[place] = self._leaving[known] = node, at
            self._left.notify_all()

    def clear(self, caller: Caller, folder: int, used: Container[int]) -> bool:
        """Takes the hidden names out of a folder that is to be removed. False when there are none, or when one of their
        nodes is in `used`: the kernel asks for that by its path, which goes with the folder."""
        found = [(place, hidden.node) for place, hidden in list(self._hidden.items()) if place[0] == folder]
        if any(node in used for _, node in found):
            return False
        places = [place for place, _ in found]
        for place in places:
            self.unlink(caller, place)
        return self._wait(folder) or bool(places)

    def _wait(self, folder: int) -> bool:
        """For the names of a folder that another thread is just removing. False when there were none."""

        def gone() -> bool:
            return not any(place[0] == folder and left == math.inf for place, (_, left) in self._leaving.items())

        with self._left:
            return not gone() and self._left.wait_for(gone, PATIENCE)

    def _remove(self, caller: Caller, place: Name, known: str) -> None:
        folder, name = place
        try:
            self._volume.rename(caller, folder, name, folder, known, Replace.REFUSE)
            name = known
        except NotFound:
            return  # somebody else removed it
        except DriveError:
            pass  # taken, or too long
        self._volume.unlink(caller, folder, name)
