"""How the models are asked: by a program of the tagger, started with the settings that the drive's own tagger has.

`graphfs` itself carries no models; what such a program says is JSON on its standard output.
"""

import json
import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from graphfs.cli.condition import tagger_of
from graphfs.cli.drives import Place
from graphfs.config import FILE_NAME
from graphfs.errors import Unavailable

_OWN = frozenset({"GRAPHFS_STATE", "GRAPHFS_SERVER"})
"""Say which drive is meant; that is said to the program already."""


def ask(place: Place, arguments: Namespace, program: str, words: Sequence[str], *, progress: bool = False) -> Any:
    """What `python -m PROGRAM` answers. `progress`: its standard error is shown. Unavailable, with its last words."""
    if not place.served:
        raise Unavailable("nobody serves this drive: mount it first, the models are asked through it")
    command = [sys.executable, "-m", program, *words, *_settings(place, arguments)]
    root = str(Path(__file__).resolve().parents[2])
    environment = {name: value for name, value in os.environ.items() if name not in _OWN}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=None if progress else subprocess.PIPE, env=environment, check=False
    )
    if done.returncode:
        last = (done.stderr or b"").decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise Unavailable(last[-500:] or "the tagger's program gave no answer")
    return json.loads(done.stdout)


def _settings(place: Place, arguments: Namespace) -> list[str]:
    """Where the drive is, and the settings of its tagger, as that was started."""
    record = place.record
    state = record.state if record else arguments.state
    if record:
        address = record.server
    else:
        address = arguments.server or str(Path(state).expanduser().absolute())
    found = ["--server", address]
    if arguments.token_file:
        found += ["--token-file", str(Path(arguments.token_file).expanduser())]
    running = tagger_of(record)
    words = Path(f"/proc/{running}/cmdline").read_bytes().decode().split("\0") if running else []
    if "--config" in words:
        return [*found, "--config", words[words.index("--config") + 1]]
    own = Path(state).expanduser() / FILE_NAME if state else None
    return [*found, "--config", str(own)] if own is not None and own.exists() else found
