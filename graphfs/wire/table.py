"""The operations of the boundary as HTTP has them: one row each, its fields read off `graphfs.api`. See the package
for the rule."""

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, get_type_hints

import msgspec
from msgspec import Struct

from graphfs.api import Access, Care, Content, Drive, Events, Jobs, Loans, Locks, Tags, Trash, Tree, Views, Xattrs
from graphfs.model import Caller, Node, Scope
from graphfs.wire.forms import CROSSINGS, Crossing, Limits, crossing_of

PREFIX = "/v1"
CALLER_HEADER = "X-GraphFS-Caller"
"""Who asks, when the connection's owner asks for somebody: `uid:gid:groups:pid:actor`, groups joined by commas, the
actor percent-encoded."""
CHECKED_HEADER = "X-GraphFS-Checked"
"""`1` from a mount: its kernel has checked what the caller may do, when the file was opened at the latest. Counts only
from who may ask for others."""
KEY_HEADER = "Idempotency-Key"
"""What a change is known by when it is asked again: 1 to 64 letters, digits, `-`, `_` or `.`, new for each change."""
REQUEST_HEADER = "X-Request-ID"
"""What a request is called in every log on its way: 1 to 64 letters, digits, `-`, `_` or `.`."""
INSTANCE_HEADER = "X-GraphFS-Instance"
"""Names one run of a server: event numbers are compared only within one."""
SEEN_HEADER = "X-GraphFS-Seen"
"""The number of the last change that a reply knows of, where several servers share a drive. Shown with the next
request, it is answered by a server that knows no less."""
PATIENCE = 10.0
"""Seconds until an ordinary call is given up."""
LONG_PATIENCE = 3600.0
"""Seconds for a call whose work grows with the drive."""
MAX_BODY = 64 * 2**20
"""The longest JSON body that a server reads."""


class Parameter(NamedTuple):
    """One field of a request. `place` is path, query, json or body (the bytes themselves)."""

    name: str
    place: str
    crossing: Crossing
    default: Any = inspect.Parameter.empty

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is inspect.Parameter.empty

    @property
    def many(self) -> bool:
        """Whether it is a sequence (repeated in a query string)."""
        return getattr(self.crossing.form, "__origin__", None) is Sequence


@dataclass(frozen=True)
class Operation:
    """One row: something that can be asked, and how that looks in HTTP."""

    name: str
    verb: str
    path: str
    scope: Scope
    description: str
    parameters: tuple[Parameter, ...]
    response: Crossing
    """Of `form` bytes: the body itself; NoneType: null."""
    fields: type[Struct]
    """The parameters that are in the query string or in the JSON body."""
    idempotent: bool
    """Asked twice it does no more than asked once, so a client may ask again when it does not know what became of a
    request."""
    keyed: bool
    """Asked again with the same key (`KEY_HEADER`) it is done once, also by another server."""
    inline: bool
    """Always short: a server answers it on its event loop."""
    seconds: float
    """How long a client waits."""
    has_caller: bool
    of_drive: bool
    """Whether it is a method of `Drive`; else one that only HTTP has, made of those."""

    @property
    def body(self) -> Parameter | None:
        """The parameter that is the request's body, when that is bytes."""
        return next((one for one in self.parameters if one.place == "body"), None)


def _operation(
    call: Callable[..., Any],
    verb: str,
    path: str,
    scope: Scope,
    *,
    body: str = "",
    idempotent: bool | None = None,
    keyed: bool = False,
    inline: bool = False,
    seconds: float = PATIENCE,
) -> Operation:
    """A row, its fields read off the method's own signature."""
    hints = get_type_hints(call)
    in_path = set(re.findall(r"{(\w+)}", path))
    elsewhere = "query" if body or verb in {"GET", "DELETE"} else "json"
    parameters = []
    for name, parameter in inspect.signature(call).parameters.items():
        if name in {"self", "caller"}:
            continue
        place = "body" if name == body else "path" if name in in_path else elsewhere
        crossing = crossing_of(name, hints[name]) if name != body else Crossing(bytes)
        parameters.append(Parameter(name, place, crossing, parameter.default))
    answer = hints["return"]
    fields: list[Any] = []
    for one in parameters:
        if one.place in {"query", "json"}:
            fields.append((one.name, one.crossing.form) if one.required else (one.name, one.crossing.form, one.default))
    return Operation(
        name=call.__name__,
        verb=verb,
        path=PREFIX + path,
        scope=scope,
        description=inspect.getdoc(call) or "",
        parameters=tuple(parameters),
        response=Crossing(bytes) if answer is bytes else CROSSINGS.get(answer, Crossing(answer)),
        fields=msgspec.defstruct(_title(call.__name__), fields, forbid_unknown_fields=True, kw_only=True, frozen=True),
        idempotent=verb == "GET" if idempotent is None else idempotent,
        keyed=keyed,
        inline=inline,
        seconds=seconds,
        has_caller="caller" in hints,
        of_drive=hasattr(Drive, call.__name__),
    )


def _title(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


class Resources(Protocol):
    """What only HTTP has: made of the boundary's operations, for programs that are not ours."""

    def limits(self) -> Limits:
        """How long a blob may be, and up to where it is best sent with its record."""
        ...

    def resolve(self, caller: Caller, path: str) -> Node:
        """The node at a path from the root of the mount (`files/a/b`). NotFound, NotAFolder."""
        ...

    def content(self, caller: Caller, node: int) -> bytes:
        """The bytes of a file, by node. Takes `Range` (one range) and `If-None-Match`; gives an `ETag` that changes
        with every content."""
        ...

    def read_file(self, caller: Caller, path: str) -> bytes:
        """The bytes of a file, by its path below `files/`. `Range`, `If-None-Match` and `ETag` as for `content`."""
        ...

    def write_file(
        self,
        caller: Caller,
        path: str,
        content: bytes,
        mode: int = 0o644,
        tags: Sequence[str] = (),
        parents: bool = False,
        durable: bool = True,
    ) -> Node:
        """Makes a file of the request's body, or gives an existing one a new content, which then is old or new and
        never a mix. It is taken in pieces while it arrives and becomes visible at the end; a request that breaks off
        changes nothing. `If-Match` (an ETag) and `If-None-Match: *` guard it: Conflict, AlreadyExists. `parents`
        makes missing folders. `mode` and `tags` are for a file that is new."""
        ...

    def delete_file(self, caller: Caller, path: str) -> None:
        """Takes a file's name away, or an empty folder. The file goes to the trash."""
        ...

    def event_stream(self, after: int = -1) -> str:
        """Events as Server-Sent Events (`text/event-stream`): `id` is the number, `data` the event in JSON.
        `Last-Event-ID` stands above `after`."""
        ...


_R, _W, _T, _A = Scope.READ, Scope.WRITE, Scope.TAG, Scope.ADMIN
_row = _operation

OPERATIONS: dict[str, Operation] = {
    row.name: row
    for row in (
        # the tree
        _row(Tree.node, "GET", "/nodes/{node}", _R, inline=True),
        _row(Tree.lookup, "GET", "/nodes/{folder}/lookup", _R, inline=True),
        _row(Tree.children, "GET", "/nodes/{folder}/children", _R),
        _row(Tree.create, "POST", "/nodes/{folder}/children", _W, keyed=True),
        _row(Tree.settle, "POST", "/settle", _R, idempotent=True),
        _row(Tree.link, "POST", "/nodes/{node}/link", _W, keyed=True),
        _row(Tree.unlink, "POST", "/nodes/{folder}/unlink", _W, keyed=True),
        _row(Tree.rmdir, "POST", "/nodes/{folder}/rmdir", _W, keyed=True),
        _row(Tree.rename, "POST", "/nodes/{folder}/rename", _W, keyed=True),
        _row(Tree.set_attributes, "PATCH", "/nodes/{node}", _W, idempotent=True),
        _row(Tree.readlink, "GET", "/nodes/{node}/target", _R, inline=True),
        _row(Tree.accessed, "POST", "/accessed", _R, idempotent=True),
        _row(Tree.path, "GET", "/nodes/{node}/path", _R, inline=True),
        _row(Tree.paths, "GET", "/nodes/{node}/paths", _R, inline=True),
        _row(Tree.file, "GET", "/by-id/{file}", _R, inline=True),
        _row(Tree.space, "GET", "/space", _R, inline=True),
        _row(Tree.hold, "POST", "/nodes/{node}/hold", _R, inline=True),
        _row(Tree.release, "POST", "/nodes/{node}/release", _R),
        # extended attributes
        _row(Xattrs.xattrs, "GET", "/nodes/{node}/xattrs", _R, inline=True),
        _row(Xattrs.xattr, "GET", "/nodes/{node}/xattrs/{name}", _R, inline=True),
        _row(Xattrs.set_xattr, "PUT", "/nodes/{node}/xattrs/{name}", _W, body="value", keyed=True),
        _row(Xattrs.remove_xattr, "DELETE", "/nodes/{node}/xattrs/{name}", _W, keyed=True),
        # content
        _row(Content.layout, "GET", "/nodes/{node}/layout", _R, inline=True),
        _row(Content.read_blob, "GET", "/blobs/{digest}", _R),
        _row(Content.put_blob, "PUT", "/blobs/{digest}", _W, body="source", idempotent=True),
        _row(Content.commit, "POST", "/nodes/{node}/commit", _W, seconds=60.0, keyed=True),
        _row(Content.sync, "POST", "/sync", _R, idempotent=True, seconds=60.0),
        _row(Resources.limits, "GET", "/limits", _R, inline=True),
        # locks
        _row(Locks.lock, "POST", "/nodes/{node}/locks", _W, keyed=True),
        _row(Locks.unlock, "POST", "/nodes/{node}/locks/release", _W, keyed=True),
        _row(Locks.in_the_way, "POST", "/nodes/{node}/locks/test", _R, idempotent=True),
        _row(Locks.renew_locks, "POST", "/locks/{holder}/renew", _W, idempotent=True),
        _row(Locks.drop_locks, "POST", "/locks/{holder}/drop", _W, idempotent=True),
        # folders lent to mounts
        _row(Loans.lend, "POST", "/nodes/{folder}/lend", _W),
        _row(Loans.make, "POST", "/loans/make", _W, seconds=60.0, keyed=True),
        _row(Loans.inherit, "POST", "/loans/inherit", _W, idempotent=True),
        _row(Loans.hand_back, "POST", "/loans/return", _W, keyed=True),
        # paths, for people and their scripts
        _row(Resources.resolve, "GET", "/resolve", _R),
        _row(Resources.content, "GET", "/nodes/{node}/content", _R),
        _row(Resources.read_file, "GET", "/files/{path}", _R),
        _row(Resources.write_file, "PUT", "/files/{path}", _W, body="content"),
        _row(Resources.delete_file, "DELETE", "/files/{path}", _W),
        # queries as folders
        _row(Views.view, "GET", "/view", _R),
        _row(Views.view_entry, "GET", "/view/entry", _R),
        _row(Views.view_files, "GET", "/view/files", _R),
        _row(Views.view_facets, "GET", "/view/facets", _R),
        _row(Views.find, "GET", "/find", _R),
        # tags
        _row(Tags.tags, "GET", "/tags", _R),
        _row(Tags.edges, "GET", "/by-id/{file}/edges", _R, inline=True),
        _row(Tags.change_tags, "POST", "/tags/change", _T, idempotent=True, seconds=60.0),
        _row(Tags.set_tags, "PUT", "/by-id/{file}/tags", _T, keyed=True),
        _row(Tags.put_edges, "POST", "/by-id/{file}/edges", _T, idempotent=True),
        _row(Tags.create_tag, "POST", "/tags", _T, keyed=True),
        _row(Tags.delete_tag, "POST", "/tags/delete", _T, keyed=True),
        _row(Tags.drop_tag, "POST", "/tags/drop", _T, seconds=60.0, keyed=True),
        _row(Tags.rename_tag, "POST", "/tags/rename", _T, keyed=True),
        _row(Tags.merge_tags, "POST", "/tags/merge", _T, seconds=60.0, keyed=True),
        _row(Tags.set_alias, "POST", "/tags/alias", _T, keyed=True),
        _row(Tags.journal, "GET", "/journal", _R),
        _row(Tags.undo, "POST", "/journal/undo", _T, seconds=60.0, keyed=True),
        # the trash
        _row(Trash.trash, "GET", "/trash", _R),
        _row(Trash.restore, "POST", "/trash/restore", _W, keyed=True),
        _row(Trash.recover, "POST", "/trash/recover", _W, keyed=True),
        _row(Trash.purge, "POST", "/trash/purge", _A, idempotent=True, seconds=LONG_PATIENCE),
        # the queue
        _row(Jobs.lease, "POST", "/jobs/lease", _T),
        _row(Jobs.heartbeat, "POST", "/jobs/heartbeat", _T, idempotent=True),
        _row(Jobs.finish, "POST", "/jobs/finish", _T),
        _row(Jobs.job, "GET", "/by-id/{file}/job", _R, inline=True),
        _row(Jobs.retry, "POST", "/jobs/retry", _T, idempotent=True),
        _row(Jobs.remembered, "GET", "/answers", _T, inline=True),
        _row(Jobs.remember, "PUT", "/answers", _T, idempotent=True),
        _row(Jobs.pause, "POST", "/jobs/pause", _T, idempotent=True),
        _row(Jobs.spend, "POST", "/jobs/spend", _T),
        # what changed
        _row(Events.events, "GET", "/events", _R),
        _row(Resources.event_stream, "GET", "/events/stream", _R),
        # looking after it
        _row(Care.status, "GET", "/status", _R),
        _row(Care.fsck, "POST", "/fsck", _A, idempotent=True, seconds=LONG_PATIENCE),
        _row(Care.gc, "POST", "/gc", _A, idempotent=True, seconds=LONG_PATIENCE),
        # who may come
        _row(Access.tokens, "GET", "/tokens", _A),
        _row(Access.create_token, "POST", "/tokens", _A),
        _row(Access.revoke_token, "DELETE", "/tokens/{name}", _A),
    )
}
"""Every operation by its name. The order is that of the documentation and of the routes."""

NOT_CROSSING = frozenset({"subscribe", "inline_limit", "chunk_size", "close"})
"""Methods of `Drive` that a client makes of others (`events`, `limits`) or of nothing."""
