"""A main server whose machine's clock is wrong leaves when the blobs' store refuses it for that, and only then."""

import time
from typing import cast

import pytest

from gateway.__main__ import _check_clock
from gateway.service import Service
from graphfs.errors import Conflict, NotFound, Unavailable

HOUR = 3600 * 10**9


class Stand:
    """A service, as far as this is about: its clock, and its blobs."""

    def __init__(self, wrong: int, *, refuses: bool) -> None:
        self._wrong, self._refuses, self._asked = wrong, refuses, False
        self.blobs = self

    def clock(self) -> int:
        return time.time_ns() - self._wrong

    def has(self, digest: bytes) -> bool:
        self._asked = True
        raise Unavailable if self._refuses else NotFound

    def refused(self) -> bool:
        return self._asked and self._refuses


@pytest.mark.parametrize(
    ("wrong", "refuses", "leaves"),
    [(HOUR, True, True), (-HOUR, True, True), (HOUR, False, False), (0, True, False), (HOUR // 100, True, False)],
)
def test_it_leaves_when_it_is_refused_for_its_clock(wrong: int, refuses: bool, leaves: bool) -> None:
    service = cast("Service", Stand(wrong, refuses=refuses))
    _check_clock(service)  # nothing was refused yet
    if leaves:
        with pytest.raises(Conflict, match="ahead of" if wrong > 0 else "behind"):
            _check_clock(service, ask=True)
    else:
        _check_clock(service, ask=True)
