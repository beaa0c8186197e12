"""`version`. On its own, because it must answer at once."""

import sys
from argparse import Namespace

from graphfs import __version__
from graphfs.cli.exits import OK
from graphfs.cli.screen import Screen


def version(arguments: Namespace, screen: Screen) -> int:
    """Prints it."""
    python = ".".join(map(str, sys.version_info[:3]))
    if screen.as_json:
        screen.json({"version": __version__, "python": python})
    else:
        screen.line(f"graphfs {__version__}")
    return OK
