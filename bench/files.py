"""The phases of fsbench.py on the drive, the loopbacks and the local disk, interleaved, as a table and a plot.

Needs root (cold phases drop the kernel's caches). The numbers of every run are kept in bench/results/files.jsonl, so
that `--report` can print the table again. Reads its targets from `facts`.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
from collections import defaultdict
from pathlib import Path

from bench.chart import Series, bars
from bench.facts import PHASES, Phase
from bench.mounts import PROJECT, target
from bench.page import put

FSBENCH = Path(__file__).resolve().parent / "fsbench.py"
RESULTS = PROJECT / "bench" / "results"
TARGETS = ["local", "loop-fusepy", "loop-mfusepy", "loop-pyfuse3", "drive-fusepy", "drive-pyfuse3"]
OURS = {"drive-fusepy": "loop-mfusepy", "drive-pyfuse3": "loop-pyfuse3"}
"""What each binding of the drive is held against: `fusepy` is served by its fork mfusepy where libfuse 3 is."""

Rates = dict[str, dict[str, list[float]]]
"""Target -> phase -> one rate a round."""


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench files", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--targets", default=",".join(TARGETS), help="a comma list; `juicefs` needs --juicefs")
    parser.add_argument("--juicefs", help="path of the juicefs program, to measure it in the same run")
    parser.add_argument("--phases", default="small,dir,big,tree", help="groups of fsbench.py")
    parser.add_argument("--place", type=Path, help="a folder on the disk to measure (default: a temporary one)")
    parser.add_argument("--mb", type=int, default=512, help="size of the large file in MiB")
    parser.add_argument("--report", action="store_true", help="only print the last run again")
    parser.add_argument("--plot", type=Path, help="write a plot of the ratios to this SVG file")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/performance.md")
    return parser.parse_args(arguments)


def real_tree(place: Path, most: int = 2000) -> Path:
    """A copy of at most `most` files of Python's own library, without compiled ones."""
    source, copy = Path(sysconfig.get_path("stdlib")), place / "tree"
    count = 0
    for path in sorted(source.rglob("*.*")):
        parts = path.relative_to(source)
        if {"site-packages", "__pycache__"} & set(parts.parts) or not path.is_file() or path.stat().st_size > 1 << 21:
            continue
        (copy / parts).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy / parts)
        count += 1
        if count == most:
            break
    return copy


def measure(options: argparse.Namespace, output: Path) -> None:
    """Runs every target `rounds` times in turn and appends one JSON line a run to `output`."""
    names = [*options.targets.split(","), *(["juicefs"] if options.juicefs else [])]
    with tempfile.TemporaryDirectory(prefix="graphfs-bench-", dir=options.place) as temporary:
        place = Path(temporary)
        tree = real_tree(place)
        for turn in range(options.rounds):
            for name in names:
                print(f"round {turn + 1}/{options.rounds}: {name}", file=sys.stderr, flush=True)
                spot = place / f"{name}-{turn}"
                with target(name, spot, options.juicefs) as mounted:
                    command = [sys.executable, str(FSBENCH), str(mounted.folder), "--label", name, "--tree", str(tree)]
                    command += ["--phases", options.phases, "--mb", str(options.mb), "--out", str(output)]
                    command += ["--pid", str(mounted.pid)] if mounted.pid else []
                    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                shutil.rmtree(spot)


def read(path: Path) -> Rates:
    """The rates of a results file."""
    rates: Rates = defaultdict(lambda: defaultdict(list))
    for line in path.read_text().splitlines():
        run = json.loads(line)
        for phase, value in run["phases"].items():
            if "value" in value:
                rates[run["label"]][phase].append(value["value"])
    return rates


def _number(values: list[float]) -> str:
    """A median and, in per cent of it, half the distance from least to most."""
    if not values:
        return "-"
    middle = statistics.median(values)
    if len(values) == 1 or not middle:
        return f"{middle:,.0f}"
    return f"{middle:,.0f} ±{100 * (max(values) - min(values)) / 2 / middle:.0f}%"


def table(rates: Rates) -> str:
    """Medians by phase and target, in Markdown."""
    names = [name for name in (*TARGETS, "juicefs") if name in rates]
    lines = [f"| phase | {' | '.join(names)} |", "|---|" + "---:|" * len(names)]
    for phase in PHASES:
        cells = [_number(rates[name].get(phase.key, [])) for name in names]
        lines.append(f"| {phase.title} ({phase.unit}) | {' | '.join(cells)} |")
    return "\n".join(lines)


def ratios(rates: Rates, name: str, phase: Phase) -> list[tuple[str, float, float]]:
    """(against what, ratio, least ratio asked for) of the drive in a phase; empty where something was not measured."""
    loop, ours = rates[OURS[name]].get(phase.key), rates[name].get(phase.key)
    if not loop or not ours:
        return []
    mine, theirs = statistics.median(ours), statistics.median(loop)
    binding = name.removeprefix("drive-")
    found = []
    if phase.against_loopback:
        found.append(("loopback", mine / theirs, phase.against_loopback[binding == "pyfuse3"]))
    if measured := rates.get("juicefs", {}).get(phase.key):
        found.append(("JuiceFS here", mine / statistics.median(measured), phase.against_juicefs))
    elif phase.reference:
        then = phase.reference.loopback(binding)
        scaled = phase.reference.juicefs * (theirs / then if then else 1.0)
        found.append(("JuiceFS, scaled", mine / scaled, phase.against_juicefs))
    return found


def verdicts(rates: Rates) -> str:
    """Every ratio beside what is asked for, in Markdown; what is missed is marked."""
    lines = ["| phase | drive | against | ratio | at least | |", "|---|---|---|---:|---:|---|"]
    for phase in PHASES:
        for name in OURS:
            if name in rates:
                for against, ratio, least in ratios(rates, name, phase):
                    mark = "" if ratio >= least else "**missed**"
                    lines.append(f"| {phase.title} | {name} | {against} | {ratio:.2f} | {least:.1f} | {mark} |")
    return "\n".join(lines)


def plot(rates: Rates, path: Path) -> None:
    """Bars of the drive's rates as ratios to the loopback of the same binding, one pair a phase."""
    phases = [phase for phase in PHASES if all(rates[name].get(phase.key) for pair in OURS.items() for name in pair)]
    series = [
        Series(
            f"{name} / {loop}",
            [statistics.median(rates[name][p.key]) / statistics.median(rates[loop][p.key]) for p in phases],
        )
        for name, loop in OURS.items()
    ]
    caption = "rate of the drive / rate of a loopback with the same binding (1: storing costs nothing)"
    path.write_text(bars([phase.title for phase in phases], series, caption))
    print(f"plot: {path}", file=sys.stderr)


def main(arguments: list[str]) -> int:
    options = _arguments(arguments)
    RESULTS.mkdir(exist_ok=True)
    output = RESULTS / "files.jsonl"
    if not options.report:
        output.unlink(missing_ok=True)
        measure(options, output)
    rates = read(output)
    text = f"{table(rates)}\n\n{verdicts(rates)}"
    print(text)
    if options.write:
        put("files", text)
    if options.plot:
        plot(rates, options.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
