"""Random small graphs, terms and queries for the laws of the query language."""

from typing import NamedTuple

from hypothesis import strategies as st

from graphfs.names import check_tag_name, fold
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
    normal,
)
from graphfs.query.evaluate import DAY, Graph
from graphfs.query.parser import ROOT, Path, step
from graphfs.query.ranges import backwards

NOW = 1_000 * DAY
NAMES = [
    "a", "B", "apollo", "2020", "2024", "3.5", "10", "my tag", "O'Brien", 'say "hi"', "🦊", "项目", "été", "Straße",
    "copy (2)", "C:\\temp", "'; DROP TABLE tags; --", "x'}) DETACH DELETE n", "$(id)", "a\u00a0b", "not", "x-y", "v1.2",
]  # fmt: skip


def allowed(name: str) -> bool:
    return (
        bool(name)
        and name[0] not in ".+-"
        and not any(bad in name for bad in (",", "/", ".."))
        and name.isprintable()
        and len(name.encode()) < 200
    )


names = st.sampled_from(NAMES) | st.text(min_size=1, max_size=6).map(str.strip).filter(allowed)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Up to 8 tags in a forest, up to 12 files; some invisible, some waiting for review."""
    parents: dict[int, int] = {}
    tag_names: dict[int, str] = {}
    siblings: set[tuple[int, str]] = set()
    for tag in range(1, draw(st.integers(1, 8)) + 1):
        parent, name = draw(st.integers(0, tag - 1)), check_tag_name(draw(names))
        if (parent, fold(name)) in siblings:
            name = f"{name} {tag}"
        siblings.add((parent, fold(name)))
        parents[tag], tag_names[tag] = parent, name
    files = frozenset(range(100, 100 + draw(st.integers(0, 12))))
    sets = st.frozensets(st.sampled_from(sorted(parents)), max_size=4)
    return Graph(
        files=files,
        parents=parents,
        tag_names=tag_names,
        edges={file: draw(sets) for file in files},
        waiting={file: draw(sets) for file in files if draw(st.booleans())},
        arrived={file: NOW - draw(st.integers(-DAY, 30 * DAY)) for file in files},
        visible=draw(st.none() | st.frozensets(st.sampled_from(sorted(files)))) if files else None,
    )


def ranges(graph: Graph) -> st.SearchStrategy[Range]:
    ends = st.just("") | (st.sampled_from(sorted(graph.tag_names.values())) | names).map(fold)
    built = st.builds(Range, st.sampled_from(sorted(graph.parents)), ends, ends)
    return built.filter(lambda one: bool(one.low or one.high) and not backwards(one.low, one.high))


def terms(graph: Graph, *, search: bool = False, opposites: bool = True) -> st.SearchStrategy[Term]:
    """Any tree, not in normal form. `opposites`: with NOT in it."""
    tags = st.sampled_from(sorted(graph.parents))
    leaves: st.SearchStrategy[Term] = st.one_of(
        tags.map(Tag), ranges(graph), tags.map(Review), st.sampled_from([ALL, Recent(), Review()])
    )
    if opposites:
        leaves = leaves | st.just(Untagged())
    if search:
        leaves = leaves | st.builds(Search, st.text(min_size=1, max_size=8).filter(lambda words: bool(words.strip())))

    def wider(below: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
        some = st.lists(below, max_size=4).map(tuple)
        built: st.SearchStrategy[Term] = st.builds(And, some) | st.builds(Or, some)
        return built | st.builds(Not, below) if opposites else built

    return st.recursive(leaves, wider, max_leaves=12)


class Asked(NamedTuple):
    """A graph, and things to ask of it."""

    graph: Graph
    one: Term
    other: Term


@st.composite
def asked(draw: st.DrawFn, *, opposites: bool = True) -> Asked:
    graph = draw(graphs())
    some = terms(graph, opposites=opposites)
    return Asked(graph, draw(some), draw(some))


@st.composite
def written(draw: st.DrawFn) -> tuple[Graph, Query]:
    """A graph and a query in normal form, words of searches in it."""
    graph = draw(graphs())
    return graph, Query(normal(draw(terms(graph, search=True))), draw(st.booleans()))


@st.composite
def paths(draw: st.DrawFn) -> tuple[Graph, Path]:
    """A graph, and a path in it: of the components that were drawn those that name something below the ones before."""
    graph = draw(graphs())
    known = st.sampled_from(sorted(graph.tag_names.values()))
    operators = st.sampled_from(["+not", "+direct", "+all", "+untagged", "+recent", "+review"])
    signed = st.builds(str.__add__, st.sampled_from(["", "", "-"]), known | st.sampled_from(["2019..2023", "a.."]))
    either = st.lists(signed, min_size=1, max_size=3).map(",".join)
    path = ROOT
    for component in draw(st.lists(known | either | operators, max_size=8)):
        path = step(path, component, graph) or path
    return graph, path
