"""Which binding is used: what is asked for, what this machine has, and what to do when they do not meet."""

import importlib
from collections.abc import Callable
from ctypes.util import find_library
from importlib.util import find_spec

from graphfs.errors import Unavailable
from graphfs.fuse.options import MountOptions
from graphfs.vfs.interface import Volume

EXACT = "pyfuse3"

_REMEDIES = {
    EXACT: "install gcc, pkg-config and libfuse3-dev, then `make venv`; `-o binding=fusepy` works without",
    "mfusepy": "install libfuse 3 (apt install libfuse3-3)",
    "fusepy": "install libfuse 2 (apt install libfuse2) or libfuse 3 (apt install fuse3)",
}


def _has(binding: str) -> bool:
    if binding == EXACT:
        return find_spec(EXACT) is not None
    if binding == "mfusepy":
        return find_spec("mfusepy") is not None and find_library("fuse3") is not None
    return find_spec("fuse") is not None and find_library("fuse") is not None


def choose(wanted: str) -> str:
    """The binding for a setting: `auto` takes the best there is, `fusepy` its fork mfusepy where libfuse 3 is.
    Unavailable, with what to install."""
    candidates = {"auto": [EXACT, "mfusepy", "fusepy"], "fusepy": ["mfusepy", "fusepy"]}.get(wanted, [wanted])
    for binding in candidates:
        if _has(binding):
            return binding
    raise Unavailable(f"the FUSE binding {candidates[-1]} cannot be used here: {_REMEDIES[candidates[-1]]}")


def serve(binding: str, volume: Volume, mount_point: str, options: MountOptions, mounted: Callable[[], None]) -> None:
    """Mounts and answers the kernel until the drive is unmounted (see `exact.serve`, `bridges.serve`). Imports only
    what is used."""
    if binding == EXACT:
        importlib.import_module("graphfs.fuse.exact").serve(volume, mount_point, options, mounted)
    else:
        importlib.import_module("graphfs.fuse.bridges").serve(binding, volume, mount_point, options, mounted)
