"""Where the suites' programs are. A missing one is a failure that says how to install it, never a skip."""

import shutil
from pathlib import Path

from tests.filesystem.drives import PROJECT

BUILT = PROJECT / ".cache" / "suites" / "bin"


def built(name: str) -> Path:
    """A program that scripts/build-suites.sh makes."""
    path = BUILT / name
    assert path.exists(), f"{name} is missing: scripts/build-suites.sh builds it"
    return path


def packaged(name: str) -> Path:
    """A program of the system's package of the same name."""
    path = shutil.which(name)
    assert path, f"{name} is missing: apt-get install {name}"
    return Path(path)
