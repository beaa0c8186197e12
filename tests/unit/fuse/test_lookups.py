"""What the kernel knows is kept; what it has forgotten is let go, unless it was given again meanwhile."""

from graphfs.fuse.lookups import LINGERING, Lookups


class Ground:
    def __init__(self) -> None:
        self.now = 0.0
        self.gone: list[int] = []
        self.lookups = Lookups(self.gone.append, lambda: self.now)

    def later(self) -> list[int]:
        """What is let go by the next forgetting, of nothing."""
        self.now += LINGERING * 1.1
        self.lookups.forget([])
        return self.gone


def test_lookups_are_counted() -> None:
    ground = Ground()
    ground.lookups.given([7, 8, 7])
    ground.lookups.forget([(7, 1)])
    assert ground.later() == []
    assert ground.lookups.known() == [7, 8]
    ground.lookups.forget([(7, 1)])
    assert 7 not in ground.lookups
    assert ground.later() == [7]


def test_one_that_is_found_again_while_it_is_forgotten_stays() -> None:
    """The name was looked up before the forgetting was heard of, and is counted behind it."""
    ground = Ground()
    ground.lookups.given([7, 8])
    ground.lookups.forget([(7, 1), (8, 1)])
    assert ground.gone == []
    ground.lookups.given([7])
    assert ground.later() == [8]
    ground.lookups.forget([(7, 1)])
    assert ground.later() == [8, 7]


def test_a_look_lets_go_too() -> None:
    ground = Ground()
    ground.lookups.given([7])
    ground.lookups.forget([(7, 1)])
    ground.now += LINGERING * 1.1
    ground.lookups.given([8])
    assert ground.gone == [7]


def test_forgetting_comes_in_any_number() -> None:
    ground = Ground()
    for _ in range(3):
        ground.lookups.given([7])
        ground.lookups.forget([(7, 1)])
    assert ground.later() == [7, 7, 7]
