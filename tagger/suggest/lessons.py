"""What people said of the files that this tagger has seen: which tags they gave and which they took away.

A copy for a moment, never the truth: the drive is asked for the files that matter now, and for as many others as fit
into a few milliseconds, in turn. So a correction counts at once for like files, and within seconds for all.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from graphfs.model import Edge, EdgeState, Source
from tagger.suggest.facts import is_factual

_SECONDS = 0.01
"""What one suggestion may spend on asking about files that are not like its own."""
_FEWEST = 4

EdgesOf = Callable[[int], Sequence[Edge]]


class Said(NamedTuple):
    """A person's word on one file: paths of topical tags."""

    given: frozenset[str] = frozenset()
    rejected: frozenset[str] = frozenset()


NOTHING = Said()


class Lessons:
    """`version` changes whenever something else is said. Not for several threads at once."""

    def __init__(self, edges_of: EdgesOf, clock: Callable[[], float] = time.monotonic) -> None:
        self._edges_of, self._clock = edges_of, clock
        self._said: dict[int, Said] = {}
        self._turn = 0
        self.version = 0

    def of(self, file: int) -> Said:
        """What was said when last asked."""
        return self._said.get(file, NOTHING)

    def judged(self) -> list[int]:
        """The files of which something was said."""
        return list(self._said)

    def refresh(self, like: Iterable[int], others: Sequence[int]) -> None:
        """Asks the drive about all of `like`, and about `others` in turn while there is time."""
        for file in like:
            self._ask(file)
        end = self._clock() + _SECONDS
        for asked in range(len(others)):
            if asked >= _FEWEST and self._clock() > end:
                break
            self._turn = (self._turn + 1) % len(others)
            self._ask(others[self._turn])

    def _ask(self, file: int) -> None:
        said = said_in(self._edges_of(file))
        if said != self.of(file):
            self.version += 1
            if said == NOTHING:
                del self._said[file]
            else:
                self._said[file] = said


def said_in(edges: Iterable[Edge]) -> Said:
    """A person's part of what is said of a file; what is a matter of rules teaches nothing."""
    topical = [edge for edge in edges if not is_factual(edge.tag)]
    given = (edge.tag for edge in topical if edge.source is Source.PERSON and edge.state is EdgeState.APPLIED)
    rejected = (edge.tag for edge in topical if edge.state is EdgeState.REJECTED)
    return Said(frozenset(given), frozenset(rejected))
