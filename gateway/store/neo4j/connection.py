"""Talking to Neo4j: one driver, reads that are tried again, and its exceptions translated. Knows no labels."""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import neo4j
from neo4j.exceptions import (
    AuthError,
    ClientError,
    ConfigurationError,
    ConstraintError,
    DriverError,
    Neo4jError,
    ServiceUnavailable,
    SessionExpired,
    TransientError,
)

from graphfs.errors import AccessDenied, Busy, Conflict, DriveError, InvalidArgument, NoSpace, Unavailable

_log = logging.getLogger(__name__)
logging.getLogger("neo4j").setLevel(logging.ERROR)  # its warnings are our errors, said where they matter

PATIENCE = 10.0
"""Seconds after which a store that does not answer is said not to."""
_SUSPICIOUS, _SILENT, _HANDSHAKE = 3.0, 5.0, 4.0
"""Seconds without any answer after which the server is probed, and said to be silent; and for a new connection."""
_STOPPED = "Neo.DatabaseError.Transaction.TransactionStartFailed"
_TIMED_OUT = (
    "Neo.ClientError.Transaction.TransactionTimedOutClientConfiguration",
    "Neo.ClientError.Transaction.TransactionTimedOut",
    "Neo.ClientError.Transaction.Terminated",
)
_NO_SPACE = (
    "Neo.TransientError.General.TransactionOutOfMemoryError",
    "Neo.DatabaseError.Transaction.TransactionLogError",
)


def translate(error: Exception) -> DriveError:
    """The closed set's word for what the driver says, told by its class and code."""
    if isinstance(error, AuthError):
        return AccessDenied("Neo4j refused the user or the password: see neo4j.user and neo4j.password")
    if isinstance(error, ServiceUnavailable | SessionExpired):
        return Unavailable("Neo4j does not answer")
    if isinstance(error, TransientError):
        if error.code in _NO_SPACE:
            return NoSpace("Neo4j has no room for this change")
        return Busy("Neo4j is busy with other changes; try again")
    if isinstance(error, Neo4jError) and error.code in _NO_SPACE:
        return NoSpace("Neo4j has no room left")
    if isinstance(error, Neo4jError) and error.code == _STOPPED:
        return Unavailable("Neo4j has stopped this database (is its disk full?): see its log, and restart it")
    if isinstance(error, ConfigurationError):
        return InvalidArgument(f"neo4j.uri: {error}")
    if timed_out(error):
        return Busy("Neo4j did not get this change done in time; try again")
    if isinstance(error, ConstraintError):
        return Conflict("somebody else has what was to be made alone: its id, or its name")
    if isinstance(error, ClientError):
        return DriveError(f"Neo4j refused a statement ({error.code}): {error.message}")
    _log.info("Neo4j could not be asked: %s", error)
    return Unavailable("Neo4j could not be asked; the server's log says more")


def uncertain(error: Exception) -> bool:
    """Whether nobody knows if what was sent took place."""
    return isinstance(error, DriverError) or (isinstance(error, Neo4jError) and error.code in _NO_SPACE[1:])


def timed_out(error: Exception) -> bool:
    """Whether a transaction was ended because it took too long: nothing of it took place."""
    return isinstance(error, Neo4jError) and error.code in _TIMED_OUT


class Connection:
    """One driver for the process; every call takes a connection of its pool."""

    def __init__(self, uri: str, user: str, password: str, database: str) -> None:
        self._uri, self._auth = uri, (user, password) if user else None
        self._driver = self._open()
        self._database = database
        # What this process wrote is seen by what it reads, on a cluster too.
        self._bookmarks = neo4j.GraphDatabase.bookmark_manager()
        self._closed = threading.Event()
        self._asked: dict[object, float] = {}
        self._answered = time.monotonic()
        self._watcher = threading.Thread(target=self._watch, name="neo4j", daemon=True)
        self.silent = False
        """It answers nobody: whoever asks is told so at once, but for one who finds out when it is back."""

    def _open(self) -> neo4j.Driver:
        try:
            return neo4j.GraphDatabase.driver(
                self._uri,
                auth=self._auth,
                connection_acquisition_timeout=_SILENT,
                connection_timeout=_HANDSHAKE,
                max_transaction_retry_time=PATIENCE,
                max_connection_pool_size=64,
                keep_alive=True,
                user_agent="graphfs",
                notifications_min_severity="OFF",
                telemetry_disabled=True,
            )
        except (DriverError, ConfigurationError, ValueError) as error:
            raise InvalidArgument(f"neo4j.uri: {error}") from error

    # -- a server that stopped without a word

    def watch(self) -> None:
        """From now on calls end when the server says nothing for some seconds. The driver itself waits for ever."""
        self._watcher.start()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        if self.silent and self._asked:
            # One that asks is enough to learn when it is back; the log's follower always does.
            raise ServiceUnavailable("the server is silent")
        call = object()
        self._asked[call] = time.monotonic()
        try:
            yield
        except DriverError:
            raise
        except BaseException:
            self._heard()
            raise
        else:
            self._heard()
        finally:
            del self._asked[call]

    def waited(self, since: float) -> None:
        """Somebody has waited since then in vain, for as long as one waits: nobody else need wait again."""
        if self._answered < since:
            self.silent = True

    def _heard(self) -> None:
        self._answered = time.monotonic()
        self.silent = False

    def _quiet_since(self) -> float:
        """Seconds for which somebody waits and nobody was answered."""
        now = time.monotonic()
        return min(now - min(list(self._asked.values()), default=now), now - self._answered)

    def _watch(self) -> None:
        while not self._closed.wait(0.25):
            if self._quiet_since() < _SUSPICIOUS:
                continue
            # One long question is no silence: another one is answered beside it.
            probe = threading.Thread(target=self._probe, name="neo4j-probe", daemon=True)
            probe.start()
            probe.join(_SILENT - _SUSPICIOUS)
            if self._quiet_since() >= _SUSPICIOUS:
                self.silent = True
                silent, self._driver = self._driver, self._open()
                silent.close()
            probe.join()

    def _probe(self) -> None:
        with suppress(Neo4jError, DriverError), self._asking(), self._session(neo4j.READ_ACCESS) as session:
            session.run("RETURN 1").consume()

    # -- asking

    @contextmanager
    def _session(self, mode: str) -> Iterator[neo4j.Session]:
        driver = self._driver
        try:
            with driver.session(
                database=self._database, default_access_mode=mode, bookmark_manager=self._bookmarks, fetch_size=5000
            ) as session:
                yield session
        finally:
            if driver is not self._driver or self._closed.is_set():
                # It was closed meanwhile, and keeps a connection that was being opened at that time: nobody else would
                # ever close that. Its `close` does nothing a second time.
                driver._pool.close()

    def read(self, text: str, values: dict[str, Any] | None = None, *, alone: bool = False) -> list[list[Any]]:
        """Rows. Tried again while Neo4j is away, for a while. `alone`: the text takes a lock. Unavailable, Busy."""
        begun, pause = time.monotonic(), 0.05
        access = neo4j.WRITE_ACCESS if alone else neo4j.READ_ACCESS
        while True:
            try:
                with self._asking(), self._session(access) as session:
                    return session.run(text, values).values()
            except (Neo4jError, DriverError) as error:
                passing = isinstance(error, ServiceUnavailable | SessionExpired | TransientError)
                late = self.silent or time.monotonic() + pause > begun + PATIENCE
                if not passing or late or self._closed.wait(pause):
                    if passing:
                        self.waited(begun)
                    raise translate(error) from error
                pause = min(pause * 2, 1.0)
            except UnicodeEncodeError as error:
                raise InvalidArgument("a text holds bytes that are not UTF-8") from error

    def write(self, text: str, values: dict[str, Any] | None = None) -> list[list[Any]]:
        """One statement, committed on return, sent once. Raises what the driver raises."""
        with self._asking(), self._session(neo4j.WRITE_ACCESS) as session:
            return session.run(text, values).values()

    def write_together(
        self, texts: Sequence[str], values: dict[str, Any], seconds: float | None = None
    ) -> list[list[Any]]:
        """The rows of the first; the others follow when its first value is true. Committed together on return, sent
        once. Raises what the driver raises, also (`timed_out`) when they take Neo4j longer than `seconds` (None: than
        it is configured to let them): who stands still in between must not keep everybody from the locks."""
        if len(texts) == 1:
            return self.write(texts[0], values)
        with (
            self._asking(),
            self._session(neo4j.WRITE_ACCESS) as session,
            session.begin_transaction(timeout=seconds) as transaction,
        ):
            rows = transaction.run(texts[0], values).values()
            if rows[0][0]:
                for text in texts[1:]:
                    transaction.run(text, values).consume()
                transaction.commit()
            return rows

    def close(self) -> None:
        self._closed.set()
        self._driver.close()
        if self._watcher.is_alive():
            self._watcher.join()
