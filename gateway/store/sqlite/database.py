"""Connections to one SQLite database: a single writer, a pool of readers, durability and checkpoints.

The driver's exceptions are translated here and nowhere else. Knows no tables.
"""

import contextlib
import os
import sqlite3
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from graphfs.errors import Busy, Corrupt, DriveError, InvalidArgument, NoSpace, ReadOnly, Unavailable

_PAGE = 4_096 + 24
"""Bytes of a page in the log, with what precedes it."""
_CHECKPOINT_AT = 8_192
"""Pages of the log that are not in the database yet. A page that many changes touch is copied once a checkpoint: a
seldom one copies less."""
_RESTART_AT = 32_768
"""Pages of the log from which a checkpoint makes the next change begin it anew. Before that it begins anew when a
change finds all of it copied; cutting the file each time would make writers wait for the disk."""
_AHEAD = 1_024
"""Pages of the log that are asked of the disk before they are written over. A log that begins anew overwrites its old
pages in parts, so the kernel reads each that it has not in memory any more, and a change would wait for that."""
_MIN_FREE = 1 << 20
_DRAFT = 0.02
"""Seconds that a draft waits for what follows it."""
_LOW_SPACE = 16 << 20
_LOW_SPACE_LOG = 1 << 20


def translate(error: sqlite3.Error, folder: Path) -> DriveError:
    """The closed set's word for what the driver says, told by its code."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return NoSpace("the disk with the state directory is full")
    if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN):
        found = os.statvfs(folder)
        if found.f_bavail * found.f_frsize < _MIN_FREE:
            return NoSpace("the disk with the state directory is full")
        return Unavailable(f"the database could not be read or written: {error}")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return Corrupt(f"the database is damaged ({error}): run graphfs fsck, or restore a backup")
    if code == sqlite3.SQLITE_READONLY:
        return ReadOnly("the database cannot be written: check the state directory's permissions")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Busy("another process is using the database: is the drive mounted twice?")
    return DriveError(f"database error {getattr(error, 'sqlite_errorname', '')}: {error}")


class Database:
    """One database file, opened by this process alone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lost: Callable[[], None] | None = None
        """Called when a draft could not be kept (the disk is full): what was read of it is wrong."""
        self._folder = path.parent
        self._lock = threading.RLock()
        self._readers: deque[sqlite3.Connection] = deque()
        self.writer = self._connect()
        self._wal = self._shared = -1
        self._asked = -1
        """The part of the log that was asked of the disk last."""
        self._look_again = 0.0
        self._wake = threading.Event()
        self._closed = threading.Event()
        self._drafted = threading.Event()
        self._checkpointer: threading.Thread | None = None
        self._settler: threading.Thread | None = None

    def start(self) -> None:
        """After the schema is in place: opens the log for flushing and starts the checkpoints."""
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._wal = os.open(f"{self.path}-wal", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._shared = os.open(f"{self.path}-shm", os.O_RDONLY | os.O_CLOEXEC)
        self._checkpointer = threading.Thread(target=self._checkpoints, name="checkpoints", daemon=True)
        self._checkpointer.start()
        self._settler = threading.Thread(target=self._settles, name="drafts", daemon=True)
        self._settler.start()

    def _connect(self) -> sqlite3.Connection:
        try:
            db = sqlite3.connect(
                self.path, isolation_level=None, check_same_thread=False, cached_statements=512, timeout=5
            )
            # synchronous=NORMAL: a commit is in the log when it returns (a killed process loses nothing) and on the
            # disk
            # after flush(), which syncs the log once for all commits before it.
            for pragma in (
                "journal_mode=WAL",
                "synchronous=NORMAL",
                "wal_autocheckpoint=0",
                "cache_size=-16000",
                "temp_store=MEMORY",
                "foreign_keys=OFF",
            ):
                db.execute("PRAGMA " + pragma).fetchall()
        except sqlite3.Error as error:
            raise translate(error, self._folder) from error
        return db

    def query(self, sql: str, arguments: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Rows as the last change left them. All are fetched: nothing stays open.

        The writer's own connection answers: its page cache stays warm (another connection reads every page anew after
        every commit), and what is not committed yet is seen.
        """
        with self._lock:
            return self._run(self.writer, sql, arguments)

    def scan(self, sql: str, arguments: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Rows of the last committed state, for questions that take long: nobody waits for them."""
        try:
            db = self._readers.pop()
        except IndexError:
            db = self._connect()
        try:
            return self._run(db, sql, arguments)
        finally:
            self._readers.append(db)

    def _run(self, db: sqlite3.Connection, sql: str, arguments: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        try:
            return db.execute(sql, arguments).fetchall()
        except sqlite3.Error as error:
            raise translate(error, self._folder) from error
        except UnicodeEncodeError as error:
            raise InvalidArgument("a text holds bytes that are not UTF-8") from error

    @contextmanager
    def transaction(self, *, draft: bool = False) -> Iterator[sqlite3.Connection]:
        """The writer inside a transaction: all of it or nothing. Threads take turns.

        A `draft` stays uncommitted until the next transaction that is none, `settle`, or 20 ms have passed; what
        follows a draft joins it, so that they are one commit. Fails the later one, only that is taken back.
        """
        with self._lock:
            db = self.writer
            self._spare_the_disk()
            joined = db.in_transaction
            try:
                db.execute("SAVEPOINT later" if joined else "BEGIN IMMEDIATE")
                yield db
                if joined:
                    db.execute("RELEASE later")
                if not draft:
                    db.execute("COMMIT")
                elif not self._drafted.is_set():
                    self._drafted.set()
            except BaseException as error:
                self._take_back(joined)
                if isinstance(error, sqlite3.Error):
                    raise translate(error, self._folder) from error
                if isinstance(error, UnicodeEncodeError):
                    raise InvalidArgument("a text holds bytes that are not UTF-8") from error
                raise
        pages, copied = self._log_pages()
        if pages - copied > _CHECKPOINT_AT and not self._wake.is_set():
            self._wake.set()
        self._read_ahead(pages // _AHEAD)

    def _read_ahead(self, part: int) -> None:
        """Asks for this part of the log and the next, when it is reached and after a pause."""
        if part == self._asked or self._wal < 0:
            return
        self._asked = part
        with contextlib.suppress(OSError):  # not every file system does that
            os.posix_fadvise(self._wal, part * _AHEAD * _PAGE, 2 * _AHEAD * _PAGE, os.POSIX_FADV_WILLNEED)

    def _take_back(self, joined: bool) -> None:
        """After a failure the last change is undone; a draft before it is committed, or lost with a full disk."""
        db = self.writer
        if joined and db.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                db.execute("ROLLBACK TO later")
                db.execute("RELEASE later")
                db.execute("COMMIT")
        if db.in_transaction:
            db.execute("ROLLBACK")
            if joined and self.lost is not None:
                self.lost()

    def settle(self) -> None:
        """Commits what is a draft."""
        with self._lock:
            if self.writer.in_transaction:
                try:
                    self.writer.execute("COMMIT")
                except sqlite3.Error as error:
                    self._take_back(True)
                    raise translate(error, self._folder) from error

    def _settles(self) -> None:
        """Commits drafts that nobody followed up."""
        while not self._closed.is_set():
            self._drafted.wait()
            self._closed.wait(_DRAFT)
            self._drafted.clear()
            with contextlib.suppress(DriveError):  # a full disk: whoever goes on with the file is told
                self.settle()

    def _spare_the_disk(self) -> None:
        """On a disk that is nearly full the log is kept short, so that what makes room (a deletion) still has some."""
        now = time.monotonic()
        if now < self._look_again:
            return
        self._look_again = now + 0.1
        self._asked = -1  # the kernel may have dropped what was asked for before
        found = os.statvfs(self._folder)
        free = found.f_bavail * found.f_frsize
        if free < min(_LOW_SPACE, found.f_blocks * found.f_frsize // 10) and self._log_size() > _LOW_SPACE_LOG:
            # Otherwise the log stays as it is, and the transaction says what is wrong.
            with contextlib.suppress(sqlite3.Error):
                self.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _log_size(self) -> int:
        return os.fstat(self._wal).st_size if self._wal >= 0 else 0

    def _log_pages(self) -> tuple[int, int]:
        """Pages in the log, and how many of these are in the database too: `mxFrame` and `nBackfill` of the
        write-ahead log's index (https://www.sqlite.org/walformat.html, section 2.1)."""
        if self._shared < 0:
            return 0, 0
        found = os.pread(self._shared, 100, 0)
        return int.from_bytes(found[16:20], sys.byteorder), int.from_bytes(found[96:100], sys.byteorder)

    def flush(self) -> None:
        """Returns when every transaction that was committed before survives a power cut.

        Syncs the log's file itself instead of raising `synchronous`: the writer's lock is not held, so nobody waits
        for the disk but who asked. A checkpoint that recycles the log meanwhile has synced it before.
        """
        self.settle()
        try:
            os.fsync(self._wal)
        except OSError as error:
            raise Unavailable(f"the disk did not take the log: {error.strerror}") from error

    def _checkpoints(self) -> None:
        """Copies the log into the database behind the writer's back, so that no caller waits for it."""
        db = self._connect()
        while True:
            self._wake.wait()
            self._wake.clear()
            if self._closed.is_set():
                break
            try:
                db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
                if self._log_pages()[0] > _RESTART_AT:
                    # Most of it is copied by now, so writers wait for a moment only.
                    db.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
            except sqlite3.Error:
                # A full disk or a busy moment: the log stays, the next commit asks again.
                self._wake.clear()
        db.close()

    def close(self) -> None:
        """Everything is in the database file and durable."""
        self._closed.set()
        self._wake.set()
        self._drafted.set()
        for thread in (self._checkpointer, self._settler):
            if thread:
                thread.join()
        self.settle()
        with self._lock:
            while self._readers:
                self._readers.pop().close()
            if self._wal >= 0:
                os.fsync(self._wal)
                os.close(self._wal)
                self._wal = -1
            self.writer.close()
            if self._shared >= 0:
                # Not before: closing any descriptor of this file ends the locks that SQLite holds on it.
                os.close(self._shared)
                self._shared = -1
