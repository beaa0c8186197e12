"""The closed set of things that can go wrong, as the whole program speaks of them.

Every layer raises these and nothing else across its border; a driver's own exceptions are translated once, in the
driver's own file. What an error is called outside (an errno, an HTTP status, an exit code) is a table at that
edge, and a test keeps each table complete. A code is stable: it crosses the wire. A message is for people: it says
what to do, and nothing ever decides by it.
"""

from typing import ClassVar


class DriveError(Exception):
    """Base of the closed set. `code` is its stable name; `str(error)` is for people."""

    code: ClassVar[str] = "internal"


class NotFound(DriveError):
    """What was named does not exist (or the caller may not know that it does)."""

    code = "not_found"


class AlreadyExists(DriveError):
    """The name is taken."""

    code = "already_exists"


class NotEmpty(DriveError):
    """A folder or a tag still holds something."""

    code = "not_empty"


class NotAFolder(DriveError):
    """A folder was needed, something else is there."""

    code = "not_a_folder"


class IsAFolder(DriveError):
    """A file was needed, a folder is there."""

    code = "is_a_folder"


class InvalidArgument(DriveError):
    """The request makes no sense: a bad name, a cycle, an impossible range."""

    code = "invalid"


class NameTooLong(DriveError):
    """A name is over 255 bytes (a tag's over 200)."""

    code = "name_too_long"


class NotPermitted(DriveError):
    """The operation has no meaning at this place, whoever asks."""

    code = "not_permitted"


class AccessDenied(DriveError):
    """The caller has no right to it."""

    code = "access_denied"


class Unauthenticated(DriveError):
    """The caller did not prove who they are."""

    code = "unauthenticated"


class ReadOnly(DriveError):
    """The drive, or this part of it, cannot be written now."""

    code = "read_only"


class NotSupported(DriveError):
    """A kind of request that GraphFS does not have (a foreign xattr namespace, an unknown flag)."""

    code = "not_supported"


class NoAttribute(DriveError):
    """The extended attribute is not there."""

    code = "no_attribute"


class TooLarge(DriveError):
    """A value or a file is over a limit."""

    code = "too_large"


class TooManyLinks(DriveError):
    """A file has as many names as it may have."""

    code = "too_many_links"


class LinkLoop(DriveError):
    """Symbolic links lead in a circle."""

    code = "link_loop"


class NoSpace(DriveError):
    """The store's disk, or a quota, is full. Nothing was changed."""

    code = "no_space"


class Conflict(DriveError):
    """Somebody else changed it first: compare-and-swap failed. Read again and decide."""

    code = "conflict"


class Busy(DriveError):
    """It is in use: a mount point, a state directory, a lease."""

    code = "busy"


class Corrupt(DriveError):
    """Stored bytes do not match their hash, or a record contradicts another. Never served as if they were right."""

    code = "corrupt"


class Unavailable(DriveError):
    """A part that is needed does not answer now. Trying again later is safe."""

    code = "unavailable"


class Stale(DriveError):
    """What a name led to was replaced by another mount: the name leads elsewhere by now. Look it up again."""

    code = "stale"


class TooNew(DriveError):
    """The store was written by a newer GraphFS; this one must not touch it."""

    code = "too_new"


def _leaves(cls: type[DriveError]) -> dict[str, type[DriveError]]:
    found = {cls.code: cls}
    for sub in cls.__subclasses__():
        found |= _leaves(sub)
    return found


BY_CODE: dict[str, type[DriveError]] = _leaves(DriveError)
"""Every kind by its stable code; an unknown code that comes over the wire is a plain DriveError."""
