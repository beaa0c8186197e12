"""Names answered from a listing of just now: only those that still are as it said."""

from itertools import count

import pytest

from graphfs.cache.ahead import FACTOR, FIRST, REST, Ahead
from graphfs.errors import Unavailable
from graphfs.model import Caller, Entry, Node

ME, OTHER = Caller(1, 1), Caller(2, 2)
FOLDER = 7


class Ground:
    """A folder with `size` files, `f0` and so on, under the ids from 100 on."""

    def __init__(self, size: int = 1000) -> None:
        self.now, self.number, self.away = 100.0, 0, False
        self.listings: list[tuple[int, int]] = []
        self.size = size
        self.ahead = Ahead(self.children, lambda: self.number, 1.0, lambda: self.now)

    def children(self, caller: Caller, folder: int, after: int, limit: int) -> list[Entry]:
        self.listings.append((after, limit))
        if self.away:
            raise Unavailable("away")
        numbers = range(after, min(after + limit, self.size))
        return [Entry(one + 1, f"f{one}", _node(100 + one)) for one in numbers]

    def look(self, number: int, caller: Caller = ME) -> bool:
        """Whether it was answered from a listing."""
        found = self.ahead.known(caller, FOLDER, f"f{number}")
        if found is None:
            self.ahead.asked(caller, FOLDER, f"f{number}")
            return False
        assert found.id == 100 + number
        return True


def _node(number: int) -> Node:
    return Node(number, 0o100644, 1, 1, 0, 0, 0, 5, 5, 5, 1, 0, 0, number)


@pytest.fixture
def ground() -> Ground:
    return Ground()


def test_the_third_of_a_row_is_known_and_each_once(ground: Ground) -> None:
    assert [ground.look(number) for number in (0, 1, 2, 3, 2)] == [False, False, True, True, False]
    assert ground.listings == [(0, FIRST)]
    assert not ground.look(4, OTHER), "another caller may see something else"


def test_who_goes_on_gets_more_at_once(ground: Ground) -> None:
    known = [ground.look(number) for number in range(600)]
    assert ground.listings == [(0, FIRST), (FIRST, FIRST * FACTOR)]
    assert known.count(False) == 4


def test_what_is_not_looked_up_is_not_listed_again(ground: Ground) -> None:
    for number in range(500, 520):
        assert not ground.look(number)
    assert len(ground.listings) == 1
    ground.now += REST
    assert not ground.look(500)
    assert not ground.look(501)
    assert len(ground.listings) == 2


def test_it_is_believed_for_a_while(ground: Ground) -> None:
    ground.look(0), ground.look(1)
    ground.now += 1.1
    assert not ground.look(2)


def test_names_now_and_then_cost_no_listing(ground: Ground) -> None:
    for number in range(5):
        ground.look(number)
        ground.now += 3.0
    assert ground.listings == []


def test_one_name_again_and_again_is_a_way(ground: Ground) -> None:
    assert not any(ground.look(3) for _ in range(9))
    assert ground.listings == []


def test_a_change_here_or_elsewhere(ground: Ground) -> None:
    ground.look(0), ground.look(1)
    ground.now += 0.1
    ground.ahead.touched(102)
    assert not ground.look(2), "its record was changed elsewhere"
    assert ground.look(3)
    ground.ahead.touched(FOLDER)
    assert not ground.look(4), "a name in it was"
    fresh = Ground()
    fresh.look(0), fresh.look(1)
    fresh.number += 1
    assert not fresh.look(2), "this mount begins or has made a change"
    other = Ground()
    other.look(0), other.look(1)
    other.ahead.forget()
    assert not other.look(2)


def test_a_change_that_begins_while_it_is_listed(ground: Ground) -> None:
    numbers = count(1)
    children = ground.children

    def changing(caller: Caller, folder: int, after: int, limit: int) -> list[Entry]:
        found = children(caller, folder, after, limit)
        ground.number = next(numbers)
        return found

    ground.ahead._children = changing
    assert not any(ground.look(number) for number in range(5))


def test_a_server_that_is_away_is_no_reason_to_fail(ground: Ground) -> None:
    ground.away = True
    assert not any(ground.look(number) for number in range(9))
    assert len(ground.listings) < 5
