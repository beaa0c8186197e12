"""HTML: what a reader would see, with the title and the meta words. Hidden elements are not text."""

import re
from html.parser import HTMLParser

from tagger.extract.passages import by_structure, language_of, tidy
from tagger.extract.result import Extract, Limits, Sniffed, Source
from tagger.extract.text import decode

_SILENT = frozenset({"script", "style", "template", "noscript", "svg", "nav", "footer", "iframe", "object", "select"})
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)
_BLOCK = frozenset(
    {"p", "div", "li", "tr", "br", "h1", "h2", "h3", "h4", "h5", "h6", "section", "article", "table", "ul", "ol"}
    | {"dt", "dd", "pre", "blockquote", "td", "th"}
)
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0|opacity\s*:\s*0(?![.\d])", re.I)
_CHARSET = re.compile(rb"""<meta[^>]{0,200}charset\s*=\s*["']?([\w-]{2,20})""", re.I)


class _Reader(HTMLParser):
    """Collects visible text. Depth is counted, not recursed into, so nesting costs nothing."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title = ""
        self.language = ""
        self.meta: dict[str, str] = {}
        self.headings: list[str] = []
        self.pieces: list[str] = []
        self._silent: list[str] = []
        self._in = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        if tag == "html":
            self.language = given.get("lang", "")[:2].lower()
        elif tag == "meta":
            name = (given.get("name") or given.get("property", "")).lower().removeprefix("og:").removeprefix("dc.")
            if name in {"description", "keywords", "author", "date", "article:published_time", "generator"}:
                self.meta.setdefault(name.rpartition(":")[2], given.get("content", "")[:500])
        if tag in _VOID:
            self.pieces.append("\n" if tag == "br" else " ")
            return
        if self._silent or tag in _SILENT or self._hides(given):
            self._silent.append(tag)
        elif tag in _BLOCK:
            self.pieces.append("\n")
        if tag in {"title", "h1", "h2", "h3"}:
            self._in = tag
            if tag != "title":
                self.headings.append("")

    @staticmethod
    def _hides(given: dict[str, str]) -> bool:
        return "hidden" in given or given.get("aria-hidden") == "true" or bool(_HIDDEN.search(given.get("style", "")))

    def handle_endtag(self, tag: str) -> None:
        if self._silent:
            # an element that was never closed must not silence the rest of the page
            if tag in self._silent:
                while self._silent.pop() != tag:
                    pass
            return
        if tag == self._in:
            self._in = ""
        if tag in _BLOCK:
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if self._in == "title":
            self.title += data
        elif not self._silent:
            self.pieces.append(data)
            if self._in and self.headings:
                self.headings[-1] += data


def visible(markup: str) -> tuple[str, _Reader]:
    """The text that a browser would show, and what else the page says of itself."""
    reader = _Reader()
    reader.feed(markup)
    reader.close()
    return tidy(re.sub(r"\n\s*\n+", "\n\n", "".join(reader.pieces))), reader


def extract(source: Source, sniffed: Sniffed, limits: Limits) -> Extract:
    """A web page."""
    decoded = decode(source)
    markup = decoded.text
    if decoded.encoding not in {"utf-8", "utf-8-sig", "utf-16"} and (named := _declared(source)):
        markup = named
    text, reader = visible(markup)
    headings = [tidy(heading)[:120] for heading in reader.headings if heading.strip()]
    return Extract(
        sniffed.kind,
        sniffed.media_type,
        title=tidy(reader.title)[:200] or (headings[0] if headings else ""),
        text=by_structure(text, limits.text_chars, headings),
        properties={key: tidy(value) for key, value in reader.meta.items() if value.strip()},
        language=language_of(text) or reader.language,
        looked_at=("visible text", "title", "meta"),
        not_looked_at=("scripts, styles and hidden elements",) + (() if decoded.complete else ("most of the middle",)),
    )


def _declared(source: Source) -> str:
    """The page decoded as it says itself, when it says so and that is possible."""
    with open(source.path, "rb") as file:
        data = file.read(256 << 10)
    match = _CHARSET.search(data[:4096])
    if match is None:
        return ""
    try:
        return data.decode(match.group(1).decode("ascii"), "replace")
    except LookupError:
        return ""
