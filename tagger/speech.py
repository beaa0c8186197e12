"""What is said in a sound: who says it, and a program on this machine that does (`tagger.transcription`: an endpoint).

It gets a WAV that was cut out in the reading process. Whether it may be listened to is not its to say.
"""

import shlex
import tempfile
from pathlib import Path
from typing import NamedTuple, Protocol

from tagger.extract import outside
from tagger.extract.passages import tidy
from tagger.suggest.failure import ModelUnavailable

_LONGEST = 1 << 20


class Heard(NamedTuple):
    """What was understood."""

    text: str
    problem: str = ""


class Listener(Protocol):
    """Something that transcribes."""

    name: str
    """Names it and all that changes what it says."""
    local: bool
    """Whether the sound stays on this machine."""

    def hear(self, wav: bytes) -> Heard:
        """What is said in a WAV. ModelUnavailable."""
        ...


class Program:
    """A program that prints what is said; `{file}` among its words is the WAV, else that is its last word."""

    local = True

    def __init__(self, command: str, timeout: float) -> None:
        self.name = command
        self._words = shlex.split(command)
        self._timeout = timeout

    def hear(self, wav: bytes) -> Heard:
        """See `Listener.hear`."""
        with tempfile.NamedTemporaryFile(prefix="graphfs-", suffix=".wav") as file:
            file.write(wav)
            file.flush()
            words = [word.replace("{file}", file.name) for word in self._words]
            if words == self._words:
                words.append(str(Path(file.name)))
            try:
                said = outside.run(words, most=_LONGEST, seconds=self._timeout)
            except outside.Missing as problem:
                raise ModelUnavailable(str(problem), seconds=300.0, stands=True) from problem
        return Heard(tidy(said.data.decode("utf-8", "replace")), said.problem)
