"""The SQLite engine's own tables: an older database becomes a newer one with all that is in it."""

import sqlite3
from pathlib import Path

from gateway.store.sqlite import schema


def opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def test_a_drive_of_the_first_schema_keeps_its_jobs(tmp_path: Path) -> None:
    with opened(tmp_path / "drive.db") as db:
        for statement in schema._statements(schema.MIGRATIONS[0]):
            db.execute(statement)
        schema._seed(db, 1, 0, 0)
        db.execute("INSERT INTO job VALUES(9, 'queued', 2, 5, '', 0, '', 'why')")
        db.execute("PRAGMA user_version = 1")
        schema.migrate(db, 2, 0, 0)
        assert db.execute("PRAGMA user_version").fetchone() == (schema.SCHEMA,)
        assert db.execute("SELECT * FROM job").fetchall() == [(9, "queued", 2, 5, "", 0, "", "why", 0)]
        assert db.execute("SELECT count(*) FROM node").fetchone() == (2,)
    db.close()


def test_the_newest_that_waits_is_found_without_sorting(tmp_path: Path) -> None:
    with opened(tmp_path / "drive.db") as db:
        schema.migrate(db, 1, 0, 0)
        plan = db.execute(
            "EXPLAIN QUERY PLAN SELECT file FROM job WHERE state = 'queued' AND owner = 7 AND not_before <= 5"
            " ORDER BY file DESC LIMIT 4"
        ).fetchall()
        assert [row[3] for row in plan] == ["SEARCH job USING INDEX job_by_owner (state=? AND owner=?)"]
    db.close()
