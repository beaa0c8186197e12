"""Where answers go: text for people, JSON for programs, and nothing that a file's name could do to a terminal.

Answers go to stdout, everything else (errors, notes, questions, progress) to stderr. Colours only on terminals, and
never with NO_COLOR. Names leave as the bytes they are, unless a terminal would take some of them for commands.
"""

import json
import os
import sys
from collections.abc import Iterable, Mapping
from typing import TextIO

from graphfs.errors import DriveError

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def plain(value: object) -> object:
    """Our records as JSON has them."""
    fields = getattr(value, "__struct_fields__", None)
    if fields is not None:
        return {name: getattr(value, name) for name in fields}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def json_text(value: object, indent: int | None = None) -> str:
    """JSON in ASCII. A name that is not UTF-8 has a lone surrogate for each odd byte, as in the HTTP API."""
    return json.dumps(value, default=plain, indent=indent)


def size_text(size: int) -> str:
    """A number of bytes for people."""
    amount, unit = float(size), 0
    while amount >= 1024 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{size} B" if not unit else f"{amount:.1f} {_UNITS[unit]}"


def count_text(number: int, one: str, many: str = "") -> str:
    """`1 file`, `2 files`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def quoted(name: str) -> str:
    """A name on a terminal: as it is, or as a shell would take it back when it holds control or stray bytes."""
    if name.isprintable():
        return name
    parts = []
    for character in name:
        if character in "\\'":
            parts.append("\\" + character)
        elif character.isprintable():
            parts.append(character)
        else:
            short = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(character)
            encoded = character.encode("utf-8", "surrogateescape")
            parts.append(short or "".join(f"\\x{byte:02x}" for byte in encoded))
    return "$'" + "".join(parts) + "'"


class Screen:
    """Standard output and error of one command."""

    def __init__(self, *, as_json: bool, quiet: bool, environment: Mapping[str, str]) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self.terminal = sys.stdout.isatty()
        plain_wanted = bool(environment.get("NO_COLOR")) or environment.get("TERM") == "dumb"
        self._colours = self.terminal and not plain_wanted
        self._error_colours = sys.stderr.isatty() and not plain_wanted
        for stream in (sys.stdout, sys.stderr):
            reconfigure = getattr(stream, "reconfigure", None)
            if reconfigure is not None:
                reconfigure(errors="surrogateescape")

    @property
    def lively(self) -> bool:
        """Whether progress may be shown."""
        return not self.quiet and sys.stderr.isatty()

    def style(self, text: str, *styles: str) -> str:
        """The text in colours, where stdout shows them."""
        return self._styled(text, styles) if self._colours else text

    def _styled(self, text: str, styles: Iterable[str]) -> str:
        codes = ";".join(_STYLES[one] for one in styles)
        return f"\x1b[{codes}m{text}\x1b[0m"

    def name(self, name: str) -> str:
        """A name from the drive, ready to be printed."""
        return quoted(name) if self.terminal else name

    def line(self, text: str = "") -> None:
        """One line of the answer."""
        self._write(sys.stdout, text + "\n")

    def raw(self, text: str) -> None:
        """A part of the answer as it is."""
        self._write(sys.stdout, text)

    def flush(self) -> None:
        """What was said is seen now."""
        sys.stdout.flush()

    def json(self, value: object) -> None:
        """The whole answer as JSON."""
        self._write(sys.stdout, json_text(value, indent=2 if self.terminal else None) + "\n")

    def note(self, text: str) -> None:
        """Something worth knowing that is not the answer."""
        if not self.quiet:
            self._write(sys.stderr, text + "\n")

    def warning(self, text: str) -> None:
        """Something that went otherwise than asked, while the command goes on."""
        mark = "graphfs: warning: "
        self._write(sys.stderr, (self._styled(mark, ("yellow",)) if self._error_colours else mark) + text + "\n")

    def error(self, error: DriveError, context: str = "") -> None:
        """What went wrong: a line for people, or with --json an object as the HTTP API has it."""
        message = f"{context}: {error}" if context else str(error)
        if self.as_json:
            self._write(sys.stderr, json_text({"error": {"code": error.code, "message": message}}) + "\n")
            return
        mark = "graphfs: "
        self._write(sys.stderr, (self._styled(mark, ("red",)) if self._error_colours else mark) + message + "\n")

    def confirm(self, question: str) -> bool:
        """Asks on the terminal. Without one the answer is no."""
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            return False
        self._write(sys.stderr, f"{question} [y/N] ")
        return sys.stdin.readline().strip().lower() in {"y", "yes"}

    def _write(self, stream: TextIO, text: str) -> None:
        stream.write(text)
        if stream is sys.stderr:
            stream.flush()
