"""Extended attributes that mean something: `user.xdg.tags`, and `user.graphfs.*`, which tells what GraphFS knows of
a file.

Listed is `user.xdg.tags` alone, so that `cp -a`, `rsync -X` and `tar --xattrs` carry tags and nothing that could not
be set where they arrive. Others (`user.xdg.comment`, `user.baloo.rating`, foreign ones) are kept by the store as
they are.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from graphfs.api import Jobs, Tags, Tree, Xattrs
from graphfs.errors import InvalidArgument, NoAttribute, NotFound, NotSupported, TooLarge
from graphfs.model import Caller, Edge, EdgeState, Node, Source, XattrMode
from graphfs.names import check_tag_name, fold

TAGS = "user.xdg.tags"
OWN = "user.graphfs."
_MAX_VALUE = 64 << 10
_EVIDENCE = 200
_WHY = f"{TAGS} was set"


class Known(Tree, Tags, Jobs, Xattrs, Protocol):
    """What is needed of a drive."""


class AutoTag(msgspec.Struct, frozen=True):
    """One tag that a machine gave or suggests. `time` is RFC 3339 in UTC; `state` is `applied` or `review`."""

    tag: str
    confidence: float
    source: str
    model: str
    time: str
    state: str
    prompt: str = ""
    evidence: str = ""


def split_tags(value: bytes) -> list[str]:
    """The paths of tags in a comma list as Baloo, Dolphin and others write it: blanks around a name and empty items
    do not count, levels are separated by '/', a quote is a character like any other. InvalidArgument."""
    try:
        text = value.rstrip(b"\0").decode()
    except UnicodeDecodeError:
        raise InvalidArgument("user.xdg.tags is a list in UTF-8") from None
    found: dict[str, str] = {}
    for item in text.split(","):
        names = [name.strip() for name in item.split("/")]
        path = "/".join([check_tag_name(name) for name in names if name])
        if path:
            found.setdefault(fold(path), path)
    return list(found.values())


def join_tags(paths: list[str]) -> bytes:
    """A comma list of tags."""
    return ",".join(paths).encode()


class TagLabels:
    """Answers for the meaningful attributes of every store node, wherever it is listed."""

    def __init__(self, drive: Known) -> None:
        self._drive = drive
        self._made: dict[str, Callable[[Caller, Node], str]] = {
            f"{OWN}id": lambda caller, node: str(node.file),
            f"{OWN}path": lambda caller, node: self._drive.path(caller, node.id),
            f"{OWN}state": self._state,
            f"{OWN}tags.auto": self._auto,
            f"{OWN}tags.implied": self._implied,
        }

    def has(self, name: str) -> bool:
        """Whether an attribute of this name is made here; such names are never listed from the store."""
        return name == TAGS or name.startswith(OWN)

    def names(self, caller: Caller, node: int) -> list[str]:
        """`user.xdg.tags` when there are tags."""
        found = self._drive.node(caller, node)
        if found.file:
            return [TAGS] if found.tags else []
        return [TAGS] if TAGS in self._drive.xattrs(caller, node) else []

    def get(self, caller: Caller, node: int, name: str) -> bytes:
        found = self._drive.node(caller, node)
        if name == TAGS:
            if not found.file:
                return self._drive.xattr(caller, node, name)
            given = self._given(caller, found) if found.tags else []
            if not given:
                raise NoAttribute(name)
            return join_tags(given)
        made = self._made.get(name)
        if made is None or not found.file:
            raise NoAttribute(name)
        return made(caller, found).encode("utf-8", "surrogateescape")

    def set(self, caller: Caller, node: int, name: str, value: bytes, mode: XattrMode) -> None:
        """Of `user.xdg.tags`: the file then has exactly these tags. A machine's tag that stays in the list stays the
        machine's, one that is left out is rejected. On anything but a file the list is kept as it is."""
        if name != TAGS:
            raise NotSupported(f"{name} is told by GraphFS and cannot be set")
        found = self._drive.node(caller, node)
        if not found.file:
            self._drive.set_xattr(caller, node, name, value, mode)
            return
        if len(value) > _MAX_VALUE:
            raise TooLarge(f"an extended attribute holds at most {_MAX_VALUE} bytes")
        self._drive.set_tags(caller, found.file, split_tags(value), mode, why=_WHY)

    def remove(self, caller: Caller, node: int, name: str) -> None:
        if name != TAGS:
            raise NotSupported(f"{name} is told by GraphFS and cannot be removed")
        found = self._drive.node(caller, node)
        if not found.file:
            self._drive.remove_xattr(caller, node, name)
            return
        self._drive.set_tags(caller, found.file, [], XattrMode.REPLACE, why=_WHY)

    def _edges(self, caller: Caller, node: Node) -> list[Edge]:
        try:
            return self._drive.edges(caller, node.file)
        except NotFound:
            return []

    def _given(self, caller: Caller, node: Node) -> list[str]:
        """Paths of the applied tags, in the order of names."""
        return sorted(edge.tag for edge in self._edges(caller, node) if edge.state is EdgeState.APPLIED)

    def _state(self, caller: Caller, node: Node) -> str:
        try:
            return self._drive.job(node.file).state.value
        except NotFound:
            raise NoAttribute(f"{OWN}state") from None

    def _auto(self, caller: Caller, node: Node) -> str:
        found = [
            AutoTag(
                edge.tag,
                edge.confidence,
                edge.source.value,
                edge.model,
                datetime.fromtimestamp(edge.at / 1e9, UTC).isoformat(timespec="seconds"),
                edge.state.value,
                edge.prompt,
                edge.evidence[:_EVIDENCE],
            )
            for edge in self._edges(caller, node)
            if edge.source is not Source.PERSON and edge.state is not EdgeState.REJECTED
        ]
        found.sort(key=lambda tag: -tag.confidence)
        return msgspec.json.encode(found).decode()

    def _implied(self, caller: Caller, node: Node) -> str:
        """The tags above those given."""
        given = self._given(caller, node)
        above = {path.rsplit("/", depth)[0] for path in given for depth in range(1, path.count("/") + 1)}
        return ",".join(sorted(above - set(given)))
