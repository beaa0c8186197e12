"""Which sub-folders a view lists, in which order. It says what to count; an engine counts.

A tag's own folder (`project`, `project/apollo`) lists the tags below it, also those without files. Everything else that
is listed strictly narrows what is there, so the tree is finite: `docs/query.md` gives the rules and
`docs/decisions/query-facets.md` the reasons.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from heapq import heappush, heapreplace
from types import MappingProxyType

from graphfs.names import fold
from graphfs.query.ast import ALL, Review, Tag, Term
from graphfs.query.parser import Operator, Path
from graphfs.query.vocabulary import TagRef, Vocabulary

Count = Callable[[Term], int]
"""How many files of the view match a term (a `Tag` or a `Review`), direct tags only when the view's query is direct."""
AtMost = Mapping[int, int]
"""How many files of the view can have a tag at most, where that is known without counting."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Until where co-occurring tags are listed."""

    minimum: int = 24
    """A view of this many files or fewer is not narrowed further."""
    depth: int = 3
    """A view of more terms ANDed than this is not narrowed further; a child counts with its parent as one."""
    folders: int = 200_000
    """About so many folders the whole tree may have: it is shared out to the terms, an equal part to each."""

    def listed(self, terms: int, top: int) -> int:
        """How many co-occurring tags a view of so many terms lists, of a vocabulary of `top` top-level tags: all of
        them as long as the tree stays within its folders, at least one."""
        beside, reached = 1, max(top, 1)
        for term in range(1, max(terms, 1) + 1):
            beside = min(max(self.folders * term // (max(self.depth, terms) * reached), 1), top)
            reached *= max(beside, 1)
        return beside


DEFAULT_LIMITS = Limits()
NOTHING_KNOWN: AtMost = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Narrowing:
    """A sub-folder: a tag, how many files its folder will list, and whether it is a child of the tag before it."""

    tag: TagRef
    files: int
    child: bool


def narrowing(
    path: Path,
    size: int,
    vocabulary: Vocabulary,
    count: Count,
    limits: Limits = DEFAULT_LIMITS,
    at_most: AtMost = NOTHING_KNOWN,
) -> list[Narrowing]:
    """The sub-folders of a view of `size` files: children by name, then the others, those with the most files first.

    Each has a name of its own: where a child and a top-level tag are called the same, the name is the child's.
    `at_most` changes nothing but how many tags are counted.
    """
    if path.pending is Operator.SEARCH:
        return []
    if path.pending is Operator.NOT:
        return _after_not(path, size, vocabulary, count)
    if path.chain is not None and path.chain.review:
        return _waiting(path, vocabulary, count)
    children = _children(path, size, vocabulary, count, limits)
    names = {fold(one.tag.name) for one in children}
    beside = _beside(path, size, vocabulary, count, limits, at_most)
    return children + [one for one in beside if fold(one.tag.name) not in names]


def _children(path: Path, size: int, vocabulary: Vocabulary, count: Count, limits: Limits) -> list[Narrowing]:
    """Tags below the last one. None below `+direct`: what was given to a child was not given to its parent."""
    if not path.components or path.tag is None or path.direct:
        return []
    own = path.only_tag is not None
    if not own and (size <= limits.minimum or _depth(path) > limits.depth):
        return []
    known = _known(path, vocabulary)
    found = []
    for tag in vocabulary.children(path.tag.id):
        files = count(Tag(tag.id))
        if own or (0 < files < size and tag.id not in known):
            found.append(Narrowing(tag, files, child=True))
    return found


def _beside(
    path: Path, size: int, vocabulary: Vocabulary, count: Count, limits: Limits, at_most: AtMost
) -> list[Narrowing]:
    """Top-level tags: at the root all of them, elsewhere those that narrow."""
    if not path.components:
        return [Narrowing(tag, count(Tag(tag.id)), child=True) for tag in vocabulary.children(0)]
    if size <= limits.minimum or _depth(path) > limits.depth:
        return []
    known = _known(path, vocabulary)
    top = list(vocabulary.children(0))
    most = limits.listed(_depth(path), len(top))
    listed: list[tuple[int, int]] = []
    """A heap of those that are listed so far: files, and the place in the order of names, negative."""
    for bound, place in sorted([(-at_most.get(tag.id, size), place) for place, tag in enumerate(top)]):
        if len(listed) == most and -bound < listed[0][0]:
            break  # nobody who comes now has as many as the last one listed
        tag = top[place]
        files = 0 if not bound or tag.id in known else count(Tag(tag.id))
        if not 0 < files < size:
            continue
        if len(listed) < most:
            heappush(listed, (files, -place))
        elif (files, -place) > listed[0]:
            heapreplace(listed, (files, -place))
    return [Narrowing(top[-place], files, child=False) for files, place in sorted(listed, reverse=True)]


def _after_not(path: Path, size: int, vocabulary: Vocabulary, count: Count) -> list[Narrowing]:
    """What may follow `+not`."""
    tag = path.chain.tag if path.chain and path.chain.plain else None
    children = list(vocabulary.children(tag.id)) if tag else []
    names = {fold(one.name) for one in children}
    others = [one for one in vocabulary.children(0) if fold(one.name) not in names]
    known = _known(path, vocabulary)
    return [Narrowing(one, size - count(Tag(one.id)), child=False) for one in children + others if one.id not in known]


def _waiting(path: Path, vocabulary: Vocabulary, count: Count) -> list[Narrowing]:
    """Below `+review`: the tags that files wait for, level by level."""
    chain = path.chain
    if chain is None or chain.negated:
        return []
    above = chain.tag.id if chain.tag else 0
    found = [Narrowing(tag, count(Review(tag.id)), child=True) for tag in vocabulary.children(above)]
    return [one for one in found if one.files]


def _depth(path: Path) -> int:
    return sum(1 for term in path.terms if term != ALL)


def _known(path: Path, vocabulary: Vocabulary) -> set[int]:
    """The tags that the path names, and all that they imply."""
    known: set[int] = set()
    for tag in path.named:
        while tag and tag not in known:
            known.add(tag)
            tag = vocabulary.parent(tag)
    return known
