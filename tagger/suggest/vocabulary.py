"""The tags that exist, as something to choose from: which are named in a text, which are near to its meaning."""

import re
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphfs.model import Tag
from graphfs.names import fold
from tagger.suggest.encoder import Encodes, Vectors
from tagger.suggest.facts import is_factual

_WORD = re.compile(r"[^\W_]+(?:['’+#-][^\W_]*)*", re.UNICODE)
_DENSE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\u0e00-\u0e7f\uac00-\ud7af]")
_BATCH = 256
_LONGEST = 4
"""Words of a name that are looked for as one phrase."""


class Named(NamedTuple):
    """A tag whose name (or alias) stands in a text."""

    tag: str
    words: str
    times: int
    in_title: bool


def topical(tags: Iterable[Tag], within: Sequence[str] = ()) -> list[Tag]:
    """The tags that are about something: not the rules' own; when `within` is given, these and those below them."""
    roots = tuple(fold(path) for path in within)
    found = [tag for tag in tags if not is_factual(tag.path)]
    if not roots:
        return found
    return [
        tag for tag in found if any(fold(tag.path) == root or fold(tag.path).startswith(f"{root}/") for root in roots)
    ]


def singular(word: str) -> str:
    """A word without an English plural's ending: `recipes` and `recipe` are one tag."""
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def key_of(name: str) -> str:
    """The form in which a name is compared: folded, words apart, singular."""
    return " ".join(singular(word) for word in _WORD.findall(fold(name).replace("-", " ").replace("_", " ")))


class Vocabulary:
    """Remembers the vectors of names; one name is embedded once. Not for several threads at once."""

    def __init__(self, encoder: Encodes) -> None:
        self._encoder = encoder
        self._vectors: dict[str, Vectors] = {}
        self._tags: tuple[Tag, ...] | None = None
        self._paths: list[str] = []
        self._matrix: Vectors = np.zeros((0, 1), dtype=np.float32)
        self._names: dict[str, str] = {}
        self._dense: list[tuple[str, str]] = []
        self._first: set[str] = set()
        self._stems: dict[str, list[int]] = {}
        self.version = 0
        """Changes with the tags there are to choose from."""

    @property
    def paths(self) -> list[str]:
        """The topical tags, in the order of `names`."""
        return self._paths

    @property
    def names(self) -> Vectors:
        """Their names as vectors, one row a tag."""
        return self._matrix

    def use(self, tags: tuple[Tag, ...]) -> None:
        """Sets the tags that exist now; costs nothing when they are the same as before. ModelUnavailable, and then
        nothing is changed."""
        if tags is self._tags:
            return
        chosen = topical(tags)
        paths = [tag.path for tag in chosen]
        self._embed([path for path in paths if path not in self._vectors])
        self._tags = tags
        self._names, self._dense = {}, []
        for tag in chosen:
            for name in (tag.path.rpartition("/")[2], *tag.aliases):
                if _DENSE.search(name):
                    self._dense.append((fold(name), tag.path))
                elif key := key_of(name):
                    self._names.setdefault(key, tag.path)
        self._first = {key.partition(" ")[0] for key in self._names if " " in key}
        if paths == self._paths:
            return
        self._paths = paths
        self.version += 1
        self._stems = {}
        for row, path in enumerate(paths):
            for stem in stems(path.rpartition("/")[2]):
                self._stems.setdefault(stem, []).append(row)
        self._matrix = (
            np.stack([self._vectors[path] for path in paths]) if paths else np.zeros((0, 1), dtype=np.float32)
        )

    def _embed(self, paths: Sequence[str]) -> None:
        """What was paid for stays known when a later part fails."""
        for path in paths:
            if (known := self._encoder.kept(f"name {_spoken(path)}")) is not None:
                self._vectors[path] = known
        missing = [path for path in paths if path not in self._vectors]
        for start in range(0, len(missing), _BATCH):
            some = missing[start : start + _BATCH]
            for path, vector in zip(some, self._encoder.embed([_spoken(path) for path in some]), strict=True):
                self._vectors[path] = vector
                self._encoder.keep(f"name {_spoken(path)}", vector)

    def exact(self, name: str) -> str:
        """The path of the tag with this name or alias, in another case or number too; '' when there is none."""
        folded = fold(name)
        for dense, path in self._dense:
            if dense == folded:
                return path
        return self._names.get(key_of(name), "")

    def nearest(self, name: str, allowed: Container[str]) -> tuple[str, float]:
        """The tag among `allowed` whose name means most nearly what `name` means, with their cosine; ('', 0.0) when
        there is none."""
        if not self._paths:
            return "", 0.0
        cosines = self._matrix @ self._encoder.embed([_spoken(name)])[0]
        for row in np.argsort(-cosines):
            if self._paths[row] in allowed:
                return self._paths[row], float(cosines[row])
        return "", 0.0

    def named(self, title: str, text: str) -> list[Named]:
        """The tags whose names stand in the title or the text."""
        found = self._count(text)
        titled = self._count(title)
        return [
            Named(path, words, found.get((path, words), 0) + titled.get((path, words), 0), (path, words) in titled)
            for path, words in dict.fromkeys([*titled, *found])
        ]

    def _count(self, text: str) -> Counter[tuple[str, str]]:
        counts: Counter[tuple[str, str]] = Counter()
        words = [singular(word) for word in _WORD.findall(fold(text).replace("-", " ").replace("_", " "))]
        for start in range(len(words)):
            longest = _LONGEST if words[start] in self._first else 1
            for size in range(1, min(longest, len(words) - start) + 1):
                key = words[start] if size == 1 else " ".join(words[start : start + size])
                path = self._names.get(key)
                if path is not None:
                    counts[path, key] += 1
        folded = fold(text)
        for name, path in self._dense:
            if times := folded.count(name):
                counts[path, name] += times
        return counts

    def hints(self, text: str) -> NDArray[np.float32]:
        """How often words of the same stem as each tag's name stand in a text, as log(1 + times): shape (tags,)."""
        counts = np.zeros(len(self._paths), dtype=np.float32)
        for stem, times in Counter(stem for word in _WORD.findall(fold(text)) for stem in stems(word)).items():
            counts[self._stems.get(stem, [])] += times
        return np.asarray(np.log1p(counts), dtype=np.float32)


def stems(name: str) -> list[str]:
    """The beginnings by which words of one origin are known (`astronomy`, `astronomical`); of writing without blanks,
    its pairs of characters."""
    found = []
    for word in _WORD.findall(fold(name).replace("-", " ").replace("_", " ")):
        if _DENSE.search(word):
            found += [word[at : at + 2] for at in range(max(1, len(word) - 1))]
        elif len(word) > 4:
            found.append(word[: max(4, min(6, len(word) - 2))])
        else:
            found.append(singular(word))
    return found


def _spoken(path: str) -> str:
    """A tag's path as words: `project/apollo-13` as `project apollo 13`."""
    return re.sub(r"[/_-]+", " ", path)
