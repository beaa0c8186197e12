"""A query spelt as a line of text, as `graphfs find` takes it. The same words as paths below `tags/`, and parentheses.

    query  = term { blank term }                 AND
    term   = unit { "," unit }                   OR, where one side of each comma is a group
    unit   = path | [ "-" ] "(" query ")"        NOT
    path   = component { "/" component }         exactly what `tags/<path>` means: a,b  -a  year/2020..2024  +not/a ...

Double quotes keep blanks, parentheses and commas before a parenthesis in a component; within them a backslash makes the
next character plain (also `/`). They take no other meaning away: `"a,b"` still is OR, as it is for a shell.
"""

from dataclasses import dataclass
from typing import Never

from graphfs.errors import InvalidArgument, NotFound
from graphfs.query.ast import Query, Term, conjunction, disjunction, negation
from graphfs.query.parser import ROOT, Operator, expression, named
from graphfs.query.ranges import backwards, split_range
from graphfs.query.vocabulary import Resolver

NESTING = 50
"""The most parentheses within one another."""


class QuerySyntax(InvalidArgument):
    """The text is no query. `position` counts characters from 0; `expected` says what would have been right there."""

    def __init__(self, position: int, expected: str, found: str) -> None:
        super().__init__(f"character {position + 1} of the query: expected {expected}, found {found}")
        self.position = position
        self.expected = expected


class UnknownTerm(NotFound):
    """A word of the query names no tag. `position` and `expected` as for QuerySyntax."""

    def __init__(self, position: int, expected: str, found: str) -> None:
        super().__init__(f"character {position + 1} of the query: expected {expected}, found {found}")
        self.position = position
        self.expected = expected


def parse_text(text: str, resolver: Resolver) -> Query:
    """The query that a text spells, in normal form. QuerySyntax (an InvalidArgument), UnknownTerm (a NotFound)."""
    reader = _Reader(text, resolver)
    term = reader.query(0)
    if reader.at < len(text):
        reader.fail("the end of the query or a blank")
    return Query(term, reader.direct)


@dataclass(frozen=True, slots=True)
class _Word:
    """A component of a path, and where it begins."""

    text: str
    position: int


class _Reader:
    """Goes through the text once, from left to right."""

    def __init__(self, text: str, resolver: Resolver) -> None:
        self.text = text
        self.resolver = resolver
        self.at = 0
        self.quoted = False
        self.direct = False

    def fail(self, expected: str, position: int | None = None) -> Never:
        at = self.at if position is None else position
        raise QuerySyntax(at, expected, repr(self.text[at]) if at < len(self.text) else "the end")

    def sees(self, *heads: str) -> bool:
        return any(self.text.startswith(head, self.at) for head in heads)

    def blanks(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def query(self, depth: int) -> Term:
        terms = []
        self.blanks()
        while self.at < len(self.text) and not self.sees(")"):
            terms.append(self.term(depth))
            before = self.at
            self.blanks()
            if before == self.at < len(self.text) and not self.sees(")"):
                self.fail("a blank, a comma or the end of the query (names with parentheses need quotes)")
        if not terms:
            self.fail("a tag, an expression or an operator (+all finds every file)")
        return conjunction(*terms)

    def term(self, depth: int) -> Term:
        start, before, self.direct = self.at, self.direct, False
        units = [self.unit(depth)]
        while self.sees(","):
            self.at += 1
            units.append(self.unit(depth))
        if self.direct and (depth or len(units) > 1):
            self.fail("no +direct within parentheses or beside a comma: it counts for the whole query", start)
        self.direct = self.direct or before
        return disjunction(*units)

    def unit(self, depth: int) -> Term:
        if not self.sees("(", "-("):
            return self.path()
        negated = self.sees("-")
        self.at += 2 if negated else 1
        if depth == NESTING:
            self.fail(f"at most {NESTING} parentheses within one another", self.at - 1)
        term = self.query(depth + 1)
        if not self.sees(")"):
            self.fail("a closing parenthesis")
        self.at += 1
        return negation(term) if negated else term

    def path(self) -> Term:
        path = ROOT
        words = self.words()
        for word in words:
            below = named(path, word.text, self.resolver)
            below = below or expression(path, word.text, self.resolver, empty_ranges=True)
            if below is None:
                self.unknown(word)
            path = below
        if path.pending is Operator.NOT:
            self.fail("a tag after +not/")
        if path.pending is Operator.SEARCH:
            self.fail("words after +search/")
        self.direct = self.direct or path.direct
        return conjunction(*path.terms)

    def unknown(self, word: _Word) -> Never:
        for part in word.text.split(","):
            ends = split_range(part.removeprefix("-"))
            if ends and backwards(*ends):
                raise QuerySyntax(word.position, "a range that ends after it begins", repr(part))
        if word.text.startswith("+"):
            operators = ", ".join(Operator)
            raise QuerySyntax(word.position, f"one of {operators}", repr(word.text))
        raise UnknownTerm(word.position, "a tag that exists, or an expression of such", repr(word.text))

    def words(self) -> list[_Word]:
        start = self.at
        words = []
        while True:
            word = self.word()
            if word.text:  # `a//b` and `a/` are `a/b` and `a`, as in a path
                words.append(word)
            if not self.sees("/"):
                break
            self.at += 1
        if not words:
            self.fail("a tag, an expression or an operator", start)
        return words

    def word(self) -> _Word:
        """Up to a slash (in quotes too), a blank, a parenthesis, or a comma before a group."""
        position = self.at
        plain: list[str] = []
        while self.at < len(self.text):
            character = self.text[self.at]
            if character == '"':
                self.quoted = not self.quoted
            elif self.quoted and character == "\\" and self.at + 1 < len(self.text):
                self.at += 1
                plain.append(self.text[self.at])
            elif character == "/" or (not self.quoted and self.ends_word(character)):
                return _Word("".join(plain), position)
            else:
                plain.append(character)
            self.at += 1
        if self.quoted:
            self.fail("a closing quote")
        return _Word("".join(plain), position)

    def ends_word(self, character: str) -> bool:
        return character in "()" or character.isspace() or self.sees(",(", ",-(")
