"""Fonts: family and style, as FreeType reads them. Letters are not drawn."""

from PIL import ImageFont

from tagger.extract.passages import tidy
from tagger.extract.result import Extract, Limits, Sniffed, Source


def extract(source: Source, sniffed: Sniffed, limits: Limits) -> Extract:
    """Family and style."""
    try:
        family, style = ImageFont.truetype(source.path, 12).getname()
    except (OSError, ValueError) as problem:
        error = f"not a font that can be read: {type(problem).__name__}"
        return Extract(sniffed.kind, sniffed.media_type, not_looked_at=("names",), error=error)
    properties = {key: tidy(value)[:100] for key, value in (("family", family or ""), ("style", style or "")) if value}
    title = tidy(f"{family or ''} {style or ''}")[: min(200, limits.text_chars)]
    return Extract(sniffed.kind, sniffed.media_type, title, title, properties, looked_at=("names",))
