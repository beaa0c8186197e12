"""By what a mount recognises its own changes among the events of a drive that others change too.

Processes of two machines may have the same number, so a mount that is not alone stamps its callers: the number of the
mount, whether the change is more than its kernel asked for, and the process.
"""

from functools import lru_cache
from threading import local

import msgspec

from graphfs.loans import MOUNT_SHIFT, mount_of
from graphfs.model import (
    Caller,
)

PID_BITS = 22
"""The kernel's most: /proc/sys/kernel/pid_max is at most 2**22."""
INDIRECT = 1 << PID_BITS
assert MOUNT_SHIFT > PID_BITS
MOUNT_BITS = 30


class _Here(local):
    """What is known of a thread."""

    ours = False
    """It has served a call of our kernel (those of a server never do)."""
    indirect = False


class Origins:
    """The stamp of one mount. `number` is drawn anew for each mount."""

    def __init__(self, number: int) -> None:
        self._mount = (number % (2**MOUNT_BITS - 1) + 1) << MOUNT_SHIFT
        self._here = _Here()
        self._stamped = lru_cache(maxsize=1024)(self._stamp)

    def indirectly(self, indirect: bool) -> None:
        """What changes on this thread from now on is, or is not, more than the kernel asked for."""
        self._here.indirect = indirect

    def own(self) -> None:
        """This thread serves our kernel."""
        self._here.ours = True

    def stamp(self, caller: Caller) -> Caller:
        """The caller as the server is told of it: its `pid` is one that no other mount has."""
        return self._stamped(caller, self._here.indirect or not self._here.ours)

    def _stamp(self, caller: Caller, indirect: bool) -> Caller:
        pid = self._mount | (INDIRECT if indirect else 0) | caller.pid % INDIRECT
        return msgspec.structs.replace(caller, pid=pid)

    def mine(self, origin: int) -> bool:
        """Whether this mount made the change."""
        return mount_of(origin) == mount_of(self._mount)

    def known(self, origin: int) -> bool:
        """Whether this mount's kernel made the change, and so knows of it."""
        return self.mine(origin) and not origin & INDIRECT
