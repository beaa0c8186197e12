"""PDF: document properties and the text layer of its first, some middle, and last pages; of scanned
pages, which have none, the words in their pictures."""

import io
import time

from PIL import Image
from pypdf import PdfReader
from pypdf.errors import PyPdfError

from tagger.extract import outside
from tagger.extract.image import Seen, look_at
from tagger.extract.passages import by_structure, language_of, tidy
from tagger.extract.result import Extract, Limits, Sniffed, Source
from tagger.extract.text import first_line

_SIDE = 1_800
"""Pixels of the longer side of a page that is drawn: letters of a usual text are then 20 high."""
_SCANNED = 12
"""Letters and digits below which a page's text layer is none (a page number, a stamp)."""
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
    texts: dict[int, str] = {}
    read = 0
    for number in wanted:
        if time.monotonic() > deadline:
            problems.append(f"stopped after {read} pages: out of time")
            break
        try:
            texts[number] = reader.pages[number].extract_text()[: limits.text_chars * 2]
        except _DAMAGE as problem:
            problems.append(f"page {number + 1}: {type(problem).__name__}")
        read += 1
    left = [f"{count - read} of {count} pages"] if read < count else []
    scanned = [number for number, text in texts.items() if sum(c.isalnum() for c in text) < _SCANNED]
    seen = _look_at_pages(source.path, scanned, limits, deadline + limits.wall_seconds * 0.25) if source.whole else {}
    for number, page in seen.items():
        texts[number] = page.text
    unseen = [number for number in scanned if number not in seen or not seen[number].looked_at]
    if unseen:
        left.append(f"{len(unseen)} pages without a text layer")
    left += dict.fromkeys(why for page in seen.values() for why in page.left if why != "what it shows")
    text = tidy("\n".join(texts[number] for number in sorted(texts)))
    looked_at = [f"{read} of {count} pages", "document properties"]
    if len(unseen) < len(scanned):
        looked_at.append(f"words in the pictures of {len(scanned) - len(unseen)} pages")
    return Extract(
        sniffed.kind,
        sniffed.media_type,
        title=properties.pop("title", "") or first_line(text),
        text=by_structure(text, limits.text_chars),
        properties=properties,
        language=language_of(text),
        pictures=tuple(picture for page in seen.values() for picture in page.pictures)[: limits.pictures],
        looked_at=tuple(looked_at),
        not_looked_at=tuple(left),
        error="; ".join(problems[:3]),
    )


def _look_at_pages(path: str, pages: list[int], limits: Limits, deadline: float) -> dict[int, Seen]:
    """Pictures of pages, drawn by another program within a number of pixels, and what stands in them."""
    found: dict[int, Seen] = {}
    if not limits.ocr and not limits.pictures:
        return found
    for number in pages[: max(limits.ocr_pages, limits.pictures)]:
        left = deadline - time.monotonic()
        if left <= 0:
            break
        page = str(number + 1)
        command = ["pdftoppm", "-q", "-gray", "-singlefile", "-scale-to", str(_SIDE), "-f", page, "-l", page, path]
        try:
            drawn = outside.run(command, most=2 * _SIDE * _SIDE, seconds=left)
            with Image.open(io.BytesIO(drawn.data)) as image:
                found[number] = look_at(image, limits, deadline - time.monotonic())
        except outside.Missing as problem:
            return {number: Seen(left=(str(problem),))}
        except (OSError, ValueError, SyntaxError):
            found[number] = Seen(left=(f"page {page} cannot be drawn",))
    return found


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
