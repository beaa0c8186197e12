"""Programs that read a format for us (tesseract, pdftoppm, catdoc, bsdtar, ffmpeg): started from an argument list, fed
and read through pipes, bounded in bytes and seconds, ended with what they started when they are not done.

They inherit the limits of the reader that starts them, and stay in its process group, so whoever ends the reader ends
them. It is no shell: nothing of a file is ever part of an option.
"""

import contextlib
import os
import select
import shutil
import subprocess
import time
from typing import NamedTuple


class Missing(Exception):
    """The program is not installed."""


class Output(NamedTuple):
    """What a program printed."""

    data: bytes
    problem: str
    """Why there is not more of it; '' when it ended well by itself."""


_STEP = 1 << 16


def run(command: list[str], *, most: int, seconds: float, given: bytes = b"") -> Output:
    """Starts a program, gives it `given` on its standard input and takes at most `most` bytes of its output.
    Missing; never raises for what the program does."""
    name = command[0]
    path = shutil.which(name)
    if path is None:
        raise Missing(f"{name} is not installed")
    environment = os.environ | {"OMP_THREAD_LIMIT": "1", "LC_ALL": "C.UTF-8"}
    with subprocess.Popen(
        [path, *command[1:]],
        stdin=subprocess.PIPE if given else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        env=environment,
    ) as process:
        try:
            return _attend(process, name, given, most, time.monotonic() + max(0.1, seconds))
        finally:
            process.kill()
            if process.stdin is not None:
                with contextlib.suppress(OSError):
                    process.stdin.close()


def _attend(process: subprocess.Popen[bytes], name: str, given: bytes, most: int, deadline: float) -> Output:
    assert process.stdout is not None
    out = process.stdout.fileno()
    rest = memoryview(given)
    taken = bytearray()
    if process.stdin is not None:
        os.set_blocking(process.stdin.fileno(), False)
    while True:
        feeding = [process.stdin.fileno()] if process.stdin is not None and not process.stdin.closed else []
        left = deadline - time.monotonic()
        ready, writable, _ = select.select([out], feeding, [], max(0.0, left))
        if left <= 0 or not (ready or writable):
            return Output(bytes(taken), f"{name} took too long")
        if writable and process.stdin is not None:
            try:
                rest = rest[os.write(feeding[0], rest[:_STEP]) :]
            except BlockingIOError:
                pass
            except OSError:
                rest = rest[len(rest) :]
            if not rest:
                with contextlib.suppress(OSError):
                    process.stdin.close()
        if ready:
            piece = os.read(out, _STEP)
            if not piece:
                break
            taken += piece
            if len(taken) >= most:
                return Output(bytes(taken[:most]), f"{name} said more than is read")
    try:
        code = process.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return Output(bytes(taken), f"{name} took too long")
    return Output(bytes(taken), "" if code == 0 else f"{name} ended with {code}")
