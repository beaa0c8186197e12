"""Markdown: its headings and its front matter, and the text. Not a renderer."""

import re

import yaml

from tagger.extract.passages import by_structure, language_of, tidy
from tagger.extract.result import Extract, Limits, Sniffed, Source
from tagger.extract.text import decode, first_line

_FRONT = re.compile(r"\A---\s*\n(.{1,8192}?)\n(?:---|\.\.\.)\s*\n", re.S)
_HEADING = re.compile(r"^ {0,3}#{1,6}\s+(.+?)\s*#*$", re.M)
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.M | re.S)
_LINK = re.compile(r"!?\[([^\]\n]*)\]\([^)\n]*\)")


def extract(source: Source, sniffed: Sniffed, limits: Limits) -> Extract:
    """Headings count as structure, code fences and link targets do not count as text."""
    decoded = decode(source)
    properties = {"encoding": decoded.encoding}
    body = decoded.text
    title = ""
    if match := _FRONT.match(body):
        front = _front_matter(match.group(1))
        title = front.pop("title", "")
        properties |= front
        body = body[match.end() :]
    plain = _FENCE.sub("", body)
    headings = [heading[:120] for heading in _HEADING.findall(plain)]
    text = tidy(_LINK.sub(r"\1", plain) or body)
    return Extract(
        sniffed.kind,
        sniffed.media_type,
        title=title or (headings[0] if headings else first_line(text)),
        text=by_structure(text, limits.text_chars, headings),
        properties=properties,
        language=language_of(text),
        looked_at=("headings", "text") if decoded.complete else ("head", "samples of the middle", "tail"),
        not_looked_at=("code blocks",) if decoded.complete else ("most of the middle",),
    )


def _front_matter(text: str) -> dict[str, str]:
    """The words that people put above a page; a broken head is a text like any other."""
    try:
        loaded = yaml.safe_load(text)
    except yaml.YAMLError:
        return {}
    if not isinstance(loaded, dict):
        return {}
    found: dict[str, str] = {}
    for key in ("title", "author", "date", "tags", "keywords", "categories"):
        value = loaded.get(key)
        if isinstance(value, list):
            value = ", ".join(str(item) for item in value[:20])
        if value:
            found["keywords" if key in {"tags", "categories"} else key] = tidy(str(value))[:300]
    return found
