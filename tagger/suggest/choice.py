"""The last word on a list of suggestions: the mode, one new tag at most, no more than asked for. The same for every
model. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from msgspec import structs

from graphfs.model import Source, Suggestion
from graphfs.names import fold
from tagger.suggest.subject import Wishes

_WAITS = 0.01
"""How far below the threshold a new tag is kept, so that it waits for a person."""


@dataclass(frozen=True)
class Idea:
    """A topical suggestion before the choice, and whether its tag exists."""

    suggestion: Suggestion
    exists: bool


def choose(ideas: Iterable[Idea], wishes: Wishes) -> tuple[Suggestion, ...]:
    """At most `max_tags`, the surest first. `strict`: existing tags only; `prefer`: one new one at most, and it
    waits for review; `free`: all."""
    best: dict[str, Idea] = {}
    for idea in ideas:
        key = fold(idea.suggestion.tag)
        old = best.get(key)
        if old is None or idea.suggestion.confidence > old.suggestion.confidence:
            best[key] = idea
    ranked = sorted(best.values(), key=lambda idea: (-idea.suggestion.confidence, idea.suggestion.tag))
    chosen: list[Suggestion] = []
    new = 0
    for idea in ranked:
        suggestion = idea.suggestion
        if suggestion.confidence < wishes.review_at:
            continue
        if not idea.exists:
            if wishes.mode == "strict" or wishes.vocabulary or (wishes.mode == "prefer" and new):
                continue
            new += 1
            if wishes.mode == "prefer":
                waiting = max(wishes.review_at, min(suggestion.confidence, wishes.apply_at - _WAITS))
                suggestion = structs.replace(suggestion, confidence=waiting)
        chosen.append(suggestion)
        if len(chosen) >= wishes.max_tags:
            break
    return tuple(without_parents(chosen))


def without_parents(chosen: list[Suggestion]) -> list[Suggestion]:
    """Leaves out a tag when one below it is as sure: the child implies it."""
    return [
        one
        for one in chosen
        if not any(
            fold(other.tag).startswith(f"{fold(one.tag)}/") and other.confidence >= one.confidence
            for other in chosen
            if other.source is not Source.PERSON
        )
    ]
