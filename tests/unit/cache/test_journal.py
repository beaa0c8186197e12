"""The log of what a mount made: whatever moment it dies in, what was acknowledged is read again."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphfs.cache.journal import MOUNTS, Journal, Made, Mounts, unsent
from graphfs.loans import Making


def made(number: int, data: bytes | None = None) -> Made:
    return Made(1, 2, (3,), Making(number, 7, f"f{number}", 0o100644, 1, 2, data))


def test_it_says_what_is_not_with_the_server(tmp_path: Path) -> None:
    path = tmp_path / "made.log"
    assert unsent(path) == []
    journal = Journal(path)
    journal.made([made(1, b"x"), made(2)])
    journal.made([made(2, b"newer"), made(3)])
    assert unsent(path) == [made(1, b"x"), made(2, b"newer"), made(3)]
    journal.told([1])
    assert unsent(path) == [made(2, b"newer"), made(3)]
    journal.told([2, 3])
    assert path.stat().st_size == 0, "nothing waits"
    journal.made([made(4)])
    journal.close()
    assert unsent(path) == [made(4)]


def test_which_mounts_may_have_something_lent(tmp_path: Path) -> None:
    mounts = Mounts(tmp_path)
    assert mounts.read() == []
    mounts.write([3, 2**30])
    assert Mounts(tmp_path).read() == [3, 2**30]
    mounts.write([])
    assert mounts.read() == []
    (tmp_path / MOUNTS).write_bytes(b"\xffnonsense")
    assert mounts.read() == []


@given(st.lists(st.integers(0, 9), max_size=30), st.data())
def test_a_log_cut_anywhere_is_what_was_acknowledged_by_then(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("log")
    path = folder / "made.log"
    journal = Journal(path)
    journal.made([made(1000)])  # one that is never told, so that the log is never emptied
    states = [(path.stat().st_size, {1000})]
    waiting = {1000}
    for number in steps:
        if number in waiting:
            journal.told([number])
            waiting.discard(number)
        else:
            journal.made([made(number, b"y" * number)])
            waiting.add(number)
        states.append((path.stat().st_size, set(waiting)))
    journal.close()
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    expected = max([state for state in states if state[0] <= cut], key=lambda state: state[0], default=(0, set()))
    assert {one.making.id for one in unsent(path)} == expected[1]
