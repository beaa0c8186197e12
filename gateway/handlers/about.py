"""What tells about the server itself: limits, health, and the document that describes it."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from gateway import openapi
from gateway.context import CALLER, Context
from graphfs import __version__, wire
from graphfs.errors import AccessDenied, Unavailable
from graphfs.model import FILES_ROOT, Caller

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def limits_handler(context: Context, operation: wire.Operation) -> Handler:
    """How long blobs may be."""
    body = wire.reply(operation, wire.Limits(context.drive.inline_limit(), context.drive.chunk_size()))

    async def handle(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type="application/json")

    return handle


def health_handler(context: Context) -> Handler:
    """Whether the drive answers: 200, or the error that it gives."""

    async def handle(request: web.Request) -> web.StreamResponse:
        await context.run(context.drive.space)
        body = wire.encode({"status": "ok", "version": __version__})
        return web.Response(
            body=body, content_type="application/json", headers={wire.INSTANCE_HEADER: context.instance}
        )

    return handle


def ready_handler(context: Context) -> Handler:
    """Whether new requests should come here: 200, or 503 while the server leaves or its store does not answer."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if context.draining:
            raise Unavailable("the server is about to stop")
        await context.run(context.drive.node, Caller(uid=0, gid=0), FILES_ROOT)
        return web.Response(body=wire.encode({"status": "ready"}), content_type="application/json")

    return handle


def owner_handler(context: Context) -> Handler:
    """Whether whoever asks may read any blob: what a proxy asks before it gives one out of its cache. 204, or
    AccessDenied."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if not context.owns(request[CALLER]):
            raise AccessDenied("only the drive's owner may do this")
        return web.Response(status=204)

    return handle


def openapi_handler() -> Handler:
    """The OpenAPI document."""
    document = openapi.text().encode()

    async def handle(request: web.Request) -> web.StreamResponse:
        return web.Response(body=document, content_type="application/json")

    return handle
