"""Names that programs use for themselves in any folder: probes, temporary files, backups, locks. Pure: knows no
drive."""

import re
import stat
from collections.abc import Iterator

from graphfs.names import FILE_NAME_BYTES, split_extension

_PROBED = frozenset(
    {"desktop.ini", "autorun.inf", "thumbs.db", "ehthumbs.db", "folder.jpg", "albumart.jpg", "autorun.sh"}
)

_PASSING = re.compile(
    r"""
      \.goutputstream-.{6}         # GIO: saved beside, then renamed over
    | \.[^/]*\.sw[a-z] | \.[^/]*\.swpx   # vim's swap files
    | \d{4,5}                      # vim tries whether it may create here: 4913, 5036, ...
    | [^/]*~ | ~\$[^/]*            # backups; Microsoft's owner files
    | \.~lock\.[^/]*\#             # LibreOffice's lock
    | \.\#[^/]* | \#[^/]*\#        # Emacs: lock and auto-save
    | sed[A-Za-z0-9]{6}            # sed -i
    | \.[^/]+\.[A-Za-z0-9]{6}      # rsync
    | [^/]+\.[A-Za-z0-9]{6}\.tmp | lu[0-9a-z]+\.tmp
    | \.[^/]*\.kate-swp | [^/]*\.part | [^/]*\.crdownload
    """,
    re.VERBOSE | re.DOTALL,
)


def is_probe(name: str) -> bool:
    """Whether file managers, shells and crawlers ask for this name everywhere: mostly it is not there."""
    return name.startswith(".") or name.lower() in _PROBED


def is_passing(name: str) -> bool:
    """Whether a program makes files of such a name only to remove or rename them soon."""
    return _PASSING.fullmatch(name) is not None


def may_be_passing(name: str) -> bool:
    """Whether it may be one: then it takes the same process to make and to remove it."""
    return is_passing(name) or name.startswith((".", "~")) or name.endswith((".tmp", ".bak"))


def unique_names(name: str) -> Iterator[str]:
    """The name itself, then `name (2).ext`, `name (3).ext`, ... as file managers do; never over 255 bytes."""
    yield name
    stem, extension = split_extension(name)
    number = 2
    while True:
        tail = f" ({number}){extension}"
        room = FILE_NAME_BYTES - len(tail.encode("utf-8", "surrogateescape"))
        short = stem
        while len(short.encode("utf-8", "surrogateescape")) > room:
            short = short[:-1]
        yield short + tail
        number += 1


def regular(mode: int) -> int:
    """The mode of a new regular file with these permissions."""
    return stat.S_IFREG | stat.S_IMODE(mode)
