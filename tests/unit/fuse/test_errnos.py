"""The table at the kernel's edge is complete, and the seam lets nothing else out."""

import errno
import logging

import pytest

from graphfs.errors import BY_CODE, Corrupt, DriveError, NotFound
from graphfs.fuse.errnos import ERRNOS, errno_of
from graphfs.fuse.probes import PROBES


def test_every_error_has_an_errno_and_nothing_else_has() -> None:
    assert set(ERRNOS) == set(BY_CODE)


def test_every_errno_is_one_the_kernel_knows() -> None:
    assert set(ERRNOS.values()) <= set(errno.errorcode)


@pytest.mark.parametrize("code", sorted(BY_CODE))
@pytest.mark.allows_log("lookup: (internal|corrupt)")
def test_an_error_of_the_closed_set_is_its_errno(code: str) -> None:
    assert errno_of(BY_CODE[code]("x"), "lookup") == ERRNOS[code]


@pytest.mark.parametrize("foreign", [ValueError("x"), OSError(errno.ENOENT, "x"), KeyboardInterrupt(), SystemExit(3)])
@pytest.mark.allows_log("read failed by a fault")
def test_anything_else_is_an_input_output_error_with_its_traceback(
    foreign: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    assert errno_of(foreign, "read") == errno.EIO
    assert [record.exc_info is not None for record in caplog.records] == [True]


def test_an_expected_answer_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        errno_of(NotFound("x"), "lookup")
    assert caplog.records == []


@pytest.mark.allows_log("read: corrupt: the blob")
def test_damage_is_logged_with_what_it_is(caplog: pytest.LogCaptureFixture) -> None:
    errno_of(Corrupt("the blob abc does not match its hash"), "read")
    assert "abc" in caplog.text


def test_probes_are_answered_with_errors_of_the_set() -> None:
    assert all(issubclass(error, DriveError) for error in PROBES.values())
