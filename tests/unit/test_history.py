"""The checker of histories finds what it is for: a test of faults that could not fail would prove nothing."""

from collections.abc import Callable

import pytest

from tests.system.history import History, content, number_of


class Drive:
    """A client whose reads are told."""

    began = 0.0
    delay = 0.0

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.seen: Callable[[bytes], bytes] = bytes

    def write(self, name: str, data: bytes) -> None:
        self.held[name] = data

    def read(self, name: str) -> bytes:
        return self.seen(self.held[name])

    def tag(self, name: str, tags: list[str]) -> None:
        """Nothing to tell."""


def test_a_content_is_known_by_every_byte() -> None:
    for number in range(1, 30):
        data = content("a", number)
        assert number_of("a", data) == number
        assert number_of("b", data) == -1
        assert number_of("a", data[:-1]) == -1
        assert number_of("a", data[:-1] + bytes([data[-1] ^ 1])) == -1
    assert number_of("a", b"") == -1


WRONG: dict[str, Callable[[bytes], bytes]] = {
    "older": lambda data: content("x-0", 1),
    "mixed": lambda data: data[: len(data) // 2] + content("x-0", 1)[len(data) // 2 :],
    "empty": lambda data: b"",
    "of another time": lambda data: content("x-0", 10_000),
}


@pytest.mark.parametrize("how", ["right", *WRONG])
def test_what_cannot_have_been_is_found(how: str) -> None:
    history, drive = History(), Drive()
    for _ in range(3):
        history._write("x", drive, "x-0")
    drive.seen = WRONG.get(how, bytes)
    history.check("y", "x-0", drive)
    assert bool(history.broken) == (how != "right")


def test_a_write_that_failed_may_have_happened_or_not() -> None:
    history, drive = History(), Drive()
    history._write("x", drive, "x-0")
    first = drive.held["x-0"]

    def lost(name: str, data: bytes) -> None:
        drive.held[name] = data
        raise TimeoutError

    drive.write = lost  # type: ignore[method-assign]  # for this once
    history._write("x", drive, "x-0")
    assert len(history.failures) == 1
    history.check("y", "x-0", drive)
    assert history.broken == []
    drive.held["x-0"] = first
    history.check("z", "x-0", drive)
    assert history.broken == []
    history.check("y", "x-0", drive)
    assert len(history.broken) == 1, "who has read it reads nothing older again"


def test_a_mount_that_reaches_nobody_may_be_behind_but_goes_not_back() -> None:
    history, drive = History(), Drive()
    drive.delay = 0.001
    history._write("x", drive, "x-0")
    first = drive.held["x-0"]
    with history.without():
        history._write("x", drive, "x-0")
        second = drive.held["x-0"]
        drive.held["x-0"] = first
        history.check("y", "x-0", drive)
        assert history.broken == []
        history.check("x", "x-0", drive)
        assert len(history.broken) == 1, "its own are known to it"
        drive.held["x-0"] = second
        history.check("y", "x-0", drive)
        drive.held["x-0"] = first
        history.check("y", "x-0", drive)
        assert len(history.broken) == 2
