"""Other processes, as tests treat them."""

import os
import signal
from pathlib import Path

from tests.contracts.ground import eventually


def suspend(process: int) -> None:
    """Stops it, and returns when none of its threads runs any more: each goes on until it is told, which on a busy
    machine is long enough for an answer."""
    os.kill(process, signal.SIGSTOP)
    threads = Path(f"/proc/{process}/task")

    def stopped() -> bool:
        return all(
            (one / "stat").read_text().rpartition(")")[2].split()[0] == "T" for one in threads.iterdir() if one.exists()
        )

    eventually(stopped, 10)
