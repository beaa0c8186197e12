"""When a request that failed is asked again. Policies return values; the client applies them."""

from msgspec import Struct


class Failure(Struct, frozen=True):
    """How an attempt failed."""

    sent: bool
    """The whole request was out, so it may have been carried out."""
    late: bool = False
    """Time ran out."""
    connected: bool = True
    """A connection was there (else: refused, unreachable)."""
    reused: bool = False
    """It was one that had been idle."""
    replied: bool = False
    """There was a reply: the connection is good."""
    busy: bool = False
    """The server says that it passes by itself, and that nothing was done."""
    away: bool = False
    """A proxy answered for a server that it does not reach."""


class Policy(Struct, frozen=True):
    """How often, and how long to wait before."""

    tries: int = 3
    first: float = 0.05
    """Seconds before the second attempt; each further one waits four times as long."""
    patient: bool = False
    """Waits for a server that is away."""
    longest: float = 0.5
    """Seconds at most between attempts to reach it."""
    refusals: int = 6
    """So often who has patience asks a server that says it cannot now: behind a proxy one that is cut off from the
    store is quick to say so, and gets every request, while another one works."""

    def delay(self, attempt: int, failure: Failure, *, idempotent: bool) -> float | None:
        """Seconds until the next attempt, or None: give up. `attempt` counts from 1.

        What was not wholly sent was not carried out, and is asked again whatever it is; what was sent only if it may
        be done twice. What is busy is asked again for as long as there is time; a server that cannot be reached only by
        who has patience. The caller's deadline bounds both.
        """
        pause: float = min(self.first * 2 ** min(attempt - 1, 8), self.longest)
        if failure.busy:
            return pause if idempotent else None
        if not failure.connected or (failure.away and self.patient):
            return pause if self.patient and (idempotent or not failure.sent) else None
        if failure.replied and self.patient and attempt < self.refusals:
            return pause if idempotent else None
        if failure.late or attempt >= self.tries:
            return None
        if failure.sent and not idempotent:
            return None
        if failure.reused:
            return 0.0
        wait: float = self.first * 4 ** (attempt - 1)
        return wait
