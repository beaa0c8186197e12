"""Images: size, EXIF, position. Only headers are read, pixels are never decoded, so a huge picture costs no more
than a small one."""

import re
import warnings

from PIL import ExifTags, Image, UnidentifiedImageError

from tagger.extract.passages import tidy
from tagger.extract.result import Extract, Kind, Limits, Sniffed, Source

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
    """Width, height, camera, time, place."""
    Image.MAX_IMAGE_PIXELS = None  # nothing is decoded below, so a size is only a number
    properties: dict[str, str] = {}
    error = ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # damaged EXIF is what we are here for
            with Image.open(source.path) as image:
                properties["width"], properties["height"] = str(image.width), str(image.height)
                properties["format"] = image.format or ""
                if getattr(image, "n_frames", 1) > 1:
                    properties["frames"] = str(getattr(image, "n_frames", 1))
                properties |= _exif(image)
                comment = image.info.get("comment") or image.info.get("Description") or image.info.get("parameters")
                if isinstance(comment, bytes):
                    comment = comment.decode("utf-8", "replace")
                if isinstance(comment, str) and comment.strip():
                    properties.setdefault("description", tidy(comment)[:500])
    except UnidentifiedImageError:
        if sniffed.media_type in _WEAK:
            return Extract(Kind.OTHER, "application/octet-stream", looked_at=("type",), not_looked_at=("content",))
        error = "not an image that can be read"
    except _DAMAGE as problem:
        error = f"damaged image: {type(problem).__name__}"
    description = properties.get("description", "")
    return Extract(
        sniffed.kind,
        sniffed.media_type,
        text=description,
        properties={k: v for k, v in properties.items() if v},
        looked_at=("size", "EXIF"),
        not_looked_at=("pixels",),
        error=error,
    )


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
