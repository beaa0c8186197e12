"""What looks different on the wire: forms of the boundary's types for JSON, and the way there and back.

Only types whose natural JSON form would be wrong for people or too lax for strangers are here: digests in
hexadecimal, records from outside that refuse fields they do not know, and unions that JSON could not tell apart.
Everything else crosses as `msgspec` writes it.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, NamedTuple

from msgspec import Meta, Struct

from graphfs import errors
from graphfs.loans import Making
from graphfs.model import (
    LOCK_END,
    AttributeChange,
    Edge,
    Extent,
    Layout,
    Lock,
    LockKind,
    Node,
    Outcome,
    Patch,
    Suggestion,
    View,
)

Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="SHA-256, hexadecimal")]
Integer = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Natural = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Mode = Annotated[int, Meta(ge=0, le=0o177777)]
Device = Annotated[int, Meta(ge=0, le=2**32 - 1)]
User = Annotated[int, Meta(ge=0, le=2**32 - 2)]
"""A uid or gid: the greatest number of 32 bits stands for none."""
MaybeUser = Annotated[int, Meta(ge=-1, le=2**32 - 2)]
Tokens = Annotated[int, Meta(ge=0, le=2**40)]
Seconds = Annotated[float, Meta(ge=0, le=30 * 86400)]


class WireExtent(Struct, frozen=True):
    """A run of a file's bytes: `length` bytes at `offset` are those of the blob from `start` on."""

    offset: Natural
    length: Natural
    digest: Digest
    start: Natural = 0


class WireLayout(Struct, frozen=True):
    """Where the bytes of one version are: extents sorted by offset that never overlap; what no extent covers is
    zeros."""

    version: Natural
    size: Natural
    extents: tuple[WireExtent, ...]


class WirePatch(Struct, frozen=True, forbid_unknown_fields=True):
    """A change of content: `length` bytes from `offset` on are those of `digest` from `start` on, or zeros without a
    digest. `data`: the blob itself, base64."""

    offset: Natural
    length: Natural
    digest: Annotated[str, Meta(pattern="^([0-9a-f]{64})?$")] = ""
    start: Natural = 0
    data: bytes | None = None


class WireAttributeChange(AttributeChange, frozen=True, forbid_unknown_fields=True):
    """What to set on a node; null leaves a value as it is. Times are nanoseconds since the epoch."""

    mode: Mode | None = None
    uid: User | None = None
    gid: User | None = None
    atime: Integer | None = None
    mtime: Integer | None = None


class WireEdge(Edge, frozen=True, forbid_unknown_fields=True):
    """That a file has, should have, or must not have a tag, and where that comes from."""

    at: Integer = 0


class WireLock(Struct, frozen=True, forbid_unknown_fields=True):
    """A lock on bytes `start` to `end` (exclusive) of a file; see `Lock`."""

    kind: LockKind
    exclusive: bool
    holder: Annotated[str, Meta(pattern="^[A-Za-z0-9_.-]{1,64}$")]
    owner: Integer
    start: Annotated[int, Meta(ge=0, le=LOCK_END)] = 0
    end: Annotated[int, Meta(ge=0, le=LOCK_END)] = LOCK_END
    pid: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0


class WireMaking(Making, frozen=True, forbid_unknown_fields=True):
    """What was made in a lent folder: a regular file with its whole content (`data`, base64), or a folder."""

    id: Annotated[int, Meta(gt=0, le=2**63 - 1)]
    folder: Integer
    atime: Integer
    mtime: Integer


class WireSuggestion(Suggestion, frozen=True, forbid_unknown_fields=True):
    """What a tagger says of a file."""


class WireOutcome(Outcome, frozen=True, forbid_unknown_fields=True):
    """How a worker's attempt ended."""

    suggestions: tuple[WireSuggestion, ...] = ()
    retry_after: Seconds | None = None


class WireViewEntry(Struct, frozen=True):
    """What a name in a view is: exactly one of a view and a file."""

    view: View | None = None
    node: Node | None = None


class Limits(Struct, frozen=True):
    """`inline_limit` and `chunk_size` of a drive, bytes."""

    inline_limit: int
    chunk_size: int


class Crossing(NamedTuple):
    """A type's form on the wire and the way there and back (None: it crosses as it is)."""

    form: Any
    out: Callable[[Any], Any] | None = None
    back: Callable[[Any], Any] | None = None


def _layout_out(layout: Layout) -> WireLayout:
    return WireLayout(
        layout.version,
        layout.size,
        tuple([WireExtent(one.offset, one.length, one.digest.hex(), one.start) for one in layout.extents]),
    )


def _layout_back(layout: WireLayout) -> Layout:
    return Layout(
        layout.version,
        layout.size,
        tuple([Extent(one.offset, one.length, bytes.fromhex(one.digest), one.start) for one in layout.extents]),
    )


def _patches_out(patches: Iterable[Patch]) -> list[WirePatch]:
    return [WirePatch(one.offset, one.length, one.digest.hex(), one.start, one.data) for one in patches]


def _patches_back(patches: Iterable[WirePatch]) -> list[Patch]:
    return [Patch(one.offset, one.length, bytes.fromhex(one.digest), one.start, one.data) for one in patches]


def _lock_out(lock: Lock) -> WireLock:
    return WireLock(lock.kind, lock.exclusive, lock.holder, lock.owner, lock.start, lock.end, lock.pid)


def _lock_back(lock: WireLock) -> Lock:
    return Lock(lock.kind, lock.exclusive, lock.holder, lock.owner, lock.start, lock.end, lock.pid)


def _view_entry_out(found: View | Node) -> WireViewEntry:
    return WireViewEntry(view=found) if isinstance(found, View) else WireViewEntry(node=found)


def _view_entry_back(found: WireViewEntry) -> View | Node:
    if found.view is not None:
        return found.view
    if found.node is None:
        raise errors.Unavailable("the server's reply holds neither a view nor a file")
    return found.node


CROSSINGS: dict[Any, Crossing] = {
    bytes: Crossing(Digest, bytes.hex, bytes.fromhex),
    int: Crossing(Natural),
    int | None: Crossing(Integer | None),
    float: Crossing(Seconds),
    Layout: Crossing(WireLayout, _layout_out, _layout_back),
    Sequence[Patch]: Crossing(Sequence[WirePatch], _patches_out, _patches_back),
    Sequence[Edge]: Crossing(Sequence[WireEdge], list),
    Sequence[Making]: Crossing(Sequence[WireMaking], list),
    Sequence[int]: Crossing(Sequence[Natural], list),
    Sequence[tuple[int, int]]: Crossing(Sequence[tuple[Natural, Integer]], list),
    Sequence[str]: Crossing(Sequence[str], list),
    AttributeChange: Crossing(WireAttributeChange),
    Lock: Crossing(WireLock, _lock_out, _lock_back),
    Outcome: Crossing(WireOutcome),
    View | Node: Crossing(WireViewEntry, _view_entry_out, _view_entry_back),
}
"""By the type in the boundary's signatures; a type that is not here crosses as it is."""

NARROWED: dict[str, Any] = {
    "mode": Mode,
    "rdev": Device,
    "uid": MaybeUser,
    "gid": MaybeUser,
    "tokens": Tokens,
    "after": Annotated[int, Meta(ge=-1, le=2**63 - 1)],
    "older_than": Integer,
}
"""Numbers that are no ids, sizes or counts, by the parameter's name: what lies outside means nothing."""


def crossing_of(name: str, kind: Any) -> Crossing:
    """How a parameter crosses."""
    if kind is int and name in NARROWED:
        return Crossing(NARROWED[name])
    return CROSSINGS.get(kind, Crossing(kind))
