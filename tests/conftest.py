"""What holds for every test: no silent skip, and no stray warning in the logs of the product.

Fixtures of one layer belong into that layer's own conftest, not here: only Neo4j, of which there is one a run.
"""

import logging
import os
import re
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.neo4j import Graph

# How long an example takes says more of the machine than of the code.
settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")

PRODUCT_LOGGERS = ("graphfs", "gateway", "tagger", "mount")


class Listener(logging.Handler):
    """Keeps the product's records at WARNING and above."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture(autouse=True)
def quiet_logs(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test that makes the product warn, unless it says `@pytest.mark.allows_log("pattern")`."""
    listener = Listener()
    loggers = [logging.getLogger(name) for name in PRODUCT_LOGGERS]
    for logger in loggers:
        logger.addHandler(listener)
    yield
    for logger in loggers:
        logger.removeHandler(listener)
    allowed = [re.compile(mark.args[0]) for mark in request.node.iter_markers("allows_log")]
    messages = [f"{record.name}: {record.levelname}: {record.getMessage()}" for record in listener.records]
    stray = [message for message in messages if not any(pattern.search(message) for pattern in allowed)]
    if stray:
        pytest.fail("stray records in the log:\n" + "\n".join(stray), pytrace=False)


@pytest.fixture(scope="session")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    """One Neo4j for the whole run."""
    found = Graph(tmp_path_factory.mktemp("neo4j"))
    yield found
    found.stop()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skip is a failure: what was not run was not proved. Elsewhere `-ra` lists it."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if skipped and os.environ.get("CI") == "true":
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
    """Says how many tests ran, and what was skipped, also where nobody asked."""
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped and os.environ.get("CI") == "true":
        terminalreporter.write_line(f"{len(skipped)} skipped: in CI that is a failure (listed above)", red=True)
