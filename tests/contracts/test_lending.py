"""Two mounts of two main servers, each of which makes files in folders that it was lent: whoever looks sees what was
closed before, each name has one winner, and what was acknowledged outlives the mount."""

import itertools
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest

from gateway.app import run_in_thread
from gateway.service.service import Service
from graphfs.cache.blobs import BlobCache
from graphfs.cache.drive import CachedDrive
from graphfs.cache.journal import MOUNTS
from graphfs.cache.lending import LendingDrive, connect_mount
from graphfs.errors import AlreadyExists, DriveError, NotEmpty, NotFound
from graphfs.loans import Loan
from graphfs.model import FILES_ROOT, AttributeChange, Caller, Node, Patch
from graphfs.names import RULES
from graphfs.vfs.origins import Origins
from tests.contracts.ground import FILE, FOLDER, OWNER, eventually, patch
from tests.contracts.test_replicas import at_once

Mounts = tuple[LendingDrive, LendingDrive]
Open = Callable[..., LendingDrive]


@pytest.fixture
def mount(two: tuple[Service, Service], tmp_path: Path) -> Iterator[Open]:
    """Opens a mount, with one of some state directories, on one of the servers. Each is another one, as in life."""
    numbers = itertools.count(1000)
    with ExitStack() as stack:
        servers = [run_in_thread(one, "127.0.0.1:0", token="t", instance="shared") for one in two]
        for server in servers:
            stack.callback(server.stop)

        def connected(place: int, *, server: int = 0, closing: bool = True) -> LendingDrive:
            state, origins = tmp_path / f"mount-{place}", Origins(next(numbers))
            state.mkdir(exist_ok=True)
            origins.own()
            drive = connect_mount(
                f"127.0.0.1:{servers[server].ports[0]}",
                BlobCache(state / "cache", 1 << 20),
                token="t",
                patience=60.0,
                ca_file=None,
                stamp=origins.stamp,
                own=origins.known,
                serving=origins.own,
                state=state,
                believed=60.0,
            )
            drive.subscribe(lambda event: None)
            # Of one that dies only the connections are closed: it tells nothing.
            stack.callback(drive.close if closing else partial(CachedDrive.close, drive))
            return drive

        yield connected


@pytest.fixture
def mounts(mount: Open) -> Mounts:
    return mount(1), mount(2, server=1)


def write(drive: LendingDrive, folder: int, name: str, data: bytes, caller: Caller = OWNER) -> Node:
    """As a program does: created as one's own, written, closed."""
    node = drive.create(caller, folder, name, FILE, draft=True)
    return drive.commit(caller, node.id, node.version, len(data), [patch(0, data)] if data else [])


def read(drive: LendingDrive, node: Node) -> bytes:
    return b"".join(drive.read_blob(one.digest, one.start, one.length) for one in drive.layout(OWNER, node.id).extents)


def lent(drive: LendingDrive, name: str = "d") -> int:
    """A folder in which this mount makes names."""
    folder = drive.create(OWNER, FILES_ROOT, name, FOLDER).id
    number = 0
    while not drive.folders.lent(folder):
        drive.create(OWNER, folder, f"before-{number}", FILE)
        number += 1
        assert number < 10
    return folder


def test_what_was_closed_is_found(mounts: Mounts) -> None:
    one, other = mounts
    folder = lent(one)
    nodes = [write(one, folder, f"f{number}", b"x" * number) for number in range(100)]
    below = one.create(OWNER, folder, "below", FOLDER).id
    deep = write(one, below, "deep", b"deep")
    assert one.lookup(OWNER, folder, "f99") == nodes[99]
    assert read(one, deep) == b"deep"
    assert read(other, other.lookup(OWNER, folder, "f99")) == b"x" * 99
    assert other.lookup(OWNER, other.lookup(OWNER, folder, "below").id, "deep").id == deep.id
    assert {entry.name for entry in other.children(OWNER, folder)} >= {f"f{number}" for number in range(100)}
    assert not one.folders.lent(folder), "whoever lists it recalls it"
    assert [one.node(OWNER, node.id).id for node in nodes] == [node.id for node in nodes]


def test_what_a_mount_shows_of_times_stays_when_it_was_told(mounts: Mounts) -> None:
    """Who packs a folder looks at it twice, and says so when it has changed."""
    one, other = mounts
    folder = lent(one)
    below = one.create(OWNER, folder, "below", FOLDER).id
    made = [
        write(one, folder, "f", b"content").id,
        write(one, below, "g", b"content").id,
        write(one, folder, "e", b"").id,
    ]
    one.set_attributes(OWNER, made[0], AttributeChange(mtime=12, atime=5))
    shown = [one.node(OWNER, number) for number in (folder, below, *made)]
    assert shown[0].mtime > shown[1].mtime
    one.tell()
    assert [one.node(OWNER, node.id) for node in shown] == shown
    other.children(OWNER, folder)
    other.children(OWNER, below)
    assert [other.node(OWNER, node.id) for node in shown] == shown


def test_every_close_is_seen_by_the_next_open(mounts: Mounts) -> None:
    one, other = mounts
    folder = lent(one)
    for number in range(12):
        writer, reader = random.Random(number).sample((one, other), 2)
        name, data = f"f{number}", b"%d" % number * 10
        write(writer, folder, name, data)
        assert read(reader, reader.lookup(OWNER, folder, name)) == data
        with pytest.raises(NotFound):
            reader.lookup(OWNER, folder, f"absent-{number}")
        with pytest.raises(AlreadyExists):
            reader.create(OWNER, folder, name, FILE)


def test_rules_for_taggers_are_there_and_cost_no_loan(mounts: Mounts) -> None:
    """Whoever tags looks for them in each folder that files come from, while they come."""
    one, tagger = mounts
    folder = lent(one)
    inner = one.create(OWNER, folder, "inner", FOLDER).id
    write(one, inner, "f", b"content")
    one.tell()
    for _ in range(3):
        for looked_at in (folder, inner):
            with pytest.raises(NotFound):
                tagger.lookup(OWNER, looked_at, RULES)
    assert one.folders.lent(folder)
    write(one, inner, "public", b"content")
    write(one, inner, RULES, b"tagger: local")
    private = write(one, inner, "private", b"content")
    assert read(tagger, tagger.lookup(OWNER, inner, RULES)) == b"tagger: local"
    one.unlink(OWNER, inner, RULES)
    temporary = write(one, inner, "temporary", b"tagger: off")
    one.rename(OWNER, inner, "temporary", inner, RULES)
    assert tagger.lookup(OWNER, inner, RULES).id == temporary.id
    assert one.folders.lent(inner)
    assert tagger.lookup(OWNER, inner, "private").id == private.id


def test_a_name_has_one_winner(mounts: Mounts) -> None:
    folder = lent(mounts[0])
    for number in range(10):
        found = at_once(
            *(lambda d=d, k=k: write(d, folder, f"same-{number}", b"%d" % k) for k, d in enumerate(mounts * 2))  # noqa: B023
        )
        won = [one for one in found if not isinstance(one, Exception)]
        assert len(won) == 1, found
        assert all(isinstance(one, AlreadyExists) for one in found if isinstance(one, Exception)), found
        assert isinstance(won[0], Node)
        for drive in mounts:
            assert drive.lookup(OWNER, folder, f"same-{number}").id == won[0].id
        for quiet in range(3):
            write(mounts[0], folder, f"{number}-{quiet}", b"")


def test_two_mounts_at_random(mounts: Mounts) -> None:
    """Threads that make, look up and list; whatever was acknowledged before somebody asked is in the answer."""
    folder = lent(mounts[0])
    closed: dict[str, bytes] = {}
    failures: list[object] = []

    def work(seed: int) -> None:
        choose, drive = random.Random(seed), mounts[seed % 2]
        for number in range(25):
            known = dict(closed)
            try:
                if choose.random() < 0.6:
                    name, data = f"{seed}-{number}", b"%d %d" % (seed, number)
                    write(drive, folder, name, data)
                    closed[name] = data
                elif choose.random() < 0.5 and known:
                    name = choose.choice(list(known))
                    assert read(drive, drive.lookup(OWNER, folder, name)) == known[name], name
                else:
                    names = {entry.name for entry in drive.children(OWNER, folder)}
                    assert known.keys() <= names, known.keys() - names
            except Exception as error:  # noqa: BLE001  # told below
                failures.append((seed, number, error))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failures == []


def test_a_folder_that_was_made_here_and_is_gone(mounts: Mounts) -> None:
    """It is not there any more, and what is in one that was not told of keeps it."""
    one, _ = mounts
    folder = lent(one)
    removed, full, moved = (one.create(OWNER, folder, name, FOLDER).id for name in ("removed", "full", "moved"))
    write(one, full, "f", b"content")
    with pytest.raises(NotEmpty):
        one.rmdir(OWNER, folder, "full")
    with pytest.raises(NotEmpty):
        one.rename(OWNER, folder, "moved", folder, "full")
    one.rmdir(OWNER, folder, "removed")
    one.unlink(OWNER, full, "f")
    one.rename(OWNER, folder, "moved", folder, "full")
    for gone in (removed, full):
        with pytest.raises(NotFound):
            one.node(OWNER, gone)
        with pytest.raises(NotFound):
            one.create(OWNER, gone, "f", FILE)
    assert one.lookup(OWNER, folder, "full").id == moved


def test_a_lent_folder_that_is_looked_up_is_as_this_mount_has_it(mounts: Mounts) -> None:
    one, _ = mounts
    folder = lent(one)
    node = one.create(OWNER, folder, "open", FILE, draft=True)  # not told before it is closed
    for look in (one.lookup, one.look):
        assert look(OWNER, FILES_ROOT, "d").mtime >= node.mtime
    assert one.folders.counts()[0], "nothing was told meanwhile"


def test_a_loan_whose_ids_are_used_up_is_asked_for_again(mounts: Mounts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.service.loans.IDS", 4)
    one, other = mounts
    folder = lent(one)
    loans: list[int] = []
    taken = one.folders.lend

    def lend(loan: Loan, asked: float) -> None:
        loans.append(loan.first)
        taken(loan, asked)

    monkeypatch.setattr(one.folders, "lend", lend)
    made = {write(one, folder, f"f{number}", b"x").id for number in range(20)}
    assert len(loans) > 1
    assert {entry.node.id for entry in other.children(OWNER, folder)} >= made


def test_what_else_is_asked_of_a_new_file(mounts: Mounts) -> None:
    one, other = mounts
    folder = lent(one)
    made = write(one, folder, "f", b"first")
    one.set_attributes(OWNER, made.id, AttributeChange(mode=0o600, mtime=12_000_000_007, atime=11))
    one.set_xattr(OWNER, made.id, "user.a", b"b")
    assert other.xattr(OWNER, made.id, "user.a") == b"b"
    one.create(OWNER, folder, "e", FILE)
    one.settle()
    one.rename(OWNER, folder, "f", folder, "g")
    with pytest.raises(NotFound):
        one.lookup(OWNER, folder, "f")
    found = other.lookup(OWNER, folder, "g")
    assert (found.mode, found.mtime, found.atime) == (0o100600, 12_000_000_007, 11)
    again = one.commit(OWNER, made.id, 1, 6, [patch(0, b"second")])
    assert again.version == 2
    second = write(one, folder, "f", b"1")
    one.commit(OWNER, second.id, 1, 1, [patch(0, b"2")])
    one.unlink(OWNER, folder, "f")
    one.create(OWNER, folder, "f", FILE)
    big = bytes(one.inline_limit() + 1)
    large = one.create(OWNER, folder, "large", FILE)
    one.put_blob(sha256(big).digest(), big, durable=False)
    assert one.commit(OWNER, large.id, 0, len(big), [Patch(0, len(big), sha256(big).digest())]).size == len(big)
    assert read(other, other.lookup(OWNER, folder, "large")) == big
    assert one.node(OWNER, folder).mtime >= made.mtime
    inner = one.create(OWNER, folder, "inner", FOLDER).id
    write(one, inner, "f", b"")
    with pytest.raises(DriveError):
        one.rmdir(OWNER, folder, "inner")
    one.unlink(OWNER, inner, "f")
    one.rmdir(OWNER, folder, "inner")
    assert one.view_files(OWNER, ["+untagged"]), "a mount reads its own writes"


@pytest.mark.allows_log(
    "new files of a mount that died|somebody else has made|the folder of orphan is gone|made here waits"
)
def test_a_mount_that_dies_has_lost_nothing(mount: Open, mounts: Mounts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its journal is sent by the next one; where others took the names meanwhile, its files are beside them."""
    monkeypatch.setattr("gateway.service.lent.LOAN_SECONDS", 1.0)
    dying, other = mount(3, closing=False), mounts[1]
    folder = lent(dying)
    dying.tell()
    told = write(dying, folder, "told", b"told")
    dying.tell()
    dying._teller.stop()  # as if it were killed: nothing is told any more
    made = {name: write(dying, folder, name, name.encode()) for name in ("lost", "taken")}
    inner = dying.create(OWNER, folder, "inner", FOLDER).id
    write(dying, inner, "deep", b"deep")
    dying._follower.close()
    with pytest.raises(NotFound):
        other.lookup(OWNER, folder, "lost")
    write(other, folder, "taken", b"theirs")
    again = mount(3)
    again.tell()
    eventually(lambda: {"lost", "inner", "told"} <= {entry.name for entry in other.children(OWNER, folder)})
    names = {entry.name: entry.node for entry in other.children(OWNER, folder)}
    assert names["lost"].id == made["lost"].id
    assert names["told"].id == told.id
    assert read(other, names["taken"]) == b"theirs"
    assert [read(other, node) for name, node in names.items() if name.startswith("taken (conflict ")] == [b"taken"]
    assert read(other, other.lookup(OWNER, inner, "deep")) == b"deep"
    assert (again.status(OWNER).link or pytest.fail("no link")).waiting == 0


@pytest.mark.allows_log("new files of a mount that died|could not be asked to make everything durable")
def test_the_next_mount_is_the_heir(mount: Open, mounts: Mounts, tmp_path: Path) -> None:
    """Who looks in waits until it has sent what was made, and then for nothing: it is handed back."""
    dying, other = mount(3, closing=False), mounts[1]
    folder = lent(dying)
    dying.tell()
    dying._teller.stop()
    write(dying, folder, "made", b"made")
    inner = dying.create(OWNER, folder, "inner", FOLDER).id
    write(dying, inner, "deep", b"deep")
    dying._follower.close()
    heir = mount(3, closing=False)
    found = at_once(
        lambda: read(other, other.lookup(OWNER, folder, "made")), lambda: other.create(OWNER, folder, "made", FILE)
    )
    assert found[0] == b"made"
    assert isinstance(found[1], AlreadyExists)
    assert [entry.name for entry in other.children(OWNER, inner)] == ["deep"]
    assert other.create(OWNER, inner, "theirs", FILE).links == 1
    heir.tell()
    eventually(heir.folders.returned)
    write(heir, folder, "more", b"more")
    heir.close()
    assert (tmp_path / "mount-3" / MOUNTS).read_text() == "", "nobody has anything any more"


@pytest.mark.allows_log(
    "new files of a mount that died|somebody else has made|the folder of orphan is gone|made here waits"
)
def test_a_mount_whose_folder_went_away_keeps_what_it_made(
    mount: Open, mounts: Mounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.service.lent.LOAN_SECONDS", 0.5)
    dying, other = mount(4, closing=False), mounts[0]
    folder = lent(dying)
    dying.tell()
    dying._teller.stop()
    write(dying, folder, "orphan", b"orphan")
    dying._follower.close()
    for entry in other.children(OWNER, folder):
        other.unlink(OWNER, folder, entry.name)
    other.rmdir(OWNER, FILES_ROOT, "d")
    mount(4).tell()
    with suppress(NotFound):
        assert [item.path for item in other.trash(OWNER) if item.path == "orphan"] == ["orphan"]


def test_a_name_from_a_listing_is_as_it_is_now(mounts: Mounts) -> None:
    """After every change of this mount, and once it has heard of the other's, however long a listing is believed."""
    one, other = mounts
    random_ = random.Random(5)
    folder = one.create(OWNER, FILES_ROOT, "d", FOLDER).id
    names = [f"f{number}" for number in range(12)]

    def found(look: Callable[[Caller, int, str], Node]) -> list[Node | None]:
        nodes: list[Node | None] = []
        for name in names:
            try:
                nodes.append(look(OWNER, folder, name))
            except NotFound:
                nodes.append(None)
        return nodes

    def changed(drive: LendingDrive) -> None:
        name, new = random_.sample(names, 2)
        with suppress(NotFound, AlreadyExists):
            match random_.randrange(4):
                case 0:
                    write(drive, folder, name, b"x" * random_.randrange(9))
                case 1:
                    drive.unlink(OWNER, folder, name)
                case 2:
                    drive.rename(OWNER, folder, name, folder, new)
                case 3:
                    node = drive.lookup(OWNER, folder, name)
                    drive.commit(OWNER, node.id, node.version, 3, [patch(0, b"abc")])

    answered = 0
    for step in range(40):
        before = one._ahead and sum(len(part.nodes) for part in one._ahead._parts.values())
        changed(one if step % 4 else other)
        if not step % 4:
            eventually(lambda: found(one.look) == found(one.lookup))
        else:
            assert found(one.look) == found(one.lookup), step
        answered += bool(before)
    assert answered, "nothing was answered from a listing"
