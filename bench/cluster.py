"""One mount of a cluster beside what its parts do alone: Neo4j's Python driver, and HTTP through the same Nginx. In
turns, so that a noisy machine disturbs both: read the ratios.

`python -m bench cluster --folder .cluster` measures what `make cluster` started there, as root (cold phases drop the
kernel's caches). What it makes is left in `files/bench-...`, and the mount's state in a temporary folder that goes.
"""

import argparse
import hashlib
import http.client
import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import neo4j

from bench import mounts
from bench.neo4j import rate, together
from bench.page import put

BLOCK = os.urandom(4096)
CHUNK = 4 << 20
WRITERS = 16
_TREE = Path(os.__file__).parent


class Table:
    """Values by row, one a round."""

    def __init__(self) -> None:
        self._rows: dict[str, list[float]] = {}
        self._units: dict[str, str] = {}

    def add(self, row: str, value: float, unit: str = "") -> float:
        """Tells the value as it comes: a run is long."""
        self._rows.setdefault(row, []).append(value)
        self._units[row] = unit
        print(f"  {row}: {value:,.2f} {unit}", flush=True)
        return value

    def text(self) -> str:
        """A Markdown table: medians, and the lowest and the highest."""
        lines = ["| | median | lowest and highest |", "|---|---:|---:|"]
        for row, values in self._rows.items():
            digits = 2 if not self._units[row] else 0
            low, median, high = min(values), statistics.median(values), max(values)
            lines.append(
                f"| {row} | {median:,.{digits}f} {self._units[row]} | {low:,.{digits}f} to {high:,.{digits}f} |"
            )
        return "\n".join(lines)


def cold() -> None:
    """The kernel remembers nothing."""
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3\n")
    time.sleep(1.2)  # what the mount told the kernel to believe for a second is over too


def write(path: Path, data: bytes = BLOCK) -> None:
    """As a program does."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)


def told(folder: Path) -> None:
    """Returns when the servers have what was made in it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


class Alone:
    """What the parts do without us: reads and single-write transactions of the driver, PUT through Nginx."""

    def __init__(self, folder: Path, url: str, token: str) -> None:
        config = (folder / "config.yaml").read_text()
        address = re.search(r"bolt://[\d.:]+", config)
        if address is None:
            raise ValueError(f"{folder}/config.yaml names no Neo4j")
        password = (folder / "keys/neo4j").read_text().strip()
        self.driver = neo4j.GraphDatabase.driver(address[0], auth=("neo4j", password))
        self.session = self.driver.session()
        self._numbers = iter(range(1 << 40))
        self._url, self._token = urlsplit(url), token

    def read(self, number: int) -> None:
        self.session.run("MATCH (n:Node {id: $id}) RETURN n.id, n.mode, n.size", id=number).values()

    def write(self, _: int) -> None:
        self.session.run("CREATE (n:Bench {id: $id})", id=next(self._numbers)).consume()

    def put(self, chunks: list[bytes]) -> float:
        """MB/s of contents that go through Nginx to a main server and on to S3, on one connection."""
        connection = http.client.HTTPConnection(self._url.hostname or "", self._url.port or 80)
        named = [(hashlib.sha256(chunk).hexdigest(), chunk) for chunk in chunks]
        begin = time.perf_counter()
        for digest, chunk in named:
            headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/octet-stream"}
            connection.request("PUT", f"/v1/blobs/{digest}?durable=true", chunk, headers)
            reply = connection.getresponse()
            said = reply.read()
            if reply.status >= 400:
                raise RuntimeError(f"PUT: {reply.status} {said[:200]!r}")
        connection.close()
        return sum(map(len, chunks)) / 1e6 / (time.perf_counter() - begin)

    def close(self) -> None:
        self.session.run("MATCH (n:Bench) CALL (n) { DELETE n } IN TRANSACTIONS OF 10000 ROWS").consume()
        self.session.close()
        self.driver.close()


def metadata(table: Table, alone: Alone, place: Path, each: int) -> None:
    """Creates and stats."""
    place.mkdir()
    one = rate(alone.write, each)
    table.add("driver: single writes", one, "/s")
    single = place / "single"
    single.mkdir()
    names = [single / f"f{number}" for number in range(each)]
    begin = time.perf_counter()
    for path in names:
        write(path)
    told(single)
    taken = time.perf_counter() - begin
    table.add("create 4 KiB, one writer", each / taken, "/s")
    table.add("create 4 KiB, one writer / driver", each / taken / one)
    many = place / "many"
    many.mkdir()
    together_rate = together(lambda number: write(many / f"f{number}"), WRITERS, each // 4)
    taken = WRITERS * (each // 4) / together_rate + seconds(lambda: told(many))
    table.add(f"create 4 KiB, {WRITERS} writers", WRITERS * (each // 4) / taken, "/s")
    table.add(f"create 4 KiB, {WRITERS} writers / driver", WRITERS * (each // 4) / taken / one)
    apart = [place / f"apart-{number}" for number in range(WRITERS)]
    for folder in apart:
        folder.mkdir()
    folder_rate = together(lambda number: write(apart[number // (each // 4)] / f"f{number}"), WRITERS, each // 4)
    begin = time.perf_counter()
    for folder in apart:
        told(folder)
    taken = WRITERS * (each // 4) / folder_rate + time.perf_counter() - begin
    table.add(f"create 4 KiB, {WRITERS} writers in as many folders / driver", WRITERS * (each // 4) / taken / one)
    reading = rate(lambda _: alone.read(1), each)
    table.add("driver: reads", reading, "/s")
    cold()
    found = each / seconds(lambda: [os.stat(name) for name in names])
    table.add("stat, cold", found, "/s")
    table.add("stat, cold / driver", found / reading)


def listing(table: Table, place: Path, entries: int) -> None:
    """`ls -l` of a large folder."""
    if not place.exists():
        place.mkdir()
        table.add(f"create {entries:,} files, one writer", entries / seconds(lambda: _fill(place, entries)), "/s")
    cold()
    taken = seconds(lambda: subprocess.run(["ls", "-l", place], stdout=subprocess.DEVNULL, check=True))
    table.add(f"ls -l of {entries:,}, cold", entries / taken, "entries/s")


def _fill(place: Path, entries: int) -> None:
    for number in range(entries):
        write(place / f"file-{number:05}", b"")
    told(place)


def copies(table: Table, place: Path) -> None:
    """`cp -r` of real files, until the servers have them."""
    files = sum(len(names) for _, _, names in os.walk(_TREE / "asyncio")) + sum(
        len(names) for _, _, names in os.walk(_TREE / "encodings")
    )

    def copy() -> None:
        place.mkdir()
        for name in ("asyncio", "encodings"):
            subprocess.run(["cp", "-r", _TREE / name, place], check=True)
            told(place / name)

    table.add("cp -r of real files", files / seconds(copy), "files/s")


def writing(table: Table, alone: Alone, large: Path, size: int) -> None:
    """A large content, until it is durable."""
    chunks = [os.urandom(CHUNK) for _ in range(size // CHUNK)]
    raw = table.add("PUT of 4 MiB through Nginx", alone.put([os.urandom(CHUNK) for _ in chunks]), "MB/s")

    def whole() -> None:
        with open(large, "xb", buffering=0) as file:
            for chunk in chunks:
                file.write(chunk)
            os.fsync(file.fileno())

    written = table.add("write + fsync", size / 1e6 / seconds(whole), "MB/s")
    table.add("write + fsync / PUT", written / raw)


def reading(table: Table, large: Path, size: int) -> None:
    """By a mount that has kept nothing of it."""
    for state in ("nothing kept", "kept on this machine's disk"):
        cold()
        table.add(f"read, {state}", size / 1e6 / seconds(lambda: _read(large)), "MB/s")
    table.add("read, warm", size / 1e6 / seconds(lambda: _read(large)), "MB/s")


def _read(path: Path) -> None:
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 20):
            pass


def main(arguments: list[str]) -> int:
    """Prints a table."""
    parser = argparse.ArgumentParser(prog="python -m bench cluster", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(".cluster"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--each", type=int, default=400, help="files of each phase of small ones")
    parser.add_argument("--entries", type=int, default=10_000, help="of the large folder")
    parser.add_argument("--mib", type=int, default=256, help="of the large file")
    parser.add_argument("--binding", default="pyfuse3", choices=["pyfuse3", "fusepy"])
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    given = parser.parse_args(arguments)
    known = json.loads((given.folder / "cluster.json").read_text())
    url, token = known["url"], known["token"]
    table, alone = Table(), Alone(given.folder, url, token)
    name, at = f"bench-{time.time_ns()}", ("--server", url)
    try:
        with tempfile.TemporaryDirectory(prefix="graphfs-bench-") as folder:
            for number in range(given.rounds):
                print(f"round {number + 1} of {given.rounds}", flush=True)
                place = Path(folder) / str(number)
                with mounts.drive(given.binding, place / "one", *at, GRAPHFS_TOKEN=token) as mounted:
                    there = mounted.folder / name
                    there.mkdir(exist_ok=True)
                    metadata(table, alone, there / f"small-{number}", given.each)
                    copies(table, there / f"copy-{number}")
                    listing(table, there / "large", given.entries)
                    writing(table, alone, there / f"big-{number}", given.mib << 20)
                with mounts.drive(given.binding, place / "other", *at, GRAPHFS_TOKEN=token) as mounted:
                    reading(table, mounted.folder / name / f"big-{number}", given.mib << 20)
                with mounts.drive(given.binding, place / "third", *at, GRAPHFS_TOKEN=token) as mounted:
                    large = mounted.folder / name / f"big-{number}"
                    cold()
                    table.add("read, kept by Nginx", given.mib * 1.048576 / seconds(partial(_read, large)), "MB/s")
                shutil.rmtree(place)
    finally:
        alone.close()
    print(table.text())
    if given.write:
        put("cluster", table.text())
    return 0
