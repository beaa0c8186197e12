"""What libfuse's path API does instead of removing a file that is open: it renames it to `.fuse_hidden...`, and removes
that later.

Kept here so that it means no more than it should: the hidden name is not listed, a tag's entry is not renamed, what
ends in the trash tells by its name what it was, and a file that replaces an open one still takes over its identity.
"""

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

    def node(self, place: Name) -> int | None:
        """The node behind a hidden name of ours."""
        hidden = self._hidden.get(place) if place[1].startswith(PREFIX) else None
        return hidden.node if hidden else None

    def hide(self, caller: Caller, node: int, folder: int, name: str, hidden_name: str) -> None:
        """libfuse renames an open file out of the way."""
        renamed = folder < FIRST_VIRTUAL
        if renamed:
            self._volume.rename(caller, folder, name, folder, hidden_name, Replace.REFUSE)
        else:
            self._volume.unlink(caller, folder, name)
        self._hidden[folder, hidden_name] = _Hidden(node, name, renamed, threading.get_ident(), time.monotonic())

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
        hidden = self._hidden.pop(place, None) if place[1].startswith(PREFIX) else None
        if hidden is None:
            return False
        if hidden.renamed:
            self._remove(caller, place[0], place[1], hidden.name)
        return True

    def clear(self, caller: Caller, folder: int, used: Container[int]) -> bool:
        """Takes the hidden names out of a folder that is to be removed. False when there are none, or when one of their
        nodes is in `used`: the kernel asks for that by its path, which goes with the folder."""
        found = [(place, hidden.node) for place, hidden in list(self._hidden.items()) if place[0] == folder]
        if any(node in used for _, node in found):
            return False
        places = [place for place, _ in found]
        for place in places:
            self.unlink(caller, place)
        return bool(places)

    def _remove(self, caller: Caller, folder: int, hidden_name: str, name: str) -> None:
        """Under a name that tells in the trash what it was. Never its own again, however shortly: whoever makes a new
        file of that name just then would get this one, and lose it."""
        known = f"{name}~{hidden_name[-8:]}"
        try:
            self._volume.rename(caller, folder, hidden_name, folder, known, Replace.REFUSE)
        except NotFound:
            return  # somebody else removed it
        except DriveError:
            known = hidden_name  # taken, or too long
        self._volume.unlink(caller, folder, known)
