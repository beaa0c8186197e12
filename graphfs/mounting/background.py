"""Going into the background, and telling the one who waits in the foreground how it went. Call it before any thread is
started."""

import json
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, Protocol

FAULT = 70
"""Exit status of a process that ended by a fault, as sysexits.h has it."""


class Report(Protocol):
    """Says once how the start went: exit status (0: the drive answers) and a message for people."""

    def __call__(self, status: int, message: str) -> None: ...


Work = Callable[[Report], int]
"""Serves until the end and returns the exit status; reports when it has started, or why not."""


def in_foreground(work: Work) -> int:
    """Runs it here. The report is printed."""
    return work(print_message)


def in_background(work: Work, output: Path) -> int:
    """Runs it in a process of its own session, whose output goes to a file; returns the reported status as soon as
    there is one."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        os.setsid()
        if os.fork():
            os._exit(0)  # the session's leader goes: the one that stays can get no terminal
        _run(work, writer, output)
    os.close(writer)
    os.waitpid(child, 0)
    return _await(reader, output)


def _run(work: Work, writer: int, output: Path) -> NoReturn:
    def report(status: int, message: str) -> None:
        os.write(writer, json.dumps([status, message]).encode())
        os.close(writer)

    status = FAULT
    try:
        _redirect(output)
        status = work(report)
    except BaseException:
        logging.getLogger(__name__).exception("the mount ended by a fault")
    finally:
        logging.shutdown()
        os._exit(status)  # what the foreground process registered to do at its exit is not for this one


def _redirect(output: Path) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for descriptor, target in ((nothing, 0), (file, 1), (file, 2)):
        os.dup2(descriptor, target)
    os.close(nothing)
    os.close(file)
    os.chdir("/")


def _await(reader: int, output: Path) -> int:
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    if not said:
        print_message(FAULT, f"the drive ended before it answered; see {output}")
        return FAULT
    status, message = json.loads(said)
    print_message(status, message)
    return int(status)


def print_message(status: int, message: str) -> None:
    """To the one who typed the command: good news to standard output, bad to standard error."""
    stream = sys.stderr if status else sys.stdout
    stream.write(f"graphfs: {message}\n")
    stream.flush()
