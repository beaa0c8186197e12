"""Whose drive a state directory is for: this machine's own, or a server's. What was staged for one goes to no other."""

from pathlib import Path

from graphfs.cache.journal import FILE, unsent
from graphfs.errors import InvalidArgument
from graphfs.vfs.staging import left

OWN = "this machine"
HOME = Path("run", "home")
"""In the state directory: the drive that it was used for last."""


def settle(state: Path, home: str, staging: Path) -> None:
    """Notes that the state directory is for the drive `home` from now on (`OWN` or an address). InvalidArgument when
    it holds what was written to another drive and did not get there yet."""
    note = state / HOME
    before = note.read_text(encoding="utf-8").strip() if note.exists() else home
    waiting = len(left(staging)) + len(unsent(state / FILE))
    if before != home and waiting:
        raise InvalidArgument(
            f"the state directory {state} holds {waiting} unsent change{'s' if waiting > 1 else ''} for the drive of "
            f"{before}: mount that one with it once more, so that they are sent, or choose another --state for {home}"
        )
    new = note.with_suffix(".new")
    new.write_text(f"{home}\n", encoding="utf-8")
    new.replace(note)
