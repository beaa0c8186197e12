"""A drive that nobody serves, opened by the command itself. The one room of the command line that knows the gateway."""

import os
from pathlib import Path

from gateway.service import open_service
from graphfs.api import Drive
from graphfs.config import load
from graphfs.errors import NotFound
from graphfs.mounting.state import StateLock, prepare_state

DATABASE = "graph.sqlite"


def open_drive(state: Path) -> Drive:
    """The drive of a state directory, for this process alone (the lock is held until it ends). NotFound (there is
    none), Busy (who has it is in the message), TooNew, Corrupt."""
    if not (state / DATABASE).exists():
        raise NotFound(f"{state} holds no drive: `graphfs mount DIR --state {state}` makes one")
    prepare_state(state)
    StateLock(state, "a graphfs command")
    settings = state / "config.yaml"
    return open_service(state, load(settings if settings.exists() else None, os.environ))
