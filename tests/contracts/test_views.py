"""Queries as folders."""

import stat
from pathlib import Path

import pytest

from gateway.service.service import open_service
from graphfs.errors import InvalidArgument, NotFound
from graphfs.model import FILES_ROOT, SUPER_ROOT, Node, Replace, View
from graphfs.names import short_id
from tests.contracts.conftest import CONFIG
from tests.contracts.ground import ODD_NAMES, OWNER, Ground


@pytest.fixture
def library(ground: Ground) -> Ground:
    """A few files with tags."""
    ground.file("a", tags=("red", "year/2023"))
    ground.file("b", tags=("red", "year/2024", "Round Thing"))
    ground.file("c", tags=("blue", "year/2024"))
    ground.file("d", tags=("blue", "red"))
    ground.file("e")
    return ground


VIEWS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("red",), "abd"),
    (("RED",), "abd"),
    (("red", "blue"), "d"),
    (("red,blue",), "abcd"),
    (("red", "-blue"), "ab"),
    (("red", "+not", "blue"), "ab"),
    (("year",), "abc"),
    (("year", "2024"), "bc"),
    (("red", "year", "2024"), "b"),
    (("year", "2023..2024"), "abc"),
    (("year", "2024.."), "bc"),
    (("year", "+direct"), ""),
    (("+direct", "year", "2024"), "bc"),
    (("+untagged",), "e"),
    (("+all",), "abcde"),
    (("+all", "-red"), "ce"),
    (("+recent",), "abcde"),
    (("round thing",), "b"),
)


def test_what_a_view_lists(library: Ground) -> None:
    for path, names in VIEWS:
        assert (path, library.found(*path)) == (path, list(names))
        view = library.drive.view(OWNER, path)
        assert (view.path, view.complete, view.files) == (path, True, len(names))


def test_parts_of_a_view_are_the_whole_and_its_names_are_unique(library: Ground) -> None:
    for folder in "xyz":
        for name in ("same", "blue", "a"):  # `blue` is a tag, `a` a file that is there
            library.file(f"{folder}/{name}", tags=("red",))
    whole = library.drive.view_files(OWNER, ("red",))
    assert len({entry.name for entry in whole}) == len(whole) == 12
    for size in (1, 5, 6, 12, 13):
        parts = []
        while part := library.drive.view_files(OWNER, ("red",), parts[-1].node.file if parts else 0, size):
            assert len(part) == min(size, len(whole) - len(parts))
            parts += part
        assert parts == whole
    middle = whole[4].node.file
    assert library.drive.view_files(OWNER, ("red",), middle) == whole[5:]
    assert library.drive.view_files(OWNER, ("red",), middle + 1, 2) == whole[5:7]


def test_parts_are_the_whole_after_every_change_of_names(library: Ground) -> None:
    drive = library.drive
    one, two, three = (library.folder(name) for name in ("one", "two", "three"))
    first, second = library.file("one/x", b"1", tags=("red",)), library.file("two/x", b"2", tags=("red",))
    shown = f"x~{short_id(second.file)}"

    def names() -> set[str]:
        whole, parts = drive.view_files(OWNER, ("red",)), []
        while part := drive.view_files(OWNER, ("red",), parts[-1].node.file if parts else 0, 2):
            parts += part
        assert parts == whole
        return {entry.name for entry in whole} - {"a", "b", "d"}

    assert names() == {"x", shown}
    drive.rename(OWNER, one.id, "x", one.id, "y")
    assert names() == {"y", "x"}
    drive.rename(OWNER, two.id, "x", one.id, "z")
    assert names() == {"y", "z"}
    drive.rename(OWNER, one.id, "z", two.id, "y")
    assert names() == {"y", f"y~{short_id(second.file)}"}
    drive.link(OWNER, second.id, two.id, "later")  # the older name is shown
    assert names() == {"y", f"y~{short_id(second.file)}"}
    drive.unlink(OWNER, two.id, "y")
    assert names() == {"y", "later"}
    third = library.file("three/later", b"3", tags=("red",))
    assert names() == {"y", "later", f"later~{short_id(third.file)}"}
    drive.rename(OWNER, one.id, "y", three.id, "later", Replace.EXCHANGE)  # they keep who they are, and change names
    assert names() == {"later", "y", f"later~{short_id(second.file)}"}
    library.file("one/other", b"4", tags=("red",))
    drive.rename(OWNER, one.id, "other", three.id, "later")  # replaced: the new content is the old file
    assert names() == {"later", "y", f"later~{short_id(second.file)}"}
    drive.unlink(OWNER, three.id, "later")
    assert names() == {"y", "later"}
    drive.restore(OWNER, next(item.id for item in drive.trash(OWNER) if item.path.endswith("three/later")))
    assert names() == {"later", "y", f"later~{short_id(second.file)}"}
    elsewhere = drive.create(OWNER, SUPER_ROOT, f".Trash-{OWNER.uid}", stat.S_IFDIR | 0o700)
    drive.link(OWNER, second.id, one.id, "still")
    drive.rename(OWNER, FILES_ROOT, "two", elsewhere.id, "two")  # it takes `later` along
    assert names() == {"later", "y", "still"}
    assert first.file == min(entry.node.file for entry in drive.view_files(OWNER, ("red",)) if entry.name == "later")


def test_files_stop_being_recent_by_time_alone(tmp_path: Path) -> None:
    drive, day = open_service(tmp_path / "state", CONFIG), 86400 * 10**9
    try:
        ground, begin = Ground(drive, tmp_path / "state"), drive.clock()
        drive.clock = lambda: begin
        ground.file("old", tags=("red",))
        assert ground.found("+recent", "red") == ["old"]
        drive.clock = lambda: begin + 5 * day
        ground.file("new", tags=("red",))
        drive.clock = lambda: begin + 6 * day
        assert ground.found("+recent", "red") == ["old", "new"]
        assert ground.found("red", "+not", "+recent") == []
        drive.clock = lambda: begin + 8 * day
        assert ground.found("+recent", "red") == ["new"]
        assert ground.found("red", "+not", "+recent") == ["old"]
        assert drive.view(OWNER, ("+recent",)).files == 1
    finally:
        drive.close()


def test_the_root_lists_no_files_but_the_top_level_tags(library: Ground) -> None:
    assert library.found() == []
    facets = library.drive.view_facets(OWNER, ())
    assert [(facet.name, facet.files) for facet in facets] == [("blue", 2), ("red", 3), ("Round Thing", 1), ("year", 3)]
    assert all(facet.child for facet in facets)
    assert {facet.tag for facet in facets} == {tag.id for tag in library.drive.tags(OWNER) if not tag.parent}


def test_what_names_nothing_is_not_found(library: Ground) -> None:
    absent = ["none", "red/none", "none/red", "red,none", "-none", "+nonsense", "year/2024/none", ""]
    for path in absent:
        for call in (library.drive.view, library.drive.view_files, library.drive.view_facets):
            with pytest.raises(NotFound):
                call(OWNER, path.split("/"))
    assert len(library.drive.tags(OWNER)) == 6


def test_an_operator_waits_for_its_words(library: Ground) -> None:
    view = library.drive.view(OWNER, ("red", "+not"))
    assert (view.complete, view.files) == (False, 0)
    assert library.found("red", "+not") == []


def test_what_a_file_put_into_a_view_is_given(library: Ground) -> None:
    assert library.drive.view(OWNER, ("RED", "year", "2024")).gives == ("red", "year/2024")
    for path in (("red,blue",), ("red", "-blue"), ("year", "2023..2024"), ("+recent",), ("+untagged",)):
        assert library.drive.view(OWNER, path).gives == ()


def test_the_tag_of_a_view(library: Ground) -> None:
    view = library.drive.view(OWNER, ("red", "year"))
    assert view.tag is not None
    assert (view.tag.path, view.child) == ("year", False)
    view = library.drive.view(OWNER, ("year", "2024"))
    assert view.tag is not None
    assert (view.tag.path, view.child) == ("year/2024", True)
    assert library.drive.view(OWNER, ("red",)).child
    assert library.drive.view(OWNER, ("red,blue",)).tag is None


def test_an_entry_is_an_operator_a_tag_a_file_or_an_expression(library: Ground) -> None:
    both = library.file("blue", tags=("red",))
    assert isinstance(library.drive.view_entry(OWNER, ("red",), "+not"), View)
    assert isinstance(library.drive.view_entry(OWNER, ("red",), "blue"), View)
    assert isinstance(library.drive.view_entry(OWNER, ("red",), "-blue"), View)
    file = library.drive.view_entry(OWNER, ("red",), "a")
    assert isinstance(file, Node)
    assert file == library.at("a")
    with pytest.raises(NotFound):
        library.drive.view_entry(OWNER, ("red",), "c")
    with pytest.raises(NotFound):
        library.drive.view_entry(OWNER, ("red",), "none")
    # A folder of the same name keeps it; the file is found under its other name.
    (other,) = [entry.name for entry in library.drive.view_files(OWNER, ("red",)) if entry.node.id == both.id]
    assert other != "blue"
    found = library.drive.view_entry(OWNER, ("red",), other)
    assert isinstance(found, Node)
    assert found.id == both.id


def test_equal_names_are_told_apart_and_stay_so(ground: Ground) -> None:
    first = ground.file("one/report.txt", tags=("x",))
    second = ground.file("two/report.txt", tags=("x",))
    names = {entry.node.id: entry.name for entry in ground.drive.view_files(OWNER, ("x",))}
    assert names[first.id] == "report.txt"
    assert names[second.id].startswith("report~")
    assert names[second.id].endswith(".txt")
    for node in (first, second):
        found = ground.drive.view_entry(OWNER, ("x",), names[node.id])
        assert isinstance(found, Node)
        assert found.id == node.id
    # The form with the id goes on resolving when it is no longer needed.
    ground.drive.unlink(OWNER, ground.at("one").id, "report.txt")
    assert ground.found("x") == ["report.txt"]
    found = ground.drive.view_entry(OWNER, ("x",), names[second.id])
    assert isinstance(found, Node)
    assert found.id == second.id


def test_a_view_is_listed_in_parts(ground: Ground) -> None:
    for number in range(10):
        ground.file(f"d{number % 3}/same", tags=("x",)) if number < 3 else ground.file(f"f{number}", tags=("x",))
    whole = ground.drive.view_files(OWNER, ("x",))
    assert [entry.node.file for entry in whole] == sorted(entry.node.file for entry in whole)
    parts = []
    after = 0
    while part := ground.drive.view_files(OWNER, ("x",), after, 3):
        assert len(part) <= 3
        parts += part
        after = part[-1].node.file
    assert parts == whole
    assert len({entry.name for entry in whole}) == 10


def test_facets_narrow_the_set(library: Ground) -> None:
    facets = {facet.name: (facet.files, facet.child) for facet in library.drive.view_facets(OWNER, ("year",))}
    assert facets == {
        "2023": (1, True),
        "2024": (2, True),
        "red": (2, False),
        "blue": (1, False),
        "Round Thing": (1, False),
    }
    # Too few files to narrow, or too deep: only children.
    assert library.drive.view_facets(OWNER, ("Round Thing",)) == []
    assert [facet.name for facet in library.drive.view_facets(OWNER, ("red", "blue", "year"))] == []


def test_files_of_any_name_are_listed(ground: Ground) -> None:
    for name in ODD_NAMES:
        ground.file(name, tags=("x",))
    listed = {entry.node.id: entry.name for entry in ground.drive.view_files(OWNER, ("x",))}
    for name in ODD_NAMES:
        node = ground.at(name)
        found = ground.drive.view_entry(OWNER, ("x",), listed[node.id])
        assert isinstance(found, Node)
        assert found.id == node.id


def test_views_follow_the_tree(ground: Ground) -> None:
    file = ground.file("a", tags=("x",))
    before = ground.drive.view(OWNER, ("x",)).changed
    ground.drive.rename(OWNER, FILES_ROOT, "a", ground.folder("d").id, "b")
    assert ground.found("x") == ["b"]
    bin_ = ground.drive.create(OWNER, 1, f".Trash-{OWNER.uid}", stat.S_IFDIR | 0o700)
    ground.drive.rename(OWNER, ground.at("d").id, "b", bin_.id, "b")
    assert ground.found("x") == []
    assert ground.found("+all") == []
    ground.drive.rename(OWNER, bin_.id, "b", FILES_ROOT, "b")
    assert ground.found("x") == ["b"]
    ground.drive.change_tags(OWNER, [file.file], [], ["x"])
    assert ground.drive.view(OWNER, ("x",)).changed > before


def test_special_files_and_folders_are_in_no_view(ground: Ground) -> None:
    ground.folder("d")
    ground.drive.create(OWNER, FILES_ROOT, "fifo", stat.S_IFIFO | 0o600)
    ground.drive.create(OWNER, FILES_ROOT, "link", stat.S_IFLNK | 0o777, target="x")
    assert ground.found("+all") == ground.found("+untagged") == []


FOUND = {
    "red": "abd",
    "red blue": "d",
    "red,blue": "abcd",
    "red -blue": "ab",
    "-(red,blue) +all": "e",
    "year/2024": "bc",
    "year/2023..2024 -blue": "ab",
    '"round thing"': "b",
    "+untagged": "e",
    "+all": "abcde",
}


def test_find(library: Ground) -> None:
    for query, names in FOUND.items():
        assert (query, [entry.name for entry in library.drive.find(OWNER, query)]) == (query, list(names))
        first = library.drive.find(OWNER, query, limit=1)
        rest = library.drive.find(OWNER, query, after=first[0].node.file)
        assert [entry.name for entry in first + rest] == list(names)


def test_queries_that_are_none(library: Ground) -> None:
    for query in ("", "(", "red)", '"red', "+nonsense", "year/2024..2023"):
        with pytest.raises(InvalidArgument, match=r"."):
            library.drive.find(OWNER, query)
    for query in ("none", "red none", "red,", "year/none"):
        with pytest.raises(NotFound, match=r"."):
            library.drive.find(OWNER, query)
