"""The key phrases of a text, in any language, without training: repeated, rare, early, and near to what the text
means.

Candidates as in RAKE (Rose et al., 2010: runs of content words), weight by term frequency and the word's rank in
the encoder's
vocabulary (a stand-in for inverse document frequency), and a last ranking by meaning as in KeyBERT.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from importlib import resources
from typing import NamedTuple

from tagger.suggest.encoder import PIECES, Words

_RUN = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\u0e00-\u0e7f]+|[^\W\d_][\w+#'’-]*|[.,;:!?()\[\]{}|/\n\"。、,;:!?…]")
_DENSE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\u0e00-\u0e7f]")
_COMMON = 1_500
"""Pieces below this rank are function words and the like in all languages: they never begin or end a phrase."""
_PARTICLES = frozenset(
    "的了是在和与及或也就都而以于对为这那有不从把被让到很会能可并之其个们吗呢吧はのをにがでとももやへ"
)
_TEXT = 4_000
GENERIC = frozenset(resources.files("tagger.suggest").joinpath("generic_words.txt").read_text().split())
"""Words of documents in general, and of programs and change logs: no phrase is made of them."""


class Phrase(NamedTuple):
    """A phrase, how much it says of the text (0..1), and how many times it occurs."""

    text: str
    score: float
    times: int


Run = list[tuple[str, int]]
"""Words (or pieces) that stand together, with their ranks."""


def runs(title: str, text: str, encoder: Words) -> list[Run]:
    """The content words of a file, in the order in which they stand: what `key_phrases` and `keywords` are made of."""
    name, _, said = title.partition(". ")
    # a text's first line is often its title: it is said once all the same
    whole = f"{name if said and text.startswith(said) else title}.\n{text}"
    return list(_runs(whole[:_TEXT], encoder))


def keywords(content: Iterable[Run], most: int) -> list[str]:
    """The words that say the most: often in this text, rare in others."""
    counts = Counter(word for run in content for word in run)
    worth = {word: (1 + math.log(times)) * math.log2(2 + rank) for (word, rank), times in counts.items()}
    return sorted(worth, key=lambda word: (-worth[word], word))[:most]


def _candidates(content: Iterable[Run]) -> dict[str, tuple[float, int, int]]:
    """Phrases of one to three words (or pieces): weight of their words, occurrences, first position."""
    found: dict[str, tuple[float, int, int]] = {}
    for position, run in enumerate(content):
        for start in range(len(run)):
            for size in (1, 2, 3, 4) if _DENSE.match(run[start][0]) else (1, 2, 3):
                words = run[start : start + size]
                if len(words) < size:
                    break
                key = _joined([word for word, _ in words])
                if len(key) < 2 or len(key) > 40:
                    continue
                weight = sum(math.log2(2 + rank) for _, rank in words) / size
                old = found.get(key)
                found[key] = (weight, old[1] + 1 if old else 1, old[2] if old else position)
    return found


def _joined(words: list[str]) -> str:
    return ("" if _DENSE.match(words[0]) else " ").join(words)


def _runs(text: str, encoder: Words) -> Iterator[Run]:
    """Runs of content words with their ranks: what stands between punctuation and common words."""
    run: list[tuple[str, int]] = []
    for match in _RUN.finditer(text):
        token = match.group()
        if _DENSE.match(token):
            if run:
                yield run
            run = []
            for piece, rank in encoder.pieces(token):
                if len(piece) == 1 and (rank < 120 or piece in _PARTICLES):
                    if run:
                        yield run
                    run = []
                else:
                    run.append((piece, rank))
        else:
            word = token.strip("'’-").lower()
            rank = encoder.rank(word) if len(word) > 2 else 0
            if rank >= _COMMON and word not in GENERIC and len(word) <= 24 and _is_word(word):
                run.append((word, rank))
                continue
        if run:
            yield run
        run = []
    if run:
        yield run


def _is_word(word: str) -> bool:
    """No hashes, no abbreviations without a vowel."""
    digits = sum(c.isdigit() for c in word)
    return digits * 3 < len(word) and not (word.isascii() and len(word) > 3 and not set(word) & set("aeiouy"))


def key_phrases(title: str, content: Iterable[Run], most: int = 10) -> list[Phrase]:
    """The best phrases of a file's `runs`, best first. A phrase inside a better one is left out."""
    found = _candidates(content)
    in_title = title.lower()
    scored: dict[str, float] = {}
    for key, (weight, count, position) in found.items():
        size = key.count(" ") + 1
        if _DENSE.match(key):
            if count < 2 or len(key) < 2:
                continue
            size = max(1, len(key) // 2)
        if size > 1 and count < 2 and key not in in_title:
            continue
        score = weight / math.log2(PIECES) * (1 + math.log2(count)) * (1 + 0.35 * (size - 1)) / (1 + position / 150)
        scored[key] = score * (1.8 if key in in_title else 1.0)
    best = sorted(scored, key=lambda key: (-scored[key], key))[: most * 3]
    kept = _apart(best)[:most]
    if not kept:
        return []
    top = scored[kept[0]]
    return [Phrase(key, min(1.0, scored[key] / (top + 1.0)), found[key][1]) for key in kept]


def _apart(ranked: list[str]) -> list[str]:
    """Leaves out what is part of, or made of, something ranked before."""
    kept: list[str] = []
    seen: defaultdict[str, int] = defaultdict(int)
    for key in ranked:
        words = key.split()
        if any(key in other or other in key for other in kept) or any(seen[word] >= 2 for word in words):
            continue
        kept.append(key)
        for word in words:
            seen[word] += 1
    return kept
