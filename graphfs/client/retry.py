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

    def delay(self, attempt: int, failure: Failure, *, idempotent: bool) -> float | None:
        """Seconds until the next attempt, or None: give up. `attempt` counts from 1.

        What was not wholly sent was not carried out, and is asked again whatever it is; what was sent only if it may
        be done twice. A server that cannot be reached is asked again only by who has patience; the caller's deadline
        bounds it.
        """
        if not failure.connected or (failure.away and self.patient):
            pause: float = min(self.first * 2 ** (attempt - 1), self.longest)
            return pause if self.patient and (idempotent or not failure.sent) else None
        if failure.late or attempt >= self.tries:
            return None
        if failure.sent and not idempotent:
            return None
        if failure.reused:
            return 0.0
        wait: float = self.first * 4 ** (attempt - 1)
        return wait
