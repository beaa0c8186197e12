"""What people wrote into `.graphfs.yaml` of a folder: rules for the files below it. Parsing and inheritance; reads
no drive.

A key that a folder does not set is its parent folder's. A file that cannot be understood must not make anything less
private than its
author may have meant, so it counts as `tagger: local`, and is reported.
"""

import fnmatch
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import yaml
from msgspec import Struct, structs

from graphfs.names import RULES
from tagger.suggest.subject import Mode, Wishes

NAME = RULES
LONGEST = 64 << 10
"""Bytes of such a file that are read; a longer one is not understood."""
_KEYS = ("tagger", "mode", "vocabulary", "tags", "language", "max_bytes_sent")
_PATTERNS = 200
_MODES = ("prefer", "strict", "free")

Where = Literal["off", "local", "cloud"]
_PRIVATE: tuple[Where, ...] = ("off", "local", "cloud")


class Rules(Struct, frozen=True):
    """The rules of a folder; None: nothing said."""

    tagger: Where | None = None
    mode: Mode | None = None
    vocabulary: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None
    language: str | None = None
    max_bytes_sent: int | None = None
    files: tuple[tuple[str, "Rules"], ...] = ()
    """Rules for some of the files only, by a pattern of their names or of their paths below the folder."""
    problem: str = ""
    """What is wrong with the file, for people; '' when nothing is."""


def parse(text: bytes) -> Rules:
    """The rules in a file. Never raises: `problem` says what was not understood, and what was is kept."""
    if len(text) > LONGEST:
        return Rules(tagger="local", problem=f"longer than {LONGEST} bytes")
    try:
        loaded = yaml.safe_load(text.decode("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        return Rules(tagger="local", problem=f"not YAML: {' '.join(str(error).split())[:200]}")
    if loaded is None:
        return Rules()
    if not isinstance(loaded, dict):
        return Rules(tagger="local", problem="not a list of keys and values")
    return _read(loaded, outermost=True)


def _read(loaded: dict[Any, Any], *, outermost: bool) -> Rules:
    """Keys and values as rules; those for some files only stand in the outermost ones."""
    problems = [f"unknown key {str(key)[:40]!r}" for key in loaded if key not in _KEYS and key != "files"]
    some: list[tuple[str, Rules]] = []
    patterns = loaded.get("files")
    if patterns is not None and not (outermost and isinstance(patterns, dict)):
        problems.append("files: not patterns with rules of their own")
    elif patterns:
        for pattern, inner in list(patterns.items())[:_PATTERNS]:
            known = _read(inner, outermost=False) if isinstance(inner, dict) else None
            if known is None or known.problem:
                problems.append(f"files: {str(pattern)[:40]!r}: {known.problem if known else 'no rules'}")
            if known is not None:
                some.append((str(pattern), known))
        if len(patterns) > _PATTERNS:
            problems.append(f"files: over {_PATTERNS} patterns")
    values: dict[str, Any] = {}
    for key in _KEYS:
        if key in loaded and loaded[key] is not None:
            value = _checked(key, loaded[key])
            if value is None:
                problems.append(f"{key}: {str(loaded[key])[:60]!r} is not possible")
            else:
                values[key] = value
    if problems and values.get("tagger") != "off":
        values["tagger"] = "local"
    return Rules(**values, files=tuple(some), problem="; ".join(problems))


def _checked(key: str, value: object) -> object:
    """The value in its type; None when it makes no sense. YAML reads a bare `off` as false."""
    if key == "tagger":
        value = "off" if value is False else value
        return value if value in ("off", "local", "cloud") else None
    if key == "mode":
        return value if value in _MODES else None
    if key in ("vocabulary", "tags"):
        items = value if isinstance(value, list) else [value]
        return tuple(str(item) for item in items[:500]) if all(isinstance(item, str | int) for item in items) else None
    if key == "language":
        return value if isinstance(value, str) and 2 <= len(value) <= 12 else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def inherited(rules: Iterable[Rules]) -> Rules:
    """One set of rules from those of the folders on a path, outermost first. Fixed tags add up, the rest is
    overridden."""
    whole = Rules()
    for each in rules:
        said = {key: getattr(each, key) for key in _KEYS if getattr(each, key) is not None}
        if whole.tags and each.tags:
            said["tags"] = tuple(dict.fromkeys((*whole.tags, *each.tags)))
        problem = "; ".join(filter(None, (whole.problem, each.problem)))
        whole = structs.replace(whole, **said, problem=problem)
    return whole


def for_file(folders: Sequence[tuple[str, Rules]], path: str) -> Rules:
    """The rules of one file from those of the folders above it (path and rules, outermost first): in each folder what
    it says of all files, then what it says of such files."""
    whole: list[Rules] = []
    for folder, found in folders:
        whole.append(found)
        below = path.removeprefix(f"{folder}/")
        whole += [some for pattern, some in found.files if _matches(pattern, below)]
    return inherited(whole)


def _matches(pattern: str, below: str) -> bool:
    """As in .gitignore: a pattern without a slash is about names at any depth, `*` stays within a name elsewhere."""
    if "/" not in pattern:
        return fnmatch.fnmatchcase(below.rpartition("/")[2].casefold(), pattern.casefold())
    parts, names = pattern.casefold().strip("/").split("/"), below.casefold().split("/")
    return len(parts) <= len(names) and all(map(fnmatch.fnmatchcase, names, parts))


def strictest(found: Sequence[Rules]) -> Rules:
    """Of a file with several names: what any of its folders keeps private is private. Else the oldest name counts."""
    first = found[0]
    where = min((one.tagger or "cloud" for one in found), key=_PRIVATE.index)
    bytes_sent = [one.max_bytes_sent for one in found if one.max_bytes_sent is not None]
    tags = tuple(dict.fromkeys(tag for one in found for tag in one.tags or ()))
    problem = "; ".join(dict.fromkeys(one.problem for one in found if one.problem))
    return structs.replace(
        first, tagger=where, max_bytes_sent=min(bytes_sent, default=None), tags=tags or None, problem=problem
    )


def wishes(defaults: Wishes, rules: Rules) -> Wishes:
    """The settings as the folder's rules change them."""
    changed: dict[str, Any] = {}
    for key in ("mode", "vocabulary", "language", "max_bytes_sent"):
        value = getattr(rules, key)
        if value is not None:
            changed[key] = value
    if rules.tags:
        changed["fixed"] = rules.tags
    return structs.replace(defaults, **changed)
