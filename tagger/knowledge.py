"""What the drive knows of tags, kept for a moment: the tags there are, and what people said of a file. Safe for
several threads."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from graphfs.errors import DriveError
from graphfs.model import Caller, Edge, Tag
from graphfs.names import fold

_FRESH = 2.0
"""Seconds for which nothing is asked again when taggers change tags: they do it all the time."""
_SOON = 0.05
"""The same when a person did: the next file is tagged with what was just said, yet thousands of changes at once do not
make the tagger ask for each."""
_STALE = 60.0
_FILES = 4_000


class TagsOf(Protocol):
    """What is needed of a drive (`graphfs.api.Tags`)."""

    def tags(self, caller: Caller) -> list[Tag]: ...

    def edges(self, caller: Caller, file: int) -> list[Edge]: ...


class Proposals:
    """New tags that a tagger proposed. Until a person takes one up it is no tag to choose from, though the drive
    lists it.

    Kept in a file of one name a line, so that it holds over a restart; losing it makes old proposals count as tags.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._names: set[str] = set()
        if file is not None and file.exists():
            self._names.update(file.read_text("utf-8", "replace").splitlines())

    def add(self, paths: Iterable[str]) -> None:
        """Remembers what is proposed now."""
        with self._lock:
            fresh = {fold(path) for path in paths} - self._names
            self._names |= fresh
            if fresh and self._file is not None:
                self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                with self._file.open("a", encoding="utf-8") as file:
                    file.writelines(f"{name}\n" for name in sorted(fresh))

    def is_only_proposed(self, tag: Tag) -> bool:
        """Whether nobody has it and we made it up."""
        return tag.files == 0 and fold(tag.path) in self._names


class Knowledge:
    """Asks the drive only when something changed: soon after a person's change, seldom after the taggers' own.

    What taggers say of files teaches nothing, so what is known of files holds until a person says something: else each
    file that is tagged would have all files like it asked about again.
    """

    def __init__(
        self,
        drive: TagsOf,
        caller: Caller,
        proposals: Proposals | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._drive, self._caller, self._clock = drive, caller, clock
        self.proposals = proposals or Proposals()
        self._lock = threading.Lock()
        self._tags: tuple[Tag, ...] = ()
        self._edges: dict[int, Sequence[Edge]] = {}
        self._at = self._edges_at = float("-inf")
        self._stale_after = 0.0
        self._said = self._heeded = 0
        """How often a person changed tags, and as of which time files were asked about. Only who hears counts."""

    def changed(self, *, by_person: bool) -> None:
        """Tags changed somewhere. Quick: called on the thread that hears of it."""
        self._said += int(by_person)
        self._stale_after = min(self._stale_after, _SOON if by_person else _FRESH)

    def tags(self) -> tuple[Tag, ...]:
        """All tags but those that are only proposed. The very same tuple while nothing changed. Raises what the drive
        raises."""
        with self._lock:
            if self._clock() - self._at >= self._stale_after:
                before, said = self._stale_after, self._said
                # Before it is asked: what changes from now on is asked for again.
                self._stale_after = _STALE
                try:
                    every = self._drive.tags(self._caller)
                except BaseException:
                    self._stale_after = min(before, self._stale_after)
                    raise
                found = [tag for tag in every if not self.proposals.is_only_proposed(tag)]
                paths = [(tag.path, tag.aliases) for tag in found]
                if paths != [(tag.path, tag.aliases) for tag in self._tags]:
                    self._tags = tuple(found)
                self._at = self._clock()
                if said != self._heeded or self._at - self._edges_at >= _STALE:
                    self._edges = {}  # not cleared: who is asking now keeps an answer of before where it is not seen
                    self._edges_at, self._heeded = self._at, said
            return self._tags

    def edges(self, file: int) -> Sequence[Edge]:
        """What is said of a file, as of the last word of a person; nothing for one that is gone."""
        with self._lock:
            kept = self._edges
            known = kept.get(file)
        if known is None:
            try:
                known = self._drive.edges(self._caller, file)
            except DriveError:
                known = ()
            with self._lock:
                if len(kept) >= _FILES:
                    kept.clear()
                kept[file] = known
        return known
