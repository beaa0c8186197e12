"""`mount`, `unmount` and `mounts`: the drives of this machine."""

import os
import sys
from argparse import Namespace
from pathlib import Path

from graphfs.cli.drives import mounted_drives
from graphfs.cli.exits import OK
from graphfs.cli.progress import progress
from graphfs.cli.screen import Screen
from graphfs.errors import NotFound
from graphfs.mounting.registry import record_at
from graphfs.mounting.unmounting import unmount as unmount_drive


def mount(arguments: Namespace, screen: Screen) -> int:
    """Becomes mount.py, the doorway, with the same words."""
    words = [arguments.dir]
    for name in ("state", "server", "config"):
        value = getattr(arguments, name)
        if value:
            words += [f"--{name}", value]
    words += ["--foreground"] if arguments.foreground else []
    words += [part for option in arguments.options for part in ("-o", option)]
    sys.stdout.flush()
    # `python -P`: a file called mount.py in the current directory is not ours.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "mount", *words])  # noqa: S606  # no shell is wanted


def unmount(arguments: Namespace, screen: Screen) -> int:
    """Unmounts and waits until everything is safe."""
    directory = arguments.dir
    if directory is None:
        known = mounted_drives()
        if len(known) != 1:
            names = ", ".join(one.path for one in known)
            raise NotFound(f"say which drive: {names}" if known else "no GraphFS drive is mounted")
        directory = known[0].path
    with progress(screen, "writing what is left"):
        unmount_drive(Path(directory), lazy=arguments.lazy)
    if screen.as_json:
        screen.json({"unmounted": os.path.realpath(directory)})
    else:
        screen.note(f"{directory} is unmounted, everything is safe")
    return OK


def list_mounts(arguments: Namespace, screen: Screen) -> int:
    """Prints mount points with what is known of them."""
    found = [(one, record_at(one)) for one in mounted_drives()]
    if screen.as_json:
        screen.json([{"mount_point": one.path, "record": record} for one, record in found])
        return OK
    for one, record in found:
        more = (
            f"  {record.state}  {record.binding}, process {record.pid}"
            if record
            else "  (nothing is known of its process)"
        )
        screen.line(screen.name(one.path) + screen.style(screen.name(more), "dim"))
    if not found:
        screen.note("No drive is mounted.")
    return OK
