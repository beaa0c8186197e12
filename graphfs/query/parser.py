"""A query spelt as a path below `tags/`: components in, a tree out. The text form is `graphfs.query.text`.

Nesting is AND, and every component is looked up in the order operator, tag, (file), expression. Files are not known
here: a caller that has some asks `named`, then its files, then `expression`; `parse` walks folders only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from graphfs.errors import NotFound
from graphfs.names import fold
from graphfs.query.ast import (
    ALL,
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
)
from graphfs.query.ranges import backwards, range_test, split_range
from graphfs.query.vocabulary import Resolver, TagRef


class Operator(StrEnum):
    """Components with a meaning of their own. No tag can begin with `+`."""

    NOT = "+not"
    SEARCH = "+search"
    DIRECT = "+direct"
    ALL = "+all"
    UNTAGGED = "+untagged"
    RECENT = "+recent"
    REVIEW = "+review"


SETS: dict[str, Term] = {
    Operator.ALL: ALL,
    Operator.UNTAGGED: Untagged(),
    Operator.RECENT: Recent(),
    Operator.REVIEW: Review(),
}
"""Operators that are a set of files by themselves."""

ROOT_OPERATORS = (Operator.RECENT, Operator.REVIEW, Operator.UNTAGGED)
"""Those that the root lists beside the tags."""


@dataclass(frozen=True, slots=True)
class Chain:
    """The tag that the last component named, which the next one may refine by a child."""

    tag: TagRef | None = None
    negated: bool = False
    review: bool = False
    """Whether the tag is one that waits for review; without a tag: `+review`, which may still be given one."""

    @property
    def plain(self) -> bool:
        return not (self.negated or self.review)


@dataclass(frozen=True, slots=True)
class Path:
    """A folder below `tags/`: the components that were walked and what they mean. `Path()` is `tags/` itself."""

    components: tuple[str, ...] = ()
    terms: tuple[Term, ...] = ()
    """What is ANDed, one a step; a child replaces its parent's term."""
    direct: bool = False
    pending: Operator | None = None
    """The operator that still needs its argument: this folder lists what may follow, and no files."""
    named: tuple[int, ...] = ()
    """Ids of all tags that components named, whatever was said of them."""
    chain: Chain | None = None
    child: bool = False
    """Whether the last component named a child of the tag before it, or is the first one and named a top-level tag."""

    @property
    def query(self) -> Query:
        """The query. Of an incomplete path: of what stands before its last operator."""
        return Query(conjunction(*self.terms), self.direct)

    @property
    def complete(self) -> bool:
        return self.pending is None

    @property
    def lists_files(self) -> bool:
        """The root lists tags only, an incomplete path what may follow."""
        return bool(self.components) and self.complete

    @property
    def tag(self) -> TagRef | None:
        """The tag that the last component named, when files here have it (not under NOT or `+review`)."""
        return self.chain.tag if self.chain and self.chain.plain and self.complete else None

    @property
    def reviewed(self) -> TagRef | None:
        """The tag whose waiting suggestions are listed (`+review/a`)."""
        reviewing = self.chain is not None and self.chain.review and not self.chain.negated
        return self.chain.tag if self.chain and reviewing and self.complete else None

    @property
    def gives(self) -> tuple[int, ...]:
        """Tags that a file put here is given; none where anything but plain tags is asked for."""
        tags = tuple(dict.fromkeys(term.id for term in self.terms if isinstance(term, Tag)))
        only_tags = all(isinstance(term, Tag) or term == ALL for term in self.terms)
        return tags if self.complete and only_tags else ()

    @property
    def only_tag(self) -> TagRef | None:
        """The tag whose own folder this is: `project`, `project/apollo`, reached by names from the root down alone."""
        return self.tag if len(self.terms) == 1 and len(self.named) == len(self.components) else None


ROOT = Path()


def parse(components: Sequence[str], resolver: Resolver) -> Path:
    """The path that these components spell. NotFound when one of them names nothing."""
    path = ROOT
    for component in components:
        below = step(path, component, resolver)
        if below is None:
            raise NotFound(
                f"{component!r} in {'/'.join(('tags', *path.components))} is no tag, operator or expression of tags"
            )
        path = below
    return path


def step(path: Path, component: str, resolver: Resolver) -> Path | None:
    """The folder below `path` with this name when no file stands in the way, or None."""
    return named(path, component, resolver) or expression(path, component, resolver)


def named(path: Path, component: str, resolver: Resolver) -> Path | None:
    """The folder that an operator or a tag of this name is, or None. Comes before files of the name."""
    if path.pending is Operator.SEARCH:
        return None
    if component.startswith("+"):
        return _operator(path, component)
    return _tag(path, component, resolver)


def expression(path: Path, component: str, resolver: Resolver, *, empty_ranges: bool = False) -> Path | None:
    """The folder that an expression (OR, NOT, a range, words to search) is, or None. Comes after files of the name.

    A range that no child lies in is none, unless `empty_ranges`.
    """
    if path.pending is Operator.SEARCH:
        return _searched(path, component)
    return _Expression(path, component, resolver, empty_ranges).meaning()


def _walked(
    path: Path, component: str, terms: tuple[Term, ...], chain: Chain | None, *tags: int, child: bool = False
) -> Path:
    return replace(
        path,
        components=(*path.components, component),
        terms=terms,
        pending=None,
        named=(*path.named, *tags),
        chain=chain,
        child=child,
    )


def _signed(term: Term, chain: Chain) -> Term:
    return negation(term) if chain.negated else term


def _operator(path: Path, component: str) -> Path | None:
    term = SETS.get(component)
    if path.pending is Operator.NOT:
        if term is None:
            return None
        chain = Chain(negated=True, review=True) if component == Operator.REVIEW else None
        return _walked(path, component, (*path.terms, negation(term)), chain)
    if term is not None:
        return _walked(
            path, component, (*path.terms, term), Chain(review=True) if component == Operator.REVIEW else None
        )
    if component == Operator.DIRECT:
        return replace(_walked(path, component, path.terms, None), direct=True)
    if component in (Operator.NOT, Operator.SEARCH):
        return replace(_walked(path, component, path.terms, path.chain), pending=Operator(component))
    return None


def _searched(path: Path, words: str) -> Path | None:
    if not words.strip():
        return None
    return _walked(path, words, (*path.terms, Search(words)), None)


def _tag(path: Path, component: str, resolver: Resolver) -> Path | None:
    key = fold(component)
    chain = path.chain or Chain()
    negating = path.pending is Operator.NOT
    if chain.tag is not None and (chain.plain or not negating):
        child = resolver.child(chain.tag.id, key)
        if child is not None and negating:
            return _walked(
                path, component, (*path.terms, negation(Tag(child.id))), Chain(child, negated=True), child.id
            )
        if child is not None:
            term = _signed(Review(child.id) if chain.review else Tag(child.id), chain)
            return _walked(path, component, (*path.terms[:-1], term), replace(chain, tag=child), child.id, child=True)
    root = resolver.root(key)
    if root is None:
        return None
    if negating:
        return _walked(path, component, (*path.terms, negation(Tag(root.id))), Chain(root, negated=True), root.id)
    if chain.review and chain.tag is None:
        term = _signed(Review(root.id), chain)
        return _walked(path, component, (*path.terms[:-1], term), replace(chain, tag=root), root.id)
    first = not path.components
    return _walked(path, component, (*path.terms, Tag(root.id)), Chain(root), root.id, child=first)


@dataclass(frozen=True, slots=True)
class _Alternative:
    """One side of a comma: a tag or a range (`term`), of what (`tag`), and how it was said."""

    term: Term
    tag: TagRef
    negated: bool
    child: bool

    @property
    def signed(self) -> Term:
        return negation(self.term) if self.negated else self.term


@dataclass(frozen=True, slots=True)
class _Expression:
    """One component that is OR, NOT or a range, below a path."""

    path: Path
    component: str
    resolver: Resolver
    empty_ranges: bool

    def meaning(self) -> Path | None:
        path, chain = self.path, self.path.chain or Chain()
        if path.pending is Operator.NOT:
            found = self.alternatives(chain.tag if chain.plain else None)
            if found is None or any(one.negated for one in found):
                return None
            return self.walked((*path.terms, negation(disjunction(*(one.term for one in found)))), found)
        if chain.plain:
            found = self.alternatives(chain.tag)
            return self.beside(found)
        return self.refined(chain) or self.beside(self.alternatives(None))

    def beside(self, found: tuple[_Alternative, ...] | None) -> Path | None:
        """P/x,y is P/x and P/y together: a child takes the place of P's tag, anything else is ANDed with it."""
        if found is None:
            return None
        children = [one.term for one in found if one.child and not one.negated]
        others = disjunction(*(one.signed for one in found if one.negated or not one.child))
        if not children:
            return self.walked((*self.path.terms, others), found)
        *before, base = self.path.terms
        if len(children) < len(found):
            children.append(conjunction(base, others))
        return self.walked((*before, disjunction(*children)), found)

    def refined(self, chain: Chain) -> Path | None:
        """Below NOT or `+review` an expression of children alone says more exactly what is meant there."""
        found = self.alternatives(chain.tag)
        if found is None or any(one.negated or not (one.child or chain.tag is None) for one in found):
            return None
        if not chain.review:
            meant = disjunction(*(one.term for one in found))
        elif all(isinstance(one.term, Tag) for one in found):
            meant = disjunction(*(Review(one.tag.id) for one in found))
        else:
            return None
        return self.walked((*self.path.terms[:-1], _signed(meant, chain)), found)

    def walked(self, terms: tuple[Term, ...], found: tuple[_Alternative, ...]) -> Path:
        only = found[0]
        chain = (
            Chain(only.tag, negated=True) if len(found) == 1 and only.negated and isinstance(only.term, Tag) else None
        )
        return _walked(self.path, self.component, terms, chain, *(one.tag.id for one in found))

    def alternatives(self, base: TagRef | None) -> tuple[_Alternative, ...] | None:
        found = [self.alternative(text, base) for text in self.component.split(",")]
        return tuple(one for one in found if one is not None) if None not in found else None

    def alternative(self, text: str, base: TagRef | None) -> _Alternative | None:
        """A child of `base` before a top-level tag, a tag before a range."""
        negated = text.startswith("-")
        text = text.removeprefix("-")
        if not text:
            return None
        key = fold(text)
        if base is not None and (child := self.resolver.child(base.id, key)) is not None:
            return _Alternative(Tag(child.id), child, negated, child=True)
        if (root := self.resolver.root(key)) is not None:
            return _Alternative(Tag(root.id), root, negated, child=False)
        ends = split_range(text)
        if base is None or ends is None or not self.inhabited(base, *ends):
            return None
        return _Alternative(Range(base.id, *ends), base, negated, child=True)

    def inhabited(self, base: TagRef, low: str, high: str) -> bool:
        if backwards(low, high):
            return False
        inside = range_test(low, high)
        return self.empty_ranges or any(inside(fold(child.name)) for child in self.resolver.children(base.id))
