"""Which folders are lent to which mount, as far as the log was read: a table in memory, in step with it. The graph has
the same, for who must read everything anew.

Times are this process's own, counted from when it learned of a loan, which is never before the mount counts from: no
two clocks need agree. They go on only while the store answers (`Store.served`): while it is away no mount can tell.
What is handed back is counted, so that who has just read what is there can tell whether all of it was.
"""

from collections.abc import Callable, Collection, Iterable

from gateway.store.loans import LentStep, LoanStep
from graphfs.loans import LOAN_SECONDS

_MANY = 1000


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
        if len(self._until) > _MANY:
            self._until = {mount: until for mount, until in self._until.items() if until > now}

    def load(self, loans: Iterable[tuple[int, int]]) -> None:
        """A part of the log was not read: these folders are lent to these mounts. When each was heard of last nobody
        says, so all count from now."""
        mounts = dict(loans)
        self._until = dict.fromkeys(mounts.values(), self._clock() + LOAN_SECONDS)
        self._mounts = mounts

    def mount(self, folder: int) -> int:
        """Who has it; 0: nobody."""
        mount = self._mounts.get(folder, 0)
        return mount if mount and self._until.get(mount, 0.0) > self._clock() else 0

    def last(self, folder: int) -> int:
        """Who had it last and has not handed it back, be that over by now or not; 0: nobody. Others may have heard of
        the loan later, and believe in it for longer."""
        return self._mounts.get(folder, 0)

    def of(self, mounts: Collection[int]) -> list[int]:
        """Folders that these had last and have not handed back."""
        return [folder for folder, mount in list(self._mounts.items()) if mount in mounts]

    def over(self) -> list[int]:
        """Folders whose mounts were not heard of for so long that nobody has them, and which nobody handed back."""
        now = self._clock()
        return [folder for folder, mount in list(self._mounts.items()) if self._until.get(mount, 0.0) <= now]
