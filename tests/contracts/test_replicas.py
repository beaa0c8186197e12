"""Two services on one Neo4j are two main servers: each change has one winner, and each sees what the other did."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.app import run_in_thread
from gateway.service import open_service
from gateway.service.service import Service
from graphfs.client import connect
from graphfs.config import Config
from graphfs.errors import AlreadyExists, Conflict, NotEmpty, NotFound, Unavailable
from graphfs.model import FILES_ROOT, AttributeChange, Event, EventKind, Lock, LockKind, Patch, Scope
from tests.contracts.ground import OWNER, eventually, patch
from tests.neo4j import Graph


def at_once(*calls: Callable[[], object]) -> list[object]:
    """What each call returned or raised; they begin together."""
    found: list[object] = [None] * len(calls)
    gate = threading.Barrier(len(calls))

    def run(number: int) -> None:
        gate.wait()
        try:
            found[number] = calls[number]()
        except Exception as error:  # noqa: BLE001  # it is what the test is about
            found[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return found


def test_one_name_has_one_winner(two: tuple[Service, Service]) -> None:
    for name in ("a", "b", "c"):
        found = at_once(*(lambda s=s, n=name: s.create(OWNER, FILES_ROOT, n, 0o100644) for s in two * 3))
        assert sum(isinstance(one, AlreadyExists) for one in found) == 5, found
    assert [entry.name for entry in two[0].children(OWNER, FILES_ROOT)] == ["a", "b", "c"]


def test_a_commit_has_one_winner(two: tuple[Service, Service]) -> None:
    node = two[0].create(OWNER, FILES_ROOT, "f", 0o100644)
    contents = [b"one", b"other", b"third", b"fourth"]
    patches = [Patch(0, len(data), sha256(data).digest(), data=data) for data in contents]
    found = at_once(
        *(lambda s=s, p=p: s.commit(OWNER, node.id, 0, p.length, (p,)) for s, p in zip(two * 2, patches, strict=True))
    )
    assert sum(isinstance(one, Conflict) for one in found) == 3, found
    assert two[0].node(OWNER, node.id).version == 1


def test_changes_of_tags_converge(two: tuple[Service, Service]) -> None:
    files = [two[0].create(OWNER, FILES_ROOT, f"f{number}", 0o100644).file for number in range(8)]
    two[1].store.caught_up()
    found = at_once(
        *(lambda s=s, f=f: s.change_tags(OWNER, [f], ["x/y", "z"], []) for s, f in zip(two * 4, files, strict=True))
    )
    assert found == [2] * 8
    found = at_once(
        lambda: two[0].change_tags(OWNER, files[:4], [], ["z"]),
        lambda: two[1].change_tags(OWNER, files[4:], [], ["x"]),
        lambda: two[0].change_tags(OWNER, files, ["w"], []),
    )
    assert found == [4, 4, 8]
    for service in two:
        service.store.caught_up()
        counted = {tag.path: tag.files for tag in service.tags(OWNER)}
        assert counted == {"w": 8, "x": 4, "x/y": 4, "z": 4}


def test_a_folder_is_not_removed_under_a_new_file(two: tuple[Service, Service]) -> None:
    for number in range(4):
        folder = two[0].create(OWNER, FILES_ROOT, f"d{number}", 0o040755)
        at_once(
            lambda n=number: two[0].rmdir(OWNER, FILES_ROOT, f"d{n}"),
            lambda f=folder: two[1].create(OWNER, f.id, "inside", 0o100644),
        )
        # Either the folder is gone and nothing was made in it, or it holds the file: fsck says so at the end.


def test_events_have_one_numbering(two: tuple[Service, Service]) -> None:
    start = two[0].events(-1, 0)[0].seq
    two[0].create(OWNER, FILES_ROOT, "a", 0o040755)
    two[1].create(OWNER, FILES_ROOT, "b", 0o040755)
    two[0].create(OWNER, FILES_ROOT, "c", 0o040755)

    def all_of(service: Service) -> list[Event]:
        deadline = time.monotonic() + 10
        while len(found := service.events(start, 1)) < 3 and time.monotonic() < deadline:
            pass
        return found

    assert [event.name for event in all_of(two[0])] == ["a", "b", "c"]
    assert all_of(two[0]) == all_of(two[1])


def test_writers_share_commits(two: tuple[Service, Service], graph: Graph) -> None:
    def many(service: Service, which: int) -> None:
        for number in range(10):
            service.create(OWNER, FILES_ROOT, f"{which}-{number}", 0o100644)

    before = graph.run("MATCH (c:Change) RETURN count(c)")[0][0]
    at_once(*(lambda n=n: many(two[0], n) for n in range(16)))
    after = graph.run("MATCH (c:Change) RETURN count(c)")[0][0]
    assert len(two[1].children(OWNER, FILES_ROOT)) == 160
    assert isinstance(before, int)
    assert isinstance(after, int)
    assert after - before <= 100


def test_a_token_of_one_is_known_to_the_other_and_revoked_for_both(two: tuple[Service, Service]) -> None:
    one, other = two
    made = one.create_token(OWNER, "laptop", [Scope.READ])
    digest = sha256(made.secret.encode()).hexdigest()
    assert other.gate.admit(digest) == made.token
    assert other.gate.known(digest) == made.token
    other.revoke_token(OWNER, "laptop")
    assert other.gate.known(digest) is None
    deadline = time.monotonic() + 2
    while one.gate.known(digest) is not None:
        assert time.monotonic() < deadline
    assert one.gate.admit(digest) is None


def test_a_token_s_name_is_taken_once_by_whomever(two: tuple[Service, Service]) -> None:
    made: list[str] = []

    def make(service: Service) -> None:
        with suppress(AlreadyExists):
            made.append(service.create_token(OWNER, "same", [Scope.READ]).secret)

    at_once(*(lambda n=n: make(two[n % 2]) for n in range(6)))
    assert len(made) == 1
    digest = sha256(made[0].encode()).hexdigest()
    assert [service.gate.admit(digest) is not None for service in two] == [True, True]


def test_an_open_file_without_a_name_lives_whichever_server_is_asked(two: tuple[Service, Service]) -> None:
    one, other = two
    node = one.create(OWNER, FILES_ROOT, "open", 0o100644)
    one.hold(node.id)
    other.unlink(OWNER, FILES_ROOT, "open")
    patch = Patch(0, 4, sha256(b"text").digest(), data=b"text")
    assert other.commit(OWNER, node.id, 0, 4, [patch]).links == 0
    other.release(node.id)
    assert one.fsck(OWNER, repair=True) == other.fsck(OWNER, repair=True) == []
    assert one.node(OWNER, node.id).size == 4
    one.clock = lambda: time.time_ns() + 25 * 3600 * 10**9
    assert [problem.kind for problem in one.fsck(OWNER, repair=True)] == ["node without name"]
    with pytest.raises(NotFound):
        other.node(OWNER, node.id)


def saved(service: Service, node: int, base: int, data: bytes) -> int:
    """The version that a commit of the whole content makes."""
    return service.commit(OWNER, node, base, len(data), [patch(0, data)]).version


def test_a_version_that_the_other_made_is_no_conflict(slow: tuple[Service, Service]) -> None:
    """What a main server knows of a file by itself may be of yesterday: it asks before it refuses."""
    one, other = slow
    node = one.create(OWNER, FILES_ROOT, "f", 0o100644).id
    assert saved(one, node, 0, b"one") == 1
    assert saved(other, node, 1, b"two") == 2
    assert saved(one, node, 2, b"three") == 3
    for service, base in ((other, 2), (one, 2)):
        with pytest.raises(Conflict):
            saved(service, node, base, b"lost")
    assert other.node(OWNER, node).size == 5
    assert saved(other, node, 3, b"four") == 4
    with pytest.raises(Conflict):  # nothing to write is no reason to believe
        one.commit(OWNER, node, 3, 5, [])


def test_a_folder_that_the_other_changed_is_as_it_is_now(slow: tuple[Service, Service]) -> None:
    one, other = slow
    folder = one.create(OWNER, FILES_ROOT, "d", 0o40755).id
    one.create(OWNER, folder, "a", 0o40755)
    other.set_attributes(OWNER, folder, AttributeChange(mode=0o42775, gid=4321))
    assert one.create(OWNER, folder, "b", 0o100644).gid == 4321
    other.create(OWNER, folder, "c", 0o40755)
    one.create(OWNER, folder, "e", 0o40755)
    assert one.node(OWNER, folder).links == other.node(OWNER, folder).links == 5
    one.set_attributes(OWNER, folder, AttributeChange(mode=0o40700))
    assert other.node(OWNER, folder).links == 5
    other.rename(OWNER, FILES_ROOT, "d", FILES_ROOT, "g")
    for name in ("a", "c", "e"):
        other.rmdir(OWNER, folder, name)
    other.unlink(OWNER, folder, "b")
    other.rmdir(OWNER, FILES_ROOT, "g")
    with pytest.raises(NotFound):
        one.create(OWNER, folder, "late", 0o100644)


def test_who_comes_too_late_for_a_name_is_told_so_at_once(slow: tuple[Service, Service]) -> None:
    """Whatever the loser remembers of the folder and of its own file."""
    one, other = slow
    folder = one.create(OWNER, FILES_ROOT, "d", 0o40755).id
    own = [one.create(OWNER, folder, name, 0o100644).id for name in ("a", "b")]
    for turn in range(3):
        other.link(OWNER, own[1], folder, f"n{turn}")
        with pytest.raises(AlreadyExists):
            one.link(OWNER, own[0], folder, f"n{turn}")
        with pytest.raises(AlreadyExists):
            one.create(OWNER, folder, f"n{turn}", 0o100644)
        with pytest.raises(NotEmpty):
            other.rmdir(OWNER, FILES_ROOT, "d")
        other.unlink(OWNER, folder, f"n{turn}")
        with pytest.raises(NotFound):
            one.unlink(OWNER, folder, f"n{turn}")


def test_many_changes_of_both_leave_every_count_right(slow: tuple[Service, Service]) -> None:
    """Changes that add up (times, counts of names) in commits of their own and of others."""
    folder = slow[0].create(OWNER, FILES_ROOT, "d", 0o40755).id

    def work(number: int) -> None:
        service = slow[number % 2]
        for turn in range(8):
            made = service.create(OWNER, folder, f"{number}-{turn}", 0o40755 if turn % 2 else 0o100644)
            service.set_attributes(OWNER, folder, AttributeChange(mode=0o40700 + number))
            if turn % 4 == 0:
                saved(service, made.id, 0, b"text")
                service.link(OWNER, made.id, FILES_ROOT, f"{number}-{turn}")
                service.set_attributes(OWNER, made.id, AttributeChange(mode=0o600))
            elif turn % 4 == 1:
                service.rmdir(OWNER, folder, f"{number}-{turn}")

    assert at_once(*(lambda number=number: work(number) for number in range(4))) == [None] * 4
    assert [service.node(OWNER, folder).links for service in slow] == [2 + 4 * 2] * 2
    for number, service in enumerate(slow):  # what each remembers of the folder is written back by this
        service.create(OWNER, folder, f"last-{number}", 0o40755)
        service.set_attributes(OWNER, folder, AttributeChange(mode=0o40755))
    assert [service.node(OWNER, folder).links for service in slow] == [2 + 4 * 2 + 2] * 2


def test_what_one_made_goes_to_the_trash_by_the_other(two: tuple[Service, Service]) -> None:
    """Also when the other has not read yet that it was made."""
    one, other = two
    other.store.caught_up = lambda: None  # type: ignore[method-assign]  # it reads nothing
    for number in range(5):
        data = b"dear"
        node = one.create(OWNER, FILES_ROOT, f"f{number}", 0o100644)
        one.commit(OWNER, node.id, 0, 4, [Patch(0, 4, sha256(data).digest(), data=data)])
        other.unlink(OWNER, FILES_ROOT, f"f{number}")
    del other.store.caught_up
    assert len(one.trash(OWNER)) == 5


@pytest.fixture
def front(two: tuple[Service, Service]) -> Iterator[tuple[int, int]]:
    """The ports of both."""
    servers = [run_in_thread(one, "127.0.0.1:0", token="t", instance="shared") for one in two]
    yield servers[0].ports[0], servers[1].ports[0]
    for server in servers:
        server.stop()


class Alternating:
    """One client of two servers: every call goes to the other one."""

    def __init__(self, ports: Sequence[int]) -> None:
        self.drives = [connect(f"127.0.0.1:{port}", token="t") for port in ports]
        self._turn = 0

    def __getattr__(self, name: str) -> Any:
        before, drive = self.drives[self._turn % 2], self.drives[(self._turn + 1) % 2]
        self._turn += 1
        drive.asker.seen = before.asker.seen
        return getattr(drive, name)

    def close(self) -> None:
        for drive in self.drives:
            drive.close()


def test_a_client_sees_what_it_did_by_another_server(front: tuple[int, int]) -> None:
    drive = Alternating(front)
    try:
        for number in range(6):
            node = drive.create(OWNER, FILES_ROOT, f"f{number}", 0o100644, tags=[f"t{number % 3}"])
            assert drive.view(OWNER, [f"t{number % 3}"]).files == number // 3 + 1
            drive.change_tags(OWNER, [node.file], ["all"], [])
            assert node.id in {entry.node.id for entry in drive.view_files(OWNER, ["all"])}
            drive.create_tag(OWNER, f"made/{number}")
            drive.rename_tag(OWNER, f"made/{number}", f"moved-{number}")
            assert drive.drop_tag(OWNER, f"moved-{number}")
    finally:
        drive.close()


def test_an_editor_s_save_is_recognised_whichever_server_is_asked(front: tuple[int, int]) -> None:
    drive = Alternating(front)
    try:
        for number in range(6):
            name = f"f{number}"
            node = drive.create(OWNER, FILES_ROOT, name, 0o100644, tags=["kept"])
            if number % 2:
                drive.node(OWNER, node.id)
            drive.rename(OWNER, FILES_ROOT, name, FILES_ROOT, f"{name}~")
            made = drive.create(OWNER, FILES_ROOT, name, 0o100644)
            assert made.file == node.file
        assert drive.view(OWNER, ["kept"]).files == 6
    finally:
        drive.close()


def test_a_request_does_not_wait_for_what_never_was(front: tuple[int, int]) -> None:
    drive = connect(f"127.0.0.1:{front[0]}", token="t", timeout=15.0)
    try:
        drive.view(OWNER, ())
        drive.asker.seen += 1000  # as after the store was restored from a copy
        begun = time.monotonic()
        with suppress(Unavailable):
            drive.view(OWNER, ())
        assert drive.view(OWNER, ()).files == 0
        assert time.monotonic() - begun < 10
    finally:
        drive.close()


def test_a_new_server_knows_the_latest_events(two: tuple[Service, Service], shared: Config, tmp_path: Path) -> None:
    start = two[0].events(-1, 0)[0].seq
    two[0].create(OWNER, FILES_ROOT, "a", 0o040755)
    two[1].create(OWNER, FILES_ROOT, "b", 0o040755)
    third = open_service(tmp_path / "third", shared)
    try:
        eventually(lambda: len(two[0].events(start, 0)) >= 2)  # the first hears of what the second did
        eventually(lambda: third.events(start, 0) == two[0].events(start, 0))
        assert third.events(start - 10**6, 1)[0].kind is EventKind.RESET
    finally:
        third.close()


HOUR = 3600 * 10**9


@pytest.mark.parametrize("wrong", [HOUR, -HOUR])
def test_a_server_whose_clock_is_wrong_goes_by_that_of_all(shared: Config, tmp_path: Path, wrong: int) -> None:
    right = open_service(tmp_path / "right", shared)
    other = open_service(tmp_path / "wrong", shared, clock=lambda: time.time_ns() + wrong)
    try:
        node = right.create(OWNER, FILES_ROOT, "f", 0o100644)
        for number, (first, second) in enumerate(((right, other), (other, right))):
            lock = Lock(LockKind.FILE, True, f"first{number}", 1)
            assert first.lock(OWNER, node.id, lock, 60.0) is None
            assert second.lock(OWNER, node.id, msgspec.structs.replace(lock, holder="second"), 60.0) is not None
            first.unlock(OWNER, node.id, lock)

            assert [job.file for job in first.lease(f"worker{number}", 1, 60.0)] == [node.file]
            assert second.lease("another", 1, 60.0) == [], "nobody works on what another one has"
            second.commit(OWNER, node.id, number, 1, (patch(0, b"x"),))

            made = second.create_token(OWNER, f"t{number}", (Scope.READ,), expires=time.time_ns() + 60 * 10**9)
            for server in (first, second):
                assert server.gate.admit(sha256(made.secret.encode()).hexdigest()) is not None
        assert abs(other.create(OWNER, FILES_ROOT, "g", 0o100644).mtime - time.time_ns()) < 60 * 10**9
    finally:
        right.close()
        other.close()
