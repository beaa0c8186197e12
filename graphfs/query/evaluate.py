"""Which files a query matches, on a small graph in memory: the meaning that engines are held equal to. Not an engine.

It asks of every file by itself whether it matches, so that nothing has to be believed about sets or order.
"""

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field

from graphfs.errors import NotSupported
from graphfs.names import fold
from graphfs.query.ast import All, And, Not, Or, Query, Range, Recent, Review, Search, Tag, Term, Untagged
from graphfs.query.facets import DEFAULT_LIMITS, Limits, Narrowing, narrowing
from graphfs.query.parser import Path
from graphfs.query.ranges import range_test
from graphfs.query.vocabulary import TagRef

DAY = 86_400 * 10**9
"""Nanoseconds."""


@dataclass(frozen=True)
class Graph:
    """Files and tags by id. It also is a `Vocabulary`. Times are nanoseconds since the epoch."""

    files: Set[int] = frozenset()
    parents: Mapping[int, int] = field(default_factory=dict)
    """Every tag's parent, 0 for a top-level one."""
    tag_names: Mapping[int, str] = field(default_factory=dict)
    edges: Mapping[int, Set[int]] = field(default_factory=dict)
    """File to the tags given to it (applied ones)."""
    waiting: Mapping[int, Set[int]] = field(default_factory=dict)
    """File to the tags suggested for it that wait for a person."""
    arrived: Mapping[int, int] = field(default_factory=dict)
    visible: Set[int] | None = None
    """Files that the caller may see; None: all."""
    aliases: Mapping[int, Iterable[str]] = field(default_factory=dict)

    def shown(self) -> set[int]:
        return set(self.files if self.visible is None else self.files & self.visible)

    def lineage(self, tag: int) -> list[int]:
        """The tag and those above it, upwards."""
        line = []
        while tag:
            line.append(tag)
            tag = self.parents[tag]
        return line

    def parent(self, tag: int) -> int:
        return self.parents[tag]

    def names(self, tag: int) -> tuple[str, ...]:
        return tuple(self.tag_names[one] for one in reversed(self.lineage(tag)))

    def root(self, key: str) -> TagRef | None:
        return self.child(0, key)

    def child(self, tag: int, key: str) -> TagRef | None:
        for one in self.children(tag):
            if fold(one.name) == key or any(fold(alias) == key for alias in self.aliases.get(one.id, ())):
                return one
        return None

    def children(self, tag: int) -> list[TagRef]:
        found = [TagRef(one, self.tag_names[one]) for one in sorted(self.parents) if self.parents[one] == tag]
        return sorted(found, key=lambda one: fold(one.name))


def evaluate(
    query: Query,
    graph: Graph,
    *,
    now: int = 0,
    recent_days: float = 7,
    search: Callable[[str], Iterable[int]] | None = None,
) -> set[int]:
    """The visible files that match. `search` finds the files for the words of a `Search`: NotSupported without."""
    question = _Question(graph, query.direct, now - round(recent_days * DAY), search)
    return {file for file in graph.shown() if question.holds(query.term, file)}


@dataclass(frozen=True)
class _Question:
    graph: Graph
    direct: bool
    since: int
    search: Callable[[str], Iterable[int]] | None

    def holds(self, term: Term, file: int) -> bool:
        match term:
            case All():
                return True
            case Tag(tag):
                return tag in self.implied(self.graph.edges.get(file, ()))
            case Range(parent, low, high):
                inside = range_test(low, high)
                having = self.implied(self.graph.edges.get(file, ()))
                return any(one.id in having for one in self.graph.children(parent) if inside(fold(one.name)))
            case Untagged():
                return not self.graph.edges.get(file)
            case Recent():
                return self.graph.arrived.get(file, self.since - 1) >= self.since
            case Review(tag):
                waiting = self.graph.waiting.get(file, ())
                return tag in self.implied(waiting) if tag else bool(waiting)
            case Search(words):
                if self.search is None:
                    raise NotSupported("this drive has no search: leave +search out of the query")
                return file in self.search(words)
            case And(terms):
                return all(self.holds(part, file) for part in terms)
            case Or(terms):
                return any(self.holds(part, file) for part in terms)
            case Not(inner):
                return not self.holds(inner, file)

    def implied(self, tags: Iterable[int]) -> set[int]:
        """The tags themselves, and unless only direct ones count all that are above them."""
        return set(tags) if self.direct else {above for tag in tags for above in self.graph.lineage(tag)}


def evaluate_facets(
    path: Path,
    graph: Graph,
    limits: Limits = DEFAULT_LIMITS,
    *,
    now: int = 0,
    recent_days: float = 7,
    search: Callable[[str], Iterable[int]] | None = None,
) -> list[Narrowing]:
    """The sub-folders of a path, counted file by file."""
    view = evaluate(path.query, graph, now=now, recent_days=recent_days, search=search)

    def count(term: Term) -> int:
        return len(view & evaluate(Query(term, path.direct), graph))

    return narrowing(path, len(view), graph, count, limits)
