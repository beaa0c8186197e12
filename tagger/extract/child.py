"""The process that reads files nobody vouches for: `python -m tagger.extract.child`, started and spoken to by
`tagger.extract.sandbox`.

It loads the extractors once and forks for each file, so a file meets a fresh process with limits of its own, pays no
interpreter start,
and leaves nothing behind. It holds no secrets, knows no drive, and has no use for the network.
"""

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

from tagger.extract import kinds
from tagger.extract.frames import PipeClosed, PipeTimeout, TooMuch, receive, send
from tagger.extract.result import Extract, Kind, Limits, Sniffed, Source
from tagger.extract.sniff import sniff
from tagger.extract.text import encoding_of

REQUEST_BYTES = 1 << 16
_UNFINISHED = "unfinished"
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


def warm_up() -> None:
    """Loads what the forks would each load again: codecs, the common languages' lexers, the detector's tables. Reads
    only our own source."""
    for codec in ("gb18030", "big5", "cp932", "euc_jp", "euc_kr", "cp1251", "koi8_r", "cp1252", "utf_16", "utf_32"):
        encoding_of("简体 текст café".encode(codec, "replace"))
    own = Path(__file__)
    for suffix in _SUFFIXES:
        kinds.extract(Source(str(own), f"x.{suffix}".encode(), own.stat().st_size), Limits(text_chars=200))


def serve(requests: int, replies: int) -> None:
    """Answers requests until the other side is gone."""
    warm_up()
    gc.collect()
    gc.freeze()  # what is loaded now is shared by all forks; the collector would touch, and so copy, every page of it
    while True:
        try:
            request = msgspec.msgpack.decode(receive(requests, REQUEST_BYTES), type=Request)
            send(replies, msgspec.msgpack.encode(attend(request)))
        except PipeClosed:
            return


def attend(request: Request) -> Reply:
    """Forks, waits, and tells what the fork found or how it died."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _read_and_exit(request, writing)
    os.close(writing)
    deadline = time.monotonic() + request.limits.wall_seconds
    sniffed: Sniffed | None = None
    try:
        first = msgspec.msgpack.decode(receive(reading, REQUEST_BYTES, deadline), type=Reply)
        if first.error != _UNFINISHED:
            return first
        sniffed = first.sniffed
        return msgspec.msgpack.decode(receive(reading, request.limits.answer_bytes, deadline), type=Reply)
    except PipeTimeout:
        return Reply(None, sniffed, f"took over {request.limits.wall_seconds:g} s")
    except TooMuch:
        return Reply(None, sniffed, "gave too large an answer")
    except (PipeClosed, msgspec.MsgspecError):
        return Reply(None, sniffed, _cause(_end(pid), request.limits))
    finally:
        _end(pid)
        os.close(reading)


def _end(pid: int) -> int:
    """Ends the fork with everything it started, and reaps it. Returns its wait status; 0 when it was reaped before."""
    try:
        # it closes its pipe only by dying, so a fork that died by itself keeps its own status here
        done, status = os.waitpid(pid, os.WNOHANG)
        if done == 0:
            for _ in range(20):
                done, status = os.waitpid(pid, os.WNOHANG)
                if done:
                    break
                time.sleep(0.001)
        if done == 0:
            os.killpg(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
    except (ChildProcessError, ProcessLookupError):
        return 0
    return status


def _cause(status: int, limits: Limits) -> str:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number in {signal.SIGXCPU, signal.SIGKILL}:
            return f"took over {limits.cpu_seconds} s of processor time"
        return f"crashed the reader ({signal.Signals(number).name})"
    return "crashed the reader"


def _read_and_exit(request: Request, writing: int) -> NoReturn:
    """In the fork: limits on, read, answer, gone. Never returns, so nothing of the parent's is run twice."""
    try:
        os.setpgid(0, 0)
        nothing = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(nothing, fd)
        limits = request.limits
        resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
        resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_seconds, limits.cpu_seconds + 1))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        send(writing, msgspec.msgpack.encode(_read(request, writing)))
    finally:
        os._exit(0)


def _read(request: Request, writing: int) -> Reply:
    """Sniffs, tells the type at once (it is what is left when the rest fails), then reads."""
    sniffed = Sniffed(Kind.OTHER, "application/octet-stream")
    error = ""
    try:
        sniffed = sniff(request.source)
        send(writing, msgspec.msgpack.encode(Reply(None, sniffed, _UNFINISHED)))
        return Reply(kinds.extract(request.source, request.limits, sniffed))
    except MemoryError:
        error = f"needs over {request.limits.memory_bytes >> 20} MiB of memory"
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
