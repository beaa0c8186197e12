"""A drive of many files on Neo4j: it is built on SQLite, moved to a cluster by `graphfs migrate`, checked, mounted
through Nginx, and its tag listings are measured as `bench tags` measures those of one machine.

`python -m bench moved` starts a cluster of its own in a temporary folder (two main servers, no tagger), so none may run
here, and ends it. Times of whole listings are medians of `--repeats`.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.mounts import PROJECT, drive
from bench.page import put
from bench.tags import BASE_MS, QUERIES, build, listing, memory, milliseconds

BINDING = "pyfuse3"


def _timed(*command: str, **environment: str) -> float:
    """Seconds that a program takes."""
    begin = time.monotonic()
    subprocess.run(command, check=True, capture_output=True, env=os.environ | environment)
    return time.monotonic() - begin


@contextmanager
def _cluster(folder: Path) -> Iterator[dict[str, Any]]:
    """What cluster.json says, and `seconds` of its start."""
    program = [sys.executable, str(PROJECT / "scripts/cluster.py")]
    began = _timed(*program, "start", "--folder", str(folder), "--taggers", "0")
    try:
        yield json.loads((folder / "cluster.json").read_text()) | {"seconds": began}
    finally:
        _timed(*program, "stop", "--folder", str(folder))


def measure(files: int, repeats: int, place: Path) -> str:
    """Builds, moves, checks, mounts and lists; a table in Markdown."""
    graphfs = str(Path(sys.executable).parent / "graphfs")
    state, folder = place / "built", place / "cluster"
    built = build(state, files)
    with _cluster(folder):
        config = folder / "config.yaml"
        address = re.findall(r"bolt://[\d.:]+", config.read_text())[0]
        moving = ["--from", f"sqlite:{state}", "--to", f"neo4j:{address}", "--config", str(config)]
        moved = _timed(graphfs, "migrate", *moving)
    with _cluster(folder) as cluster:
        url, token = cluster["url"], folder / "keys/token"
        checked = _timed(graphfs, "fsck", "--server", url, GRAPHFS_TOKEN=token.read_text().strip())
        with drive(BINDING, place, "--server", url, "--token-file", str(token)) as mounted:
            tags = mounted.root / "tags"
            root_ms = milliseconds(lambda: os.listdir(tags), repeats)
            found = {name: listing(tags / path, repeats) for name, path in QUERIES.items()}
            mount = memory(mounted.pid)
        servers = [memory(one["pid"]) for one in cluster["processes"] if one["name"].startswith("gateway")]
        started = cluster["seconds"]
    lines = [
        "| query | entries | first entry ms | `ls` ms | `ls -l` ms |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {name} | {one.entries:,} | {one.first:.1f}{'' if one.first <= BASE_MS else ' **missed**'} "
            f"| {one.ls:.0f} | {one.ls_l:.0f} |"
            for name, one in found.items()
        ),
        "",
        f"- {files:,} files, 500 tags, 5 a file; asked for: the first entry within {BASE_MS:.0f} ms",
        f"- `ls tags/`: {root_ms:.1f} ms",
        f"- built on SQLite in {built:.0f} s; moved to Neo4j and compared in {moved:.0f} s; `fsck` {checked:.0f} s",
        f"- start of the whole cluster with the drive in it: {started:.0f} s",
        f"- memory: mount {mount:.0f} MB, main servers {' and '.join(f'{one:.0f}' for one in servers)} MB",
    ]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench moved", description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="graphfs-bench-") as temporary:
        text = measure(options.files, options.repeats, Path(temporary))
    print(text)
    if options.write:
        put("moved", text)
    return 0
