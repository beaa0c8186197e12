"""One mount's locks, over a real service that may be away."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.service import open_service
from gateway.service.service import Service
from graphfs.config import Config
from graphfs.errors import Unavailable
from graphfs.model import FILES_ROOT, Caller, Lock, LockKind
from graphfs.vfs.locks import Locks
from tests.contracts.ground import eventually

ME = Caller(uid=0, gid=0)


class Line:
    """The way to a service, that can be cut."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.cut = False
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            self.asked.append(name)
            if self.cut:
                raise Unavailable("cut")
            return getattr(self.service, name)(*arguments)

        return call


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    service = open_service(tmp_path, Config())
    yield Line(service)
    service.close()


@pytest.fixture
def node(line: Line) -> int:
    return line.service.create(ME, FILES_ROOT, "f", 0o100644).id


def whole(owner: int) -> Lock:
    return Lock(LockKind.FILE, True, "", owner)


def test_who_never_had_one_asks_nothing(line: Line, node: int) -> None:
    locks = Locks(line, lease=30.0)  # type: ignore[arg-type]  # what it asks of a drive, it has
    locks.release(ME, node, whole(1))
    assert line.asked == []
    other = Locks(line, lease=30.0)  # type: ignore[arg-type]  # as above
    assert other.take(ME, node, whole(1), None)
    assert not locks.take(ME, node, whole(1), None)
    line.asked.clear()
    locks.release(ME, node, whole(1))
    assert line.asked == [], "nor who was refused"
    for one in (locks, other):
        one.close()


def test_what_was_let_go_of_while_away_is_free_soon_after(line: Line, node: int) -> None:
    locks, other = (Locks(line, lease=0.3) for _ in range(2))  # type: ignore[arg-type]  # as above
    assert locks.take(ME, node, whole(1), None)
    line.cut = True
    locks.release(ME, node, whole(1))
    line.cut = False
    assert locks.take(ME, node, whole(2), None), "before it takes another it lets go"
    locks.release(ME, node, whole(2))
    assert other.take(ME, node, whole(1), None)
    for one in (locks, other):
        one.close()


def test_a_lease_is_renewed_while_something_is_held(line: Line, node: int) -> None:
    locks, other = (Locks(line, lease=3.0) for _ in range(2))  # type: ignore[arg-type]  # as above
    assert locks.take(ME, node, whole(1), None)
    eventually(lambda: line.asked.count("renew_locks") >= 4, 20)
    assert not other.take(ME, node, whole(1), None)
    locks.close()
    assert other.take(ME, node, whole(1), None)
    other.close()


@pytest.mark.allows_log("locks are lost")
def test_a_mount_that_was_cut_off_goes_on_as_another_holder(line: Line, node: int) -> None:
    locks, other = Locks(line, lease=0.2), Locks(line, lease=30.0)  # type: ignore[arg-type]  # as above
    assert locks.take(ME, node, whole(1), None)
    line.cut = True
    pause = threading.Event()
    pause.wait(0.5)
    line.cut = False
    eventually(lambda: other.take(ME, node, whole(1), None), 10)
    assert not locks.take(ME, node, whole(1), None), "it is another's now"
    other.release(ME, node, whole(1))
    assert locks.take(ME, node, whole(1), None)
    for one in (locks, other):
        one.close()


def test_who_waits_is_asked_whether_to(line: Line, node: int) -> None:
    locks, other = (Locks(line, lease=30.0) for _ in range(2))  # type: ignore[arg-type]  # as above
    assert locks.take(ME, node, whole(1), None)
    answers = iter([True, True, False])
    assert not other.take(ME, node, whole(1), lambda: next(answers))
    taken: list[bool] = []
    waiting = threading.Thread(target=lambda: taken.append(other.take(ME, node, whole(1), lambda: True)))
    waiting.start()
    locks.release(ME, node, whole(1))
    waiting.join(20)
    assert taken == [True]
    for one in (locks, other):
        one.close()
