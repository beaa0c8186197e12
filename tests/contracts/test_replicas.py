"""Two services on one Neo4j are two main servers: each change has one winner, and each sees what the other did."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from gateway.service import open_service
from gateway.service.service import Service
from graphfs.config import Store
from graphfs.errors import AlreadyExists, Conflict, NotFound
from graphfs.model import FILES_ROOT, Event, Patch, Scope
from tests.contracts.conftest import CONFIG
from tests.contracts.ground import OWNER
from tests.neo4j import Graph


@pytest.fixture
def two(graph: Graph, tmp_path: Path) -> Iterator[tuple[Service, Service]]:
    """Two main servers that have the blobs' folder in common."""
    config = msgspec.structs.replace(
        CONFIG,
        store=Store(engine="neo4j"),
        neo4j=graph.emptied(),
        blobs=msgspec.structs.replace(CONFIG.blobs, folder=str(tmp_path / "blobs")),
    )
    one, other = open_service(tmp_path / "one", config), open_service(tmp_path / "other", config)
    yield one, other
    try:
        other.store.caught_up()
        one.store.caught_up()
        assert one.fsck(OWNER, verify=True) == other.fsck(OWNER, verify=True) == []
    finally:
        one.close()
        other.close()


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


def test_what_is_held_by_one_is_left_alone_by_the_other(two: tuple[Service, Service]) -> None:
    """An open file without a name: the server that its reader does not go through cannot know of it."""
    one, other = two
    node = one.create(OWNER, FILES_ROOT, "open", 0o100644)
    one.hold(node.id)
    one.unlink(OWNER, FILES_ROOT, "open")
    other.store.caught_up()
    assert other.fsck(OWNER, repair=True) == []
    assert one.node(OWNER, node.id).links == 0
    one.release(node.id)
    with pytest.raises(NotFound):
        other.node(OWNER, node.id)
