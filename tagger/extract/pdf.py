"""PDF: document properties and the text layer of its first, some middle, and last pages. Pictures of pages are not
read."""

import time

from pypdf import PdfReader
from pypdf.errors import PyPdfError

from tagger.extract.passages import by_structure, language_of, tidy
from tagger.extract.result import Extract, Limits, Sniffed, Source
from tagger.extract.text import first_line

_DAMAGE = (
    PyPdfError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    AssertionError,
    RecursionError,
    NotImplementedError,
    ArithmeticError,
)
"""What the library raises on damaged documents beside its own errors (its issue tracker has examples of each)."""


def pages_to_read(count: int, most: int) -> list[int]:
    """Which of `count` pages to read when at most `most` may be: two thirds from the front, the rest spread, the
    last one always."""
    if count <= most:
        return list(range(count))
    front = most * 2 // 3
    spread = most - front - 1
    step = (count - front) / (spread + 1)
    return sorted({*range(front), *(int(front + step * (i + 1)) for i in range(spread)), count - 1})


def extract(source: Source, sniffed: Sniffed, limits: Limits) -> Extract:
    """Reads pages until the limits are near; what was read until then counts."""
    deadline = time.monotonic() + limits.wall_seconds * 0.6
    problems: list[str] = []
    try:
        reader = PdfReader(source.path, strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            return Extract(
                sniffed.kind, sniffed.media_type, not_looked_at=("pages",), error="the document is encrypted"
            )
        count = len(reader.pages)
    except _DAMAGE as problem:
        return Extract(
            sniffed.kind, sniffed.media_type, not_looked_at=("pages",), error=f"damaged PDF: {type(problem).__name__}"
        )
    properties = _properties(reader)
    properties["pages"] = str(count)
    wanted = pages_to_read(count, limits.pages)
    texts: list[str] = []
    read = 0
    for number in wanted:
        if time.monotonic() > deadline:
            problems.append(f"stopped after {read} pages: out of time")
            break
        try:
            texts.append(reader.pages[number].extract_text()[: limits.text_chars * 2])
        except _DAMAGE as problem:
            problems.append(f"page {number + 1}: {type(problem).__name__}")
        read += 1
    text = tidy("\n".join(texts))
    left = [f"{count - read} of {count} pages"] if read < count else []
    if read and not text:
        left.append("pages without a text layer")
    return Extract(
        sniffed.kind,
        sniffed.media_type,
        title=properties.pop("title", "") or first_line(text),
        text=by_structure(text, limits.text_chars),
        properties=properties,
        language=language_of(text),
        looked_at=(f"{read} of {count} pages", "document properties"),
        not_looked_at=tuple(left),
        error="; ".join(problems[:3]),
    )


def _properties(reader: PdfReader) -> dict[str, str]:
    """The document information, as far as it can be read."""
    found: dict[str, str] = {}
    try:
        info = dict(reader.metadata or {})
    except _DAMAGE:
        return found
    for key, name in (
        ("/Title", "title"),
        ("/Author", "author"),
        ("/Subject", "subject"),
        ("/Keywords", "keywords"),
        ("/CreationDate", "date"),
    ):
        value = tidy(str(info.get(key, "")))[:300]
        if value:
            found[name] = pdf_date(value) if name == "date" else value
    return found


def pdf_date(value: str) -> str:
    """`D:20240131120000+01'00'` as `2024-01-31`; what is no such date stays as it is."""
    digits = value.removeprefix("D:")[:8]
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}" if len(digits) == 8 and digits.isdigit() else value
