"""The vocabulary, who has what, and the journal."""

import pytest

from graphfs.errors import (
    AlreadyExists,
    Conflict,
    InvalidArgument,
    NameTooLong,
    NoAttribute,
    NotEmpty,
    NotFound,
)
from graphfs.model import FILES_ROOT, Caller, Edge, EdgeState, JobState, Node, Outcome, Source, Suggestion, XattrMode
from tests.contracts.ground import OWNER, Ground


def paths(ground: Ground) -> list[str]:
    return [tag.path for tag in ground.drive.tags(OWNER)]


def everything(ground: Ground, *nodes: Node) -> object:
    """All that is said of tags: what an undo must bring back."""
    tags = [(tag.id, tag.parent, tag.path, tag.files, tag.aliases) for tag in ground.drive.tags(OWNER)]
    return tags, [sorted(ground.drive.edges(OWNER, node.file), key=lambda edge: edge.tag) for node in nodes]


def suggest(ground: Ground, node: Node, *suggestions: Suggestion) -> None:
    """Lets a tagger say this of a file."""
    ground.drive.retry(OWNER, [node.file])
    job = ground.leased(node)[node.file]
    assert ground.drive.finish(node.file, job.lease, Outcome(JobState.TAGGED, suggestions)) == "tagged"


def test_giving_and_taking(ground: Ground) -> None:
    one, two = ground.file("a"), ground.file("b")
    files = [one.file, two.file]
    assert ground.drive.change_tags(OWNER, files, ["x", "year/2024"], []) == 4
    assert ground.drive.change_tags(OWNER, files, ["x", "year/2024"], []) == 0
    assert ground.applied(one) == ["x", "year/2024"]
    assert ground.at("a").tags == 2
    assert paths(ground) == ["x", "year", "year/2024"]
    assert [tag.files for tag in ground.drive.tags(OWNER)] == [2, 2, 2]
    assert ground.drive.change_tags(OWNER, [one.file], [], ["year"]) == 1
    assert ground.applied(one) == ["x"]
    assert ground.drive.change_tags(OWNER, [one.file], [], ["year"]) == 0
    assert ground.applied(two) == ["x", "year/2024"]


def test_exactly_these_tags(ground: Ground) -> None:
    file, drive = ground.file("a"), ground.drive
    drive.set_tags(OWNER, file.file, ["x", "year/2024"], why="said")
    assert ground.applied(file) == ["x", "year/2024"]
    assert drive.journal(OWNER)[0].why == "said"
    drive.put_edges(OWNER, file.file, [Edge("cat", EdgeState.APPLIED, Source.MODEL, "m", confidence=0.9)])
    drive.put_edges(OWNER, file.file, [Edge("dog", EdgeState.APPLIED, Source.MODEL, "m", confidence=0.8)])
    drive.set_tags(OWNER, file.file, ["YEAR", "year/2024", "cat"])
    assert ground.applied(file) == ["cat", "year", "year/2024"]
    said = {edge.tag: (edge.state, edge.source) for edge in drive.edges(OWNER, file.file)}
    assert said["cat"] == (EdgeState.APPLIED, Source.MODEL)  # what stays keeps its source
    assert said["dog"] == (EdgeState.REJECTED, Source.MODEL)
    drive.set_tags(OWNER, file.file, ["year/2024"])
    assert ground.applied(file) == ["year/2024"]  # below a tag that is taken, and said
    entries = len(drive.journal(OWNER))
    drive.set_tags(OWNER, file.file, ["year/2024"])
    assert len(drive.journal(OWNER)) == entries
    with pytest.raises(AlreadyExists):
        drive.set_tags(OWNER, file.file, ["z"], XattrMode.CREATE)
    drive.set_tags(OWNER, file.file, [], XattrMode.REPLACE)
    assert (ground.applied(file), ground.at("a").tags) == ([], 0)
    with pytest.raises(NoAttribute):
        drive.set_tags(OWNER, file.file, ["z"], XattrMode.REPLACE)
    with pytest.raises(InvalidArgument):
        drive.set_tags(OWNER, file.file, ["z", "-a"])
    with pytest.raises(NotFound):
        drive.set_tags(OWNER, 999_999, ["z"])
    assert "z" not in paths(ground)
    drive.set_tags(OWNER, file.file, ["z"], XattrMode.CREATE)
    assert ground.applied(file) == ["z"]


def test_an_edge_says_who_and_when(ground: Ground) -> None:
    file = ground.file("a")
    ground.drive.change_tags(Caller(OWNER.uid, OWNER.gid, actor="ada"), [file.file], ["x"], [])
    (edge,) = ground.drive.edges(OWNER, file.file)
    assert (edge.tag, edge.state, edge.source, edge.confidence) == ("x", "applied", "person", 1.0)
    assert edge.actor == "ada"
    assert edge.at > 0
    ground.drive.change_tags(OWNER, [file.file], ["y"], [])
    assert {edge.actor for edge in ground.drive.edges(OWNER, file.file)} == {"ada", f"uid:{OWNER.uid}"}


def test_a_change_happens_whole_or_not_at_all(ground: Ground) -> None:
    file = ground.file("a", tags=("keep",))
    for error, files, add in (
        (NotFound, [file.file, 999_999], ["x"]),
        (InvalidArgument, [file.file], ["x", "no,comma"]),
        (InvalidArgument, [file.file], ["x", "a//b"]),
        (NameTooLong, [file.file], ["x", "n" * 201]),
    ):
        with pytest.raises(error):
            ground.drive.change_tags(OWNER, files, add, ["keep"])
    assert ground.applied(file) == ["keep"]
    assert paths(ground) == ["keep"]


def test_names_that_no_tag_has(ground: Ground) -> None:
    for name in ("", ".a", "+a", "-a", "a,b", "a..b", "a\nb", " a", "a\udc80"):
        with pytest.raises(InvalidArgument):
            ground.drive.create_tag(OWNER, name)
    assert paths(ground) == []


def test_names_that_a_tag_may_have(ground: Ground) -> None:
    names = ("it's", 'quo"ted', "with space", "中文", "😀", "a;DROP TABLE tags", "50%", "a&b=c?d#e", "x" * 200)
    file = ground.file("a", tags=names)
    assert sorted(paths(ground)) == ground.applied(file) == sorted(names)
    for name in names:
        assert ground.found(name) == ["a"]
        assert ground.drive.change_tags(OWNER, [file.file], [], [name]) == 1


def test_tags_are_unique_without_regard_to_case_and_form(ground: Ground) -> None:
    file = ground.file("a", tags=("Straße", "Ame\u0301lie"))
    assert sorted(paths(ground)) == sorted(["Straße", "Am\u00e9lie"])
    assert ground.drive.change_tags(OWNER, [file.file], ["STRASSE", "am\u00c9lie"], []) == 0
    with pytest.raises(AlreadyExists):
        ground.drive.create_tag(OWNER, "strasse")


def test_creating_and_deleting_a_tag(ground: Ground) -> None:
    made = ground.drive.create_tag(OWNER, "a/b")
    assert (made.path, made.files, made.aliases) == ("a/b", 0, ())
    assert paths(ground) == ["a", "a/b"]
    with pytest.raises(AlreadyExists):
        ground.drive.create_tag(OWNER, "A/B")
    with pytest.raises(NotEmpty):
        ground.drive.delete_tag(OWNER, "a")
    ground.drive.delete_tag(OWNER, "A/b")
    file = ground.file("f", tags=("a",))
    with pytest.raises(NotEmpty):
        ground.drive.delete_tag(OWNER, "a")
    ground.drive.change_tags(OWNER, [file.file], [], ["a"])
    ground.drive.delete_tag(OWNER, "a")
    assert paths(ground) == []
    with pytest.raises(NotFound):
        ground.drive.delete_tag(OWNER, "a")


def test_parents_come_before_children_and_siblings_by_name(ground: Ground) -> None:
    for path in ("b", "a/z", "a/Y", "B/c"):
        ground.drive.create_tag(OWNER, path)
    assert paths(ground) == ["a", "a/Y", "a/z", "b", "b/c"]


def test_rename_and_move_of_a_tag(ground: Ground) -> None:
    file = ground.file("f", tags=("a/b",))
    renamed = ground.drive.rename_tag(OWNER, "a/b", "a/c")
    assert renamed.path == "a/c"
    moved = ground.drive.rename_tag(OWNER, "a/c", "d")
    assert (moved.path, moved.id, moved.parent) == ("d", renamed.id, 0)
    assert ground.applied(file) == ["d"]
    assert ground.found("a") == []
    ground.drive.rename_tag(OWNER, "d", "D")
    assert "D" in paths(ground)
    ground.drive.create_tag(OWNER, "taken")
    with pytest.raises(AlreadyExists):
        ground.drive.rename_tag(OWNER, "d", "Taken")
    with pytest.raises(InvalidArgument):
        ground.drive.rename_tag(OWNER, "d", "d/e")
    with pytest.raises(NotFound):
        ground.drive.rename_tag(OWNER, "d", "none/d")
    with pytest.raises(NotFound):
        ground.drive.rename_tag(OWNER, "none", "other")
    with pytest.raises(InvalidArgument):
        ground.drive.rename_tag(OWNER, "d", "-d")


def test_dropping_a_tag_takes_exactly_that_and_comes_back(ground: Ground) -> None:
    one = ground.file("a", b"1", tags=("drop/below", "keep"))
    two = ground.file("b", b"2", tags=("drop", "drop/below"))
    before = everything(ground, one, two)
    batch = ground.drive.drop_tag(OWNER, "drop", why="not needed")
    assert paths(ground) == ["keep"]
    assert ground.applied(one) == ["keep"]
    assert ground.applied(two) == []
    assert ground.names(FILES_ROOT) == ["a", "b"]
    entry = ground.drive.journal(OWNER)[0]
    assert (entry.batch, entry.why, entry.undone) == (batch, "not needed", False)
    undone = ground.drive.undo(OWNER, batch)
    assert undone.changes > 0
    assert everything(ground, one, two) == before
    with pytest.raises(NotFound):
        ground.drive.drop_tag(OWNER, "none")


def test_merging(ground: Ground) -> None:
    one = ground.file("a", tags=("old",))
    both = ground.file("b", tags=("old", "new"))
    below = ground.file("c", tags=("old/child",))
    before = everything(ground, one, both, below)
    seen = ground.drive.merge_tags(OWNER, "old", "new", preview=True)
    assert (seen.applied, seen.files, seen.already, seen.children) == (False, 2, 1, 1)
    assert everything(ground, one, both, below) == before
    done = ground.drive.merge_tags(OWNER, "old", "new")
    assert (done.applied, done.files, done.already, done.children) == (True, 2, 1, 1)
    assert paths(ground) == ["new", "new/child"]
    assert [ground.applied(node) for node in (one, both, below)] == [["new"], ["new"], ["new/child"]]
    assert ground.found("old") == ground.found("new") == ["a", "b", "c"]
    assert next(tag for tag in ground.drive.tags(OWNER) if tag.path == "new").aliases == ("old",)
    ground.drive.undo(OWNER)
    assert everything(ground, one, both, below) == before
    with pytest.raises(NotFound):
        ground.drive.merge_tags(OWNER, "none", "new")
    with pytest.raises(InvalidArgument):
        ground.drive.merge_tags(OWNER, "new", "new")


def test_aliases(ground: Ground) -> None:
    file = ground.file("a", tags=("photo", "other"))
    ground.drive.set_alias(OWNER, "photo", "Picture")
    assert ground.found("picture") == ["a"]
    assert ground.drive.change_tags(OWNER, [file.file], ["PICTURE"], []) == 0
    assert ground.drive.change_tags(OWNER, [file.file], ["picture/child"], []) == 1
    assert "photo/child" in paths(ground)
    for path, taken in (("photo", "Other"), ("other", "Photo"), ("other", "picture")):
        with pytest.raises(AlreadyExists):
            ground.drive.set_alias(OWNER, path, taken)
    with pytest.raises(AlreadyExists):
        ground.drive.create_tag(OWNER, "picture")
    with pytest.raises(NotFound):
        ground.drive.set_alias(OWNER, "none", "x")
    with pytest.raises(InvalidArgument):
        ground.drive.set_alias(OWNER, "other", "a,b")


def test_machines_words_are_kept_apart(ground: Ground) -> None:
    file = ground.file("a", b"text")
    suggest(
        ground,
        file,
        Suggestion("sure", 0.9, model="m", prompt="p", evidence="page 1"),
        Suggestion("maybe", 0.5),
        Suggestion("hardly", 0.1),
    )
    said = {edge.tag: edge for edge in ground.drive.edges(OWNER, file.file)}
    assert {tag: edge.state for tag, edge in said.items()} == {"sure": "applied", "maybe": "review"}
    sure = said["sure"]
    assert (sure.source, sure.model, sure.prompt, sure.evidence, sure.confidence) == ("model", "m", "p", "page 1", 0.9)
    assert [edge.confidence for edge in ground.drive.edges(OWNER, file.file)] == [0.9, 0.5]
    assert ground.at("a").tags == 1
    assert ground.drive.status(OWNER).review == 1


def test_a_tag_of_a_machine_that_was_taken_away_does_not_come_back(ground: Ground) -> None:
    file = ground.file("a", b"text")
    suggest(ground, file, Suggestion("wrong", 0.9), Suggestion("right", 0.9))
    ground.drive.change_tags(OWNER, [file.file], [], ["wrong"])
    assert {edge.tag: edge.state for edge in ground.drive.edges(OWNER, file.file)} == {
        "wrong": "rejected",
        "right": "applied",
    }
    suggest(ground, file, Suggestion("wrong", 0.99), Suggestion("right", 0.9))
    assert ground.applied(file) == ["right"]
    assert ground.found("wrong") == []
    ground.drive.change_tags(OWNER, [file.file], ["wrong"], [])
    assert ground.applied(file) == ["right", "wrong"]
    assert next(edge for edge in ground.drive.edges(OWNER, file.file) if edge.tag == "wrong").source == "person"


def test_a_person_stands_above_a_machine(ground: Ground) -> None:
    file = ground.file("a", b"text", tags=("mine",))
    suggest(ground, file, Suggestion("mine", 0.99), Suggestion("maybe", 0.5), Suggestion("theirs", 0.9))
    said = {edge.tag: edge for edge in ground.drive.edges(OWNER, file.file)}
    assert said["mine"].source == "person"
    ground.drive.change_tags(OWNER, [file.file], ["maybe"], [])
    said = {edge.tag: edge for edge in ground.drive.edges(OWNER, file.file)}
    assert (said["maybe"].state, said["maybe"].source) == ("applied", "person")
    # What the machine does not repeat retires, what a person gave or accepted stays.
    suggest(ground, file)
    assert ground.applied(file) == ["maybe", "mine"]


def test_edges_are_imported_with_where_they_come_from(ground: Ground) -> None:
    file = ground.file("a")
    edges = [
        Edge("x/y", EdgeState.APPLIED, Source.MODEL, "m", "p", 0.8, "why", 123, "tagger"),
        Edge("no", EdgeState.REJECTED, Source.PERSON, at=5, actor="ada"),
        Edge("maybe", EdgeState.REVIEW, Source.MODEL, confidence=0.5, at=6, actor="tagger"),
    ]
    assert ground.drive.put_edges(OWNER, file.file, edges, why="import") == 3
    assert sorted(ground.drive.edges(OWNER, file.file), key=lambda edge: edge.tag) == sorted(edges, key=lambda e: e.tag)
    assert ground.drive.put_edges(OWNER, file.file, edges) == 0
    assert ground.at("a").tags == 1
    with pytest.raises(NotFound):
        ground.drive.put_edges(OWNER, 999_999, edges)
    with pytest.raises(NotFound):
        ground.drive.edges(OWNER, 999_999)


def test_the_journal_says_who_changed_what(ground: Ground) -> None:
    file = ground.file("a")
    for name in ("ada", "bob"):
        caller = Caller(OWNER.uid, OWNER.gid, actor=name)
        ground.drive.change_tags(caller, [file.file], [f"of {name}"], [], why=f"{name} says so")
    newest, older = ground.drive.journal(OWNER)[:2]
    assert [(one.actor, one.why, one.undone) for one in (newest, older)] == [
        ("bob", "bob says so", False),
        ("ada", "ada says so", False),
    ]
    assert newest.changes > 0
    assert newest.batch > older.batch
    assert newest.at >= older.at
    assert [one.batch for one in ground.drive.journal(OWNER, limit=1)] == [newest.batch]
    assert ground.drive.journal(OWNER, before=newest.batch)[0] == older


def test_what_one_process_does_in_a_row_is_one_batch(ground: Ground) -> None:
    one, two = ground.file("a"), ground.file("b")
    process, other = (Caller(OWNER.uid, OWNER.gid, pid=pid) for pid in (11, 12))
    ground.drive.change_tags(process, [one.file], ["x"], [])
    ground.drive.change_tags(other, [one.file], ["y"], [])
    ground.drive.change_tags(process, [two.file], ["x"], [])
    assert len(ground.drive.journal(OWNER)) == 2
    ground.drive.undo(OWNER, min(entry.batch for entry in ground.drive.journal(OWNER)))
    assert (ground.applied(one), ground.applied(two)) == (["y"], [])


def test_undo_brings_back_exactly_what_was(ground: Ground) -> None:
    one = ground.file("a", b"1", tags=("old", "both"))
    two = ground.file("b", b"2", tags=("old",))
    suggest(ground, two, Suggestion("machine", 0.9, model="m", evidence="e"))
    changes = [
        lambda: ground.drive.change_tags(OWNER, [one.file, two.file], ["new", "both"], ["old"], why="1"),
        lambda: ground.drive.change_tags(OWNER, [two.file], [], ["machine"], why="2"),
        lambda: ground.drive.put_edges(OWNER, one.file, [Edge("imported", at=1, actor="x")], why="3"),
    ]
    for change in changes:
        before = everything(ground, one, two)
        change()
        assert everything(ground, one, two) != before
        batch = ground.drive.journal(OWNER)[0].batch
        entry = ground.drive.undo(OWNER, batch)
        assert entry.batch > batch
        # Tags that were made for it may stay, without files; everything said of files is as it was.
        assert everything(ground, one, two)[1] == before[1]  # type: ignore[index]  # a pair
        assert next(old for old in ground.drive.journal(OWNER) if old.batch == batch).undone


def test_undo_leaves_what_was_changed_since(ground: Ground) -> None:
    one, two = ground.file("a"), ground.file("b")
    ground.drive.change_tags(OWNER, [one.file, two.file], ["x"], [], why="first")
    first = ground.drive.journal(OWNER)[0].batch
    ground.drive.change_tags(Caller(OWNER.uid, OWNER.gid, actor="ada"), [one.file], [], ["x"], why="since")
    ground.drive.change_tags(Caller(OWNER.uid, OWNER.gid, actor="bob"), [one.file], ["x"], [], why="again")
    ground.drive.undo(OWNER, first)
    assert ground.applied(one) == ["x"]
    assert ground.applied(two) == []


def test_undo_of_what_cannot_be_undone(ground: Ground) -> None:
    with pytest.raises(NotFound):
        ground.drive.undo(OWNER)
    with pytest.raises(NotFound):
        ground.drive.undo(OWNER, 999_999)
    file = ground.file("a")
    ground.drive.change_tags(OWNER, [file.file], ["x"], [])
    batch = ground.drive.journal(OWNER)[0].batch
    ground.drive.undo(OWNER, batch)
    with pytest.raises(Conflict):
        ground.drive.undo(OWNER, batch)


def test_undo_can_be_undone(ground: Ground) -> None:
    file = ground.file("a")
    ground.drive.change_tags(OWNER, [file.file], ["x"], [])
    entry = ground.drive.undo(OWNER)
    assert ground.applied(file) == []
    ground.drive.undo(OWNER, entry.batch)
    assert ground.applied(file) == ["x"]


def test_tags_follow_the_file_into_the_trash_and_back(ground: Ground) -> None:
    file = ground.file("a", b"1", tags=("x",))
    ground.drive.unlink(OWNER, FILES_ROOT, "a")
    assert ground.found("x") == []
    assert next(tag for tag in ground.drive.tags(OWNER) if tag.path == "x").files == 0
    ground.drive.restore(OWNER, ground.drive.trash(OWNER)[0].id)
    assert ground.found("x") == ["a"]
    assert ground.applied(file) == ["x"]
