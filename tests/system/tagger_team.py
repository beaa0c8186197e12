"""What holds of several taggers on one drive, whoever started them: jobs are spread, each is done once, a killed one's
are taken over, and one that slept through the end of its leases spoils nothing."""

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Sequence

from gateway.app import run_in_thread
from graphfs.model import Job, JobState, Outcome
from tests.system.tagger_drive import OWNER, TaggedDrive

FILES = 240


class Book:
    """Who was given what, and whose work was taken."""

    def __init__(self, drive: TaggedDrive) -> None:
        self._lock = threading.Lock()
        self.given: dict[str, list[int]] = {}
        self._whose: dict[str, str] = {}
        self.done: dict[int, str] = {}
        self.refused: Counter[str] = Counter()
        self._lease, self._finish = drive.service.lease, drive.service.finish
        drive.service.lease = self._leases  # type: ignore[method-assign]  # it is looked on, and otherwise as it was
        drive.service.finish = self._finishes  # type: ignore[method-assign]  # as above
        drive.server.stop()
        drive.server = run_in_thread(drive.service, drive.address, token="t")

    def _leases(self, worker: str, limit: int, seconds: float) -> list[Job]:
        jobs = self._lease(worker, limit, seconds)
        with self._lock:
            self.given.setdefault(worker, []).extend(job.file for job in jobs)
            self._whose |= {job.lease: worker for job in jobs}
        return jobs

    def _finishes(self, file: int, lease: str, outcome: Outcome) -> JobState:
        try:
            state = self._finish(file, lease, outcome)
        except BaseException:
            with self._lock:
                self.refused[self._whose[lease]] += 1
            raise
        with self._lock:
            if outcome.state is JobState.TAGGED:
                assert file not in self.done, "done twice"
                self.done[file] = self._whose[lease]
        return state

    def left(self, pid: int) -> set[int]:
        """What the worker in a process was given and has not done."""
        with self._lock:
            return {
                file
                for worker, files in self.given.items()
                if worker.endswith(f"-{pid}")
                for file in files
                if self.done.get(file) != worker
            }


def share_and_take_over(drive: TaggedDrive, start: Callable[[], Sequence[int]]) -> Book:
    """`start` starts three and returns their processes, by id."""
    book = Book(drive)
    drive.service.pause(OWNER, True)
    nodes = [drive.write(f"d{number % 8}/f{number}.txt", b"words about bread %d" % number) for number in range(FILES)]
    killed, slept, _ = start()
    drive.wait(lambda: len(book.given) == 3)  # all of them ask for work
    drive.service.pause(OWNER, False)
    drive.wait(lambda: bool(book.left(killed)) and bool(book.left(slept)))
    os.kill(slept, signal.SIGSTOP)
    os.kill(killed, signal.SIGKILL)
    lost, held = book.left(killed), book.left(slept)
    assert lost
    assert held
    drive.wait(lambda: all(drive.state_of(node) is JobState.TAGGED for node in nodes), 180.0)
    os.kill(slept, signal.SIGCONT)
    assert all(not book.done[file].endswith((f"-{killed}", f"-{slept}")) for file in lost)
    # What it had in hand when it was stopped, and hands in now, belongs to others.
    drive.wait(lambda: book.refused.total() > 0)
    assert {worker.rpartition("-")[2] for worker in book.refused} == {str(slept)}
    assert sorted(book.done) == sorted(node.file for node in nodes)
    assert all({"type/text"} <= drive.tags_of(node) for node in nodes)
    return book
