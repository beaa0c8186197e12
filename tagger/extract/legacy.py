"""Word, Excel and PowerPoint files of before 2007, and RTF: their text, by catdoc. Macros and layout are left."""

import re

from tagger.extract import outside
from tagger.extract.passages import by_structure, language_of, tidy
from tagger.extract.result import Extract, Kind, Limits, Sniffed, Source
from tagger.extract.text import first_line

_PROGRAMS = {
    Kind.DOCUMENT: ("catdoc", "-w", "-d", "utf-8"),
    Kind.SPREADSHEET: ("xls2csv", "-d", "utf-8", "-q", "0", "-c", " "),
}
_TEXT_ATOM = re.compile(rb"\x00\x00([\xa0\xa8])\x0f")
_MASTER = re.compile(r"Click to edit |\w+ (?:Outline )?[Ll]evel$")
_LONGEST = 1 << 16


def extract(source: Source, sniffed: Sniffed, limits: Limits) -> Extract:
    """The text as the program gives it."""
    try:
        if sniffed.kind is Kind.SLIDES:
            with open(source.path, "rb") as file:
                found = outside.Output(slides_text(file.read(limits.part_bytes)).encode(), "")
        else:
            command = [*_PROGRAMS[sniffed.kind], source.path]
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


def slides_text(data: bytes) -> str:
    """The text records of a PowerPoint file ([MS-PPT] 2.9.42 and 2.9.43: TextCharsAtom, TextBytesAtom), found by their
    headers. catppt misses those that newer programs write. The chain of sectors is not followed: a long text that lies
    in two places loses its second part."""
    found: list[str] = []
    for match in _TEXT_ATOM.finditer(data):
        size = int.from_bytes(data[match.end() : match.end() + 4], "little")
        if 0 < size <= _LONGEST:
            body = data[match.end() + 4 : match.end() + 4 + size]
            text = body.decode("utf-16-le" if match.group(1) == b"\xa0" else "cp1252", "replace").replace("\r", "\n")
            if not text.startswith("\ufffd") and text.strip("*\n "):
                found.append(text)
    lines = dict.fromkeys(line for text in found for line in text.split("\n") if not _MASTER.match(line))
    return "\n".join(lines).encode("utf-8", "replace").decode()
