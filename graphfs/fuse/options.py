"""What a binding is told of a mount, beside the volume and the mount point."""

from msgspec import Struct

FSNAME = "graphfs"
"""The source that the mount table shows; the type is `fuse.graphfs`."""


class MountOptions(Struct, frozen=True):
    """How the kernel shows the drive. Timeouts are seconds; the exact binding takes them from each answer instead."""

    read_only: bool = False
    allow_other: bool = False
    entry_timeout: float = 1.0
    attribute_timeout: float = 1.0
    locks: bool = False
    """Whether the drive keeps flock and fcntl locks, for all its mounts; else the kernel does, for this one."""

    def common(self) -> dict[str, str | bool]:
        """The options that every binding hands to libfuse, by name; True is a flag."""
        options: dict[str, str | bool] = {"fsname": FSNAME, "subtype": FSNAME, "default_permissions": True}
        if self.allow_other:
            options["allow_other"] = True
        if self.read_only:
            options["ro"] = True
        return options
