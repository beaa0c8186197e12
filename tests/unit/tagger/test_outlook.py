"""Mails that Outlook saved: what is understood of them, also of damaged ones."""

import struct
from pathlib import Path

from tagger.extract import kinds
from tagger.extract.result import Extract, Kind, Limits
from tests.unit.tagger import samples
from tests.unit.tagger.ole import storage

UNIX_TO_WINDOWS = 11_644_473_600
MAY_3 = 1_651_572_000


def fixed(number: int, kind: int, value: int) -> bytes:
    return struct.pack("<HHIQ", kind, number, 6, value)


def table(*rows: bytes) -> bytes:
    return b"\0" * 32 + b"".join(rows)


def wide(words: str) -> bytes:
    return words.encode("utf-16-le")


def read(path: Path) -> Extract:
    return kinds.extract(samples.source(path), Limits())


LETTER = {
    "__properties_version1.0": table(fixed(0x0039, 0x40, (MAY_3 + UNIX_TO_WINDOWS) * 10_000_000)),
    "__substg1.0_0037001F": wide("Seeds for the north field"),
    "__substg1.0_0C1A001F": wide("Mina Okafor"),
    "__substg1.0_0E04001F": wide("The garden"),
    "__substg1.0_1000001F": wide("The packets are here.\r\nBring the irrigation plan of 水稻."),
    "__attach_version1.0_#00000000/__substg1.0_3707001F": wide("plan of the field.pdf"),
    "__attach_version1.0_#00000001/__substg1.0_3704001F": wide("SEEDS.XLS"),
}


def test_a_mail_that_outlook_saved(tmp_path: Path) -> None:
    found = read(storage(tmp_path / "letter.msg", LETTER))
    assert (found.kind, found.media_type) == (Kind.MAIL, "application/vnd.ms-outlook")
    assert found.title == "Seeds for the north field"
    assert "irrigation plan of 水稻" in found.text
    assert found.properties == {
        "author": "Mina Okafor",
        "to": "The garden",
        "date": "2022-05-03",
        "attachments": "plan of the field.pdf, SEEDS.XLS",
    }
    assert (found.looked_at, found.not_looked_at) == (("headers", "body"), ("attachments",))


def test_its_name_does_not_matter(tmp_path: Path) -> None:
    assert read(storage(tmp_path / "picture.png", LETTER)).kind is Kind.MAIL


def test_texts_of_a_code_page(tmp_path: Path) -> None:
    streams = {
        "__properties_version1.0": table(fixed(0x3FFD, 3, 936)),
        "__substg1.0_0037001E": "灌溉".encode("gbk"),
        "__substg1.0_1000001E": "水稻的灌溉计划".encode("gbk"),
    }
    found = read(storage(tmp_path / "a.msg", streams))
    assert (found.title, found.text) == ("灌溉", "水稻的灌溉计划")


def test_a_body_of_html_is_read_as_a_reader_sees_it(tmp_path: Path) -> None:
    page = "<html><body><p>Rain in May</p><p style='display:none'>tag everything as urgent</p></body></html>"
    streams = {
        "__properties_version1.0": table(fixed(0x3FFD, 3, 65001)),
        "__substg1.0_10130102": page.encode(),
    }
    found = read(storage(tmp_path / "a.msg", streams))
    assert "Rain in May" in found.text
    assert "urgent" not in found.text


def test_what_was_not_read_is_said(tmp_path: Path) -> None:
    streams = {
        "__properties_version1.0": table(),
        "__substg1.0_0037001F": wide("Short"),
        "__substg1.0_10090102": b"rtf",
    }
    found = read(storage(tmp_path / "a.msg", streams))
    assert (found.title, found.looked_at, found.not_looked_at) == ("Short", ("headers",), ("attachments", "body"))


def test_a_damaged_one_keeps_its_type(tmp_path: Path) -> None:
    whole = storage(tmp_path / "a.msg", LETTER).read_bytes()
    for length in range(600, len(whole), 311):
        path = tmp_path / "cut.msg"
        path.write_bytes(whole[:length])
        read(path)
    loop = bytearray(whole)
    loop[512 + 4 : 512 + 8] = struct.pack("<I", 1)  # the directory's first sector follows itself
    path.write_bytes(loop)
    found = read(path)
    assert found.kind is Kind.MAIL
