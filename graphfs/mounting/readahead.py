"""How far the kernel reads ahead in a mount (sysfs, /sys/class/bdi/MAJOR:MINOR/read_ahead_kb). Only root may say."""

from contextlib import suppress
from pathlib import Path

DEVICES = Path("/sys/class/bdi")
KIB = 4096
"""One chunk. The kernel's own 128 KiB keep a single request under way, and a reader waits for each."""


def widen(device: str, devices: Path = DEVICES) -> None:
    """`device`: `major:minor` of the mount. Where it may not be said, the kernel's default stays."""
    with suppress(OSError):
        (devices / device / "read_ahead_kb").write_text(f"{KIB}\n")
