"""What a mount holds of the folders that it was lent: when names are made here, and what is sent next."""

import msgspec
import pytest

from graphfs.cache.lent import BATCH, SURE, LentFolders, Waiting
from graphfs.errors import AlreadyExists, NoSpace, NotFound
from graphfs.loans import Loan
from graphfs.model import (
    FARTHEST,
    Caller,
    Node,
)

ME, OTHER = Caller(1, 1), Caller(2, 2)
FOLDER = Node(7, 0o040755, 1, 1, 0, 0, 0, 5, 5, 5, 2, 0, 0, 0)
FILE = 0o100644
NOW = 1 << 60
"""What time it is on the drive when the loan is told."""


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Held:
    """Folders of which one, 7, is lent with the name `old` in it."""

    def __init__(self, ids: int = 1000) -> None:
        self.clock, self.journal, self.full = Clock(), [], False  # type: tuple[Clock, list[Made], bool]
        self.folders = LentFolders(self.write, self.clock)
        assert self.folders.asking(7)
        self.folders.lend(Loan(FOLDER, ("old",), 1000, ids, NOW), self.clock.now)

    def write(self, made: Waiting) -> None:
        if self.full:
            raise NoSpace("the disk is full")
        self.journal.append(made.record())

    def file(self, name: str, data: bytes | None = None, folder: int = 7, caller: Caller = ME) -> Node:
        node = self.folders.make(caller, folder, name, FILE)
        assert node is not None
        if data is not None:
            node = self.folders.commit(node.id, 0, len(data), data, 9)
            assert node is not None
        return node

    def sent(self) -> list[str]:
        some = self.folders.batch()
        self.folders.done(some)
        return [one.name for one in some]


def test_names() -> None:
    held = Held()
    made = held.file("f", b"data")
    assert held.folders.lookup(7, "f") == made
    assert (made.id, made.size, made.version, made.mtime, made.uid) == (1000, 4, 1, 9, 1)
    assert held.folders.lookup(7, "old") is None, "the server is asked"
    assert held.folders.make(ME, 7, "old", FILE) is None
    with pytest.raises(AlreadyExists):
        held.folders.make(ME, 7, "f", FILE)
    with pytest.raises(NotFound):
        held.folders.lookup(7, "absent")
    assert held.folders.lookup(8, "absent") is None, "not lent"
    assert held.sent() == ["f"]
    assert held.folders.lookup(7, "f") is None
    assert held.folders.make(ME, 7, "f", FILE) is None
    folder = held.folders.node(7)
    assert folder is not None
    assert (folder.mtime, folder.links) == (NOW, 2)


def test_a_folder_made_here_is_lent_from_its_beginning() -> None:
    held = Held()
    inner = held.folders.make(ME, 7, "d", 0o040755)
    assert inner is not None
    held.file("f", b"x", inner.id)
    held.file("open", None, inner.id)
    assert held.sent() == ["d", "f"], "in order, without what is open"
    assert (held.folders.node(7) or FOLDER).links == 3
    with pytest.raises(NotFound):
        held.folders.lookup(inner.id, "g")
    assert held.journal[0].making.lent


def test_a_loan_is_relied_on_for_a_while() -> None:
    held = Held()
    held.clock.now += SURE - 0.1
    held.file("f", b"x")
    held.folders.heard(held.clock.now)
    held.clock.now += SURE - 0.1
    held.file("g", b"x")
    held.clock.now += 0.2
    assert held.folders.make(ME, 7, "h", FILE) is None
    assert held.folders.lookup(7, "absent") is None
    assert held.sent() == ["f", "g"], "what was acknowledged is told all the same"


def test_what_is_recalled_is_told_first() -> None:
    held = Held()
    held.file("f", b"x")
    held.file("open")
    held.folders.recall([7, 99])
    assert held.folders.make(ME, 7, "g", FILE) is None
    assert held.folders.to_hand_back() == [], "nor is 99, which this mount never had"
    assert not held.folders.asking(7)
    assert held.sent() == ["f", "open"]
    assert held.folders.to_hand_back() == [7]
    held.folders.handed_back([7])
    assert held.folders.to_hand_back() == []
    assert held.folders.asking(7)
    held.folders.recall([7])
    held.folders.lend(Loan(FOLDER, (), 3000, 9), held.clock.now)
    assert not held.folders.lent(7), "it was recalled before it came"
    assert held.folders.to_hand_back() == [7]


def test_what_cannot_be_sent_stops_what_is_made() -> None:
    held = Held()
    held.file("f", b"x")
    some = held.folders.batch()
    held.folders.not_sent(some, stuck=True)
    assert held.folders.make(ME, 7, "g", FILE) is None
    assert not held.folders.progress(0.0)
    assert [one.again for one in held.folders.batch()] == [True]
    held.folders.done(some)
    assert held.file("g").id == 1001


def test_batches() -> None:
    held = Held()
    for number in range(BATCH + 1):
        held.file(f"{number}", b"x")
    held.file("theirs", b"x", caller=OTHER)
    assert len(held.sent()) == BATCH
    assert held.sent() == [f"{BATCH}"], "of one caller"
    assert held.sent() == ["theirs"]
    held.file("late")
    assert held.sent() == []
    held.clock.now += 2.0
    assert not held.folders.left_open()
    assert held.sent() == ["late"]


def test_attributes_and_ids() -> None:
    held = Held(ids=1)
    node = held.file("f", b"x")
    changed = held.folders.changing(node.id, 0o600, None, 3)
    assert changed is not None
    assert (changed.mode, changed.mtime, changed.atime) == (0o100600, 3, NOW)
    assert held.journal[-1].making.mode == 0o100600
    assert (held.folders.changing(node.id, None, None, 1 << 80) or node).mtime == FARTHEST
    assert held.folders.make(ME, 7, "g", FILE) is None, "the ids are used up"
    assert held.folders.without_ids
    held.folders.batch()
    assert held.folders.changing(node.id, 0o640, None, None) is None
    assert held.folders.commit(node.id, 1, 1, b"y", None) is None


def test_a_full_disk_acknowledges_nothing() -> None:
    held = Held()
    node = held.file("f")
    held.full = True
    with pytest.raises(NoSpace):
        held.folders.commit(node.id, 0, 1, b"x", None)
    with pytest.raises(NoSpace):
        held.folders.make(ME, 7, "d", 0o040755)
    assert held.folders.make(ME, 7, "e", FILE) is not None
    held.folders.recall([7])
    assert held.sent() == ["f", "e"], "names that were made are told, journal or not"


def test_names_that_are_not_text_are_asked_for() -> None:
    assert Held().folders.make(ME, 7, "\udcff", FILE) is None


def test_what_others_ask_for_without_a_recall_is_asked_for() -> None:
    assert Held().folders.make(ME, 7, ".graphfs.yaml", FILE) is None


def test_of_a_mount_that_died() -> None:
    held = Held()
    held.file("f", b"x")
    fresh = LentFolders(lambda made: None)
    for one in held.journal:
        fresh.before(one)
    assert (fresh.lookup(7, "f") or FOLDER).id == 1000
    assert fresh.to_hand_back() == []
    again = [msgspec.structs.replace(one.making, made=0, ctime=0) for one in held.journal]
    assert [one.making() for one in fresh.batch()] == again, "when it was made is over"


def test_what_is_made_is_not_older_than_what_the_server_has_done() -> None:
    held = Held()
    shown = msgspec.structs.replace(FOLDER, ctime=NOW + 10**12)
    held.folders.others(7)
    held.folders.seen(shown)
    assert held.file("f").ctime >= shown.ctime


def test_more_ids_come_with_the_folder() -> None:
    held = Held(ids=1)
    held.file("f")
    assert held.folders.make(ME, 7, "g", FILE) is None
    assert held.folders.asking(7)
    held.folders.lend(Loan(FOLDER, ("old", "f"), 2000, 9, NOW), held.clock.now)
    held.folders.refused(7)
    assert not held.folders.without_ids
    assert held.file("g").id == 2000
