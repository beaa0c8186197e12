"""Which binding is used: what is asked for, what this machine has, and what to do when they do not meet."""

import ctypes
import importlib
import time
from collections.abc import Callable
from ctypes.util import find_library
from importlib.util import find_spec

from graphfs.errors import InvalidArgument, Unavailable
from graphfs.fuse.options import MountOptions
from graphfs.vfs.interface import Volume

EXACT = "pyfuse3"
_LOCKING = "mfusepy"
"""The binding that passes locks on: pyfuse3 has no calls for them, and libfuse 2 cannot make the kernel look again."""

_TICKS = 5
"""CLOCK_REALTIME_COARSE of Linux, which Python has no name for."""

_REMEDIES = {
    EXACT: "install gcc, pkg-config and libfuse3-dev, then `make venv`; `-o binding=fusepy` works without",
    "mfusepy": "install libfuse 3 (apt install libfuse3-3)",
    "fusepy": "install libfuse 2 (apt install libfuse2) or libfuse 3 (apt install fuse3)",
}


_NEEDED = {"mfusepy": ("mfusepy", "fuse3", 3), "fusepy": ("fuse", "fuse", 2)}
"""Of a binding by paths: its module, its libfuse and that one's version."""


def _has(binding: str, library: str | None) -> bool:
    if binding == EXACT:
        return find_spec(EXACT) is not None
    module, name, version = _NEEDED[binding]
    if find_spec(module) is None:
        return False
    return find_library(name) is not None if library is None else _version(library) == version


def _version(library: str) -> int:
    """The major version of a libfuse. Unavailable when it is none."""
    try:
        number = int(ctypes.CDLL(library).fuse_version())
    except (OSError, AttributeError) as error:
        raise Unavailable(f"{library}, which FUSE_LIBRARY_PATH names, is no libfuse: {error}") from error
    return number // (100 if number >= 100 else 10)


def choose(wanted: str, library: str | None = None, *, locks: bool = False) -> str:
    """The binding for a setting: `auto` takes the best there is, `fusepy` its fork mfusepy where libfuse 3 is.
    `library`: the file that the bindings by paths are told to load (FUSE_LIBRARY_PATH); each of them fits one version
    only. `locks`: one is needed that passes them on. Unavailable, with what to install; InvalidArgument."""
    candidates = {"auto": [EXACT, "mfusepy", "fusepy"], "fusepy": ["mfusepy", "fusepy"]}.get(wanted, [wanted])
    if locks:
        if _LOCKING not in candidates:
            raise InvalidArgument(f"locks=server: {wanted} passes no locks on; use -o binding=fusepy with libfuse 3")
        candidates = [_LOCKING]
    for binding in candidates:
        if _has(binding, library):
            return binding
    raise Unavailable(f"the FUSE binding {candidates[-1]} cannot be used here: {_REMEDIES[candidates[-1]]}")


def clock(binding: str) -> Callable[[], int]:
    """Where the times of files come from (nanoseconds). pyfuse3 hands on what the kernel calls now as a time like any
    other, and the kernel's clock goes in ticks: then all times are its, as on a disk, or what is touched after a write
    would be older than it. libfuse says that now is meant."""
    if binding != EXACT:
        return time.time_ns
    return lambda: time.clock_gettime_ns(_TICKS)


def serve(binding: str, volume: Volume, mount_point: str, options: MountOptions, mounted: Callable[[], None]) -> None:
    """Mounts and answers the kernel until the drive is unmounted (see `exact.serve`, `bridges.serve`). Imports only
    what is used."""
    if binding == EXACT:
        importlib.import_module("graphfs.fuse.exact").serve(volume, mount_point, options, mounted)
    else:
        importlib.import_module("graphfs.fuse.bridges").serve(binding, volume, mount_point, options, mounted)
