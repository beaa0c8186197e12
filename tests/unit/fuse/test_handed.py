"""When a kernel that was given many names by path is told to forget them."""

from graphfs.fuse.handed import HANDED, PAUSE, Handed


def test_it_is_told_once_it_has_too_many_and_a_moment_went_by() -> None:
    now = 50.0
    handed = Handed(lambda: now)
    handed.gave("tags", HANDED)
    now += 10 * PAUSE
    assert handed.due() == []
    handed.gave("tags", 1)
    handed.gave("search", HANDED // 2)
    assert handed.due() == []
    now += PAUSE / 2
    handed.gave("tags", HANDED)
    assert handed.due() == []
    now += PAUSE / 2
    assert handed.due() == ["tags"]
    assert handed.due() == []
    handed.gave("search", HANDED)
    handed.gave("tags", HANDED)
    now += PAUSE
    assert handed.due() == ["search"]
