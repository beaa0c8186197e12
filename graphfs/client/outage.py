"""Whether a server is away, and how long that is waited for: all calls of one client share the wait.

Without patience there is no outage: every call finds out by itself, as a command does that ends soon anyway.
"""

import math
import threading
import time
from collections.abc import Callable

from graphfs.errors import Unavailable


class Outage:
    """Counts from the first attempt that failed. Thread-safe."""

    def __init__(self, patience: float = 0.0) -> None:
        """`patience`: seconds for which calls wait for a server that went away; later ones fail at once until it is
        back. 0: there is no memory."""
        self.patience = patience
        self._since: float | None = None
        self._heard = 0.0
        """When it last said something."""
        self._given_up = False
        self.met = False
        """Whether the server ever answered: one that never did is not waited for."""
        self._lock = threading.Lock()
        self._listeners: list[Callable[[bool], None]] = []

    def watch(self, listener: Callable[[bool], None]) -> None:
        """`listener(True)` when the server is missed, `listener(False)` when it is back. It must be quick."""
        self._listeners.append(listener)

    @property
    def away(self) -> bool:
        """Whether it has been away for longer than one waits."""
        since = self._since
        return since is not None and (self._given_up or time.monotonic() - since >= self.patience)

    @property
    def seconds(self) -> float:
        """How long it has been away; 0: it is there."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since

    def check(self) -> None:
        """Unavailable when it has been away for too long to wait again."""
        if self.away:
            raise Unavailable(f"the server has not answered for {self.seconds:.0f} s")

    def deadline(self, wanted: float) -> float:
        """Until when to wait: not beyond the patience with this outage."""
        since = self._since
        return wanted if since is None else min(wanted, since + self.patience)

    def failed(self, begun: float) -> None:
        """An attempt that began then found no server. One that others were answered after was with a server that hangs
        behind a proxy, while another one goes on."""
        if not self.patience:
            return
        with self._lock:
            if self._since is not None:
                return
            self._since = max(begun, self._heard)
        for listener in self._listeners:
            listener(True)

    def give_up(self, begun: float = math.inf) -> None:
        """Somebody has waited since then, as long as one waits; it says nothing if others were answered."""
        self._given_up = self._since is not None and self._heard <= begun

    def answered(self) -> None:
        """The server said something."""
        self.met = True
        self._heard = time.monotonic()
        if self._since is None:
            return
        with self._lock:
            self._since = None
            self._given_up = False
        for listener in self._listeners:
            listener(False)
