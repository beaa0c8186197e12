"""What happens to every request before and after its handler: who asks, is the host right, and how an error looks.

It knows nothing of what is asked. Nobody gets past it unknown: over a unix socket the kernel says who it is, over
TCP a bearer token does.
"""

import hashlib
import hmac
import logging
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import NamedTuple
from weakref import WeakKeyDictionary

from aiohttp import web
from aiohttp.typedefs import Middleware

from gateway.context import BEGUN, CALLER, CHECKED, SCOPES, SHOWN, Context
from graphfs import errors, wire
from graphfs.model import Caller, Scope

_log = logging.getLogger(__name__)
_SO_PEERGROUPS = 59
"""Linux 4.13; not in Python's `socket`."""
_MOST_GROUP_BYTES = 1024
"""As much as Python's getsockopt takes: 256 groups."""
OPEN = frozenset({"/healthz", "/readyz"})
"""What anybody may ask: only whether the server is well."""
_LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
_HTTP_CODES: dict[int, type[errors.DriveError]] = {
    404: errors.NotFound,
    405: errors.NotPermitted,
    411: errors.InvalidArgument,
    413: errors.TooLarge,
    417: errors.NotSupported,
}
"""What the web framework refuses by itself, in our words."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def error_response(error: errors.DriveError) -> web.Response:
    """The reply that says an error."""
    status, body = wire.reply_of(error)
    headers = {"Retry-After": "1"} if isinstance(error, errors.Unavailable) else {}
    if isinstance(error, errors.Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="graphfs"'
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)


@web.middleware
async def translate_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every failure becomes one error reply of the closed set; what was not foreseen is logged whole and told as
    `internal`."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        refused = _HTTP_CODES.get(error.status, errors.InvalidArgument)(error.reason)
    except Exception as error:
        if isinstance(error, ConnectionError) and (request.transport is None or request.transport.is_closing()):
            raise  # who asked is gone
        # An error of no kind has a text that was not meant for whoever asks.
        foreseen = isinstance(error, errors.DriveError) and error.code != errors.DriveError.code
        if not foreseen and not (isinstance(error, TimeoutError) and BEGUN in request):
            resource = request.match_info.route.resource
            _log.exception("%s %s failed", request.method, resource.canonical if resource else "?")
        if BEGUN in request:
            # The status is out already: only a broken connection still says that this is not the whole.
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError("the reply could not be sent to its end") from error
        unforeseen = errors.DriveError("an internal error; the server's log says more")
        refused = error if isinstance(error, errors.DriveError) and foreseen else unforeseen
    return error_response(refused)


_FROM_RECORDS = frozenset(
    [
        "node",
        "lookup",
        "children",
        "readlink",
        "layout",
        "xattr",
        "xattrs",
        "read_blob",
        "put_blob",
        "content",
        "limits",
        "space",
        "settle",
        "sync",
        "hold",
        "release",
        "accessed",
        "set_attributes",
        "events",
        "event_stream",
    ]
)
"""Operations that are answered by the store alone, which knows all changes; the others use what is in memory too."""
assert wire.OPERATIONS.keys() >= _FROM_RECORDS
_FROM_MEMORY = wire.OPERATIONS.keys() - _FROM_RECORDS
_CATCHING_UP = 2.0
"""Seconds that a request waits until its server has seen what another one did for the client."""


def in_order(context: Context) -> Middleware:
    """A request that shows a number (`wire.SEEN_HEADER`) is answered by a server that knows of that change."""

    @web.middleware
    async def wait(request: web.Request, handler: Handler) -> web.StreamResponse:
        shown = request.headers.get(wire.SEEN_HEADER, "")
        if context.shared and shown and request.match_info.route.name in _FROM_MEMORY:
            if not (shown.isascii() and shown.isdecimal() and len(shown) <= 18):
                raise errors.InvalidArgument(f"{wire.SEEN_HEADER} is not a number of a change")
            if seen(context) < int(shown):
                await context.run(context.drive.events, int(shown) - 1, _CATCHING_UP)
            if seen(context) < int(shown):
                response = error_response(errors.Unavailable("this server has not seen your last change yet"))
                response.headers[wire.SEEN_HEADER] = str(seen(context))
                return response
        return await handler(request)

    return wait


def seen(context: Context) -> int:
    """The number of the last change that this server knows of."""
    return context.drive.events(-1, 0)[-1].seq


class Peer(NamedTuple):
    """The other end of a connection."""

    caller: Caller
    trusted: bool
    """Whether it may ask for others."""
    scopes: frozenset[Scope] = frozenset(Scope)
    shown: str = ""


class Authentication:
    """Finds out who asks, and leaves it in the request."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._peers: WeakKeyDictionary[object, Peer] = WeakKeyDictionary()
        self._hosts = _LOOPBACK_HOSTS | context.hosts

    def middleware(self) -> Middleware:
        """The middleware of this authentication."""

        @web.middleware
        async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path not in OPEN:
                peer = await self._peer(request)
                request[SCOPES], request[SHOWN] = peer.scopes, peer.shown
                request[CALLER] = self._caller(request, peer)
                request[CHECKED] = peer.trusted and request.headers.get(wire.CHECKED_HEADER) == "1"
            return await handler(request)

        return authenticate

    def _caller(self, request: web.Request, peer: Peer) -> Caller:
        header = request.headers.get(wire.CALLER_HEADER)
        if header is None:
            return peer.caller
        asked = wire.caller_of(header)
        return asked if peer.trusted else _narrowed(peer.caller, asked)

    async def _peer(self, request: web.Request) -> Peer:
        transport = request.transport
        if transport is None:
            raise errors.Unauthenticated("the connection is gone")
        connection: socket.socket = transport.get_extra_info("socket")
        local = connection.family == socket.AF_UNIX
        if not local:
            self._check_host(request)
        authorization = request.headers.get("Authorization")
        if authorization is not None or not local:
            return await self._bearer(authorization or "")
        peer = self._peers.get(transport)
        if peer is None:
            peer = self._peers[transport] = _unix_peer(connection, self._context)
        return peer

    async def _bearer(self, authorization: str) -> Peer:
        context = self._context
        kind, _, token = authorization.partition(" ")
        shown = token.strip().encode("utf-8", "surrogateescape")
        if kind.lower() == "bearer" and shown:
            if context.token and hmac.compare_digest(shown, context.token.encode()):
                owner = context.owner
                return Peer(Caller(owner, os.getgid() if owner == os.getuid() else owner), trusted=True)
            digest = hashlib.sha256(shown).hexdigest()
            found = await context.admitted(digest)
            if found is not None:
                caller = Caller(found.uid, found.gid, actor=f"token:{found.name}")
                scopes = frozenset(Scope) if Scope.ADMIN in found.scopes else frozenset(found.scopes)
                return Peer(caller, context.owns(caller), scopes, digest)
        raise errors.Unauthenticated(
            "a valid bearer token is needed: `graphfs token create` makes one; the first is in run/token of the state "
            "directory"
        )

    def _check_host(self, request: web.Request) -> None:
        """A page of a stranger's site whose name was made to lead to the loopback (DNS rebinding) still sends the
        site's name."""
        host = request.headers.get("Host", "")
        name = host[: host.rindex("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]
        if name.lower() not in self._hosts:
            raise errors.Unauthenticated("this server is not known under that host name")


def permit(scope: Scope, handler: Handler) -> Handler:
    """The handler for those who have this scope. AccessDenied."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if scope not in request[SCOPES]:
            raise errors.AccessDenied(f"this token may not do that: it lacks the scope `{scope}`")
        return await handler(request)

    return handle


def _unix_peer(connection: socket.socket, context: Context) -> Peer:
    pid, uid, gid = struct.unpack(
        "3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    )
    try:
        packed = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MOST_GROUP_BYTES)
    except OSError:
        packed = b""  # more groups than fit, or an old kernel: then the caller has the rights of the first one only
    groups = struct.unpack(f"{len(packed) // 4}I", packed)
    caller = Caller(uid & 0xFFFFFFFF, gid & 0xFFFFFFFF, tuple(sorted(set(groups))), pid)
    return Peer(caller, trusted=context.owns(caller))


def _narrowed(peer: Caller, asked: Caller) -> Caller:
    """What somebody may ask as who is neither root nor the owner: themselves, with fewer groups."""
    if asked.uid != peer.uid:
        raise errors.AccessDenied("only root and the drive's owner ask for others")
    own = {peer.gid, *peer.groups}
    gid = asked.gid if asked.gid in own else peer.gid
    return Caller(peer.uid, gid, tuple(sorted(own & set(asked.groups))), peer.pid)
