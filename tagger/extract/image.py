"""Images: size, EXIF, position, and the words that stand in them. A picture of more pixels than the limit is not
decoded, so a huge one costs no more than a small one. What a picture shows is for a model that sees to say."""

import contextlib
import io
import re
import time
import warnings
from typing import NamedTuple

import pi_heif
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from tagger.extract import ocr, outside
from tagger.extract.passages import by_structure, language_of, tidy
from tagger.extract.result import Extract, Kind, Limits, Sniffed, Source

SHOWN = 1_024
"""Pixels of the longer side of a picture for a model that sees: what vision models scale to."""

_WANTED = {
    ExifTags.Base.Make: "make",
    ExifTags.Base.Model: "camera",
    ExifTags.Base.Artist: "author",
    ExifTags.Base.ImageDescription: "description",
    ExifTags.Base.DateTime: "changed",
    ExifTags.Base.Software: "software",
    ExifTags.Base.Copyright: "copyright",
}
_WEAK = frozenset({"image/x-tga", "image/x-portable-bitmap", "image/x-pcx", "image/x-quicktime"})
"""Types with hardly any signature: much that is called so is something else."""
_DATE = re.compile(r"^(\d{4})[:-](\d{2})[:-](\d{2})")
_DAMAGE = (
    OSError,
    ValueError,
    SyntaxError,
    KeyError,
    IndexError,
    TypeError,
    EOFError,
    ArithmeticError,
    Image.DecompressionBombError,
)


def extract(source: Source, sniffed: Sniffed, limits: Limits) -> Extract:
    """Width, height, camera, time, place, words."""
    pi_heif.register_heif_opener(thumbnails=False)
    Image.MAX_IMAGE_PIXELS = None  # the size is looked at before anything is decoded
    properties: dict[str, str] = {}
    error = ""
    seen = Seen()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damaged EXIF is what we are here for
            with Image.open(source.path) as image:
                properties["width"], properties["height"] = str(image.width), str(image.height)
                properties["format"] = image.format or ""
                if (frames := _frames(image)) > 1:
                    properties["frames"] = str(frames)
                properties |= _exif(image)
                comment = image.info.get("comment") or image.info.get("Description") or image.info.get("parameters")
                if isinstance(comment, bytes):
                    comment = comment.decode("utf-8", "replace")
                if isinstance(comment, str) and comment.strip():
                    properties.setdefault("description", tidy(comment)[:500])
                look = _look_at_pages if image.format == "TIFF" and frames > 1 else look_at
                seen = look(image, limits, limits.wall_seconds * 0.6) if source.whole else Seen(left=("pixels",))
    except UnidentifiedImageError:
        if sniffed.media_type in _WEAK:
            return Extract(Kind.OTHER, "application/octet-stream", looked_at=("type",), not_looked_at=("content",))
        error = "not an image that can be read"
    except _DAMAGE as problem:
        error = f"damaged image: {type(problem).__name__}"
    text = "\n".join(filter(None, (properties.get("description", ""), seen.text)))
    return Extract(
        sniffed.kind,
        sniffed.media_type,
        text=by_structure(text, limits.text_chars),
        properties={k: v for k, v in properties.items() if v},
        language=language_of(seen.text),
        pictures=seen.pictures,
        looked_at=("size", "EXIF", *seen.looked_at),
        not_looked_at=seen.left,
        error=error,
    )


class Seen(NamedTuple):
    """What became of a picture's pixels."""

    text: str = ""
    pictures: tuple[bytes, ...] = ()
    looked_at: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


def look_at(image: Image.Image, limits: Limits, seconds: float) -> Seen:
    """Reads the words in a picture and keeps it for a model that sees, as the limits say. Raises what damaged pictures
    raise."""
    if not limits.ocr and not limits.pictures:
        return Seen(left=("pixels",))
    if image.width * image.height > limits.pixels:
        return Seen(left=("pixels: there are too many",))
    deadline = time.monotonic() + seconds
    image.draft("RGB", (2 * SHOWN, 2 * SHOWN))
    image.load()
    upright = _upright(image)
    pictures = (shown(upright),) if limits.pictures else ()
    if not limits.ocr:
        return Seen("", pictures, ("pixels",))
    try:
        words = ocr.words_in(upright, limits, deadline - time.monotonic())
    except outside.Missing as problem:
        return Seen("", pictures, (), (str(problem),))
    if words.problem:
        return Seen(words.text, pictures, (), (f"words in the picture: {words.problem}",))
    return Seen(words.text, pictures, ("words in the picture",), () if pictures else ("what it shows",))


def _frames(image: Image.Image) -> int:
    """How many; 1 when that cannot be told, for the first may be whole all the same."""
    try:
        return int(getattr(image, "n_frames", 1))
    except _DAMAGE:
        image.seek(0)
        return 1


def _look_at_pages(image: Image.Image, limits: Limits, seconds: float) -> Seen:
    """The same of a fax or a scan of several pages: of its first ones. The first is what counts; one after it that is
    damaged is left out."""
    deadline = time.monotonic() + seconds
    count = _frames(image)
    wanted = min(count, max(limits.ocr_pages, limits.pictures, 1))
    seen: list[Seen] = []
    for page in range(wanted):
        if seen and time.monotonic() > deadline:
            break
        try:
            image.seek(page)
            seen.append(look_at(image, limits, deadline - time.monotonic()))
        except _DAMAGE:
            if not seen:
                raise
            break
    left = [reason for one in seen for reason in one.left]
    left += [f"{count - len(seen)} of {count} pages"] if len(seen) < count else []
    return Seen(
        "\n\n".join(dict.fromkeys(one.text for one in seen if one.text)),
        tuple(picture for one in seen for picture in one.pictures)[: limits.pictures],
        tuple(dict.fromkeys(part for one in seen for part in one.looked_at)),
        tuple(dict.fromkeys(left)),
    )


def _upright(image: Image.Image) -> Image.Image:
    """As it was held when it was taken; a broken note about that changes nothing."""
    with contextlib.suppress(*_DAMAGE):
        return ImageOps.exif_transpose(image)
    return image


def shown(image: Image.Image) -> bytes:
    """A picture as a model that sees gets it: JPEG, at most `SHOWN` pixels a side."""
    small = image.copy()
    small.thumbnail((SHOWN, SHOWN), reducing_gap=2.0)
    held = io.BytesIO()
    small.convert("RGB").save(held, "JPEG", quality=75)
    return held.getvalue()


def _exif(image: Image.Image) -> dict[str, str]:
    exif = image.getexif()
    found = {name: tidy(str(exif[key]))[:200] for key, name in _WANTED.items() if exif.get(key)}
    details = exif.get_ifd(ExifTags.IFD.Exif)
    taken = details.get(ExifTags.Base.DateTimeOriginal) or details.get(ExifTags.Base.DateTimeDigitized)
    if match := _DATE.match(str(taken or "")):
        found["date"] = "-".join(match.groups())
    if lens := details.get(ExifTags.Base.LensModel):
        found["lens"] = tidy(str(lens))[:100]
    if place := _place(exif.get_ifd(ExifTags.IFD.GPSInfo)):
        found["place"] = place
    return found


def _place(gps: dict[int, object]) -> str:
    """`latitude,longitude` in degrees with five decimals; '' when it is not there or makes no sense."""
    values = []
    for key, negative in ((ExifTags.GPS.GPSLatitude, "S"), (ExifTags.GPS.GPSLongitude, "W")):
        parts = gps.get(key)
        if not isinstance(parts, tuple) or len(parts) != 3:
            return ""
        try:
            degrees = float(parts[0]) + float(parts[1]) / 60 + float(parts[2]) / 3600
        except (TypeError, ValueError, ZeroDivisionError):
            return ""
        values.append(-degrees if str(gps.get(key - 1, "")).upper().startswith(negative) else degrees)
    latitude, longitude = values
    return f"{latitude:.5f},{longitude:.5f}" if abs(latitude) <= 90 and abs(longitude) <= 180 else ""
