"""The write-ahead log is copied into the database behind the writers' backs, and does not grow for ever."""

import ctypes
import mmap
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.store.sqlite import database
from gateway.store.sqlite.database import Database
from tests.contracts.ground import eventually

PAGE = 4096 + 24


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setattr(database, "_CHECKPOINT_AT", 50)
    monkeypatch.setattr(database, "_RESTART_AT", 400)
    opened = Database(tmp_path / "drive.db")
    opened.writer.execute("CREATE TABLE page(number INTEGER PRIMARY KEY, data BLOB)")
    opened.start()
    yield opened
    opened.close()


def write(opened: Database, number: int) -> None:
    with opened.transaction() as db:
        db.execute("INSERT OR REPLACE INTO page VALUES(?, zeroblob(3000))", (number,))


def test_the_log_is_copied_and_begins_anew_while_somebody_writes(opened: Database) -> None:
    log = Path(f"{opened.path}-wal")
    number, copied = 0, False
    deadline = time.monotonic() + 60  # who copies waits for the disk, however many are written meanwhile
    while number < 2_000 or log.stat().st_size > number * PAGE / 2:
        assert time.monotonic() < deadline, "it never began anew"
        write(opened, number % 500)
        number += 1
        copied = copied or opened._log_pages()[1] > 0
    assert copied
    write(opened, 1)

    def caught_up() -> bool:
        pages, copied = opened._log_pages()
        return pages - copied <= 50

    eventually(caught_up)


def test_old_pages_that_a_new_log_overwrites_are_asked_of_the_disk_before(tmp_path: Path) -> None:
    """What the kernel has no more of a page that is overwritten in part, it reads: a change would wait for that."""
    opened = Database(tmp_path / "drive.db")
    opened.writer.execute("CREATE TABLE page(number INTEGER PRIMARY KEY, data BLOB)")
    opened.start()
    try:
        with opened.transaction() as db:
            db.executemany("INSERT INTO page VALUES(?, zeroblob(3000))", ((number,) for number in range(3_000)))
        with sqlite3.connect(opened.path) as other:
            other.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        other.close()
        with open(f"{opened.path}-wal", "r+b") as log:
            os.fsync(log.fileno())
            os.posix_fadvise(log.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            write(opened, 1)
            eventually(lambda: in_memory(log.fileno(), 1_500 * PAGE // mmap.PAGESIZE))
    finally:
        opened.close()


def in_memory(descriptor: int, page: int) -> bool:
    """Whether the kernel holds that page of a file, by mincore(2)."""
    with mmap.mmap(descriptor, 0) as view:
        start = ctypes.c_char.from_buffer(view)
        found = (ctypes.c_ubyte * (len(view) // mmap.PAGESIZE + 1))()
        failed = ctypes.CDLL(None).mincore(ctypes.byref(start), ctypes.c_size_t(len(view)), found)
        del start
    assert not failed
    return bool(found[page] & 1)


def test_all_is_in_the_database_when_it_is_closed(tmp_path: Path) -> None:
    opened = Database(tmp_path / "drive.db")
    opened.writer.execute("CREATE TABLE page(number INTEGER PRIMARY KEY, data BLOB)")
    opened.start()
    for number in range(100):
        write(opened, number)
    opened.close()
    assert not Path(f"{opened.path}-wal").exists()
    with sqlite3.connect(opened.path) as database:
        assert database.execute("SELECT count(*) FROM page").fetchone() == (100,)
    database.close()
