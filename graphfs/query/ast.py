"""The tree of a query: frozen terms, compared by value. Not how a query is spelt, and not how it is answered.

Tags stand in it by their ids, so a rename does not change a query. Trees are kept in one normal form:

- no `And` directly in an `And`, no `Or` directly in an `Or`, no `Not` directly in a `Not`;
- `And` and `Or` have at least two terms, no term twice, in the order in which they were said;
- `All` stands alone or below a `Not` (`Not(All())` matches nothing).

`conjunction`, `disjunction` and `negation` keep that form; build trees with them rather than with the classes.
"""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class All:
    """Every visible file."""


@dataclass(frozen=True, slots=True)
class Tag:
    """Files with this tag, or with one below it."""

    id: int


@dataclass(frozen=True, slots=True)
class Range:
    """Files with a child of `parent` whose name lies between the ends (`graphfs.query.ranges` says how).

    The ends are inclusive and folded (`graphfs.names.fold`); an empty one is open.
    """

    parent: int
    low: str
    high: str


@dataclass(frozen=True, slots=True)
class Untagged:
    """Files without any applied tag."""


@dataclass(frozen=True, slots=True)
class Recent:
    """Files that arrived within the last days; how many is the caller's to say."""


@dataclass(frozen=True, slots=True)
class Review:
    """Files with a suggestion that waits for a person: of this tag or one below it, or (0) of any."""

    tag: int = 0


@dataclass(frozen=True, slots=True)
class Search:
    """Files that the search for these words finds. What finds them is handed in."""

    words: str


@dataclass(frozen=True, slots=True)
class And:
    """Files that match all terms."""

    terms: tuple["Term", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Files that match at least one term."""

    terms: tuple["Term", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Visible files that do not match the term."""

    term: "Term"


Term = All | Tag | Range | Untagged | Recent | Review | Search | And | Or | Not


@dataclass(frozen=True, slots=True)
class Query:
    """A term, and whether tags count only where they were given to the file itself (`direct`), not through a child."""

    term: Term = All()
    direct: bool = False


ALL = All()


def conjunction(*terms: Term) -> Term:
    """The terms ANDed, in normal form. Of nothing: All."""
    flat: dict[Term, None] = {}
    for term in terms:
        for part in term.terms if isinstance(term, And) else (term,):
            if part != ALL:
                flat[part] = None
    return _joined(And, flat, ALL)


def disjunction(*terms: Term) -> Term:
    """The terms ORed, in normal form. Of nothing: a term that matches nothing."""
    flat: dict[Term, None] = {}
    for term in terms:
        for part in term.terms if isinstance(term, Or) else (term,):
            flat[part] = None
    return ALL if ALL in flat else _joined(Or, flat, Not(ALL))


def negation(term: Term) -> Term:
    """The opposite, in normal form."""
    return term.term if isinstance(term, Not) else Not(term)


def _joined(kind: type[And] | type[Or], flat: dict[Term, None], empty: Term) -> Term:
    if not flat:
        return empty
    if len(flat) == 1:
        return next(iter(flat))
    return kind(tuple(flat))


def normal(term: Term) -> Term:
    """The same meaning in normal form; a tree in normal form comes back equal."""
    match term:
        case And(terms):
            return conjunction(*map(normal, terms))
        case Or(terms):
            return disjunction(*map(normal, terms))
        case Not(inner):
            return negation(normal(inner))
        case _:
            return term


def tags_in(term: Term) -> Iterator[int]:
    """Ids of the tags that a term speaks of, also under NOT and OR; a range speaks of its parent."""
    match term:
        case And(terms) | Or(terms):
            for part in terms:
                yield from tags_in(part)
        case Not(inner):
            yield from tags_in(inner)
        case Tag(tag) | Range(tag, _, _):
            yield tag
        case Review(tag) if tag:
            yield tag
        case _:
            return
