"""What every source file of the house must be like."""

import ast
import re
from pathlib import Path

import pytest

from tests.house.source import ROOT, files, python_files, relative, tree

MOST_LINES = 500
VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
# Written in pieces, so that this file does not hold what it forbids.
MACHINES = re.compile(
    "|".join(
        (
            r"(?<!\w)/wo" + "rk/",
            r"(?<!\w)/ro" + "ot/",
            "/tmp/br" + "ief",
            "/opt/wh" + "eels",
            "debian[.]" + "org",
            "pypi[.]" + "org",
        )
    )
)
MARKERS = ["TO" + "DO", "FIX" + "ME", "XX" + "X:"]
TEXT = {
    ".py",
    ".md",
    ".toml",
    ".yaml",
    ".yml",
    ".txt",
    ".conf",
    ".service",
    ".html",
    ".css",
    ".js",
    ".json",
    ".sh",
    ".cfg",
    "",
}


def text_files() -> list[Path]:
    return [path for path in files() if path.suffix in TEXT and b"\0" not in path.read_bytes()[:4096]]


@pytest.mark.parametrize("path", python_files(product=True), ids=relative)
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(tree(path)), f"{relative(path)} has no module docstring"


def test_no_file_is_too_long() -> None:
    lengths = {relative(path): path.read_text(encoding="utf-8").count("\n") for path in python_files()}
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}


def test_modules_are_nouns() -> None:
    assert [relative(path) for path in python_files() if VAGUE & set(path.with_suffix("").parts)] == []


def test_no_machine_and_no_registry_is_named() -> None:
    found = [
        f"{relative(path)}: {match.group()}"
        for path in text_files()
        if (match := MACHINES.search(path.read_text(encoding="utf-8", errors="replace")))
    ]
    assert found == []


def test_no_marker_of_unfinished_work() -> None:
    pattern = re.compile(r"\b(" + "|".join(MARKERS) + r")\b")
    found = [
        relative(path) for path in text_files() if pattern.search(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []


@pytest.mark.parametrize("path", python_files(product=True), ids=relative)
def test_no_shell_and_no_evaluation(path: Path) -> None:
    """Content is data: nothing that came from outside is ever run."""
    for node in ast.walk(tree(path)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        assert called not in {"eval", "exec", "os.system", "os.popen", "pickle.load", "pickle.loads", "yaml.load"}, (
            called
        )
        for keyword in node.keywords:
            shell = keyword.arg == "shell" and not (
                isinstance(keyword.value, ast.Constant) and keyword.value.value is False
            )
            assert not shell, f"{relative(path)}:{node.lineno} starts a shell"


@pytest.mark.parametrize("path", python_files(product=True), ids=relative)
def test_no_import_hides_from_the_layers(path: Path) -> None:
    """`if TYPE_CHECKING` would hide a cycle from readers; the layers are there to be seen."""
    assert "TYPE_CHECKING" not in {node.id for node in ast.walk(tree(path)) if isinstance(node, ast.Name)}


def test_an_ignored_type_error_says_which_and_why() -> None:
    """`# type: ignore[code]  # reason`."""
    pattern = re.compile(r"# type: ignore(?!\[[a-z, -]+\] +# \S)")
    found = [
        f"{relative(path)}:{number}"
        for path in python_files()
        if path.name != Path(__file__).name
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


def test_tests_do_not_sleep() -> None:
    """A sleep in a test is a race that has not lost yet: wait for an event, or for a condition with a deadline."""
    found = [
        f"{relative(path)}:{node.lineno}"
        for path in python_files()
        if relative(path).startswith("tests/") and path.name.startswith("test_")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"time.sleep", "sleep"}
    ]
    assert found == []


def test_the_public_folders_are_there() -> None:
    wanted = [
        "graphfs",
        "mount.py",
        "tagger",
        "gateway",
        "nginx",
        "config.yaml",
        "tests",
        "docs",
        "README.md",
        "LICENSE",
    ]
    assert [name for name in wanted if not (ROOT / name).exists()] == []
