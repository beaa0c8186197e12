"""Tags chosen by a large model: selective tagging, as in TagGPT (Li et al., 2023). The nearest existing tags go into
the prompt, the model chooses.

Facts (type, year, folder) come from the rules as offline. What the model answers is believed only where it names a
tag of the
vocabulary; one new tag at most is proposed, for review. Knows no library of models: asking is
`tagger.suggest.endpoint`'s.
"""

import contextlib
import itertools
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from msgspec import structs

from graphfs.model import Source, Suggestion, Tag
from tagger.suggest import facts
from tagger.suggest.answers import Answer, Chosen, parse
from tagger.suggest.choice import Idea, choose
from tagger.suggest.ladder import PICTURE_TOKENS, Asked, Budget, Ladder
from tagger.suggest.offline import Offline, passages, words_of
from tagger.suggest.prompt import Prompt, cut
from tagger.suggest.subject import Subject, Wishes
from tagger.suggest.vocabulary import Vocabulary

CANDIDATES = 40


class Memory(Protocol):
    """Answers that were paid for (the drive's `Jobs.remembered` and `remember`)."""

    def remembered(self, content: str, model: str, prompt: str) -> tuple[str, ...] | None: ...

    def remember(self, content: str, model: str, prompt: str, texts: tuple[str, ...]) -> None: ...


class Question(NamedTuple):
    """What is asked of a large model about one file."""

    system: str
    user: str
    pictures: int
    tokens: int
    """About how many it costs without the answer."""
    picture_bytes: int
    embedded: tuple[str, ...] = ()
    """What an embedding endpoint is sent first. The tags in the prompt are then those that it finds near; here they
    are the offline model's."""


def question(system: str, user: str, shown: Sequence[bytes]) -> Question:
    """A prompt and the pictures that go with it."""
    tokens = (len(system) + len(user)) // 4 + PICTURE_TOKENS * len(shown)
    return Question(system, user, len(shown), tokens, sum(map(len, shown)))


class Beside(NamedTuple):
    """What a model is asked with beside the text."""

    at_once: int = 1
    """How many questions it takes at a time."""
    pictures: int = 0
    """How many pictures of a file it is shown; 0 for a model that does not see."""
    listens: str = ""
    """Who transcribes sound, if anybody does."""

    @property
    def version(self) -> str:
        """Names what changes the answers."""
        return "; ".join(filter(None, (f"{self.pictures} pictures" if self.pictures else "", self.listens)))

    def shown(self, subject: Subject, wishes: Wishes) -> tuple[bytes, ...]:
        """The pictures of a file that go with the prompt: what a rule's bound leaves beside the text."""
        pictures = subject.extract.pictures[: self.pictures]
        if wishes.max_bytes_sent is None:
            return pictures
        left = wishes.max_bytes_sent - len(subject.extract.text.encode("utf-8", "replace"))
        sizes = itertools.accumulate(map(len, pictures))
        return tuple(picture for picture, size in zip(pictures, sizes, strict=True) if size <= left)


class Near(NamedTuple):
    """Who finds tags by meaning, for a large model: the offline suggester itself, or one whose vectors are an
    endpoint's."""

    offline: Offline
    lock: AbstractContextManager[object]
    """Held while it is used."""
    sends: bool = False
    """Whether what it reads is sent to an endpoint."""
    local: bool = True
    """Whether that endpoint is on this machine."""
    same_at: float = 0.75
    """Cosine of a name and a tag's name from which they are one subject; below it the name is a new tag."""
    close: Callable[[], None] = lambda: None

    def read(self, subject: Subject, wishes: Wishes) -> Subject:
        """The file as it may be read: where that is sent, only so much of its text as the rules let out, and what was
        found of a part is not remembered for the whole."""
        text = cut(subject.extract.text, wishes.max_bytes_sent)
        if not self.sends or text == subject.extract.text:
            return subject
        return structs.replace(subject, content="", extract=structs.replace(subject.extract, text=text))


class LargeModel:
    """The suggester that asks a large model. One a process."""

    def __init__(
        self,
        offline: Offline,
        endpoint: Asked,
        prompt: Prompt,
        memory: Memory,
        budget: Budget,
        lock: AbstractContextManager[object] | None = None,
        beside: Beside | None = None,
        near: Near | None = None,
    ) -> None:
        """`lock` guards the offline models when several threads suggest at once; it is not held while the model
        thinks. `near`: who finds tags by meaning in place of them."""
        self._near = near or Near(offline, lock or contextlib.nullcontext())
        self._beside = beside or Beside()
        self.turn: AbstractContextManager[object] = threading.BoundedSemaphore(self._beside.at_once)
        self._offline = offline
        self._endpoint = endpoint
        self._prompt = prompt
        self._memory = memory
        self._lock = lock or contextlib.nullcontext()
        self._ladder = Ladder(endpoint, budget)

    @property
    def local(self) -> bool:
        """Whether what is sent stays on this machine."""
        return self._endpoint.local and self._near.local

    def suggest(self, subject: Subject, wishes: Wishes, tags: tuple[Tag, ...]) -> tuple[Suggestion, ...]:
        """See `tagger.suggest.subject.Suggester`. ModelUnavailable, AnswerUnusable."""
        with self._lock:
            given = self._offline.facts(subject, wishes)
        with self._near.lock:
            candidates = self._near.offline.candidates(self._near.read(subject, wishes), wishes, tags, CANDIDATES)
        version = self._prompt.version(wishes, self._beside.version)
        kept = self._memory.remembered(subject.content, self._endpoint.model, version)
        answer = parse(kept[0]) if kept else None
        if answer is None:
            text, answer = self._ask(subject, wishes, candidates)
            self._memory.remember(subject.content, self._endpoint.model, version, (text,))
        with self._near.lock:
            ideas = [
                idea for chosen in answer.choices if (idea := self._idea(chosen, candidates, wishes, version, tags))
            ]
        return facts.merged(given, choose(ideas, wishes))

    def close(self) -> None:
        """Closes the connections to the endpoints."""
        self._endpoint.close()
        self._near.close()

    def preview(self, subject: Subject, wishes: Wishes, tags: tuple[Tag, ...]) -> Question:
        """What would be sent for a file, to the letter."""
        with self._lock:
            candidates = self._offline.candidates(subject, wishes, tags, CANDIDATES)
        asked = question(*self._prompt.render(subject, wishes, candidates), self._beside.shown(subject, wishes))
        if not self._near.sends:
            return asked
        return asked._replace(embedded=tuple(passages(*words_of(self._near.read(subject, wishes)))))

    def _ask(self, subject: Subject, wishes: Wishes, candidates: list[str]) -> tuple[str, Answer]:
        system, user = self._prompt.render(subject, wishes, candidates)
        return self._ladder.ask(system, user, answer_schema(candidates, wishes), self._beside.shown(subject, wishes))

    def _idea(
        self, chosen: Chosen, candidates: list[str], wishes: Wishes, version: str, tags: tuple[Tag, ...]
    ) -> Idea | None:
        """A choice as a suggestion: the existing tag that it names, else a new tag; facts are not the model's to
        say."""
        path = matching(chosen.name, candidates) or self._existing(chosen.name, wishes, tags)
        name = path or facts.clean_path(chosen.name.lower() if chosen.name.isascii() else chosen.name)
        if not name or facts.is_factual(name) or len(name) > 60:
            return None
        # an invented name among the tags is worth less than one that was given as new
        confidence = chosen.confidence if path or chosen.new else min(chosen.confidence, wishes.review_at + 0.05)
        because = " ".join("".join(c if c.isprintable() else " " for c in chosen.because).split())
        suggestion = Suggestion(name, round(confidence, 3), Source.MODEL, self._endpoint.model, version, because[:200])
        return Idea(suggestion, exists=bool(path))

    def _existing(self, name: str, wishes: Wishes, tags: tuple[Tag, ...]) -> str:
        if wishes.vocabulary:
            return ""
        vocabulary: Vocabulary = self._near.offline.vocabulary
        vocabulary.use(tags)
        return vocabulary.exact(name)


def matching(name: str, candidates: list[str]) -> str:
    """The candidate that a model's name means: the same path, or the only one with this last name; '' when none."""
    folded = " ".join(name.casefold().strip().split())
    for candidate in candidates:
        if candidate.casefold() == folded:
            return candidate
    last = [
        candidate for candidate in candidates if candidate.rpartition("/")[2].casefold() == folded.rpartition("/")[2]
    ]
    return last[0] if len(last) == 1 and "/" not in folded else ""


def answer_schema(candidates: list[str], wishes: Wishes) -> dict[str, Any]:
    """The JSON schema of an answer: the candidates as an enum, and in some modes one free word."""
    tag: dict[str, Any] = {"type": "string", "enum": candidates} if candidates else {"type": "string"}
    item = {
        "type": "object",
        "properties": {
            "tag": tag,
            "sure": {"type": "string", "enum": ["high", "medium", "low"]},
            "because": {"type": "string"},
        },
        "required": ["tag", "sure", "because"],
        "additionalProperties": False,
    }
    fresh = {"type": "null"} if wishes.mode == "strict" or wishes.vocabulary else {"type": ["string", "null"]}
    return {
        "type": "object",
        "properties": {"tags": {"type": "array", "items": item}, "new_tag": fresh},
        "required": ["tags", "new_tag"],
        "additionalProperties": False,
    }
