"""Names that have broken programs, through the operations that take one: kept byte for byte, and without a meaning."""

import os
from typing import Any

import pytest

from graphfs import wire
from graphfs.api import Drive
from graphfs.errors import InvalidArgument, NameTooLong, NotFound
from graphfs.model import FILES_ROOT, Edge, EdgeState, Extent, JobState, Layout, Outcome, Replace, Source, Suggestion
from graphfs.query.render import quoted
from tests.contracts.ground import FILE, FOLDER, ODD_NAMES, OWNER, Ground, digest_of

NAMES = (
    *ODD_NAMES,
    "`n` {id: 0}) SET n.x = 1 ; --",
    "$p.files",
    "\u202eexe.txt",
    "👩‍👩‍👧‍👦🏳️‍🌈",
    "\x01\x7f\u0085\u2028",
    "ÿ" * 127,
    os.fsdecode(b"\xed\xa0\x80 a surrogate in UTF-8"),
    "ff0000",
)
TAGS = (
    "O'Brien",
    '"; DROP',
    "`x`) DETACH DELETE (y",
    "{id: 0}",
    "$p.tags",
    "\u200b\u202e rtl",
    "👩‍👧",
    "100 %",
    "a\\b",
)
REFUSED = ("", ".", "..", "a/b", "nul\0", "\0ff", "x" * 256, "\ud800")


def test_files(ground: Ground) -> None:
    drive = ground.drive
    folder, other = ground.folder("d"), ground.folder("e")
    for name in NAMES:
        node = drive.create(OWNER, folder.id, name, FILE)
        assert drive.lookup(OWNER, folder.id, name).id == node.id
        drive.link(OWNER, node.id, other.id, name)
    assert ground.names(folder) == ground.names(other) == list(NAMES)
    for name in NAMES[::3]:
        node = drive.create(OWNER, other.id, f"to {name}"[:80], 0o120777, target=name)
        assert drive.readlink(OWNER, node.id) == name
        drive.set_xattr(OWNER, node.id, f"user.{name}"[:80], name.encode("utf-8", "surrogateescape"))
        assert drive.xattrs(OWNER, node.id) == [f"user.{name}"[:80]]
        drive.unlink(OWNER, other.id, name)
        drive.rename(OWNER, folder.id, name, other.id, name)
        assert drive.path(OWNER, drive.lookup(OWNER, other.id, name).id) == f"files/e/{name}"
    assert len(ground.names(folder)) == len(NAMES) - len(NAMES[::3])
    made = drive.create(OWNER, folder.id, "below", FOLDER)
    drive.rmdir(OWNER, folder.id, made and "below")


def test_tags(ground: Ground) -> None:
    drive = ground.drive
    for name in TAGS:
        node = ground.file("f", b"x", tags=(f"{name}/{name}",))
        assert ground.applied(node) == [f"{name}/{name}"]
        assert ground.found(name, name) == ["f"]
        drive.unlink(OWNER, FILES_ROOT, "f")
    assert {tag.path for tag in drive.tags(OWNER)} == {path for name in TAGS for path in (name, f"{name}/{name}")}
    drive.rename_tag(OWNER, TAGS[0], f"{TAGS[1]}/{TAGS[2]}")
    drive.set_alias(OWNER, TAGS[3], TAGS[0])
    assert drive.view(OWNER, [TAGS[0]]).tag.path == TAGS[3]  # type: ignore[union-attr]  # it is a tag's


def test_what_is_no_name(ground: Ground) -> None:
    for name in REFUSED:
        with pytest.raises((InvalidArgument, NameTooLong)):
            ground.drive.create(OWNER, FILES_ROOT, name, FILE)
        with pytest.raises((InvalidArgument, NotFound)):
            ground.drive.lookup(OWNER, FILES_ROOT, name)
    assert ground.names(FILES_ROOT) == []


class Recorder:
    """The drive, and which of its operations were asked with one of these texts somewhere in their arguments."""

    def __init__(self, drive: Drive, texts: tuple[str, ...]) -> None:
        self._drive, self._texts = drive, texts
        self.asked: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._drive, name)

        def asked(*arguments: Any, **named: Any) -> Any:
            if any(ascii(text)[1:-1] in ascii((arguments, named)) for text in self._texts):
                self.asked.add(name)
            return call(*arguments, **named)

        return asked


ELSEWHERE = {
    # a name of letters, digits and a few signs, which others are refused for
    "tokens", "create_token", "revoke_token", "lock", "unlock", "in_the_way", "renew_locks", "drop_locks", "heartbeat",
}  # fmt: skip


def is_text(name: str) -> bool:
    """Whether it is one in UTF-8: what is no name of a file holds nothing else."""
    return not any("\udc80" <= character <= "\udcff" for character in name)


def takes_text(row: wire.Operation) -> bool:
    fields = [one for one in row.parameters if one.name != "digest"]
    return any("str" in repr(one.crossing.form) or one.name in {"edges", "outcome"} for one in fields)


WITH_TEXTS = {row.name for row in wire.OPERATIONS.values() if row.of_drive and takes_text(row)} - ELSEWHERE
"""Read off the boundary, so that a new operation is missed here until its names are tried."""


def of_files(drive: Any, ground: Ground, number: int, name: str) -> None:
    top = drive.create(OWNER, FILES_ROOT, f"top {number}", FOLDER).id
    folder = drive.create(OWNER, top, name, FOLDER)
    other = drive.create(OWNER, top, "other", FOLDER)
    drive.rmdir(OWNER, folder.id, drive.create(OWNER, folder.id, name, FOLDER) and name)
    file = ground.write(drive.create(OWNER, folder.id, name, FILE), b"content")
    link = drive.create(OWNER, other.id, name, 0o120777, target=name)
    assert drive.readlink(OWNER, link.id) == name
    drive.rename(OWNER, other.id, name, folder.id, name, Replace.EXCHANGE)
    assert drive.lookup(OWNER, other.id, name).id == file.id
    drive.rename(OWNER, folder.id, name, folder.id, "moved")
    drive.link(OWNER, file.id, folder.id, name)
    below = f"files/top {number}"
    assert sorted(drive.paths(OWNER, file.id)) == sorted([f"{below}/other/{name}", f"{below}/{name}/{name}"])
    drive.unlink(OWNER, folder.id, name)
    attribute = os.fsdecode(os.fsencode(f"user.{name}")[:255])
    drive.set_xattr(OWNER, file.id, attribute, os.fsencode(name))
    assert drive.xattr(OWNER, file.id, attribute) == os.fsencode(name)
    drive.remove_xattr(OWNER, file.id, attribute)
    assert drive.xattrs(OWNER, file.id) == []
    drive.unlink(OWNER, other.id, name)
    trashed = drive.trash(OWNER)[0]
    assert trashed.path == f"{below}/other/{name}"
    assert drive.restore(OWNER, trashed.id) == trashed.path
    digest = digest_of(b"lost")
    drive.put_blob(digest, b"lost", durable=False)
    lost = drive.recover(OWNER, f"{below}/{name}/lost {number}", Layout(0, 4, (Extent(0, 4, digest),)))
    assert drive.restore(OWNER, lost) == f"{below}/{name}/lost {number}"


def test_every_operation_takes_every_name(ground: Ground) -> None:
    drive = Recorder(ground.drive, NAMES)
    for number, name in enumerate(NAMES):
        of_files(drive, ground, number, name)
    for name in filter(is_text, NAMES):
        drive.remember(name, name, name, [name])
        assert drive.remembered(name, name, name) == (name,)
        assert drive.spend(name, 5) == 5
    tags = Recorder(ground.drive, TAGS)
    for number, name in enumerate(TAGS):
        of_tags(tags, ground, name, f"{number}")
    assert WITH_TEXTS - (drive.asked | tags.asked) == set()


def of_tags(drive: Any, ground: Ground, name: str, number: str) -> None:
    file = ground.file(f"f{number}", number.encode()).file
    tag = drive.create_tag(OWNER, name)
    assert (tag.path, drive.view(OWNER, [name]).tag.path) == (name, name)
    drive.delete_tag(OWNER, name)
    edge = Edge(f"{name}/{name}", EdgeState.APPLIED, Source.MODEL, name, name, 0.9, name, 5, name)
    drive.put_edges(OWNER, file, [edge], why=name)
    assert edge in drive.edges(OWNER, file)
    assert [entry.name for entry in drive.view_files(OWNER, [name])] == [f"f{number}"]
    assert name in [facet.name for facet in drive.view_facets(OWNER, [])]
    assert [facet.name for facet in drive.view_facets(OWNER, [name])] == [name]
    assert drive.view_entry(OWNER, [name], name).path == (name, name)
    assert drive.view_entry(OWNER, [name], f"f{number}").file == file
    assert [entry.name for entry in drive.find(OWNER, quoted(name))] == [f"f{number}"]
    drive.rename_tag(OWNER, f"{name}/{name}", number)
    drive.set_alias(OWNER, number, f"{name} too")
    drive.merge_tags(OWNER, number, name)
    assert ground.drive.view(OWNER, [number]).tag.path == name  # type: ignore[union-attr]  # it is a tag's
    batch = drive.drop_tag(OWNER, name, why=name)
    assert (
        ground.drive.journal(OWNER, 1)[0].why in {name, f"removed {name}"}
        or name in ground.drive.journal(OWNER, 1)[0].why
    )
    ground.drive.undo(OWNER, batch)
    assert drive.change_tags(OWNER, [file], [], [name], why=name) > 0
    drive.set_tags(OWNER, file, [name, f"{name} t"], why=name)
    assert {edge.tag for edge in ground.drive.edges(OWNER, file) if edge.state is EdgeState.APPLIED} == {
        name,
        f"{name} t",
    }
    drive.set_tags(OWNER, file, [], why=name)
    drive.drop_tag(OWNER, f"{name} t")
    (job,) = drive.lease(name, 1, 60.0)
    suggestion = Suggestion(f"{name} s", 0.99, Source.RULE, name, name, name)
    end = Outcome(JobState.TAGGED, (suggestion,), name, None, name)
    assert drive.finish(job.file, job.lease, end) == JobState.TAGGED
    drive.drop_tag(OWNER, f"{name} s")
