"""Exit codes: the table at the shell's edge, and what an error of the operating system is called in our words.

A test holds the table equal to `graphfs.errors.BY_CODE`; docs/cli.md shows it.
"""

import errno

from graphfs import errors

OK = 0
NO = 1
"""The answer is no: fsck found something, a wait ran out of time, a preview was declined."""
USAGE = 2
INTERRUPTED = 130
CLOSED = 141
"""Who reads the output went away (`graphfs find ... | head`)."""

EXITS: dict[str, int] = {
    errors.NotFound.code: 3,
    errors.AlreadyExists.code: 4,
    errors.NotEmpty.code: 5,
    errors.NotAFolder.code: 6,
    errors.IsAFolder.code: 7,
    errors.InvalidArgument.code: 8,
    errors.NameTooLong.code: 9,
    errors.NotPermitted.code: 10,
    errors.AccessDenied.code: 11,
    errors.Unauthenticated.code: 12,
    errors.ReadOnly.code: 13,
    errors.NotSupported.code: 14,
    errors.NoAttribute.code: 15,
    errors.TooLarge.code: 16,
    errors.TooManyLinks.code: 17,
    errors.LinkLoop.code: 18,
    errors.NoSpace.code: 19,
    errors.Conflict.code: 20,
    errors.Busy.code: 21,
    errors.Corrupt.code: 22,
    errors.Unavailable.code: 23,
    errors.TooNew.code: 24,
    errors.Stale.code: 25,
    errors.DriveError.code: 70,
}
"""The exit code of every error code."""

_FOREIGN: dict[int, type[errors.DriveError]] = {
    errno.ENOENT: errors.NotFound,
    errno.EEXIST: errors.AlreadyExists,
    errno.ENOTEMPTY: errors.NotEmpty,
    errno.ENOTDIR: errors.NotAFolder,
    errno.EISDIR: errors.IsAFolder,
    errno.EINVAL: errors.InvalidArgument,
    errno.ENAMETOOLONG: errors.NameTooLong,
    errno.EPERM: errors.NotPermitted,
    errno.EACCES: errors.AccessDenied,
    errno.EROFS: errors.ReadOnly,
    errno.ENOTSUP: errors.NotSupported,
    errno.EFBIG: errors.TooLarge,
    errno.EMLINK: errors.TooManyLinks,
    errno.ELOOP: errors.LinkLoop,
    errno.ENOSPC: errors.NoSpace,
    errno.EDQUOT: errors.NoSpace,
    errno.EBUSY: errors.Busy,
    errno.EIO: errors.Corrupt,
    errno.ENOTCONN: errors.Unavailable,
    errno.ETIMEDOUT: errors.Unavailable,
}


def error_of(error: OSError) -> errors.DriveError:
    """The operating system's error in the words of the closed set."""
    kind = _FOREIGN.get(error.errno or 0, errors.DriveError)
    where = error.filename
    name = where.decode("utf-8", "surrogateescape") if isinstance(where, bytes) else where
    said = error.strerror or str(error)
    return kind(f"{name}: {said}" if name is not None else said)


def exit_of(error: errors.DriveError) -> int:
    """The exit code that says this error."""
    return EXITS.get(error.code, EXITS[errors.DriveError.code])
