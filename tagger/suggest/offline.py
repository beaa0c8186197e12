"""Tags without a network: facts, names of tags in the text, nearness in meaning, what people did with like files,
one key phrase.

The evidence of each suggestion says which of these it was. Confidences are set so that what is applied by itself has
a tag's name repeated in the file, or like files that people tagged so; nearness alone only proposes.
"""

import math
import os.path
import re
from typing import NamedTuple

from graphfs.model import Source, Suggestion, Tag
from tagger.extract.result import Kind
from tagger.suggest import facts
from tagger.suggest.choice import Idea, choose
from tagger.suggest.encoder import MODEL, Encoder, Vectors
from tagger.suggest.neighbours import EdgesOf, Neighbours, Vote
from tagger.suggest.phrases import Phrase, key_phrases
from tagger.suggest.subject import Subject, Wishes
from tagger.suggest.vocabulary import Named, Near, Vocabulary

VERSION = "offline-1"
_COMMON = 1_500
_READ = 6_000
_PROPOSED = 0.62
_WORTH = 0.58
"""A new tag below this would only be in a person's way."""
_NAME = re.compile(r"[\W_]+")
_WORDLESS = frozenset({Kind.PROGRAM, Kind.FONT, Kind.EMPTY, Kind.DATABASE, Kind.OTHER, Kind.ARCHIVE})


class Offline:
    """The offline suggester. Holds the models; one a process."""

    def __init__(self, encoder: Encoder, neighbours: Neighbours, edges_of: EdgesOf, this_year: int) -> None:
        self._encoder = encoder
        self.vocabulary = Vocabulary(encoder)
        self._neighbours = neighbours
        self._edges_of = edges_of
        self._year = this_year

    def suggest(self, subject: Subject, wishes: Wishes, tags: tuple[Tag, ...]) -> tuple[Suggestion, ...]:
        """See `tagger.suggest.subject.Suggester`."""
        given = facts.suggest(subject, wishes, self._year)
        return facts.merged(given, choose(self.ideas(subject, wishes, tags), wishes))

    def facts(self, subject: Subject, wishes: Wishes) -> tuple[Suggestion, ...]:
        """Only what follows from facts."""
        return facts.suggest(subject, wishes, self._year)

    def candidates(self, subject: Subject, wishes: Wishes, tags: tuple[Tag, ...], most: int) -> list[str]:
        """The existing tags that may fit, the likeliest first: what a large model is given to choose from."""
        self.vocabulary.use(tags)
        title, text = words_of(subject)
        reading = self._read(subject, title, text)
        likely = [vote.tag for vote in self._votes(subject, reading.about)]
        likely += [named.tag for named in sorted(self.vocabulary.named(title, text), key=lambda named: -named.times)]
        likely += [near.tag for near in self.vocabulary.near(reading.about)]
        return [tag for tag in dict.fromkeys(likely) if _within(tag, wishes)][:most]

    def ideas(self, subject: Subject, wishes: Wishes, tags: tuple[Tag, ...]) -> list[Idea]:
        """Topical suggestions: existing tags, and key phrases as new ones."""
        self.vocabulary.use(tags)
        title, text = words_of(subject)
        reading = self._read(subject, title, text)
        named = {found.tag: found for found in self.vocabulary.named(title, text)}
        near = self.vocabulary.near(reading.about)
        votes = {vote.tag: vote for vote in self._votes(subject, reading.about)}
        nearness = {tag: (cosine, _by_meaning(cosine, near)) for tag, cosine in near[: wishes.max_tags * 4]}
        found: list[Idea] = []
        for tag in dict.fromkeys([*votes, *named, *nearness]):
            if _within(tag, wishes):
                suggestion = self._weigh(tag, named.get(tag), nearness.get(tag, (0.0, 0.0)), votes.get(tag))
                found.append(Idea(suggestion, exists=True))
        if wishes.mode != "strict" and not wishes.vocabulary:
            found += _new(reading)
        return found

    def _read(self, subject: Subject, title: str, text: str) -> "_Reading":
        """Embeds in one go, which halves its cost: the file's beginning, its key phrases together, and the first
        few."""
        phrases = [] if subject.extract.kind in _WORDLESS else key_phrases(title, text, self._encoder)
        start = f"{title}. {text[:240]}" if text else title
        about = [words for words in (start, ", ".join(phrase.text for phrase in phrases)) if words.strip()]
        fresh = [phrase for phrase in phrases[:4] if phrase.times > 1 and not self.vocabulary.exact(phrase.text)]
        vectors = self._encoder.embed([*about, *(phrase.text for phrase in fresh)])
        return _Reading(vectors[: len(about)], fresh, vectors[len(about) :])

    def _votes(self, subject: Subject, vectors: Vectors) -> list[Vote]:
        if not len(vectors):
            return []
        middle = vectors.mean(axis=0)
        middle /= float((middle @ middle) ** 0.5) or 1.0
        votes = self._neighbours.votes(subject.file, middle, self._edges_of)
        self._neighbours.add(subject.file, middle)
        return votes

    def _weigh(self, tag: str, named: Named | None, near: tuple[float, float], vote: Vote | None) -> Suggestion:
        """One tag's confidence from its three witnesses, taken as independent; the evidence is the strongest
        one's."""
        cosine, by_meaning = near
        by_name = 0.0
        if named is not None:
            by_name = 0.42 + 0.11 * math.log2(1 + named.times) + (0.22 if named.in_title else 0.0)
            if " " not in named.words and named.words.isascii() and self._encoder.rank(named.words) < _COMMON:
                by_name *= 0.7
            by_name = min(0.9, by_name)
        by_votes = vote.confidence if vote is not None else 0.0
        confidence = 1 - (1 - by_name) * (1 - by_votes) * (1 - by_meaning * (0.5 if by_name or by_votes else 1.0))
        if vote is not None and by_votes >= max(by_name, by_meaning):
            evidence = f"a person gave it to like file {vote.file} ({vote.cosine:.2f})"
        elif named is not None and by_name >= by_meaning:
            evidence = f"{named.words!r} stands in it {named.times} times" + (
                ", in its title" if named.in_title else ""
            )
        else:
            evidence = f"near in meaning ({cosine:.2f})"
        return Suggestion(tag, round(min(0.97, confidence), 3), Source.MODEL, MODEL, VERSION, evidence)


class _Reading(NamedTuple):
    """A file as vectors: what it is about, and phrases that no tag is called by with their meanings."""

    about: Vectors
    phrases: list[Phrase]
    meanings: Vectors


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
    """Title (with the file's own name) and text of a file, as the models read them."""
    extract = subject.extract
    stem = os.path.splitext(subject.path.rpartition("/")[2])[0].encode("utf-8", "replace").decode()
    title = f"{_NAME.sub(' ', stem)}. {extract.title}".strip(" .")
    extra = " ".join(extract.properties.get(key, "") for key in ("subject", "keywords", "description", "genre"))
    return title, f"{extract.text[:_READ]} {extra}".strip()


def _within(tag: str, wishes: Wishes) -> bool:
    folded = tag.casefold()
    roots = [root.casefold() for root in wishes.vocabulary]
    return not roots or any(folded == root or folded.startswith(f"{root}/") for root in roots)


def _by_meaning(cosine: float, near: list[Near]) -> float:
    """Confidence from nearness alone: high only when near absolutely, and nearer than the tags usually are."""
    absolute = 1 / (1 + math.exp(-14 * (cosine - 0.34)))
    if len(near) < 8:
        return 0.7 * absolute
    mean = sum(each.cosine for each in near) / len(near)
    spread = math.sqrt(sum((each.cosine - mean) ** 2 for each in near) / len(near)) or 1.0
    return 0.72 * absolute * min(1.0, max(0.0, (cosine - mean) / spread) / 2.5)
