"""Fixtures of the suite: one drive of each kind for the session, a fresh folder of it for every test.

A test that a binding's API cannot pass is declared in `deviations`, and then must fail in exactly the declared way.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from tests.filesystem.deviations import declared
from tests.filesystem.drives import FIRST, Drive, chosen, started

_number = count(FIRST)

CORE = frozenset({"test_rename", "test_open", "test_permissions"})
"""Modules that run on a cluster each time; all of the suite by `make test-cluster`."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "superuser: needs other users, so only root can run it")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """An ordinary user cannot become somebody else, and a cluster takes ten times as long as a drive of one's own:
    unless it was asked for, only the core of the suite runs on it. What is left out the run says."""
    left_out = {item for item in items if _left_out(item)}
    if left_out:
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]


def _left_out(item: pytest.Item) -> bool:
    if item.get_closest_marker("superuser") and os.geteuid() != 0:
        return True
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    if not any(str(value).startswith("cluster-") for value in parameters):
        return False
    item.add_marker(pytest.mark.timeout(1800 if item.path.parent.name == "suites" else 900))  # the first one starts it
    return "FILESYSTEM_DRIVES" not in os.environ and item.path.stem not in CORE


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """Turns a declared deviation round: the declared failure passes, anything else fails."""
    kind = pyfuncitem.callspec.params.get("mounted") if hasattr(pyfuncitem, "callspec") else None
    deviation = declared(str(kind), pyfuncitem.originalname)
    if deviation is None:
        return (yield)
    try:
        yield
    except deviation.raises as error:
        if deviation.number is not None and getattr(error, "errno", None) != deviation.number:
            raise
        return True
    pytest.fail(f"passes on {kind} although declared as a deviation ({deviation.reason}): take it out of the table")


class _Started(dict[str, Drive]):
    """The drives that are up; each is started when the first test asks for it."""

    def __init__(self, stack: ExitStack) -> None:
        super().__init__()
        self._stack = stack

    def __missing__(self, kind: str) -> Drive:
        # not pytest's own temporary folder: other users have to get through, and pytest closes it
        place = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="gfs-")))
        place.chmod(0o755)
        self[kind] = self._stack.enter_context(started(kind, place / "place"))
        return self[kind]


@pytest.fixture(scope="session")
def _drives() -> Iterator[dict[str, Drive]]:
    with ExitStack() as stack:
        yield _Started(stack)


@pytest.fixture(params=chosen())
def mounted(request: pytest.FixtureRequest, _drives: dict[str, Drive]) -> Drive:
    """The whole drive."""
    return _drives[str(request.param)]


@pytest.fixture
def drive(mounted: Drive) -> Path:
    """A fresh empty folder on the drive, open to everybody."""
    folder = mounted.files / f"test-{next(_number)}"
    folder.mkdir()
    folder.chmod(0o755)
    return folder
