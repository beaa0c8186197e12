"""What suggesting takes: a file as it was understood, what its owner wishes, and the tags that exist. Frozen
records."""

from typing import Literal, Protocol

from msgspec import Struct

from graphfs.model import Suggestion, Tag
from tagger.extract.result import Extract

Mode = Literal["prefer", "strict", "free"]


class Subject(Struct, frozen=True):
    """A file to be tagged."""

    file: int
    path: str
    """From the mount's root: `files/a/b.txt`."""
    content: str
    """Hex digest of its bytes."""
    extract: Extract


class Wishes(Struct, frozen=True):
    """What the settings and the folder's rules ask for."""

    mode: Mode = "prefer"
    apply_at: float = 0.75
    review_at: float = 0.45
    max_tags: int = 5
    """The most topical tags; those that follow from facts (type, year, folder) are not counted."""
    language: str = "auto"
    vocabulary: tuple[str, ...] = ()
    """When given, topical tags come from these alone (and those below them)."""
    fixed: tuple[str, ...] = ()
    """Given to every file, whatever is in it."""
    max_bytes_sent: int | None = None
    """The most bytes of a file's text that may go to a large model; None: as much as the prompt holds."""


class Suggester(Protocol):
    """Says which tags a file should have.

    Returns suggestions with confidence in 0..1, not filtered by threshold but within the mode. Raises only the
    failures of
    `tagger.suggest.failure`; nothing is changed anywhere.
    """

    def suggest(self, subject: Subject, wishes: Wishes, tags: tuple[Tag, ...]) -> tuple[Suggestion, ...]:
        """The tags of one file; `tags` are all that exist."""
        ...
