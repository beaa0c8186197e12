"""Small files of many kinds, made by code: each function writes one and returns its path."""

import io
import wave
import zipfile
import zlib
from pathlib import Path

from PIL import Image

from tagger.extract.result import Source

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
CORE = (
    '<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/">'
    "<dc:title>Harvest report</dc:title><dc:creator>Mina Okafor</dc:creator>"
    "<dcterms:created>2021-09-03T10:00:00Z</dcterms:created></cp:coreProperties>"
)


def source(path: Path, name: str | None = None) -> Source:
    """The file as an extraction takes it."""
    return Source(str(path), (name or path.name).encode(), path.stat().st_size)


def pdf(path: Path, pages: list[str], title: str = "") -> Path:
    """A PDF with a text layer, written by hand: one line of text a page."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>"]
    kids = " ".join(f"{4 + 2 * i} 0 R" for i in range(len(pages)))
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode())
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    for i, text in enumerate(pages):
        shown = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * i} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>".encode()
        )
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(shown), shown))
    objects.append(f"<< /Title ({title}) /Author (Mina Okafor) /CreationDate (D:20190215101500) >>".encode())
    out = io.BytesIO(b"%PDF-1.4\n")
    out.seek(0, io.SEEK_END)
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.write(b"".join(b"%010d 00000 n \n" % offset for offset in offsets))
    out.write(
        b"trailer << /Size %d /Root 1 0 R /Info %d 0 R >>\nstartxref\n%d\n%%%%EOF\n"
        % (len(objects) + 1, len(objects), start)
    )
    path.write_bytes(out.getvalue())
    return path


def docx(path: Path, paragraphs: list[str]) -> Path:
    """A Word document; its first paragraph is a heading."""
    body = "".join(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>" for text in paragraphs[1:])
    head = f'<w:p><w:pPr><w:pStyle w:val="Heading1"/></w:pPr><w:r><w:t>{paragraphs[0]}</w:t></w:r></w:p>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", f"<w:document {W}><w:body>{head}{body}</w:body></w:document>")
        archive.writestr("docProps/core.xml", CORE)
    return path


def odt(path: Path, text: str, form: str = "text") -> Path:
    """An OpenDocument text, or what else its type says."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", f"application/vnd.oasis.opendocument.{form}")
        archive.writestr(
            "content.xml",
            '<o:d xmlns:o="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
            f'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><text:h>Kitchen</text:h><text:p>{text}</text:p></o:d>',
        )
    return path


def zip_bomb(path: Path, part: str = "word/document.xml") -> Path:
    """A Word document whose text unpacks to 512 MiB of blanks."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        with archive.open(part, "w", force_zip64=True) as file:
            file.write(b"<x>")
            block = b" " * (1 << 20)
            for _ in range(64):
                file.write(block)
    return path


def photo(path: Path, *, format: str = "JPEG", size: tuple[int, int] = (64, 48), comment: str = "") -> Path:  # noqa: A002 - Pillow's word
    """A picture with EXIF: camera, time, place, and a comment."""
    image = Image.new("RGB", size, (200, 120, 40))
    exif = Image.Exif()
    if comment:
        exif[0x010E] = comment
    exif[0x010F], exif[0x0110], exif[0x013B] = "Nikon", "NIKON D750", "Mina Okafor"
    exif.get_ifd(0x8769)[0x9003] = "2018:07:21 09:30:00"
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2], gps[3], gps[4] = "N", (59.0, 54.0, 36.0), "E", (10.0, 45.0, 0.0)
    image.save(path, format, exif=exif)
    return path


def huge_png(path: Path, side: int = 10_000) -> Path:
    """A valid PNG of side x side pixels in a few hundred KB: 100 megapixels of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = side.to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    packer = zlib.compressobj(9)
    row = b"\0" * (1 + 3 * side)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b""))
    return path


def sound(path: Path, seconds: int = 2) -> Path:
    """A WAV of silence."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8000)
        file.writeframes(b"\x80" * 8000 * seconds)
    return path
