"""Tags without a network: facts, names of tags in the text, what tags mean, what people did with like files, one key
phrase.

The evidence of each suggestion says which of these it was. What is applied by itself has a tag's name repeated in the
file, or was taught by people; nearness to a name alone only proposes. The weights of `_sure` are a logistic regression
over sets of texts that people had labelled (those of `bench/texts.py` that are not held out, and two like them).
"""

import math
import os.path
import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphfs.model import Source, Suggestion, Tag
from tagger.extract.result import Kind
from tagger.suggest import facts
from tagger.suggest.affinity import Affinity
from tagger.suggest.choice import Idea, choose
from tagger.suggest.encoder import MODEL, Encodes, Vectors, Words
from tagger.suggest.lessons import EdgesOf, Lessons
from tagger.suggest.meanings import RECENT, Meanings, Meant, fitting, unit
from tagger.suggest.neighbours import Neighbours, Vote
from tagger.suggest.phrases import Phrase, key_phrases, keywords, runs
from tagger.suggest.subject import Subject, Wishes
from tagger.suggest.vocabulary import Named, Vocabulary

VERSION = "offline-5"
_COMMON = 1_500
_READ = 6_000
_PROPOSED = 0.62
_WORTH = 0.58
"""A new tag below this would only be in a person's way."""
_NAME = re.compile(r"[\W_]+")
_UNTOLD = re.compile(
    r"(?:[\W\d_]|(?<![^\W\d_])(?:img|image|dsc[a-z]?|pxl|mvi|vid|mov|dji|gopr|photo|picture|pic|video|scan|screenshot|shot|screen"
    r"|whatsapp|untitled|unnamed|document|doc|file|data|new|copy|of|at|from|recording|audio|track|[a-z])(?![^\W\d_]))*",
    re.I,
)
"""A name that a camera, a scanner or nobody gave: all of these would be alike."""
_LEAD, _LEAD_WEIGHT = 70, 0.7
_PASSAGE, _PASSAGES = 280, 3
_DENSE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\u0e00-\u0e7f\uac00-\ud7af]")
_KEYWORDS, _KEYWORDS_WEIGHT = 24, 0.4
_ANYWHERE = 384
_HINT, _AFFINITY = 0.1, 0.7
_IN_TEXT, _IN_TITLE = 0.5, 0.8
"""What a name that stands there is worth: many a word is mentioned."""
_WEIGHTS, _BIAS = (0.35, 1.1, 2.98, 0.58, 1.19, 0.93), 1.67
"""Fitted: see above."""
_ALONE = 0.72
"""Where nobody taught a tag, no more than this and a little: it waits for review."""
_TELLING = 3
"""Of a file with fewer telling words little is known: something is always the nearest."""
_LIKE = 16
_ALIKE = 0.75
_WORDLESS = frozenset({Kind.PROGRAM, Kind.FONT, Kind.EMPTY, Kind.DATABASE, Kind.OTHER, Kind.ARCHIVE})


class Offline:
    """The offline suggester. Holds the models; one a process."""

    def __init__(
        self, encoder: Encodes, neighbours: Neighbours, edges_of: EdgesOf, this_year: int, *, word_by_word: bool = True
    ) -> None:
        """`word_by_word`: whether the encoder is asked about single words too, of which there are many."""
        self._encoder = encoder
        self._word_by_word = word_by_word
        self._affinity = Affinity()
        self.vocabulary = Vocabulary(encoder)
        self._neighbours = neighbours
        self._edges_of = edges_of
        self._lessons = Lessons(edges_of)
        self._meanings = Meanings(neighbours, self._lessons)
        self._year = this_year

    @property
    def words(self) -> Words:
        """Who knows what words are worth."""
        return self._encoder

    def over(self, encoder: Encodes) -> "Offline":
        """The same by the vectors of another encoder, which has seen no files yet."""
        return Offline(encoder, Neighbours(), self._edges_of, self._year, word_by_word=False)

    def suggest(self, subject: Subject, wishes: Wishes, tags: tuple[Tag, ...]) -> tuple[Suggestion, ...]:
        """See `tagger.suggest.subject.Suggester`."""
        given = facts.suggest(subject, wishes, self._year)
        return facts.merged(given, choose(self.ideas(subject, wishes, tags), wishes))

    def facts(self, subject: Subject, wishes: Wishes) -> tuple[Suggestion, ...]:
        """Only what follows from facts."""
        return facts.suggest(subject, wishes, self._year)

    def candidates(self, subject: Subject, wishes: Wishes, tags: tuple[Tag, ...], most: int) -> list[str]:
        """The existing tags that may fit, the likeliest first: what a large model is given to choose from.
        ModelUnavailable."""
        self.vocabulary.use(tags)
        title, text = words_of(subject)
        reading = (self._read if self._word_by_word else self._begun)(subject, title, text)
        votes = {vote.tag: vote for vote in self._votes(subject, reading.about)}
        sure = self._sure(subject.file, f"{title} {text}", reading, votes)
        likely = list(votes)
        likely += [named.tag for named in sorted(self.vocabulary.named(title, text), key=lambda named: -named.times)]
        likely += sorted(sure, key=lambda tag: -sure[tag])
        return [tag for tag in dict.fromkeys(likely) if _within(tag, wishes)][:most]

    def ideas(self, subject: Subject, wishes: Wishes, tags: tuple[Tag, ...]) -> list[Idea]:
        """Topical suggestions: existing tags, and key phrases as new ones."""
        self.vocabulary.use(tags)
        title, text = words_of(subject)
        reading = self._read(subject, title, text)
        named = {found.tag: found for found in self.vocabulary.named(title, text)}
        votes = {vote.tag: vote for vote in self._votes(subject, reading.about)}
        sure = self._sure(subject.file, f"{title} {text}", reading, votes)
        nearest = sorted(sure, key=lambda tag: -sure[tag])[: wishes.max_tags * 4]
        found: list[Idea] = []
        for tag in dict.fromkeys([*votes, *named, *nearest]):
            if _within(tag, wishes):
                suggestion = self._weigh(tag, named.get(tag), sure.get(tag, 0.0), votes.get(tag))
                found.append(Idea(suggestion, exists=True))
        if wishes.mode != "strict" and not wishes.vocabulary:
            found += _new(reading)
        return found

    def _read(self, subject: Subject, title: str, text: str) -> "_Reading":
        """Embeds in one go, which halves its cost: how the file begins, its passages, its keywords together and (those
        that are new) one by one, and its first few key phrases."""
        content = runs(title, text, self._encoder)
        best = [] if subject.extract.kind in _WORDLESS else key_phrases(title, content)[:4]
        fresh = [phrase for phrase in best if phrase.times > 1 and not self.vocabulary.exact(phrase.text)]
        words = keywords(content, _KEYWORDS)
        if not self._affinity.is_ready:
            self._affinity.begin(self._encoder.embed(self._encoder.sample(_ANYWHERE)))
        unknown = self._affinity.unknown(words)
        parts, together = passages(title, text), [" ".join(words)] if words else []
        vectors = self._encoder.embed([*parts, *together, *unknown, *(phrase.text for phrase in fresh)])
        ends = np.cumsum([len(parts), len(together), len(unknown)])
        first, all_words, each_word, meanings = np.split(vectors, ends)
        self._affinity.learn(unknown, each_word)
        return _Reading(_together(first, all_words), words, fresh, meanings)

    def _begun(self, subject: Subject, title: str, text: str) -> "_Reading":
        """Only how the file begins and its first passages, for an encoder by whom each text is paid for."""
        parts = passages(title, text)
        # Without text it is the name that speaks, which may be another one tomorrow.
        content = subject.content if parts and text else ""
        known = self._encoder.kept(content) if content else None
        if known is None:
            about = _together(self._encoder.embed(parts))
            if content:
                self._encoder.keep(content, about[0])
        else:
            about = known[None, :]
        return _Reading(about, [], [], about[:0])

    def _votes(self, subject: Subject, about: Vectors) -> list[Vote]:
        """What people said of the files most like it; from now on it is among those that others can be like."""
        if not len(about):
            return []
        # its own verdicts are not asked for: they would be remembered, and it is what people judge next
        like = [file for file, _ in self._neighbours.nearest(about[0], _LIKE) if file != subject.file]
        others = [file for file in self._neighbours.recent(RECENT)[0] if file != subject.file]
        self._lessons.refresh(like, others)
        votes = self._neighbours.votes(subject.file, about[0], self._edges_of)
        self._neighbours.add(subject.file, about[0])
        return votes

    def _sure(self, file: int, whole: str, reading: "_Reading", votes: dict[str, Vote]) -> dict[str, float]:
        """How sure it is of each tag, by meaning and by like files."""
        paths, names, version = self.vocabulary.paths, self.vocabulary.names, self.vocabulary.version
        if not len(reading.about) or not paths:
            return {path: vote.confidence for path, vote in votes.items()}
        meant = self._meanings.of(paths, names, version, reading.about[0], file)
        voted = np.array([votes[path].confidence if path in votes else 0.0 for path in paths], dtype=np.float32)
        affinity = self._affinity.of(reading.words, names, version)
        sure = _probability(meant, affinity, self.vocabulary.hints(whole), voted)
        untaught = (meant.examples == 0) & (voted == 0)
        if self._word_by_word:
            sure = np.where(untaught, sure * min(1.0, len(reading.words) / _TELLING), sure)
        sure = np.where(untaught & (sure > _ALONE), _ALONE + 0.07 * (sure - _ALONE), sure)
        # a file much like one with a verdict is tagged like it, whatever the tag's name means
        alike = np.array([path in votes and votes[path].cosine >= _ALIKE for path in paths], dtype=bool)
        sure = np.where(alike, np.maximum(sure, voted), sure)
        # a tag that a person made this very moment is known by its votes alone
        fresh = {path: vote.confidence for path, vote in votes.items()}
        return fresh | dict(zip(paths, map(float, sure), strict=True))

    def _weigh(self, tag: str, named: Named | None, sure: float, vote: Vote | None) -> Suggestion:
        """One tag's confidence from its name in the text and all the rest; the evidence is the strongest one's."""
        by_name = 0.0
        if named is not None:
            by_name = 0.42 + 0.11 * math.log2(1 + named.times) + (0.22 if named.in_title else 0.0)
            if " " not in named.words and named.words.isascii() and self._encoder.rank(named.words) < _COMMON:
                by_name *= 0.7
            by_name = min(0.9, by_name)
        worth = by_name * (_IN_TITLE if named is not None and named.in_title else _IN_TEXT)
        confidence = 1 - (1 - worth) * (1 - sure)
        if vote is not None and sure >= by_name:
            evidence = f"a person gave it to like file {vote.file} ({vote.cosine:.2f})"
        elif named is not None and by_name >= sure:
            evidence = f"{named.words!r} stands in it {named.times} times" + (
                ", in its title" if named.in_title else ""
            )
        else:
            evidence = f"near in meaning ({sure:.2f})"
        return Suggestion(tag, round(min(0.97, confidence), 3), Source.MODEL, MODEL, VERSION, evidence)


class _Reading(NamedTuple):
    """A file as vectors: what it is about; its keywords; phrases that no tag is called by, with their meanings."""

    about: Vectors
    words: list[str]
    phrases: list[Phrase]
    meanings: Vectors


def _together(vectors: Vectors, words: Vectors | None = None) -> Vectors:
    """The vectors of `passages` as one row, with that of the keywords; none of none."""
    if len(vectors) >= 2:
        vectors = unit(unit(vectors[1:].mean(axis=0, keepdims=True)) + _LEAD_WEIGHT * vectors[:1])
    if words is None or not len(words):
        return vectors
    return unit(vectors + _KEYWORDS_WEIGHT * words)


def _new(reading: _Reading) -> list[Idea]:
    """Key phrases as new tags, when they mean what the file means and no tag is called so."""
    if not reading.phrases or not len(reading.about):
        return []
    cosines = (reading.meanings @ reading.about.T).max(axis=1)
    found = []
    for phrase, cosine in zip(reading.phrases, cosines, strict=True):
        name = facts.clean_name(phrase.text)
        confidence = round(min(0.9, _PROPOSED * phrase.score + 0.5 * max(0.0, float(cosine) - 0.2)), 3)
        if name and confidence >= _WORTH:
            evidence = f"key phrase, {phrase.times} times"
            found.append(Idea(Suggestion(name, confidence, Source.MODEL, MODEL, VERSION, evidence), exists=False))
    return found


def words_of(subject: Subject) -> tuple[str, str]:
    """Title (with the file's own name, where it says something) and text of a file, as the models read them."""
    extract = subject.extract
    stem = os.path.splitext(subject.path.rpartition("/")[2])[0].encode("utf-8", "replace").decode()
    name = "" if _UNTOLD.fullmatch(stem) else _NAME.sub(" ", stem)
    title = f"{name}. {extract.title}".strip(" .")
    extra = " ".join(extract.properties.get(key, "") for key in ("subject", "keywords", "description", "genre"))
    return title, f"{extract.text[:_READ]} {extra}".strip()


def _within(tag: str, wishes: Wishes) -> bool:
    folded = tag.casefold()
    roots = [root.casefold() for root in wishes.vocabulary]
    return not roots or any(folded == root or folded.startswith(f"{root}/") for root in roots)


def passages(title: str, text: str) -> list[str]:
    """How a file begins, then its first passages: what is embedded of it. Empty for a file without words."""
    whole = ". ".join(filter(None, (title, text)))
    if not whole.strip():
        return []
    wide = 2 if _DENSE.search(whole[:_PASSAGE]) else 1
    step = _PASSAGE // wide
    first = text or title
    return [
        first[: _LEAD // wide],
        *(first[at : at + step] for at in range(0, min(len(first), _PASSAGES * step), step)),
    ]


def _probability(
    meant: Meant, affinity: NDArray[np.float32], hints: NDArray[np.float32], voted: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Of each tag to be right: by meaning, by its words in the text, by verdicts on like files, by what the files
    around are about, by how often it was given."""
    near = meant.likeness + _AFFINITY * affinity + _HINT * hints
    around = np.log(np.maximum(meant.around, 0.0) + 0.01)
    features = np.stack([np.log(fitting(near) + 1e-12), near, meant.corrected, voted, around, meant.frequency])
    logit = np.asarray(_WEIGHTS) @ features + _BIAS
    return np.asarray(1 / (1 + np.exp(-logit)), dtype=np.float64)
