"""`preview`: what the tagger would send where for a file. The tagger itself says it, as a process of its own."""

import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import msgspec

from graphfs.cli.condition import tagger_of
from graphfs.cli.drives import Place, opened
from graphfs.cli.exits import OK
from graphfs.cli.locations import files_at
from graphfs.cli.screen import Screen, size_text
from graphfs.config import FILE_NAME
from graphfs.errors import Unavailable

_WHERE = {
    "nowhere": "left alone",
    "here": "tagged offline: nothing is sent anywhere",
    "local": "sent to a model on this machine",
    "cloud": "sent away from this machine",
}


def preview(arguments: Namespace, screen: Screen) -> int:
    """Prints the prompt."""
    with opened(arguments, arguments.file[:1]) as place:
        if not place.served:
            raise Unavailable("nobody serves this drive: mount it first")
        command = _command(arguments, place)
        told = [_asked(command, node.file) for path in arguments.file for _, node in files_at(place, path)]
    if screen.as_json:
        screen.json(told)
        return OK
    for one in told:
        _print(screen, place, one)
    return OK


def _command(arguments: Namespace, place: Place) -> list[str]:
    """The tagger, as the one of this drive was started."""
    address = place.record.server if place.record else arguments.server or f"unix:{Path(arguments.state) / 'api.sock'}"
    command = [sys.executable, "-m", "tagger", "--server", str(address)]
    if arguments.token_file:
        command += ["--token-file", arguments.token_file]
    running = tagger_of(place.record)
    words = Path(f"/proc/{running}/cmdline").read_bytes().decode().split("\0") if running else []
    state = place.record.state if place.record else arguments.state
    if "--config" in words:
        command += ["--config", words[words.index("--config") + 1]]
    elif state and (Path(state) / FILE_NAME).exists():
        command += ["--config", str(Path(state) / FILE_NAME)]
    return command


def _asked(command: list[str], file: int) -> dict[str, Any]:
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    kept = {name: value for name, value in os.environ.items() if name not in {"GRAPHFS_STATE", "GRAPHFS_SERVER"}}
    done = subprocess.run(
        [*command, "--preview", str(file)], capture_output=True, check=False, env={**kept, "PYTHONPATH": path}
    )
    if done.returncode:
        raise Unavailable(done.stderr.decode("utf-8", "replace").strip()[-500:] or "the tagger said nothing")
    return msgspec.json.decode(done.stdout, type=dict[str, Any])


def _print(screen: Screen, place: Place, told: dict[str, Any]) -> None:
    why = f" ({told['why']})" if told["why"] else ""
    screen.line(screen.style(f"{screen.name(place.show(told['path']))}: {_WHERE[told['where']]}{why}", "bold"))
    if told["not_looked_at"]:
        screen.line(f"not looked at: {screen.name(', '.join(told['not_looked_at']))}")
    if not told["system"]:
        return
    budget = f" of {told['daily_token_budget']:,}" if told["daily_token_budget"] else ""
    shown = f" and {told['pictures']} pictures" if told["pictures"] else ""
    screen.line(f"to {screen.name(told['endpoint'])}, model {screen.name(told['model'])}")
    screen.line(
        f"about {told['tokens']:,} tokens, and up to {told['answer_tokens']:,} for the answer; "
        f"{size_text(told['bytes'])} of text{shown}; {told['tokens_today']:,}{budget} tokens were used today"
    )
    for part in ("system", "user"):
        screen.line(screen.style(f"--- {part}", "dim"))
        for line in told[part].splitlines():
            screen.line(screen.name(line))
