"""What extraction takes and gives. Frozen records, bounded; no reading is done here."""

from enum import StrEnum

from msgspec import Struct


class Kind(StrEnum):
    """What a file is, in the few words that people use; each is a tag below `type/`."""

    TEXT = "text"
    MARKDOWN = "markdown"
    HTML = "html"
    CODE = "code"
    DATA = "data"
    TABLE = "table"
    PDF = "pdf"
    DOCUMENT = "document"
    SLIDES = "slides"
    SPREADSHEET = "spreadsheet"
    BOOK = "book"
    MAIL = "mail"
    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    ARCHIVE = "archive"
    FONT = "font"
    PROGRAM = "program"
    DATABASE = "database"
    NOTEBOOK = "notebook"
    EMPTY = "empty"
    OTHER = "other"


class Limits(Struct, frozen=True):
    """What one extraction may cost. A file that wants more gives a partial extract, or only its kind."""

    wall_seconds: float = 20.0
    cpu_seconds: int = 15
    memory_bytes: int = 1 << 30
    """Address space of the process that reads the file, shared libraries included."""
    answer_bytes: int = 1 << 20
    text_chars: int = 12_000
    part_bytes: int = 16 << 20
    """The most that is unpacked from one compressed part (a page, a document inside a zip)."""
    entries: int = 2_000
    """Names read from an archive."""
    pages: int = 12
    ocr: str = "auto"
    """Languages of words that are read in pictures, as tesseract names them (`eng+deu`); `auto`; '' for none."""
    ocr_pages: int = 4
    """Scanned pages of one document, or frames of a picture, in which words are read."""
    pixels: int = 50_000_000
    """A larger picture is not decoded: it gives its size and metadata."""
    sound_seconds: int = 0
    """How much of a sound track is handed on to be transcribed."""
    pictures: int = 0
    """How many pictures (the image itself, scanned pages, frames of a video) are handed on for a model that sees."""


class Source(Struct, frozen=True):
    """A local file to read. Of a large one only `ranges` were fetched, at their own offsets; the rest are holes."""

    path: str
    name: bytes
    """The file's own name on the drive: a hint at most."""
    size: int
    ranges: tuple[tuple[int, int], ...] = ()
    """(offset, length) of what is there, in order; empty: everything."""

    @property
    def whole(self) -> bool:
        """Whether every byte is there."""
        return not self.ranges

    @property
    def suffix(self) -> str:
        """The name's extension in lower case without its dot; '' when it has none."""
        name = self.name.decode("utf-8", "replace")
        stem, dot, suffix = name.rpartition(".")
        return suffix.lower() if dot and stem else ""


class Sniffed(Struct, frozen=True):
    """What a file is by its bytes."""

    kind: Kind
    media_type: str


class Extract(Struct, frozen=True):
    """What was understood of a file."""

    kind: Kind
    media_type: str
    title: str = ""
    text: str = ""
    """Read by structure (head, headings, sampled middle, tail), at most `Limits.text_chars` characters."""
    properties: dict[str, str] = {}
    """Metadata under stable lower-case names: author, date, camera, artist, album, genre, width, height, seconds,
    encoding, ..."""
    language: str = ""
    """Natural language of the text as an ISO 639-1 code where its script tells; '' when unknown."""
    pictures: tuple[bytes, ...] = ()
    """What a model that sees should be shown, as JPEG of at most 1,024 pixels a side; as many as `Limits.pictures`."""
    sound: bytes = b""
    """The beginning of a sound track: WAV, 16 kHz, one channel, 16 bits; as long as `Limits.sound_seconds`."""
    looked_at: tuple[str, ...] = ()
    not_looked_at: tuple[str, ...] = ()
    error: str = ""
    """Why the extract is partial; '' when it is not."""
