"""What is understood of less common kinds: mail boxes, notebooks, fonts, packages, databases, other archives; the
broken and the hostile among them."""

import json
import mailbox
import shutil
import sqlite3
import subprocess
import zipfile
from email.message import EmailMessage
from pathlib import Path

import pytest

from tagger.extract import kinds, outside
from tagger.extract.program import read_control
from tagger.extract.result import Extract, Kind, Limits
from tests.unit.tagger import samples

LIMITS = Limits()


def read(path: Path, limits: Limits = LIMITS) -> Extract:
    return kinds.extract(samples.source(path), limits)


def box(path: Path, count: int = 3) -> Path:
    """A box of letters."""
    kept = mailbox.mbox(path)
    for number in range(count):
        letter = EmailMessage()
        letter["From"], letter["Subject"] = "Mina Okafor <m@example.org>", f"Seeds {number}"
        letter["Date"] = "Tue, 3 May 2022 10:00:00 +0000"
        letter.set_content(f"Packet {number} is here.\nFrom the garden.")
        kept.add(letter)
    kept.close()
    return path


def test_a_mail_box_gives_its_messages(tmp_path: Path) -> None:
    found = read(box(tmp_path / "archive"))
    assert (found.kind, found.media_type, found.properties["senders"]) == (Kind.MAIL, "application/mbox", "Mina Okafor")
    assert found.looked_at == ("3 messages",)
    assert "Packet 2 is here." in found.text
    assert found.title == "Seeds 0, Seeds 1, Seeds 2"


def test_of_a_large_mail_box_the_first_messages(tmp_path: Path) -> None:
    assert "later messages" in read(box(tmp_path / "archive.mbox", 60)).not_looked_at


def test_a_letter_that_begins_with_from_is_no_mail_box(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("From Paris we went on to Rome.\nIt rained.\n")
    assert read(path).kind is Kind.TEXT


def notebook(path: Path) -> Path:
    cells = [
        {"cell_type": "markdown", "source": ["# Rainfall in spring\n", "What the stations measured."]},
        {"cell_type": "code", "source": "# monthly means\ndef mean_rainfall(x):\n    return x", "outputs": ["noise"]},
    ]
    path.write_text(
        json.dumps(
            {"cells": cells, "metadata": {"language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 5}
        )
    )
    return path


@pytest.mark.parametrize("name", ["rain.ipynb", "rain.json", "rain"])
def test_a_notebook(tmp_path: Path, name: str) -> None:
    found = read(notebook(tmp_path / name))
    assert (found.kind, found.title) == (Kind.NOTEBOOK, "Rainfall in spring")
    assert all(words in found.text for words in ("stations measured", "monthly means", "mean rainfall"))
    assert "noise" not in found.text


def test_half_a_notebook_is_read_as_text(tmp_path: Path) -> None:
    path = notebook(tmp_path / "rain.ipynb")
    path.write_bytes(path.read_bytes()[:90])
    found = read(path)
    assert "Rainfall" in found.text
    assert found.error.startswith("damaged")


OFFICE_97 = Path(__file__).with_name("data") / "office97.zip"
"""Written by LibreOffice: a text, a table and a slide."""


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("report.doc", Kind.DOCUMENT, "The northern field gave 水稻 and oats, says Zoë."),
        ("crops.xls", Kind.SPREADSHEET, "barley"),
        ("plan.ppt", Kind.SLIDES, "Spring sowing plan"),
    ],
)
def test_office_files_of_before_2007(tmp_path: Path, name: str, kind: Kind, words: str) -> None:
    with zipfile.ZipFile(OFFICE_97) as archive:
        archive.extract(name, tmp_path)
    path = (tmp_path / name).rename(tmp_path / "it's a copy.pdf")
    found = read(path)
    assert (found.kind, found.error) == (kind, "")
    assert words in found.text
    assert "Click to edit" not in found.text
    path.write_bytes(path.read_bytes()[:2000])
    assert read(path).kind in {kind, Kind.OTHER}


def test_rtf_by_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "letter.doc"
    path.write_text(
        r"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0 Times;}}\f0 Barley \b north\b0\par \u27700?\u31291? caf\'e9\par}"
    )
    found = read(path)
    assert found.kind is Kind.DOCUMENT
    assert "Barley north" in found.text
    assert "水稻 café" in found.text


def test_a_wrecked_word_file_gives_its_type(tmp_path: Path) -> None:
    path = tmp_path / "wreck.doc"
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x07" * 4000)
    assert read(path).text == ""


def test_a_font_says_its_name(tmp_path: Path) -> None:
    path = tmp_path / "thing.bin"
    shutil.copy("/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf", path)
    found = read(path)
    assert (found.kind, found.title) == (Kind.FONT, "DejaVu Sans Bold")
    path.write_bytes(path.read_bytes()[:400])
    assert "not a font" in read(path).error


def test_a_program_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "tool"
    shutil.copy("/bin/true", path)
    found = read(path)
    assert (found.kind, found.text) == (Kind.PROGRAM, "")
    assert "ELF 64-bit" in found.properties["description"]


def test_a_debian_package_describes_itself(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    (inside / "DEBIAN").mkdir(parents=True)
    (inside / "DEBIAN" / "control").write_text(
        "Package: seedbox\nVersion: 1.2\nArchitecture: all\nMaintainer: Mina Okafor <m@example.org>\n"
        "Description: keeps seeds\n A register of seeds and their harvest.\n"
    )
    path = tmp_path / "x"
    subprocess.run(["dpkg-deb", "-b", str(inside), str(path)], check=True, capture_output=True)
    found = read(path)
    assert (found.kind, found.title, found.properties["version"]) == (Kind.PROGRAM, "seedbox", "1.2")
    assert "register of seeds" in found.text
    path.write_bytes(path.read_bytes()[:100])
    assert read(path).kind is Kind.PROGRAM


def test_a_control_file_is_only_data() -> None:
    assert read_control("Package\n: : :\n\x00Version: 1\nDescription:") == ({"title": ""}, "")


def test_a_database_shows_its_schema_and_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "it's a #1?.db"
    base = sqlite3.connect(path)
    base.execute("CREATE TABLE harvest (crop TEXT, tons REAL)")
    base.execute("INSERT INTO harvest VALUES ('secret barley', 3)")
    base.commit()
    base.close()
    before = path.read_bytes()
    found = read(path)
    assert (found.kind, found.title, found.not_looked_at) == (Kind.DATABASE, "harvest", ("rows",))
    assert "crop TEXT" in found.text
    assert "secret" not in found.text
    assert path.read_bytes() == before
    path.write_bytes(before[:1000] + bytes(3000))
    assert read(path).kind is Kind.DATABASE


@pytest.mark.parametrize("form", ["7zip", "iso9660", "cpio"])
def test_any_archive_is_listed(tmp_path: Path, form: str) -> None:
    inner = tmp_path / "plans for May.txt"
    inner.write_text("x")
    path = tmp_path / "thing"
    subprocess.run(["bsdtar", "-cf", path, "--format", form, "-C", tmp_path, inner.name], check=True)
    found = read(path)
    assert found.kind is Kind.ARCHIVE
    assert "plans for May" in found.text


def test_a_wrecked_archive_is_said(tmp_path: Path) -> None:
    path = tmp_path / "thing.7z"
    path.write_bytes(b"7z\xbc\xaf\x27\x1c\0\4" + b"\x01" * 600)
    found = read(path)
    assert found.kind is Kind.ARCHIVE
    assert "damaged" in found.error


def test_the_same_bytes_under_two_names_are_understood_alike(tmp_path: Path) -> None:
    one, other = samples.photo(tmp_path / "a.jpg"), tmp_path / "b it's.mp3"
    shutil.copy(one, other)
    assert read(one) == read(other)


def test_an_ogg_named_wav(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    made = ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", "sine=d=1", "-c:a", "libvorbis", "-f", "ogg"]
    subprocess.run([*made, "-metadata", "title=Low tide", "-metadata", "artist=The Gulls", str(path)], check=True)
    found = read(path)
    assert (found.kind, found.media_type, found.title) == (Kind.AUDIO, "audio/ogg", "Low tide")
    assert (found.properties["artist"], found.properties["audio codec"]) == ("The Gulls", "vorbis")


def test_a_program_that_reads_for_us_is_bounded() -> None:
    assert outside.run(["yes"], most=1000, seconds=20) == (b"y\n" * 500, "yes said more than is read")
    assert outside.run(["sleep", "60"], most=10, seconds=0.2) == (b"", "sleep took too long")
    assert outside.run(["cat"], most=1 << 22, seconds=20, given=b"x" * 300_000) == (b"x" * 300_000, "")
    assert outside.run(["true"], most=10, seconds=20, given=b"x" * 300_000) == (b"", "")
    assert outside.run(["false"], most=10, seconds=20).problem == "false ended with 1"
    with pytest.raises(outside.Missing):
        outside.run(["no-such-program"], most=10, seconds=1)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_wide_text_without_a_mark_is_text(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "notes"
    path.write_bytes("The rice harvest was late, à cause de la pluie.\n".encode(encoding) * 3)
    found = read(path)
    assert (found.kind, found.properties["encoding"]) == (Kind.TEXT, encoding)
    assert "à cause de la pluie" in found.text
    path.write_bytes(bytes(range(1, 100)) * 2 + b"\0\1\2\0" * 50)
    assert read(path).kind is Kind.OTHER
