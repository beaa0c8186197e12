"""Choosing which parts of a long text to keep, by its structure. Does not decode and does not parse formats."""

import re
from collections.abc import Iterable

_HEADING = re.compile(
    r"^(?:#{1,6}\s+\S.{0,120}|[A-Z0-9][A-Z0-9 .,:'()-]{6,80}"
    r"|(?i:chapter|section|part)\s.{1,80}|第.{1,8}[章节節].{0,60})$",
    re.M,
)
_UNSEEN = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]+"
)
_BLANKS = re.compile(r"[ \t\r\f\v\u00a0]+")
_LINES = re.compile(r"\n{3,}")
_SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\uac00-\ud7af]")),
    ("zh", re.compile(r"[\u4e00-\u9fff]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
)


def tidy(text: str) -> str:
    """The text without control characters, runs of blanks and lone surrogates (nothing below can be broken by them)."""
    return _LINES.sub("\n\n", _BLANKS.sub(" ", _UNSEEN.sub(" ", text))).strip()


def by_structure(text: str, limit: int, headings: Iterable[str] = ()) -> str:
    """At most `limit` characters: half of them the head, then headings, three samples of the middle, and the tail.

    Known headings may be given; else lines that look like one are taken.
    """
    if len(text) <= limit:
        return text
    head_size, part = limit // 2, limit // 8
    head, tail = text[:head_size], text[-part:]
    middle = text[head_size : len(text) - part]
    found = list(headings) or [match.group().strip() for match in _HEADING.finditer(middle[: 64 * limit])]
    outline = "\n".join(dict.fromkeys(found))[:part]
    size = max(1, (limit - head_size - 2 * part - 16) // 3)
    samples = [middle[start : start + size] for start in (len(middle) // 4, len(middle) // 2, len(middle) * 3 // 4)]
    return "\n…\n".join(piece for piece in (head, outline, *samples, tail) if piece)[:limit]


def language_of(text: str) -> str:
    """The language that the text's script tells: Japanese, Korean, Chinese, Russian, ...; '' where the script is
    shared by many."""
    sample = text[:4000]
    if sample.isascii():
        return ""
    letters = sum(c.isalpha() for c in sample) or 1
    for code, script in _SCRIPTS:
        share = 0.05 if code == "ja" else 0.3
        if len(script.findall(sample)) >= share * letters:
            return code
    return ""
