"""Events to whoever waits for them: a long poll and Server-Sent Events. A waiter costs no thread, and nobody waiting
costs nothing."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from gateway.context import CALLER, CLIENT_PATIENCE, CONTEXT, SHOWN, Context
from gateway.handlers import permissions
from graphfs import wire
from graphfs.errors import InvalidArgument, Unavailable
from graphfs.model import Event

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

LONGEST_POLL = 60.0
"""Seconds after which a poll is answered with nothing."""
_STREAM_PULSE = 15.0
"""Seconds between comments on an idle stream, so that a dead one is noticed."""
MOST_WAITERS = 1000


class Waiters:
    """Who waits for the next event. The drive tells it of every change; it wakes them on the loop."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._waiting: set[asyncio.Future[None]] = set()
        self._called = False
        self.closed = False
        self._stop = context.drive.subscribe(self._changed)

    def _changed(self, event: Event) -> None:
        # On the thread that made the change: with nobody waiting, or the loop called already, this is all.
        if self._waiting and not self._called:
            self._called = True
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._called = False
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def after(self, number: int, timeout: float) -> list[Event]:
        """Events later than `number`, as `Drive.events` says."""
        events = self._context.drive.events
        if number < 0:
            return events(-1, 0)
        if len(self._waiting) >= MOST_WAITERS:
            raise Unavailable("too many wait for events")
        deadline = self._loop.time() + timeout
        while True:
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._waiting.add(waiter)
            try:
                # Asked after the waiter is known: what comes from now on wakes it.
                found = events(number, 0)
                left = deadline - self._loop.time()
                if found or left <= 0 or self.closed:
                    return found
                await asyncio.wait((waiter,), timeout=left)
            finally:
                self._waiting.discard(waiter)

    def close(self) -> None:
        """Answers all who wait, with what there is. May be called twice."""
        if self.closed:
            return
        self.closed = True
        self._stop()
        self._wake()


WAITERS: web.AppKey[Waiters] = web.AppKey("waiters", Waiters)


def _admit(request: web.Request, context: Context, operation: wire.Operation) -> None:
    if not context.owns(request[CALLER]):
        permissions.check(context.drive, request[CALLER], operation.name, {})


def poll_handler(context: Context, operation: wire.Operation) -> Handler:
    """The long poll."""

    async def handle(request: web.Request) -> web.StreamResponse:
        values = wire.arguments(operation, {}, request.rel_url.raw_query_string, b"")
        _admit(request, context, operation)
        found = await request.app[WAITERS].after(values["after"], min(values["timeout"], LONGEST_POLL))
        headers = {wire.INSTANCE_HEADER: context.instance, "Cache-Control": "no-store"}
        return web.Response(body=wire.reply(operation, found), content_type="application/json", headers=headers)

    return handle


def stream_handler(context: Context, operation: wire.Operation) -> Handler:
    """Server-Sent Events."""

    async def handle(request: web.Request) -> web.StreamResponse:
        values = wire.arguments(operation, {}, request.rel_url.raw_query_string, b"")
        _admit(request, context, operation)
        last = request.headers.get("Last-Event-ID", "")
        if last and not (last.isascii() and last.isdecimal() and len(last) <= 18):
            raise InvalidArgument("Last-Event-ID is not a number of an event")
        after = int(last) if last else values["after"]
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
                wire.INSTANCE_HEADER: context.instance,
            }
        )
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        waiters = request.app[WAITERS]
        while not waiters.closed:
            found = await waiters.after(after, _STREAM_PULSE)
            if request[SHOWN] and await context.admitted(request[SHOWN]) is None:
                break  # the token was revoked meanwhile
            text = b"".join(b"id: %d\ndata: %s\n\n" % (event.seq, wire.encode(event)) for event in found)
            async with asyncio.timeout(CLIENT_PATIENCE):
                await response.write(text or b": still here\n\n")
            after = found[-1].seq if found else after
        return response

    return handle


async def start(app: web.Application) -> None:
    """Before an application serves."""
    app[WAITERS] = Waiters(app[CONTEXT])


async def stop(app: web.Application) -> None:
    """When it ends."""
    app[WAITERS].close()
