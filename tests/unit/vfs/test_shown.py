"""What the kernel was told, and what that means for who opens next."""

from graphfs.vfs import shown
from graphfs.vfs.shown import Shown, Verdict


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_what_it_was_told_is_current_and_anything_else_is_looked_at_once() -> None:
    clock = Clock()
    told = Shown(1.0, clock)
    assert told.verdict(1, 5, 7) is Verdict.CURRENT  # never told: nothing to be wrong about
    told.told(1, 5, 7)
    assert told.verdict(1, 5, 7) is Verdict.CURRENT
    assert told.verdict(1, 6, 8) is Verdict.LOOK_AGAIN
    told.told(1, 6, 8)
    assert told.verdict(1, 6, 8) is Verdict.CURRENT
    # The same size is not enough: libfuse keeps pages by size and time.
    assert told.verdict(1, 6, 9) is Verdict.PAST_THE_CACHE
    assert told.verdict(2, 6, 9) is Verdict.CURRENT
    clock.now += 1.0
    assert told.verdict(1, 6, 9) is Verdict.LOOK_AGAIN


def test_it_is_bounded() -> None:
    told = Shown(1.0, Clock())
    for node in range(shown.MOST + 10):
        told.told(node, 1, 1)
    assert told.verdict(0, 2, 2) is Verdict.CURRENT
    assert told.verdict(shown.MOST, 2, 2) is Verdict.LOOK_AGAIN
