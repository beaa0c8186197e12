"""Which process serves which mount: a record in the state directory, and one where the user's other programs look.

A record is only believed while its process lives and the kernel's table agrees.
"""

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from graphfs.errors import NotFound
from graphfs.mounting.mountinfo import TYPE, Mounted, mount_of, mounted_at

log = logging.getLogger(__name__)

RECORD = Path("run", "mount.json")
"""In the state directory."""
_COMMON = Path("/tmp")  # noqa: S108  # programs of one user may differ in their TMPDIR; records of others are not believed
"""Where there is no folder for what lasts as long as a session."""


class MountRecord(msgspec.Struct, frozen=True):
    """A mount and who serves it."""

    pid: int
    mount_point: str
    device: str
    binding: str
    state: str
    server: str
    """Address of the HTTP API (`unix:PATH` or a URL)."""


def write_record(record: MountRecord) -> None:
    """Makes the mount known. Atomic: nobody sees half a record. Where the user's folder cannot be written (it is full,
    or somebody else's), the mount is found by its state directory alone."""
    _put(Path(record.state) / RECORD, record)
    folder = _runtime()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _put(folder / _name(record.device), record)
    except OSError as error:
        log.warning("the mount is not known in %s (%s): give commands --state %s", folder, error, record.state)


def remove_record(record: MountRecord) -> None:
    """The mount is gone."""
    for path in (Path(record.state) / RECORD, _runtime() / _name(record.device)):
        with contextlib.suppress(OSError):
            if _read(path) == record:
                path.unlink()


def record_in(state: Path) -> MountRecord | None:
    """Who serves the drive of this state directory now, if anybody does."""
    record = _read(state / RECORD)
    return record if record is not None and _alive(record) else None


def record_at(mounted: Mounted) -> MountRecord | None:
    """Who serves this mount, as far as this user may know."""
    for folder in _runtimes():
        record = _read(folder / _name(mounted.device))
        if record is not None and record.mount_point == mounted.path and _alive(record):
            return record
    return None


def drive_of(directory: Path) -> MountRecord:
    """The drive that a directory is in. NotFound when it is in none, or in one whose process left no record for this
    user."""
    path = os.path.realpath(directory)
    mounted = mount_of(path)
    if mounted is None or mounted.type != TYPE:
        raise NotFound(f"{directory} is not in a GraphFS drive")
    record = record_at(mounted)
    if record is None:
        raise NotFound(f"nothing is known about who serves the drive at {mounted.path}; give --state or --server")
    return record


def _alive(record: MountRecord) -> bool:
    mounted = mounted_at(record.mount_point)
    return Path(f"/proc/{record.pid}").exists() and mounted is not None and mounted.device == record.device


def _name(device: str) -> str:
    return f"{device.replace(':', '-')}.json"


def _put(path: Path, record: MountRecord) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(msgspec.json.encode(record))
    temporary.replace(path)


def _read(path: Path) -> MountRecord | None:
    try:
        if path.stat().st_uid not in (os.geteuid(), 0) and os.geteuid() != 0:
            return None  # in a folder that everybody can write: not ours, not believed
        return msgspec.json.decode(path.read_bytes(), type=MountRecord)
    except (OSError, msgspec.DecodeError):
        return None


def _runtime() -> Path:
    """The user's folder for what lasts as long as the session."""
    given = os.environ.get("XDG_RUNTIME_DIR")
    if given:
        return Path(given, "graphfs")
    usual = Path("/run/user", str(os.geteuid()))
    if usual.is_dir():
        return usual / "graphfs"
    return _COMMON / f"graphfs-{os.geteuid()}"


def _runtimes() -> Iterator[Path]:
    """Where records of this user's mounts are; for root also those of others."""
    yield _runtime()
    yield _COMMON / f"graphfs-{os.geteuid()}"
    if os.geteuid() == 0:
        yield from Path("/run/user").glob("*/graphfs")
        yield from _COMMON.glob("graphfs-*")
