"""The command line's page, table and start: made from one place, complete, and fast."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from graphfs.cli.arguments import commands_of, make_parser
from graphfs.cli.completion import SCRIPTS
from graphfs.cli.exits import CLOSED, EXITS, INTERRUPTED, NO, OK, USAGE
from graphfs.errors import BY_CODE
from tests.house.source import ROOT

COMMANDS = commands_of(make_parser())


def test_the_page_is_made_from_the_parser() -> None:
    done = subprocess.run([sys.executable, "scripts/cli_reference.py", "--check"], cwd=ROOT, check=False)
    assert done.returncode == 0, "run `make docs`"


def test_every_error_has_an_exit_code_of_its_own() -> None:
    assert EXITS.keys() == BY_CODE.keys()
    codes = [OK, NO, USAGE, INTERRUPTED, CLOSED, *EXITS.values()]
    assert len(set(codes)) == len(codes)
    assert max(EXITS.values()) < 126  # from there on the shell speaks


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_function_and_its_words(name: str) -> None:
    command = COMMANDS[name]
    module, _, function = command.get_default("run").partition(":")
    assert callable(getattr(importlib.import_module(f"graphfs.cli.{module}"), function))
    for one in command._actions:
        assert one.help or not one.option_strings, f"{name}: {one.option_strings}"


def test_the_start_loads_nothing_heavy() -> None:
    """What takes time is loaded by the commands that need it."""
    script = (
        "import sys\n"
        "from graphfs.cli.__main__ import run\n"
        "run(['version'])\n"
        "heavy = {'msgspec', 'rich', 'yaml', 'aiohttp', 'sqlite3', 'ssl', 'watchdog', 'gateway', 'tagger', 'asyncio'}\n"
        "print(sorted(heavy & {name.split('.')[0] for name in sys.modules}))\n"
    )
    # -S: the environment's own start-up hooks are not ours to answer for.
    command = [sys.executable, "-S", "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[1:] == ["[]"], done.stderr


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_completion_of_a_shell_is_well_formed(shell: str, tmp_path: Path) -> None:
    """The shell itself says so."""
    script = tmp_path / "script"
    script.write_text(SCRIPTS[shell])
    subprocess.run([shell, "-n", str(script)], check=True)
