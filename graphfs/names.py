"""What files and tags may be called, and how files of one name are told apart. Pure: knows no store and no tree.

Names are `str` as `os.fsdecode` makes them (surrogateescape), so any bytes but `/` and NUL are a file's name.
A tag's name is text: NFC, unique without regard to case among its siblings.
"""

import os
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache

from graphfs.errors import InvalidArgument, NameTooLong

FILE_NAME_BYTES = 255
TAG_NAME_BYTES = 200
RULES = ".graphfs.yaml"
"""In a folder: what people ask of taggers for the files below it."""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_TWO_DIGITS = [high + low for high in _ALPHABET for low in _ALPHABET]
_DIGITS = {digit: value for value, digit in enumerate(_ALPHABET)}
_EXTENSION = re.compile(r"(?:\.tar)?\.[^.~\s]{1,16}\Z", re.IGNORECASE)


def check_file_name(name: str) -> str:
    """The name itself when a file may have it. InvalidArgument, NameTooLong (255 bytes)."""
    if name in {"", ".", ".."}:
        raise InvalidArgument(f"{name!r} cannot be a name: give the file one with other characters than dots")
    if "/" in name or "\0" in name:
        raise InvalidArgument(f"{name!r} cannot be a name: leave out '/' and NUL")
    if _size(name) > FILE_NAME_BYTES:
        raise NameTooLong(f"the name is {_size(name)} bytes long: shorten it to at most {FILE_NAME_BYTES}")
    return name


@lru_cache(maxsize=4096)  # the same few are checked again and again
def check_tag_name(name: str) -> str:
    """The NFC form of a tag's name (one level) when a tag may have it. InvalidArgument, NameTooLong (200 bytes)."""
    if not name.strip():
        raise InvalidArgument("a tag needs a name: write at least one character that is not a blank")
    if name != name.strip():
        raise InvalidArgument(f"the tag {name!r} begins or ends with a blank: take it away")
    if name[0] in ".+-":
        raise InvalidArgument(f"a tag cannot begin with {name[0]!r}: begin {name!r} with another character")
    for taken, meaning in ((",", "it means OR"), ("/", "it separates levels"), ("..", "it means a range")):
        if taken in name:
            raise InvalidArgument(f"a tag cannot hold {taken!r} ({meaning}): leave it out of {name!r}")
    if not name.isprintable() and any(unicodedata.category(character) in {"Cc", "Cs"} for character in name):
        raise InvalidArgument(f"the tag {name!r} holds control characters or bytes that are not UTF-8: leave them out")
    name = unicodedata.normalize("NFC", name)
    size = len(name.encode())
    if size > TAG_NAME_BYTES:
        raise NameTooLong(f"the tag's name is {size} bytes long: shorten it to at most {TAG_NAME_BYTES}")
    return name


def fold(name: str) -> str:
    """The key under which a tag is unique among its siblings: equal for names that differ in case or composition only.

    NFC of the full case folding; folding a key again changes nothing.
    """
    if name.isascii():
        return name.lower()
    # Folding can bring out marks that fold or compose further (an iota subscript does): go on until nothing changes.
    while (folded := unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())) != name:
        name = folded
    return name


def split_tag_path(path: str) -> tuple[str, ...]:
    """The checked names of `project/apollo`, from the root down. InvalidArgument, NameTooLong."""
    return tuple(check_tag_name(name) for name in path.split("/"))


def join_tag_path(names: Iterable[str]) -> str:
    """The path of a tag from its names."""
    return "/".join(names)


def short_id(number: int) -> str:
    """A number as people can read and type it: Crockford's base 32 in lower case, without padding (31 is `z`)."""
    if number < 0:
        raise InvalidArgument(f"ids are not negative: {number}")
    text = ""
    while number >= 1024:
        number, two = divmod(number, 1024)
        text = _TWO_DIGITS[two] + text
    return (_TWO_DIGITS[number].lstrip("0") or "0") + text


def parse_short_id(text: str) -> int | None:
    """The number that `short_id` writes exactly so, else None: a file has one short id, not several spellings of it."""
    if not text or len(text) > 13 or (text[0] == "0" and len(text) > 1):
        return None
    number = 0
    for character in text:
        digit = _DIGITS.get(character)
        if digit is None:
            return None
        number = number * 32 + digit
    return number


@lru_cache(maxsize=1024)  # views are full of equal names when it matters
def split_extension(name: str) -> tuple[str, str]:
    """Stem and extension (with its dot, possibly empty): `a` `.tar.gz`, `.bashrc` ``, `README` ``, `Mr. Smith` ``."""
    found = _EXTENSION.search(name)
    if found is None:
        return name, ""
    start = found.start()
    if start == 0:  # a dot file keeps its first part as its stem
        start = name.rindex(".")
    return (name[:start], name[start:]) if start else (name, "")


def derived_name(name: str, number: int, *, tildes: int = 1) -> str:
    """The name that tells a file from others of its name: `report~4k.pdf`. At most 255 bytes: a long stem is cut."""
    stem, extension = split_extension(name)
    return marked_name(stem, "~" * tildes + short_id(number) + extension)


def marked_name(stem: str, mark: str) -> str:
    """A name with a mark at the end of its stem, at most 255 bytes long: a long stem is cut."""
    room = FILE_NAME_BYTES - _size(mark)
    while _size(stem) > room:
        # A character is at most 4 bytes, so this never cuts more than is needed, and never inside a character.
        stem = stem[: len(stem) - max(1, (_size(stem) - room) // 4)]
    return stem + mark


def parse_derived(name: str) -> int | None:
    """The id in a name of the form `stem~<id>.ext`, or None. A candidate: compare with `derived_name` of that file."""
    if "~" not in name:
        return None
    stem, _ = split_extension(name)
    _, tilde, text = stem.rpartition("~")
    return parse_short_id(text) if tilde else None


def display_names(
    files: Sequence[tuple[int, str]], taken: Collection[str] = (), is_taken: Callable[[str], bool] | None = None
) -> list[str]:
    """What the files (id, name) of a view are called in it, in the given order; no name twice, none that is taken.

    Of files with one name the one that came first (the lowest id) keeps it; the others, and a file called like a
    sub-folder (names of tags: `taken` those that files have, `is_taken` any; by default the same), are called
    `stem~<id>.ext`. That name is the file's even when another file really has it: then the other one gets its own
    `~<id>` form. Linear in the number of files.
    """
    names = [name for _, name in files]
    folders = frozenset(taken)
    if len(set(names)) == len(names) and folders.isdisjoint(names):
        return names
    is_taken = is_taken or folders.__contains__
    first: dict[str, int] = {}
    for number, name in files:
        if first.setdefault(name, number) > number:
            first[name] = number
    shown = {number: name for name, number in first.items() if name not in folders}
    derived: dict[int, str] = {}
    pending = [(number, name) for number, name in files if number not in shown]
    while pending:
        number, name = pending.pop()
        derived[number] = _free_form(name, number, is_taken)
        owner = first.get(derived[number])
        if owner is not None and owner not in derived and shown.pop(owner, None) is not None:
            pending.append((owner, derived[number]))
    return [derived.get(number, name) for number, name in files]


def display_name(
    number: int,
    name: str,
    is_repeated: Callable[[int], bool],
    is_taken: Callable[[str], bool],
    real_name: Callable[[int], str | None],
) -> str:
    """What `display_names` calls one file of a view, found without the others.

    `is_repeated`: whether an older file of the view has the name of this one; `real_name`: the name of a file of the
    view, None for what is none of it.
    """

    def gives_way(number: int, name: str, asked: frozenset[int]) -> bool:
        """Whether it is shown by its derived name."""
        if is_repeated(number) or is_taken(name):
            return True
        claimant = parse_derived(name)
        if claimant is None or claimant == number or claimant in asked:
            return False
        real = real_name(claimant)
        if real is None or _free_form(real, claimant, is_taken) != name:
            return False
        return gives_way(claimant, real, asked | {number})

    return _free_form(name, number, is_taken) if gives_way(number, name, frozenset()) else name


def _free_form(name: str, number: int, is_taken: Callable[[str], bool]) -> str:
    tildes = 1
    while is_taken(form := derived_name(name, number, tildes=tildes)):
        tildes += 1  # ends: names of tags are at most 200 bytes long, the form grows to 255
    return form


def resolve_name(name: str, shown: Mapping[str, int], real_name: Callable[[int], str | None]) -> int | None:
    """The id of the file that a name means in a view, or None.

    `shown` maps the view's names to ids; `real_name` gives the name of a file of the view. The `~<id>` form
    resolves for every file of the view, also for one that is shown under its own name.
    """
    number = shown.get(name)
    if number is None:
        number = parse_derived(name)
        if number is not None:
            real = real_name(number)
            if real is None or derived_name(real, number) != name:
                return None
    return number


def _size(name: str) -> int:
    try:
        return len(name) if name.isascii() else len(os.fsencode(name))
    except UnicodeEncodeError as error:
        raise InvalidArgument(f"{name!r} cannot be a name: it is neither Unicode nor bytes") from error
