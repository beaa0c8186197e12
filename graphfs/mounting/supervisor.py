"""Keeps one program running beside the mount: starts it, starts it again when it ends, with growing pauses, and ends it
with the mount."""

import logging
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds before it is started again; the pause doubles with every end that comes soon."""
STEADY = 60.0
"""Seconds after which a run counts as good: the next pause is the first one again."""
PATIENCE = 10.0
"""Seconds between asking it to end and ending it."""


class Supervisor:
    """A program that runs as long as this object is not stopped. Its output goes to a file."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        output: Path,
        environment: Mapping[str, str],
        *,
        first_pause: float = FIRST_PAUSE,
        steady: float = STEADY,
    ) -> None:
        self._name = name
        self._command = list(command)
        self._output = output
        self._environment = dict(environment)
        self._first_pause = first_pause
        self._steady = steady
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends the program (politely first) and returns when it has ended. May be called without a start."""
        self._stopping.set()
        with self._changed:
            process = self._process
        if process is not None:
            self._end(process)
        if self._thread.is_alive():
            self._thread.join()

    def await_start(self, number: int, timeout: float) -> int:
        """The pid of the `number`th start, once it has happened; 0 when it has not in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._starts >= number, timeout)
            return self._process.pid if self._process is not None and self._starts >= number else 0

    def _run(self) -> None:
        # What a thread holds back its programs hold back for good, and libfuse's threads hold back the wish to end.
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        pause = self._first_pause
        while not self._stopping.is_set():
            began = time.monotonic()
            status = self._once()
            if self._stopping.is_set():
                return
            if time.monotonic() - began >= self._steady:
                pause = self._first_pause
            log.warning("%s ended with %s; it is started again in %.0f s", self._name, status, pause)
            self._stopping.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _once(self) -> str:
        """One run; how it ended, in words."""
        try:
            with self._output.open("ab") as output, self._changed:
                if self._stopping.is_set():
                    return "a stop"
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=self._environment,
                    cwd="/",
                    start_new_session=True,
                )
                self._starts += 1
                self._changed.notify_all()
                process = self._process
        except OSError as error:
            return f"{error.strerror}"
        status = process.wait()
        return f"signal {-status}" if status < 0 else f"status {status}"

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            log.warning("%s did not end within %.0f s and is killed", self._name, PATIENCE)
            process.kill()
            process.wait()
