"""Bytes that the proxy before this server sends itself: the reply names the file (`X-Accel-Redirect`), Nginx sends it.

Only where the settings say so and the proxy says where it has the folder (`X-Accel-Location`, which it sets on every
request, so that no client can). Who asks was let in and may read it before any of this.
"""

from aiohttp import web

from gateway.context import Context
from graphfs.errors import NotFound
from graphfs.model import Layout

LOCATION_HEADER = "X-Accel-Location"
REDIRECT_HEADER = "X-Accel-Redirect"


async def file_of(context: Context, request: web.Request, digest: bytes, start: int, length: int) -> str:
    """The place of a blob at the proxy, if these bytes are all of it and the proxy can send them; else ''. Corrupt."""
    location = request.headers.get(LOCATION_HEADER, "")
    if context.stored is None or not location or start or request.method != "GET":
        return ""
    try:
        path, size = await context.run(context.stored, digest)
    except NotFound:
        return ""  # a small one, beside its record
    return f"{location.rstrip('/')}/{path}" if length >= size else ""


async def file_behind(context: Context, request: web.Request, layout: Layout) -> str:
    """The same for the content of a file: the bytes of one blob, and no others."""
    if len(layout.extents) != 1:
        return ""
    one = layout.extents[0]
    if one.offset or one.start or one.length != layout.size:
        return ""
    # A blob that is longer than its file is not sent whole: `length` is below its size then.
    return await file_of(context, request, one.digest, 0, one.length)
