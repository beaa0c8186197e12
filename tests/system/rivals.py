"""What two mounts of one drive do to one another: both want the same name, both append to one file, each looks at what
the other did."""

import fcntl
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.contracts.ground import eventually


def _exclusively(path: Path, number: int) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))


def _linked(path: Path, number: int) -> None:
    os.link(path.with_name(f"own-{number}"), path)


def _moved(path: Path, number: int) -> None:
    """Of one name that both take away, to a name of one's own."""
    os.rename(path, path.with_name(f"moved-{number}"))


WAYS: dict[str, Callable[[Path, int], None]] = {
    "O_EXCL": _exclusively,
    "mkdir": lambda path, number: path.mkdir(),
    "link": _linked,
    "rename": _moved,
}


def one_wins(roots: tuple[Path, Path], way: str, rounds: int) -> None:
    """Both try at the same moment; exactly one succeeds, every time."""
    folders = [root / way for root in roots]
    folders[0].mkdir()
    for number in range(2):
        (folders[0] / f"own-{number}").touch()
    if way == "rename":
        for turn in range(rounds):
            (folders[0] / f"n{turn}").touch()
    eventually(lambda: len(os.listdir(folders[1])) == len(os.listdir(folders[0])), 5)
    for turn in range(rounds):
        wins: list[int] = []
        start = threading.Barrier(2)

        def attempt(number: int, turn: int = turn, wins: list[int] = wins, start: threading.Barrier = start) -> None:
            path = folders[number] / f"n{turn}"
            start.wait(30)
            try:
                WAYS[way](path, number)
            except (FileExistsError, FileNotFoundError):
                return
            wins.append(number)

        threads = [threading.Thread(target=attempt, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(wins) == 1, (way, turn, wins)


def appended_by_both(roots: tuple[Path, Path], records: int) -> None:
    """No record is lost or torn."""
    (roots[0] / "log").touch()
    eventually((roots[1] / "log").exists, 5)
    failures: list[OSError] = []

    def write(number: int) -> None:
        try:
            for record in range(records):
                with open(roots[number] / "log", "ab", buffering=0) as log:
                    log.write(f"{number} {record}\n".encode())
        except OSError as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert not failures
    expected = sorted(f"{number} {record}" for number in range(2) for record in range(records))
    for root in roots:
        eventually(lambda root=root: sorted((root / "log").read_text().splitlines()) == expected, 5)


def seen_by_the_other(roots: tuple[Path, Path], rounds: int, seconds: float) -> None:
    """What one closed the other reads at its next open, and names that came or went show within so many seconds."""
    here, there = roots[0] / "seen", roots[1] / "seen"
    for turn in range(rounds):
        here.write_text(f"{turn} " * (turn + 1))
        begun = time.monotonic()
        eventually(there.exists, seconds)
        assert there.read_text() == f"{turn} " * (turn + 1)
        assert time.monotonic() - begun < seconds + 1
        if turn % 2:
            here.unlink()
            eventually(lambda: not there.exists(), seconds)


def counted_by_both(roots: tuple[Path, Path], rounds: int) -> None:
    """What is read under a lock is what was written under the last: both count up, each by a descriptor that stays
    open."""
    (roots[0] / "count").write_text("000")
    eventually((roots[1] / "count").exists, 10)
    failures: list[BaseException] = []

    def count(root: Path) -> None:
        try:
            descriptor = os.open(root / "count", os.O_RDWR)
            for _ in range(rounds):
                fcntl.lockf(descriptor, fcntl.LOCK_EX)
                number = int(os.pread(descriptor, 10, 0))
                os.pwrite(descriptor, f"{number + 1:03}".encode(), 0)
                fcntl.lockf(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=count, args=(root,)) for root in roots]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failures
    for root in roots:
        eventually(lambda root=root: (root / "count").read_text() == f"{2 * rounds:03}", 10)
