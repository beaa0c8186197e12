"""Errors as HTTP has them: the status of every code, and what a reply means that is not ours.

A client reads the code in the body and nothing else; the status is for proxies, logs and people.
"""

import msgspec
from msgspec import Struct

from graphfs import errors

STATUS: dict[str, int] = {
    errors.DriveError.code: 500,
    errors.NotFound.code: 404,
    errors.AlreadyExists.code: 409,
    errors.NotEmpty.code: 409,
    errors.NotAFolder.code: 409,
    errors.IsAFolder.code: 409,
    errors.InvalidArgument.code: 400,
    errors.NameTooLong.code: 400,
    errors.NotPermitted.code: 405,
    errors.AccessDenied.code: 403,
    errors.Unauthenticated.code: 401,
    errors.ReadOnly.code: 403,
    errors.NotSupported.code: 501,
    errors.NoAttribute.code: 404,
    errors.TooLarge.code: 413,
    errors.TooManyLinks.code: 409,
    errors.LinkLoop.code: 409,
    errors.NoSpace.code: 507,
    errors.Conflict.code: 409,
    errors.Busy.code: 423,
    errors.Corrupt.code: 500,
    errors.Unavailable.code: 503,
    errors.TooNew.code: 500,
    errors.Stale.code: 410,
}
"""The HTTP status of every error code; several codes share one, so a client looks at the code."""

_STATUSES = frozenset(STATUS.values())

FOREIGN: dict[int, type[errors.DriveError]] = {
    400: errors.InvalidArgument,
    401: errors.Unauthenticated,
    403: errors.AccessDenied,
    404: errors.NotFound,
    413: errors.TooLarge,
    429: errors.Unavailable,
    502: errors.Unavailable,
    503: errors.Unavailable,
    504: errors.Unavailable,
    507: errors.NoSpace,
}
"""What a reply means that is not ours (a proxy's own page), by its status."""


class Fault(Struct, frozen=True):
    """What went wrong. `code` is stable, `message` is for people."""

    code: str
    message: str


class ErrorReply(Struct, frozen=True):
    """The body of every reply that is not a success."""

    error: Fault


def reply_of(error: errors.DriveError) -> tuple[int, bytes]:
    """The status and the body that say this error."""
    message = str(error).encode("utf-8", "backslashreplace").decode()
    return STATUS[error.code], msgspec.json.encode(ErrorReply(Fault(error.code, message)))


def is_ours(status: int, body: bytes) -> bool:
    """Whether an error's reply is a server's of ours, not the page of a proxy before it: our Nginx has our form, but
    a status of its own, when it reached none."""
    if status not in _STATUSES:
        return False
    try:
        msgspec.json.decode(body, type=ErrorReply)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def error_of(status: int, body: bytes) -> errors.DriveError:
    """The error that a reply says; one that is not ours (a proxy's page) is told by its status."""
    try:
        fault = msgspec.json.decode(body, type=ErrorReply).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return FOREIGN.get(status, errors.DriveError)(f"the server answered with HTTP status {status}")
    return errors.BY_CODE.get(fault.code, errors.DriveError)(fault.message)
