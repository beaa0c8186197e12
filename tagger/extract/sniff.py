"""What a file is, by its bytes. The name's extension decides only among kinds that the bytes leave open (which kind
of text, which zip)."""

import re
import zipfile

import magic

from tagger.extract.code import lexer_for
from tagger.extract.result import Kind, Sniffed, Source
from tagger.extract.text import encoding_of, unmarked_wide

HEAD = 64 << 10
_MAGIC = magic.Magic(mime=True)
_OPEN = "application/vnd.openxmlformats-officedocument."
_ODF = "application/vnd.oasis.opendocument."

_EXACT = {
    "application/pdf": Kind.PDF,
    "application/epub+zip": Kind.BOOK,
    "application/msword": Kind.DOCUMENT,
    "application/rtf": Kind.DOCUMENT,
    "text/rtf": Kind.DOCUMENT,
    "application/vnd.ms-powerpoint": Kind.SLIDES,
    "application/vnd.ms-excel": Kind.SPREADSHEET,
    f"{_OPEN}wordprocessingml.document": Kind.DOCUMENT,
    f"{_OPEN}presentationml.presentation": Kind.SLIDES,
    f"{_OPEN}spreadsheetml.sheet": Kind.SPREADSHEET,
    "application/vnd.sqlite3": Kind.DATABASE,
    "application/x-sqlite3": Kind.DATABASE,
    "message/rfc822": Kind.MAIL,
    "application/mbox": Kind.MAIL,
    "application/vnd.ms-outlook": Kind.MAIL,
    "text/x-mail": Kind.MAIL,
    "application/vnd.debian.binary-package": Kind.PROGRAM,
    "application/x-rpm": Kind.PROGRAM,
    "application/json": Kind.DATA,
    "text/csv": Kind.TABLE,
    "application/csv": Kind.TABLE,
    "text/html": Kind.HTML,
    "application/ogg": Kind.AUDIO,
    "application/vnd.ms-fontobject": Kind.FONT,
    "application/vnd.ms-opentype": Kind.FONT,
    "application/x-executable": Kind.PROGRAM,
    "application/x-pie-executable": Kind.PROGRAM,
    "application/x-sharedlib": Kind.PROGRAM,
    "application/x-object": Kind.PROGRAM,
    "application/x-dosexec": Kind.PROGRAM,
    "application/vnd.microsoft.portable-executable": Kind.PROGRAM,
    "application/x-mach-binary": Kind.PROGRAM,
    "application/x-bytecode.python": Kind.PROGRAM,
    "application/x-java-applet": Kind.PROGRAM,
}
_ODF_KINDS = {
    "text": Kind.DOCUMENT,
    "presentation": Kind.SLIDES,
    "spreadsheet": Kind.SPREADSHEET,
    "graphics": Kind.DOCUMENT,
    "chart": Kind.DOCUMENT,
    "formula": Kind.DOCUMENT,
}
"""OpenDocument's families; each has templates and other forms (`text-template`, `text-web`, `text-master`) too."""
_ARCHIVES = re.compile(
    r"application/(zip|gzip|x-gzip|x-tar|x-bzip2|x-xz|zstd|x-zstd|x-7z-compressed|x-rar|vnd\.rar|x-iso9660-image|x-cpio|x-archive|java-archive"
    r"|x-lzma|x-compress|vnd\.android\.package-archive|vnd\.ms-cab-compressed)$"
)
_TEXTUAL = re.compile(
    r"text/|application/(javascript|x-(shellscript|perl|ruby|php|httpd-php|awk|tex|latex|ndjson|subrip|wine-extension-ini)|xml|json|pgp|x-setupscript)|inode/x-empty|.+\+(xml|json)$"
)
_MARKDOWN = re.compile(r"^#{1,6} \S|^(?:\* |- |\d+\. )\S.*\n(?:\* |- |\d+\. )\S|\[[^\]\n]+\]\([^)\n]+\)|^```", re.M)
_HTML = re.compile(r"<(?:!doctype\s+html|html|head|body)\b", re.I)
_MBOX = re.compile(r"From \S+ .{0,40}\d{4}\r?\n(?:>?[A-Za-z][\w-]*: |From )")
_HEADERS = re.compile(r"(?:[A-Za-z][\w-]*:[^\n]*\n(?:[ \t][^\n]*\n)*){3,}(?=\r?\n)")
_SENT = re.compile(r"^(?:message-id: *<|mime-version: *1\.|date: *(?:\w{3}, *)?\d{1,2} \w{3} \d{4} )", re.I | re.M)
_FROM = re.compile(r"^from: *\S", re.I | re.M)
_YAML = re.compile(r"\A(?:#.*\n|\s*\n)*(?:---\s*\n|%YAML|[\w.-]+:(?:\s|$))", re.M)
_DATA_SUFFIXES = frozenset(
    {
        "json",
        "geojson",
        "jsonl",
        "ndjson",
        "yaml",
        "yml",
        "toml",
        "ini",
        "cfg",
        "conf",
        "properties",
        "xml",
        "plist",
        "xsd",
        "webmanifest",
    }
)
_PROSE_SUFFIXES = frozenset(
    {"txt", "text", "log", "rst", "org", "adoc", "srt", "vtt", "tex", "nfo", "po", "pot", "diff", "patch"}
)


def sniff(source: Source) -> Sniffed:
    """Kind and media type. Never declines: what nobody knows is `Kind.OTHER`."""
    if source.size == 0:
        return Sniffed(Kind.EMPTY, "inode/x-empty")
    with open(source.path, "rb") as file:
        head = file.read(HEAD)
    media_type = _MAGIC.from_buffer(head) or "application/octet-stream"
    if media_type in {"application/zip", "application/octet-stream"} or media_type.startswith((_OPEN, _ODF)):
        media_type = _inside_zip(source.path, head) or media_type
    if head.startswith(_OLE):
        media_type = _inside_ole(source.path, head) or media_type
    if media_type == "image/svg+xml" or (family := media_type.partition("/")[0]) == "image":
        return Sniffed(Kind.IMAGE, media_type)
    if family in {"audio", "video"}:
        return Sniffed(Kind.AUDIO if family == "audio" else Kind.VIDEO, media_type)
    if family == "font" or media_type.startswith("application/font") or "font" in media_type.split("/")[1]:
        return Sniffed(Kind.FONT, media_type)
    exact = _EXACT.get(media_type)
    if media_type.startswith(_ODF):
        exact = _ODF_KINDS.get(re.split(r"\W", media_type.removeprefix(_ODF))[0])
    if exact is not None and exact is not Kind.DATA and not media_type.startswith("text/"):
        return Sniffed(exact, media_type)
    if _ARCHIVES.match(media_type):
        return Sniffed(Kind.ARCHIVE, media_type)
    if _TEXTUAL.match(media_type) or _reads_as_text(head):
        return _text(source, head, media_type, exact)
    return Sniffed(Kind.OTHER, media_type)


def _reads_as_text(head: bytes) -> bool:
    """Encodings that libmagic takes for data: UTF-16 and UTF-32 with a mark, UTF-16 of Latin text without one, and
    multi-byte texts without any NUL."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    sample = head[:4096]
    if unmarked_wide(sample):
        return True
    return (
        b"\0" not in sample
        and sum(byte < 32 and byte not in b"\t\n\r\f\b\x1b" for byte in sample) == 0
        and len(sample) > 3
    )


def _text(source: Source, head: bytes, media_type: str, exact: Kind | None) -> Sniffed:
    """Which kind of text. The suffix may say what the bytes cannot."""
    text = head[: 16 << 10].decode(encoding_of(head), "replace")
    suffix = source.suffix
    if (
        exact is Kind.HTML
        or suffix in {"html", "htm", "xhtml"}
        or (_HTML.search(text[:1024]) and text.lstrip().startswith("<"))
    ) and (_HTML.search(text) or exact is Kind.HTML):
        return Sniffed(Kind.HTML, "text/html")
    # any text with as many commas in each line is a table to libmagic: logs, lists, programs
    if suffix in {"csv", "tsv", "tab"} or (exact is Kind.TABLE and suffix in {"", "dat"}):
        return Sniffed(Kind.TABLE, "text/csv")
    if exact in {Kind.DOCUMENT, Kind.MAIL}:
        return Sniffed(exact, media_type)
    if _MBOX.match(text):
        return Sniffed(Kind.MAIL, "application/mbox")
    if _is_mail(text):
        return Sniffed(Kind.MAIL, "message/rfc822")
    if suffix in {"md", "markdown", "mkd", "mdown"} or (
        suffix in {"", "txt"} and len(_MARKDOWN.findall(text)) >= 4 and text.startswith("#")
    ):
        return Sniffed(Kind.MARKDOWN, "text/markdown")
    if suffix == "ipynb" or (suffix in {"", "json"} and '"cells"' in text and '"nbformat' in text):
        return Sniffed(Kind.NOTEBOOK, "application/x-ipynb+json")
    if "json" in media_type or suffix in _DATA_SUFFIXES or "xml" in media_type:
        return Sniffed(Kind.DATA, _data_type(suffix, media_type))
    if suffix in _PROSE_SUFFIXES:
        return Sniffed(Kind.TEXT, "text/plain")
    if lexer_for(source.name.decode("utf-8", "replace"), text, media_type) is not None:
        return Sniffed(Kind.CODE, media_type if media_type != "text/plain" else "text/x-source")
    if not suffix and _YAML.match(text) and text.startswith("---"):
        return Sniffed(Kind.DATA, "application/yaml")
    return Sniffed(Kind.TEXT, "text/plain" if not media_type.startswith("text/") else media_type)


def _is_mail(text: str) -> bool:
    """Whether it begins as a message does (RFC 5322): libmagic knows only those that begin with certain fields."""
    headers = _HEADERS.match(text)
    return headers is not None and bool(_FROM.search(headers[0]) and _SENT.search(headers[0]))


def _data_type(suffix: str, media_type: str) -> str:
    by_suffix = {
        "yaml": "application/yaml",
        "yml": "application/yaml",
        "toml": "application/toml",
        "json": "application/json",
        "xml": "application/xml",
    }
    return (
        media_type if media_type not in {"text/plain", "text/x-script.python"} else by_suffix.get(suffix, "text/plain")
    )


_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_STREAMS = (
    ("WordDocument", "application/msword"),
    ("Workbook", "application/vnd.ms-excel"),
    ("Book", "application/vnd.ms-excel"),
    ("PowerPoint Document", "application/vnd.ms-powerpoint"),
    ("__properties_version1.0", "application/vnd.ms-outlook"),
)


def _inside_ole(path: str, head: bytes) -> str:
    """Office files of before 2007 and mails that Outlook saved are OLE storages: which one, by the names in its
    directory, which may lie anywhere ([MS-CFB] 2.2: the sector's size is at 30, the directory's first sector at 48); ''
    when it is none of them."""
    size = 1 << min(12, int.from_bytes(head[30:32], "little"))
    with open(path, "rb") as file:
        file.seek((int.from_bytes(head[48:52], "little") + 1) * size)
        directory = file.read(8 * size)  # its sectors mostly follow one another
    named = (media for name, media in _STREAMS if f"{name}\0".encode("utf-16-le") in directory)
    return next(named, "")


def _inside_zip(path: str, head: bytes) -> str:
    """Office documents and books are zips: which one, by the parts inside; '' when it is a plain zip or none."""
    if not head.startswith(b"PK"):
        return ""
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist()[:5000])
            if "mimetype" in names:
                with archive.open("mimetype") as file:
                    return file.read(120).decode("ascii", "replace").strip()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        return ""
    if "[Content_Types].xml" in names:
        for folder, rest in (
            ("word/", "wordprocessingml.document"),
            ("ppt/", "presentationml.presentation"),
            ("xl/", "spreadsheetml.sheet"),
        ):
            if any(name.startswith(folder) for name in names):
                return _OPEN + rest
    if "META-INF/MANIFEST.MF" in names:
        return "application/java-archive"
    return ""
