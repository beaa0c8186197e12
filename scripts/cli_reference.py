#!/usr/bin/env python3
"""Writes docs/cli.md from the parser of the command line and its table of exit codes. `--check` only compares."""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from graphfs.cli.arguments import commands_of, make_parser  # noqa: E402  # after the path to it
from graphfs.cli.exits import CLOSED, EXITS, INTERRUPTED, NO, OK, USAGE  # noqa: E402
from graphfs.errors import BY_CODE  # noqa: E402

PAGE = ROOT / "docs" / "cli.md"
HEADER = """# The command line

Made by `make docs` from `graphfs/cli/arguments.py` and `graphfs/cli/exits.py`; do not edit.

`make mount` installs it as `.venv/bin/graphfs`.

## Which drive

A command works on the drive that its path is in, else on that of the current directory, else on the only one that
is mounted. `--state DIR` means the drive of a state directory: through its process when it is mounted or served,
and opened by the command itself when nobody uses it. `--server URL` means a drive on the network.
`GRAPHFS_STATE`, `GRAPHFS_SERVER` and `GRAPHFS_TOKEN` stand for the options.

## Paths

A path is an ordinary path, in `files/` or in a view below `tags/`. From outside of any drive `files/a` and
`tags/b` start at the drive's root, and with `--state` or `--server` every path does. Names may hold any bytes;
lists that a program reads are best taken with `-0` or `--json`. On a terminal, control characters and stray bytes
are shown as the shell writes them (`$'a\\nb'`); into pipes every name goes as it is.

## Output

Answers go to stdout; errors, notes, questions and progress go to stderr. Colours and progress appear on terminals
only, colours never with `NO_COLOR`. With `--json` the answer is one JSON document, and an error is `{"error":
{"code": ..., "message": ...}}` on stderr. In JSON a name that is not UTF-8 has one lone surrogate for each odd
byte, as in the HTTP API; times are nanoseconds since 1970, sizes are bytes.

## Completion

```sh
eval "$(graphfs completion bash)"                                        # bash, in ~/.bashrc
eval "$(graphfs completion zsh)"                                         # zsh, in ~/.zshrc, after compinit
graphfs completion fish > ~/.config/fish/completions/graphfs.fish        # fish
```

Tags are completed from the drive, a level at a time.
"""
WORDS = {
    OK: "done",
    NO: (
        "the answer is no: `fsck` found something, `wait` ran out of time, a question was answered no, "
        "`watch` left files out"
    ),
    USAGE: "the words make no command",
    INTERRUPTED: "Ctrl-C",
    CLOSED: "who read the output went away (`| head`)",
}


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _synopsis(parser: argparse.ArgumentParser, common: set[str]) -> str:
    parts = [parser.prog]
    for one in parser._actions:
        if one.option_strings:
            if one.option_strings[-1] in common:
                continue
            value = "" if one.nargs == 0 else f" {_metavar(one)}"
            parts.append(f"[{one.option_strings[0]}{value}]")
        else:
            name = _metavar(one)
            parts.append(
                {"+": f"{name} [{name} ...]", "*": f"[{name} ...]", "?": f"[{name}]"}.get(str(one.nargs), name)
            )
    return " ".join(parts)


def _metavar(one: argparse.Action) -> str:
    if one.metavar is None and one.choices:
        return "{" + ",".join(map(str, one.choices)) + "}"
    return str(one.metavar or one.dest.upper())


def _table(actions: list[argparse.Action]) -> str:
    rows = []
    for one in actions:
        name = ", ".join(one.option_strings) or _metavar(one)
        value = f" {_metavar(one)}" if one.option_strings and one.nargs != 0 else ""
        rows.append(f"| `{_cell(name + value)}` | {_cell(one.help or '')} |")
    return "\n".join(["| argument | meaning |", "| --- | --- |", *rows, ""])


def page() -> str:
    """The whole page."""
    parser = make_parser()
    commands = commands_of(parser)
    common = {"--json", "--state", "--server", "--token-file", "-C", "--quiet", "--help"}
    shared = [one for one in parser._actions if one.option_strings and one.option_strings[-1] in common]
    parts = [HEADER, "## Arguments of every command\n", _table(shared), "## Commands\n"]
    for name, command in commands.items():
        own = [one for one in command._actions if not (one.option_strings and one.option_strings[-1] in common)]
        parts.append(f"### graphfs {name}\n")
        parts.append(f"```text\n{_synopsis(command, common)}\n```\n")
        parts.append(f"{command.description}\n")
        if [one for one in own if one.help]:
            parts.append(_table([one for one in own if one.help]))
        if command.epilog:
            lines = [line.strip() for line in command.epilog.splitlines()[1:]]
            parts.append("```sh\n" + "\n".join(lines) + "\n```\n")
    parts.append("## Exit codes\n")
    rows = [(code, WORDS[code]) for code in (OK, NO, USAGE)]
    rows += [(code, f"`{name}`: {_meaning(name)}") for name, code in EXITS.items()]
    rows += [(code, WORDS[code]) for code in (INTERRUPTED, CLOSED)]
    parts.append(
        "\n".join(["| code | meaning |", "| --- | --- |", *(f"| {code} | {_cell(told)} |" for code, told in rows)])
    )
    parts.append("\nOf several files with errors the first decides; the others are done all the same.\n")
    return "\n".join(parts)


def _meaning(name: str) -> str:
    text = (BY_CODE[name].__doc__ or "").strip()
    return "a fault in GraphFS" if name == "internal" else text


def main() -> int:
    """Writes, or compares."""
    text = page()
    if "--check" in sys.argv[1:]:
        return int(not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
