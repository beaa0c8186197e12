"""Text for terminals, text for pipes, JSON."""

import errno
import io
import json
import os
import subprocess
import sys

import pytest

from graphfs.cli.exits import EXITS, error_of, exit_of
from graphfs.cli.screen import Screen, count_text, json_text, quoted, size_text
from graphfs.errors import DriveError, NoSpace, NotFound
from graphfs.model import Edge

STRAY = os.fsdecode(b"\xff\x1b[31m\n'")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_shell_takes_back_what_is_shown() -> None:
    shown = quoted(STRAY)
    assert shown.isascii()
    assert shown.isprintable()
    back = subprocess.run(["bash", "-c", f"printf %s {shown}"], capture_output=True, check=True).stdout
    assert back == os.fsencode(STRAY)
    assert [quoted(name) for name in ("plain", "größe 😀", 'it\'s "q"')] == ["plain", "größe 😀", 'it\'s "q"']


def test_colours_are_for_terminals_without_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())

    def styled(**environment: str) -> str:
        return Screen(as_json=False, quiet=False, environment=environment).style("x", "bold", "red")

    assert styled() == "\x1b[1;31mx\x1b[0m"
    assert styled(NO_COLOR="") == "\x1b[1;31mx\x1b[0m"
    assert styled(NO_COLOR="1") == styled(TERM="dumb") == "x"
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert styled() == "x"


def test_names_are_quoted_on_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert Screen(as_json=False, quiet=False, environment={}).name(STRAY) == quoted(STRAY)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert Screen(as_json=False, quiet=False, environment={}).name(STRAY) == STRAY


def test_json_holds_any_name_in_ascii() -> None:
    text = json_text({"edge": Edge(STRAY), "digest": b"\x01"})
    assert text.isascii()
    told = json.loads(text)
    assert told["edge"]["tag"] == STRAY
    assert (told["edge"]["state"], told["digest"]) == ("applied", "01")


def test_an_error_is_a_line_or_an_object(capsys: pytest.CaptureFixture[str]) -> None:
    Screen(as_json=False, quiet=False, environment={}).error(NotFound("there is no 'x'"), "a/x")
    Screen(as_json=True, quiet=False, environment={}).error(NotFound("there is no 'x'"), "a/x")
    line, told = capsys.readouterr().err.splitlines()
    assert line == "graphfs: a/x: there is no 'x'"
    assert json.loads(told) == {"error": {"code": "not_found", "message": "a/x: there is no 'x'"}}


def test_without_a_terminal_nobody_agrees() -> None:
    assert not Screen(as_json=False, quiet=False, environment={}).confirm("Really?")


def test_amounts() -> None:
    assert [size_text(size) for size in (0, 1023, 1024, 5 << 30)] == ["0 B", "1023 B", "1.0 KiB", "5.0 GiB"]
    assert [count_text(1, "file"), count_text(1200, "file")] == ["1 file", "1,200 files"]


def test_errors_of_the_operating_system_have_our_words() -> None:
    full = error_of(OSError(errno.ENOSPC, "No space left", "/a"))
    assert isinstance(full, NoSpace)
    assert str(full) == "/a: No space left"
    assert exit_of(full) == EXITS["no_space"]
    odd = error_of(OSError("odd"))
    assert (type(odd), exit_of(odd)) == (DriveError, 70)
