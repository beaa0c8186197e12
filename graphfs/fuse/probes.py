"""What the kernel and the C library ask of every file as a matter of routine, with its constant answers.

The kernel asks for `security.capability` before every write; `ls -l` asks each file for a security label and an access
list, and stops asking a drive that says it has none. Neither is kept here, so neither is worth a call.
"""

from graphfs.errors import DriveError, NoAttribute, NotSupported

PROBES: dict[str, type[DriveError]] = {
    "security.capability": NoAttribute,
    "security.selinux": NotSupported,
    "system.posix_acl_access": NotSupported,
    "system.posix_acl_default": NotSupported,
}
"""Extended attributes that are never there, and the error that says so."""
