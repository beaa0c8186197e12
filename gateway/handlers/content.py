"""The bytes of files for programs that are not ours: streamed out by extents with ranges and ETags, streamed in by
chunks.

Nothing is held whole: an upload keeps one chunk in memory, a download one piece. An upload becomes visible by one
commit at its end.
"""

import asyncio
import hashlib
import re
import stat
from collections.abc import Awaitable, Callable, Iterator
from typing import NamedTuple

from aiohttp import web

from gateway.context import CALLER, CLIENT_PATIENCE, Context
from gateway.handlers import accel, permissions
from gateway.handlers.operations import handler_of, next_part, path_fields
from graphfs import wire
from graphfs.api import Drive
from graphfs.errors import AlreadyExists, Conflict, DriveError, InvalidArgument, IsAFolder, NotFound, NotSupported
from graphfs.model import FILES_ROOT, Caller, Extent, Layout, Node, Patch

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PIECE = 2**20
"""Bytes read and sent at a time."""
_ZEROS = bytes(PIECE)
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_CODINGS = frozenset({"", "identity", "gzip", "deflate"})
"""What bodies may be packed in: the web framework unpacks them."""
_TRIES = 5
"""How often an upload without a condition tries again when somebody else commits at the same moment."""


def etag_of(node: Node) -> str:
    """A strong validator: another one for every content a file has had."""
    return f'"{node.id}-{node.version}"'


class Range(NamedTuple):
    """Bytes from `start` up to, not including, `stop`."""

    start: int
    stop: int


def range_of(header: str | None, size: int) -> Range | None:
    """The range that a header asks for; None for all (no header, several ranges, another unit: RFC 9110 lets a
    server ignore those). InvalidArgument when it lies beyond the end."""
    found = _RANGE.fullmatch(header.strip()) if header else None
    if found is None or found[0] == "bytes=-":
        return None
    first, last = found[1], found[2]
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None
    if start >= stop:
        raise InvalidArgument("the range lies beyond the end of the file")
    return Range(start, stop)


def pieces(layout: Layout, wanted: Range) -> Iterator[tuple[Extent | None, int, int]]:
    """What to send: (extent, start in its blob, length), or (None, 0, length) for zeros; each at most PIECE bytes,
    in order, without a gap."""
    at = wanted.start
    for extent in layout.extents:
        end = extent.offset + extent.length
        if end <= at:
            continue
        if extent.offset >= wanted.stop:
            break
        while at < extent.offset:
            length = min(PIECE, extent.offset - at)
            yield None, 0, length
            at += length
        while at < min(end, wanted.stop):
            length = min(PIECE, min(end, wanted.stop) - at)
            yield extent, extent.start + at - extent.offset, length
            at += length
    while at < wanted.stop:
        length = min(PIECE, wanted.stop - at)
        yield None, 0, length
        at += length


async def send(context: Context, request: web.Request, node: Node, layout: Layout) -> web.StreamResponse:
    """The reply that carries a file's bytes, or says why not."""
    etag = f'"{node.id}-{layout.version}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
        # A document is data: no browser may run it as a page of this server.
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Content-Disposition": "attachment",
        "Cache-Control": "private, no-cache",
    }
    if _matches(request.headers.get("If-None-Match"), etag):
        return web.Response(status=304, headers=headers)
    # Of HEAD there are no ranges.
    fresh = request.method == "GET" and request.headers.get("If-Range") in {None, etag}
    try:
        wanted = range_of(request.headers.get("Range"), layout.size) if fresh else None
    except InvalidArgument as error:
        _, body = wire.reply_of(error)
        headers |= {"Content-Range": f"bytes */{layout.size}", "Content-Type": "application/json"}
        return web.Response(status=416, body=body, headers=headers)
    place = await accel.file_behind(context, request, layout) if fresh else ""
    if place:
        return web.Response(headers=headers | {accel.REDIRECT_HEADER: place})
    response = web.StreamResponse(status=206 if wanted else 200, headers=headers)
    if wanted:
        response.headers["Content-Range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{layout.size}"
    wanted = wanted or Range(0, layout.size)
    response.content_length = wanted.stop - wanted.start
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    read = context.drive.read_blob
    for extent, start, length in pieces(layout, wanted):
        part = await context.run(read, extent.digest, start, length) if extent else _ZEROS[:length]
        async with asyncio.timeout(CLIENT_PATIENCE):
            await response.write(part)
    return response


def _matches(header: str | None, etag: str, *, weak: bool = True) -> bool:
    """Whether a list of validators holds this one; `weak`: a weak one counts too."""
    if header is None:
        return False
    given = {one.strip() for one in header.split(",")}
    return header.strip() == "*" or etag in given or (weak and f"W/{etag}" in given)


def regular(node: Node) -> Node:
    """The node, if it is a regular file. IsAFolder, InvalidArgument."""
    if stat.S_ISDIR(node.mode):
        raise IsAFolder("that is a folder")
    if not stat.S_ISREG(node.mode):
        raise InvalidArgument("only regular files have content")
    return node


def content_handler(context: Context, operation: wire.Operation) -> Handler:
    """GET by node id."""
    in_path = path_fields(operation)
    drive = context.drive

    def find(caller: Caller, node: int) -> tuple[Node, Layout]:
        if not context.owns(caller):
            permissions.check(drive, caller, operation.name, {"node": node})
        return regular(drive.node(caller, node)), drive.layout(caller, node)

    async def handle(request: web.Request) -> web.StreamResponse:
        values = wire.arguments(operation, in_path(request), request.rel_url.raw_query_string, b"")
        return await send(context, request, *await context.run(find, request[CALLER], values["node"]))

    return handle


def read_handler(context: Context, operation: wire.Operation) -> Handler:
    """GET by path."""
    in_path = path_fields(operation)
    drive = context.drive

    def find(caller: Caller, path: str) -> tuple[Node, Layout]:
        checked = not context.owns(caller)
        node = regular(permissions.walk(drive, caller, path, checked=checked))
        if checked:
            permissions.demand(drive, caller, node.id, permissions.READ)
        return node, drive.layout(caller, node.id)

    async def handle(request: web.Request) -> web.StreamResponse:
        values = wire.arguments(operation, in_path(request), request.rel_url.raw_query_string, b"")
        return await send(context, request, *await context.run(find, request[CALLER], values["path"]))

    return handle


def blob_handler(context: Context, operation: wire.Operation) -> Handler:
    """GET of a blob: by the proxy itself where it can, else as any other operation."""
    in_path, plain = path_fields(operation), handler_of(operation, context)

    async def handle(request: web.Request) -> web.StreamResponse:
        if accel.LOCATION_HEADER in request.headers and context.owns(request[CALLER]):
            values = wire.arguments(operation, in_path(request), request.rel_url.raw_query_string, b"")
            place = await accel.file_of(context, request, values["digest"], values["start"], values["length"])
            if place:
                headers = {accel.REDIRECT_HEADER: place, "Content-Type": "application/octet-stream"}
                return web.Response(headers=headers | {"Cache-Control": "no-store"})
        return await plain(request)

    return handle


# --- in -------------------------------------------------------------------------------------------


class Place(NamedTuple):
    """Where an upload goes: a name in the deepest folder there is, below which `missing` folders are to be made."""

    folder: int
    missing: tuple[str, ...]
    name: str


class Condition(NamedTuple):
    """What must be so for an upload to count: the headers of these names."""

    match: str | None = None
    none_match: str | None = None

    def check(self, node: Node | None) -> None:
        """Conflict, AlreadyExists."""
        if self.match is not None and (node is None or not _matches(self.match, etag_of(node), weak=False)):
            raise Conflict("the file has another content by now")
        if self.none_match is not None and node is not None and _matches(self.none_match, etag_of(node)):
            if self.none_match.strip() == "*":
                raise AlreadyExists("the file is there already")
            raise Conflict("the file has that content")


class Upload:
    """One PUT of a whole file."""

    def __init__(self, context: Context, caller: Caller) -> None:
        self._context = context
        self._drive = context.drive
        self._caller = caller
        self._checked = not context.owns(caller)

    def place(self, path: str, condition: Condition, *, parents: bool) -> Place:
        """Where it goes; refuses early what cannot be. NotFound, NotAFolder, IsAFolder, AccessDenied,
        InvalidArgument, Conflict, AlreadyExists."""
        steps = [step for step in path.split("/") if step not in {"", "."}]
        if not steps or path.endswith("/"):
            raise InvalidArgument("the path names no file")
        folder = self._drive.node(self._caller, FILES_ROOT)
        *above, name = steps
        for depth, step in enumerate(above):
            self._demand(folder, permissions.SEARCH)
            try:
                folder = self._drive.lookup(self._caller, folder.id, step)
            except NotFound:
                if not parents:
                    raise
                self._demand(folder, permissions.WRITE)
                condition.check(None)
                return Place(folder.id, tuple(above[depth:]), name)
        self._demand(folder, permissions.SEARCH)
        condition.check(self._existing(Place(folder.id, (), name)))
        return Place(folder.id, (), name)

    def _demand(self, node: Node, wanted: int) -> None:
        if self._checked:
            permissions.demand(self._drive, self._caller, node.id, wanted)

    def _existing(self, place: Place) -> Node | None:
        """The file that has the name already, if the caller may write it; else what making it needs is demanded."""
        try:
            node = regular(self._drive.lookup(self._caller, place.folder, place.name))
        except NotFound:
            if self._checked:
                permissions.demand(self._drive, self._caller, place.folder, permissions.WRITE | permissions.SEARCH)
            return None
        self._demand(node, permissions.WRITE)
        return node

    async def receive(self, request: web.Request) -> tuple[int, list[Patch]]:
        """The size and the patches of the body; chunks are put while it arrives."""
        chunk_size, inline = self._drive.chunk_size(), self._drive.inline_limit()
        patches: list[Patch] = []
        chunk = bytearray()
        offset = 0
        while part := await next_part(request):
            chunk += part
            while len(chunk) >= chunk_size:
                patches.append(await self._context.run(self._put, offset, bytes(chunk[:chunk_size])))
                offset += chunk_size
                del chunk[:chunk_size]
        if chunk:
            put = self._put if offset + len(chunk) > inline else _with_record
            patches.append(await self._context.run(put, offset, bytes(chunk)))
        return offset + len(chunk), patches

    def _put(self, offset: int, data: bytes) -> Patch:
        digest = hashlib.sha256(data).digest()
        self._drive.put_blob(digest, data, durable=False)
        return Patch(offset, len(data), digest)

    def commit(
        self,
        place: Place,
        size: int,
        patches: list[Patch],
        condition: Condition,
        mode: int,
        tags: list[str],
        durable: bool,
    ) -> tuple[Node, bool]:
        """Makes it visible. The node, and whether the file is new."""
        for name in place.missing:
            place = place._replace(folder=self._folder(place.folder, name))
        for _ in range(_TRIES):
            node = self._existing(place)
            condition.check(node)
            if node is None:
                try:
                    return self._new(place, size, patches, mode, tags, durable), True
                except AlreadyExists:
                    continue
            try:
                return self._drive.commit(self._caller, node.id, node.version, size, patches, durable=durable), False
            except (Conflict, NotFound):
                if condition.match is not None:
                    raise
        raise Conflict("others change the file all the time")

    def _folder(self, parent: int, name: str) -> int:
        try:
            return self._drive.create(self._caller, parent, name, stat.S_IFDIR | 0o755).id
        except AlreadyExists:
            return self._drive.lookup(self._caller, parent, name).id

    def _new(self, place: Place, size: int, patches: list[Patch], mode: int, tags: list[str], durable: bool) -> Node:
        made = self._drive.create(
            self._caller, place.folder, place.name, stat.S_IFREG | (mode & 0o777), tags=tags, draft=True
        )
        try:
            return self._drive.commit(self._caller, made.id, made.version, size, patches, durable=durable)
        except DriveError:
            # The name must not stay behind with nothing in it.
            self._drive.unlink(self._caller, place.folder, place.name)
            raise


def _with_record(offset: int, data: bytes) -> Patch:
    return Patch(offset, len(data), hashlib.sha256(data).digest(), 0, data)


def _check_whole(request: web.Request) -> None:
    """Refuses what would be taken for all of a file and is not: a part of it, or a form of it that nobody undoes."""
    if "Content-Range" in request.headers:
        raise InvalidArgument("a PUT is of the whole file: leave Content-Range away")
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in _CODINGS:
        raise NotSupported("contents are sent as they are, or packed by gzip or deflate")


def write_handler(context: Context, operation: wire.Operation) -> Handler:
    """PUT by path."""
    in_path = path_fields(operation)

    async def handle(request: web.Request) -> web.StreamResponse:
        values = wire.arguments(operation, in_path(request), request.rel_url.raw_query_string, b"")
        _check_whole(request)
        condition = Condition(request.headers.get("If-Match"), request.headers.get("If-None-Match"))
        upload = Upload(context, request[CALLER])
        place = await context.run(upload.place, values["path"], condition, parents=values["parents"])
        size, patches = await upload.receive(request)
        node, new = await context.run(
            upload.commit, place, size, patches, condition, values["mode"], values["tags"], values["durable"]
        )
        headers = {"ETag": etag_of(node)}
        return web.Response(
            status=201 if new else 200,
            body=wire.reply(operation, node),
            content_type="application/json",
            headers=headers,
        )

    return handle


# --- by path --------------------------------------------------------------------------------------


def resolve_handler(context: Context, operation: wire.Operation) -> Handler:
    """GET of the node at a path."""

    async def handle(request: web.Request) -> web.StreamResponse:
        values = wire.arguments(operation, {}, request.rel_url.raw_query_string, b"")
        caller = request[CALLER]
        node = await context.run(
            permissions.walk, context.drive, caller, values["path"], checked=not context.owns(caller), root=1
        )
        return web.Response(body=wire.reply(operation, node), content_type="application/json")

    return handle


def delete_handler(context: Context, operation: wire.Operation) -> Handler:
    """DELETE by path."""
    in_path = path_fields(operation)
    checked_drive: Drive = context.drive

    def delete(caller: Caller, path: str) -> None:
        above, _, name = path.rstrip("/").rpartition("/")
        checked = not context.owns(caller)
        folder = permissions.walk(checked_drive, caller, above, checked=checked)
        node = checked_drive.lookup(caller, folder.id, name)
        if checked:
            permissions.demand_removal(checked_drive, caller, folder.id, name)
        if stat.S_ISDIR(node.mode):
            checked_drive.rmdir(caller, folder.id, name)
        else:
            checked_drive.unlink(caller, folder.id, name)

    async def handle(request: web.Request) -> web.StreamResponse:
        values = wire.arguments(operation, in_path(request), request.rel_url.raw_query_string, b"")
        await context.run(delete, request[CALLER], values["path"])
        return web.Response(body=wire.reply(operation, None), content_type="application/json")

    return handle
