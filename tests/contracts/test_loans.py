"""Folders lent to mounts: who has one makes names there alone, and nobody else sees less than there is."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from gateway.service.service import Service
from gateway.store.neo4j.clock import ServerClock
from graphfs.api import Drive
from graphfs.errors import AlreadyExists, Conflict, InvalidArgument, NotEmpty, NotFound, NotPermitted, NotSupported
from graphfs.loans import MOUNT_SHIFT, Loan, Making
from graphfs.model import (
    FILES_ROOT,
    SUPER_ROOT,
    Caller,
    Event,
    EventKind,
    Replace,
)
from tests.contracts.ground import FILE, FOLDER, OWNER, Ground
from tests.contracts.test_replicas import at_once

Pair = tuple[Service, Service]
ONE, OTHER = (Caller(OWNER.uid, OWNER.gid, pid=mount << MOUNT_SHIFT | 7) for mount in (5, 6))
"""Callers of two mounts."""
LONG_AGO = 1_000_000_000_000


def making(loan: Loan, number: int, name: str, data: bytes | None = None, *, folder: int = 0) -> Making:
    return Making(loan.first + number, folder or loan.folder.id, name, FILE, LONG_AGO, LONG_AGO + 1, data)


@contextmanager
def handing_back(
    service: Service, caller: Caller, before: Callable[[int], object] = lambda folder: None
) -> Iterator[None]:
    """A mount that hands back what is recalled, after it has told of what it made there."""

    def told(event: Event) -> None:
        if event.kind is EventKind.RECALL:
            threading.Thread(target=lambda: (before(event.node), service.hand_back(caller, [event.node]))).start()

    stop = service.subscribe(told)
    try:
        yield
    finally:
        stop()


@contextmanager
def following(service: Service) -> Iterator[None]:
    """A server that reads the log as servers do (those of `slow` do not by themselves)."""
    stop = threading.Event()
    thread = threading.Thread(target=lambda: [service.store.caught_up() for _ in range(1000) if not stop.wait(0.01)])
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_drive_that_is_not_told_to_lends_nothing(ground: Ground) -> None:
    with pytest.raises(NotSupported):
        ground.drive.lend(ONE, ground.folder("d").id)


def test_what_was_made(two: Pair) -> None:
    one, other = two
    kept = one.create(OWNER, FILES_ROOT, "kept", FILE)
    loan = one.lend(ONE, FILES_ROOT)
    assert loan.names == ("kept",)
    assert loan.count > 100
    folder = Making(loan.first, FILES_ROOT, "d", FOLDER, LONG_AGO, LONG_AGO, None, True)
    made = one.make(
        ONE,
        [
            folder,
            making(loan, 1, "f", b"content", folder=folder.id),
            making(loan, 2, "empty"),
            making(loan, 3, "g", b"content"),
        ],
    )
    assert [node.id for node in made] == [loan.first + number for number in range(4)]
    one.hand_back(ONE, [FILES_ROOT, folder.id])
    assert [entry.name for entry in other.children(OWNER, FILES_ROOT)] == ["kept", "d", "empty", "g"]
    found = other.lookup(OWNER, folder.id, "f")
    assert (found.size, found.version, found.mtime, found.atime) == (7, 1, LONG_AGO + 1, LONG_AGO)
    (extent,) = other.layout(OWNER, found.id).extents
    assert other.read_blob(extent.digest, 0, 99) == b"content"
    assert other.job(found.file).state == "queued"
    assert one.node(OWNER, kept.id) == kept
    assert one.create(OWNER, FILES_ROOT, "later", FILE).id not in {node.id for node in made}


def test_all_or_nothing(two: Pair) -> None:
    one, other = two
    loan = one.lend(ONE, FILES_ROOT)
    one.hand_back(ONE, [FILES_ROOT])
    other.create(OWNER, FILES_ROOT, "taken", FILE)
    with pytest.raises(AlreadyExists):
        one.make(ONE, [making(loan, 0, "free", b"x"), making(loan, 1, "taken", b"y")])
    with pytest.raises(NotFound):
        one.lookup(ONE, FILES_ROOT, "free")
    with pytest.raises(NotFound):
        one.make(ONE, [making(loan, 0, "f", folder=loan.first + 99)])
    with pytest.raises(InvalidArgument):
        one.make(ONE, [making(loan, 0, "big", bytes(one.inline_limit() + 1))])
    one.make(ONE, [making(loan, 0, "free", b"x")])


def test_who_looks_in_waits_until_it_is_handed_back(slow: Pair) -> None:
    one, other = slow
    folder = one.create(OWNER, FILES_ROOT, "d", FOLDER).id
    one.create(OWNER, FILES_ROOT, "l", FILE)
    questions: list[tuple[Callable[[], object], object]] = [
        (lambda: other.lookup(OTHER, folder, "f").size, 5),
        (lambda: [entry.name for entry in other.children(OTHER, folder)], ["f"]),
        (lambda: other.create(OTHER, folder, "f", FILE), AlreadyExists),
        (lambda: other.link(OTHER, other.lookup(OTHER, FILES_ROOT, "l").id, folder, "f"), AlreadyExists),
        (lambda: other.rename(OTHER, FILES_ROOT, "l", folder, "f", Replace.REFUSE), AlreadyExists),
        (lambda: other.rmdir(OTHER, FILES_ROOT, "d"), NotEmpty),
        (lambda: other.rename(OTHER, FILES_ROOT, "other", FILES_ROOT, "d"), NotEmpty),
    ]
    one.create(OWNER, FILES_ROOT, "other", FOLDER)
    for number, (ask, expected) in enumerate(questions):
        loan = one.lend(ONE, folder)
        recalled: list[int] = []

        def tell(wanted: int, loan: Loan = loan, recalled: list[int] = recalled) -> None:
            one.make(ONE, [making(loan, 0, "f", b"12345")])
            recalled.append(wanted)

        with following(one), handing_back(one, ONE, tell):
            (found,) = at_once(ask)
        assert recalled == [folder], number
        assert found == expected or type(found) is expected, (number, found)
        one.unlink(ONE, folder, "f")


def test_a_loan_ends_by_itself(two: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.service.lent.LOAN_SECONDS", 0.5)
    one, other = two
    loan = one.lend(ONE, FILES_ROOT)
    with pytest.raises(Conflict):
        other.lend(OTHER, FILES_ROOT)
    with pytest.raises(NotFound):
        other.lookup(OTHER, FILES_ROOT, "late")
    assert other.create(OTHER, FILES_ROOT, "late", FILE).links == 1
    with pytest.raises(AlreadyExists):
        one.make(ONE, [making(loan, 0, "late", b"x")])
    other.lend(OTHER, FILES_ROOT)


def test_a_store_that_is_away_ends_no_loan(two: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nobody can tell what was made, nobody is told that it is not there."""
    monkeypatch.setattr("gateway.service.lent.LOAN_SECONDS", 2.0)
    one, other = two
    one.lend(ONE, FILES_ROOT)
    other.store.caught_up()
    clock = other.store.clock
    assert isinstance(clock, ServerClock)
    ticks = clock.ticks
    monkeypatch.setattr(clock, "ticks", lambda: ticks() + 3_600 * 10**9)  # an hour without an answer
    other.store.caught_up()
    with pytest.raises(Conflict):
        other.lend(OTHER, FILES_ROOT)


def test_its_own_mount_does_not_wait(two: Pair) -> None:
    one, other = two
    one.lend(ONE, FILES_ROOT)
    assert other.children(ONE, FILES_ROOT) == []
    with pytest.raises(NotFound):
        other.lookup(ONE, FILES_ROOT, "f")
    other.create(ONE, FILES_ROOT, "f", FILE)
    assert other.lend(ONE, FILES_ROOT).names == ("f",)


def test_a_loan_and_a_name_have_one_winner(slow: Pair) -> None:
    """However they come together: what a mount is told of the names is all there is, until it hands the folder back."""
    one, other = slow
    for round_ in range(8):
        folder = one.create(OWNER, FILES_ROOT, f"d{round_}", FOLDER).id
        other.node(OWNER, folder)
        handed: list[int] = []
        with following(one), handing_back(one, ONE, handed.append):
            loan, made = at_once(
                lambda folder=folder: one.lend(ONE, folder),
                lambda folder=folder: other.create(OTHER, folder, "f", FILE),
            )
        assert isinstance(loan, Loan), loan
        assert not isinstance(made, Exception), made
        assert loan.names == ("f",) or handed


def test_what_is_refused(two: Pair) -> None:
    one, _ = two
    with pytest.raises(NotPermitted):
        one.lend(OWNER, FILES_ROOT)
    for folder, error in (
        (SUPER_ROOT, NotPermitted),
        (one.create(OWNER, FILES_ROOT, "f", FILE).id, NotPermitted),
        (2**40, NotFound),
    ):
        with pytest.raises(error):
            one.lend(ONE, folder)
    one.hand_back(ONE, [FILES_ROOT, 2**40])


def test_ids_that_nobody_was_given_are_refused(drive: Drive) -> None:
    """It crosses HTTP; a drive of one machine makes nothing so."""
    drive.hand_back(ONE, [FILES_ROOT])
    with pytest.raises((InvalidArgument, NotSupported)):
        drive.make(ONE, [Making(2**39, FILES_ROOT, "f", FILE, 1, 2, b"\xff\x00")])
    assert drive.children(ONE, FILES_ROOT) == []
