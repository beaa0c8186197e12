"""What one operation costs the mount: its processor time and the rate, for the drive and for loopbacks, in turns.

Processor time says more than a rate where other programs run beside it. Short: half a minute for each target and round.
Prints a table; medians, and the spread of the rates.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

from bench.mounts import Mounted, target

SETTLE = 0.05
"""Seconds after a phase in which what it left behind is done, and counted."""
BLOCK = os.urandom(4096)

Found = dict[str, dict[str, list[tuple[float, float]]]]
"""Microseconds and operations a second, by phase and target."""


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench operations", description=__doc__)
    parser.add_argument("--targets", default="loop-pyfuse3,drive-pyfuse3,loop-mfusepy,drive-fusepy")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--files", type=int, default=400)
    parser.add_argument("--tree", type=Path, default=Path(os.__file__).parent / "email", help="copied by `cp -r`")
    return parser.parse_args(arguments)


def _processor_time(pid: int) -> float:
    """Of all threads, in microseconds."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended just now
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1000


def _cold() -> None:
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3\n")
    time.sleep(0.2)


def _make(path: str) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o644)
    os.write(descriptor, BLOCK)
    os.close(descriptor)


def _copy(source: Path, folder: Path) -> None:
    subprocess.run(["cp", "-r", f"{source}/.", str(folder)], check=True)


class Round:
    """One target's phases; `found` gets what they cost."""

    def __init__(self, name: str, mounted: Mounted, found: Found) -> None:
        self._name, self._mounted, self._found = name, mounted, found

    def phase(self, name: str, act: Callable[[Any], object], items: Iterable[Any], each: int = 1) -> None:
        """`each`: so many operations are in one call of `act`."""
        items = list(items)
        used, begin = _processor_time(self._mounted.pid), time.perf_counter()
        for item in items:
            act(item)
        took = time.perf_counter() - begin
        time.sleep(SETTLE)
        count = len(items) * each
        cost = (_processor_time(self._mounted.pid) - used) / count
        self._found[name][self._name].append((cost, count / took))

    def files(self, count: int, tree: Path) -> None:
        folder = self._mounted.folder / "operations"
        folder.mkdir()
        paths = [f"{folder}/f{number}" for number in range(count)]
        mixed = random.Random(1).sample(paths, count)
        self.phase("create 4 KiB", _make, paths)
        _cold()
        self.phase("stat, cold", os.stat, mixed)
        self.phase("read", lambda path: Path(path).read_bytes(), mixed)
        self.phase("chmod", lambda path: os.chmod(path, 0o600), mixed)
        self.phase("rename", lambda path: os.rename(path, f"{path}.r"), paths)
        self.phase("mkdir", lambda path: os.mkdir(f"{path}.d"), paths)
        self.phase("rmdir", lambda path: os.rmdir(f"{path}.d"), paths)
        self.phase("unlink", lambda path: os.unlink(f"{path}.r"), paths)
        inside = sum(len(files) for _, _, files in os.walk(tree))
        self.phase("cp -r, a file", lambda copy: _copy(tree, copy), [folder / "tree"], inside)
        _cold()
        self.phase(
            "rm -rf, a file", lambda copy: subprocess.run(["rm", "-rf", copy], check=True), [folder / "tree"], inside
        )

    def tags(self, count: int, place: Path) -> None:
        tags, folder = self._mounted.root / "tags", self._mounted.folder / "tagged"
        folder.mkdir()
        for number in range(20):
            (tags / f"t{number}").mkdir()
        paths = [f"{folder}/f{number}" for number in range(count)]
        for path in paths:
            _make(path)
        few = [(path, f"t{number % 20}", f"t{(number + 1) % 20}") for number, path in enumerate(paths)]
        self.phase("tag by xattr", lambda one: os.setxattr(one[0], "user.xdg.tags", one[1].encode()), few)
        self.phase("one more", lambda one: os.setxattr(one[0], "user.xdg.tags", ",".join(one[1:]).encode()), few)
        for number in range(count):
            (place / f"n{number}.txt").write_text(f"new {number}\n")
        self.phase("cp into a tag, a file", lambda view: _copy(place, view), [tags / "t1" / "t2"], count)
        self.phase("the same into another", lambda view: _copy(place, view), [tags / "t3"], count)


def table(found: Found, names: list[str]) -> str:
    """In Markdown: microseconds of the mount, and operations a second."""
    lines = [f"| | {' | '.join(names)} |", f"|---|{'---:|' * len(names)}"]
    for phase, costs in found.items():
        cells = []
        for name in names:
            rates = [rate for _, rate in costs[name]]
            cell = f"{median(cost for cost, _ in costs[name]):.0f} us, {median(rates):,.0f}/s" if rates else ""
            cells.append(cell + (f" ({min(rates):,.0f}-{max(rates):,.0f})" if rates else ""))
        lines.append(f"| {phase} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    options = _arguments(arguments)
    names = options.targets.split(",")
    found: Found = defaultdict(lambda: defaultdict(list))
    for _ in range(options.rounds):
        for name in names:
            with tempfile.TemporaryDirectory(prefix="graphfs-bench-") as place, target(name, Path(place)) as mounted:
                one = Round(name, mounted, found)
                one.files(options.files, options.tree)
                if name.startswith("drive-"):
                    with tempfile.TemporaryDirectory(prefix="graphfs-bench-") as new:
                        one.tags(options.files, Path(new))
    print(table(found, names))
    print(f"load {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
