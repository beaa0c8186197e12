"""The files that are like this one, and what people tagged them with.

Holds vectors of the files that this worker has seen, in memory and in one cache file; whose tags they have is asked
of the drive when it matters, so a correction counts at once. Losing the cache loses nothing but these memories.
"""

import os
import zipfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphfs.model import EdgeState, Source
from tagger.suggest.encoder import Vectors
from tagger.suggest.facts import is_factual
from tagger.suggest.lessons import EdgesOf

NEAREST = 8
_LIKE = 0.55
"""Cosine below which two files have nothing to tell each other."""


class Vote(NamedTuple):
    """What like files say: a tag, how sure (0..1), and which file said it the loudest."""

    tag: str
    confidence: float
    file: int
    cosine: float


class Neighbours:
    """At most `most` files; the oldest leave first. Not for several threads at once."""

    def __init__(self, most: int = 30_000) -> None:
        self._most = most
        self._files: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._vectors: Vectors = np.zeros((0, 0), dtype=np.float32)
        self._rows: dict[int, int] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, file: int, vector: Vectors) -> None:
        """Remembers a file, or its new content."""
        if len(vector) != self._vectors.shape[1]:
            self._begin(len(vector))
        row = self._rows.get(file)
        if row is None:
            row = self._next % self._most
            self._next += 1
            self._grow(row + 1)
            if old := int(self._files[row]):
                self._rows.pop(old, None)
            self._rows[file] = row
        self._files[row] = file
        self._vectors[row] = vector

    def _begin(self, dimensions: int) -> None:
        """Vectors of two lengths have nothing to tell each other."""
        self._files, self._vectors = np.zeros(0, dtype=np.int64), np.zeros((0, dimensions), dtype=np.float32)
        self._rows.clear()
        self._next = 0

    def _grow(self, rows: int) -> None:
        if rows <= len(self._files):
            return
        size = min(self._most, max(256, rows * 2))
        self._files = np.concatenate([self._files, np.zeros(size - len(self._files), dtype=np.int64)])
        more = np.zeros((size - len(self._vectors), self._vectors.shape[1]), np.float32)
        self._vectors = np.concatenate([self._vectors, more])

    def votes(self, file: int, vector: Vectors, edges_of: EdgesOf) -> list[Vote]:
        """The topical tags that people gave to the nearest files, and what they rejected there counted against."""
        like = [
            (other, cosine) for other, cosine in self.nearest(vector, NEAREST + 1) if other != file and cosine >= _LIKE
        ]
        weights: defaultdict[str, float] = defaultdict(float)
        loudest: dict[str, tuple[float, int]] = {}
        total = 0.0
        for other, cosine in like[:NEAREST]:
            said = [edge for edge in edges_of(other) if edge.source is Source.PERSON and not is_factual(edge.tag)]
            if not said:
                continue
            weight = (cosine - _LIKE) / (1 - _LIKE)
            total += weight
            for edge in said:
                weights[edge.tag] += -weight if edge.state is EdgeState.REJECTED else weight
                if edge.state is EdgeState.APPLIED:
                    loudest[edge.tag] = max(loudest.get(edge.tag, (0.0, 0)), (cosine, other))
        found = []
        for tag, (cosine, other) in loudest.items():
            share = max(0.0, weights[tag]) / (total + 0.15)
            found.append(Vote(tag, min(0.95, share * _sure(cosine)), other, cosine))
        return sorted(found, key=lambda vote: -vote.confidence)

    def recent(self, most: int) -> tuple[list[int], Vectors]:
        """The last files that came, and their vectors."""
        files = list(self._rows)[-most:]
        return files, self._vectors[[self._rows[file] for file in files]]

    def some(self, wanted: Sequence[int], most: int) -> tuple[list[int], Vectors]:
        """Those of `wanted` that are known, with the last files that came, `most` in all; and their vectors."""
        known = [file for file in wanted if file in self._rows][-most:]
        taken = set(known)
        recent = [file for file in list(self._rows)[-most:] if file not in taken]
        taken.update(recent[max(0, len(recent) + len(known) - most) :])
        files = [file for file in self._rows if file in taken]
        return files, self._vectors[[self._rows[file] for file in files]]

    def nearest(self, vector: Vectors, count: int) -> list[tuple[int, float]]:
        """The nearest files with their cosines, the nearest first."""
        if not self._rows or len(vector) != self._vectors.shape[1]:
            return []
        cosines = self._vectors @ vector
        order = np.argsort(-cosines)[:count]
        return [(int(self._files[row]), float(cosines[row])) for row in order if self._files[row]]

    def save(self, path: Path) -> None:
        """Writes the cache file whole or not at all."""
        rows = np.array(sorted(self._rows.values()), dtype=np.int64)
        beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        with beside.open("wb") as file:
            np.savez(file, files=self._files[rows], vectors=self._vectors[rows].astype(np.float16))
        beside.replace(path)

    def load(self, path: Path) -> None:
        """Reads the cache file, when there is one that can be read."""
        try:
            with np.load(path, allow_pickle=False) as cache:
                files, vectors = cache["files"], cache["vectors"].astype(np.float32)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            return
        if vectors.ndim != 2 or len(vectors) != len(files):
            return
        for number, vector in zip(files[-self._most :], vectors[-self._most :], strict=True):
            self.add(int(number), vector)


def _sure(cosine: float) -> float:
    """How much a likeness is worth: nothing at `_LIKE`, all from 0.85 on."""
    return float(np.clip((cosine - _LIKE) / (0.85 - _LIKE), 0.0, 1.0)) * 0.5 + 0.5
