"""Archives: what is listed in them. Nothing is unpacked to a disk, and no more is unpacked in memory than finding
the names takes."""

import bz2
import gzip
import lzma
import tarfile
import zipfile
import zlib
from typing import IO, cast

from tagger.extract import outside
from tagger.extract.passages import by_structure, language_of, tidy
from tagger.extract.result import Extract, Limits, Sniffed, Source
from tagger.extract.text import encoding_of, first_line

_STREAMS = frozenset({"application/gzip", "application/x-gzip", "application/x-bzip2", "application/x-xz"})
_UNPACKED = 64 << 20
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    OSError,
    EOFError,
    ValueError,
    zlib.error,
    lzma.LZMAError,
    NotImplementedError,
    RuntimeError,
)


class _Bounded:
    """A readable stream that ends after a number of bytes: a bomb's listing stops there."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self._stream, self._left = stream, most

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(min(size if size >= 0 else self._left, self._left))
        self._left -= len(data)
        return data


def listing(source: Source, limits: Limits) -> tuple[list[str], str]:
    """Names in the archive, at most `limits.entries`, and why there are not more ('' when that is all)."""
    names: list[str] = []
    try:
        if zipfile.is_zipfile(source.path):
            with zipfile.ZipFile(source.path) as archive:
                everything = archive.namelist()
            more = len(everything) - limits.entries
            return everything[: limits.entries], f"{more} more entries" if more > 0 else ""
        if not tarred(source.path):
            return _listed(source, limits)
        with (
            _opened(source.path) as stream,
            tarfile.open(fileobj=cast("IO[bytes]", _Bounded(stream, _UNPACKED)), mode="r|") as tar,
        ):
            for member in tar:
                if len(names) >= limits.entries:
                    return names, "more entries"
                names.append(member.name)
    except _DAMAGE as problem:
        return names, f"damaged or unknown archive: {type(problem).__name__}"
    return names, ""


def tarred(path: str) -> bool:
    """Whether it is, packed or not, what Python's own tar reader takes."""
    with open(path, "rb") as file:
        head = file.read(512)
    return head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ")) or head[257:262] == b"ustar"


def _listed(source: Source, limits: Limits) -> tuple[list[str], str]:
    """The listing of any other archive or disk image (7z, rar, iso, cab, cpio, ...), by libarchive."""
    try:
        found = outside.run(
            ["bsdtar", "-tf", source.path], most=limits.entries * 200, seconds=limits.wall_seconds * 0.5
        )
    except outside.Missing as problem:
        return [], str(problem)
    names = [name for name in found.data.decode("utf-8", "replace").splitlines() if name not in {".", "./"}]
    if not found.data:
        return [], "damaged or unknown archive"
    more = len(names) > limits.entries or bool(found.problem)
    return names[: limits.entries], found.problem or ("more entries" if more else "")


def _opened(path: str) -> IO[bytes]:
    """A stream of the archive's bytes, unpacked as it is read."""
    with open(path, "rb") as file:
        magic = file.read(6)
    if magic.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.GzipFile(path))
    if magic.startswith(b"BZh"):
        return bz2.BZ2File(path)
    if magic.startswith(b"\xfd7zXZ"):
        return lzma.LZMAFile(path)
    return open(path, "rb")


def packed_file(source: Source, limits: Limits) -> str:
    """The beginning of the one text that a compressed stream holds (`changelog.gz`); '' when it holds anything else."""
    try:
        with _opened(source.path) as stream:
            head = stream.read(limits.text_chars * 4)
    except _DAMAGE:
        return ""
    if not head or b"\0" in head:
        return ""
    return tidy(head.decode(encoding_of(head), "replace"))


def extract(source: Source, sniffed: Sniffed, limits: Limits) -> Extract:
    """The names of its entries as text; of a single compressed text its beginning."""
    if sniffed.media_type in _STREAMS and (text := packed_file(source, limits)):
        return Extract(
            sniffed.kind,
            sniffed.media_type,
            title=first_line(text),
            text=by_structure(text, limits.text_chars),
            language=language_of(text),
            looked_at=("the beginning of the one file inside",),
            not_looked_at=("the rest",),
        )
    names, left = listing(source, limits)
    text = tidy("\n".join(name.encode("utf-8", "replace").decode() for name in names))[: limits.text_chars]
    damaged = left.startswith("damaged")
    return Extract(
        sniffed.kind,
        sniffed.media_type,
        text=text,
        properties={"entries": str(len(names))} if names else {},
        looked_at=("listing",),
        not_looked_at=("contents",) if damaged or not left else ("contents", left),
        error=left if damaged else "",
    )
