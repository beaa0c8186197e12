"""What changed, pushed."""

import stat
import threading

import pytest

from graphfs.errors import AlreadyExists
from graphfs.model import (
    FILES_ROOT,
    FROM_TAGGER,
    AttributeChange,
    Caller,
    EventKind,
    JobState,
    Outcome,
    Source,
    Suggestion,
    XattrMode,
)
from tests.contracts.ground import OWNER, Ground, listening


def newest(ground: Ground) -> int:
    return ground.drive.events(-1, 0)[-1].seq


def test_events_come_in_order_and_from_where_one_was(ground: Ground) -> None:
    start = newest(ground)
    for name in "abc":
        ground.drive.create(Caller(OWNER.uid, OWNER.gid, pid=77), FILES_ROOT, name, stat.S_IFDIR | 0o755)
    events = ground.drive.events(start, 1)
    assert [event.seq for event in events] == sorted({event.seq for event in events})
    assert events[0].seq > start
    entries = [event for event in events if event.kind == EventKind.ENTRY]
    assert [(event.node, event.name, event.origin) for event in entries] == [(FILES_ROOT, name, 77) for name in "abc"]
    assert ground.drive.events(entries[0].seq, 0) == [event for event in events if event.seq > entries[0].seq]
    assert ground.drive.events(events[-1].seq, 0) == []


def test_what_a_tagger_hands_in_is_told_from_what_people_do(ground: Ground) -> None:
    """Also where nobody knows which process asked: what people say of tags teaches a tagger, its own word does not."""
    node = ground.file("a", b"x")
    job = ground.leased(node)[node.file]
    start = newest(ground)
    suggested = Suggestion("boat", 0.9, Source.MODEL, "m", "p", "e")
    ground.drive.finish(job.file, job.lease, Outcome(JobState.TAGGED, (suggested,)))
    handed_in = ground.drive.events(start, 1)
    assert {EventKind.TAGS, EventKind.JOBS} <= {event.kind for event in handed_in}
    assert {event.origin for event in handed_in} == {FROM_TAGGER}
    ground.drive.change_tags(OWNER, [node.file], ["sea"], [])
    said = [event.origin for event in ground.drive.events(handed_in[-1].seq, 1) if event.kind == EventKind.TAGS]
    assert said
    assert FROM_TAGGER not in said


def test_waiting_for_the_next(ground: Ground) -> None:
    start = newest(ground)
    found = []
    waiter = threading.Thread(target=lambda: found.extend(ground.drive.events(start, 30)))
    waiter.start()
    ground.folder("d")
    waiter.join(10)
    assert not waiter.is_alive()
    assert found[0].name == "d"


def test_too_old_is_a_reset(ground: Ground) -> None:
    (event,) = ground.drive.events(0, 0)
    assert event.kind == EventKind.RESET
    assert event.seq == newest(ground)


def test_every_kind_of_change_is_told(ground: Ground) -> None:
    file = ground.file("a", b"x")
    with listening(ground.drive) as listener:
        ground.drive.set_attributes(OWNER, file.id, AttributeChange(mode=0o600))
        listener.wait(lambda event: event.kind == EventKind.NODE and event.node == file.id)
        listener.events.clear()
        ground.write(ground.at("a"), b"y")
        listener.wait(lambda event: event.kind == EventKind.NODE and event.node == file.id)
        listener.events.clear()
        ground.drive.set_xattr(OWNER, file.id, "user.a", b"1", XattrMode.ANY)
        listener.wait(lambda event: event.kind == EventKind.NODE and event.node == file.id)
        ground.drive.change_tags(OWNER, [file.file], ["x"], [])
        listener.wait(lambda event: event.kind == EventKind.TAGS)
        ground.drive.rename(OWNER, FILES_ROOT, "a", FILES_ROOT, "b")
        listener.wait(lambda event: event.kind == EventKind.ENTRY and event.name == "a")
        listener.wait(lambda event: event.kind == EventKind.ENTRY and event.name == "b")
        job = ground.leased(file)[file.file]
        ground.drive.finish(file.file, job.lease, Outcome(JobState.TAGGED))
        ground.drive.unlink(OWNER, FILES_ROOT, "b")
        listener.wait(lambda event: event.kind == EventKind.ENTRY and event.name == "b")
        numbers = [event.seq for event in listener.events]
        assert numbers == sorted(numbers)


def test_after_stopping_nothing_is_told(ground: Ground) -> None:
    with listening(ground.drive) as first, listening(ground.drive) as second:
        ground.folder("one")
        first.wait(lambda event: event.name == "one")
        second.wait(lambda event: event.name == "one")
    with listening(ground.drive) as third:
        ground.folder("two")
        third.wait(lambda event: event.name == "two")
    assert not any(event.name == "two" for event in first.events + second.events)


def test_no_event_is_lost_under_load(ground: Ground) -> None:
    with listening(ground.drive) as listener:

        def make(prefix: str) -> None:
            for number in range(50):
                ground.drive.create(OWNER, FILES_ROOT, f"{prefix}{number}", stat.S_IFDIR | 0o755)

        threads = [threading.Thread(target=make, args=(prefix,)) for prefix in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ground.folder("last")
        listener.wait(lambda event: event.name == "last")
        told = [event.name for event in listener.events if event.kind == EventKind.ENTRY]
    assert len(told) == len(set(told)) == 201


def test_a_change_that_failed_is_not_told(ground: Ground) -> None:
    ground.folder("d")
    start = newest(ground)
    for _ in range(3):
        with pytest.raises(AlreadyExists):
            ground.drive.create(OWNER, FILES_ROOT, "d", stat.S_IFDIR | 0o755)
    assert ground.drive.events(start, 0) == []
