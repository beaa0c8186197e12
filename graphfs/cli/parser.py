"""How commands are declared: argparse, as strict and as helpful as this command line wants it. It knows no command."""

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from graphfs.cli.exits import USAGE


class Parser(argparse.ArgumentParser):
    """argparse without guessing at options, and with a hint where people stumble."""

    hint = ""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        """Says what is wrong and how it is right."""
        more = self.hint or f"`{self.prog} --help` explains it.\n"
        self.exit(USAGE, f"{self.format_usage()}{self.prog}: {message}\n{more}")


class Commands:
    """Adds commands to a parser, each with the arguments that all have."""

    def __init__(self, parser: Parser, common: Parser) -> None:
        self._under = parser.add_subparsers(metavar="COMMAND", dest="command", required=True, parser_class=Parser)
        self._common = common

    def add(self, name: str, run: str, summary: str, description: str = "", *, examples: Sequence[str] = ()) -> Parser:
        """A command that `run` (`module:function` in graphfs.cli) answers."""
        shown = "examples:\n" + "\n".join(f"  {one}" for one in examples) if examples else None
        parser = self._under.add_parser(
            name,
            parents=[self._common],
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}. {description}".strip(),
            epilog=shown,
            formatter_class=argparse.RawDescriptionHelpFormatter if examples else argparse.HelpFormatter,
        )
        parser.set_defaults(run=run)
        return parser
