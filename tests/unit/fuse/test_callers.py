"""Callers are made once, and carry the groups of their process."""

import os

from graphfs.fuse.callers import KEPT, Callers


def test_one_process_is_one_record() -> None:
    callers = Callers()
    assert callers.of(1000, 100, 0) is callers.of(1000, 100, 0)
    assert callers.of(1000, 100, 0) is not callers.of(1000, 101, 0)


def test_a_process_brings_its_groups() -> None:
    assert set(Callers().of(12345, 100, os.getpid()).groups) == set(os.getgroups())


def test_a_process_that_ended_has_none() -> None:
    assert Callers().of(12345, 100, 2**22 + 5).groups == ()


def test_the_number_kept_is_bounded() -> None:
    callers = Callers()
    first = callers.of(0, 0, 1)
    for pid in range(2, KEPT + 3):
        callers.of(0, 0, pid)
    assert callers.of(0, 0, 1) is not first
