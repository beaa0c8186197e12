"""The tagger's pace: small texts a second, pictures a second, the memory of its processes, and what a full queue costs.

Starts a drive in this process and one offline tagger beside it, gives it generated files, and measures until all are
tagged. It does not judge the tags.
"""

import argparse
import hashlib
import io
import os
import random
import signal
import stat
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from gateway.app import run_in_thread
from gateway.service import open_service
from graphfs.api import Drive
from graphfs.config import Config, Jobs
from graphfs.model import FILES_ROOT, Caller, JobState, Patch

_ROOT = Path(__file__).resolve().parents[1]
_OWNER = Caller(os.getuid(), os.getgid())
_CONFIG = Config(jobs=Jobs(settle_seconds=0.0))
_TICKS = os.sysconf("SC_CLK_TCK")


def texts(count: int, chance: random.Random) -> list[bytes]:
    """Pieces of our own pages, about 2 KiB each, no two alike."""
    lines = [line for page in sorted((_ROOT / "docs").rglob("*.md")) for line in page.read_text("utf-8").splitlines()]
    return ["\n".join(chance.sample(lines, 18)).encode() for _ in range(count)]


def photographs(count: int, chance: random.Random) -> list[bytes]:
    """JPEGs of 1,280 x 960 with a little texture, every fourth with a line of words."""
    found = []
    for number in range(count):
        image = Image.effect_noise((1280, 960), 12).convert("RGB")
        if number % 4 == 0:
            words = f"Harvest festival {chance.randrange(1000)}"
            ImageDraw.Draw(image).text((200, 400), words, "black", ImageFont.load_default(72))
        held = io.BytesIO()
        image.save(held, "JPEG", quality=85)
        found.append(held.getvalue())
    return found


def put(drive: Drive, folder: int, name: str, data: bytes) -> None:
    """A new file."""
    node = drive.create(_OWNER, folder, name, stat.S_IFREG | 0o644)
    drive.commit(
        _OWNER, node.id, node.version, len(data), [Patch(0, len(data), hashlib.sha256(data).digest(), 0, data)]
    )


def family(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for one in found:
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            found += [int(child) for child in children.read_text().split()]
    return found


def memory(pid: int) -> int:
    """Bytes that a process and all below it take, what they share counted once (PSS)."""
    total = 0
    for one in family(pid):
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))
    return total


def processor(pid: int) -> float:
    """Seconds of processor time that a process and all below it, the ended ones too, have used."""
    total = 0
    for one in family(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15]))
    return total / _TICKS


def left(drive: Drive) -> int:
    """Files that wait or are in hand."""
    jobs = drive.status(_OWNER).jobs
    return jobs.get(JobState.QUEUED, 0) + jobs.get(JobState.LEASED, 0)


def until_done(drive: Drive, pid: int, patience: float) -> tuple[float, float, int]:
    """Seconds, processor seconds of the tagger, and the most memory seen, until the queue is empty."""
    start, used, most = time.monotonic(), processor(pid), 0
    after = drive.events(-1, 0.0)[-1].seq
    looked = 0.0
    while left(drive) and time.monotonic() - start < patience:
        events = drive.events(after, 0.5)
        after = events[-1].seq if events else after
        if time.monotonic() - looked > 1.0:
            looked = time.monotonic()
            most = max(most, memory(pid))
        time.sleep(0.1)
    return time.monotonic() - start, processor(pid) - used, most


def arrival(service: Drive, address: str, count: int, chance: random.Random) -> None:
    """What a full queue and a working tagger cost those who bring files: blocks of them arrive in turn while the tagger
    works and while it is paused."""
    words = texts(200, chance)
    block = max(50, min(1000, count // 20))
    tagger = subprocess.Popen(
        [sys.executable, "-m", "tagger", "--server", address, "--parent-pid", str(os.getpid())],
        cwd=_ROOT,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not service.status(_OWNER).jobs.get(JobState.TAGGED):
            time.sleep(0.1)
        spent: dict[bool, list[float]] = {True: [], False: []}
        for number in range(count // block):
            paused = number % 2 == 0
            service.pause(_OWNER, paused)
            while paused and service.status(_OWNER).jobs.get(JobState.LEASED):
                time.sleep(0.05)
            folder = service.create(_OWNER, FILES_ROOT, f"block {number}", stat.S_IFDIR | 0o755).id
            start = time.monotonic()
            for one in range(block):
                put(service, folder, f"{one}.txt", words[one % 200] + f"{number} {one}".encode())
            spent[paused].append((time.monotonic() - start) / block)
        resting, working = statistics.median(spent[True]), statistics.median(spent[False])
        print(
            f"arrival: {1 / resting:.0f} files/s while the tagger rests, {1 / working:.0f} while it works"
            f" ({working / resting - 1:+.0%}), medians of {len(spent[True])} blocks of {block}",
            flush=True,
        )
        service.pause(_OWNER, False)
        calls: tuple[tuple[str, Callable[[], object]], ...] = (
            ("lease of 4", lambda: service.lease("bench", 4, 0.0)),
            ("status", lambda: service.status(_OWNER)),
        )
        for what, call in calls:
            times = []
            for _ in range(9):
                start = time.monotonic()
                call()
                times.append(time.monotonic() - start)
            print(f"{what} with {left(service):,} waiting: {statistics.median(times) * 1000:.1f} ms", flush=True)
        queue = service.status(_OWNER).queue
        print(f"estimate: {queue.per_minute:.0f} files a minute, {queue.seconds_left or 0:.0f} s left", flush=True)
    finally:
        tagger.send_signal(signal.SIGTERM)
        tagger.wait(60)


def main(arguments: list[str]) -> int:
    """Prints one line a measurement."""
    parser = argparse.ArgumentParser(prog="python -m bench queue", description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=1500)
    parser.add_argument("--pictures", type=int, default=40)
    parser.add_argument("--arrival", type=int, default=0, metavar="N", help="only: N files, and what that costs")
    parser.add_argument("--patience", type=float, default=600.0, help="seconds for each part")
    given = parser.parse_args(arguments)
    chance = random.Random(7)
    with tempfile.TemporaryDirectory(prefix="graphfs-queue-") as folder:
        state = Path(folder)
        service = open_service(state, _CONFIG)
        address = f"unix:{state / 'api.sock'}"
        server = run_in_thread(service, address, token="t")
        tagger = None
        try:
            if given.arrival:
                put(service, FILES_ROOT, "first.txt", b"a first file")
                arrival(service, address, given.arrival, chance)
                return 0
            for number, data in enumerate(texts(given.texts, chance)):
                put(service, FILES_ROOT, f"note {number}.txt", data)
            command = [sys.executable, "-m", "tagger", "--server", address]
            tagger = subprocess.Popen(command, cwd=_ROOT, stderr=subprocess.DEVNULL)
            while left(service) > given.texts * 0.9:  # the first tenth is warm-up
                time.sleep(0.1)
            rest = left(service)
            report("small texts", rest, *until_done(service, tagger.pid, given.patience))
            images = photographs(given.pictures, chance)
            for number, data in enumerate(images):
                put(service, FILES_ROOT, f"photo {number}.jpg", data)
            report("pictures with OCR", len(images), *until_done(service, tagger.pid, given.patience))
            jobs = service.status(_OWNER).jobs
            print("queue:", ", ".join(f"{count} {state}" for state, count in jobs.items() if count))
        finally:
            if tagger is not None:
                tagger.send_signal(signal.SIGTERM)
                tagger.wait(20)
            server.stop()
            service.close()
    return 0


def report(what: str, files: int, seconds: float, processor_seconds: float, most: int) -> None:
    """One line."""
    print(
        f"{what}: {files} files in {seconds:.1f} s, {files / seconds:.1f}/s;"
        f" {files / max(processor_seconds, 0.01):.1f} per second of one core; {most >> 20} MB at most",
        flush=True,
    )
