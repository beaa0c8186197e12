"""Candidate names to a set of tags: counted, filtered by frequency, merged where they are one word or one meaning; and
pairs of existing tags that are. Pure but for the vectors.

Follows TagGPT (Li et al., 2023): candidates, frequency filter, semantic merge. One word is one after NFKC, case,
plural and hyphens; one meaning is a cosine over `SAME`.
"""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Protocol

from msgspec import Struct

from graphfs.model import Tag
from tagger.suggest.encoder import Vectors
from tagger.suggest.facts import clean_name, is_factual
from tagger.suggest.phrases import GENERIC
from tagger.suggest.vocabulary import key_of

SAME = 0.84
"""Cosine from which two names are taken for one meaning: `film` and `movie` have 0.94, `travel` and `trip` 0.88,
`dog` and `cat` 0.67, `biology` and `chemistry` 0.51."""
OFTEN = 0.5
"""A name in more than this part of the files tells none of them apart."""
_FEW = 20
"""Files below which nothing is too frequent."""
_EXAMPLES = 3


class Embeds(Protocol):
    """What is needed of an encoder."""

    def embed(self, texts: Sequence[str]) -> Vectors: ...


class Proposal(Struct, frozen=True):
    """A tag that files suggest."""

    tag: str
    files: int
    also: tuple[str, ...] = ()
    """Names that were merged into it."""
    examples: tuple[str, ...] = ()
    """Paths of some of the files."""


class Pair(Struct, frozen=True):
    """Two tags that may be one: `tag` would become another name of `into`."""

    tag: str
    into: str
    why: str
    likeness: float


class _Group:
    """One word in all its spellings."""

    def __init__(self) -> None:
        self.spellings: Counter[str] = Counter()
        self.files: dict[str, None] = {}

    @property
    def name(self) -> str:
        """The commonest spelling; of equals one in lower case, the shortest."""
        return min(self.spellings, key=lambda one: (-self.spellings[one], one != one.lower(), len(one), one))


def key(name: str) -> str:
    """The form in which names are one word: NFKC, case, plural, hyphens. Falls back to the name for signs alone."""
    normal = unicodedata.normalize("NFKC", name)
    return key_of(normal) or normal.casefold().strip()


def propose(
    names: Iterable[tuple[str, Iterable[str]]],
    tags: Sequence[Tag],
    encoder: Embeds,
    least: int,
    most: int,
    same: float = SAME,
) -> list[Proposal]:
    """The set that (path, its candidates) suggest: names of at least `least` files, the commonest first, at most
    `most`; without those that are tags already, in other words too. `same`: the cosine from which names have one
    meaning."""
    groups: defaultdict[str, _Group] = defaultdict(_Group)
    files = 0
    for path, candidates in names:
        files += 1
        for raw in candidates:
            name = clean_name(unicodedata.normalize("NFKC", raw))
            if not name or name.casefold() in GENERIC or is_factual(name):
                continue
            group = groups[key(name)]
            group.spellings[name] += 1
            group.files[path] = None
    known = {key(name) for tag in tags for name in (tag.path.rpartition("/")[2], *tag.aliases)}
    kept = [
        group
        for one, group in groups.items()
        if len(group.files) >= least and one not in known and (files < _FEW or len(group.files) <= OFTEN * files)
    ]
    kept.sort(key=lambda group: (-len(group.files), group.name))
    kept = kept[: 4 * most]
    return [_proposal(merged) for merged in _merged(kept, tags, encoder, same)][:most]


def _merged(groups: list[_Group], tags: Sequence[Tag], encoder: Embeds, same: float) -> list[list[_Group]]:
    """Groups of one meaning together, each under the commonest; what an existing tag means is left out."""
    vectors = encoder.embed([group.name for group in groups])
    last = [tag.path.rpartition("/")[2] for tag in tags if not is_factual(tag.path)]
    taken = encoder.embed(last)
    found: list[tuple[int, list[_Group]]] = []
    for row, group in enumerate(groups):
        if len(taken) and float((taken @ vectors[row]).max()) >= same:
            continue
        for first, together in found:
            if float(vectors[first] @ vectors[row]) >= same:
                together.append(group)
                break
        else:
            found.append((row, [group]))
    return [together for _, together in found]


def _proposal(groups: list[_Group]) -> Proposal:
    first = groups[0]
    files = dict.fromkeys(path for group in groups for path in group.files)
    spellings = [name for group in groups for name, _ in group.spellings.most_common()]
    also = tuple(name for name in dict.fromkeys(spellings) if name != first.name)
    return Proposal(first.name, len(files), also, tuple(files)[:_EXAMPLES])


def duplicates(tags: Sequence[Tag], encoder: Embeds, same: float = SAME) -> list[Pair]:
    """Pairs of topical tags that may be one, the surest first; a tag is given away at most once. The one with more
    files stays; of equals the older."""
    topical = sorted((tag for tag in tags if not is_factual(tag.path)), key=lambda tag: (-tag.files, tag.id))
    last = [tag.path.rpartition("/")[2] for tag in topical]
    keys = [key(name) for name in last]
    vectors = encoder.embed(last)
    likeness = vectors @ vectors.T
    pairs: list[Pair] = []
    for row, tag in enumerate(topical):
        best: Pair | None = None
        for other in range(row):
            into = topical[other]
            if _related(tag.path, into.path):
                continue
            if keys[row] == keys[other]:
                best = Pair(tag.path, into.path, "the same word", 1.0)
                break
            near = float(likeness[row, other])
            if near >= same and (best is None or near > best.likeness):
                best = Pair(tag.path, into.path, "near in meaning", round(near, 2))
        if best is not None:
            pairs.append(best)
    given = {pair.tag for pair in pairs}
    # what would be merged into a tag that goes itself waits for the next round
    return sorted((pair for pair in pairs if pair.into not in given), key=lambda pair: (-pair.likeness, pair.tag))


def _related(one: str, other: str) -> bool:
    """Whether a tag is above or below the other."""
    first, second = one.casefold(), other.casefold()
    return first.startswith(f"{second}/") or second.startswith(f"{first}/")
