"""What a main server keeps in memory of the queue: whose turn it is, how fast files end, and why a tagger waits.

Nothing of it is needed by another server or after a restart: it is told again, or learned anew.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest

from gateway.store.rows import DueJob
from graphfs.model import JobState

_PERIOD = 180 * 10**9
"""Over how long the pace is measured."""
_LEAST = 2 * 10**9
_ENDS = 100_000


class Turns:
    """Owners of files take turns, whoever of them put how many files there."""

    def __init__(self) -> None:
        self._last = -1

    def choose(self, owners: Sequence[int], limit: int, due: Callable[[int], list[DueJob]]) -> list[DueJob]:
        """Up to `limit` jobs, one of each owner after the other, beginning behind the one who was served last."""
        first = next((at for at, owner in enumerate(owners) if owner > self._last), 0)
        rows: list[list[tuple[int, DueJob]]] = []
        for owner in (*owners[first:], *owners[:first]):
            found = [(owner, job) for job in due(owner)]
            if found:
                rows.append(found)
            if len(rows) >= limit:
                break
        chosen = [one for turn in zip_longest(*rows) for one in turn if one is not None][:limit]
        if chosen:
            self._last = chosen[-1][0]
        return [job for _, job in chosen]


class Pace:
    """When files ended, and what a tagger said when it gave a file back."""

    def __init__(self) -> None:
        self._ends: deque[int] = deque(maxlen=_ENDS)
        self._reason, self._until = "", 0

    def ended(self, now: int) -> None:
        """A file was tagged, failed or left alone: whatever a tagger waited for has come."""
        self._ends.append(now)
        self._until = 0

    def waits(self, reason: str, until: int) -> None:
        """A tagger gave a file back and will not ask before `until`."""
        self._reason, self._until = reason, until

    def reason(self, now: int) -> tuple[str, int]:
        """Why a tagger waits, and until when; ('', 0) when none is known to."""
        return (self._reason, self._until) if self._until > now else ("", 0)

    def per_second(self, now: int) -> float:
        """Files that ended a second, of late."""
        while self._ends and self._ends[0] < now - _PERIOD:
            self._ends.popleft()
        if len(self._ends) < 2:
            return 0.0
        return len(self._ends) * 1e9 / max(_LEAST, now - self._ends[0])


def left(counts: Mapping[str, int]) -> int:
    """Files that wait or are in hand."""
    return counts.get(JobState.QUEUED, 0) + counts.get(JobState.LEASED, 0)
