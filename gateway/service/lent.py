"""Which folders are lent to which mount, as far as the log was read: a table in memory, in step with it.

Times are this process's own, counted from when it learned of a loan, which is never before the mount counts from: no
two clocks need agree. They go on only while the store answers (`Store.served`): while it is away no mount can tell.
What is handed back is counted, so that who has just read what is there can tell whether all of it was.
"""

from collections.abc import Callable

from gateway.store.loans import LentStep, LoanStep
from graphfs.loans import LOAN_SECONDS

SOMEBODY = -1
"""A mount that nobody knows: the log was lost."""
_MANY = 10_000


class Lent(Exception):
    """A folder is lent to another mount than the one that asks. It never leaves the service."""

    def __init__(self, folder: int) -> None:
        super().__init__(folder)
        self.folder = folder


class LentFolders:
    """Told by one thread at a time; asked from any."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._mounts: dict[int, int] = {}
        self._until: dict[int, float] = {}
        self._lost_until = 0.0
        self.ended = 0
        """How many times folders were handed back."""

    def apply(self, step: LentStep | LoanStep) -> None:
        """What the log says."""
        now = self._clock()
        if step.mount:
            self._until[step.mount] = now + LOAN_SECONDS
        if isinstance(step, LoanStep):
            return
        if not step.mount:
            self.ended += 1
        for folder in step.folders:
            if step.mount:
                self._mounts[folder] = step.mount
            else:
                self._mounts.pop(folder, None)
        if len(self._mounts) > _MANY:
            self._until = {mount: until for mount, until in self._until.items() if until > now}
            self._mounts = {folder: mount for folder, mount in self._mounts.items() if mount in self._until}

    def lost(self) -> None:
        """A part of the log was not read: whatever may be lent counts as lent, until all loans of before are over."""
        self._lost_until = self._clock() + LOAN_SECONDS

    def mount(self, folder: int) -> int:
        """Who has it; 0: nobody."""
        mount = self._mounts.get(folder, 0)
        now = self._clock()
        if mount and self._until.get(mount, 0.0) > now:
            return mount
        return SOMEBODY if now < self._lost_until else 0
