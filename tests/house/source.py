"""The project's own files as the house tests read them: what git knows or would add, never what tools left behind."""

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("graphfs", "gateway", "tagger")
HANDED_TO_US = ("bench/fsbench.py", "bench/loopbacks/")  # the measuring stick is used as it is


@cache
def files() -> tuple[Path, ...]:
    """Every file of the project, committed or about to be."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")
    return tuple(ROOT / name for name in sorted(set(names)) if name and (ROOT / name).is_file())


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def python_files(*, product: bool = False) -> list[Path]:
    """Our own Python; with `product`, only what is installed: the packages and mount.py."""
    found = [path for path in files() if path.suffix == ".py" and not relative(path).startswith(HANDED_TO_US)]
    if product:
        found = [path for path in found if relative(path).split("/")[0] in (*PACKAGES, "mount.py")]
    return found


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), relative(path))


def imports(path: Path) -> set[str]:
    """The modules a file imports, also by name at run time (`importlib.import_module("fuse")`)."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            found.update(part.value for part in node.args[:1] if isinstance(part, ast.Constant))
    return found
