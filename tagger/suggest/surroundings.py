"""Files and the few others that each is most like, as a graph, and what flows along it: what is known of some files,
and guessed of the rest, becomes a better guess for all of them.

Local and global consistency (Zhou et al., 2004) over the symmetric graph of nearest neighbours. A file that many are
near to says less to each of them. It knows vectors and numbers, nothing of tags.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tagger.suggest.encoder import Vectors

_NEAREST = 10
_POWER = 3
"""Of the cosine: how fast a likeness loses weight."""
_FLOW = 0.75
"""What part of a file's guess comes from its surroundings, when they are near."""
_LOOSE = 0.02
"""Weight of all that is near to a file at which its surroundings count half."""
_FEW = 100
"""Of so few files a file's surroundings say half as much: the nearest is not near."""
_ROUNDS = 10
_BLOCK = 256
_TOGETHER = 64
_COLUMNS = 64
"""Bounds of what is in memory at once: files whose cosines are taken, whose guesses flow, and columns of these."""

_Block = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]
"""Some files; of each the files around it, and how strongly these speak to it: shape (files, around)."""


class Surroundings:
    """Of files by their vectors, of length 1 each: shape (files, dimensions)."""

    def __init__(self, vectors: Vectors) -> None:
        self._vectors = vectors
        rows, columns, weights = _edges(vectors)
        self._degree = np.bincount(rows, weights, len(vectors)).astype(np.float32)
        self._most = _FLOW * len(vectors) / (len(vectors) + _FEW)
        root = np.sqrt(self._degree + _LOOSE)
        self._blocks = list(_blocks(rows, columns, (weights / (root[rows] * root[columns])).astype(np.float32)))

    def spread(self, guessed: NDArray[np.float32]) -> NDArray[np.float32]:
        """What is guessed of each file, with what is guessed of those around it: shape (files, anything), as given."""
        own = 1 - self._flow(self._degree)[:, None]
        found = np.empty_like(guessed)
        for start in range(0, guessed.shape[1], _COLUMNS):
            some = slice(start, start + _COLUMNS)
            base, held = own * guessed[:, some], guessed[:, some]
            for _ in range(_ROUNDS):
                flown = np.zeros_like(held)
                for rows, near, strength in self._blocks:
                    flown[rows] = np.matmul(strength[:, None, :], held[near])[:, 0]
                held = (1 - own) * flown + base
            found[:, some] = held
        return found

    def around(
        self, vector: Vectors, guessed: NDArray[np.float32], spread: NDArray[np.float32], but: int | None = None
    ) -> NDArray[np.float32]:
        """The same of one more file, from what was spread over the others; `but` is its own row, where it is one of
        them."""
        cosines = self._vectors @ vector
        if but is not None:
            cosines[but] = 0.0
        near = np.argpartition(-cosines, _NEAREST)[:_NEAREST] if len(cosines) > _NEAREST else np.arange(len(cosines))
        weights = _weight(cosines[near])
        degree = weights.sum()
        strength = weights / np.sqrt((degree + _LOOSE) * (self._degree[near] + _LOOSE))
        flow = self._flow(degree)
        return np.asarray(flow * (strength @ spread[near]) + (1 - flow) * guessed, dtype=np.float32)

    def _flow(self, degree: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(self._most * degree / (degree + _LOOSE), dtype=np.float32)


def _edges(vectors: Vectors) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Of the graph, both ways, by rows: from, to, weight."""
    count = len(vectors)
    most = min(_NEAREST, count - 1)
    own = np.arange(count, dtype=np.int64)
    pairs, weights = [own[:0]], [np.zeros(0, dtype=np.float32)]
    for start in range(0, count if most > 0 else 0, _BLOCK):
        block = own[start : start + _BLOCK]
        cosines = vectors[block] @ vectors.T
        cosines[np.arange(len(block)), block] = -1.0
        near = np.argpartition(-cosines, most - 1, axis=1)[:, :most]
        weight = _weight(np.take_along_axis(cosines, near, axis=1))
        pairs += [(block[:, None] * count + near).ravel(), (near * count + block[:, None]).ravel()]
        weights += [weight.ravel(), weight.ravel()]
    pair, first = np.unique(np.concatenate(pairs), return_index=True)
    return pair // max(1, count), pair % max(1, count), np.concatenate(weights)[first]


def _blocks(rows: NDArray[np.int64], columns: NDArray[np.int64], strength: NDArray[np.float32]) -> Iterator[_Block]:
    """The edges of as many files as fit into one multiplication, those with about as many together; where a file has
    fewer, one of no strength fills up."""
    files, starts, counts = np.unique(rows, return_index=True, return_counts=True)
    order = np.argsort(counts, kind="stable")
    for begin in range(0, len(order), _TOGETHER):
        some = order[begin : begin + _TOGETHER]
        place = np.arange(counts[some].max())
        there = place < counts[some][:, None]
        at = np.where(there, starts[some][:, None] + place, 0)
        yield files[some], columns[at], np.where(there, strength[at], np.float32(0))


def _weight(cosines: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.maximum(cosines, 0.0) ** _POWER, dtype=np.float32)
