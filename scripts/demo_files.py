"""The folder of the tagging demonstration: files of many kinds, made here, each with what a person would call it.

Texts are our own, sound and pictures are drawn or synthesized: nothing is fetched, nothing is anybody's.
"""

import subprocess
from email.message import EmailMessage
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter, ImageFont

KITCHEN, SKY, RIVER = "kitchen", "night sky", "heron"
"""The tags of the one whose drive it is. `heron` is a private word: no model can know that it means a river project."""

FIRST = {
    "bread.txt": (
        KITCHEN,
        "Knead the dough for ten minutes, let it rise near the warm oven, and bake it until the crust is brown.",
    ),
    "lentils.md": (
        KITCHEN,
        "# Lentil soup\n\nFry onions in oil, add lentils and stock, simmer for half an hour, season with lemon.",
    ),
    "pickles.txt": (
        KITCHEN,
        "Boil vinegar with sugar and mustard seed, pour it hot over sliced cucumbers and close the jars at once.",
    ),
    "meteors.txt": (
        SKY,
        "In August the Perseids cross the constellations. We counted sixty meteors in an hour.",
    ),
    "saturn.txt": (
        SKY,
        "Through the small telescope Saturn showed its rings, and two moons stood beside the planet like faint stars.",
    ),
    "eclipse.html": (
        SKY,
        "<html><title>Eclipse</title><p>The Moon hid the Sun; Venus and stars were seen.</p></html>",
    ),
    "minutes.txt": (
        RIVER,
        "The volunteers agreed to plant willows along the bank, so that the stream floods the meadow again in spring.",
    ),
    "gauge.txt": (
        RIVER,
        "Water level at the weir: 1.4 m. Two fish ladders are blocked; the bank below the bridge is washed out.",
    ),
    "permit.txt": (
        RIVER,
        "The water authority allows us to remove the concrete from the stream bed between the mill and the bridge.",
    ),
}
NEXT = {
    "risotto.txt": (
        KITCHEN,
        "Stir the rice in butter, add hot stock ladle by ladle, and finish the dish with cheese and parsley.",
    ),
    "jam.txt": (
        KITCHEN,
        "Wash the berries, cook them with the same weight of sugar, and fill the jam into clean jars while it is hot.",
    ),
    "noodles.txt": (
        KITCHEN,
        "Roll the dough thin, cut the noodles by hand, and cook them in salted water until they float.",
    ),
    "jupiter.txt": (
        SKY,
        "Jupiter was high at midnight; the telescope showed four moons in a row and the dark belts of the planet.",
    ),
    "comet.txt": (
        SKY,
        "The comet stood low in the west after sunset, with a tail as long as the Plough, among the stars of spring.",
    ),
    "nebula.txt": (SKY, "An hour of exposure brought out the nebula in Orion and hundreds of faint stars around it."),
    "willows.txt": (
        RIVER,
        "Forty willows were planted on the left bank of the stream, where the spring flood covers the meadow.",
    ),
    "weir.txt": (
        RIVER,
        "The fish ladder beside the weir is free again; the water level at the bridge is below one metre.",
    ),
    "mill.txt": (
        RIVER,
        "Half of the concrete at the mill is out of the stream bed, and gravel from the bank was put in its place.",
    ),
}
OTHERS = {"card.pdf": (SKY, ""), "天文.pdf": (SKY, ""), "orbit.py": (SKY, ""), "invitation.eml": (RIVER, "")}
"""What a person would call those of the first folder that are no texts."""
CHINESE = (
    (
        "水稻.pdf",
        "水稻种植技术",
        ("水稻是重要的粮食作物。水稻需要充足的水分和阳光。", "水稻在春天播种，秋天收获，水稻田需要灌溉。"),
    ),
    (
        "天文.pdf",
        "天文观测笔记",
        ("昨夜用望远镜观测了木星和土星。", "望远镜里可以看到木星的四颗卫星，土星的光环很清楚。"),
    ),
)
SCAN = (
    "SKY WATCHERS CLUB",
    "Membership card",
    "The next meeting is on",
    "the hill, with telescopes,",
    "to see the planets.",
)


def write_first(folder: Path) -> None:
    """The mixed folder."""
    _texts(folder, FIRST)
    for name, title, lines in CHINESE:
        (folder / name).write_bytes(chinese_pdf(title, lines))
    _photo(folder / "garden gate.jpg")
    _photo(folder / "really a JPEG.png")
    _scan(folder / "card.pdf")
    _sound(folder / "interview.mp3", "River walk", "Ina Holm", "Speech")
    _film(folder / "stream.mp4", "The stream in flood")
    _mail(folder / "invitation.eml")
    (folder / "orbit.py").write_text(
        '"""Where a planet stands in its orbit."""\n\nimport math\n\n\ndef anomaly(mean: float, eccentricity: float)'
        " -> float:\n    found = mean\n    for _ in range(20):\n        found = mean + eccentricity * math.sin(found)\n"
        "    return found\n"
    )
    (folder / "levels.csv").write_text("day,level\n2024-03-01,1.2\n2024-03-02,1.4\n2024-03-03,1.9\n")


def write_next(folder: Path) -> None:
    """The texts that come later."""
    _texts(folder, NEXT)


def _texts(folder: Path, texts: dict[str, tuple[str, str]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, (_, text) in texts.items():
        (folder / name).write_text(text + "\n")


def chinese_pdf(title: str, lines: tuple[str, ...]) -> bytes:
    """A PDF of one page with a text layer in Chinese, by hand: the font is named and not embedded, its codes are
    UTF-16."""
    shown = " ".join(
        f"1 0 0 1 72 {720 - 24 * row} Tm <{text.encode('utf-16-be').hex()}> Tj"
        for row, text in enumerate((title, *lines))
    )
    page = f"BT /F1 14 Tf {shown} ET".encode()
    unicode = (
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /U def /CMapType 2 def\n"
        b"1 begincodespacerange <0000> <FFFF> endcodespacerange\n1 beginbfrange <0000> <FFFF> <0000> endbfrange\n"
        b"endcmap end end"
    )
    fonts, named = b"<< /Font << /F1 5 0 R >> >>", b"/BaseFont /STSong-Light"
    system = b"<< /Registry (Adobe) /Ordering (Identity) /Supplement 0 >>"
    shown_title = b"\xfe\xff" + title.encode("utf-16-be")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources %s >>" % fonts,
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(page), page),
        b"<< /Type /Font /Subtype /Type0 %s /Encoding /Identity-H /DescendantFonts [6 0 R] /ToUnicode 7 0 R >>" % named,
        b"<< /Type /Font /Subtype /CIDFontType0 %s /CIDSystemInfo %s >>" % (named, system),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(unicode), unicode),
        b"<< /Title <%s> /CreationDate (D:20230510080000) >>" % shown_title.hex().encode(),
    ]
    out = bytearray(b"%PDF-1.5\n")
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer << /Size %d /Root 1 0 R /Info 8 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def _photo(path: Path) -> None:
    image = Image.new("RGB", (640, 480), (110, 150, 90))
    ImageDraw.Draw(image).rectangle((240, 120, 400, 480), fill=(90, 60, 40))
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Nikon", "NIKON D750"
    exif.get_ifd(0x8769)[0x9003] = "2018:07:21 09:30:00"
    image.filter(ImageFilter.GaussianBlur(2)).save(path, "JPEG", exif=exif)


def _scan(path: Path) -> None:
    """A page without a text layer: the words are pixels."""
    image = Image.new("L", (900, 500), 245)
    draw = ImageDraw.Draw(image)
    for row, line in enumerate(SCAN):
        draw.text((60, 40 + 80 * row), line, fill=20, font=ImageFont.load_default(48))
    image.rotate(0.6, fillcolor=245).save(path, "PDF", resolution=100)


def _ffmpeg(*words: str) -> None:
    subprocess.run(["ffmpeg", "-nostdin", "-loglevel", "error", "-y", *words], check=True)


def _sound(path: Path, title: str, artist: str, genre: str) -> None:
    said = (f"title={title}", f"artist={artist}", f"genre={genre}", "date=2021")
    _ffmpeg(
        "-f",
        "lavfi",
        "-i",
        "sine=frequency=330:duration=2",
        *(part for one in said for part in ("-metadata", one)),
        str(path),
    )


def _film(path: Path, title: str) -> None:
    _ffmpeg(
        "-f",
        "lavfi",
        "-i",
        "testsrc=duration=2:size=160x120:rate=5",
        "-metadata",
        f"title={title}",
        "-pix_fmt",
        "yuv420p",
        str(path),
    )


def _mail(path: Path) -> None:
    message = EmailMessage()
    message["From"], message["To"] = "Ina Holm <ina@example.org>", "all@example.org"
    message["Subject"], message["Date"] = "Planting willows on Saturday", "Fri, 01 Mar 2024 09:00:00 +0000"
    message.set_content("Please bring boots: we plant willows on the bank of the stream, above the weir.\n")
    path.write_bytes(bytes(message))
