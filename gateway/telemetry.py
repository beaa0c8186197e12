"""What a server tells of the requests it serves: an id for each, a line in the log, figures for Prometheus.

The id is the client's or the proxy's (X-Request-ID) when it looks like one, else a new one; it is in every record that
is logged on behalf of the request, and in the reply. No record holds a token, a name or a content.
"""

import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar

from aiohttp import web
from aiohttp.typedefs import Middleware
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from gateway.context import Context
from graphfs import __version__, wire

_log = logging.getLogger("gateway.access")
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that this code works for; empty outside of one."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _bytes_of(request: web.Request, response: web.StreamResponse) -> int:
    """How long the reply's body is, or was."""
    if response.prepared:
        return request.writer.output_size  # its head too, which is little
    return 0 if request.method == "HEAD" else response.content_length or 0


class Telemetry:
    """The figures of one server. Never global: a process may have several servers."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._seconds = Histogram(
            "graphfs_request_seconds",
            "How long requests took, by what was asked. A poll or a stream of events counts in full.",
            ("method", "route", "status"),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._received = Counter("graphfs_received_bytes", "Bytes of bodies received.", registry=self._registry)
        self._sent = Counter("graphfs_sent_bytes", "Bytes of bodies sent.", registry=self._registry)
        active = Gauge("graphfs_requests_active", "Requests under way.", registry=self._registry)
        active.set_function(lambda: context.active)
        waiting = Gauge("graphfs_calls_waiting", "Calls that wait for a thread or run in one.", registry=self._registry)
        waiting.set_function(lambda: context.waiting)
        Gauge("graphfs_build_info", "1; the version is the label.", ("version",), registry=self._registry).labels(
            __version__
        ).set(1)

    def middleware(self) -> Middleware:
        """The outermost middleware: what it sees is what the client gets."""

        @web.middleware
        async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
            given = request.headers.get(wire.REQUEST_HEADER, "")
            number = given if _ID.fullmatch(given) else secrets.token_hex(8)
            token = REQUEST_ID.set(number)
            context = self._context
            context.active += 1
            began = time.perf_counter()
            status, sent = 499, 0  # the client went away
            try:
                response = await handler(request)
                status, sent = response.status, _bytes_of(request, response)
                if not response.prepared:
                    response.headers[wire.REQUEST_HEADER] = number
                    if context.draining:
                        response.force_close()
                return response
            finally:
                context.active -= 1
                self._record(request, status, time.perf_counter() - began, sent)
                REQUEST_ID.reset(token)

        return observe

    def _record(self, request: web.Request, status: int, seconds: float, sent: int) -> None:
        resource = request.match_info.route.resource
        route = resource.canonical if resource else "none"
        self._seconds.labels(request.method if resource else "", route, status).observe(seconds)
        self._received.inc(request.content.total_bytes)
        self._sent.inc(sent)
        if _log.isEnabledFor(logging.INFO):
            _log.info(
                "%s %s %d",
                request.method,
                route,
                status,
                extra={"method": request.method, "route": route, "status": status, "ms": round(seconds * 1000, 2)},
            )

    def handler(self) -> Handler:
        """GET /metrics."""

        async def handle(request: web.Request) -> web.StreamResponse:
            return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

        return handle
