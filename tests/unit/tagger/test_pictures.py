"""Words in pictures and on scanned pages: read where they stand, bounded, and only data."""

import io
import os
import subprocess
import zipfile
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from tagger.extract import kinds
from tagger.extract.ocr import sure_words
from tagger.extract.result import Extract, Kind, Limits
from tagger.extract.sandbox import Sandbox
from tests.unit.tagger import samples

LATIN = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
HAN = "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf"
CHINESE = ("水稻种植年度报告", "本报告介绍了春季水稻种植的情况", "包括播种灌溉和收获", "农民需要注意天气变化")


def written(lines: tuple[str, ...], size: tuple[int, int] = (1000, 700)) -> Image.Image:
    """A page with large letters."""
    image = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(image), ImageFont.truetype(LATIN if lines[0].isascii() else HAN, 48)
    for number, line in enumerate(lines):
        draw.text((70, 70 + 110 * number), line, font=font, fill="black")
    return image


def read(path: Path, limits: Limits | None = None) -> Extract:
    return kinds.extract(samples.source(path), limits or Limits())


def test_a_scanned_chinese_pdf_without_a_text_layer(tmp_path: Path) -> None:
    path = tmp_path / "扫描 it's.pdf"
    written(CHINESE).save(path, resolution=150)
    found = read(path)
    assert (found.kind, found.language) == (Kind.PDF, "zh")
    assert "年度报告" in found.text
    assert "words in the pictures of 1 pages" in found.looked_at
    assert found.not_looked_at == ()


def test_words_on_a_screen_shot(tmp_path: Path) -> None:
    path = tmp_path / "screen.webp"
    written(("Quarterly budget", "Travel and hotels")).save(path, lossless=True)
    found = read(path)
    assert "Quarterly budget" in found.text
    assert "words in the picture" in found.looked_at


@pytest.mark.parametrize("format", ["PNG", "GIF", "TIFF", "BMP"])
def test_a_picture_of_each_format_gives_its_words(tmp_path: Path, format: str) -> None:  # noqa: A002
    path = tmp_path / "note"
    written(("Harvest festival",), (700, 250)).save(path, format)
    assert "Harvest festival" in read(path).text


def test_a_picture_of_a_telephone(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0110] = "Telephone 12"
    written(("Harvest festival",), (700, 250)).save(tmp_path / "a.jpg", exif=exif, quality=95)
    path = tmp_path / "it's a picture"
    subprocess.run(["heif-enc", str(tmp_path / "a.jpg"), "-o", str(path)], check=True, capture_output=True)
    found = read(path)
    assert (found.kind, found.media_type, found.properties["width"]) == (Kind.IMAGE, "image/heic", "700")
    assert found.properties["camera"] == "Telephone 12"
    assert "Harvest festival" in found.text
    path.write_bytes(path.read_bytes()[:900])
    assert read(path).error


def test_an_upside_down_photograph_is_read_as_it_was_held(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    path = tmp_path / "turned.jpg"
    written(("Harvest festival",), (700, 250)).rotate(180).save(path, exif=exif)
    assert "Harvest festival" in read(path).text


def test_a_scan_of_several_pages_in_one_picture(tmp_path: Path) -> None:
    path = tmp_path / "fax.tif"
    pages = [written((line,), (900, 250)) for line in ("Harvest festival", "Travel and hotels", "Quarterly budget")]
    pages[0].save(path, "TIFF", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    found = read(path)
    assert "Harvest festival" in found.text
    assert "Quarterly budget" in found.text
    first = read(path, Limits(ocr_pages=1, pictures=2))
    assert "Quarterly" not in first.text
    assert len(first.pictures) == 2
    assert "1 of 3 pages" in first.not_looked_at
    path.write_bytes(path.read_bytes()[:-200])
    assert "Harvest festival" in read(path).text, "a damaged page costs the others nothing"


def test_reading_can_be_switched_off(tmp_path: Path) -> None:
    path = tmp_path / "page.pdf"
    written(("Quarterly budget",)).save(path)
    found = read(path, Limits(ocr=""))
    assert found.text == ""
    assert "1 pages without a text layer" in found.not_looked_at


def test_a_language_that_is_not_installed_is_said(tmp_path: Path) -> None:
    path = tmp_path / "page.png"
    written(("Quarterly budget",)).save(path)
    found = read(path, Limits(ocr="xxx"))
    assert any("installed" in left for left in found.not_looked_at)


def test_only_so_many_scanned_pages_are_read(tmp_path: Path) -> None:
    pages = [written((f"Chapter {name}",), (500, 200)) for name in ("alpha", "beta", "gamma")]
    path = tmp_path / "book.pdf"
    pages[0].save(path, save_all=True, append_images=pages[1:])
    found = read(path, Limits(ocr_pages=2))
    assert "beta" in found.text
    assert "gamma" not in found.text
    assert "1 pages without a text layer" in found.not_looked_at


def test_a_model_that_sees_gets_the_picture_itself(tmp_path: Path) -> None:
    path = tmp_path / "wide.png"
    written(("Harvest",), (3000, 300)).save(path)
    found = read(path, Limits(pictures=1, ocr=""))
    (picture,) = found.pictures
    small = tmp_path / "small"
    small.write_bytes(picture)
    with Image.open(small) as image:
        assert (image.format, image.size) == ("JPEG", (1024, 102))
    assert found.looked_at[-1] == "pixels"


def test_a_hundred_megapixels_are_not_decoded(tmp_path: Path) -> None:
    found = read(samples.huge_png(tmp_path / "huge.png"), Limits(pictures=1))
    assert found.not_looked_at == ("pixels: there are too many",)
    assert found.pictures == ()


def test_half_a_picture_gives_what_is_known(tmp_path: Path) -> None:
    path = tmp_path / "half.png"
    written(("Harvest",)).save(path)
    path.write_bytes(path.read_bytes()[:3000])
    found = read(path)
    assert (found.kind, found.properties["width"]) == (Kind.IMAGE, "1000")
    assert found.error.startswith("damaged")


def test_guesses_are_no_words() -> None:
    def row(line: int, sure: float, word: str) -> str:
        return "\t".join(["5", "1", "1", "1", str(line), "1", "0", "0", "9", "9", str(sure), word])

    table = "\n".join(["level", row(1, 91, "Harvest"), row(1, 96, "1987"), row(2, 12, "~~"), row(2, 33, "wW"), "odd"])
    assert sure_words(table) == "Harvest 1987"


def test_the_sandbox_reads_words_within_its_limits(tmp_path: Path) -> None:
    path = tmp_path / "screen.png"
    written(("Quarterly budget",)).save(path)
    with Sandbox(Limits(wall_seconds=20, cpu_seconds=15)) as sandbox:
        assert "Quarterly budget" in sandbox.extract(samples.source(path)).text
    assert not [name for name in os.listdir(tmp_path) if name != "screen.png"]


def film(path: Path, scenes: tuple[str, ...]) -> Path:
    """A silent film, a second a scene, each with words on it."""
    for number, words in enumerate(scenes):
        image = written((words,), (640, 360))
        ground = Image.new("RGB", image.size, ("white", "orange", "lightblue")[number % 3])
        Image.composite(image, ground, image.convert("L").point(lambda v: 255 if v < 128 else 0)).save(
            path.with_name(f"scene{number}.png")
        )
    made = ["ffmpeg", "-loglevel", "error", "-framerate", "1", "-i", str(path.with_name("scene%d.png"))]
    made += ["-c:v", "mpeg4", "-g", "1", "-r", "5", "-metadata", "title=Our year", "-f", "matroska", str(path)]
    subprocess.run(made, check=True)
    return path


def test_a_film_is_seen_where_its_scenes_change(tmp_path: Path) -> None:
    path = film(tmp_path / "it's a film.mp3", ("Spring", "Summer", "Autumn"))
    found = read(path, Limits(pictures=2, wall_seconds=60))
    assert (found.kind, found.title, found.looked_at) == (Kind.VIDEO, "Our year", ("metadata", "3 frames"))
    assert all(word in found.text for word in ("Spring", "Summer", "Autumn"))
    assert len(found.pictures) == 2
    assert found.not_looked_at == ("sound",)


def test_half_a_film_gives_what_there_is(tmp_path: Path) -> None:
    path = film(tmp_path / "film", ("Spring", "Summer"))
    path.write_bytes(path.read_bytes()[:900])
    assert read(path).kind in {Kind.VIDEO, Kind.AUDIO}


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [("a.docx", "", "word/media/image1.png"), ("b.odt", "An essay", "Pictures/1000.png")],
)
def test_words_in_a_document_s_pictures(tmp_path: Path, name: str, text: str, place: str) -> None:
    path = tmp_path / name
    if text:
        samples.odt(path, text)
    else:
        samples.docx(path, ["Minutes", "As agreed."])
    held = io.BytesIO()
    written(("Harvest festival", "Brass band")).save(held, "BMP")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(place, held.getvalue())
        archive.writestr(place.replace("1", "2"), b"\x89PNG\r\n\x1a\n" + bytes(20_000))
        archive.writestr(place.replace("1", "3"), samples.huge_png(tmp_path / "huge").read_bytes())
    found = read(path)
    assert "Harvest festival" in found.text
    assert "words in 1 of 3 pictures" in found.looked_at
    assert "2 pictures" in found.not_looked_at
    assert "Harvest" not in read(path, Limits(ocr="")).text
