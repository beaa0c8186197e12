"""Folders lent to mounts: who has one makes names there alone, and nobody else sees less than there is."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import msgspec
import pytest

from gateway.service import open_service
from gateway.service.core import Change
from gateway.service.service import Service
from gateway.store.neo4j.check import ANEW
from gateway.store.neo4j.clock import ServerClock
from gateway.store.neo4j.store import Neo4jStore
from graphfs.api import Drive
from graphfs.config import Config, Store
from graphfs.errors import (
    AlreadyExists,
    Conflict,
    InvalidArgument,
    NotEmpty,
    NotFound,
    NotPermitted,
    NotSupported,
    Unavailable,
)
from graphfs.loans import MOUNT_SHIFT, Loan, Making
from graphfs.model import (
    FILES_ROOT,
    SUPER_ROOT,
    Caller,
    Event,
    EventKind,
    Replace,
)
from tests.contracts.ground import FILE, FOLDER, OWNER, eventually
from tests.contracts.test_replicas import at_once

Pair = tuple[Service, Service]
ONE, OTHER = (Caller(OWNER.uid, OWNER.gid, pid=mount << MOUNT_SHIFT | 7) for mount in (5, 6))
"""Callers of two mounts."""
HEIR = Caller(OWNER.uid, OWNER.gid, pid=8 << MOUNT_SHIFT | 7)
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


def test_a_drive_of_one_server_or_one_that_is_told_not_to_lends_nothing(shared: Config, tmp_path: Path) -> None:
    told = msgspec.structs.replace(shared, store=Store(engine="neo4j", lend_folders=False))
    for place, config in (("alone", Config()), ("told", told)):
        service = open_service(tmp_path / place, config, away=True)
        try:
            with pytest.raises(NotSupported):
                service.lend(ONE, FILES_ROOT)
        finally:
            service.close()


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


def test_an_id_that_somebody_has_fails_its_own_request_only(two: Pair) -> None:
    """Whoever else is in the same commit goes on."""
    one, _ = two
    loan = one.lend(ONE, FILES_ROOT)
    one.make(ONE, [making(loan, 0, "first")])
    one.hand_back(ONE, [FILES_ROOT])
    folder = one.create(OWNER, FILES_ROOT, "d", FOLDER).id
    requests = [[making(loan, number, f"f{number}", b"x")] for number in range(1, 6)]
    found = at_once(
        lambda: one.make(ONE, [making(loan, 9, "free"), making(loan, 0, "twice", b"x")]),
        *(partial(one.make, ONE, files) for files in requests),
        *(partial(one.create, OWNER, folder, f"f{number}", FILE) for number in range(3)),
    )
    assert isinstance(found[0], Conflict)
    assert not any(isinstance(answer, Exception) for answer in found[1:]), found
    assert {entry.name for entry in one.children(OWNER, FILES_ROOT)} == {"first", "d", *(f"f{n}" for n in range(1, 6))}


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


def test_an_heir_has_what_was_lent_to_mounts_that_died(slow: Pair) -> None:
    """Whoever looks in then waits for what they made, not for the end of their loans."""
    one, other = slow
    folder = one.create(OWNER, FILES_ROOT, "d", FOLDER).id
    theirs = one.create(OWNER, FILES_ROOT, "theirs", FOLDER).id
    loan = one.lend(ONE, folder)
    third = Caller(OWNER.uid, OWNER.gid, pid=99 << MOUNT_SHIFT)
    one.lend(third, theirs)
    with pytest.raises(NotPermitted):
        other.inherit(OWNER, [5])
    assert other.inherit(HEIR, [5, 77]) == [folder]
    assert other.inherit(HEIR, [5]) == [folder], "it may be asked twice"
    assert one.lookup(HEIR, FILES_ROOT, "d").id == folder
    with following(other), handing_back(other, HEIR, lambda _: other.make(HEIR, [making(loan, 0, "f", b"x")])):
        (found,) = at_once(lambda: one.lookup(OTHER, folder, "f").size)
    assert found == 1
    with pytest.raises(Conflict):
        other.lend(OTHER, theirs)


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


def rows(service: Service) -> list[tuple[int, int]]:
    return sorted(service.store.loans())


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No loan is over, and nobody is told to come again, because this machine is busy."""
    monkeypatch.setattr("gateway.service.lent.LOAN_SECONDS", 300.0)
    monkeypatch.setattr("gateway.service.core._PATIENCE", 60.0)


def lose_the_log(service: Service) -> None:
    """It reaches back no more: who has not read it by now reads everything anew."""
    store = service.store
    assert isinstance(store, Neo4jStore)
    store.connection.write("MATCH (c:Change) DELETE c")
    store.connection.write(ANEW)


@pytest.mark.usefixtures("patient")
def test_what_is_lent_is_known_without_the_log(two: Pair, shared: Config, tmp_path: Path) -> None:
    """To a main server that has to read everything anew, and to one that starts: no more, and no less."""
    one, other = two
    lent, free, back = (one.create(OWNER, FILES_ROOT, name, FOLDER).id for name in ("lent", "free", "back"))
    loan = one.lend(ONE, lent)
    one.lend(ONE, back)
    inner = Making(loan.first, lent, "inner", FOLDER, LONG_AGO, LONG_AGO, None, True)
    one.make(ONE, [inner])
    one.hand_back(ONE, [back])
    assert rows(other) == sorted([(lent, 5), (inner.id, 5)])
    lose_the_log(one)
    one.store.caught_up()  # before the recall, or it would hear of a reset alone
    other.store.caught_up()
    third = open_service(tmp_path / "third", shared, away=True)
    try:
        for server in (other, third):
            for folder in (lent, inner.id):
                with pytest.raises(Conflict):
                    server.lend(OTHER, folder)
            with pytest.raises(NotFound):
                server.lookup(OTHER, free, "absent")
            with handing_back(one, ONE), following(one), pytest.raises(NotFound):
                server.lookup(OTHER, lent, "absent")
            assert server.lend(OTHER, back).folder.id == back
            server.hand_back(OTHER, [back])
            assert one.lend(ONE, lent).names == ("inner",)
    finally:
        third.close()


@pytest.mark.usefixtures("patient")
def test_what_could_not_be_read_anew_is_read_once_more(two: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that goes away in the middle of it leaves nobody with half of it."""
    one, other = two
    lent = one.create(OWNER, FILES_ROOT, "lent", FOLDER).id
    other.store.caught_up()
    refused: list[int] = []

    def away() -> list[tuple[int, int]]:
        refused.append(1)
        raise Unavailable("the store is away")

    with monkeypatch.context() as patched:
        patched.setattr(other.store, "loans", away)
        one.lend(ONE, lent)
        lose_the_log(one)
        eventually(lambda: bool(refused), 60)
        with suppress(Unavailable):
            other.store.caught_up()
    with pytest.raises(Conflict):
        other.lend(OTHER, lent)


@pytest.mark.usefixtures("patient")
def test_a_loan_leaves_nothing_behind(two: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Handed back, over, or without its folder."""
    one, other = two
    folder = one.create(OWNER, FILES_ROOT, "d", FOLDER).id
    one.lend(ONE, folder)
    other.rmdir(ONE, FILES_ROOT, "d")
    assert rows(one) == []
    one.lend(ONE, FILES_ROOT)
    other.end_loans()
    assert rows(one) == [(FILES_ROOT, 5)], "it is not over"
    monkeypatch.setattr("gateway.service.lent.LOAN_SECONDS", 0.0)
    one.lend(ONE, FILES_ROOT)
    other.store.caught_up()
    other.end_loans()
    assert rows(one) == []
    one.end_loans()
    one.hand_back(ONE, [FILES_ROOT])
    assert rows(one) == []


@pytest.mark.usefixtures("patient")
def test_what_is_over_here_is_handed_back_for_all(slow: Pair) -> None:
    """Another server may have heard of the loan later."""
    one, other = slow
    one.lend(ONE, FILES_ROOT)
    other.store.caught_up()
    one.lent._until.clear()  # over
    one.hand_back(ONE, [FILES_ROOT])
    other.store.caught_up()
    assert other.lend(OTHER, FILES_ROOT).names == ()
    assert rows(one) == [(FILES_ROOT, 6)]


@pytest.mark.usefixtures("patient")
def test_a_new_loan_is_not_ended_with_the_old_one(slow: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a server that has not heard of it."""
    one, other = slow
    one.lend(ONE, FILES_ROOT)
    other.store.caught_up()
    for server in slow:
        server.lent._until.clear()  # over
    end = other._lent_to

    def late(change: Change, folders: tuple[int, ...], mount: int) -> None:
        one.lend(OTHER, FILES_ROOT)
        end(change, folders, mount)

    monkeypatch.setattr(other, "_lent_to", late)
    other.end_loans()
    assert rows(one) == [(FILES_ROOT, 6)]
    with pytest.raises(Conflict):
        other.lend(ONE, FILES_ROOT)


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
    with suppress(NotSupported):
        assert drive.inherit(ONE, [6]) == []
    with pytest.raises((InvalidArgument, NotSupported)):
        drive.make(ONE, [Making(2**39, FILES_ROOT, "f", FILE, 1, 2, b"\xff\x00")])
    assert drive.children(ONE, FILES_ROOT) == []
