"""The process that reads files nobody vouches for: `python -m tagger.extract.child`, started and spoken to by
`tagger.extract.sandbox`.

It loads the extractors once and forks readers: a reader has limits of its own on memory, processor time a file and
open files, reads one file after another while all goes well, and is ended with everything it started at the first
thing that does not. It holds no secrets, knows no drive, and has no use for the network.
"""

import contextlib
import gc
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

import msgspec
from msgspec import Struct

import tagger
from tagger.extract import kinds
from tagger.extract.frames import PipeClosed, PipeTimeout, TooMuch, receive, send
from tagger.extract.result import Extract, Kind, Limits, Sniffed, Source
from tagger.extract.sniff import sniff
from tagger.extract.text import encoding_of

REQUEST_BYTES = 1 << 16
_UNFINISHED = "unfinished"
_FILES = 64
"""Files that one fork reads: a fork costs as much as reading three small files."""
_GROWN_KIB = 96 << 10
"""A fork that grew by so much has had its day."""
_SUFFIXES = (
    *(
        "py",
        "js",
        "ts",
        "c",
        "h",
        "cpp",
        "java",
        "go",
        "rs",
        "rb",
        "pl",
        "php",
        "sh",
        "sql",
        "css",
        "lua",
        "swift",
        "kt",
        "cs",
    ),
    *("scala", "r", "m", "hs", "tex", "mk", "cmake", "bat", "ps1", "md", "html", "json", "yaml", "toml", "csv", "txt"),
)


class Request(Struct, frozen=True):
    """One file to read."""

    source: Source
    limits: Limits


class Reply(Struct, frozen=True):
    """What came of it: a full extract, or the type alone with the reason."""

    extract: Extract | None
    sniffed: Sniffed | None = None
    error: str = ""
    last: bool = False
    """The fork reads no further file."""


def warm_up() -> None:
    """Loads what the forks would each load again: codecs, the common languages' lexers, the detector's tables. Reads
    only our own source."""
    for codec in ("gb18030", "big5", "cp932", "euc_jp", "euc_kr", "cp1251", "koi8_r", "cp1252", "utf_16", "utf_32"):
        encoding_of("简体 текст café".encode(codec, "replace"))
    own = Path(tagger.__file__)
    for suffix in _SUFFIXES:
        kinds.extract(Source(str(own), f"x.{suffix}".encode(), own.stat().st_size), Limits(text_chars=200))


def serve(requests: int, replies: int) -> None:
    """Answers requests until the other side is gone."""
    warm_up()
    gc.collect()
    gc.freeze()  # what is loaded now is shared by all forks; the collector would touch, and so copy, every page of it
    reader: Reader | None = None
    while True:
        try:
            request = msgspec.msgpack.decode(receive(requests, REQUEST_BYTES), type=Request)
        except PipeClosed:
            break
        if reader is None or not reader.takes(request):
            if reader is not None:
                reader.end()
            reader = Reader(request.limits)
        reply = reader.read(request)
        if reader.ended:
            reader = None
        try:
            send(replies, msgspec.msgpack.encode(reply))
        except PipeClosed:
            break
    if reader is not None:
        reader.end()


class Reader:
    """A fork that reads files, one after another, as long as all goes well: at most `_FILES`, and while its memory
    stays small."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._files = limits, 0
        self.ended = False
        asked, self._asking = os.pipe()
        self._answers, answering = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._asking)
            os.close(self._answers)
            _read_and_exit(limits, asked, answering)
        os.close(asked)
        os.close(answering)

    def takes(self, request: Request) -> bool:
        """Whether it may read another file, under these limits."""
        return not self.ended and self._files < _FILES and request.limits == self._limits

    def read(self, request: Request) -> Reply:
        """What it found, or how it died. After anything but a full answer it is ended."""
        self._files += 1
        deadline = time.monotonic() + self._limits.wall_seconds
        sniffed: Sniffed | None = None
        try:
            send(self._asking, msgspec.msgpack.encode(request.source))
            reply = msgspec.msgpack.decode(receive(self._answers, REQUEST_BYTES, deadline), type=Reply)
            if reply.error == _UNFINISHED:
                sniffed = reply.sniffed
                reply = msgspec.msgpack.decode(receive(self._answers, self._limits.answer_bytes, deadline), type=Reply)
        except PipeTimeout:
            reply = Reply(None, sniffed, f"took over {self._limits.wall_seconds:g} s", last=True)
        except TooMuch:
            reply = Reply(None, sniffed, "gave too large an answer", last=True)
        except (PipeClosed, msgspec.MsgspecError):
            reply = Reply(None, sniffed, _cause(self.end(), self._limits), last=True)
        if reply.last:
            self.end()
        return reply

    def end(self) -> int:
        """Ends it with everything it started, and reaps it. Returns its wait status; 0 when it was reaped before."""
        if self.ended:
            return 0
        self.ended = True
        os.close(self._asking)
        os.close(self._answers)
        status = 0
        for _ in range(20):  # one that is dying by itself is let die: its status says why
            done, status = os.waitpid(self._pid, os.WNOHANG)
            if done:
                return status
            time.sleep(0.001)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        _, status = os.waitpid(self._pid, 0)
        return status


def _cause(status: int, limits: Limits) -> str:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number in {signal.SIGXCPU, signal.SIGKILL}:
            return f"took over {limits.cpu_seconds} s of processor time"
        return f"crashed the reader ({signal.Signals(number).name})"
    return "crashed the reader"


def _read_and_exit(limits: Limits, asked: int, answering: int) -> NoReturn:
    """In the fork: limits on, then file by file. Never returns, so nothing of the parent's is run twice."""
    try:
        os.setpgid(0, 0)
        nothing = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(nothing, fd)
        lower, upper = sorted((asked, answering))
        os.closerange(3, lower)
        os.closerange(lower + 1, upper)
        os.closerange(upper + 1, upper + 256)
        resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        at_start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        while True:
            source = msgspec.msgpack.decode(receive(asked, REQUEST_BYTES), type=Source)
            used = resource.getrusage(resource.RUSAGE_SELF)
            seconds = int(used.ru_utime + used.ru_stime) + 1 + limits.cpu_seconds
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.getrlimit(resource.RLIMIT_CPU)[1]))
            reply = _read(source, limits, answering)
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - at_start
            last = reply.extract is None or grown > _GROWN_KIB
            send(answering, msgspec.msgpack.encode(msgspec.structs.replace(reply, last=last)))
    finally:
        os._exit(0)


def _read(source: Source, limits: Limits, answering: int) -> Reply:
    """Sniffs, tells the type at once (it is what is left when the rest fails), then reads."""
    sniffed = Sniffed(Kind.OTHER, "application/octet-stream")
    error = ""
    try:
        sniffed = sniff(source)
        send(answering, msgspec.msgpack.encode(Reply(None, sniffed, _UNFINISHED)))
        return Reply(kinds.extract(source, limits, sniffed))
    except MemoryError:
        error = f"needs over {limits.memory_bytes >> 20} MiB of memory"
    except RecursionError:
        error = "is nested too deeply"
    except Exception as problem:  # noqa: BLE001 - parsers of foreign formats raise anything; this one seam says so
        error = f"cannot be read: {type(problem).__name__}: {str(problem)[:200]}"
    return Reply(None, sniffed, error)


def main() -> int:
    """Speaks over standard input and output. Ends with its input, on SIGTERM, or when interrupted with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, replies = os.dup(0), os.dup(1)
    with open(os.devnull, "r+b") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(nothing.fileno(), 1)
    serve(requests, replies)
    return 0


if __name__ == "__main__":
    sys.exit(main())
