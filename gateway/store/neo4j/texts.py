"""File names as Neo4j can hold them: it knows Unicode only, and a name is any bytes.

A byte that is not UTF-8 stands as NUL and two hexadecimal digits; no name, path or attribute holds a NUL, so this is
exact both ways. Every other name stands as it is, for people who read the graph.
"""

import re

from graphfs.errors import InvalidArgument

_BYTE = re.compile("[\udc80-\udcff]")
_MARK = re.compile("\0([0-9a-f]{2})")


def stored(name: str) -> str:
    """A name as the graph has it. InvalidArgument for what no bytes can be."""
    if name.isascii():
        return name
    try:
        same = name.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise InvalidArgument("a text holds what is neither Unicode nor bytes") from error
    return _BYTE.sub(lambda found: f"\0{ord(found[0]) & 0xFF:02x}", same)


def plain(text: str) -> str:
    """A name as all else has it."""
    return _MARK.sub(lambda found: chr(0xDC00 | int(found[1], 16)), text) if "\0" in text else text
