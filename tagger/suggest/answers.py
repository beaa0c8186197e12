"""What a large model answered, as choices: from strict JSON down to a list with commas. Pure; believes nothing.

Small models think aloud, wrap JSON into fences, explain, translate and invent. What survives is a list of names with
how sure the model
said it is; whether a name is a tag that exists is decided by the caller.
"""

import itertools
import json
import re
from collections.abc import Iterator
from typing import NamedTuple

_THINK = re.compile(r"<(think|thinking|reasoning)>.*?(?:</\1>|\Z)", re.S | re.I)
_FENCE = re.compile(r"```[\w-]*\s*\n?(.*?)(?:```|\Z)", re.S)
_BULLET = re.compile(r"^\s*(?:[-*•·]|\d+[.)])\s*")
_LABEL = re.compile(
    r"^\s*(?:(?:the\s+)?(?:chosen |suggested |existing |best )?tags?\b[^:：\n]{0,40}|标签|標籤|タグ)\s*[:：]\s*", re.I
)
_EXPLAINED = re.compile(r"\s+(?:[-–—:]|because\b|as the\b)\s*.*$|\s*[(（].*?[)）]\s*$", re.I | re.S)
_SURE = {"high": 0.88, "medium": 0.68, "low": 0.5}
_PLAIN = 0.78
"""For a bare list: a tag that exists and was named without any sureness."""
_NOTHING = frozenset(
    {"none", "null", "no tags", "n/a", "[]", "no tag", "nothing", "none of the above", "no existing tag fits"}
)
_LONGEST = 80
_WORDS = 5
"""A tag has at most so many words; what has more is a sentence."""
_TRIES = 8
"""Places in an answer at which JSON is looked for."""


class Chosen(NamedTuple):
    """One name that the model gave."""

    name: str
    confidence: float
    because: str
    new: bool


class Answer(NamedTuple):
    """All that could be understood; `choices` may be empty when the model said that nothing fits."""

    choices: tuple[Chosen, ...]


def parse(text: str) -> Answer | None:
    """The choices in an answer; None when there is nothing in it that could be understood."""
    bare = _THINK.sub("", text).strip()
    if not bare:
        return None
    for candidate in _documents(bare):
        answer = _from_json(candidate)
        if answer is not None:
            return answer
    return _from_lines(bare)


def _documents(text: str) -> Iterator[object]:
    """Every JSON value in a text, fenced ones first; a value that was cut off at its end is closed if that is
    possible."""
    places = [*(match.group(1) for match in _FENCE.finditer(text)), text]
    decoder = json.JSONDecoder()
    for place in places:
        for match in itertools.islice(re.finditer(r"[\[{]", place), _TRIES):
            try:
                value, _ = decoder.raw_decode(place, match.start())
            except (ValueError, RecursionError):
                value = _mended(place[match.start() :])
            if isinstance(value, dict | list):
                yield value
                break


def _mended(text: str) -> object:
    """A JSON value that was cut off or has single quotes or a comma too many, when closing it makes sense of it."""
    simple = re.sub(r",\s*([\]}])", r"\1", text.strip())
    for candidate in (simple, simple.replace("'", '"')):
        for end in ("", "]", "}", "]}", '"]', '"]}', '"}]}', "}]}"):
            try:
                return json.loads(candidate + end)
            except (ValueError, RecursionError):
                continue
    return None


def _from_json(value: object) -> Answer | None:
    if isinstance(value, list):
        return Answer(tuple(_items(value, new=False)))
    if not isinstance(value, dict):
        return None
    listed = next((value[key] for key in ("tags", "tag", "labels", "keywords", "result") if key in value), None)
    fresh = next((value[key] for key in ("new_tag", "new_tags", "new") if key in value), None)
    if listed is None and fresh is None:
        return None
    as_list = listed if isinstance(listed, list) else [] if listed is None else [listed]
    as_new = fresh if isinstance(fresh, list) else [] if fresh is None else [fresh]
    return Answer((*_items(as_list, new=False), *_items(as_new, new=True)))


def _items(items: list[object], *, new: bool) -> Iterator[Chosen]:
    for item in items[:40]:
        if isinstance(item, str) and (name := _name(item)):
            yield Chosen(name, _PLAIN, "", new)
        elif isinstance(item, dict):
            raw = next((item[key] for key in ("tag", "name", "label", "value") if isinstance(item.get(key), str)), "")
            because = item.get("because") or item.get("reason") or item.get("evidence") or ""
            if name := _name(str(raw)):
                yield Chosen(name, _sureness(item), str(because)[:200], new)


def _sureness(item: dict[str, object]) -> float:
    value = item.get("sure", item.get("confidence", item.get("score")))
    if isinstance(value, str):
        return _SURE.get(value.strip().lower(), _PLAIN)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return min(0.95, max(0.0, float(value) / (100.0 if value > 1 else 1.0)))
    return _PLAIN


def _from_lines(text: str) -> Answer | None:
    """Bullets, lines or a list with commas, after the last label if there is one; prose is not a list."""
    lines = [line for line in text.splitlines() if line.strip()]
    labelled = [i for i, line in enumerate(lines) if _LABEL.match(line)]
    if labelled:
        lines = lines[labelled[-1] :]
        lines[0] = _LABEL.sub("", lines[0])
        if lines[0].strip():
            lines = lines[:1] if not _BULLET.match(lines[0]) else lines
    bullets = [line for line in lines if _BULLET.match(line)]
    parts = bullets or [part for line in lines[:3] for part in re.split(r"[,;、,;]", line)]
    names = [name for name in (_name(part) for part in parts) if name]
    if not names and any(part.strip().strip(".").lower() in _NOTHING for part in lines):
        return Answer(())
    if not bullets and any(len(name.split()) > _WORDS for name in names):
        return None
    short = [name for name in names if len(name.split()) <= _WORDS]
    return Answer(tuple(Chosen(name, _PLAIN, "", False) for name in short[:20])) if short else None


def _name(raw: str) -> str:
    """A name without quotes, bullets and explanations; '' when that is no name."""
    name = _BULLET.sub("", raw).strip().strip("\"'`*#“”‘’.[]{} ")
    name = _EXPLAINED.sub("", name).strip().strip("\"'`*#“”‘’.[]{} ")
    if (
        not name
        or len(name) > _LONGEST
        or name.lower() in _NOTHING
        or "\n" in name
        or not any(c.isalnum() for c in name)
    ):
        return ""
    return name
