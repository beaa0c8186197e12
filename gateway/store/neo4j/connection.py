"""Talking to Neo4j: one driver, reads that are tried again, and its exceptions translated. Knows no labels."""

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any

import neo4j
from neo4j.exceptions import (
    AuthError,
    ClientError,
    ConfigurationError,
    DriverError,
    Neo4jError,
    ServiceUnavailable,
    SessionExpired,
    TransientError,
)

from graphfs.errors import AccessDenied, Busy, DriveError, InvalidArgument, NoSpace, Unavailable

logging.getLogger("neo4j").setLevel(logging.ERROR)  # its warnings are our errors, said where they matter

PATIENCE = 10.0
"""Seconds after which a store that does not answer is said not to."""
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
    if isinstance(error, ConfigurationError):
        return InvalidArgument(f"neo4j.uri: {error}")
    if isinstance(error, ClientError):
        return DriveError(f"Neo4j refused a statement ({error.code}): {error.message}")
    return Unavailable(f"Neo4j could not be asked: {error}")


def uncertain(error: Exception) -> bool:
    """Whether nobody knows if what was sent took place."""
    return isinstance(error, DriverError) or (isinstance(error, Neo4jError) and error.code in _NO_SPACE[1:])


class Connection:
    """One driver for the process; every call takes a connection of its pool."""

    def __init__(self, uri: str, user: str, password: str, database: str) -> None:
        try:
            self._driver = neo4j.GraphDatabase.driver(
                uri,
                auth=(user, password) if user else None,
                connection_acquisition_timeout=PATIENCE,
                connection_timeout=5.0,
                max_transaction_retry_time=PATIENCE,
                max_connection_pool_size=64,
                keep_alive=True,
                user_agent="graphfs",
                notifications_min_severity="OFF",
                telemetry_disabled=True,
            )
        except (DriverError, ConfigurationError, ValueError) as error:
            raise InvalidArgument(f"neo4j.uri: {error}") from error
        self._database = database
        # What this process wrote is seen by what it reads, on a cluster too.
        self._bookmarks = neo4j.GraphDatabase.bookmark_manager()
        self._closed = threading.Event()

    def _session(self, mode: str) -> neo4j.Session:
        return self._driver.session(
            database=self._database, default_access_mode=mode, bookmark_manager=self._bookmarks, fetch_size=5000
        )

    def read(self, text: str, values: dict[str, Any] | None = None) -> list[list[Any]]:
        """Rows. Tried again while Neo4j is away, for a while. Unavailable, Busy."""
        deadline, pause = time.monotonic() + PATIENCE, 0.05
        while True:
            try:
                with self._session(neo4j.READ_ACCESS) as session:
                    return session.run(text, values).values()
            except (Neo4jError, DriverError) as error:
                passing = isinstance(error, ServiceUnavailable | SessionExpired | TransientError)
                if not passing or time.monotonic() + pause > deadline or self._closed.wait(pause):
                    raise translate(error) from error
                pause = min(pause * 2, 1.0)
            except UnicodeEncodeError as error:
                raise InvalidArgument("a text holds bytes that are not UTF-8") from error

    def write(self, text: str, values: dict[str, Any] | None = None) -> list[list[Any]]:
        """One statement, committed on return, sent once. Raises what the driver raises."""
        with self._session(neo4j.WRITE_ACCESS) as session:
            return session.run(text, values).values()

    def write_together(self, texts: Sequence[str], values: dict[str, Any]) -> list[list[Any]]:
        """The rows of the first; the others follow when its first value is true. Committed together on return, sent
        once. Raises what the driver raises."""
        if len(texts) == 1:
            return self.write(texts[0], values)
        with self._session(neo4j.WRITE_ACCESS) as session, session.begin_transaction() as transaction:
            rows = transaction.run(texts[0], values).values()
            if rows[0][0]:
                for text in texts[1:]:
                    transaction.run(text, values).consume()
                transaction.commit()
            return rows

    def close(self) -> None:
        self._closed.set()
        self._driver.close()
