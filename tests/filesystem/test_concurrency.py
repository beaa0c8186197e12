"""Several processes at once on the same files and folders: nothing lost, torn, mixed or briefly missing."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.filesystem.drives import Drive
from tests.filesystem.processes import Child
from tests.filesystem.syscalls import failure

RECORD = 64


def _all(*children: Child[object]) -> list[object]:
    try:
        return [child.result() for child in children]
    finally:
        for child in children:
            child.__exit__(None, None, None)


def test_concurrent_appenders_lose_and_tear_nothing(drive: Path) -> None:
    (drive / "log").touch()

    def append(writer: int) -> None:
        descriptor = os.open(drive / "log", os.O_WRONLY | os.O_APPEND)
        for number in range(250):
            record = b"%02d:%05d:" % (writer, number)
            os.write(descriptor, record + b"." * (RECORD - 1 - len(record)) + b"\n")
        os.close(descriptor)

    _all(*(Child(lambda writer=writer: append(writer)) for writer in range(4)))
    content = (drive / "log").read_bytes()
    assert len(content) == 4 * 250 * RECORD
    records = content.splitlines()
    assert all(len(record) == RECORD - 1 for record in records)
    for writer in range(4):
        mine = [int(record[3:8]) for record in records if record.startswith(b"%02d:" % writer)]
        assert mine == list(range(250))


def test_appenders_that_open_for_every_record(drive: Path) -> None:
    def append(writer: int) -> None:
        for number in range(60):
            with open(drive / "log", "ab", 0) as stream:
                stream.write(b"%02d:%05d\n" % (writer, number))

    _all(*(Child(lambda writer=writer: append(writer)) for writer in range(4)))
    lines = (drive / "log").read_bytes().splitlines()
    assert sorted(lines) == sorted(b"%02d:%05d" % (writer, number) for writer in range(4) for number in range(60))


def test_readers_see_the_old_or_the_new_file_when_it_is_replaced(drive: Path, mounted: Drive) -> None:
    """An editor's save under the eyes of readers that keep it open: never absent, never mixed."""
    length = 20_000
    (drive / "f").write_bytes(b"0" * length)
    (drive / "go").touch()

    def read() -> list[str]:
        wrong = []
        opened = 0
        while (drive / "go").exists() or opened < 100:
            opened += 1
            try:
                with open(drive / "f", "rb", 0) as stream:
                    content = b"".join(iter(lambda: stream.read(4096), b""))
            except OSError as error:
                wrong.append(repr(error))
            else:
                if len(content) != length or len(set(content)) != 1:
                    wrong.append(f"{len(content)} bytes of {len(set(content))} kinds")
            if wrong:
                (drive / "go").unlink(missing_ok=True)
        return wrong

    readers = [Child(read) for _ in range(3)]
    # where it is known to go wrong it ends with the first time, which may take long to come
    for number in range(100 if mounted.kind == "cluster-pyfuse3" else 1_000):
        (drive / "new").write_bytes(b"%d" % (number % 10) * length)
        os.rename(drive / "new", drive / "f")
        if not (drive / "go").exists():
            break
    (drive / "go").unlink(missing_ok=True)
    assert _all(*readers) == [[], [], []]


def test_only_one_creates_exclusively(drive: Path) -> None:
    def create() -> list[int]:
        return [
            number
            for number in range(150)
            if failure(lambda n=number: os.close(os.open(drive / f"{n}", os.O_CREAT | os.O_EXCL | os.O_WRONLY))) is None
        ]

    won = _all(*(Child(create) for _ in range(4)))
    winners = [number for numbers in won for number in numbers]  # type: ignore[attr-defined]  # lists of numbers
    assert sorted(winners) == list(range(150))


def test_only_one_makes_a_folder_and_only_one_removes_it(drive: Path) -> None:
    def make() -> int:
        return sum(failure(lambda n=number: os.mkdir(drive / f"{n}")) is None for number in range(100))

    def remove() -> int:
        return sum(failure(lambda n=number: os.rmdir(drive / f"{n}")) is None for number in range(100))

    assert sum(_all(*(Child(make) for _ in range(3)))) == 100  # type: ignore[arg-type]  # numbers
    assert sum(_all(*(Child(remove) for _ in range(3)))) == 100  # type: ignore[arg-type]  # numbers
    assert os.listdir(drive) == []


def test_links_as_locks(drive: Path) -> None:
    """The oldest lock there is: who can link has it."""
    (drive / "counter").write_text("0")

    def count() -> None:
        own = drive / f"own-{os.getpid()}"
        own.touch()
        done = 0
        while done < 25:
            if failure(lambda: os.link(own, drive / "lock")) is None:
                (drive / "counter").write_text(str(int((drive / "counter").read_text()) + 1))
                os.unlink(drive / "lock")
                done += 1
        os.unlink(own)

    _all(*(Child(count) for _ in range(3)))
    assert (drive / "counter").read_text() == "75"
    assert os.listdir(drive) == ["counter"]


def test_renames_back_and_forth_keep_every_file(drive: Path) -> None:
    for number in range(40):
        (drive / f"{number}").write_text(str(number))
    (drive / "other").mkdir()

    def move(first: int) -> None:
        for _ in range(10):
            for number in range(first, 40, 4):
                os.rename(drive / f"{number}", drive / "other" / f"{number}")
            for number in range(first, 40, 4):
                os.rename(drive / "other" / f"{number}", drive / f"{number}")

    _all(*(Child(lambda first=first: move(first)) for first in range(4)))
    assert {path.name: path.read_text() for path in drive.iterdir() if path.is_file()} == {
        str(number): str(number) for number in range(40)
    }
    assert os.listdir(drive / "other") == []


def test_writers_of_different_ranges_of_one_file(drive: Path) -> None:
    size, writers = 64 * 1024, 8
    (drive / "f").write_bytes(bytes(size * writers))
    barrier = threading.Barrier(writers)

    def write(writer: int) -> None:
        with open(drive / "f", "r+b", 0) as stream:
            barrier.wait()
            for start in range(writer * 512, size * writers, writers * 512):
                os.pwrite(stream.fileno(), b"%d" % writer * 512, start)

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(write, range(writers)))
    content = (drive / "f").read_bytes()
    assert content == b"".join(b"%d" % writer * 512 for writer in range(writers)) * (size // 512)


def test_a_reader_follows_a_growing_file(drive: Path) -> None:
    (drive / "log").touch()

    def follow() -> bool:
        seen = b""
        with open(drive / "log", "rb", 0) as stream:
            while not seen.endswith(b"end\n"):
                seen += stream.read(65536)
        return seen == b"".join(b"line %d\n" % number for number in range(500)) + b"end\n"

    with Child(follow) as reader, open(drive / "log", "ab", 0) as stream:
        for number in range(500):
            stream.write(b"line %d\n" % number)
        stream.write(b"end\n")
        assert reader.result()
