"""Rules of folders, waits, fetching within bounds, and what the worker knows of tags."""

import itertools
from pathlib import Path

import pytest

from graphfs.errors import Unavailable
from graphfs.model import Caller, Edge, Extent, Layout, Tag
from tagger import retry
from tagger.fetch import fetch, ranges_of, read_small
from tagger.knowledge import Knowledge, Proposals
from tagger.pipeline import is_excluded
from tagger.rules import Rules, for_file, inherited, parse, strictest, wishes
from tagger.suggest.subject import Wishes

ME = Caller(0, 0)


def test_a_good_file() -> None:
    found = parse(b"tagger: local\nmode: strict\nvocabulary: [a, b/c]\ntags: x\nlanguage: de\nmax_bytes_sent: 10\n")
    assert found == Rules("local", "strict", ("a", "b/c"), ("x",), "de", 10)
    assert parse(b"tagger: off\n").tagger == "off"
    assert parse(b"") == Rules()


@pytest.mark.parametrize(
    "text",
    [
        b"tagger: [",
        b"- a\n",
        b"tagger: lokal\n",
        b"colour: red\n",
        b"mode: 7\n",
        b"\xff\xfe",
        b"max_bytes_sent: -1\n",
        b"a" * 70_000,
        b"x: &a [*a]\n",
    ],
)
def test_a_bad_file_is_reported_and_keeps_its_files_here(text: bytes) -> None:
    found = parse(text)
    assert found.problem
    assert found.tagger == "local"


def test_a_bad_key_does_not_undo_off() -> None:
    assert parse(b"tagger: off\ncolour: red\n").tagger == "off"


def test_no_code_is_run() -> None:
    assert parse(b"tagger: !!python/object/apply:os.system ['true']\n").tagger == "local"


def test_inheritance() -> None:
    whole = inherited(
        [Rules(tagger="local", tags=("a",), language="de"), Rules(tags=("b",), language="en"), Rules(tagger="cloud")]
    )
    assert whole == Rules(tagger="cloud", tags=("a", "b"), language="en")
    assert wishes(Wishes(), whole) == Wishes(language="en", fixed=("a", "b"))
    assert inherited([Rules(tagger="off"), Rules()]).tagger == "off"


def test_rules_for_some_of_the_files() -> None:
    outer = parse(b"tagger: cloud\nfiles:\n  '*.key': {tagger: local}\n  'drafts/*/*.txt': {tags: [draft]}\n")
    inner = parse(b"files: {'*.key': {tagger: 'off'}}")
    assert outer.problem == inner.problem == ""
    folders = (("files/a", outer), ("files/a/b", inner))
    assert for_file(folders[:1], "files/a/x/server.KEY").tagger == "local"
    assert for_file(folders, "files/a/b/server.key").tagger == "off"
    assert for_file(folders, "files/a/b/server.txt").tagger == "cloud"
    assert for_file(folders[:1], "files/a/drafts/one/x.txt").tags == ("draft",)
    assert for_file(folders[:1], "files/a/drafts/x.txt").tags is None


@pytest.mark.parametrize(
    "text", [b"files: [a]", b"files: {'*': 7}", b"files: {'*': {files: {}}}", b"files: {a: {b: c}}"]
)
def test_bad_patterns_keep_files_here(text: bytes) -> None:
    found = parse(text)
    assert found.problem
    assert found.tagger == "local"


def test_of_several_names_the_most_private_counts() -> None:
    cloud, local = Rules(tags=("a",), max_bytes_sent=50), Rules(tagger="local", tags=("b",), max_bytes_sent=10)
    assert strictest([cloud, local]) == Rules(tagger="local", tags=("a", "b"), max_bytes_sent=10)
    assert strictest([cloud, Rules(tagger="off")]).tagger == "off"
    assert strictest([Rules()]).tagger == "cloud"


def test_waits_grow_and_are_bounded() -> None:
    assert [retry.backoff(n, 2.0, 60.0, 1.0) for n in (1, 2, 3, 9)] == [2.0, 4.0, 8.0, 60.0]
    assert retry.backoff(3, 2.0, 60.0, 0.0) == 4.0
    assert retry.after_unavailable(1, 17.0, 0.5) == 17.0
    assert retry.after_unavailable(100, None, 1.0) == 120.0
    assert [retry.idle(0), retry.idle(100)] == [0.25, 5.0]


@pytest.mark.parametrize("size", [0, 1, 1000, (64 << 10) + 1, 1 << 30, 1 << 40])
def test_ranges_are_apart_and_within_the_bound(size: int) -> None:
    most = 64 << 10
    ranges = ranges_of(size, most)
    if size <= most:
        assert ranges == ()
        return
    assert sum(length for _, length in ranges) <= most
    assert ranges[0][0] == 0
    assert all(one[0] + one[1] <= other[0] for one, other in itertools.pairwise(ranges))
    assert sum(ranges[-1]) == size


class Blobs:
    """One file of two blobs with a hole between."""

    def __init__(self) -> None:
        self.blobs = {b"1": b"x" * 100, b"2": b"y" * 100}

    def layout(self, caller: Caller, node: int) -> Layout:
        return Layout(1, 300, (Extent(0, 90, b"1", 10), Extent(200, 100, b"2")))

    def read_blob(self, digest: bytes, start: int, length: int) -> bytes:
        return self.blobs[digest][start : start + length]


def test_fetching_keeps_places(tmp_path: Path) -> None:
    source = fetch(Blobs(), ME, 1, b"name", tmp_path / "f", 1 << 20)
    assert (tmp_path / "f").read_bytes() == b"x" * 90 + bytes(110) + b"y" * 100
    assert (source.whole, source.size) == (True, 300)
    assert read_small(Blobs(), ME, 1, 50) == b"x" * 51
    part = fetch(Blobs(), ME, 1, b"name", tmp_path / "f", 100)
    data = (tmp_path / "f").read_bytes()
    assert len(data) == 300
    assert data.endswith(b"y" * 20)
    assert not part.whole


def test_a_programs_own_files() -> None:
    excluded = (
        "files/a/.graphfs.yaml",
        "files/.git/config",
        "files/~$a.docx",
        "files/.a.txt.swp",
        "files/p/__pycache__/x.pyc",
    )
    assert all(is_excluded(path) for path in excluded)
    assert not any(is_excluded(path) for path in ("files/a.txt", "files/.bashrc", "files/git/x", "files/.github/x"))


class Tags:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.about: list[int] = []
        self.away = False
        self.all = [Tag(1, 0, "a", 1, 0), Tag(2, 0, "maybe", 0, 0), Tag(3, 0, "mine", 0, 0)]

    def tags(self, caller: Caller) -> list[Tag]:
        self.asked += 1
        if self.away:
            raise Unavailable("away")
        return list(self.all)

    def edges(self, caller: Caller, file: int) -> list[Edge]:
        self.about.append(file)
        return [Edge("a")]


def test_knowledge_asks_seldom_and_proposals_are_no_tags(tmp_path: Path) -> None:
    now = [0.0]
    drive = Tags()
    Proposals(tmp_path / "p").add(["Maybe"])
    knowledge = Knowledge(drive, ME, Proposals(tmp_path / "p"), lambda: now[0])
    first = knowledge.tags()
    assert [tag.path for tag in first] == ["a", "mine"]
    knowledge.changed(by_person=False)
    assert knowledge.tags() is first
    assert drive.asked == 1
    now[0] = 3.0
    assert knowledge.tags() is first
    assert drive.asked == 2
    drive.all[1] = Tag(2, 0, "maybe", 1, 0)
    knowledge.changed(by_person=False)
    now[0] = 6.0
    assert [tag.path for tag in knowledge.tags()] == ["a", "maybe", "mine"]


def test_what_a_person_changes_is_known_at_once(tmp_path: Path) -> None:
    now = [10.0]
    drive = Tags()
    knowledge = Knowledge(drive, ME, clock=lambda: now[0])
    knowledge.tags()
    for _ in range(3):
        knowledge.changed(by_person=True)
        knowledge.changed(by_person=False)
        now[0] += 0.1
        knowledge.tags()
    assert drive.asked == 4
    for _ in range(1_000):
        knowledge.changed(by_person=True)
        knowledge.tags()
    assert drive.asked == 4


def test_files_are_asked_about_again_after_a_person_said_something(tmp_path: Path) -> None:
    """Not after each file that a tagger hands in; and a drive that is away just then makes nothing forgotten."""
    now = [10.0]
    drive = Tags()
    knowledge = Knowledge(drive, ME, clock=lambda: now[0])
    knowledge.tags()
    for _ in range(3):
        now[0] += 3.0
        knowledge.changed(by_person=False)
        knowledge.tags()
        assert knowledge.edges(7) == [Edge("a")]
    assert drive.about == [7]
    knowledge.changed(by_person=True)
    now[0] += 0.1
    drive.away = True
    with pytest.raises(Unavailable):
        knowledge.tags()
    drive.away = False
    knowledge.tags()
    knowledge.edges(7)
    assert drive.about == [7, 7]
    now[0] += 61.0
    knowledge.tags()
    knowledge.edges(7)
    assert drive.about == [7, 7, 7]


def test_what_a_person_says_while_the_drive_is_asked_counts() -> None:
    """The answer about tags may be from before it, and what is known of files certainly is."""
    drive = Tags()
    now = [10.0]
    knowledge = Knowledge(drive, ME, clock=lambda: now[0])
    knowledge.tags()
    knowledge.edges(7)
    knowledge.changed(by_person=False)
    now[0] += 3.0
    ask = drive.tags

    def interrupted(caller: Caller) -> list[Tag]:
        knowledge.changed(by_person=True)
        return ask(caller)

    drive.tags = interrupted  # type: ignore[method-assign]  # the person speaks just now
    knowledge.tags()
    drive.tags = ask  # type: ignore[method-assign]  # and never again
    now[0] += 0.1
    knowledge.tags()
    knowledge.edges(7)
    assert drive.about == [7, 7]
