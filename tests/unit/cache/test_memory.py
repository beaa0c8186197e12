"""What is known of a view while the server is away: what was listed last, whole or up to where it was read."""

import pytest

from graphfs.cache.memory import Memory
from graphfs.errors import Unavailable
from graphfs.model import Node, ViewEntry


def _entries(*files: int) -> list[ViewEntry]:
    return [
        ViewEntry(f"f{one}", Node(one, 0o100644, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, one)) for one in files
    ]  # fmt: skip


@pytest.fixture
def memory() -> Memory:
    return Memory()


def _whole(memory: Memory, limit: int) -> list[ViewEntry]:
    found, after = [], 0
    while part := memory.view_files("v", after, limit):
        found += part
        after = part[-1].node.file
    return found


def test_a_view_that_was_read_in_parts_is_known_in_any(memory: Memory) -> None:
    memory.viewed("v", 0, 2, _entries(1, 3))
    memory.viewed("v", 3, 3, _entries(4, 7, 8))
    memory.viewed("v", 8, 3, _entries(9))
    for limit in (1, 2, 6, 7):
        assert _whole(memory, limit) == _entries(1, 3, 4, 7, 8, 9)
    assert memory.view_files("v", 4, 0) == _entries(7, 8, 9)
    assert memory.view_file("v", "f7").id == 7
    with pytest.raises(Unavailable):
        memory.view_file("v", "f5")
    with pytest.raises(Unavailable):
        memory.view_files("another", 0, 2)


def test_the_end_may_be_a_part_of_its_own(memory: Memory) -> None:
    memory.viewed("v", 0, 2, _entries(1, 3))
    memory.viewed("v", 3, 2, [])
    assert _whole(memory, 2) == _entries(1, 3)


def test_one_that_was_not_read_to_the_end_has_none(memory: Memory) -> None:
    memory.viewed("v", 0, 2, _entries(1, 3))
    assert memory.view_files("v", 0, 2) == _entries(1, 3)
    for after, limit in ((0, 3), (3, 2), (0, 0)):
        with pytest.raises(Unavailable):
            memory.view_files("v", after, limit)
    assert memory.view_file("v", "f3").id == 3


def test_what_was_known_whole_stays_until_it_is_again(memory: Memory) -> None:
    memory.viewed("v", 0, 0, _entries(1, 3))
    memory.viewed("v", 0, 2, _entries(3, 4))
    assert _whole(memory, 2) == _entries(1, 3)
    memory.viewed("v", 4, 2, _entries(5))
    assert _whole(memory, 2) == _entries(3, 4, 5)


def test_a_part_of_another_listing_is_not_put_behind(memory: Memory) -> None:
    memory.viewed("v", 0, 2, _entries(1, 3))
    memory.viewed("v", 9, 2, _entries(10))
    with pytest.raises(Unavailable):
        memory.view_files("v", 0, 0)
