"""The HTTP server over a drive: the application made from the table of operations, and a server of it in a thread of
its own.

It serves any `graphfs.api.Drive`. It keeps no state that a restart would lose.
"""

import asyncio
import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from gateway.context import BEGUN, CALLER, CONTEXT, Context, Gate, Stored
from gateway.handlers import about, content, events, operations
from gateway.middleware import Authentication, in_order, permit, seen, translate_errors
from gateway.telemetry import Telemetry
from graphfs import wire
from graphfs.api import Drive
from graphfs.errors import Busy, InvalidArgument, NotPermitted, Unavailable
from graphfs.model import Scope
from graphfs.wire.address import Address, UnixAddress, parse_address, short_path

_log = logging.getLogger(__name__)
_STOP_SECONDS = 5.0
_START_SECONDS = 10.0
_QUIET_SECONDS = 0.5
"""A server that leaves waits so long without a request: one may be on its way on a connection that a proxy keeps."""
_BACKLOG = 128
_LONGEST_LINE = 32 << 10
"""Bytes of a request's target and of a header: a path has up to 4,096 bytes, each of which may take three."""
_KEEP_ALIVE = 75.0
"""Seconds an idle connection is kept: longer than our client keeps one."""

_RESOURCES: dict[str, Callable[[Context, wire.Operation], operations.Handler]] = {
    "limits": about.limits_handler,
    "resolve": content.resolve_handler,
    "read_blob": content.blob_handler,
    "content": content.content_handler,
    "read_file": content.read_handler,
    "write_file": content.write_handler,
    "delete_file": content.delete_handler,
    "events": events.poll_handler,
    "event_stream": events.stream_handler,
}
"""The rows whose handler is more than one call on the drive."""


def create_app(context: Context) -> web.Application:
    """The application: a route for every row of the table, and what tells about the server itself."""
    authentication = Authentication(context)
    telemetry = Telemetry(context)
    app = web.Application(
        middlewares=[telemetry.middleware(), translate_errors, authentication.middleware(), in_order(context)],
        client_max_size=wire.MAX_BODY,
    )
    app[CONTEXT] = context
    for row in wire.OPERATIONS.values():
        made = _RESOURCES.get(row.name)
        handler = permit(row.scope, made(context, row) if made else operations.handler_of(row, context))
        path = operations.route_of(row.path)
        app.router.add_route(row.verb, path, handler, name=row.name)
        if row.verb == "GET":
            app.router.add_route("HEAD", path, handler)
    app.router.add_get("/healthz", about.health_handler(context))
    app.router.add_get("/readyz", about.ready_handler(context))
    app.router.add_get("/metrics", permit(Scope.READ, telemetry.handler()))
    app.router.add_get(f"{wire.PREFIX}/openapi.json", about.openapi_handler())
    app.router.add_get("/may-read", permit(Scope.READ, about.owner_handler(context)))
    app.on_response_prepare.append(_begin)
    app.on_startup.append(events.start)
    app.on_shutdown.append(events.stop)
    return app


class _Discreet(logging.LoggerAdapter[logging.Logger]):
    """What the web framework logs: of a request that is no HTTP, or broke off, only that. Its text holds what was sent,
    a token perhaps, and whoever sends such things must not fill the log."""

    def exception(self, msg: object, *args: object, exc_info: Any = True, **named: Any) -> None:
        if isinstance(exc_info, HttpProcessingError | ConnectionError):
            self.info("a request was no HTTP, or broke off: %s", type(exc_info).__name__)
        else:
            super().exception(msg, *args, exc_info=exc_info, **named)


async def _begin(request: web.Request, response: web.StreamResponse) -> None:
    """Before a reply goes out. What stands behind is nobody's business; what this server knows of is the client's."""
    response.headers["Server"] = "graphfs"
    request[BEGUN] = True
    if request.can_read_body and not request.content.is_eof():
        # What is left of the body would be read as the next request, which is somebody else's behind a proxy.
        response.force_close()
        response.headers["Connection"] = "close"
    context = request.app[CONTEXT]
    if context.shared and response.status < 400 and CALLER in request:
        response.headers[wire.SEEN_HEADER] = str(seen(context))


def token_of(state: Path) -> str:
    """The token that a TCP client of this state directory must show; made at the first call, readable by its owner
    alone."""
    path = state / "run" / "token"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        token = path.read_text().strip()
        if path.stat().st_mode & 0o077:
            raise NotPermitted(f"{path} is readable by others; remove it to have a new one made") from None
        if token:
            return token
        path.unlink()
        return token_of(state)
    token = secrets.token_urlsafe(32)
    with os.fdopen(descriptor, "w") as file:
        file.write(token + "\n")
    return token


def _listen(address: Address, mode: int) -> socket.socket:
    """A socket that waits for connections. Busy when the address is in use."""
    if isinstance(address, UnixAddress):
        _sweep(address.path)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with short_path(address.path) as path:
            connection.bind(path)
            # Nobody can connect before `listen`: there is no moment with a wider mode.
            os.chmod(path, mode)
    else:
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            connection.bind((address.host, address.port))
        except OSError as error:
            connection.close()
            raise Busy(f"{address.host}:{address.port} cannot be listened on: {error.strerror}") from error
    connection.listen(_BACKLOG)
    connection.setblocking(False)
    return connection


def _sweep(path: Path) -> None:
    """Removes the socket of a server that died. Busy when one answers there."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, short_path(path) as short:
        try:
            probe.connect(short)
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise Busy(f"a server answers at {path} already")


class Server:
    """An application that is served by a thread of its own, on one or more addresses."""

    def __init__(self, context: Context, addresses: list[Address], socket_mode: int) -> None:
        self._context = context
        self._sockets = [_listen(address, socket_mode) for address in addresses]
        self._paths = [address.path for address in addresses if isinstance(address, UnixAddress)]
        self._drain = 0.0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._serve, name="gateway", daemon=True)
        self._thread.start()
        if not self._ready.wait(_START_SECONDS):
            raise Unavailable("the HTTP server did not start")
        if self._failed is not None:
            raise Unavailable("the HTTP server did not start") from self._failed

    @property
    def ports(self) -> list[int]:
        """The TCP ports listened on (an address with port 0 gets a free one)."""
        return [one.getsockname()[1] for one in self._sockets if one.family != socket.AF_UNIX]

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        runner = web.AppRunner(
            create_app(self._context),
            access_log=None,
            logger=_Discreet(_log),
            keepalive_timeout=_KEEP_ALIVE,
            shutdown_timeout=_STOP_SECONDS,
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_LINE,
        )
        try:
            self._loop.run_until_complete(self._start(runner))
        except Exception as error:  # noqa: BLE001  # told to the thread that starts the server
            self._failed = error
            self._ready.set()
            self._loop.close()
            return
        self._ready.set()
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(self._leave(runner))
            self._loop.run_until_complete(runner.cleanup())
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    async def _start(self, runner: web.AppRunner) -> None:
        await runner.setup()
        for one in self._sockets:
            await web.SockSite(runner, one, backlog=_BACKLOG).start()

    async def _leave(self, runner: web.AppRunner) -> None:
        """Takes no new connection, tells those that are kept that they end, and waits until nothing is under way."""
        self._context.draining = True
        if not self._drain:
            return
        for site in list(runner.sites):
            await site.stop()
        await events.stop(runner.app)
        end = self._loop.time() + self._drain
        quiet = self._loop.time() + min(_QUIET_SECONDS, self._drain)
        while self._loop.time() < end and (self._context.active or self._loop.time() < quiet):
            if self._context.active:
                quiet = self._loop.time() + _QUIET_SECONDS
            await asyncio.sleep(0.02)

    def stop(self, drain: float = 0.0) -> None:
        """Lets requests under way finish (for a few seconds), then closes everything. May be called twice. The drive
        stays open.

        `drain`: first, for at most so many seconds, serves on the connections that proxies keep, each for one more
        request, so that none of them meets a closed one.
        """
        self._drain = drain
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._context.close()
        for path in self._paths:
            path.unlink(missing_ok=True)
        self._paths = []


def run_in_thread(
    drive: Drive,
    *addresses: str,
    owner: int | None = None,
    token: str = "",
    hosts: frozenset[str] = frozenset(),
    socket_mode: int = 0o600,
    instance: str = "",
    gate: Gate | None = None,
    stored: Stored | None = None,
) -> Server:
    """Serves a drive at the addresses (`unix:PATH` or `HOST:PORT`) from a thread of its own.

    `owner` (None: this process's user) may do everything, and so may whoever shows `token` (which a TCP address
    needs). `socket_mode`: who may connect to the unix sockets; others than owner and root are held to file
    permissions. `instance` is the same for all servers whose events are numbered by one store. `gate`: whom further
    tokens let in. `stored`: where a trusted proxy finds blobs itself. Busy when an address is taken.
    """
    parsed = [parse_address(one) for one in addresses]
    if not token and any(not isinstance(one, UnixAddress) for one in parsed):
        raise InvalidArgument("a TCP address needs a token")
    context = Context(
        drive,
        owner=os.getuid() if owner is None else owner,
        token=token,
        hosts=hosts,
        instance=instance,
        gate=gate,
        stored=stored,
    )
    return Server(context, parsed, socket_mode)
