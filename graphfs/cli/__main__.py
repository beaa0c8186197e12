"""The program `graphfs`: reads the words, runs the one command, and says how it went by the exit code."""

import importlib
import os
import signal
import sys
from argparse import Namespace
from collections.abc import Callable
from typing import Any

from graphfs.cli.arguments import parse
from graphfs.cli.exits import CLOSED, INTERRUPTED, error_of, exit_of
from graphfs.cli.screen import Screen
from graphfs.errors import DriveError

Command = Callable[[Namespace, Screen], int]


def _command(run: str) -> Command:
    module, _, function = run.partition(":")
    loaded: Any = importlib.import_module(f"graphfs.cli.{module}")
    command: Command = getattr(loaded, function)
    return command


def run(arguments: list[str] | None = None) -> int:
    """One command, up to its exit code. Nothing is left in stdout's buffer."""
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] == ["__complete"]:
        return _completed(words[1:])
    given = parse(words)
    screen = Screen(as_json=given.json, quiet=given.quiet, environment=os.environ)
    try:
        try:
            if given.directory is not None:
                os.chdir(given.directory)
            status = _command(given.run)(given, screen)
        except DriveError as error:
            screen.error(error)
            status = exit_of(error)
        except BrokenPipeError:
            raise
        except OSError as error:
            said = error_of(error)
            screen.error(said)
            status = exit_of(said)
        sys.stdout.flush()
    except BrokenPipeError:
        # Who reads has read enough. What is buffered must not be written again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED
    return status


def _completed(words: list[str]) -> int:
    completion: Any = importlib.import_module("graphfs.cli.completion")
    for one in completion.candidates(words):
        sys.stdout.write(one + "\n")
    return 0


def main() -> int:
    """The entry point. Ctrl-C ends it with 130 and no traceback."""
    try:
        return run()
    except KeyboardInterrupt:
        # A second one ends the program at once, whatever it waits for.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        sys.stderr.write("\ngraphfs: interrupted\n")
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
