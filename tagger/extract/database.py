"""SQLite files: tables, columns and how they are called. Rows are not read: they are many, and private."""

import sqlite3
import time
from urllib.parse import quote

from tagger.extract.passages import tidy
from tagger.extract.result import Extract, Limits, Sniffed, Source

_TABLES = 300
_STEPS = 100_000


def extract(source: Source, sniffed: Sniffed, limits: Limits) -> Extract:
    """The schema, read without writing, locking, or running anything that is stored in it."""
    if not source.whole:
        return Extract(sniffed.kind, sniffed.media_type, looked_at=("type",), not_looked_at=("schema", "rows"))
    deadline = time.monotonic() + limits.wall_seconds * 0.5
    try:
        # immutable: no journal is looked for and nothing is locked; the limits would not let it write anyway
        database = sqlite3.connect(f"file:{quote(source.path)}?mode=ro&immutable=1", uri=True)
        try:
            database.execute("PRAGMA trusted_schema = OFF")
            database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, limits.part_bytes)
            database.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
            rows = database.execute(
                "SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite~_%'"
                " ESCAPE '~' LIMIT ?",
                (_TABLES + 1,),
            ).fetchall()
        finally:
            database.close()
    except (sqlite3.Error, OverflowError) as problem:
        error = f"damaged database: {tidy(str(problem))[:200]}"
        return Extract(sniffed.kind, sniffed.media_type, looked_at=("type",), not_looked_at=("schema",), error=error)
    names = [str(name) for name, _ in rows[:_TABLES]]
    described = [str(name) if sql is None else str(sql)[:1_000] for name, sql in rows[:_TABLES]]
    return Extract(
        sniffed.kind,
        sniffed.media_type,
        title=tidy(", ".join(names))[:200],
        text=tidy("\n".join(described))[: limits.text_chars],
        properties={"tables": str(len(names))},
        looked_at=("schema",),
        not_looked_at=("rows",) if len(rows) <= _TABLES else ("rows", "further tables"),
    )
