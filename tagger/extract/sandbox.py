"""The near side of the reading process: keeps one running, gives it files, and turns whatever happens there into an
Extract.

A file that crashes, hangs or eats its reader costs one bounded attempt and comes back with its type and the reason.
It is not a defence
against a kernel bug: the reader runs as the same user, with limits, without secrets in its environment.
"""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

import msgspec

import tagger
from tagger.extract.child import Reply, Request
from tagger.extract.frames import PipeClosed, PipeTimeout, TooMuch, receive, send
from tagger.extract.result import Extract, Kind, Limits, Source

_KEPT = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "SYSTEMROOT",
    "VIRTUAL_ENV",
    "MAGIC",
)
_GRACE = 10.0
_START = 60.0


class Sandbox:
    """One reading process, started when first needed and again when it died. Not for several threads at once."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._process: subprocess.Popen[bytes] | None = None

    def extract(self, source: Source) -> Extract:
        """What the file says. Never raises because of the file: `Extract.error` tells what went wrong."""
        fresh = self._process is None or self._process.poll() is not None
        process = self._running()
        deadline = time.monotonic() + self._limits.wall_seconds + _GRACE + (_START if fresh else 0.0)
        request = msgspec.msgpack.encode(Request(source, self._limits))
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            send(process.stdin.fileno(), request)
            answer = receive(process.stdout.fileno(), self._limits.answer_bytes + 4096, deadline)
            reply = msgspec.msgpack.decode(answer, type=Reply)
        except (PipeClosed, PipeTimeout, TooMuch, msgspec.MsgspecError) as problem:
            self.close()
            return Extract(
                Kind.OTHER, "application/octet-stream", error=f"the reader was lost ({type(problem).__name__})"
            )
        if reply.extract is not None:
            return reply.extract
        sniffed = reply.sniffed
        if sniffed is None:
            return Extract(Kind.OTHER, "application/octet-stream", not_looked_at=("content",), error=reply.error)
        return Extract(
            sniffed.kind, sniffed.media_type, looked_at=("type",), not_looked_at=("content",), error=reply.error
        )

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            root = str(Path(tagger.__file__).resolve().parents[1])
            environment = {name: os.environ[name] for name in _KEPT if name in os.environ} | {
                "PYTHONPATH": root,
                "PYTHONNOUSERSITE": "1",
            }
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tagger.extract.child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                env=environment,
            )
        return self._process

    def close(self) -> None:
        """Ends the reading process."""
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
