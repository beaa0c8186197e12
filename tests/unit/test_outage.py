"""When a client takes its server for away: not because one connection hangs while others are answered."""

import time

import pytest

from graphfs.client.outage import Outage
from graphfs.errors import Unavailable


def test_a_call_that_hangs_while_others_are_answered_is_no_outage() -> None:
    outage = Outage(10.0)
    begun = time.monotonic() - 60.0
    outage.answered()
    outage.failed(begun)
    assert outage.seconds < 5.0
    assert not outage.away
    outage.check()
    outage.give_up(begun)
    assert not outage.away
    assert outage.deadline(time.monotonic() + 60.0) > time.monotonic() + 5.0


def test_who_was_never_answered_counts_from_the_first_attempt() -> None:
    outage = Outage(10.0)
    outage.failed(time.monotonic() - 60.0)
    assert outage.away
    with pytest.raises(Unavailable):
        outage.check()


def test_an_answer_ends_it() -> None:
    outage, told = Outage(10.0), list[bool]()
    outage.watch(told.append)
    outage.failed(time.monotonic() - 60.0)
    outage.give_up()
    outage.answered()
    assert not outage.away
    assert told == [True, False]
