"""Tags that follow from facts: type, year, camera, artist, author, the folders a file lies in. Rules, no models.

The vocabulary is small and in English words: `type/...`, `year/...`, `camera/...`, `artist/...`, `author/...`, and
the names of folders as
they are. Where a person made the same tag under another parent, that one is left alone: rules have parents of their
own.
"""

import datetime
import re
from collections.abc import Iterable
from importlib import resources

from graphfs.errors import DriveError
from graphfs.model import Source, Suggestion
from graphfs.names import check_tag_name
from tagger.extract.result import Extract, Kind
from tagger.suggest.subject import Subject, Wishes

VERSION = "facts-1"
ROOTS = frozenset({"type", "year", "camera", "artist", "author"})
"""Tags below these come from facts: the models neither choose among them nor learn from them."""
_YEAR = re.compile(r"(?:19[5-9]\d|20\d\d)(?!\d)")
_ISO = re.compile(r"^\D{0,3}(\d{4})[-:/.]?(\d{2})?")
_FOLDER_YEAR = re.compile(r"(?<!\d)(19[5-9]\d|20\d\d)(?:[-_ ]?(?:0[1-9]|1[0-2])(?:[-_ ]?[0-3]\d)?)?(?!\d)")
_OPAQUE = re.compile(r"^(?:[0-9a-f]{7,}|v?\d[\d._-]*\w{0,3}|[^\W\d_]?\d+|.)$", re.I)
_BLANKS = re.compile(r"[\s_]+")
_VAGUE = frozenset(resources.files("tagger.suggest").joinpath("vague_folders.txt").read_text("utf-8").splitlines())
"""Names of folders that say nothing of what is in them."""
_NOBODY = frozenset(
    {
        "user",
        "users",
        "owner",
        "admin",
        "administrator",
        "root",
        "unknown",
        "unknown artist",
        "author",
        "anonymous",
        "guest",
        "me",
        "none",
        "microsoft office user",
        "windows user",
        "default",
        "various",
        "various artists",
    }
)
_NO_NAME = re.compile(
    r"\b(?:unknown|unnamed|unbekannt\w*|inconnu\w*|desconocid[oa]|your name)\b|未知|佚名|不明|名無し", re.I
)
"""What programs write where nobody gave a name, in whatever words follow it."""
_MACHINE = re.compile(
    r"\b(?:microsoft|adobe|acrobat|latex|pdftex|tex|libreoffice|openoffice|scanner|canon|hp|epson|xerox|ghostscript|doxygen|sphinx)\b|[@/\\<>{}]",
    re.I,
)


def suggest(subject: Subject, wishes: Wishes, this_year: int) -> tuple[Suggestion, ...]:
    """What follows from facts alone, the fixed tags of the folder's rules among it."""
    extract = subject.extract
    found = [_rule(tag, 1.0, "a rule of the folder") for tag in wishes.fixed]
    found += _type(extract)
    found += _year(subject, this_year)
    found += _people(extract)
    found += folder_tags(subject.path)
    unique: dict[str, Suggestion] = {}
    for suggestion in found:
        if suggestion is not None:
            unique.setdefault(suggestion.tag.casefold(), suggestion)
    return tuple(unique.values())


def _rule(tag: str, confidence: float, evidence: str) -> Suggestion | None:
    path = clean_path(tag)
    return Suggestion(path, confidence, Source.RULE, "", VERSION, evidence) if path else None


def clean_path(path: str) -> str:
    """A tag's path in the form that the drive takes; '' when nothing is left of it."""
    parts = [clean_name(part) for part in path.split("/")]
    return "/".join(parts) if all(parts) else ""


def clean_name(name: str) -> str:
    """One level of a tag's path: forbidden characters become blanks; '' when no name is left."""
    bare = name.encode("utf-8", "replace").decode().replace("\ufffd", " ")
    bare = re.sub(r"\.{2,}|,", " ", "".join(c if c.isprintable() else " " for c in bare))
    bare = " ".join(bare.split()).lstrip(".+- ").strip()[:60].strip()
    try:
        return check_tag_name(bare)
    except DriveError:
        return ""


def _type(extract: Extract) -> list[Suggestion | None]:
    language = extract.properties.get("programming language", "").lower()
    if extract.kind is Kind.CODE and language:
        return [
            _rule(
                f"type/code/{language.split('+')[0].strip() if ' ' in language else language}", 1.0, extract.media_type
            )
        ]
    return [_rule(f"type/{extract.kind}", 1.0, extract.media_type)]


def _year(subject: Subject, this_year: int) -> list[Suggestion | None]:
    """Of the date inside the file, else of a folder or file name that begins or ends with one. Never of its
    modification time: copying changes that."""
    date = subject.extract.properties.get("date", "")
    if (match := _ISO.match(date)) and 1950 <= int(match.group(1)) <= this_year:
        return [_rule(f"year/{match.group(1)}", 0.95, f"its date is {date[:10]}")]
    for part in reversed(subject.path.split("/")[1:]):
        for match in _FOLDER_YEAR.finditer(part):
            if 1950 <= int(match.group(1)) <= this_year:
                return [_rule(f"year/{match.group(1)}", 0.85, f"{part!r} in its path")]
    return []


def _people(extract: Extract) -> list[Suggestion | None]:
    properties = extract.properties
    found: list[Suggestion | None] = []
    if camera := properties.get("camera", ""):
        make = properties.get("make", "").split(" ")[0]
        named = camera if camera.lower().startswith(make.lower()) else f"{make} {camera}"
        found.append(_rule(f"camera/{named}", 0.95, "EXIF"))
    if (artist := properties.get("artist", "")) and artist.lower() not in _NOBODY:
        found.append(_rule(f"artist/{artist.replace('/', ' ')}", 0.95, "its metadata"))
    if is_person(author := properties.get("author", "")):
        found.append(_rule(f"author/{author.replace('/', ' ')}", 0.85, "its metadata"))
    return found


def is_person(author: str) -> bool:
    """Whether an author field names somebody: programs write themselves, account names and nonsense into it."""
    words = author.replace(".", " ").split()
    if (
        author.lower() in _NOBODY
        or _NO_NAME.search(author)
        or _MACHINE.search(author)
        or any(c.isdigit() for c in author)
        or len(author) > 60
    ):
        return False
    dense = any("\u3040" <= c <= "\u9fff" or "\uac00" <= c <= "\ud7af" for c in author)
    return 2 <= len(words) <= 4 or (dense and 2 <= len(author) <= 8)


def folder_tags(path: str) -> list[Suggestion | None]:
    """The names of the folders it lies in, as their owner wrote them: the first one, and the last two.

    The upper two are how people sort their things, so they are sure. Deeper ones are often a program's (a source
    tree has
    hundreds): a person decides.
    """
    folders = [part for part in path.split("/")[1:-1] if not part.startswith(".")]
    wanted = dict.fromkeys([*folders[:1], *folders[-2:]])
    found: list[Suggestion | None] = []
    for folder in wanted:
        name = folder_name(folder)
        if name:
            sure = 0.8 if folder in folders[:2] else 0.6
            found.append(_rule(name, sure, f"in the folder {folder.encode('utf-8', 'replace').decode()!r}"))
    return found


def folder_name(folder: str) -> str:
    """What a folder's name says: without years and numbers; '' when that is nothing."""
    bare = _FOLDER_YEAR.sub(" ", folder)
    bare = _BLANKS.sub(" ", bare).strip(" -_.()[]~#").lower()
    words = bare.split("-") if "-" in bare and " " not in bare else [bare]
    if (
        bare in _VAGUE
        or _OPAQUE.match(bare)
        or all(_OPAQUE.match(word) for word in words)
        or not any(c.isalpha() for c in bare)
    ):
        return ""
    if len(bare) > 40 or sum(c.isdigit() for c in bare) > 3:
        return ""
    return clean_name(bare)


def is_factual(tag: str) -> bool:
    """Whether a tag belongs to the rules' own parents."""
    return tag.split("/", 1)[0].casefold() in ROOTS


def current_year(now: float) -> int:
    """The year of a time in seconds since the epoch."""
    return datetime.datetime.fromtimestamp(now, tz=datetime.UTC).year


def merged(first: Iterable[Suggestion], second: Iterable[Suggestion]) -> tuple[Suggestion, ...]:
    """Both lists; of two suggestions of one tag the surer stays."""
    found: dict[str, Suggestion] = {}
    for suggestion in (*first, *second):
        old = found.get(suggestion.tag.casefold())
        if old is None or suggestion.confidence > old.confidence:
            found[suggestion.tag.casefold()] = suggestion
    return tuple(found.values())
