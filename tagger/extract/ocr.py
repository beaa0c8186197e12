"""Words in pictures, by tesseract. Takes a picture that was decoded, not a file; does not say what a picture shows."""

import functools
import io
import re
from typing import NamedTuple

from PIL import Image

from tagger.extract import outside
from tagger.extract.passages import tidy
from tagger.extract.result import Limits

AUTO = ("chi_sim", "eng")
"""Languages that are read unless others are set, as far as they are installed: Chinese first reads both well."""
_SIDE = 1_800
_SMALLEST = 24
_SURE = 55.0
"""Confidence of a word, of 100, below which it is taken for a pattern in the picture."""
_WIDE = re.compile(r"(?<=[\u3000-\u9fff\uff00-\uffef]) (?=[\u3000-\u9fff\uff00-\uffef])")


class Words(NamedTuple):
    """What was read in one picture."""

    text: str
    problem: str = ""


@functools.cache
def installed() -> frozenset[str]:
    """The languages that can be read; empty without the program."""
    try:
        said = outside.run(["tesseract", "--list-langs"], most=1 << 16, seconds=10).data.decode("utf-8", "replace")
    except outside.Missing:
        return frozenset()
    return frozenset(said.split("\n")[1:]) - {""}


def languages(wanted: str) -> str:
    """What tesseract is asked to read: of `auto` or `eng+deu` what is installed; '' when nothing is."""
    names = AUTO if wanted == "auto" else tuple(wanted.split("+"))
    return "+".join(name for name in names if name in installed())


def prepared(image: Image.Image, side: int = _SIDE) -> Image.Image:
    """The picture in grey, at most `side` pixels long, what is transparent white."""
    image.thumbnail((side, side), reducing_gap=2.0)
    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        seen = image.convert("RGBA")
        ground = Image.new("RGBA", seen.size, "white")
        image = Image.alpha_composite(ground, seen)
    return image.convert("L")


def words_in(image: Image.Image, limits: Limits, seconds: float) -> Words:
    """The words that stand in a picture, a line a line. What is wrong with it is said, never raised."""
    asked = languages(limits.ocr)
    if not asked:
        return Words("", "no program or language for reading pictures is installed")
    if min(image.size) < _SMALLEST:
        return Words("")
    grey = prepared(image)
    if grey.getextrema() in ((0, 0), (255, 255)):
        return Words("")
    held = io.BytesIO()
    grey.save(held, "PPM")
    command = ["tesseract", "stdin", "stdout", "-l", asked, "--dpi", "150", "-c", "tessedit_create_tsv=1"]
    found = outside.run(command, most=1 << 20, seconds=seconds, given=held.getvalue())
    return Words(sure_words(found.data.decode("utf-8", "replace")), found.problem)


def sure_words(table: str) -> str:
    """The words of tesseract's table (TSV) that it is sure of. A line that is mostly guesses is a pattern, no text."""
    lines: dict[tuple[str, ...], list[tuple[float, str]]] = {}
    for row in table.splitlines()[1:]:
        cells = row.split("\t")
        if len(cells) == 12 and cells[0] == "5" and cells[11].strip():
            lines.setdefault(tuple(cells[1:5]), []).append((float(cells[10]), cells[11].strip()))
    kept = []
    for line in lines.values():
        sure = [word for confidence, word in line if confidence >= _SURE]
        text = _WIDE.sub("", " ".join(sure))
        if 2 * len(sure) >= len(line) and sum(c.isalnum() for c in text) >= 2:
            kept.append(text)
    return tidy("\n".join(kept))
