"""git and SQLite: programs whose own checks tell when a file system lied to them."""

import os
import sqlite3
from pathlib import Path

import pytest

from tests.filesystem.processes import Child
from tests.filesystem.programs import run


def test_git_from_init_to_gc(drive: Path) -> None:
    repository = drive / "r"
    run("git", "init", "-q", "-b", "main", repository, at=drive)
    for number in range(40):
        folder = repository / f"d{number % 5}"
        folder.mkdir(exist_ok=True)
        (folder / f"f{number}").write_text(f"content {number}\n" * 50)
    (repository / "run.sh").write_text("#!/bin/sh\n")
    (repository / "run.sh").chmod(0o755)
    (repository / "link").symlink_to("run.sh")
    run("git", "add", ".", at=repository)
    run("git", "commit", "-qm", "one", at=repository)
    assert run("git", "status", "--porcelain", at=repository) == ""
    run("git", "checkout", "-qb", "side", at=repository)
    run("git", "mv", "d0", "moved", at=repository)
    (repository / "d1" / "f1").write_text("other\n")
    run("git", "commit", "-qam", "two", at=repository)
    run("git", "checkout", "-q", "main", at=repository)
    assert (repository / "d0" / "f0").exists()
    assert not (repository / "moved").exists()
    (repository / "new").write_text("new\n")
    run("git", "add", "new", at=repository)
    run("git", "commit", "-qm", "three", at=repository)
    run("git", "merge", "-q", "--no-edit", "side", at=repository)
    run("git", "stash", "list", at=repository)
    run("git", "gc", "-q", "--aggressive", "--prune=now", at=repository)
    run("git", "fsck", "--full", "--strict", at=repository)
    assert run("git", "status", "--porcelain", at=repository) == ""
    run("git", "clone", "-q", "r", "local", at=drive)
    run("git", "clone", "-q", "--no-local", "r", "packed", at=drive)
    for clone in ("local", "packed"):
        run("git", "fsck", "--full", at=drive / clone)
        assert run("git", "status", "--porcelain", at=drive / clone) == ""
        assert run("git", "rev-parse", "HEAD", at=drive / clone) == run("git", "rev-parse", "HEAD", at=repository)
    run("git", "worktree", "add", "-q", "../tree", "side", at=repository)
    run("git", "push", "-q", "origin", "main:pushed", at=drive / "packed")
    assert "pushed" in run("git", "branch", at=repository)


@pytest.mark.parametrize("mode", ["WAL", "DELETE", "TRUNCATE", "PERSIST"])
def test_sqlite_with_two_writing_processes(drive: Path, mode: str) -> None:
    path = drive / "data.db"
    connection = sqlite3.connect(path)
    assert connection.execute(f"PRAGMA journal_mode={mode}").fetchone() == (mode.lower(),)
    connection.execute("CREATE TABLE t (writer INTEGER, number INTEGER, data BLOB)")
    connection.commit()
    connection.close()

    def write(writer: int) -> None:
        mine = sqlite3.connect(path, timeout=40, isolation_level=None)
        mine.execute("PRAGMA synchronous=NORMAL")
        for number in range(30):
            mine.execute("BEGIN IMMEDIATE")
            mine.execute("INSERT INTO t VALUES (?, ?, ?)", (writer, number, bytes(3_000)))
            mine.execute("COMMIT")
        mine.close()

    children = [Child(lambda writer=writer: write(writer)) for writer in range(2)]
    for child in children:
        with child:
            child.result()
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    rows = connection.execute("SELECT writer, number FROM t ORDER BY writer, number").fetchall()
    assert rows == [(writer, number) for writer in range(2) for number in range(30)]
    connection.execute("DELETE FROM t WHERE number % 2")
    connection.commit()
    connection.execute("VACUUM")
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    assert run("sqlite3", "data.db", "SELECT count(*) FROM t; PRAGMA integrity_check;", at=drive) == "30\nok\n"


def test_sqlite_rolls_back_what_a_dead_process_left(drive: Path) -> None:
    path = drive / "data.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (n INTEGER)")
    connection.execute("INSERT INTO t VALUES (1)")
    connection.commit()
    connection.close()

    def die() -> None:
        mine = sqlite3.connect(path, isolation_level=None)
        mine.execute("PRAGMA cache_size=1")
        mine.execute("PRAGMA cache_spill=1")
        mine.execute("BEGIN")
        mine.executemany("INSERT INTO t VALUES (?)", [(number,) for number in range(20_000)])
        os._exit(0)

    with Child(die) as child, pytest.raises(RuntimeError, match="died"):
        child.result()
    assert (drive / "data.db-journal").exists()
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (1,)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
