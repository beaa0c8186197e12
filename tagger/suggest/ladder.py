"""How a question is put to a large model: down a ladder of ways to ask for structure, within the day's tokens. What is
asked, and what is made of the answer, is not known here."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from tagger.suggest.answers import Answer, parse
from tagger.suggest.endpoint import RUNGS, Rung, Unsupported
from tagger.suggest.failure import AnswerUnusable, ModelUnavailable

PICTURE_TOKENS = 800
"""About what a picture of 1,024 pixels costs, where the endpoint does not say."""
_PAUSE = 300.0


class Asked(Protocol):
    """What is needed of an endpoint."""

    model: str
    local: bool

    def close(self) -> None: ...

    def ask(
        self, system: str, user: str, rung: Rung, schema: dict[str, Any], pictures: Sequence[bytes] = ()
    ) -> tuple[str, int]:
        """See `tagger.suggest.endpoint.Endpoint.ask`."""
        ...


class Budget:
    """Tokens that may be used a day (UTC); 0: any number. What is over is used up, nothing is taken back.

    `account` adds to the day's sum and returns it: the drive's, so that all taggers share it and a restart forgets
    nothing.
    """

    def __init__(self, tokens: int, account: Callable[[int], int], clock: Callable[[], float] = time.time) -> None:
        self._most, self._account, self._clock = tokens, account, clock

    def check(self) -> None:
        """ModelUnavailable until midnight when the day's tokens are used up."""
        if self._most and self._account(0) >= self._most:
            left = 86_400 - self._clock() % 86_400
            raise ModelUnavailable(f"today's {self._most:,} tokens are used up", seconds=left, stands=True)

    def spend(self, tokens: int) -> None:
        """Counts what an answer cost."""
        self._account(tokens)


class Ladder:
    """One endpoint, and how far down it has to be asked. Safe for several threads: what one learns a moment later than
    another costs a question."""

    def __init__(self, endpoint: Asked, budget: Budget) -> None:
        self._endpoint, self._budget = endpoint, budget
        self._rung = 0
        self._answered = False

    def ask(self, system: str, user: str, schema: dict[str, Any], shown: Sequence[bytes] = ()) -> tuple[str, Answer]:
        """The first answer that can be understood, going down. A way that is refused is not tried again when a lower
        one is answered: what is refused in every way (too long for the model, or against its rules) says nothing of
        the ways.

        AnswerUnusable when nothing was understood, or this question alone is refused; ModelUnavailable when every
        question is, and what the endpoint and the budget raise.
        """
        lowest = self._rung
        refusal: Unsupported | None = None
        for number in range(self._rung, len(RUNGS)):
            self._budget.check()
            try:
                text, tokens = self._endpoint.ask(system, user, RUNGS[number], schema, shown)
            except Unsupported as refused:
                refusal = refused
                lowest += number == lowest
                continue
            self._rung, self._answered, refusal = lowest, True, None
            size = len(system) + len(user) + len(text)
            self._budget.spend(tokens or size // 4 + PICTURE_TOKENS * len(shown))
            answer = parse(text)
            if answer is not None:
                return text, answer
        if refusal is None:
            raise AnswerUnusable("the model's answers could not be understood")
        if self._answered:
            raise AnswerUnusable(f"the endpoint refuses what is asked of this file ({refusal})")
        raise ModelUnavailable(f"the endpoint refuses every question ({refusal})", seconds=_PAUSE, stands=True)
