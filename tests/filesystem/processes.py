"""Other processes of a test: forked children that run a function, also as another user. Not a mount (see `drives`)."""

import os
import pickle
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")

ALICE = 12001
"""A user and a group that no machine has: only numbers matter to a file system."""
BOB = 12002
CREW = 12100
"""A group that both can be put into."""


@dataclass(frozen=True)
class Person:
    """Who a child process is."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


class Child(Generic[T]):
    """A forked process that runs `work`; `result` waits for it and returns or raises what it did.

    Used as a context manager it is ended and reaped whatever happens.
    """

    def __init__(self, work: Callable[[], T], person: Person | None = None) -> None:
        self._reader, writer = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._reader)
            self._run(work, person, writer)
        os.close(writer)
        self._reaped = False

    @staticmethod
    def _run(work: Callable[[], T], person: Person | None, writer: int) -> None:
        outcome: tuple[bool, object]
        try:
            if person is not None:
                os.setgroups(person.groups)
                os.setresgid(person.gid, person.gid, person.gid)
                os.setresuid(person.uid, person.uid, person.uid)
            outcome = (True, work())
        except BaseException as error:  # noqa: BLE001  # the child must never return into pytest
            outcome = (False, error)
        with open(writer, "wb") as stream:
            stream.write(pickle.dumps(outcome))
        os._exit(0)

    def result(self) -> T:
        with open(self._reader, "rb", closefd=False) as stream:
            data = stream.read()
        self._reap()
        if not data:
            raise RuntimeError("the child process died")
        good, value = pickle.loads(data)  # written by our own child
        if not good:
            raise value
        return value  # type: ignore[no-any-return]  # pickle does not carry T

    def _reap(self) -> None:
        if not self._reaped:
            os.waitpid(self.pid, 0)
            self._reaped = True
            os.close(self._reader)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._reaped:
            os.kill(self.pid, signal.SIGKILL)
            self._reap()


def run_as(person: Person, work: Callable[[], T]) -> T:
    """Runs `work` in a child process as `person`; returns its value or raises its exception."""
    with Child(work, person) as child:
        return child.result()


def run_apart(work: Callable[[], T]) -> T:
    """Runs `work` in another process of the same user."""
    with Child(work) as child:
        return child.result()
