"""Writes a query as the text that `graphfs.query.text` reads back: `parse_text(render(q, names), names) == q`."""

from graphfs.query.ast import All, And, Not, Or, Query, Range, Recent, Review, Search, Tag, Term, Untagged
from graphfs.query.parser import Operator
from graphfs.query.vocabulary import Namer


def render(query: Query, namer: Namer) -> str:
    """The text of a query in normal form."""
    text = _terms(query.term, namer)
    return f"{text} {Operator.DIRECT}" if query.direct else text


def quoted(component: str) -> str:
    """A component as the text form needs it: in quotes when something in it would end it."""
    if component and not any(character in '"()/,' or character.isspace() for character in component):
        return component
    escaped = component.replace("\\", "\\\\").replace('"', '\\"').replace("/", "\\/")
    return f'"{escaped}"'


def _terms(term: Term, namer: Namer) -> str:
    return " ".join(_term(part, namer) for part in (term.terms if isinstance(term, And) else (term,)))


def _term(term: Term, namer: Namer) -> str:
    match term:
        case All():
            return Operator.ALL
        case Untagged():
            return Operator.UNTAGGED
        case Recent():
            return Operator.RECENT
        case Review(tag):
            return f"{Operator.REVIEW}/{_path(tag, namer)}" if tag else Operator.REVIEW
        case Search(words):
            return f"{Operator.SEARCH}/{quoted(words)}"
        case Tag() | Range():
            above = _parent(term, namer)
            return "/".join([*above, _last(term, namer)])
        case Not(Tag() | Range() as inner):
            return f"-{_term(inner, namer)}"
        case Not(inner):
            return f"-({_terms(inner, namer)})"
        case Or(terms):
            return _either(terms, namer)
        case And():
            return f"({_terms(term, namer)})"


def _either(terms: tuple[Term, ...], namer: Namer) -> str:
    """Siblings in one component (`project/apollo,gemini`), anything else as groups, top-level tags as they are."""
    plain = [term for term in terms if isinstance(term, Tag | Range)]
    above = {tuple(_parent(term, namer)) for term in plain}
    if len(plain) == len(terms) and len(above) == 1:
        return "/".join([*above.pop(), ",".join(_last(term, namer) for term in plain)])
    return ",".join(
        _last(term, namer) if isinstance(term, Tag) and not _parent(term, namer) else f"({_terms(term, namer)})"
        for term in terms
    )


def _parent(term: Tag | Range, namer: Namer) -> list[str]:
    names = namer.names(term.parent) if isinstance(term, Range) else namer.names(term.id)[:-1]
    return [quoted(name) for name in names]


def _last(term: Tag | Range, namer: Namer) -> str:
    if isinstance(term, Range):
        return quoted(f"{term.low}..{term.high}")
    return quoted(namer.names(term.id)[-1])


def _path(tag: int, namer: Namer) -> str:
    return "/".join(quoted(name) for name in namer.names(tag))
