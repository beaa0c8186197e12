"""What each tag means, as a vector: its name, the files that people gave it to or took it from, and the files that
were seen and fit it anyway.

Rocchio's classifier with the tag's name as its first example (Rocchio, 1971), and two rounds of soft self-training over
files without a verdict (Nigam et al., 2000). Names and files are centred first: some names are near to every text. With
nothing seen and nothing taught it is nearness to the name alone, and each correction moves it; nothing is stored.

What that gets wrong about files with a verdict is learned by ridge regression over their likeness (Saunders et al.,
1998), which with few verdicts says little. And what is known or guessed of files flows to those that are like them
(`tagger.suggest.surroundings`).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tagger.suggest.encoder import Vectors
from tagger.suggest.lessons import Lessons
from tagger.suggest.neighbours import Neighbours
from tagger.suggest.surroundings import Surroundings

RECENT = 2_000
"""Files that are learned from: the last ones with a verdict, and as many of the last ones seen as there is room for."""
_JUDGED = 1_500
_NAME = 2.0
"""How many examples a tag's name is worth."""
_AGAINST = 0.5
_UNTAUGHT = 2.0
"""How many examples all files without a verdict are worth together."""
_SHARP = 20.0
_ROUNDS = 2
_FEW_FILES, _FEW_TAGS = 20.0, 4.0
"""With so many, half of their mean is taken away."""
_GROWN = 1.1
_FITS = (0.1, 0.3)
"""Likeness to the nearest tag from which, and up to which, a file without a verdict counts more and more."""
_CORRECTED = 600
"""The last files with a verdict that mistakes are learned from: time grows with the cube of them."""
_RIDGE = 2.0
_FREQUENT = 1.5
"""The most that is made of how often a tag was given."""
SHARP = 10.0
ELSEWHERE = 3 * math.exp(1.2)
"""What a file may be about beside all the tags there are: without it, few tags would fit every file."""


class Meant(NamedTuple):
    """What a file means, of each tag in turn: how like it is, by how much verdicts on like files speak for it or
    against it beyond that, what part of the file it takes by the files around it, to how many files it was given, and
    how much more often than others (a logarithm)."""

    likeness: NDArray[np.float32]
    corrected: NDArray[np.float32]
    around: NDArray[np.float32]
    examples: NDArray[np.float32]
    frequency: NDArray[np.float32]


class Meanings:
    """Learns anew when tags or verdicts changed, or a tenth more files were seen. Not for several threads at once."""

    def __init__(self, neighbours: Neighbours, lessons: Lessons) -> None:
        self._neighbours, self._lessons = neighbours, lessons
        self._key: tuple[int, int] = (-1, -1)
        self._seen = 0
        nothing = np.zeros((0, 0), dtype=np.float32)
        self._files: dict[int, int] = {}
        """Those that are learned from, and the row of each in `_vectors`."""
        self._mean, self._vectors, self._surroundings = nothing, nothing, Surroundings(nothing)
        self._learned = self._mistakes = self._spread = nothing
        self._given = self._frequency = np.zeros(0, dtype=np.float32)

    def of(self, paths: Sequence[str], names: Vectors, version: int, vector: Vectors, file: int = 0) -> Meant:
        """A file by its vector, and by its number, if it may have been seen. `version` tells one vocabulary from
        another."""
        seen = len(self._neighbours)
        key = (version, self._lessons.version)
        grown = seen > self._seen * _GROWN
        if key != self._key or grown or self._learned.shape[0] != len(paths):
            judged = self._lessons.judged()[-_JUDGED:]
            if grown or self._vectors.shape[1] != len(vector) or not self._files.keys() >= set(judged):
                self._gather(judged, len(vector))
                self._seen = seen
            self._learn(paths, names)
            self._key = key
        centred = unit(vector - self._mean)
        likeness = np.asarray(self._learned @ centred, dtype=np.float32)
        around = self._surroundings.around(centred, fitting(likeness), self._spread, self._files.get(file))
        corrected = np.asarray(self._mistakes @ centred, dtype=np.float32)
        return Meant(likeness, corrected, around, self._given, self._frequency)

    def _gather(self, judged: Sequence[int], dimensions: int) -> None:
        """Takes up files to learn from, in the order in which they came."""
        files, seen = self._neighbours.some(judged, RECENT)
        self._files = {file: row for row, file in enumerate(files)}
        seen = seen if files else np.zeros((0, dimensions), dtype=np.float32)
        mean = seen.mean(axis=0) * (len(seen) / (len(seen) + _FEW_FILES)) if files else np.zeros(dimensions)
        self._mean = np.asarray(mean, dtype=np.float32)
        self._vectors = unit(seen - self._mean)
        self._surroundings = Surroundings(self._vectors)

    def _learn(self, paths: Sequence[str], names: Vectors) -> None:
        vectors = self._vectors
        if not len(paths):
            self._learned, self._mistakes, self._given = names, names, np.zeros(0, dtype=np.float32)
            self._spread, self._frequency = np.zeros((len(vectors), 0), dtype=np.float32), self._given
            return
        named = unit(names - names.mean(axis=0) * (len(paths) / (len(paths) + _FEW_TAGS)))
        verdicts = np.zeros((len(vectors), len(paths)), dtype=np.float32)
        columns = {path: column for column, path in enumerate(paths)}
        taught = np.zeros(len(vectors), dtype=bool)
        for file, row in self._files.items():
            said = self._lessons.of(file)
            taught[row] = bool(said.given)
            verdicts[row, [columns[path] for path in said.given if path in columns]] = 1.0
            verdicts[row, [columns[path] for path in said.rejected if path in columns]] = -_AGAINST
        self._given = np.asarray((verdicts > 0).sum(axis=0), dtype=np.float32)
        self._frequency = _frequency(self._given)
        base = _NAME * named + verdicts.T @ vectors
        learned = unit(base)
        free, allowed = vectors[~taught], verdicts[~taught] >= 0
        for _ in range(_ROUNDS if len(free) else 0):
            shares = _shares(free @ learned.T) * allowed
            mass = shares.sum(axis=0)[:, None]
            learned = unit(base + _UNTAUGHT * unit(shares.T @ free) * mass / (mass + 3.0))
        self._learned = np.asarray(learned, dtype=np.float32)
        told = np.flatnonzero((verdicts != 0).any(axis=1))[-_CORRECTED:]
        self._mistakes = _mistakes(vectors[told], verdicts[told], taught[told], self._learned)
        guessed = np.where(taught[:, None], verdicts > 0, fitting(vectors @ self._learned.T) * (verdicts >= 0))
        self._spread = self._surroundings.spread(np.asarray(guessed, dtype=np.float32))


def _frequency(given: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much more often than the others each tag is given, by how often it was: a logarithm, about -1.5..1.5.

    Tags that are given equally often differ by chance, as counts do (Poisson). Only what they differ more says
    anything, and it decides how far a count is trusted: the gamma prior of empirical Bayes (Robbins, 1956), by moments.
    """
    mean = given.mean()
    beyond = given.var(ddof=1) - mean if len(given) > 1 else 0.0
    if beyond <= 0:
        return np.zeros_like(given)
    prior = mean * mean / beyond
    return np.asarray(np.clip(np.log((given + prior) / (mean + prior)), -_FREQUENT, _FREQUENT), dtype=np.float32)


def _mistakes(vectors: Vectors, verdicts: Vectors, taught: NDArray[np.bool_], learned: Vectors) -> Vectors:
    """One row a tag: what to add to its likeness for how like a file is to those with a verdict. A file that was given
    tags has no others; of one where tags were only rejected nothing more is known."""
    wrong = (verdicts > 0) - fitting(vectors @ learned.T)
    wrong *= taught[:, None] | (verdicts < 0)
    kernel = vectors @ vectors.T + _RIDGE * np.eye(len(vectors), dtype=np.float32)
    return np.asarray(np.linalg.solve(kernel, wrong).T @ vectors, dtype=np.float32)


def fitting(likeness: NDArray[np.float32]) -> NDArray[np.float32]:
    """What part of a file each tag takes, the rest being none of them. Over the last axis."""
    strength = np.exp(np.minimum(likeness, 3.0) * SHARP)
    return np.asarray(strength / (strength.sum(axis=-1, keepdims=True) + ELSEWHERE), dtype=np.float32)


def _shares(likeness: Vectors) -> Vectors:
    """How a file without a verdict is shared among the tags; one that fits none is hardly shared at all."""
    most = likeness.max(axis=1, keepdims=True)
    shares = np.exp((likeness - most) * _SHARP)
    fits = np.clip((most - _FITS[0]) / (_FITS[1] - _FITS[0]), 0.0, 1.0)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True) * fits, dtype=np.float32)


def unit(vectors: Vectors) -> Vectors:
    """Rows of length 1; a row of zeros stays one."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-9), dtype=np.float32)
