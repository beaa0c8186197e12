"""What a query needs to know of the tags: who is called what, below whom. Engines answer from their own tables."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TagRef:
    """A tag that was looked up."""

    id: int
    name: str
    """Its own name (one level), in display case; never an alias."""


class Resolver(Protocol):
    """Finds tags by name, never creating any. Keys are folded (`graphfs.names.fold`); aliases are resolved in here."""

    def root(self, key: str) -> TagRef | None:
        """The top-level tag with this name or alias."""
        ...

    def child(self, tag: int, key: str) -> TagRef | None:
        """The child of `tag` with this name or alias."""
        ...

    def children(self, tag: int) -> Iterable[TagRef]:
        """The children of a tag, of 0 the top-level tags, by their folded names."""
        ...


class Namer(Protocol):
    """Says what a tag is called."""

    def names(self, tag: int) -> tuple[str, ...]:
        """The names from the top-level tag down to this one, in display case."""
        ...


class Vocabulary(Resolver, Namer, Protocol):
    """Both, and the way up."""

    def parent(self, tag: int) -> int:
        """The parent's id, 0 at the root."""
        ...
