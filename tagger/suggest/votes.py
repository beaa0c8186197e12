"""Several answers of a large model as one: a name counts by the part of the answers that gave it (self-consistency,
Wang et al., 2023; TagGPT asks several times too). Knows no library of models."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from tagger.suggest.answers import Answer, parse
from tagger.suggest.endpoint import Rung

_LONE = 0.35
"""What remains of a choice that one answer of very many gave."""


class Asks(Protocol):
    """What is needed of an endpoint (`tagger.suggest.endpoint.Endpoint`)."""

    model: str
    local: bool

    def close(self) -> None: ...

    def ask(
        self, system: str, user: str, rung: Rung, schema: dict[str, Any], pictures: Sequence[bytes] = ()
    ) -> tuple[str, int]: ...


class Votes:
    """An endpoint that is asked `samples` times for each question, and answers with what most answers say.

    When one of the calls raises, the answers before it are lost: the question is asked again as a whole.
    """

    def __init__(self, inner: Asks, samples: int) -> None:
        self._inner, self._samples = inner, samples
        self.model = f"{inner.model} x{samples}"
        """Answers to one question and to several are remembered apart."""
        self.local = inner.local

    def close(self) -> None:
        """Closes the endpoint."""
        self._inner.close()

    def ask(
        self, system: str, user: str, rung: Rung, schema: dict[str, Any], pictures: Sequence[bytes] = ()
    ) -> tuple[str, int]:
        """The votes as one JSON object, and what all answers cost. The first answer as it is when none can be
        understood. Raises what the endpoint raises."""
        said = [self._inner.ask(system, user, rung, schema, pictures) for _ in range(self._samples)]
        answers = [answer for text, _ in said if (answer := parse(text)) is not None]
        tokens = sum(cost for _, cost in said)
        return (counted(answers, self._samples) if answers else said[0][0]), tokens


class _Count(NamedTuple):
    name: str
    new: bool
    sure: list[float]
    because: str


def counted(answers: Sequence[Answer], asked: int) -> str:
    """One answer in JSON: each name with its mean sureness, less the fewer answers gave it. An answer that could not
    be understood votes for nothing."""
    found: dict[tuple[str, bool], _Count] = {}
    for answer in answers:
        once: set[tuple[str, bool]] = set()
        for chosen in answer.choices:
            key = (" ".join(chosen.name.casefold().split()), chosen.new)
            if key in once:
                continue
            once.add(key)
            old = found.setdefault(key, _Count(chosen.name, chosen.new, [], chosen.because))
            old.sure.append(chosen.confidence)
    listed: list[dict[str, object]] = []
    fresh: list[dict[str, object]] = []
    for one in sorted(found.values(), key=lambda one: (-sum(one.sure), one.name)):
        share = len(one.sure) / max(1, asked)
        sure = sum(one.sure) / len(one.sure) * (_LONE + (1 - _LONE) * share)
        because = f"{len(one.sure)} of {asked} answers" + (f": {one.because}" if one.because else "")
        item: dict[str, object] = {"tag": one.name, "confidence": round(sure, 3), "because": because}
        (fresh if one.new else listed).append(item)
    return json.dumps({"tags": listed, "new_tag": fresh[:1] or None}, ensure_ascii=False)
