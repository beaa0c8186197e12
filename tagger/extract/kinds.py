"""Which extractor reads which kind. Kinds without one give their type only."""

from collections.abc import Callable

from tagger.extract import (
    archive,
    code,
    data,
    database,
    font,
    html,
    image,
    legacy,
    mail,
    markdown,
    media,
    notebook,
    office,
    outlook,
    pdf,
    program,
    table,
    text,
)
from tagger.extract.result import Extract, Kind, Limits, Sniffed, Source
from tagger.extract.sniff import sniff

Extractor = Callable[[Source, Sniffed, Limits], Extract]

EXTRACTORS: dict[Kind, Extractor] = {
    Kind.TEXT: text.extract,
    Kind.MARKDOWN: markdown.extract,
    Kind.HTML: html.extract,
    Kind.CODE: code.extract,
    Kind.DATA: data.extract,
    Kind.TABLE: table.extract,
    Kind.PDF: pdf.extract,
    Kind.DOCUMENT: office.extract,
    Kind.SLIDES: office.extract,
    Kind.SPREADSHEET: office.extract,
    Kind.BOOK: office.extract,
    Kind.MAIL: mail.extract,
    Kind.IMAGE: image.extract,
    Kind.AUDIO: media.extract,
    Kind.VIDEO: media.extract,
    Kind.ARCHIVE: archive.extract,
    Kind.NOTEBOOK: notebook.extract,
    Kind.FONT: font.extract,
    Kind.PROGRAM: program.extract,
    Kind.DATABASE: database.extract,
}
_OFFICE = frozenset({Kind.DOCUMENT, Kind.SLIDES, Kind.SPREADSHEET})
_ZIPPED = ("openxmlformats", "opendocument", "epub")


def extractor_for(sniffed: Sniffed) -> Extractor | None:
    """The extractor that takes it; None when only type and path are known."""
    if sniffed.kind in _OFFICE and not any(word in sniffed.media_type for word in _ZIPPED):
        return legacy.extract
    if sniffed.media_type == "application/vnd.ms-outlook":
        return outlook.extract
    if sniffed.media_type == "image/svg+xml":
        return data.extract
    return EXTRACTORS.get(sniffed.kind)


def extract(source: Source, limits: Limits, sniffed: Sniffed | None = None) -> Extract:
    """Reads a file by what it is, in this process: the sandbox is around this. May raise what parsers raise on
    damaged files."""
    found = sniffed or sniff(source)
    extractor = extractor_for(found)
    if extractor is None:
        return Extract(
            found.kind,
            found.media_type,
            looked_at=("type",),
            not_looked_at=() if found.kind is Kind.EMPTY else ("content",),
        )
    return extractor(source, found, limits)
