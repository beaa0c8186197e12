"""The drive's time, as a main server tells it from what Neo4j's machine said."""

from gateway.store.neo4j.clock import ServerClock

MILLISECOND = 1_000_000
SERVER = 1_000_000 * MILLISECOND
"""What the server's clock says when the tick is 0."""


class Machine:
    """A server and the way to it."""

    def __init__(self) -> None:
        self.now = 0
        self.set = 0
        self.clock = ServerClock(lambda: self.now)

    def ask(self, there: int, back: int) -> None:
        asked = self.now
        self.now += there
        said = (SERVER + self.now + self.set) // MILLISECOND
        self.now += back
        self.clock.heard(asked, said)

    @property
    def wrong(self) -> int:
        return self.clock() - (SERVER + self.now + self.set)


def test_it_is_the_server_s_to_within_half_the_way() -> None:
    machine = Machine()
    for there, back in ((4, 4), (1, 7), (30, 0), (0, 30)):
        machine.clock = ServerClock(lambda: machine.now)
        machine.ask(there * MILLISECOND, back * MILLISECOND)
        assert abs(machine.wrong) <= (there + back) * MILLISECOND // 2 + MILLISECOND


def test_quick_answers_make_it_better_and_slow_ones_no_worse() -> None:
    machine = Machine()
    machine.ask(0, 100 * MILLISECOND)
    machine.ask(MILLISECOND, MILLISECOND)
    good = machine.wrong
    assert abs(good) <= 3 * MILLISECOND
    machine.ask(0, 60_000 * MILLISECOND)
    machine.ask(60_000 * MILLISECOND, 0)
    assert abs(machine.wrong) <= abs(good)
    machine.now += 3_600_000 * MILLISECOND
    assert abs(machine.wrong) <= abs(good), "it goes on by itself"


def test_it_follows_a_server_whose_clock_is_set() -> None:
    machine = Machine()
    machine.ask(MILLISECOND, MILLISECOND)
    for step in (3_600_000, -7_200_000):
        machine.set += step * MILLISECOND
        machine.ask(MILLISECOND, MILLISECOND)
        assert abs(machine.wrong) <= 3 * MILLISECOND


def test_time_without_an_answer_does_not_count() -> None:
    machine = Machine()
    machine.ask(0, 0)
    for _ in range(10):
        machine.now += 150 * MILLISECOND
        machine.ask(0, 0)
    assert machine.clock.served() == 1.5
    machine.now += 3_600_000 * MILLISECOND
    assert machine.clock.served() == 1.5
    machine.ask(0, 0)
    assert machine.clock.served() == 2.5
