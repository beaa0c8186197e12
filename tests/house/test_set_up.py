"""The set-up: what is there costs no time, and the lists it reads are well formed."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.house.source import ROOT

LISTS = sorted((ROOT / "scripts").glob("system-packages*.txt"))
LINE = re.compile(r"(command:[\w.+-]+\|)?[a-z0-9][a-z0-9.+-]*(\|[a-z0-9][a-z0-9.+-]*)*")


def test_what_is_there_is_left_alone() -> None:
    """A second `make mount` starts in under three seconds: the set-up may have only a small part of them."""
    subprocess.run(["scripts/setup", "mount"], cwd=ROOT, capture_output=True, check=True)
    before = time.monotonic()
    done = subprocess.run(["scripts/setup", "mount"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert time.monotonic() - before < 2


def test_an_unknown_purpose_is_refused() -> None:
    done = subprocess.run(["scripts/setup", "dance"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "unknown purpose: dance" in done.stderr


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.name)
def test_a_list_of_packages_is_well_formed(path: Path) -> None:
    entries = [line.partition("#")[0].strip() for line in path.read_text().splitlines()]
    entries = [entry for entry in entries if entry]
    assert [entry for entry in entries if not LINE.fullmatch(entry)] == []
    assert len(set(entries)) == len(entries)


QUIET = """
def test_passes():
    pass

def test_says_something_harmless():
    logging.getLogger("gateway.store").info("fine")

def test_hears_others():
    logging.getLogger("elsewhere").warning("not ours")

@pytest.mark.allows_log("odd")
def test_expects_a_record():
    logging.getLogger("tagger").error("very odd")
"""
LOUD = """
def test_warns():
    warnings.warn("old")

def test_logs():
    logging.getLogger("gateway.store").warning("odd")

@pytest.mark.allows_log("even")
def test_expects_another_record():
    logging.getLogger("tagger").error("very odd")

@pytest.mark.unheard_of
def test_has_a_misspelt_marker():
    pass
"""
SKIPS = """
def test_skips():
    pytest.skip("later")
"""


@pytest.mark.parametrize(
    ("text", "ci", "status", "outcome"),
    [
        (QUIET, "true", 0, "4 passed"),
        (LOUD.partition("@pytest.mark.unheard_of")[0], "true", 1, "1 failed, 2 passed, 2 errors"),
        (LOUD, "true", 2, "'unheard_of' not found in `markers`"),
        (SKIPS, "true", 1, "in CI that is a failure"),
        (SKIPS, "false", 0, "1 skipped"),
    ],
    ids=["quiet", "loud", "misspelt", "skip-ci", "skip"],
)
def test_the_suite_s_own_rules_hold(tmp_path: Path, text: str, ci: str, status: int, outcome: str) -> None:
    """Warnings, skips in CI, and stray records of the product's loggers fail a run."""
    for name in ("pyproject.toml", "tests/conftest.py"):
        (tmp_path / Path(name).name).write_text((ROOT / name).read_text())
    (tmp_path / "test_it.py").write_text(f"import logging\nimport warnings\n\nimport pytest\n{text}")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"]
    environment = {"CI": ci, "PATH": "/usr/bin", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert outcome in done.stdout
    assert done.returncode == status
