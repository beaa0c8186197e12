"""Who asks, for both bindings: `Caller` records made once for each process that comes by, not once for each request."""

from pathlib import Path

from graphfs.model import Caller

KEPT = 1024


class Callers:
    """Finds the `Caller` of a request by its user, group and process, with the process's supplementary groups."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, int], Caller] = {}

    def of(self, uid: int, gid: int, pid: int) -> Caller:
        """The caller; `pid` 0 (a process outside our sight, or the kernel itself) has no supplementary groups."""
        key = (uid, gid, pid)
        caller = self._known.get(key)
        if caller is None:
            if len(self._known) >= KEPT:
                self._known.clear()  # processes end: now and then asking the living again is cheaper than bookkeeping
            caller = self._known[key] = Caller(uid, gid, _groups(pid) if uid and pid else (), pid)
        return caller


def _groups(pid: int) -> tuple[int, ...]:
    try:
        status = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return ()  # it ended meanwhile: its own group is known from the request
    for line in status.splitlines():
        if line.startswith("Groups:"):
            return tuple(map(int, line.split()[1:]))
    return ()
