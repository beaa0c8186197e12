"""Paths below `tags/`: what every spelling means, what names nothing, what is incomplete."""

import pytest

from graphfs.errors import NotFound
from graphfs.query.ast import (
    ALL,
    And,
    Not,
    Or,
    Query,
    Range,
    Recent,
    Review,
    Search,
    Tag,
    Term,
    Untagged,
    conjunction,
    disjunction,
    negation,
    normal,
    tags_in,
)
from graphfs.query.evaluate import Graph
from graphfs.query.parser import ROOT, Operator, expression, named, parse

PROJECT, APOLLO, GEMINI, LUNAR, REPORT, DRAFT, YEAR, Y2020, Y2022, Y2024, ROOT_APOLLO, QUOTE, CHINESE, FOX, SQL = range(
    1, 16
)

TAGS = {
    PROJECT: (0, "project"),
    APOLLO: (PROJECT, "Apollo"),
    GEMINI: (PROJECT, "gemini"),
    LUNAR: (APOLLO, "lunar"),
    REPORT: (0, "Report"),
    DRAFT: (0, "draft"),
    YEAR: (0, "year"),
    Y2020: (YEAR, "2020"),
    Y2022: (YEAR, "2022"),
    Y2024: (YEAR, "2024"),
    ROOT_APOLLO: (0, "apollo"),
    QUOTE: (0, 'O\'Brien "x"'),
    CHINESE: (0, "项目"),
    FOX: (0, "🦊"),
    SQL: (0, "'; DROP TABLE tags; --"),
}
GRAPH = Graph(
    parents={tag: parent for tag, (parent, _) in TAGS.items()},
    tag_names={tag: name for tag, (_, name) in TAGS.items()},
    aliases={REPORT: ("rapport",), GEMINI: ("twins",)},
)


@pytest.mark.parametrize(
    ("path", "term"),
    [
        ("", ALL),
        ("project", Tag(PROJECT)),
        ("PROJECT", Tag(PROJECT)),
        ("rapport", Tag(REPORT)),
        ("project/apollo", Tag(APOLLO)),
        ("project/TWINS", Tag(GEMINI)),
        ("project/apollo/lunar", Tag(LUNAR)),
        ("project/report", And((Tag(PROJECT), Tag(REPORT)))),
        ("report/project/apollo", And((Tag(REPORT), Tag(APOLLO)))),
        ("apollo", Tag(ROOT_APOLLO)),
        ("project/+all/apollo", And((Tag(PROJECT), Tag(ROOT_APOLLO)))),
        ("report/report", Tag(REPORT)),
        ("report,draft", Or((Tag(REPORT), Tag(DRAFT)))),
        ("report,report", Tag(REPORT)),
        ("project/apollo,gemini", Or((Tag(APOLLO), Tag(GEMINI)))),
        ("project/report,draft", And((Tag(PROJECT), Or((Tag(REPORT), Tag(DRAFT)))))),
        ("project/gemini,report", Or((Tag(GEMINI), And((Tag(PROJECT), Tag(REPORT)))))),
        ("-report", Not(Tag(REPORT))),
        ("+not/report", Not(Tag(REPORT))),
        ("project/-apollo", And((Tag(PROJECT), Not(Tag(APOLLO))))),
        ("project/+not/apollo", And((Tag(PROJECT), Not(Tag(APOLLO))))),
        ("project/-apollo/lunar", And((Tag(PROJECT), Not(Tag(LUNAR))))),
        ("-project/apollo", Not(Tag(APOLLO))),
        ("-project/apollo,gemini", Not(Or((Tag(APOLLO), Tag(GEMINI))))),
        ("-project/report,draft", And((Not(Tag(PROJECT)), Or((Tag(REPORT), Tag(DRAFT)))))),
        ("-project/-apollo", And((Not(Tag(PROJECT)), Not(Tag(ROOT_APOLLO))))),
        ("-report,draft", Or((Not(Tag(REPORT)), Tag(DRAFT)))),
        ("+not/report,draft", Not(Or((Tag(REPORT), Tag(DRAFT))))),
        ("year/2020..2022", Range(YEAR, "2020", "2022")),
        ("year/2021..", Range(YEAR, "2021", "")),
        ("year/..2022", Range(YEAR, "", "2022")),
        ("year/-2020..2022", And((Tag(YEAR), Not(Range(YEAR, "2020", "2022"))))),
        ("-year/2020..2022", Not(Range(YEAR, "2020", "2022"))),
        ("+not/year/2020..2022", Not(Range(YEAR, "2020", "2022"))),
        ("year/+not/2020..2022", And((Tag(YEAR), Not(Range(YEAR, "2020", "2022"))))),
        ("year/2020,2023..", Or((Tag(Y2020), Range(YEAR, "2023", "")))),
        ("project/A..b", Range(PROJECT, "a", "b")),
        ("+search/old letters", Search("old letters")),
        ("project/+search/-x, +not", And((Tag(PROJECT), Search("-x, +not")))),
        ("+untagged", Untagged()),
        ("+recent/report", And((Recent(), Tag(REPORT)))),
        ("report/+not/+recent", And((Tag(REPORT), Not(Recent())))),
        ("+not/+untagged", Not(Untagged())),
        ("+all", ALL),
        ("+review", Review()),
        ("+review/report", Review(REPORT)),
        ("+review/project/apollo", Review(APOLLO)),
        ("+review/report,draft", Or((Review(REPORT), Review(DRAFT)))),
        ("+review/report/draft", And((Review(REPORT), Tag(DRAFT)))),
        ("+not/+review/report", Not(Review(REPORT))),
        ('O\'Brien "x"', Tag(QUOTE)),
        ("项目,🦊", Or((Tag(CHINESE), Tag(FOX)))),
        ("-'; DROP TABLE tags; --", Not(Tag(SQL))),
    ],
)
def test_meaning(path: str, term: Term) -> None:
    parsed = parse([part for part in path.split("/") if part], GRAPH)
    assert parsed.query == Query(term)
    assert parsed.query.term == normal(term)
    assert parsed.complete


@pytest.mark.parametrize(
    "path",
    [
        "nothing",
        "project/nothing",
        "report/apollo,nothing",
        "lunar",
        "project/lunar",
        "-nothing",
        "-",
        "--report",
        ",",
        "report,",
        ",report",
        "report, draft",
        "+nothing",
        "+recent,report",
        "+not/-report",
        "+not/+not",
        "+not/+direct",
        "+search/ ",
        "2020..2024",
        "report/2020..2024",
        "year/2021..2021",
        "year/2024..2020",
        "year/..",
        "year/2020...2024",
        "year/2020..2022..2024",
        "year/+all/2020..2024",
        "report'; MATCH (n) DETACH DELETE n //",
    ],
)
def test_what_names_nothing_is_not_found(path: str) -> None:
    with pytest.raises(NotFound):
        parse(path.split("/"), GRAPH)


@pytest.mark.parametrize(
    ("path", "operator"), [("+not", Operator.NOT), ("project/+not", Operator.NOT), ("+search", Operator.SEARCH)]
)
def test_an_operator_without_its_words_is_incomplete(path: str, operator: Operator) -> None:
    parsed = parse(path.split("/"), GRAPH)
    assert parsed.pending is operator
    assert not parsed.complete
    assert not parsed.lists_files
    assert parsed.gives == ()
    assert parsed.tag is None


@pytest.mark.parametrize(
    ("path", "gives"),
    [
        ("project", (PROJECT,)),
        ("project/apollo", (APOLLO,)),
        ("project/report", (PROJECT, REPORT)),
        ("project/+direct", (PROJECT,)),
        ("project/+all", (PROJECT,)),
        ("", ()),
        ("+all", ()),
        ("project/-report", ()),
        ("report,draft", ()),
        ("year/2020..", ()),
        ("+recent/report", ()),
        ("+review/report", ()),
        ("report/+search/x", ()),
    ],
)
def test_what_a_file_put_here_is_given(path: str, gives: tuple[int, ...]) -> None:
    assert parse([part for part in path.split("/") if part], GRAPH).gives == gives


@pytest.mark.parametrize(
    ("path", "tag", "child", "own"),
    [
        ("project", PROJECT, True, True),
        ("project/apollo", APOLLO, True, True),
        ("project/report", REPORT, False, False),
        ("report/project/apollo", APOLLO, True, False),
        ("project/+direct", None, False, False),
        ("+direct/project", PROJECT, False, False),
        ("-project", None, False, False),
        ("report,draft", None, False, False),
        ("+review/report", None, False, False),
    ],
)
def test_the_tag_of_the_last_component(path: str, tag: int | None, child: bool, own: bool) -> None:
    parsed = parse(path.split("/"), GRAPH)
    assert (parsed.tag and parsed.tag.id) == tag
    assert parsed.child is child
    assert (parsed.only_tag is not None) is own


def test_direct_counts_for_the_whole_path() -> None:
    term = And((Tag(APOLLO), Tag(REPORT)))
    for path in (
        "project/apollo/+direct/report",
        "+direct/project/apollo/report",
        "project/apollo/report/+direct/+direct",
    ):
        assert parse(path.split("/"), GRAPH).query == Query(term, direct=True)


def test_below_direct_nothing_is_a_child() -> None:
    assert parse(["project", "+direct", "apollo"], GRAPH).query.term == And((Tag(PROJECT), Tag(ROOT_APOLLO)))
    with pytest.raises(NotFound):
        parse(["year", "+direct", "2020"], GRAPH)


def test_operators_and_tags_come_before_files_and_expressions_after() -> None:
    assert named(ROOT, "report", GRAPH)
    assert named(ROOT, "+recent", GRAPH)
    for name in ("report,draft", "-report"):
        assert named(ROOT, name, GRAPH) is None
        assert expression(ROOT, name, GRAPH)
    year = parse(["year"], GRAPH)
    assert named(year, "2020..2024", GRAPH) is None
    assert expression(year, "2020..2024", GRAPH)


@pytest.mark.parametrize(
    "name", ["report..pdf", "a,b.txt", "-rf", "..", ".", ".hidden", "4913", "file~", "\udcff", "desktop.ini"]
)
def test_names_of_ordinary_files_are_no_expressions(name: str) -> None:
    assert expression(parse(["project"], GRAPH), name, GRAPH) is None


def test_the_normal_form() -> None:
    a, b, c = Tag(1), Tag(2), Tag(3)
    assert conjunction() == ALL
    assert conjunction(a) == conjunction(a, ALL, a) == a
    assert conjunction(a, conjunction(b, c), a) == And((a, b, c))
    assert disjunction() == Not(ALL)
    assert disjunction(a, disjunction(b, c)) == Or((a, b, c))
    assert disjunction(a, ALL) == ALL
    assert negation(negation(a)) == a
    assert normal(And((And((a, Not(Not(b)))), Or((c,))))) == And((a, b, c))
    assert set(tags_in(And((a, Or((b, Not(c))), Review(4), Review(), Range(5, "", "x"))))) == {1, 2, 3, 4, 5}
