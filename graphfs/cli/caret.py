"""Where a query is wrong, for the caret below it.

The drive says what is wrong in words, and words are for people; so the query is read once more here, with the drive's
own vocabulary and the same parser.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from graphfs.cli.drives import Place
from graphfs.model import Tag
from graphfs.names import fold
from graphfs.query.text import QuerySyntax, UnknownTerm, parse_text
from graphfs.query.vocabulary import TagRef


@dataclass(frozen=True)
class Mistake:
    """`position` counts characters from 0."""

    position: int
    expected: str


class KnownTags:
    """A `graphfs.query.vocabulary.Resolver` over a list of tags."""

    def __init__(self, tags: Iterable[Tag]) -> None:
        self._below: dict[int, dict[str, TagRef]] = {}
        self._children: dict[int, list[TagRef]] = {}
        for tag in tags:
            ref = TagRef(tag.id, tag.path.rpartition("/")[2])
            self._children.setdefault(tag.parent, []).append(ref)
            for name in (*tag.aliases, ref.name):
                self._below.setdefault(tag.parent, {})[fold(name)] = ref

    def root(self, key: str) -> TagRef | None:
        return self.child(0, key)

    def child(self, tag: int, key: str) -> TagRef | None:
        return self._below.get(tag, {}).get(key)

    def children(self, tag: int) -> Iterable[TagRef]:
        return self._children.get(tag, [])


def place_of_mistake(place: Place, query: str) -> Mistake | None:
    """Where the text stops being a query, or None when it is one."""
    try:
        parse_text(query, KnownTags(place.drive.tags(place.caller)))
    except (QuerySyntax, UnknownTerm) as error:
        return Mistake(error.position, error.expected)
    return None
