"""What a change will write, and the keys of what can be read or written. It sends nothing."""

import hashlib
from enum import IntEnum
from typing import Any

from gateway.store.neo4j.reader import JobRow
from gateway.store.rows import AliasRow, BatchRow, ChangeRow, EdgeRow, TagRow, TokenRow, TrashRow
from graphfs.model import Extent


class Key(IntEnum):
    """What a key is about."""

    NODE = 0
    TIMES = 1
    NAMES = 2
    KIDS = 3
    NAME = 4
    FILE = 5
    XATTR = 6
    EDGES = 7
    TAG = 8
    MEMBERS = 9
    VOCABULARY = 10
    JOB = 11
    BATCH = 12
    TRASH = 13
    BLOB = 14
    TOKENS = 15


def key(kind: Key, number: int = 0) -> int:
    return number << 4 | kind


def text_key(kind: Key, number: int, text: str) -> int:
    """Of something that a text names; two texts with one key only make each other wait."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, salt=number.to_bytes(8, "little"))
    return key(kind, int.from_bytes(digest.digest(), "little") >> 6)


class Writes:
    """What the commit sends: the last state of every row that a change wrote, None where it is gone."""

    def __init__(self) -> None:
        self.created: dict[int, dict[str, Any]] = {}
        self.patched: dict[int, dict[str, Any]] = {}
        self.links: dict[int, int] = {}
        self.deleted: dict[int, None] = {}
        self.swapped: list[tuple[int, int]] = []
        self.entries: dict[tuple[int, str], tuple[int, int] | None] = {}
        self.free: set[tuple[int, str]] = set()
        """Names that were taken to be free without a look."""
        self.gone_entries: dict[tuple[int, str], None] = {}
        self.extents: dict[int, dict[int, tuple[Extent, bool] | None]] = {}
        self.marks: dict[int, int] = {}
        """By node: what its extents add to its mark."""
        self.blobs: dict[bytes, bytes] = {}
        self.xattrs: dict[tuple[int, str], bytes | None] = {}
        self.tags: dict[int, TagRow | None] = {}
        self.new_tags: set[int] = set()
        self.touched_tags: dict[int, int] = {}
        self.aliases: dict[tuple[int, str], AliasRow | None] = {}
        self.edges: dict[tuple[int, int], EdgeRow | None] = {}
        self.batches: dict[int, BatchRow] = {}
        self.steps: list[tuple[int, int, list[ChangeRow]]] = []
        self.trash: dict[int, TrashRow | None] = {}
        self.jobs: dict[int, JobRow | None] = {}
        self.answers: dict[str, str] = {}
        self.tokens: dict[str, TokenRow | None] = {}
        self.loans: dict[int, int] = {}
        self.done: dict[str, int] = {}
        self.forgotten: list[int] = []
