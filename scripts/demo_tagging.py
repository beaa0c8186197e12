#!/usr/bin/env python3
"""`make demo-tagging`: a mixed folder is tagged on a real mount, a few suggestions are reviewed, and the next files are
tagged better because of it; then the same with a large model. Everything is in a temporary folder and goes with it.

`--write FILE` writes the transcript as a page. With GRAPHFS_TAGGER__LLM__BASE_URL and ..__MODEL set, that model is
asked; else a stand-in on this machine that speaks the same protocol (`demo_endpoint.py`)."""

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import demo_endpoint
import demo_files

ROOT = Path(__file__).resolve().parent.parent
GRAPHFS = [sys.executable, "-m", "graphfs.cli"]
SECONDS = "300"


class Show:
    """Runs commands where people can see them."""

    def __init__(self, base: Path, environment: dict[str, str]) -> None:
        self.base, self.lines, self.environment = base, [""], environment

    def say(self, text: str = "") -> None:
        """A line of the transcript."""
        self.lines.append(text)
        print(text, flush=True)

    def head(self, text: str) -> None:
        self.say(f"\n## {text}\n")

    def run(self, *words: str, shown: int = 40) -> str:
        """A command in the base folder, with what it prints."""
        real = [*GRAPHFS, *words[1:]] if words[0] == "graphfs" else list(words)
        self.say(f"    $ {shlex.join(words)}")
        done = subprocess.run(real, cwd=self.base, env=self.environment, capture_output=True, text=True, check=False)
        said = (done.stdout + done.stderr).splitlines()
        for line in said[:shown]:
            self.say(f"    {line}")
        if len(said) > shown:
            self.say(f"    ... {len(said) - shown} more")
        if done.returncode:
            raise SystemExit(f"{shlex.join(words)} ended with {done.returncode}")
        return done.stdout


class Mounted:
    """The drive of one part of the demonstration."""

    def __init__(self, show: Show, name: str, llm: dict[str, str] | None = None) -> None:
        self.show, self.name = show, name
        self.root = show.base / name
        self.environment = {**show.environment, **(llm or {})}

    def __enter__(self) -> "Mounted":
        command = [
            sys.executable,
            str(ROOT / "mount.py"),
            str(self.root),
            "--state",
            str(self.show.base / f"{self.name}.state"),
        ]
        subprocess.run(command, env=self.environment, check=True, stdout=subprocess.DEVNULL)
        for tag in (demo_files.KITCHEN, demo_files.SKY, demo_files.RIVER):
            self.show.run("mkdir", f"{self.name}/tags/{tag}")
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run([*GRAPHFS, "unmount", str(self.root)], env=self.environment, check=True)

    def copy(self, folder: str, to: str) -> None:
        """Tagging begins when all is there: what was seen before counts for the next, and each run is to be alike."""
        self.show.run("graphfs", "pause", self.name)
        self.show.run("cp", "-r", folder, f"{self.name}/files/{to}")
        self.show.run("graphfs", "resume", self.name)
        self.show.run("graphfs", "wait", "--tagged", "--timeout", SECONDS, self.name)

    def tags(self, path: str) -> dict[str, float]:
        """The topical tags that a machine gave or suggests, with confidence."""
        try:
            said = os.getxattr(self.root / path, "user.graphfs.tags.auto")
        except OSError:
            return {}
        return {one["tag"]: one["confidence"] for one in json.loads(said) if one["source"] == "model"}

    def waiting(self) -> dict[str, list[str]]:
        """What waits for review, of the tags of this drive's owner."""
        place = self.root / "tags" / "+review"
        tags = sorted(one for one in place.iterdir() if one.is_dir())
        return {tag.name: sorted(one.name for one in tag.iterdir() if one.is_file()) for tag in tags}

    def score(self, folder: str, truth: dict[str, tuple[str, str]]) -> Counter[str]:
        """How the texts of a folder were tagged, against what a person calls them."""
        counts: Counter[str] = Counter()
        mine = {demo_files.KITCHEN, demo_files.SKY, demo_files.RIVER}
        for name, (right, _) in truth.items():
            found = {tag: sure for tag, sure in self.tags(f"files/{folder}/{name}").items() if tag in mine}
            counts["applied, right"] += found.get(right, 0) >= 0.75
            counts["waiting, right"] += 0.45 <= found.get(right, 0) < 0.75
            counts["applied, wrong"] += sum(sure >= 0.75 for tag, sure in found.items() if tag != right)
            counts["waiting, wrong"] += sum(0.45 <= sure < 0.75 for tag, sure in found.items() if tag != right)
        return counts


def review(drive: Mounted, truth: dict[str, tuple[str, str]]) -> tuple[int, int]:
    """What a person does in tags/+review/: `mv` accepts, `rm` rejects."""
    accepted = rejected = 0
    for tag, names in drive.waiting().items():
        for name in names:
            right = truth.get(name, ("", ""))[0]
            place = f"{drive.name}/tags/+review/{tag}/{name}"
            if right == tag and accepted < 8:
                drive.show.run("mv", place, f"{drive.name}/tags/{tag}/")
                accepted += 1
            elif name in truth and right != tag and rejected < 3:
                drive.show.run("rm", place)
                rejected += 1
    return accepted, rejected


def offline(show: Show) -> tuple[Counter[str], Counter[str]]:
    with Mounted(show, "drive") as drive:
        show.head("A mixed folder, tagged offline")
        drive.copy("mixed", "mixed")
        show.run("graphfs", "-C", "drive/files/mixed", "ls", ".")
        show.say()
        show.run("graphfs", "why", "drive/files/mixed/saturn.txt")
        show.head("The next files, before anything was taught")
        drive.copy("next", "before")
        before = drive.score("before", demo_files.NEXT)
        show.head("Review: mv accepts, rm rejects")
        show.run("ls", "drive/tags/+review")
        accepted, rejected = review(drive, demo_files.FIRST | demo_files.OTHERS)
        show.say("\nThe word `heron` is private, so two files are shown to it by hand:\n")
        for name in ("minutes.txt", "gauge.txt"):
            show.run("mv", f"drive/files/mixed/{name}", f"drive/tags/{demo_files.RIVER}/")
        show.head("The next files again")
        drive.copy("next", "after")
        show.run("graphfs", "why", "drive/files/after/willows.txt")
        after = drive.score("after", demo_files.NEXT)
        show.say(f"\n{accepted} suggestions were accepted, {rejected} rejected, 2 files tagged by hand.")
    return before, after


def large(show: Show, llm: dict[str, str]) -> Counter[str]:
    with Mounted(show, "large", llm) as drive:
        drive.copy("mixed", "mixed")
        drive.copy("next", "next")
        show.run("graphfs", "-C", "large/files/next", "ls", ".")
        show.say()
        show.run("graphfs", "why", "large/files/next/comet.txt")
        return drive.score("next", demo_files.NEXT)


def table(rows: Sequence[tuple[str, Counter[str]]]) -> list[str]:
    kinds = ("applied, right", "applied, wrong", "waiting, right", "waiting, wrong")
    lines = [f"| {len(demo_files.NEXT)} files | {' | '.join(kinds)} |", f"|---|{'---:|' * len(kinds)}"]
    return lines + [f"| {name} | {' | '.join(str(counts[kind]) for kind in kinds)} |" for name, counts in rows]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the transcript as a page")
    given = parser.parse_args()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GRAPHFS_")}
    configured = {name: value for name, value in os.environ.items() if name.startswith("GRAPHFS_TAGGER__LLM__")}
    with tempfile.TemporaryDirectory(prefix="graphfs-demo-") as folder:
        base = Path(folder)
        environment = {**kept, "PYTHONPATH": str(ROOT), "GRAPHFS_JOBS__SETTLE_SECONDS": "0"}
        show = Show(base, environment)
        demo_files.write_first(base / "mixed")
        demo_files.write_next(base / "next")
        before, after = offline(show)
        rows = [("offline, nothing taught", before), ("offline, after the review", after)]
        show.head("The same with a large model")
        server = demo_endpoint.serve()
        try:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            llm = configured or {
                "GRAPHFS_TAGGER__LLM__BASE_URL": f"http://127.0.0.1:{server.server_port}/v1",
                "GRAPHFS_TAGGER__LLM__MODEL": "stand-in",
            }
            model = llm.get("GRAPHFS_TAGGER__LLM__MODEL", "")
            if not configured:
                show.say(
                    "No endpoint is configured: a stand-in answers, a local server of the real protocol with a table\n"
                    "of words for a model. It shows the way, not what a model is worth.\n"
                )
            rows.append((f"large model ({model})", large(show, llm)))
        finally:
            server.shutdown()
            server.server_close()
        show.head("What came of it")
        for line in table(rows):
            show.say(line)
        if given.write:
            head = 'Made by `make demo-tagging ARGS="--write docs/demo-tagging.md"`: a real run on a real mount.'
            given.write.write_text("\n".join(["# Tagging, shown", "", head, *show.lines]) + "\n")
        taught, untaught = after["applied, right"], before["applied, right"]
        print(f"\nRight tags applied by themselves: {untaught} before, {taught} after the review.")
        return 0 if taught > untaught and not after["applied, wrong"] > before["applied, wrong"] + 1 else 1


if __name__ == "__main__":
    sys.exit(main())
