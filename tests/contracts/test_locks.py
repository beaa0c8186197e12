"""Locks that a drive keeps for several mounts."""

import threading

import pytest

from gateway.service.service import Service
from gateway.store.neo4j.reader import Neo4jReader
from graphfs.errors import Conflict, DriveError, InvalidArgument, NotFound, TooLarge
from graphfs.model import FILES_ROOT, Lock, LockKind
from tests.contracts.ground import FILE, OWNER, Ground, eventually

MINUTE = 60.0


def whole(holder: str, owner: int = 1, *, exclusive: bool = True) -> Lock:
    return Lock(LockKind.FILE, exclusive, holder, owner)


def part(holder: str, start: int, end: int, owner: int = 1, *, exclusive: bool = True) -> Lock:
    return Lock(LockKind.RANGE, exclusive, holder, owner, start, end, 77)


def test_one_has_it(ground: Ground) -> None:
    drive, node = ground.drive, ground.file("f", b"x").id
    assert drive.lock(OWNER, node, whole("a"), MINUTE) is None
    assert drive.lock(OWNER, node, whole("a"), MINUTE) is None, "it is the same owner's"
    found = drive.lock(OWNER, node, whole("b"), MINUTE)
    assert found == Lock(LockKind.FILE, True, "", 1), "whose it is is told to nobody else"
    assert drive.in_the_way(OWNER, node, whole("b")) == found
    assert drive.lock(OWNER, node, whole("a", 2), MINUTE) == whole("a"), "another owner of the same holder"
    assert drive.lock(OWNER, node, part("b", 0, 10), MINUTE) is None, "of the other kind"
    drive.unlock(OWNER, node, whole("b"))
    assert drive.lock(OWNER, node, whole("b"), MINUTE) is not None, "nobody takes away what another has"
    drive.unlock(OWNER, node, whole("a"))
    assert drive.in_the_way(OWNER, node, whole("b")) is None
    assert drive.lock(OWNER, node, whole("b"), MINUTE) is None


def test_readers_share(ground: Ground) -> None:
    drive, node = ground.drive, ground.file("f", b"x").id
    for holder in ("a", "b"):
        assert drive.lock(OWNER, node, whole(holder, exclusive=False), MINUTE) is None
    assert drive.lock(OWNER, node, whole("a"), MINUTE) is not None, "not while another reads"
    assert drive.lock(OWNER, node, whole("c"), MINUTE) is not None
    drive.unlock(OWNER, node, whole("b"))
    assert drive.lock(OWNER, node, whole("a"), MINUTE) is None, "what it has becomes exclusive"
    assert drive.lock(OWNER, node, whole("b", exclusive=False), MINUTE) is not None


def test_ranges(ground: Ground) -> None:
    drive, node = ground.drive, ground.file("f", b"x").id
    assert drive.lock(OWNER, node, part("a", 0, 10), MINUTE) is None
    assert drive.lock(OWNER, node, part("b", 10, 20), MINUTE) is None
    assert drive.lock(OWNER, node, part("b", 9, 11), MINUTE) == Lock(LockKind.RANGE, True, "", 1, 0, 10, 77)
    drive.unlock(OWNER, node, part("a", 4, 6))
    assert drive.lock(OWNER, node, part("b", 4, 6), MINUTE) is None
    assert drive.in_the_way(OWNER, node, part("c", 5, 2**63 - 1)) is not None
    assert drive.in_the_way(OWNER, node, part("c", 20, 2**63 - 1)) is None


def test_what_has_no_sense_is_refused(ground: Ground) -> None:
    drive, node = ground.drive, ground.file("f", b"x").id
    for lock, seconds in (
        (part("a", 5, 5), 1.0),
        (Lock(LockKind.FILE, True, "a", 1, 0, 5), 1.0),
        (whole("a"), 86400.0),
    ):
        with pytest.raises(InvalidArgument):
            drive.lock(OWNER, node, lock, seconds)
    with pytest.raises(NotFound):
        drive.lock(OWNER, 999_999, whole("a"), MINUTE)
    assert drive.in_the_way(OWNER, node, whole("z")) is None


def test_a_file_has_so_many_and_no_more(service: Service) -> None:
    node = service.create(OWNER, FILES_ROOT, "f", FILE).id
    with pytest.raises(TooLarge):
        for number in range(2000):
            service.lock(OWNER, node, part("a", 2 * number, 2 * number + 1), MINUTE)
    assert service.lock(OWNER, node, part("a", 0, 4000), MINUTE) is None, "one instead of many"


def test_a_lease_that_ran_out_is_over(ground: Ground) -> None:
    drive, one, two = ground.drive, ground.file("f", b"x").id, ground.file("g", b"x").id
    assert drive.lock(OWNER, one, whole("a"), 0.05) is None
    eventually(lambda: drive.lock(OWNER, one, whole("b"), MINUTE) is None)
    assert not drive.renew_locks("a", MINUTE), "it learns of it"
    with pytest.raises(Conflict):
        drive.lock(OWNER, two, whole("a"), MINUTE)
    assert drive.lock(OWNER, two, whole("c"), MINUTE) is None
    assert drive.renew_locks("b", MINUTE)
    assert not drive.renew_locks("nobody", MINUTE)


def test_who_renews_keeps(ground: Ground) -> None:
    drive, node = ground.drive, ground.file("f", b"x").id
    assert drive.lock(OWNER, node, whole("a"), 1.0) is None
    assert drive.renew_locks("a", MINUTE)
    pause = threading.Event()
    pause.wait(1.2)
    assert drive.lock(OWNER, node, whole("b"), MINUTE) is not None


def test_who_ends_gives_up_all(ground: Ground) -> None:
    drive, one, two = ground.drive, ground.file("f", b"x").id, ground.file("g", b"x").id
    for node in (one, two):
        assert drive.lock(OWNER, node, whole("a"), MINUTE) is None
        assert drive.lock(OWNER, node, part("b", 0, 1), MINUTE) is None
    drive.drop_locks("a")
    drive.drop_locks("a")
    for node in (one, two):
        assert drive.lock(OWNER, node, whole("c"), MINUTE) is None
        assert drive.lock(OWNER, node, part("c", 0, 1), MINUTE) is not None, "the other's are its"


def test_nothing_stays_behind(service: Service) -> None:
    node = service.create(OWNER, FILES_ROOT, "f", FILE).id
    assert service.lock(OWNER, node, whole("a"), 1.0) is None
    now = service.clock()
    service.clock = lambda: now + 2 * 3600 * 10**9
    service.forget_locks()
    memos = ("lock holders", "lock holder a", f"locks of {node}")
    assert [service.store.memo(name) for name in memos] == ["", "", ""]


def test_a_file_that_is_gone_is_unlocked(ground: Ground) -> None:
    drive, node = ground.drive, ground.file("f", b"x").id
    assert drive.lock(OWNER, node, whole("a"), MINUTE) is None
    drive.unlink(OWNER, FILES_ROOT, "f")
    drive.unlock(OWNER, node, whole("a"))
    drive.drop_locks("a")


def test_of_many_one_wins(two: tuple[Service, Service]) -> None:
    """By two main servers, each time."""
    node = two[0].create(OWNER, FILES_ROOT, "f", FILE).id
    for _ in range(5):
        winners: list[str] = []
        failures: list[DriveError] = []
        start = threading.Barrier(6)

        def attempt(number: int, winners: list[str], failures: list[DriveError], start: threading.Barrier) -> None:
            start.wait(30)
            try:
                if two[number % 2].lock(OWNER, node, whole(f"h{number}"), MINUTE) is None:
                    winners.append(f"h{number}")
            except DriveError as error:
                failures.append(error)

        threads = [threading.Thread(target=attempt, args=(n, winners, failures, start)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert (len(winners), failures) == (1, [])
        two[1].unlock(OWNER, node, whole(winners[0]))


def test_what_is_read_while_another_server_writes_it_is_read_again(
    two: tuple[Service, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = two
    node = one.create(OWNER, FILES_ROOT, "f", FILE).id
    assert one.lock(OWNER, node, whole("a"), MINUTE) is None
    memo = Neo4jReader.memo
    torn = ["\0\0", '[{"ki']

    def half_written(reader: Neo4jReader, name: str) -> str:
        return torn.pop() if torn else memo(reader, name)

    monkeypatch.setattr(Neo4jReader, "memo", half_written)
    assert other.in_the_way(OWNER, node, whole("b")) == whole("")
    torn += ["\0\0", '[{"ki']
    assert other.lock(OWNER, node, whole("b"), MINUTE) == whole("")
    torn += ["\0\0"]
    one.unlock(OWNER, node, whole("a"))
    torn += ["\0\0"]
    assert other.lock(OWNER, node, whole("b"), MINUTE) is None
    torn += ["\0\0"]
    other.forget_locks()
    assert one.in_the_way(OWNER, node, whole("a")) == whole("")
    assert torn == []
