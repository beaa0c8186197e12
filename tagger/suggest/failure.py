"""How asking a large model can fail, as the worker must tell it apart. Two kinds only; the drive's own errors are
not here."""


class ModelUnavailable(Exception):
    """The file is not to blame: nobody answers, answers too late, is overloaded, or refuses us. The job is to be
    tried again, uncounted.

    `seconds`: when, as far as the endpoint said so. `stands`: it will not pass by itself (a wrong key, an unknown
    model, the budget is spent),
    so it must be shown to a person.
    """

    def __init__(self, reason: str, *, seconds: float | None = None, stands: bool = False) -> None:
        super().__init__(reason)
        self.seconds = seconds
        self.stands = stands


class AnswerUnusable(Exception):
    """The model answered, on every rung of the ladder, nothing that could be understood. Counts as an attempt at
    this file."""
