"""The loop: leases jobs, keeps the leases alive, works, hands in. Knows nothing of files and models.

Whatever happens, a job ends in the queue or with an outcome: what was leased and not done is given back, and what is
not given back because
this process died returns by itself when its lease ends.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from graphfs.api import Drive
from graphfs.errors import Conflict, DriveError, NotFound, Unavailable
from graphfs.model import FROM_TAGGER, Event, EventKind, Job, JobState, Outcome
from tagger import retry
from tagger.arrivals import Arrivals
from tagger.knowledge import Knowledge
from tagger.pipeline import Desk, ModelUnavailable, Processor

_log = logging.getLogger(__name__)
_BATCH = 4
"""Jobs that one thread leases at a time: few, so that several workers share what there is."""
_BREATH = 0.2
"""Seconds between two looks for work that find none, at least."""
_AWAY = (Unavailable, Conflict)


class Worker:
    """Runs on threads of the caller (`work`) beside one of its own that keeps leases alive."""

    def __init__(
        self,
        drive: Drive,
        name: str,
        process: Processor,
        knowledge: Knowledge,
        *,
        lease_seconds: float = 60.0,
        share: float = 1.0,
    ) -> None:
        """`share`: of the time that each thread works while files pour in."""
        self._drive, self._name, self._process, self._knowledge = drive, name, process, knowledge
        self._lease, self._share = lease_seconds, share
        self._arrivals = Arrivals()
        self._stopping = threading.Event()
        self._wake = threading.Condition()
        self._signs = 0
        self._held: dict[int, Job] = {}
        self._lock = threading.Lock()
        self._model_failures = 0
        self._trial = threading.Lock()
        self._paused_until = 0.0
        self._paused_because = ""

    def hear(self, event: Event) -> None:
        """Takes an event of the drive. Quick."""
        if event.kind in (EventKind.TAGS, EventKind.RESET):
            self._knowledge.changed(by_person=event.origin != FROM_TAGGER)
        if event.kind is EventKind.JOBS and event.origin != FROM_TAGGER:
            self._arrivals.came()
        if event.kind in (EventKind.JOBS, EventKind.RESET):
            with self._wake:
                self._signs += 1
                self._wake.notify_all()

    def stop(self) -> None:
        """Asks all threads to end after the file that they have in hand."""
        self._stopping.set()
        with self._wake:
            self._wake.notify_all()

    def give_back(self) -> int:
        """Returns every job that is still held to the queue, uncounted; returns how many. What is handed in for them
        later is refused."""
        with self._lock:
            jobs = list(self._held.values())
            self._held.clear()
        for number, job in enumerate(jobs):
            try:
                self._drive.finish(job.file, job.lease, Outcome(JobState.QUEUED, counts=False, retry_after=0.0))
            except (Conflict, NotFound):
                continue
            except DriveError as error:
                _log.info("the drive is gone first (%s): %d leases end by themselves", error, len(jobs) - number)
                return number
        return len(jobs)

    def keep_leases(self) -> None:
        """Prolongs the leases that are held until `stop`; runs on a thread of its own."""
        while not self._stopping.wait(self._lease / 3):
            with self._lock:
                jobs = list(self._held.values())
            for job in jobs:
                try:
                    if not self._drive.heartbeat(job.file, job.lease, self._lease):
                        self._forget(job)
                except DriveError as error:
                    _log.info("a lease could not be prolonged: %s", error)

    def work(self, desk: Desk) -> None:
        """Works until `stop`."""
        empty = failures = 0
        while not self._stopping.is_set():
            if self._wait_while_paused():
                continue
            with self._allowed() as batch:
                if not batch:
                    continue
                signs = self._signs
                try:
                    jobs = self._drive.lease(self._name, batch, self._lease)
                    failures = 0
                except DriveError as error:
                    failures += 1
                    if failures == 5:
                        _log.info("the drive does not answer (%s); trying on", error)
                    self._stopping.wait(retry.reconnect(failures, random.random()))
                    continue
                if jobs:
                    empty = 0
                    self._attend(jobs, desk)
                else:
                    empty = self._rest(signs, empty)

    @contextmanager
    def _allowed(self) -> Iterator[int]:
        """How many jobs this thread may take now. While the model failed last, one thread tries one file at a time: the
        others wait for what comes of it."""
        if not self._model_failures:
            yield _BATCH
        elif self._trial.acquire(timeout=0.5):
            try:
                yield 1
            finally:
                self._trial.release()
        else:
            yield 0

    def _rest(self, signs: int, empty: int) -> int:
        """Waits for a sign of work, or for a while; how often nothing was there since the last sign. Signs come by the
        hundred while files pour in, and each look costs the drive a little: so it is never without a breath."""
        self._stopping.wait(_BREATH)
        self._make_way(_BREATH)
        with self._wake:
            if self._signs == signs and not self._stopping.is_set():
                self._wake.wait(retry.idle(empty))
            return 0 if self._signs != signs else empty + 1

    def _attend(self, jobs: list[Job], desk: Desk) -> None:
        with self._lock:
            self._held.update({job.file: job for job in jobs})
        for job in jobs:
            if self._stopping.is_set() or self._pause_left() > 0:
                self._hand_in(job, self._later())
            elif self._is_held(job):
                begun = time.monotonic()
                self._hand_in(job, self._attempt(job, desk))
                self._make_way(time.monotonic() - begun)

    def _make_way(self, worked: float) -> None:
        """While files pour in, rests so long that work takes no more than its share of the time."""
        end = time.monotonic() + worked * (1 / self._share - 1)
        while self._arrivals.pouring and (left := end - time.monotonic()) > 0:
            if self._stopping.wait(min(left, _BREATH)):
                break

    def _attempt(self, job: Job, desk: Desk) -> Outcome | None:
        """The outcome of an attempt; None when the drive lost interest in it."""
        try:
            outcome = self._process(job, desk)
        except ModelUnavailable as problem:
            self._pause(problem)
            return self._later()
        except NotFound:
            return Outcome(JobState.EXCLUDED, error="the file was gone")
        except _AWAY as error:
            _log.info("file %d: %s", job.file, error)
            return Outcome(JobState.QUEUED, counts=False, retry_after=1.0)
        except Exception as error:  # noqa: BLE001 - a file that finds a mistake of ours must not stop all others
            if self._stopping.is_set() and not self._is_held(job):
                return None  # it was given back, and its reading process ended under it
            _log.exception("file %d cannot be tagged", job.file)
            wait = retry.after_failure(job.attempts, random.random())
            return Outcome(JobState.FAILED, error=f"{type(error).__name__}: {error}"[:300], retry_after=wait)
        self._model_failures = 0
        return outcome

    def _pause(self, problem: ModelUnavailable) -> None:
        with self._lock:
            self._model_failures += 1
            wait = retry.after_unavailable(self._model_failures, problem.seconds, random.random())
            self._paused_until = max(self._paused_until, time.monotonic() + wait)
            self._paused_because = str(problem)
        level = logging.WARNING if problem.stands else logging.INFO
        _log.log(level, "tagging pauses for %.0f s: %s", wait, problem)

    def _pause_left(self) -> float:
        return max(0.0, self._paused_until - time.monotonic())

    def _later(self) -> Outcome:
        """Back to the queue, not counted; while paused with the reason, which `graphfs status` shows."""
        left = self._pause_left()
        return Outcome(JobState.QUEUED, counts=False, retry_after=left, error=self._paused_because if left else "")

    def _wait_while_paused(self) -> bool:
        left = self._pause_left()
        return left > 0 and not self._stopping.wait(min(left, 5.0))

    def _hand_in(self, job: Job, outcome: Outcome | None) -> None:
        """Hands in until the drive took it or the lease is over: the work was done, and a restarting drive is back
        soon."""
        end = time.monotonic() + self._lease
        failures = 0
        while outcome is not None:
            try:
                self._drive.finish(job.file, job.lease, outcome)
                break
            except (Conflict, NotFound) as error:
                _log.info("file %d: not taken: %s", job.file, error)
                break
            except DriveError as error:
                failures += 1
                if time.monotonic() > end or self._stopping.is_set():
                    _log.info("file %d: could not be handed in: %s", job.file, error)
                    break
                self._stopping.wait(retry.reconnect(failures, random.random()))
        self._forget(job)

    def _is_held(self, job: Job) -> bool:
        with self._lock:
            held = self._held.get(job.file)
            return held is not None and held.lease == job.lease

    def _forget(self, job: Job) -> None:
        with self._lock:
            held = self._held.get(job.file)
            if held is not None and held.lease == job.lease:
                del self._held[job.file]


def run_threads(
    worker: Worker, desks: list[Desk], stop: threading.Event, grace: float, each: Callable[[], None]
) -> bool:
    """Works with a thread a desk until `stop`; then waits up to `grace` seconds for what is in hand and gives back the
    rest. `each` is called about once a minute meanwhile. False when a thread ended by itself: that is a mistake of
    ours, and a fresh process is the way out of it.
    """
    threads = [threading.Thread(target=worker.work, args=(desk,), name="work", daemon=True) for desk in desks]
    threads.append(threading.Thread(target=worker.keep_leases, name="leases", daemon=True))
    for thread in threads:
        thread.start()
    seconds, well = 0, True
    while well and not stop.wait(1.0):
        seconds += 1
        if seconds % 60 == 0:
            each()
        well = all(thread.is_alive() for thread in threads)
    worker.stop()
    end = time.monotonic() + grace
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    worker.give_back()
    return well
