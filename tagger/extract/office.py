"""Documents that are XML in a zip: docx, pptx, xlsx, OpenDocument, EPUB. Text, properties, and the
words in their largest pictures; no macros, no layout."""

import io
import lzma
import posixpath
import re
import time
import zipfile
import zlib
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from msgspec import structs
from PIL import Image

from tagger.extract.html import visible
from tagger.extract.image import Seen, look_at
from tagger.extract.passages import by_structure, language_of, tidy
from tagger.extract.result import Extract, Limits, Sniffed, Source
from tagger.extract.text import first_line

_PARTS = 40
_PICTURE = re.compile(
    r"(?:^|/)(?:media|Pictures|images?|OEBPS|EPUB)/(?:.*/)?[^/]+\.(?:png|jpe?g|gif|bmp|tiff?|webp)$", re.I
)
_SMALLEST = 8 << 10
"""Bytes below which a picture is a bullet or a line."""
_NUMBER = re.compile(r"(\d+)")
_PROPERTIES = {
    "title": "title",
    "creator": "author",
    "initial-creator": "author",
    "subject": "subject",
    "keywords": "keywords",
    "keyword": "keywords",
    "description": "description",
    "created": "date",
    "creation-date": "date",
    "date": "date",
    "language": "language",
}
_BREAKS = frozenset({"p", "h", "br", "tab", "row", "tr", "si", "line-break", "table-row"})


_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, LookupError, ValueError, RuntimeError)


class Refused(Exception):
    """A part is too large, damaged or not there."""


def _part(archive: zipfile.ZipFile, name: str, limits: Limits) -> bytes:
    """One part, never more of it than the limit: the size in the directory may lie, so reading is bounded too."""
    try:
        with archive.open(name) as file:
            data = file.read(limits.part_bytes + 1)
    except _DAMAGE as problem:
        raise Refused(f"{name}: {type(problem).__name__}") from problem
    if len(data) > limits.part_bytes:
        raise Refused(f"{name} unpacks to more than {limits.part_bytes >> 20} MiB")
    return data


def _xml(archive: zipfile.ZipFile, name: str, limits: Limits) -> Element:
    try:
        root: Element = fromstring(_part(archive, name, limits), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as problem:
        raise Refused(f"{name}: {type(problem).__name__}") from problem
    return root


def _local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _prose(root: Element) -> str:
    """All text below an element, a line a paragraph."""
    pieces: list[str] = []
    for element in root.iter():
        if _local(element) in _BREAKS:
            pieces.append("\n")
        if element.text:
            pieces.append(element.text)
        if element.tail and element.tail.strip():
            pieces.append(element.tail)
    return "".join(pieces)


def _headings(root: Element) -> Iterator[str]:
    """Paragraphs in a heading's style (Word) or heading elements (OpenDocument)."""
    for element in root.iter():
        name = _local(element)
        if name == "h" or (
            name == "p"
            and any(_local(e) == "pStyle" and "heading" in str(list(e.attrib.values())).lower() for e in element.iter())
        ):
            yield tidy("".join(element.itertext()))[:120]


def parts(archive: zipfile.ZipFile) -> list[str]:
    """The parts that hold a document's text, in reading order, the most at `_PARTS`."""
    names = archive.namelist()
    known = set(names)
    if "word/document.xml" in known:
        return ["word/document.xml"]
    if "content.xml" in known:
        return ["content.xml"]
    slides = [name for name in names if re.fullmatch(r"ppt/slides/slide\d+\.xml", name)]
    sheets = [name for name in names if name in {"xl/sharedStrings.xml", "xl/workbook.xml"}]
    pages = [name for name in names if re.search(r"\.x?html?$", name, re.I) and not name.startswith("META-INF/")]
    found = slides or sheets or pages
    return sorted(
        found, key=lambda name: [int(bit) if bit.isdigit() else 0 for bit in _NUMBER.split(name)[1::2]] or [0]
    )[:_PARTS]


def _properties(archive: zipfile.ZipFile, limits: Limits) -> dict[str, str]:
    names = archive.namelist()
    wanted: list[str] = [name for name in ("docProps/core.xml", "meta.xml") if name in names]
    wanted += [name for name in names if posixpath.splitext(name)[1] == ".opf"][:1]
    found: dict[str, str] = {}
    for name in wanted:
        for element in _xml(archive, name, limits).iter():
            key = _PROPERTIES.get(_local(element))
            value = tidy(element.text or "")[:300]
            if key and value:
                found[key] = (
                    f"{found[key]}, {value}"[:300] if key == "keywords" and key in found else found.get(key, value)
                )
    return found


def extract(source: Source, sniffed: Sniffed, limits: Limits) -> Extract:
    """Text part by part until the limit is reached; a damaged part costs itself."""
    problems: list[str] = []
    properties: dict[str, str] = {}
    texts: list[str] = []
    headings: list[str] = []
    try:
        with zipfile.ZipFile(source.path) as archive:
            wanted = parts(archive)
            pictures = _pictures(archive)
            try:
                properties = _properties(archive, limits)
            except Refused as problem:
                problems.append(str(problem))
            for name in wanted:
                try:
                    text, heads = _read(archive, name, limits)
                except Refused as problem:
                    problems.append(str(problem))
                    continue
                texts.append(text)
                headings += heads
                if sum(map(len, texts)) > limits.text_chars * 20:
                    problems.append("the rest is beyond the limit")
                    break
    except _DAMAGE as problem:
        return Extract(
            sniffed.kind,
            sniffed.media_type,
            not_looked_at=("text",),
            error=f"damaged document: {type(problem).__name__}",
        )
    seen = _look_at(source.path, pictures, limits) if source.whole else [Seen(left=("pictures",))] * bool(pictures)
    text = tidy("\n".join([*texts, *(one.text for one in seen)]))
    read = sum(bool(one.looked_at) for one in seen)
    language = properties.pop("language", "")[:2].lower()
    return Extract(
        sniffed.kind,
        sniffed.media_type,
        title=properties.pop("title", "") or (headings[0] if headings else first_line(text)),
        text=by_structure(text, limits.text_chars, headings),
        properties=properties,
        language=language_of(text) or language,
        looked_at=("text", "document properties", *([f"words in {read} of {len(pictures)} pictures"] if read else [])),
        not_looked_at=("notes", *([f"{len(pictures) - read} pictures"] if len(pictures) > read else [])),
        error="; ".join(problems[:3]),
    )


def _pictures(archive: zipfile.ZipFile) -> list[str]:
    """The pictures in it that may hold words, the largest first."""
    found = [one for one in archive.infolist() if one.file_size >= _SMALLEST and _PICTURE.search(one.filename)]
    return [one.filename for one in sorted(found, key=lambda one: (-one.file_size, one.filename))]


def _look_at(path: str, names: list[str], limits: Limits) -> list[Seen]:
    """The words in the first pictures, as many as in scanned pages, within a part of the time. A damaged one costs
    itself."""
    deadline = time.monotonic() + limits.wall_seconds * 0.4
    found: list[Seen] = []
    if not limits.ocr:
        return found
    Image.MAX_IMAGE_PIXELS = None  # the size is looked at before anything is decoded
    with zipfile.ZipFile(path) as archive:
        for name in names[: limits.ocr_pages]:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            try:
                with Image.open(io.BytesIO(_part(archive, name, limits))) as image:
                    found.append(look_at(image, structs.replace(limits, pictures=0), left))
            except (Refused, *_DAMAGE, SyntaxError, Image.DecompressionBombError):
                continue
    return found


def _read(archive: zipfile.ZipFile, name: str, limits: Limits) -> tuple[str, list[str]]:
    if name.lower().endswith("ml") and not name.lower().endswith(".xml"):
        text, reader = visible(_part(archive, name, limits).decode("utf-8", "replace"))
        return text, [tidy(heading)[:120] for heading in reader.headings if heading.strip()]
    root = _xml(archive, name, limits)
    if name == "xl/workbook.xml":
        return "\n".join(e.attrib.get("name", "") for e in root.iter() if _local(e) == "sheet"), []
    return _prose(root), [heading for heading in _headings(root) if heading][:60]
