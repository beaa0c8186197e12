"""The list of dependencies equals what is imported, and the locks name versions and hashes, never a place."""

import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.house.source import PACKAGES, ROOT, imports, python_files, relative

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = sorted((ROOT / "locks").glob("*.txt"))
INSTALLED = packages_distributions()
OURS = {*PACKAGES, "mount", "tests", "bench"}
# Installed for another reason than being imported by the product.
NOT_IMPORTED = {
    "llama-index": "the umbrella of what the tagger imports as llama_index.core",
    "trio": "pyfuse3's event loop",
    "neo4j-rust-ext": "the codec of the driver neo4j, compiled",
}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared() -> set[str]:
    extras = PROJECT["project"]["optional-dependencies"].values()
    lines = [*PROJECT["project"]["dependencies"], *(line for extra in extras for line in extra)]
    return {normal(re.split(r"[<>=!~;\[ ]", line)[0]) for line in lines}


def imported() -> dict[str, str]:
    """Top-level name of every third-party import of the product, and a file that has it."""
    found: dict[str, str] = {}
    for path in python_files(product=True):
        for module in imports(path):
            top = module.split(".")[0]
            if top not in OURS and top not in sys.stdlib_module_names:
                found[module] = relative(path)
    return found


def distributions(module: str) -> set[str]:
    """The installed distributions that carry a module (of what is not installed, for few have it, the one of the same
    name); namespace packages are told apart by their second name."""
    top, _, rest = module.partition(".")
    if top == "llama_index":
        return {"llama-index-core" if rest.startswith("core") else normal("-".join(module.split(".")[:3]))}
    return {normal(name) for name in INSTALLED.get(top, (top,))}


def test_what_is_imported_is_declared() -> None:
    umbrella = {"llama-index-core"} if "llama-index" in declared() else set()
    undeclared = {
        module: where for module, where in imported().items() if not distributions(module) & (declared() | umbrella)
    }
    assert undeclared == {}


def test_what_is_declared_is_imported() -> None:
    used = {name for module in imported() for name in distributions(module)}
    assert declared() - used - set(NOT_IMPORTED) == set()


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_a_lock_pins_and_names_no_place(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"https?:|^-|^--|@ ", text, re.MULTILINE)
    entries = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert entries
    assert [line for line in entries if not re.match(r"[a-z0-9-]+(\[[a-z,]+\])?==\S+ ", line)] == []
    assert text.count("--hash=sha256:") >= len(entries)


def test_the_locks_hold_what_is_declared() -> None:
    locked = {
        normal(line.split("==")[0].split("[")[0])
        for path in LOCKS
        for line in path.read_text().splitlines()
        if "==" in line and not line.startswith((" ", "#"))
    }
    groups = [line for group in PROJECT["dependency-groups"].values() for line in group]
    wanted = declared() | {normal(re.split(r"[<>=!~;\[ ]", line)[0]) for line in groups}
    assert wanted - locked == set(), "run `make lock`"
