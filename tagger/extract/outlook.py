"""A mail that Outlook saved (msg): who, when, about what, the text. Attachments are named only.

Its properties are streams of an OLE storage, named by number and type ([MS-OXMSG] 2.4, [MS-OXPROPS]); those of a fixed
size stand in a table ([MS-OXMSG] 2.4.2). A text that is kept as compressed RTF alone is not read.
"""

import re
from datetime import UTC, datetime, timedelta

import olefile

from tagger.extract.html import visible
from tagger.extract.passages import by_structure, language_of, tidy
from tagger.extract.result import Extract, Limits, Sniffed, Source

_SUBJECT, _BODY, _HTML, _RTF = "0037", "1000", "1013", "1009"
_SENDER, _SENDER_ADDRESS, _TO = "0C1A", "0C1F", "0E04"
_SUBMITTED, _DELIVERED, _CODEPAGE = 0x0039, 0x0E06, 0x3FFD
_LONG_NAME, _SHORT_NAME = "3707", "3704"
_TABLE = "__properties_version1.0"
_TABLE_HEAD, _ROW = 32, 16
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_ATTACHED = re.compile(r"__attach_version1\.0_#[0-9A-F]{8}")
_ATTACHMENTS = 50
_DAMAGE = (OSError, ValueError, IndexError, KeyError, TypeError, AttributeError, LookupError, OverflowError)
"""What olefile raises on storages that are none."""


def extract(source: Source, sniffed: Sniffed, limits: Limits) -> Extract:
    """Subject, sender, date, body."""
    title = text = error = ""
    properties: dict[str, str] = {}
    left = ["attachments"]
    try:
        with olefile.OleFileIO(source.path) as storage:
            mail = _Mail(storage, limits.part_bytes)
            title = tidy(mail.words(_SUBJECT))[:200]
            sender = mail.words(_SENDER) or mail.words(_SENDER_ADDRESS)
            to, attached = mail.words(_TO), mail.attachments()
            found = {"author": sender, "to": to, "date": mail.date(), "attachments": attached}
            properties = {key: tidy(value)[:500] for key, value in found.items() if value.strip()}
            text = tidy(mail.words(_BODY))
            if not text and (page := mail.stream(f"{_HTML}0102")):
                text = visible(page.decode(mail.encoding, "replace"))[0]
            if not text and mail.stream(f"{_RTF}0102"):
                left.append("body")
    except _DAMAGE as problem:
        error = f"damaged mail: {type(problem).__name__}"
    return Extract(
        sniffed.kind,
        sniffed.media_type,
        title=title,
        text=by_structure(text, limits.text_chars),
        properties=properties,
        language=language_of(text),
        looked_at=("headers", "body") if text else ("headers",) if title or properties else ("type",),
        not_looked_at=tuple(left),
        error=error,
    )


class _Mail:
    """The properties of one message; `most` bytes of each are read."""

    def __init__(self, storage: olefile.OleFileIO, most: int) -> None:
        self._storage, self._most = storage, most
        table = self.stream(_TABLE, "")[_TABLE_HEAD:]
        rows = [table[at : at + _ROW] for at in range(0, len(table) - _ROW + 1, _ROW)]
        self._fixed = {int.from_bytes(row[2:4], "little"): int.from_bytes(row[8:16], "little") for row in rows}
        self.encoding = _encoding(self._fixed.get(_CODEPAGE, 0) & 0xFFFFFFFF)

    def stream(self, name: str, prefix: str = "__substg1.0_", folder: str = "") -> bytes:
        """The bytes of a property; none when there is none."""
        path = [*filter(None, (folder,)), f"{prefix}{name}"]
        if not self._storage.exists(path):
            return b""
        with self._storage.openstream(path) as file:
            return bytes(file.read(self._most))

    def words(self, name: str, folder: str = "") -> str:
        """A text, in Unicode or of the message's code page."""
        wide = self.stream(f"{name}001F", folder=folder)
        if wide:
            return wide.decode("utf-16-le", "replace").rstrip("\0")
        return self.stream(f"{name}001E", folder=folder).decode(self.encoding, "replace").rstrip("\0")

    def date(self) -> str:
        """The day on which it was sent, else that on which it came; '' when it says neither."""
        ticks = self._fixed.get(_SUBMITTED) or self._fixed.get(_DELIVERED) or 0
        return (_EPOCH + timedelta(microseconds=ticks // 10)).date().isoformat() if ticks else ""

    def attachments(self) -> str:
        """The names of what is attached."""
        folders = sorted({path[0] for path in self._storage.listdir() if _ATTACHED.fullmatch(path[0])})
        names = (self.words(_LONG_NAME, one) or self.words(_SHORT_NAME, one) for one in folders[:_ATTACHMENTS])
        return ", ".join(filter(None, names))


def _encoding(codepage: int) -> str:
    """Python's name of a Windows code page; that of the West when it is none that Python knows."""
    name = {65001: "utf-8", 20127: "ascii", 936: "gb18030"}.get(codepage, f"cp{codepage}")
    try:
        "".encode(name)
    except LookupError:
        return "cp1252"
    return name
