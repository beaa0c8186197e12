"""The text form: what it means, what it refuses and where, how it is written."""

import pytest

from graphfs.errors import InvalidArgument, NotFound
from graphfs.query.ast import ALL, And, Not, Or, Query, Range, Recent, Review, Search, Tag, Term
from graphfs.query.evaluate import Graph
from graphfs.query.parser import parse
from graphfs.query.render import render
from graphfs.query.text import QuerySyntax, UnknownTerm, parse_text

PROJECT, APOLLO, GEMINI, REPORT, DRAFT, YEAR, SPACED, BELOW, QUOTE, SLASHED, PARENS = range(1, 12)
NAMES = {
    PROJECT: (0, "project"),
    APOLLO: (PROJECT, "Apollo"),
    GEMINI: (PROJECT, "gemini"),
    REPORT: (0, "report"),
    DRAFT: (0, "draft"),
    YEAR: (0, "year"),
    SPACED: (0, "my tag"),
    BELOW: (SPACED, "below it"),
    QUOTE: (0, 'say "hi"'),
    SLASHED: (0, "C:\\temp"),
    PARENS: (0, "copy (2)"),
}
GRAPH = Graph(
    parents={tag: parent for tag, (parent, _) in NAMES.items()},
    tag_names={tag: name for tag, (_, name) in NAMES.items()},
)


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("project", Tag(PROJECT)),
        (" project/apollo ", Tag(APOLLO)),
        ("project apollo/", None),
        ("project report", And((Tag(PROJECT), Tag(REPORT)))),
        ("project/report", And((Tag(PROJECT), Tag(REPORT)))),
        ("report,draft -project", And((Or((Tag(REPORT), Tag(DRAFT))), Not(Tag(PROJECT))))),
        ("-project/apollo", Not(Tag(APOLLO))),
        ("project/apollo,gemini", Or((Tag(APOLLO), Tag(GEMINI)))),
        ("(project/apollo),report,draft", Or((Tag(APOLLO), Tag(REPORT), Tag(DRAFT)))),
        ("report,(project draft),(project/gemini)", Or((Tag(REPORT), And((Tag(PROJECT), Tag(DRAFT))), Tag(GEMINI)))),
        ("report,-(project draft)", Or((Tag(REPORT), Not(And((Tag(PROJECT), Tag(DRAFT))))))),
        ("-(report,draft)", Not(Or((Tag(REPORT), Tag(DRAFT))))),
        ("-(-(report))", Tag(REPORT)),
        ("((report) (draft))", And((Tag(REPORT), Tag(DRAFT)))),
        ("year/2020..2024", Range(YEAR, "2020", "2024")),
        ('"my tag"', Tag(SPACED)),
        ('"my tag/below it"', Tag(BELOW)),
        ('"my tag"/"below it"', Tag(BELOW)),
        ('"my tag",report', Or((Tag(SPACED), Tag(REPORT)))),
        ('-"my tag"', Not(Tag(SPACED))),
        ('"say \\"hi\\""', Tag(QUOTE)),
        ("C:\\temp", Tag(SLASHED)),
        ('"C:\\\\temp"', Tag(SLASHED)),
        ('"copy (2)"', Tag(PARENS)),
        ('+search/"and/or \\/ (x)"', None),
        ('+search/"and\\/or (x)" report', And((Search("and/or (x)"), Tag(REPORT)))),
        ("+recent +not/report", And((Recent(), Not(Tag(REPORT))))),
        ("+review/project/apollo", Review(APOLLO)),
        ("+all", ALL),
    ],
)
def test_meaning(text: str, term: Term | None) -> None:
    if term is None:
        with pytest.raises((InvalidArgument, NotFound)):
            parse_text(text, GRAPH)
    else:
        assert parse_text(text, GRAPH) == Query(term)


@pytest.mark.parametrize(
    "path",
    ["project/apollo", "project/report,draft/-year", "-project/apollo,gemini", "report/+direct", "+not/report/draft"],
)
def test_a_path_means_the_same_as_a_text(path: str) -> None:
    assert parse_text(path, GRAPH) == parse(path.split("/"), GRAPH).query


@pytest.mark.parametrize("text", ["project +direct", "+direct project", "project/+direct", "(project) +direct"])
def test_direct(text: str) -> None:
    assert parse_text(text, GRAPH) == Query(Tag(PROJECT), direct=True)


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    [
        ("", 0, "a tag"),
        ("   ", 3, "a tag"),
        ("report ()", 8, "a tag"),
        ("(report", 7, "closing parenthesis"),
        ("report)", 6, "the end"),
        ("report(draft)", 6, "a blank"),
        ("(report)draft", 8, "a blank"),
        ("(report),", 9, "a tag"),
        ('"my tag', 7, "closing quote"),
        ("/", 0, "a tag"),
        ("+not", 4, "a tag after +not/"),
        ("+search/", 8, "words after +search/"),
        ("report +nothing", 7, "+untagged"),
        ("year/2024..2020", 5, "ends after it begins"),
        ("report (draft +direct)", 14, "whole query"),
        ("+direct (+direct)", 9, "whole query"),
        ("report,(draft/+direct)", 8, "whole query"),
        ("report/+direct,(draft)", 0, "whole query"),
        ("(draft),report/+direct", 0, "whole query"),
        ("(" * 51 + "report" + ")" * 51, 50, "at most 50"),
        ("-(" * 100_000, 101, "at most 50"),
    ],
)
def test_what_is_refused_says_where_and_what_was_expected(text: str, position: int, expected: str) -> None:
    with pytest.raises(QuerySyntax) as caught:
        parse_text(text, GRAPH)
    assert caught.value.position == position
    assert expected in caught.value.expected
    assert caught.value.expected in str(caught.value)
    assert f"character {position + 1} " in str(caught.value)
    assert caught.value.code == "invalid"


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("nothing", 0),
        ("report  nothing", 8),
        ("project/nothing", 8),
        ("report,nothing", 0),
        ("x' OR '1'='1", 0),
        ("a)-[r]-(b", 0),
    ],
)
def test_an_unknown_tag_says_where(text: str, position: int) -> None:
    with pytest.raises(UnknownTerm) as caught:
        parse_text(text, GRAPH)
    assert caught.value.position == position
    assert caught.value.code == "not_found"


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (Query(Tag(APOLLO)), "project/Apollo"),
        (Query(And((Tag(APOLLO), Not(Tag(BELOW)))), direct=True), 'project/Apollo -"my tag"/"below it" +direct'),
        (Query(Or((Tag(APOLLO), Tag(GEMINI)))), "project/Apollo,gemini"),
        (Query(Or((Tag(REPORT), Tag(SPACED)))), 'report,"my tag"'),
        (Query(Or((Tag(REPORT), Tag(APOLLO)))), "report,(project/Apollo)"),
        (Query(Not(Or((Tag(REPORT), Tag(DRAFT))))), "-(report,draft)"),
        (Query(Or((Range(YEAR, "2020", ""), Range(YEAR, "", "2010")))), "year/2020..,..2010"),
        (Query(Search('a "b" c/d\\e')), '+search/"a \\"b\\" c\\/d\\\\e"'),
        (Query(Not(ALL)), "-(+all)"),
    ],
)
def test_how_it_is_written(query: Query, text: str) -> None:
    assert render(query, GRAPH) == text
    assert parse_text(text, GRAPH) == query
