"""A program looks whether a name is there before it makes it: one question does for that, and nothing is missed."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from gateway.service.service import Service
from graphfs.errors import NotFound
from graphfs.model import FILES_ROOT, AttributeChange, Caller, Edge, EdgeState, Node, Source, View
from tests.unit.vfs_tags.conftest import Ground
from tests.unit.vfs_tags.shell import Shell


@pytest.fixture
def tagged(ground: Ground) -> Iterator[Shell]:
    """Nothing of what it does takes any time."""
    with ground.mount(clock=lambda: 1.0) as shell:
        ground.service.create_tag(shell.caller, "a")
        yield shell


def test_two_looks_and_a_creation_ask_the_drive_once(
    tagged: Shell, drive: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    look = drive.view_entry

    def counted(caller: Caller, path: Sequence[str], name: str) -> View | Node:
        asked.append(name)
        return look(caller, path, name)

    monkeypatch.setattr(drive, "view_entry", counted)
    folder = tagged.stat("tags/a").id
    asked.clear()
    for _ in range(2):
        with pytest.raises(NotFound):
            tagged.volume.lookup(tagged.caller, folder, "new.txt")
    opened, _ = tagged.volume.create(tagged.caller, folder, "new.txt", 0o644, 1)
    tagged.close(opened.handle)
    assert asked == ["new.txt"]
    assert tagged.files("tags/a") == ["new.txt"]


def test_what_others_make_between_two_looks_is_found(tagged: Shell, drive: Service) -> None:
    assert not tagged.exists("tags/a/new.txt")
    drive.create(tagged.caller, FILES_ROOT, "new.txt", 0o100644, tags=["a"])
    assert tagged.exists("tags/a/new.txt")
    assert not tagged.exists("tags/a/new")
    drive.create_tag(tagged.caller, "a/new")
    assert tagged.exists("tags/a/new")


def test_where_events_come_late_each_look_asks(ground: Ground, drive: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    with ground.mount(clock=lambda: 1.0, late=True) as shell:
        drive.create_tag(shell.caller, "a")
        folder = shell.stat("tags/a").id
        monkeypatch.setattr(drive.publisher, "_listeners", [])
        with pytest.raises(NotFound):
            shell.volume.lookup(shell.caller, folder, "new.txt")
        node = drive.create(shell.caller, FILES_ROOT, "new.txt", 0o100644, tags=["a"])
        assert shell.volume.lookup(shell.caller, folder, "new.txt").id == node.id


def test_a_tag_that_waits_for_review_can_be_named_once_it_was_looked_at(tagged: Shell, drive: Service) -> None:
    node = drive.create(tagged.caller, FILES_ROOT, "f", 0o100644)
    waits = Edge("b", EdgeState.REVIEW, Source.MODEL, "m", confidence=0.5)
    drive.put_edges(tagged.caller, node.file, [waits])
    assert not tagged.exists("tags/b")
    assert tagged.exists("tags/+review/b/f")
    assert tagged.exists("tags/b")


def test_a_stranger_sees_at_once_what_is_shown_to_them(tagged: Shell, drive: Service) -> None:
    node = drive.create(tagged.caller, FILES_ROOT, "f", 0o100600, tags=["a"])
    stranger = replace(tagged, caller=Caller(1000, 1000, pid=7))
    assert not stranger.exists("tags/a/f")
    tagged.volume.setattr(tagged.caller, node.id, AttributeChange(mode=0o644))
    assert stranger.exists("tags/a/f")
