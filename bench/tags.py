"""Tag listings through the mount: 1,000 to 100,000 files, 500 tags by Zipf's law, 5 a file, built by the service.

Times are of whole system calls as `ls` makes them, medians of `--repeats` after the kernel's caches were dropped (when
root). Memory is the resident size of the mount's process after the measuring. Prints a table a size, and the growth.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.mounts import PROJECT, drive, loopback
from bench.page import put

TAGS = 500
TAGS_A_FILE = 5
FILES_A_FOLDER = 1000
CHANGES = 1000
SETTLE = 2.0
"""Seconds after which the kernel believes none of the names that a walk gave it: until then a change of tags is told to
it for each folder that it saw a file in."""
RESULTS = PROJECT / "bench" / "results"

QUERIES = {
    "one tag": "t000",
    "AND of two": "t000/t001",
    "AND of three": "t000/t001/t002",
    "OR": "t000,t001",
    "NOT": "t000/-t001",
    "a rare tag": "t400",
    "AND of a rare one": "t000/t300",
}
BASE_MS, LS_US, LS_L_US = 20.0, 10.0, 40.0
"""What is asked for: milliseconds, and microseconds an entry more, of `ls` and of `ls -l`."""


@dataclass(frozen=True)
class Listing:
    """How one query did: entries, and milliseconds of `ls`, of `ls -l`, and until the first entry."""

    entries: int
    ls: float
    ls_l: float
    first: float


@dataclass
class Size:
    """What was measured with one number of files. Times are seconds unless said."""

    files: int
    built: float
    start: float
    root_ms: float
    listings: dict[str, Listing]
    find_seconds: float
    find_entries: int
    xattr_given: float
    xattr_changes: float
    cp_changes: float
    cp_plain: float
    cp_loopback: float
    """Files a second of the same `cp` into a folder of `files/`, and into a loopback of the same binding."""
    memory_mb: float


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench tags", description=__doc__)
    parser.add_argument("--sizes", default="1000,10000,100000")
    parser.add_argument("--binding", default="pyfuse3", choices=["pyfuse3", "fusepy"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--find-seconds", type=float, default=600, help="the whole `find tags` is ended after so long")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/performance.md")
    parser.add_argument("--place", type=Path, help="a folder on the disk to measure (default: a temporary one)")
    return parser.parse_args(arguments)


def build(state: Path, files: int) -> float:
    """Fills a state directory through the boundary; returns the seconds it took. Same files and tags every time."""
    from gateway.service import open_service  # noqa: PLC0415  # only the building needs the service in this process
    from graphfs.config import load  # noqa: PLC0415
    from graphfs.model import FILES_ROOT, Caller  # noqa: PLC0415

    rng = random.Random(files)
    weights = [1 / (rank + 1) for rank in range(TAGS)]
    begin = time.monotonic()
    service = open_service(state, load(None, {}))
    caller = Caller(os.getuid(), os.getgid())
    members: dict[int, list[int]] = defaultdict(list)
    folder = FILES_ROOT
    for number in range(files):
        if number % FILES_A_FOLDER == 0:
            folder = service.create(caller, FILES_ROOT, f"d{number // FILES_A_FOLDER:04}", 0o40755).id
        node = service.create(caller, folder, f"file-{number:06}.txt", 0o100644)
        chosen: set[int] = set()
        while len(chosen) < TAGS_A_FILE:
            chosen.update(rng.choices(range(TAGS), weights, k=TAGS_A_FILE - len(chosen)))
        for tag in chosen:
            members[tag].append(node.file)
    for tag in sorted(members):
        service.change_tags(caller, members[tag], [f"t{tag:03}"], [])
    service.close()
    return time.monotonic() - begin


def _cold() -> None:
    if os.geteuid() == 0:
        os.sync()
        Path("/proc/sys/vm/drop_caches").write_text("3\n")


def milliseconds(call: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        _cold()
        begin = time.perf_counter()
        call()
        times.append((time.perf_counter() - begin) * 1000)
    return statistics.median(times)


def _ls_l(folder: Path) -> int:
    """What `ls -l` does: all names, then lstat of each."""
    with os.scandir(folder) as entries:
        names = [entry.path for entry in entries]
    for name in names:
        os.lstat(name)
    return len(names)


def _first(folder: Path) -> None:
    with os.scandir(folder) as entries:
        next(entries)


def listing(folder: Path, repeats: int) -> Listing:
    return Listing(
        len(os.listdir(folder)),
        milliseconds(lambda: os.listdir(folder), repeats),
        milliseconds(lambda: _ls_l(folder), repeats),
        milliseconds(lambda: _first(folder), repeats),
    )


def _find(tags: Path, seconds: float) -> tuple[float, int]:
    """(seconds, entries) of a whole walk; negative seconds when it was ended before it was through."""
    begin = time.monotonic()
    with subprocess.Popen(["find", str(tags)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        entries = 0
        while block := process.stdout.read1(1 << 16):  # type: ignore[attr-defined]  # a BufferedReader
            entries += block.count(b"\n")
            if time.monotonic() - begin > seconds:
                process.kill()
                return -(time.monotonic() - begin), entries
    return time.monotonic() - begin, entries


def _xattr_changes(files: list[Path]) -> tuple[float, float]:
    """Tags given a second, one a call; and changes a second where one call takes all tags and gives one."""
    worn = [os.getxattr(path, "user.xdg.tags") for path in files]
    begin = time.monotonic()
    for number, (path, tags) in enumerate(zip(files, worn, strict=True)):
        os.setxattr(path, "user.xdg.tags", tags + f",more-{number % 20}".encode())
    given = len(files) / (time.monotonic() - begin)
    changes = sum(tags.count(b",") + 3 for tags in worn)
    begin = time.monotonic()
    for number, path in enumerate(files):
        os.setxattr(path, "user.xdg.tags", f"fresh-{number % 20}".encode())
    return given, changes / (time.monotonic() - begin)


def _new_files(source: Path, name: str) -> Path:
    """A folder of small files that are nowhere else."""
    source.mkdir()
    for number in range(CHANGES // 2):
        (source / f"{name}-{number}.txt").write_text(f"{name} {number}\n")
    return source


def _cp(source: Path, target: Path) -> float:
    """Files a second of one `cp -r` into a folder that is there."""
    begin = time.monotonic()
    subprocess.run(["cp", "-r", f"{source}/.", str(target)], check=True)
    return (CHANGES // 2) / (time.monotonic() - begin)


def memory(pid: int) -> float:
    """Resident megabytes of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1000
    return 0.0


def measure(files: int, options: argparse.Namespace) -> Size:
    """Builds, mounts and measures one size."""
    with tempfile.TemporaryDirectory(prefix="graphfs-bench-", dir=options.place) as temporary:
        place = Path(temporary)
        built = build(place / "state", files)
        with drive(options.binding, place) as mounted:
            tags = mounted.root / "tags"
            root_ms = milliseconds(lambda: os.listdir(tags), options.repeats)
            listings = {name: listing(tags / path, options.repeats) for name, path in QUERIES.items()}
            find_seconds, find_entries = _find(tags, options.find_seconds)
            resident = memory(mounted.pid)
            time.sleep(SETTLE)
            some = sorted((mounted.folder / "d0000").iterdir())[:CHANGES]
            xattr_given, xattr_changes = _xattr_changes(some)
            cp_changes = 2 * _cp(_new_files(place / "new", "new"), tags / "t010" / "t011")
            plain = mounted.root / "files" / "plain"
            plain.mkdir()
            cp_plain = _cp(_new_files(place / "plain", "plain"), plain)
            with loopback(options.binding, place / "loop") as beside:
                cp_loopback = _cp(place / "plain", beside.folder)
            return Size(
                files, built, mounted.started, root_ms, listings, find_seconds, find_entries,
                xattr_given, xattr_changes, cp_changes, cp_plain, cp_loopback, resident,
            )  # fmt: skip


def _met(good: bool) -> str:
    return "" if good else " **missed**"


def table(size: Size) -> str:
    """One size in Markdown, with what is asked for."""
    lines = [
        f"### {size.files:,} files",
        "",
        "| query | entries | `ls` ms | at most | `ls -l` ms | at most | first entry ms |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, found in size.listings.items():
        most, most_l = (BASE_MS + found.entries * cost / 1000 for cost in (LS_US, LS_L_US))
        lines.append(
            f"| {name} | {found.entries:,} | {found.ls:.1f}{_met(found.ls <= most)} | {most:.0f} "
            f"| {found.ls_l:.1f}{_met(found.ls_l <= most_l)} | {most_l:.0f} | {found.first:.1f} |"
        )
    walked = f"{size.find_seconds:.1f} s" if size.find_seconds >= 0 else f"not through after {-size.find_seconds:.0f} s"
    lines += [
        "",
        f"- `ls tags/`: {size.root_ms:.1f} ms{_met(size.root_ms <= BASE_MS)} (at most {BASE_MS:.0f})",
        f"- `find tags`: {walked}, {size.find_entries:,} entries",
        f"- tags given by xattr, one a call: {size.xattr_given:,.0f}/s{_met(size.xattr_given >= 2000)} (2,000)",
        f"- tag changes by xattr where a call takes all tags and gives one: {size.xattr_changes:,.0f}/s",
        (
            f"- tags given by cp, two a file: {size.cp_changes:,.0f}/s{_met(size.cp_changes >= 2000)} (2,000): "
            f"{size.cp_changes / 2:,.0f} files/s, where the same `cp` puts {size.cp_plain:,.0f} files/s into `files/` "
            f"and {size.cp_loopback:,.0f} files/s into a loopback of the same binding"
        ),
        f"- memory: {size.memory_mb:.0f} MB{_met(size.memory_mb <= 200)} (at most 200)",
        f"- start: {size.start:.2f} s{_met(size.start <= 3)} (at most 3); built in {size.built:.1f} s",
    ]
    return "\n".join(lines)


def growth(sizes: list[Size]) -> str:
    """Microseconds an entry of the listing of one tag, by size: level means that only the answer counts."""
    lines = ["### Growth", "", "| files | `ls` us an entry | `ls -l` us an entry |", "|---:|---:|---:|"]
    for size in sizes:
        found = size.listings["one tag"]
        costs = [1000 * cost / found.entries for cost in (found.ls, found.ls_l)]
        lines.append(f"| {size.files:,} | {costs[0]:.1f} | {costs[1]:.1f} |")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    options = _arguments(arguments)
    RESULTS.mkdir(exist_ok=True)
    sizes = []
    with open(RESULTS / "tags.jsonl", "w") as output:
        for files in map(int, options.sizes.split(",")):
            sizes.append(measure(files, options))
            output.write(json.dumps(asdict(sizes[-1])) + "\n")
            output.flush()
            print(table(sizes[-1]), end="\n\n", flush=True)
    print(growth(sizes))
    if options.write:
        put("tags", "\n\n".join([*map(table, sizes), growth(sizes)]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
