"""Messages over a pipe: four bytes of length, then the message. Deadlines and bounds are the reader's."""

import os
import select
import time


class PipeClosed(Exception):
    """The other side is gone, or sent less than it announced."""


class PipeTimeout(Exception):
    """Nothing came in time."""


class TooMuch(Exception):
    """The other side announced more than the reader takes."""


def send(fd: int, message: bytes) -> None:
    """Writes one message. PipeClosed when nobody reads any more."""
    view = memoryview(len(message).to_bytes(4, "big") + message)
    try:
        while view:
            view = view[os.write(fd, view) :]
    except BrokenPipeError as error:
        raise PipeClosed from error


def receive(fd: int, most: int, deadline: float | None = None) -> bytes:
    """Reads one message of at most `most` bytes, until `deadline` (time.monotonic). PipeClosed, PipeTimeout,
    TooMuch."""
    size = int.from_bytes(_exactly(fd, 4, deadline), "big")
    if size > most:
        raise TooMuch(f"{size} bytes announced, {most} taken")
    return _exactly(fd, size, deadline)


def _exactly(fd: int, size: int, deadline: float | None) -> bytes:
    pieces = bytearray()
    while len(pieces) < size:
        if deadline is not None:
            ready, _, _ = select.select([fd], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise PipeTimeout
        piece = os.read(fd, min(size - len(pieces), 1 << 16))
        if not piece:
            raise PipeClosed
        pieces += piece
    return bytes(pieces)
