"""Structured text (JSON, YAML, TOML, XML): the names of its fields and the prose in its values."""

import json
import re
import tomllib
from xml.etree.ElementTree import Element, ParseError

import yaml
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from tagger.extract.passages import by_structure, language_of, tidy
from tagger.extract.result import Extract, Limits, Sniffed, Source
from tagger.extract.text import decode

_PARSED = 1 << 20
"""Characters that are parsed as a whole; a longer text is read as text."""
_VALUES = 2_000
_SPLIT = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[_\-.:/]+")
_XML_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")


def parse(text: str, suffix: str, media_type: str) -> object:
    """The document as plain values; None when it is none of these formats or broken."""
    try:
        if "json" in media_type or suffix in {"json", "geojson", "ipynb", "webmanifest"}:
            return json.loads(text)
        if suffix == "toml":
            return tomllib.loads(text)
        if suffix in {"yaml", "yml"}:
            return next(iter(yaml.safe_load_all(text)), None)
        if "xml" in media_type or text.lstrip().startswith("<"):
            return _tree(fromstring(_XML_DECLARATION.sub("", text), forbid_dtd=False))
        return json.loads(text)
    except (ValueError, yaml.YAMLError, ParseError, DefusedXmlException, RecursionError):
        return None


def _tree(root: Element) -> dict[str, list[str]]:
    """An XML document's element names with their texts; iterative, so that depth costs nothing."""
    found: dict[str, list[str]] = {}
    for number, element in enumerate(root.iter()):
        if number >= _VALUES * 4:
            break
        name = str(element.tag).rpartition("}")[2]
        value = (element.text or "").strip()
        found.setdefault(name, [])
        if value:
            found[name].append(value)
    return found


def walk(document: object) -> tuple[list[str], list[str]]:
    """Field names and text values, breadth first, each once, at most a few thousand."""
    names: dict[str, None] = {}
    values: dict[str, None] = {}
    level: list[object] = [document]
    steps = 0
    while level and steps < _VALUES * 10 and len(values) < _VALUES:
        following: list[object] = []
        for item in level:
            steps += 1
            if isinstance(item, dict):
                names.update(dict.fromkeys(str(key) for key in list(item)[:_VALUES]))
                following.extend(list(item.values())[:_VALUES])
            elif isinstance(item, list):
                following.extend(item[:50])
            elif isinstance(item, str) and any(c.isalpha() for c in item) and not _is_opaque(item):
                values[item[:400]] = None
        level = following
    return list(names), list(values)


def _is_opaque(value: str) -> bool:
    """Hashes, keys, URLs and base64 are no words."""
    return value.startswith(("http://", "https://", "data:", "sha")) or (
        len(value) > 24 and " " not in value and not re.search(r"[^\x00-\x7f]", value)
    )


def extract(source: Source, sniffed: Sniffed, limits: Limits) -> Extract:
    """Names and values; what cannot be parsed is read as text."""
    decoded = decode(source)
    properties = {"encoding": decoded.encoding}
    document = (
        parse(decoded.text, source.suffix, sniffed.media_type)
        if decoded.complete and len(decoded.text) <= _PARSED
        else None
    )
    if document is None:
        text = tidy(decoded.text)
        seen: tuple[str, ...] = ("text",) if decoded.complete else ("head", "samples of the middle", "tail")
        return Extract(
            sniffed.kind,
            sniffed.media_type,
            text=by_structure(text, limits.text_chars),
            properties=properties,
            language=language_of(text),
            looked_at=seen,
            not_looked_at=("structure",),
        )
    names, values = walk(document)
    title = ""
    if isinstance(document, dict):
        title = next(
            (str(document[key])[:200] for key in ("title", "name", "label") if isinstance(document.get(key), str)), ""
        )
        for key in ("author", "date", "description", "keywords", "version"):
            if isinstance(document.get(key), str):
                properties[key] = tidy(str(document[key]))[:300]
    words = ", ".join(dict.fromkeys(_SPLIT.sub(" ", name).lower() for name in names if not name.isdigit()))
    text = tidy("\n".join(values))
    return Extract(
        sniffed.kind,
        sniffed.media_type,
        title=tidy(title),
        text=(by_structure(text, limits.text_chars * 3 // 4) + "\n" + words[: limits.text_chars // 4]).strip(),
        properties=properties,
        language=language_of(text),
        looked_at=("field names", "values"),
    )
