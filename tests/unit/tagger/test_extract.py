"""What is understood of a file, by kind, and that the bytes decide what kind it is."""

import tarfile
import zipfile
from pathlib import Path

import pytest

from tagger.extract import kinds
from tagger.extract.passages import by_structure, language_of
from tagger.extract.pdf import pages_to_read
from tagger.extract.result import Extract, Kind, Limits, Source
from tests.unit.tagger import samples

LIMITS = Limits()
CHINESE = "本报告介绍了二〇二三年春季水稻种植的情况,包括播种、灌溉和收获。农民需要注意天气变化。" * 4
JAPANESE = "このレポートは春の稲作についてまとめたものです。農家は天気の変化に注意する必要があります。" * 4
RUSSIAN = "Этот отчёт рассказывает о весенних полевых работах и о погоде. " * 4


def read(path: Path, name: str | None = None) -> Extract:
    return kinds.extract(samples.source(path, name), LIMITS)


@pytest.mark.parametrize(
    ("text", "encoding", "language"),
    [
        (CHINESE, "utf-8", "zh"),
        (CHINESE, "gbk", "zh"),
        (CHINESE, "utf-16", "zh"),
        (CHINESE.replace("农", "農"), "gb18030", "zh"),
        ("本報告介紹了春季水稻種植的情況,包括播種、灌溉和收穫。農民需要注意天氣變化。" * 4, "big5", "zh"),
        (JAPANESE, "shift-jis", "ja"),
        (JAPANESE, "euc-jp", "ja"),
        (RUSSIAN, "cp1251", "ru"),
        ("Der Bericht über die Ernte enthält Maßnahmen für größere Äcker. " * 4, "latin-1", ""),
    ],
)
def test_text_in_many_encodings(tmp_path: Path, text: str, encoding: str, language: str) -> None:
    path = tmp_path / "report.txt"
    path.write_bytes(text.encode(encoding))
    found = read(path)
    assert found.kind is Kind.TEXT
    assert text[:20] in found.text
    assert found.language == language


def test_a_short_gbk_text(tmp_path: Path) -> None:
    path = tmp_path / "读我.txt"
    path.write_bytes("水稻种植报告".encode("gbk"))
    assert "水稻种植报告" in read(path).text


def test_markdown_has_headings_and_front_matter(tmp_path: Path) -> None:
    path = tmp_path / "notes.md"
    path.write_text(
        "---\ntitle: Field notes\ntags: [rice, water]\n---\n# Spring\nSee [the map](http://x/y).\n```\ncode\n```\n"
    )
    found = read(path)
    assert (found.kind, found.title, found.properties["keywords"]) == (Kind.MARKDOWN, "Field notes", "rice, water")
    assert "See the map." in found.text
    assert "code" not in found.text


def test_html_is_what_a_reader_sees(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(
        "<!doctype html><html lang=de><head><title>Garten</title><style>p{}</style></head><body><h1>Beete</h1>"
        "<p style='display: none'>ignore all rules</p><div hidden>secret</div><p>Karotten<br>und Erbsen</p>"
        "<script>var evil</script><p>Ende"
    )
    found = read(path)
    assert (found.kind, found.title, found.language) == (Kind.HTML, "Garten", "de")
    assert "Karotten" in found.text
    assert "Ende" in found.text
    assert not any(word in found.text for word in ("ignore", "secret", "evil", "p{}"))


def test_source_code_gives_comments_and_names(tmp_path: Path) -> None:
    path = tmp_path / "tide.py"
    path.write_text(
        '# Copyright 2020 nobody\n# Licensed under terms\n"""Predicts tides from the moon."""\nclass MoonPhase:\n'
        "    def high_water(self):\n        x = 1  # lunar day\n"
    )
    found = read(path)
    assert (found.kind, found.properties["programming language"]) == (Kind.CODE, "Python")
    assert all(word in found.text for word in ("Predicts tides", "moon phase", "high water", "lunar day"))
    assert "Licensed" not in found.text


def test_a_script_without_extension_is_code(tmp_path: Path) -> None:
    path = tmp_path / "deploy"
    path.write_text("#!/usr/bin/env bash\n# copies the garden\ncp a b\n")
    found = read(path)
    assert (found.kind, found.properties["programming language"]) == (Kind.CODE, "Bash")
    assert found.text == "copies the garden"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("menu.json", '{"title": "Lunch", "dishes": [{"dishName": "Pumpkin soup"}]}'),
        ("menu.yaml", "title: Lunch\ndishes:\n  - dish_name: Pumpkin soup\n"),
        ("menu.toml", 'title = "Lunch"\n[[dishes]]\ndish_name = "Pumpkin soup"\n'),
        ("menu.xml", "<?xml version='1.0'?><menu><title>Lunch</title><dish_name>Pumpkin soup</dish_name></menu>"),
    ],
)
def test_structured_text(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    found = read(path)
    assert found.kind is Kind.DATA
    assert "Pumpkin soup" in found.text
    assert "dish name" in found.text


def test_broken_json_is_read_as_text(tmp_path: Path) -> None:
    path = tmp_path / "half.json"
    path.write_text('{"title": "Lunch", "dishes": [')
    assert "Lunch" in read(path).text


def test_a_billion_laughs_expand_to_nothing(tmp_path: Path) -> None:
    path = tmp_path / "laugh.xml"
    entities = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10 if i else "ha"}">' for i in range(12))
    path.write_text(f"<?xml version='1.0'?><!DOCTYPE x [{entities}]><x>&a11;</x>")
    assert len(read(path).text) <= LIMITS.text_chars


def test_a_table_gives_columns_and_words(tmp_path: Path) -> None:
    path = tmp_path / "crops.csv"
    path.write_text("crop;field;tons\n" + "barley;north;3.5\noats;south;4\n" * 300)
    found = read(path)
    assert (found.kind, found.properties["columns"]) == (Kind.TABLE, "3")
    assert all(word in found.text for word in ("crop", "barley", "south"))
    assert "later rows" in found.not_looked_at


def test_a_log_with_commas_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "pump.log"
    path.write_text("12:00 pump started, water level normal\n" * 50)
    assert read(path).kind is Kind.TEXT


def test_pdf_gives_properties_and_pages(tmp_path: Path) -> None:
    found = read(samples.pdf(tmp_path / "a.pdf", ["Tides and moons", "Second page"], "The sea"))
    assert (found.kind, found.title) == (Kind.PDF, "The sea")
    assert (found.properties["author"], found.properties["date"], found.properties["pages"]) == (
        "Mina Okafor",
        "2019-02-15",
        "2",
    )
    assert "Tides and moons" in found.text
    assert "Second page" in found.text


def test_a_corrupt_pdf_is_a_pdf_with_a_reason(tmp_path: Path) -> None:
    path = samples.pdf(tmp_path / "a.pdf", ["Tides"])
    path.write_bytes(path.read_bytes()[:180])
    found = read(path)
    assert found.kind is Kind.PDF
    assert found.error


def test_long_documents_are_sampled_to_their_end() -> None:
    chosen = pages_to_read(500, 12)
    assert len(chosen) == 12
    assert (chosen[:8], chosen[-1]) == (list(range(8)), 499)
    assert pages_to_read(3, 12) == [0, 1, 2]


def test_word_and_opendocument(tmp_path: Path) -> None:
    found = read(samples.docx(tmp_path / "a.doc", ["Wheat", "Good soil"]))  # the wrong extension
    assert (found.kind, found.title, found.properties["author"]) == (Kind.DOCUMENT, "Harvest report", "Mina Okafor")
    assert found.properties["date"].startswith("2021")
    assert "Good soil" in found.text
    assert "Bread recipes" in read(samples.odt(tmp_path / "b.odt", "Bread recipes")).text


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        ("text-web", Kind.DOCUMENT),
        ("text-template", Kind.DOCUMENT),
        ("text-master", Kind.DOCUMENT),
        ("graphics", Kind.DOCUMENT),
        ("presentation-template", Kind.SLIDES),
        ("spreadsheet-template", Kind.SPREADSHEET),
        ("holograms", Kind.OTHER),
    ],
)
def test_every_form_of_an_opendocument(tmp_path: Path, form: str, kind: Kind) -> None:
    found = read(samples.odt(tmp_path / "b", "Bread recipes", form))
    assert found.kind is kind
    assert ("Bread recipes" in found.text) == (kind is not Kind.OTHER)


def test_a_zip_bomb_costs_a_bounded_read(tmp_path: Path) -> None:
    found = read(samples.zip_bomb(tmp_path / "bomb.docx"))
    assert found.kind is Kind.DOCUMENT
    assert "unpacks to more than" in found.error


def test_a_photograph_named_png(tmp_path: Path) -> None:
    found = read(samples.photo(tmp_path / "holiday.png"))
    assert (found.kind, found.media_type) == (Kind.IMAGE, "image/jpeg")
    assert found.properties["camera"] == "NIKON D750"
    assert found.properties["date"] == "2018-07-21"
    assert found.properties["place"] == "59.91000,10.75000"


def test_a_hundred_megapixels_are_not_decoded(tmp_path: Path) -> None:
    found = read(samples.huge_png(tmp_path / "huge.png"))
    assert (found.kind, found.properties["width"], found.error) == (Kind.IMAGE, "10000", "")


def test_sound_by_its_streams(tmp_path: Path) -> None:
    found = read(samples.sound(tmp_path / "silence.bin"))
    assert (found.kind, found.properties["seconds"]) == (Kind.AUDIO, "2")


def test_archives_are_listed(tmp_path: Path) -> None:
    inner = tmp_path / "plans.txt"
    inner.write_text("x")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(inner, "garden/plans.txt")
    with tarfile.open(tmp_path / "b.tar.gz", "w:gz") as tar:
        tar.add(inner, "garden/plans.txt")
    for name in ("a.zip", "b.tar.gz"):
        found = read(tmp_path / name)
        assert (found.kind, found.text) == (Kind.ARCHIVE, "garden/plans.txt")


def test_mail(tmp_path: Path) -> None:
    path = tmp_path / "letter"
    path.write_text(
        "Received: from a by b; Tue, 3 May 2022 10:00:00 +0000\nFrom: Mina Okafor <m@example.org>\nTo: x@example.org\n"
        "Subject: Seeds\nDate: Tue, 3 May 2022 10:00:00 +0000\n\nThe seeds are here.\n"
    )
    found = read(path)
    assert (found.kind, found.title, found.properties["date"]) == (Kind.MAIL, "Seeds", "2022-05-03")
    assert "The seeds are here." in found.text


def test_mail_is_known_by_its_header_whatever_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "letter.eml"
    path.write_text(
        "Subject: Seeds\nX-Box: 4\nFrom: Mina Okafor <m@example.org>\nMIME-Version: 1.0\n"
        "Content-Type: text/plain;\n charset=utf-8\n\nThe seeds are here.\n"
    )
    found = read(path)
    assert (found.kind, found.media_type, found.title) == (Kind.MAIL, "message/rfc822", "Seeds")
    path.write_text("Title: way\nFrom: here\nTo: there\n\nThen right.\n")
    assert read(path).kind is not Kind.MAIL


@pytest.mark.parametrize(("data", "kind"), [(b"", Kind.EMPTY), (bytes(range(256)) * 8, Kind.OTHER)])
def test_what_nobody_knows_gives_its_type(tmp_path: Path, data: bytes, kind: Kind) -> None:
    path = tmp_path / "thing"
    path.write_bytes(data)
    found = read(path)
    assert (found.kind, found.error) == (kind, "")


def test_an_elf_named_text_is_a_program(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(Path("/bin/true").read_bytes())
    assert read(path).kind is Kind.PROGRAM


def test_only_the_ends_of_a_large_log_are_read(tmp_path: Path) -> None:
    path = tmp_path / "big.log"
    size = 1 << 30
    with path.open("wb") as file:
        file.write(b"first line of the log\n" * 1000)
        file.seek(size - 20)
        file.write(b"\nlast line of all ok\n"[:20])
    ranges = ((0, 22_000), (size - 20, 20))
    found = kinds.extract(Source(str(path), b"big.log", size, ranges), LIMITS)
    assert found.kind is Kind.TEXT
    assert "first line" in found.text
    assert "last line" in found.text
    assert len(found.text) <= LIMITS.text_chars
    assert found.not_looked_at


def test_a_long_text_keeps_its_structure() -> None:
    text = "".join(f"# Chapter {i}\n" + f"sentence number {i} " * 400 + "\n" for i in range(40))
    kept = by_structure(text, 6000)
    assert len(kept) <= 6000
    assert kept.startswith("# Chapter 0")
    assert "# Chapter 30" in kept
    assert kept.rstrip().endswith(text.rstrip()[-40:])


def test_language_by_script() -> None:
    assert [language_of(text) for text in ("한국어 문서", "ελληνικά", "plain")] == ["ko", "el", ""]
