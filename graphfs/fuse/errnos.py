"""The table at the kernel's edge: what each error of the closed set is called as an errno, and the one place that
decides it.

Not the place for messages: the kernel carries a number only.
"""

import errno
import logging

from graphfs.errors import DriveError

log = logging.getLogger(__name__)

ERRNOS: dict[str, int] = {
    "internal": errno.EIO,
    "not_found": errno.ENOENT,
    "already_exists": errno.EEXIST,
    "not_empty": errno.ENOTEMPTY,
    "not_a_folder": errno.ENOTDIR,
    "is_a_folder": errno.EISDIR,
    "invalid": errno.EINVAL,
    "name_too_long": errno.ENAMETOOLONG,
    "not_permitted": errno.EPERM,
    "access_denied": errno.EACCES,
    "unauthenticated": errno.EACCES,
    "read_only": errno.EROFS,
    "not_supported": errno.ENOTSUP,
    "no_attribute": errno.ENODATA,
    "too_large": errno.EFBIG,
    "too_many_links": errno.EMLINK,
    "link_loop": errno.ELOOP,
    "no_space": errno.ENOSPC,
    "conflict": errno.EBUSY,
    "busy": errno.EBUSY,
    "corrupt": errno.EIO,
    "unavailable": errno.ETIMEDOUT,
    "too_new": errno.EPROTO,
    "stale": errno.ESTALE,  # the kernel looks the path up again by itself, and asks once more
}
"""By `DriveError.code`. A test holds it equal to `graphfs.errors.BY_CODE`."""


def errno_of(error: BaseException, operation: str) -> int:
    """The errno that answers `operation` when it ended so. Whatever is not of the closed set is a fault of ours: EIO,
    logged once here."""
    if isinstance(error, DriveError):
        number = ERRNOS.get(error.code, errno.EIO)
        if number == errno.EIO:
            log.error("%s: %s: %s", operation, error.code, error)
        return number
    log.error("%s failed by a fault in GraphFS", operation, exc_info=error)
    return errno.EIO
