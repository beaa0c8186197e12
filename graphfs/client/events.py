"""Events pushed to listeners in this process, fetched by one thread. It goes on where it was after a break, or says
RESET."""

import logging
import threading
import time
from collections.abc import Callable

from graphfs import wire
from graphfs.client.asker import Asker
from graphfs.client.connection import Connection
from graphfs.errors import DriveError
from graphfs.model import Event, EventKind

_log = logging.getLogger(__name__)
_POLL_SECONDS = 30.0
_PATIENT_SECONDS, _PATIENT_GRACE = 2.5, 3.0
"""Of who waits for a server that is away: how long one poll is, and how much later its answer may come. A server that
hangs behind a proxy is noticed by that, and what others want of this client (a lent folder) must not wait longer."""
_LONGEST_PAUSE = 2.0
"""Seconds between attempts to reach a server that is away: a change is seen this late at most once it is back."""
_GATHER = 0.05
"""Seconds after events in which no more are asked for: what changes by itself is told at once, and thousands of changes
a second do not cost the server a poll each."""

Listener = Callable[[Event], None]
_OPERATION = wire.OPERATIONS["events"]
_INSTANCE = wire.INSTANCE_HEADER.lower().encode()


class Follower:
    """Follows a server's events while somebody listens."""

    def __init__(self, asker: Asker, timeout: float) -> None:
        self._asker = asker
        # Who waits for a server that is away learns by this poll that it is away, and that it is back.
        patience = asker.outage.patience
        self._seconds = min(_PATIENT_SECONDS, patience / 2) if patience else _POLL_SECONDS
        self._grace = min(timeout, _PATIENT_GRACE if patience else _POLL_SECONDS)
        asker.outage.watch(self._outage)
        self._timeout = timeout
        self._listeners: list[Listener] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._connection: Connection | None = None
        self._interrupted = False
        """Whether a poll was broken off only to ask at once whether the server is there."""
        self._after = -1
        self._instance = b""

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """What happens from now on is told to `listener`, on the follower's thread. Returns the way to stop.
        Unavailable when the server cannot be reached now."""
        with self._lock:
            if self._thread is None:
                self._catch_up()
                self._thread = threading.Thread(target=self._follow, name="events", daemon=True)
                self._listeners = [listener]
                self._thread.start()
            else:
                self._listeners = [*self._listeners, listener]

        def stop() -> None:
            with self._lock:
                self._listeners = [one for one in self._listeners if one is not listener]

        return stop

    def _catch_up(self) -> None:
        """From now on, whatever was before."""
        self._after = self._poll(-1, 0.0)[-1].seq

    def _poll(self, after: int, seconds: float) -> list[Event]:
        begun = time.monotonic()
        deadline = begun + seconds + self._grace
        if not self._asker.outage.away:
            deadline = self._asker.outage.deadline(deadline)
        if self._connection is None:
            try:
                self._connection = self._asker.connection(deadline)
            except DriveError:
                self._missed(begun)
                raise
        try:
            reply = self._asker.exchange(
                _OPERATION, None, {"after": after, "timeout": seconds}, None, deadline, self._connection
            )
        except DriveError:
            self._connection.close()
            self._connection = None
            self._missed(begun)
            raise
        self._asker.outage.answered()
        instance = reply.headers.get(_INSTANCE, b"")
        if after >= 0 and instance != self._instance:
            # Another run of the server: its numbers may have begun again.
            self._instance = instance
            newest: list[Event] = self._poll(-1, 0.0)
            return [Event(newest[-1].seq, EventKind.RESET)]
        self._instance = instance
        found: list[Event] = wire.answer(_OPERATION, reply.body)
        return found

    def _missed(self, begun: float) -> None:
        """A poll failed. It is what tells a server that takes long for one call from one that answers nobody."""
        if self._interrupted:
            return
        outage = self._asker.outage
        outage.failed(begun)
        if outage.away:
            self._asker.give_up()

    def _follow(self) -> None:
        pause = 0.05
        while not self._stop.is_set():
            try:
                events = self._poll(self._after, 0.0 if self._asker.outage.seconds else self._seconds)
            except DriveError as error:
                if self._interrupted:
                    self._interrupted = False
                    continue
                if not self._stop.is_set():
                    _log.info("events are not followed now: %s", error)
                self._stop.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            pause, self._interrupted = 0.05, False
            for event in events:
                self._tell(event)
            if events:
                self._after = events[-1].seq
                self._stop.wait(_GATHER)
        if self._connection is not None:
            self._connection.close()

    def _outage(self, away: bool) -> None:
        """Somebody's call found no server: a poll under way may wait for a reply that never comes."""
        connection = self._connection
        if away and connection is not None and self._thread is not threading.current_thread():
            self._interrupted = True
            connection.abort()

    def _tell(self, event: Event) -> None:
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:  # noqa: BLE001  # one listener must not end the others
                _log.exception("a listener failed on %s", event)

    def close(self) -> None:
        """Stops and waits for the thread."""
        self._stop.set()
        with self._lock:
            thread, connection = self._thread, self._connection
        if connection is not None:
            connection.abort()
        if thread is not None and thread is not threading.current_thread():
            thread.join(self._timeout)
