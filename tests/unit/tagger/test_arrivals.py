"""When tagging makes way, and for how long."""

from typing import Any

import pytest

from graphfs.model import FROM_TAGGER, Event, EventKind, Job, JobState, Outcome
from tagger.arrivals import Arrivals
from tagger.worker import Worker


def test_many_at_once_pour() -> None:
    now = [0.0]
    arrivals = Arrivals(lambda: now[0])
    for _ in range(9):
        arrivals.came()
    assert not arrivals.pouring
    now[0] = 1.9
    arrivals.came()
    assert arrivals.pouring
    now[0] = 2.5
    assert not arrivals.pouring, "the first of the last ten is more than two seconds ago"


def test_a_steady_hand_does_not_pour() -> None:
    now = [0.0]
    arrivals = Arrivals(lambda: now[0])
    for _ in range(200):
        now[0] += 0.25
        arrivals.came()
        assert not arrivals.pouring


class Clock:
    """A clock that only waiting moves, and what was waited for."""

    def __init__(self) -> None:
        self.now = 0.0

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return False


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("tagger.worker.time.monotonic", lambda: made.now)
    return made


class Queue:
    """A drive whose queue hands out what it has once."""

    def __init__(self, jobs: int) -> None:
        self.jobs = [Job(n, n, 1, "c", f"files/{n}", 1, 1, f"lease{n}", 0) for n in range(jobs)]
        self.done: list[int] = []

    def lease(self, worker: str, limit: int, seconds: float) -> list[Job]:
        found, self.jobs = self.jobs[:limit], self.jobs[limit:]
        return found

    def finish(self, file: int, lease: str, outcome: Outcome) -> JobState:
        self.done.append(file)
        return JobState.TAGGED


@pytest.mark.parametrize(
    ("origin", "share", "least", "most"),
    [(7, 0.1, 0.9, 1.3), (FROM_TAGGER, 0.1, 0.1, 0.1), (0, 0.1, 0.9, 1.3), (7, 1.0, 0.1, 0.1)],
)
def test_work_takes_its_share_while_files_pour_in(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, origin: int, share: float, least: float, most: float
) -> None:
    """A file takes 0.1 s: with a tenth of the time the next begins a second later, or when nothing comes any more. What
    taggers hand in themselves is no arrival."""

    def process(job: Job, desk: object) -> Outcome:
        clock.now += 0.1
        return Outcome(JobState.TAGGED)

    drive = Queue(1)
    nobody: Any = None
    queue: Any = drive
    worker = Worker(queue, "w", process, nobody, share=share)
    monkeypatch.setattr(worker, "_stopping", clock)
    monkeypatch.setattr(clock, "is_set", lambda: bool(drive.done), raising=False)
    worker._arrivals = Arrivals(lambda: clock.now)
    for number in range(40):
        worker.hear(Event(number, EventKind.JOBS, origin=origin))
    worker.work(nobody)
    assert drive.done == [0]
    assert least - 1e-6 <= clock.now <= most + 1e-6
