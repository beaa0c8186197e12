"""Laws that the meaning of queries keeps on random graphs, whatever the query."""

from hypothesis import assume, given
from hypothesis import strategies as st

from graphfs.names import fold
from graphfs.query.ast import ALL, And, Not, Or, Query, Range, Tag, Term, Untagged, normal
from graphfs.query.evaluate import Graph, evaluate, evaluate_facets
from graphfs.query.facets import Limits
from graphfs.query.parser import ROOT, Path, named, parse, step
from graphfs.query.ranges import range_test
from graphfs.query.render import quoted, render
from graphfs.query.text import parse_text
from tests.model.query_graphs import NOW, graphs, paths, positive_terms, queries, ranges, sides, terms


def files(graph: Graph, term: Term, *, direct: bool = False) -> set[int]:
    return evaluate(Query(term, direct), graph, now=NOW, recent_days=7)


@given(graphs(), terms, terms, st.booleans())
def test_and_or_not_are_those_of_sets(graph: Graph, one: Term, other: Term, direct: bool) -> None:
    left, right = files(graph, one, direct=direct), files(graph, other, direct=direct)
    assert files(graph, And((one, other)), direct=direct) == left & right
    assert files(graph, Or((one, other)), direct=direct) == left | right
    assert files(graph, Not(one), direct=direct) == graph.shown() - left


@given(graphs(), terms, terms, st.booleans())
def test_de_morgan(graph: Graph, one: Term, other: Term, direct: bool) -> None:
    assert files(graph, Not(And((one, other))), direct=direct) == files(
        graph, Or((Not(one), Not(other))), direct=direct
    )
    assert files(graph, Not(Or((one, other))), direct=direct) == files(
        graph, And((Not(one), Not(other))), direct=direct
    )


@given(graphs(), terms, st.booleans())
def test_the_normal_form_means_the_same_and_is_reached_at_once(graph: Graph, one: Term, direct: bool) -> None:
    assert files(graph, normal(one), direct=direct) == files(graph, one, direct=direct)
    assert normal(normal(one)) == normal(one)


@given(graphs(), positive_terms)
def test_direct_is_a_part(graph: Graph, term: Term) -> None:
    assert files(graph, term, direct=True) <= files(graph, term)


@given(graphs())
def test_a_child_implies_its_parents(graph: Graph) -> None:
    for tag in graph.parents:
        for above in graph.lineage(tag):
            assert files(graph, Tag(tag)) <= files(graph, Tag(above))
    for tag in graph.parents:
        direct = files(graph, Tag(tag), direct=True)
        assert files(graph, Tag(tag)) == direct.union(*(files(graph, Tag(one.id)) for one in graph.children(tag)))


@given(graphs(), ranges, st.booleans())
def test_a_range_is_the_union_of_the_children_in_it(graph: Graph, term: Range, direct: bool) -> None:
    inside = range_test(term.low, term.high)
    children = tuple(Tag(one.id) for one in graph.children(term.parent) if inside(fold(one.name)))
    assert files(graph, term, direct=direct) == files(graph, Or(children), direct=direct)


@given(graphs())
def test_untagged_is_what_no_tag_has(graph: Graph) -> None:
    every = Or(tuple(Tag(tag) for tag in graph.parents))
    assert files(graph, Untagged()) == files(graph, Not(every))
    assert files(graph, ALL) == graph.shown()


@given(graphs(), queries)
def test_text_round_trip(graph: Graph, query: Query) -> None:
    text = render(query, graph)
    assert parse_text(text, graph) == query
    assert render(parse_text(text, graph), graph) == text


@given(paths())
def test_a_path_is_a_text(case: tuple[Graph, Path]) -> None:
    graph, path = case
    assume(path.lists_files)
    assert path.query.term == normal(path.query.term)
    assert parse_text("/".join(quoted(one) for one in path.components), graph) == path.query
    assert parse_text(render(path.query, graph), graph) == path.query


@given(paths(), st.data())
def test_a_comma_is_the_union_of_its_sides(case: tuple[Graph, Path], data: st.DataObject) -> None:
    graph, path = case
    assume(path.complete and (path.chain is None or path.chain.plain))
    some = data.draw(st.lists(sides(graph), min_size=2, max_size=3))
    below = [step(path, side, graph) for side in some]
    both = step(path, ",".join(some), graph)
    assert (both is None) == (None in below)
    if both is not None:
        union = set().union(*(evaluate(one.query, graph, now=NOW) for one in below if one is not None))
        assert evaluate(both.query, graph, now=NOW) == union


@given(paths(), st.sampled_from([Limits(), Limits(0, 3), Limits(2, 2)]))
def test_sub_folders_exist_and_hold_what_was_counted(case: tuple[Graph, Path], limits: Limits) -> None:
    graph, path = case
    size = len(evaluate(path.query, graph, now=NOW))
    listed = evaluate_facets(path, graph, limits, now=NOW)
    assert len({fold(one.tag.name) for one in listed}) == len(listed)
    for one in listed:
        below = named(path, one.tag.name, graph)
        assert below is not None
        assert len(evaluate(below.query, graph, now=NOW)) == one.files
        narrows = path.complete and path.components and not path.only_tag and not (path.chain and path.chain.review)
        if narrows or (path.complete and path.components and not one.child):
            assert 0 < one.files < size
            assert not {one.tag.id} & {above for tag in path.named for above in graph.lineage(tag)}


@given(graphs(), st.integers(0, 3), st.integers(0, 3))
def test_the_tree_is_finite(graph: Graph, minimum: int, depth: int) -> None:
    limits = Limits(minimum, depth)
    height = max(len(graph.lineage(tag)) for tag in graph.parents)
    pending: list[Path] = [ROOT]
    seen = 0
    while pending:
        path = pending.pop()
        seen += 1
        assert len(path.terms) <= depth + 1
        assert len(path.components) <= height * (depth + 1)
        pending += [parse([*path.components, one.tag.name], graph) for one in evaluate_facets(path, graph, limits)]
    assert seen <= (1 + len(graph.parents)) ** (depth + 1)
