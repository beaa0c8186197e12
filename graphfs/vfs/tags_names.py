"""Names that programs use for themselves in any folder: probes, temporary files, backups, locks. Pure: knows no
drive."""

import re
import stat
from collections.abc import Iterator

from graphfs.names import FILE_NAME_BYTES, split_extension

_PROBED = frozenset(
    {"desktop.ini", "autorun.inf", "thumbs.db", "ehthumbs.db", "folder.jpg", "albumart.jpg", "autorun.sh"}
)

_RANDOM = "(?=[a-z]*[A-Z0-9])[A-Za-z0-9]{6}"
"""What mkstemp(3) puts at the end of a name, in all but one of 200 cases; no word of a language."""
_SCRATCH = rf"""
      \.goutputstream-.{{6}}         # GIO: saved beside, then renamed over
    | \.[^/]*\.sw[a-z] | \.[^/]*\.swpx | \.[^/]*\.kate-swp
    | \.~lock\.[^/]*\# | lu[0-9a-z]+\.tmp   # LibreOffice
    | \.\#[^/]*                    # Emacs's lock
    | sed{_RANDOM}                 # sed -i
    | \.[^/]+\.[A-Za-z0-9]{{6}}     # rsync, whose letters are all small in some versions
    """
_SHORT_LIVED = r"""
    | [^/]*~ | ~\$[^/]*            # backups; Microsoft's owner files
    | \#[^/]*\#                    # Emacs's auto-save
    | [^/]+\.[A-Za-z0-9]{6}\.tmp | [^/]*\.part | [^/]*\.crdownload
    """
_SCRATCH_NAME = re.compile(_SCRATCH, re.VERBOSE | re.DOTALL)
_OWN_NAME = re.compile(rf"[.~].* | .*\.(tmp|bak) | zi{_RANDOM}", re.VERBOSE | re.DOTALL)
"""`zi` is of zip."""
_PASSING_NAME = re.compile(_SCRATCH + _SHORT_LIVED, re.VERBOSE | re.DOTALL)


def is_probe(name: str) -> bool:
    """Whether file managers, shells and crawlers ask for this name everywhere: mostly it is not there."""
    return name.startswith(".") or name.lower() in _PROBED


def is_passing(name: str) -> bool:
    """Whether a program makes files of such a name only to remove or rename them soon."""
    return _PASSING_NAME.fullmatch(name) is not None


def is_scratch(name: str) -> bool:
    """Whether nobody but a program at work gives a file such a name, so that nobody misses it in a listing."""
    return _SCRATCH_NAME.fullmatch(name) is not None


def may_be_passing(name: str) -> bool:
    """Whether it may be one: then it takes the same process to make and to remove it."""
    return is_passing(name) or _OWN_NAME.fullmatch(name) is not None


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
