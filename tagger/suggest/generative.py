"""Generative tagging, as in TagGPT (Li et al., 2023): the model names tags freely, without seeing the list; each name
is then matched to the user's own tags, by its words or by its meaning.

For large vocabularies and for small models that follow lists badly; and what `graphfs vocabulary build` asks, which has
no list yet. Selective tagging is `tagger.suggest.llm`.
"""

import contextlib
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager

from graphfs.model import Source, Suggestion, Tag
from tagger.suggest import facts
from tagger.suggest.answers import Answer, Chosen, parse
from tagger.suggest.choice import Idea, choose
from tagger.suggest.ladder import Asked, Budget, Ladder
from tagger.suggest.llm import Beside, Memory, Near, Question, question
from tagger.suggest.offline import Offline
from tagger.suggest.prompt import Prompt
from tagger.suggest.subject import Subject, Wishes
from tagger.suggest.vocabulary import topical

_SCHEMA = {
    "type": "object",
    "properties": {
        "tags": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "tag": {"type": "string"},
                    "sure": {"type": "string", "enum": ["high", "medium", "low"]},
                    "because": {"type": "string"},
                },
                "required": ["tag", "sure", "because"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["tags"],
    "additionalProperties": False,
}


class Generative:
    """The suggester that lets a large model name tags freely. One a process."""

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
        """`prompt` is that of `tagger.prompts.generative`; the others as for `tagger.suggest.llm.LargeModel`."""
        self._beside = beside or Beside()
        self._near = near or Near(offline, lock or contextlib.nullcontext())
        self.turn: AbstractContextManager[object] = threading.BoundedSemaphore(self._beside.at_once)
        self._offline, self._endpoint, self._prompt = offline, endpoint, prompt
        self._memory = memory
        self._lock = lock or contextlib.nullcontext()
        self._ladder = Ladder(endpoint, budget)

    @property
    def local(self) -> bool:
        """Whether what is sent stays on this machine."""
        return self._endpoint.local and self._near.local

    def close(self) -> None:
        """Closes the connections to the endpoints."""
        self._endpoint.close()
        self._near.close()

    def suggest(self, subject: Subject, wishes: Wishes, tags: tuple[Tag, ...]) -> tuple[Suggestion, ...]:
        """See `tagger.suggest.subject.Suggester`. ModelUnavailable, AnswerUnusable."""
        with self._lock:
            given = self._offline.facts(subject, wishes)
        named = self.names(subject, wishes)
        version = self._prompt.version(wishes, self._beside.version)
        with self._near.lock:
            self._near.offline.vocabulary.use(tags)
            ideas = [idea for chosen in named if (idea := self._idea(chosen, wishes, version, tags))]
        return facts.merged(given, choose(ideas, wishes))

    def preview(self, subject: Subject, wishes: Wishes, tags: tuple[Tag, ...]) -> Question:
        """What would be sent for a file, to the letter. The tags are no part of it."""
        return question(*self._prompt.render(subject, wishes, []), self._beside.shown(subject, wishes))

    def names(self, subject: Subject, wishes: Wishes) -> Sequence[Chosen]:
        """What the model calls the file, the surest first: from memory where it was paid for before."""
        version = self._prompt.version(wishes, self._beside.version)
        kept = self._memory.remembered(subject.content, self._endpoint.model, version) if subject.content else None
        answer = parse(kept[0]) if kept else None
        if answer is None:
            text, answer = self._ask(subject, wishes)
            if subject.content:
                self._memory.remember(subject.content, self._endpoint.model, version, (text,))
        return answer.choices

    def _ask(self, subject: Subject, wishes: Wishes) -> tuple[str, Answer]:
        system, user = self._prompt.render(subject, wishes, [])
        return self._ladder.ask(system, user, _SCHEMA, self._beside.shown(subject, wishes))

    def _idea(self, chosen: Chosen, wishes: Wishes, version: str, tags: tuple[Tag, ...]) -> Idea | None:
        """A name as the tag that it means, else as a new one; facts are not the model's to say."""
        allowed = {tag.path for tag in topical(tags, wishes.vocabulary)}
        vocabulary = self._near.offline.vocabulary
        exact = vocabulary.exact(chosen.name)
        path, likeness = (exact, 1.0) if exact in allowed else vocabulary.nearest(chosen.name, allowed)
        if likeness < self._near.same_at:
            path = ""
        name = path or facts.clean_path(chosen.name.lower() if chosen.name.isascii() else chosen.name)
        if not name or facts.is_factual(name) or len(name) > 60:
            return None
        because = f"called {chosen.name!r}" + (f": {chosen.because}" if chosen.because else "")
        because = " ".join("".join(c if c.isprintable() else " " for c in because).split())[:200]
        confidence = round(chosen.confidence * (min(1.0, 0.5 + likeness / 2) if path else 1.0), 3)
        found = Suggestion(name, confidence, Source.MODEL, self._endpoint.model, version, because)
        return Idea(found, exists=bool(path))
