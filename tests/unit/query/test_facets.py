"""What a view lists as sub-folders, by examples."""

from hypothesis import given
from hypothesis import strategies as st

from graphfs.query.ast import Tag, Term
from graphfs.query.evaluate import Graph, evaluate_facets
from graphfs.query.facets import DEFAULT_LIMITS, Limits, narrowing
from graphfs.query.parser import parse

PROJECT, APOLLO, GEMINI, REPORT, DRAFT, EMPTY, TWIN_ROOT, TWIN_CHILD = range(1, 9)
GRAPH = Graph(
    files=frozenset(range(100)),
    parents={
        PROJECT: 0,
        APOLLO: PROJECT,
        GEMINI: PROJECT,
        REPORT: 0,
        DRAFT: 0,
        EMPTY: 0,
        TWIN_ROOT: 0,
        TWIN_CHILD: PROJECT,
    },
    tag_names={
        PROJECT: "project",
        APOLLO: "apollo",
        GEMINI: "Gemini",
        REPORT: "report",
        DRAFT: "draft",
        EMPTY: "empty",
        TWIN_ROOT: "Twin",
        TWIN_CHILD: "twin",
    },
    edges={
        file: {
            *([APOLLO] if file < 50 else []),
            *([REPORT] if file % 2 else []),
            *([DRAFT] if file % 3 == 0 else []),
            *([TWIN_ROOT] if file < 10 else []),
            *([TWIN_CHILD] if file == 20 else []),
        }
        for file in range(100)
    },
    waiting={1: {GEMINI}, 2: {GEMINI, DRAFT}},
)


def listed(path: str, limits: Limits = DEFAULT_LIMITS) -> list[tuple[str, int]]:
    parsed = parse([part for part in path.split("/") if part], GRAPH)
    return [(one.tag.name, one.files) for one in evaluate_facets(parsed, GRAPH, limits)]


def test_the_root_lists_top_level_tags_by_name() -> None:
    assert listed("") == [("draft", 34), ("empty", 0), ("project", 50), ("report", 50), ("Twin", 10)]


def test_children_come_first_also_empty_ones_then_what_narrows_most_files_first() -> None:
    assert listed("project") == [("apollo", 50), ("Gemini", 0), ("twin", 1), ("report", 25), ("draft", 17)]


def test_a_child_hides_a_top_level_tag_of_its_name() -> None:
    assert [name.casefold() for name, _ in listed("project")].count("twin") == 1


def test_in_a_narrowed_view_only_children_that_narrow() -> None:
    assert listed("report/project", Limits(minimum=5)) == [("draft", 8), ("Twin", 5)]
    assert listed("draft/project", Limits(minimum=5)) == [("report", 8), ("Twin", 4)]


def test_nothing_that_is_in_the_path_or_implied_by_it() -> None:
    names = {name for name, _ in listed("project/apollo")}
    assert names == {"report", "draft", "Twin"}
    assert "project" not in {name for name, _ in listed("project/apollo,gemini")}
    assert "report" not in {name for name, _ in listed("-report")}


def test_small_views_and_deep_ones_are_not_narrowed() -> None:
    assert listed("project/draft") == []
    assert listed("project/draft", Limits(minimum=16)) == [("report", 8), ("Twin", 4)]
    assert listed("project/draft", Limits(minimum=17)) == []
    assert listed("project/report", Limits(minimum=0, depth=1)) == []
    assert listed("project/report", Limits(minimum=0, depth=2)) == [("draft", 8), ("Twin", 5)]
    assert listed("project/report/draft", Limits(minimum=0, depth=2)) == []
    assert listed("project/apollo/report", Limits(minimum=0, depth=3)) == [("draft", 8), ("Twin", 5)]


def test_of_many_tags_beside_it_a_view_lists_those_with_the_most_files() -> None:
    """Fewer with every term; children are all listed, and what is not listed is there when it is named."""
    top, child, others = 1, 2, range(10, 40)
    many = Graph(
        files=frozenset(range(100)),
        parents={top: 0, child: top, **dict.fromkeys(others, 0)},
        tag_names={top: "top", child: "child", **{tag: f"tag-{tag}" for tag in others}},
        edges={file: {top, *([child] if file < 50 else []), *others[: file % 30]} for file in range(100)},
    )

    def names(path: str, limits: Limits) -> list[str]:
        return [one.tag.name for one in evaluate_facets(parse(path.split("/"), many), many, limits)]

    few = Limits(minimum=0, folders=31 * 9 * 3)  # 31 top-level tags
    assert names("top", few) == ["child", *(f"tag-{tag}" for tag in range(10, 19))]
    assert names("top/tag-15", few) == ["tag-16", "tag-17"]
    assert names("top/tag-15/tag-16", few) == ["tag-17"]
    assert names("top", Limits(minimum=0, folders=1)) == ["child", "tag-10"]
    assert len(names("top", Limits(minimum=0))) == 30


def test_the_tree_of_any_vocabulary_keeps_within_its_folders() -> None:
    for top in (1, 5, 20, 50, 500, 5_000, 50_000):
        limits, reached = Limits(), top
        for terms in (1, 2, 3):
            reached *= limits.listed(terms, top)
            assert reached <= limits.folders * terms // 3 or reached == top
        assert limits.listed(1, top) >= min(top, 133 if top <= 500 else 1)
    assert [Limits().listed(terms, 20) for terms in (1, 2, 3)] == [20, 20, 20]


def test_below_direct_no_children() -> None:
    assert listed("+direct/report", Limits(minimum=0)) == [("draft", 17), ("Twin", 5)]
    assert listed("+direct/project", Limits(minimum=0)) == []


def test_incomplete_paths_list_what_may_follow() -> None:
    assert listed("project/+not") == [
        ("apollo", 0),
        ("Gemini", 50),
        ("twin", 49),
        ("draft", 33),
        ("empty", 50),
        ("report", 25),
    ]
    assert listed("+search") == []


def test_review_lists_the_tags_that_wait() -> None:
    assert listed("+review") == [("draft", 1), ("project", 2)]
    assert listed("+review/project") == [("Gemini", 2)]
    assert listed("+review/project/gemini") == []


@given(
    counts=st.lists(st.integers(0, 40), min_size=1, max_size=12),
    slack=st.lists(st.none() | st.integers(0, 20), min_size=12, max_size=12),
    folders=st.integers(1, 400),
)
def test_what_is_known_beforehand_spares_counting_and_changes_nothing(
    counts: list[int], slack: list[int | None], folders: int
) -> None:
    first = 2
    graph = Graph(
        files=frozenset(range(50)),
        parents=dict.fromkeys(range(1, first + len(counts)), 0),
        tag_names={1: "here", **{first + place: f"t{place}" for place in range(len(counts))}},
        edges={},
        waiting={},
    )
    asked: list[int] = []

    def count(term: Term) -> int:
        assert isinstance(term, Tag)
        asked.append(term.id)
        return counts[term.id - first] if term.id >= first else 45

    known = {
        first + place: number + more
        for place, (number, more) in enumerate(zip(counts, slack, strict=False))
        if more is not None
    }
    path, limits = parse(["here"], graph), Limits(folders=folders)
    plainly = narrowing(path, 45, graph, count, limits)
    without = len(asked)
    assert narrowing(path, 45, graph, count, limits, known) == plainly
    assert len(asked) - without <= without
