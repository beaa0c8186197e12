"""The service: all parts of the boundary in one object, and how one is opened over a state directory."""

import logging
import os
import shutil
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

from pyroaring import BitMap64

from gateway.blobs.base import Blobs
from gateway.blobs.engine import open_blobs
from gateway.blobs.local import LocalBlobs
from gateway.service import repeats
from gateway.service.access import AccessPart
from gateway.service.care import CarePart, Sweeper
from gateway.service.content import SpacePart
from gateway.service.core import Settings, again
from gateway.service.jobs import JobPart
from gateway.service.journal import JournalPart
from gateway.service.loans import LoanPart
from gateway.service.locks import LockPart
from gateway.service.turns import Pace, Turns
from gateway.service.views import ViewPart
from gateway.service.xattrs import XattrPart
from gateway.store.base import Store
from gateway.store.engine import open_store
from gateway.store.tables import UNFINISHED
from graphfs.config import Config
from graphfs.errors import Busy, DriveError
from graphfs.model import Caller, Event

_log = logging.getLogger(__name__)
_FLUSH_EVERY = 5.0
_RESERVE = 16 << 20


class Service(ViewPart, JournalPart, JobPart, CarePart, LoanPart, SpacePart, AccessPart, LockPart, XattrPart):
    """Implements `graphfs.api.Drive` in process."""

    def __init__(
        self,
        store: Store,
        blobs: Blobs,
        settings: Settings,
        folder: Path,
        reserve: int = 0,
    ) -> None:
        super().__init__(store, blobs, settings)
        self.space_folder = str(folder)
        self.space_reserve = reserve
        self._answers, self._paths = OrderedDict(), {}
        self._arrived = (-1, 0, BitMap64())
        self._seen_folders = set()
        self.reviewed = {}
        self.turns, self.pace = Turns(), Pace()
        self._candidates = set()
        self._clear_forsaken()
        self._sweepers = [
            Sweeper("flush", self._flush, _FLUSH_EVERY),
            Sweeper("sweep", self._sweep, settings.sweep_every),
        ]
        store.on_lost(self.read_anew)
        self._swept = self.clock()
        self._closed = False

    def _clear_forsaken(self) -> None:
        """What was held by a process that is gone."""
        for node in self.forsaken():
            self._erased(node, True)

    def _flush(self) -> None:
        """Closed files become durable soon, asked or not."""
        try:
            self.sync()
        except DriveError as error:
            _log.warning("what was written could not be made durable yet: %s", error)

    def _sweep(self) -> None:
        try:
            self.erase_blobs()
            self._forget_keys()
            self.forget_locks()
            self.end_loans()
            if self.clock() - self._swept > 3600 * 10**9:
                self._swept = self.clock()
                self._clear_forsaken()
                self.gc(Caller(uid=0, gid=0, actor="sweep"))
        except DriveError as error:
            _log.warning("sweeping failed, it is tried again: %s", error)

    @again
    def _forget_keys(self) -> None:
        with self.change(Caller(uid=0, gid=0)) as change:
            change.tx.forget_done(change.now - repeats.KEPT)

    @again
    def accessed(self, times: Sequence[tuple[int, int]]) -> None:
        with self.change(Caller(uid=0, gid=0)) as change:
            change.tx.set_accessed(times)

    def events(self, after: int, timeout: float) -> list[Event]:
        if timeout > 0 and self.store.shared and after >= self.publisher.newest:
            # Another server's change may be there already: it is not waited for until the log is read next.
            self.store.caught_up()
        return self.publisher.events(after, timeout)

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        return self.publisher.subscribe(listener)

    @property
    def stored(self) -> Callable[[bytes], tuple[str, int]] | None:
        """Tells where a blob's file is below the blobs' folder, and its size. None: these blobs are not files."""
        return self.blobs.stored if isinstance(self.blobs, LocalBlobs) else None

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for sweeper in self._sweepers:
            sweeper.stop()
        self.sync()
        self.blobs.close()
        self.store.close()


def settings_from(config: Config, owner: int, *, away: bool = False) -> Settings:
    """What of the configuration concerns the service. `away`: see `Settings`."""
    return Settings(
        inline_limit=config.store.inline_limit,
        chunk_size=config.store.chunk_size,
        settle=config.jobs.settle_seconds,
        max_attempts=config.jobs.max_attempts,
        backoff=config.jobs.backoff_seconds,
        backoff_max=config.jobs.backoff_max_seconds,
        retention=config.trash.retention_days * 86400.0,
        apply_at=config.tagger.apply_at,
        review_at=config.tagger.review_at,
        facet_minimum=config.tags.facet_minimum,
        facet_depth=config.tags.facet_depth,
        facet_folders=config.tags.facet_folders,
        recent=config.tags.recent_days * 86400.0,
        owner=owner,
        away=away,
        lends=config.store.lend_folders,
    )


def open_service(
    state: Path,
    config: Config,
    owner: int | None = None,
    clock: Callable[[], int] = time.time_ns,
    *,
    away: bool = False,
) -> Service:
    """The drive of a state directory, made when it is empty. `away`: its mounts are on other machines. `clock`: this
    machine's; main servers that share a graph go by that of its server. TooNew, Busy, Corrupt, NoSpace."""
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    if (state / UNFINISHED).exists():
        raise Busy(
            f"a move of the drive in {state} is not finished: give the same `graphfs migrate` once more. To give it up "
            f"where this is the drive that was moved from, remove {state / UNFINISHED}"
        )
    store = open_store(config.store, config.neo4j, state, clock)
    # The database keeps some room of its own, so that deleting works on a full disk.
    reserve = min(_RESERVE, shutil.disk_usage(state).total // 20)
    blobs = open_blobs(config.blobs, state, reserve)
    settings = settings_from(config, os.getuid() if owner is None else owner, away=away)
    return Service(store, blobs, settings, state, reserve)
