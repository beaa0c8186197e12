"""Tags chosen by a large model: selective tagging, as in TagGPT (Li et al., 2023). The nearest existing tags go into
the prompt, the model chooses.

Facts (type, year, folder) come from the rules as offline. What the model answers is believed only where it names a
tag of the
vocabulary; one new tag at most is proposed, for review. Knows no library of models: asking is
`tagger.suggest.endpoint`'s.
"""

import contextlib
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from graphfs.model import Source, Suggestion, Tag
from tagger.suggest import facts
from tagger.suggest.answers import Answer, Chosen, parse
from tagger.suggest.choice import Idea, choose
from tagger.suggest.endpoint import RUNGS, Rung, Unsupported
from tagger.suggest.failure import AnswerUnusable, ModelUnavailable
from tagger.suggest.offline import Offline
from tagger.suggest.prompt import Prompt
from tagger.suggest.subject import Subject, Wishes
from tagger.suggest.vocabulary import Vocabulary

CANDIDATES = 40


class Asked(Protocol):
    """What is needed of an endpoint."""

    model: str
    local: bool

    def close(self) -> None: ...

    def ask(self, system: str, user: str, rung: Rung, schema: dict[str, Any]) -> tuple[str, int]:
        """See `tagger.suggest.endpoint.Endpoint.ask`."""
        ...


class Memory(Protocol):
    """Answers that were paid for (the drive's `Jobs.remembered` and `remember`)."""

    def remembered(self, content: str, model: str, prompt: str) -> tuple[str, ...] | None: ...

    def remember(self, content: str, model: str, prompt: str, texts: tuple[str, ...]) -> None: ...


class Budget:
    """Tokens that may be used a day (UTC); 0: any number. What is over is used up, nothing is taken back."""

    def __init__(self, tokens: int, clock: Callable[[], float] = time.time) -> None:
        self._most, self._clock = tokens, clock
        self._day, self._used = -1, 0

    def check(self) -> None:
        """ModelUnavailable until midnight when the day's tokens are used up."""
        now = self._clock()
        if int(now // 86_400) != self._day:
            self._day, self._used = int(now // 86_400), 0
        if self._most and self._used >= self._most:
            left = (self._day + 1) * 86_400 - now
            raise ModelUnavailable(f"today's {self._most} tokens are used up", seconds=left, stands=True)

    def spend(self, tokens: int) -> None:
        """Counts what an answer cost."""
        self._used += tokens


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
    ) -> None:
        """`lock` guards the offline models when several threads suggest at once; it is not held while the model
        thinks."""
        self._offline = offline
        self._endpoint = endpoint
        self._prompt = prompt
        self._memory = memory
        self._budget = budget
        self._lock = lock or contextlib.nullcontext()
        self._rung = 0

    @property
    def local(self) -> bool:
        """Whether what is sent stays on this machine."""
        return self._endpoint.local

    def suggest(self, subject: Subject, wishes: Wishes, tags: tuple[Tag, ...]) -> tuple[Suggestion, ...]:
        """See `tagger.suggest.subject.Suggester`. ModelUnavailable, AnswerUnusable."""
        with self._lock:
            given = self._offline.facts(subject, wishes)
            candidates = self._offline.candidates(subject, wishes, tags, CANDIDATES)
        version = self._prompt.version(wishes)
        kept = self._memory.remembered(subject.content, self._endpoint.model, version)
        answer = parse(kept[0]) if kept else None
        if answer is None:
            text, answer = self._ask(subject, wishes, candidates)
            self._memory.remember(subject.content, self._endpoint.model, version, (text,))
        with self._lock:
            ideas = [
                idea for chosen in answer.choices if (idea := self._idea(chosen, candidates, wishes, version, tags))
            ]
        return facts.merged(given, choose(ideas, wishes))

    def close(self) -> None:
        """Closes the connections to the endpoint."""
        self._endpoint.close()

    def preview(self, subject: Subject, wishes: Wishes, tags: tuple[Tag, ...]) -> tuple[str, str]:
        """The very prompt that would be sent: system and user part."""
        return self._prompt.render(subject, wishes, self._offline.candidates(subject, wishes, tags, CANDIDATES))

    def _ask(self, subject: Subject, wishes: Wishes, candidates: list[str]) -> tuple[str, Answer]:
        """Goes down the ladder until an answer can be understood. A rung that the endpoint refuses is not tried
        again."""
        system, user = self._prompt.render(subject, wishes, candidates)
        schema = answer_schema(candidates, wishes)
        for number in range(self._rung, len(RUNGS)):
            self._budget.check()
            try:
                text, tokens = self._endpoint.ask(system, user, RUNGS[number], schema)
            except Unsupported:
                self._rung = number + 1
                continue
            self._budget.spend(tokens or (len(system) + len(user) + len(text)) // 4)
            answer = parse(text)
            if answer is not None:
                return text, answer
        raise AnswerUnusable("the model's answers could not be understood")

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
        vocabulary: Vocabulary = self._offline.vocabulary
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
