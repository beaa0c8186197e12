"""The ordinary operations: one handler made from each row of the table, a call on the drive with the arguments that
crossed."""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from gateway.context import CALLER, CHECKED, CLIENT_PATIENCE, Context
from gateway.handlers import permissions
from graphfs import wire
from graphfs.errors import InvalidArgument, TooLarge, Unavailable
from graphfs.model import Caller

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_KEY = re.compile(r"[A-Za-z0-9._-]{1,64}")
_BYTES_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


def route_of(path: str) -> str:
    """The table's path as the router takes it: a field named `path` may hold slashes, any other is one component."""

    def field(found: re.Match[str]) -> str:
        # A plain `.` would stop at a newline, which a name may hold.
        return "{" + found[1] + (":(?s:.+)}" if found[1] == "path" else ":[^/]+}")

    return re.sub(r"{(\w+)}", field, path)


def path_fields(operation: wire.Operation) -> Callable[[web.Request], dict[str, str]]:
    """How to get the path's fields as they came: the router's own are decoded as UTF-8, which names need not be."""
    if "{" not in operation.path:
        return lambda request: {}
    pattern = re.compile(
        re.sub(r"{(\w+)}", lambda found: f"(?P<{found[1]}>{'.+' if found[1] == 'path' else '[^/]+'})", operation.path)
    )

    def fields(request: web.Request) -> dict[str, str]:
        found = pattern.fullmatch(request.rel_url.raw_path)
        if found is None:
            raise InvalidArgument("the path is malformed")
        return found.groupdict()

    return fields


async def read_body(request: web.Request, limit: int) -> bytes:
    """The whole body, at most `limit` bytes: TooLarge. Unavailable when the client falls silent."""
    if request.content_length is not None and request.content_length > limit:
        raise TooLarge(f"the body may have at most {limit} bytes")
    if not request.can_read_body:
        return b""
    parts: list[bytes] = []
    size = 0
    while True:
        part = await next_part(request)
        if not part:
            return b"".join(parts)
        size += len(part)
        if size > limit:
            raise TooLarge(f"the body may have at most {limit} bytes")
        parts.append(part)


async def next_part(request: web.Request) -> bytes:
    """What of the body has arrived, at least one byte; empty at its end."""
    try:
        async with asyncio.timeout(CLIENT_PATIENCE):
            return await request.content.readany()
    except TimeoutError as error:
        raise Unavailable(f"nothing of the body came for {CLIENT_PATIENCE:.0f} s") from error


def keyed(caller: Caller, request: web.Request, body: bytes) -> Caller:
    """The caller of a change that may be asked again. Its key is good for this request alone: another change that is
    sent with it is another one, and not taken for done. InvalidArgument for what is no key."""
    key = request.headers.get(wire.KEY_HEADER, "")
    if not key:
        return caller
    if not _KEY.fullmatch(key):
        raise InvalidArgument(f"{wire.KEY_HEADER} is 1 to 64 letters, digits, '-', '_' or '.'")
    asked = hashlib.blake2b(f"{request.method} {request.raw_path}\n".encode("utf-8", "surrogateescape"), digest_size=12)
    asked.update(body)
    return msgspec.structs.replace(caller, key=f"{key}:{asked.hexdigest()}")


def handler_of(operation: wire.Operation, context: Context) -> Handler:
    """The handler of a row whose operation is a method of the drive."""
    call: Callable[..., Any] = getattr(context.drive, operation.name)
    in_path = path_fields(operation)
    raw = operation.body
    drive = context.drive
    limit = drive.chunk_size() if operation.name == "put_blob" else wire.MAX_BODY
    as_bytes = operation.response.form is bytes

    def answer(request: web.Request, values: dict[str, Any], body: bytes) -> bytes:
        caller = request[CALLER]
        if operation.keyed:
            caller = keyed(caller, request, body)
        if not (request[CHECKED] or context.owns(caller)):
            permissions.check(drive, caller, operation.name, values)
        if operation.name == "put_blob" and hashlib.sha256(values["source"]).digest() != values["digest"]:
            raise InvalidArgument("the body does not have that digest")
        return wire.reply(operation, call(caller, **values) if operation.has_caller else call(**values))

    async def handle(request: web.Request) -> web.StreamResponse:
        body = b"" if operation.verb == "GET" else await read_body(request, limit)
        url = request.rel_url
        values = wire.arguments(operation, in_path(request), url.raw_query_string, body)
        if raw is not None:
            values[raw.name] = body
        # What is quick on a store in this process is a journey on one that servers share.
        if operation.inline and not context.shared and context.owns(request[CALLER]):
            reply = answer(request, values, body)
        else:
            reply = await context.run(answer, request, values, body)
        if as_bytes:
            return web.Response(body=reply, content_type="application/octet-stream", headers=_BYTES_HEADERS)
        return web.Response(body=reply, content_type="application/json")

    return handle
