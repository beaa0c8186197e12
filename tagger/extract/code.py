"""Source code: which language, what its comments and names say. By Pygments' lexers; nothing is run or imported."""

import re

from pygments.lexer import Lexer
from pygments.lexers import ClassNotFound, get_lexer_for_mimetype, guess_lexer_for_filename
from pygments.token import Comment, Name, String, _TokenType, is_token_subtype

from tagger.extract.passages import by_structure, language_of, tidy
from tagger.extract.result import Extract, Limits, Sniffed, Source
from tagger.extract.text import decode

LEXED = 12_000
"""Characters that are lexed: lexers are slow (about 500 KB/s), and a file says what it is about at its top."""
_WORDS = re.compile(r"[A-Z]?[a-z]{2,}|[A-Z]{2,}(?![a-z])")
_LICENCE = re.compile(r"copyright|licen[cs]e|warrant|spdx|all rights reserved|redistribut", re.I)
_MARKS = re.compile(r"^[\s#/*;!\"'%<>=-]+|[\s*/#\"'=-]+$", re.M)
_DEFINED = (Name.Class, Name.Function, Name.Namespace)
NOT_CODE = frozenset(
    {"Text only", "Text output", "Markdown", "HTML", "JSON", "YAML", "TOML", "INI", "XML", "CSV", "reStructuredText"}
)


def lexer_for(name: str, text: str, media_type: str = "") -> Lexer | None:
    """The lexer of a program text: by its name among those that take such a name, else by its media type or first
    line."""
    try:
        lexer: Lexer = guess_lexer_for_filename(name, text[:2000])
    except ClassNotFound:
        return _by_content(text, media_type)
    return None if lexer.name in NOT_CODE else lexer


def _by_content(text: str, media_type: str) -> Lexer | None:
    line = text.split("\n", 1)[0]
    if line.startswith("#!"):
        for word in re.split(r"[\s/]+", line[2:])[::-1]:
            try:
                return guess_lexer_for_filename(f"x.{_SHEBANG.get(word.rstrip('0123456789.'), '?')}", text[:2000])
            except ClassNotFound:
                continue
    if media_type.startswith(("text/x-", "application/x-", "application/javascript")):
        try:
            lexer: Lexer = get_lexer_for_mimetype(_MEDIA.get(media_type, media_type))
        except ClassNotFound:
            return None
        return None if lexer.name in NOT_CODE else lexer
    return None


_SHEBANG = {
    "python": "py",
    "sh": "sh",
    "bash": "sh",
    "zsh": "sh",
    "dash": "sh",
    "perl": "pl",
    "ruby": "rb",
    "node": "js",
    "lua": "lua",
    "tclsh": "tcl",
    "awk": "awk",
    "php": "php",
}
_MEDIA = {"text/x-script.python": "text/x-python", "text/x-c": "text/x-csrc", "text/x-c++": "text/x-c++src"}


def extract(source: Source, sniffed: Sniffed, limits: Limits) -> Extract:
    """Comments, documentation strings and the names that the program defines; licence texts at the top are left out."""
    decoded = decode(source)
    name = source.name.decode("utf-8", "replace")
    lexer = lexer_for(name, decoded.text, sniffed.media_type)
    properties = {"encoding": decoded.encoding}
    comments, names = _said(lexer, decoded.text)
    if lexer is not None:
        properties["programming language"] = lexer.name
    prose = tidy("\n".join(_without_licence(comments)))
    defined = ", ".join(filter(None, names))
    text = by_structure(prose, limits.text_chars * 3 // 4) + (
        "\n" + defined[: limits.text_chars // 4] if defined else ""
    )
    return Extract(
        sniffed.kind,
        sniffed.media_type,
        title=prose.split("\n", 1)[0][:120],
        text=text.strip(),
        properties=properties,
        language=language_of(prose),
        looked_at=("comments", "names"),
        not_looked_at=("statements",) + (() if decoded.complete and len(decoded.text) <= LEXED else ("the rest",)),
    )


def words_of(name: str, text: str) -> str:
    """Comments and defined names of a program text, by a file's name in its language; '' where no lexer takes that."""
    comments, names = _said(lexer_for(name, text), text)
    return "\n".join([*comments, ", ".join(filter(None, names))])


def _said(lexer: Lexer | None, text: str) -> tuple[list[str], dict[str, None]]:
    """The comments and, each once, the names that are defined, as words."""
    comments: list[str] = []
    names: dict[str, None] = {}
    roles: dict[_TokenType, str] = {}
    for token, value in lexer.get_tokens(text[:LEXED]) if lexer is not None else ():
        role = roles.get(token)
        if role is None:
            role = roles.setdefault(token, _role(token))
        if role == "comment":
            comments.append(_MARKS.sub("", value))
        elif role == "name":
            names[" ".join(word.lower() for word in _WORDS.findall(value))] = None
    return comments, names


def _role(token: _TokenType) -> str:
    """What a kind of token is to us: comment, name, or nothing."""
    if is_token_subtype(token, Comment.Hashbang) or is_token_subtype(token, Comment.Preproc):
        return ""
    if is_token_subtype(token, Comment) or token is String.Doc:
        return "comment"
    return "name" if any(is_token_subtype(token, kind) for kind in _DEFINED) else ""


def _without_licence(comments: list[str]) -> list[str]:
    """Every file of a project begins with the same licence: it says nothing of this one."""
    lines = [line for comment in comments for line in comment.splitlines()]
    marked = [i for i, line in enumerate(lines[:60]) if _LICENCE.search(line)]
    return lines if not marked else lines[: marked[0]] + lines[marked[-1] + 1 :]
