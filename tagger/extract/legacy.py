"""Word, Excel and PowerPoint files of before 2007, and RTF: their text, by catdoc. Macros and layout are not."""

from tagger.extract import outside
from tagger.extract.passages import by_structure, language_of, tidy
from tagger.extract.result import Extract, Kind, Limits, Sniffed, Source
from tagger.extract.text import first_line

_PROGRAMS = {
    Kind.DOCUMENT: ("catdoc", "-w", "-d", "utf-8"),
    Kind.SPREADSHEET: ("xls2csv", "-d", "utf-8", "-q", "0", "-c", " "),
    Kind.SLIDES: ("catppt", "-d", "utf-8"),
}


def extract(source: Source, sniffed: Sniffed, limits: Limits) -> Extract:
    """The text as the program gives it."""
    command = [*_PROGRAMS[sniffed.kind], source.path]
    try:
        found = outside.run(command, most=limits.text_chars * 40, seconds=limits.wall_seconds * 0.7)
    except outside.Missing as problem:
        return Extract(sniffed.kind, sniffed.media_type, not_looked_at=("content",), error=str(problem))
    text = tidy(found.data.decode("utf-8", "replace").replace("\f", "\n"))
    return Extract(
        sniffed.kind,
        sniffed.media_type,
        title=first_line(text),
        text=by_structure(text, limits.text_chars),
        language=language_of(text),
        looked_at=("text",) if text else ("type",),
        not_looked_at=("document properties", "pictures") if text else ("content",),
        error=found.problem,
    )
