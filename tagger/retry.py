"""How long to wait: pure functions of what happened and of chance. The queue itself, with its attempts and its end,
is the drive's."""

_LONGEST = 600.0
_LONGEST_IDLE = 5.0
_LONGEST_RECONNECT = 3.0


def backoff(failures: int, first: float, most: float, chance: float) -> float:
    """Seconds before the next try after `failures` (from 1) in a row: doubled each time, at most `most`, half of it
    left to chance (0..1)."""
    whole = min(most, first * 2.0 ** min(max(0, failures - 1), 40))
    return whole / 2 + whole / 2 * chance


def after_failure(attempts: int, chance: float) -> float:
    """Seconds until a file whose attempt failed is tried again; the drive may make it later, and ends it after its
    most attempts."""
    return backoff(attempts, 2.0, _LONGEST, chance)


def after_unavailable(failures: int, asked: float | None, chance: float) -> float:
    """Seconds until a model is asked again that was away `failures` times in a row: never sooner than it asked for."""
    return max(backoff(failures, 2.0, 120.0, chance), asked or 0.0)


def idle(rounds: int) -> float:
    """Seconds to wait for work after `rounds` leases that came back empty since the last sign of work: a changed
    file rests a while
    before it is due, so a sign of work is followed by quick looks, and those by rare ones."""
    return min(_LONGEST_IDLE, 0.25 * 1.6 ** min(rounds, 20))


def reconnect(failures: int, chance: float) -> float:
    """Seconds until a drive that does not answer is asked again: soon, it is being restarted."""
    return backoff(failures, 0.2, _LONGEST_RECONNECT, chance)
