"""What must be so before a drive can be mounted, with a message for each thing that is not. Cleans up a mount whose
process died. Not here: the state directory (`graphfs.mounting.state`)."""

import errno
import os
import shutil
import stat
import subprocess
from pathlib import Path

from graphfs.errors import AccessDenied, Busy, InvalidArgument, NotAFolder, NotEmpty, Unavailable
from graphfs.mounting.mountinfo import TYPE, Mounted, mounted_at
from graphfs.mounting.registry import record_at

DEVICE = Path("/dev/fuse")
FUSE_CONF = Path("/etc/fuse.conf")


def unmounter(*, lazy: bool = False) -> list[str]:
    """The command that unmounts a FUSE drive, up to the mount point; `lazy`: also one in use, out of sight at once.
    Unavailable when there is none."""
    for program in ("fusermount3", "fusermount"):
        found = shutil.which(program)
        if found:
            return [found, "-u", *(["-z"] if lazy else [])]
    found = shutil.which("umount") if os.geteuid() == 0 else None
    if found:
        return [found, *(["-l"] if lazy else [])]
    raise Unavailable("fusermount3 is missing: install the package fuse3 (apt install fuse3)")


def check_fuse(*, allow_other: bool) -> None:
    """Unavailable when the machine has no FUSE, AccessDenied when this user may not use it (so)."""
    if not DEVICE.exists():
        raise Unavailable(
            f"{DEVICE} is missing: load the kernel module with `modprobe fuse`; "
            "a container needs `--device /dev/fuse --cap-add SYS_ADMIN`"
        )
    try:
        os.close(os.open(DEVICE, os.O_RDWR))
    except OSError as error:
        raise AccessDenied(f"{DEVICE} cannot be opened ({error.strerror}): root must allow it for this user") from error
    unmounter()
    if os.geteuid() != 0 and allow_other and not _others_allowed():
        raise AccessDenied(f"allow_other needs a line `user_allow_other` in {FUSE_CONF}, which root can add")


def _others_allowed() -> bool:
    try:
        lines = FUSE_CONF.read_text(errors="replace").splitlines()
    except OSError:
        return False
    return any(line.split("#")[0].strip() == "user_allow_other" for line in lines)


def prepare_mount_point(path: Path) -> Path:
    """The folder to mount on, absolute and without symbolic links; made when it is missing, freed of a dead mount.
    Busy, NotEmpty, NotAFolder, AccessDenied."""
    place = Path(os.path.realpath(path))
    try:
        os.statvfs(place)  # asks whoever serves it; stat may be answered by what the kernel remembers of a dead one
        found = place.stat()
    except FileNotFoundError:
        return _made(place)
    except OSError as error:
        if error.errno != errno.ENOTCONN:
            raise AccessDenied(f"{place} cannot be mounted on: {error.strerror}") from error
        _clean_up(place)
        return prepare_mount_point(place)
    mounted = mounted_at(str(place))
    if mounted is not None:
        raise Busy(f"{place} is in use: {_described(mounted)}")
    if not stat.S_ISDIR(found.st_mode):
        raise NotAFolder(f"{place} is not a folder: a drive is mounted on an empty folder")
    try:
        content = next(place.iterdir(), None)
    except OSError as error:
        raise AccessDenied(f"{place} cannot be read: {error.strerror}") from error
    if content is not None:
        raise NotEmpty(f"{place} is not empty (it holds {content.name!r}): a drive is mounted on an empty folder")
    if not os.access(place, os.W_OK):
        raise AccessDenied(f"{place} cannot be written by this user, who therefore cannot mount on it")
    return place


def _made(place: Path) -> Path:
    try:
        place.mkdir(parents=True)
    except OSError as error:
        raise AccessDenied(f"{place} cannot be made: {error.strerror}") from error
    return place


def _described(mounted: Mounted) -> str:
    if mounted.type != TYPE:
        return f"{mounted.source} ({mounted.type}) is mounted there"
    record = record_at(mounted)
    if record is None:
        return "another GraphFS drive is mounted there"
    return f"the GraphFS drive of {record.state} is mounted there by process {record.pid} (`graphfs unmount` ends it)"


def _clean_up(place: Path) -> None:
    """The process of a mount is dead, the mount is still there: "Transport endpoint is not connected"."""
    done = subprocess.run([*unmounter(lazy=True), str(place)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Busy(f"{place} is a mount whose process died, and it cannot be unmounted: {done.stderr.strip()}")


def check_places(mount_point: Path, state: Path) -> None:
    """InvalidArgument when the drive would show, or hide, its own state directory."""
    if state == mount_point or mount_point in state.parents:
        raise InvalidArgument(
            f"the state directory {state} is inside the mount point {mount_point}; choose another with --state"
        )
    if state in mount_point.parents:
        raise InvalidArgument(f"the mount point {mount_point} is inside the state directory {state}")
