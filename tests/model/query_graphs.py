"""Random small graphs, terms and queries for the laws of the query language."""

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


letters = st.characters(categories=("L", "N", "S", "M"), exclude_characters="+")
names = st.sampled_from(NAMES) | st.text(letters, min_size=1, max_size=6)

TAGS = range(1, 7)
"""Ids of the tags of every graph; what is below what, and what has them, differs."""
tags = st.sampled_from(TAGS)
sets = st.frozensets(tags, max_size=4)
ends = st.just("") | st.sampled_from(NAMES).map(fold) | names.map(fold)


def between(parent: int, one: str, other: str) -> Range:
    """A range that can hold something."""
    low, high = (other, one) if backwards(one, other) else (one, other)
    return Range(parent, low or ("" if high else "a"), high)


ranges = st.builds(between, tags, ends, ends)
times = st.integers(NOW - 30 * DAY, NOW + DAY)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Six tags in a forest, up to 8 files; some invisible, some waiting for review."""
    parents: dict[int, int] = {}
    tag_names: dict[int, str] = {}
    siblings: set[tuple[int, str]] = set()
    for tag in TAGS:
        parent, name = draw(st.integers(0, tag - 1)), check_tag_name(draw(names))
        if (parent, fold(name)) in siblings:
            name = f"{name} {tag}"
        siblings.add((parent, fold(name)))
        parents[tag], tag_names[tag] = parent, name
    files = draw(st.frozensets(st.integers(100, 107)))
    return Graph(
        files=files,
        parents=parents,
        tag_names=tag_names,
        edges={file: draw(sets) for file in sorted(files)},
        waiting={file: draw(sets) for file in sorted(files) if file % 3},
        arrived={file: draw(times) for file in sorted(files)},
        visible=draw(st.none() | st.frozensets(st.integers(100, 107))),
    )


def _trees(leaves: st.SearchStrategy[Term], *, opposites: bool) -> st.SearchStrategy[Term]:
    def wider(below: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
        some = st.lists(below, max_size=4).map(tuple)
        built: st.SearchStrategy[Term] = st.builds(And, some) | st.builds(Or, some)
        return built | st.builds(Not, below) if opposites else built

    return st.recursive(leaves, wider, max_leaves=12)


_positive: st.SearchStrategy[Term] = st.one_of(
    tags.map(Tag), ranges, tags.map(Review), st.sampled_from([ALL, Recent(), Review()])
)
_searches = st.builds(Search, st.text(min_size=1, max_size=8).filter(lambda words: bool(words.strip())))
positive_terms = _trees(_positive, opposites=False)
"""Trees without NOT, not in normal form."""
terms = _trees(_positive | st.just(Untagged()), opposites=True)
"""Any tree that needs no search, not in normal form."""
queries = st.builds(
    Query, _trees(_positive | st.just(Untagged()) | _searches, opposites=True).map(normal), st.booleans()
)
"""Any query in normal form."""

operators = st.sampled_from(["+not", "+direct", "+all", "+untagged", "+recent", "+review"])


@st.composite
def paths(draw: st.DrawFn) -> tuple[Graph, Path]:
    """A graph, and a path in it: of the components that were drawn those that name something below the ones before."""
    graph = draw(graphs())
    path = ROOT
    for kind in draw(st.lists(st.sampled_from(["tag", "tag", "expression", "operator"]), max_size=8)):
        if kind == "operator":
            component = draw(operators)
        elif kind == "tag":
            component = graph.tag_names[draw(tags)]
        else:
            component = ",".join(draw(st.lists(sides(graph), min_size=1, max_size=3)))
        path = step(path, component, graph) or path
    return graph, path


def sides(graph: Graph) -> st.SearchStrategy[str]:
    """What may stand beside a comma."""
    spelt = [graph.tag_names[tag] for tag in TAGS] + ["2019..2023", "a..", "..k"]
    return st.sampled_from([sign + one for sign in ("", "", "-") for one in spelt])
