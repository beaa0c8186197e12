"""How near the words of a file are to each tag's name, one by one: a few telling words (`telescope`, `orbit`) say
`astronomy` even where the passage as a whole is about something else.

The mean of the nearest few words, as late interaction does it (Khattab and Zaharia, 2020), less what words taken at
random are worth to that name: some names are near to every word. Word vectors are kept, so a word is embedded once.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tagger.suggest.encoder import Vectors

_NEAREST = 3
_KEPT = 12_000
_GROUPS = 16


class Affinity:
    """`anywhere`: vectors of words taken at random. Not for several threads at once."""

    def __init__(self) -> None:
        self._words: dict[str, Vectors] = {}
        self._anywhere: Vectors | None = None
        self._usual: NDArray[np.float32] = np.zeros(0, dtype=np.float32)
        self._version = -1

    @property
    def is_ready(self) -> bool:
        """Whether `begin` was called."""
        return self._anywhere is not None

    def begin(self, anywhere: Vectors) -> None:
        """Sets what words taken at random mean: shape (words, dimensions)."""
        self._anywhere = anywhere

    def unknown(self, words: Sequence[str]) -> list[str]:
        """Those whose vectors are not known."""
        return [word for word in words if word not in self._words]

    def learn(self, words: Sequence[str], vectors: Vectors) -> None:
        """Remembers what words mean; who came first leaves first."""
        for word, vector in zip(words, vectors, strict=True):
            if len(self._words) >= _KEPT:
                del self._words[next(iter(self._words))]
            self._words[word] = vector.astype(np.float16)

    def of(self, words: Sequence[str], names: Vectors, version: int) -> NDArray[np.float32]:
        """Of a file's words to each name, about -0.2..0.5; zeros for a file without words. `version` tells one set of
        names from another."""
        if self._version != version or len(self._usual) != len(names):
            self._usual = self._at_random(names)
            self._version = version
        known = [self._words[word] for word in words if word in self._words]
        if not known or not len(names):
            return np.zeros(len(names), dtype=np.float32)
        return _nearest(np.stack(known).astype(np.float32) @ names.T) - self._usual

    def _at_random(self, names: Vectors) -> NDArray[np.float32]:
        if self._anywhere is None or not len(names):
            return np.zeros(len(names), dtype=np.float32)
        groups = [_nearest(some @ names.T) for some in np.array_split(self._anywhere, _GROUPS)]
        return np.asarray(np.mean(groups, axis=0), dtype=np.float32)


def _nearest(cosines: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of the nearest words to each name: shape (names,)."""
    count = min(_NEAREST, len(cosines))
    return np.asarray(np.partition(cosines, len(cosines) - count, axis=0)[-count:].mean(axis=0), dtype=np.float32)
