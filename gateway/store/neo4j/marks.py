"""Whether a content was read whole. Neo4j shows a commit while it is being written, so the record of a node and its
extents can be read of two versions, or without the extents that are being replaced: zeros, to whoever reads then.

So each file's node has a mark, the sum of a number for its version and size and of one for each extent, and what was
read is of one version when they add up. Here is the number in Python and, for what is already there, in Cypher.
"""

import zlib
from collections.abc import Iterable

from graphfs.model import Extent

_WIDE, _FAR = 2**30, 2**31 - 1
_VERSION, _SIZE, _OFFSET, _LENGTH, _START = 2_654_435_761, 11, 3, 5, 7

RECORD = f"(n.version % {_WIDE} * {_VERSION} + n.size % {_FAR} * {_SIZE})"
"""Of a node `n`."""
_DIGIT = "CASE c " + " ".join(f"WHEN '{digit:x}' THEN {digit}" for digit in range(10, 16)) + " ELSE toInteger(c) END"
_EXTENT = (
    f"reduce(v = 0, c IN split(substring(x.digest, 0, 8), '') | v * 16 + {_DIGIT})"
    f" + x.offset % {_FAR} * {_OFFSET} + x.length * {_LENGTH} + x.start % {_FAR} * {_START}"
)
RIGHT = (
    "MATCH (n:Node) WHERE n.file > 0 CALL (n) { OPTIONAL MATCH (x:Extent) WHERE x.node = n.id AND x.offset >= 0"
    f" RETURN coalesce(sum({_EXTENT}), 0) AS sum }} WITH n, sum + {RECORD} AS right"
)
"""Every file's node, and the mark that it should have."""
SET_ALL = (
    "MATCH (n:Node) WHERE n.file > 0 AND n.mark IS NULL"
    " CALL (n) { OPTIONAL MATCH (x:Extent) WHERE x.node = n.id AND x.offset >= 0"
    f" WITH n, coalesce(sum({_EXTENT}), 0) AS sum SET n.mark = sum + {RECORD} }} IN TRANSACTIONS OF 1000 ROWS"
)
"""Gives one to each that has none. On a graph so large that Neo4j ends it, it goes on from there the next time."""


def of_record(version: int, size: int) -> int:
    return version % _WIDE * _VERSION + size % _FAR * _SIZE


def of_text(text: str) -> int:
    """Of one that is replaced in its place: a long one is written in several pieces."""
    return zlib.crc32(text.encode("utf-8", "surrogatepass"))


def of_extents(extents: Iterable[Extent]) -> int:
    return sum(
        [
            int.from_bytes(one.digest[:4], "big")
            + one.offset % _FAR * _OFFSET
            + one.length * _LENGTH
            + one.start % _FAR * _START
            for one in extents
        ]
    )
