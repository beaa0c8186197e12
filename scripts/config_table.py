#!/usr/bin/env python3
"""Writes docs/config.md from config.yaml (values, reasons) and graphfs/config.py (types). `--check` only compares."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from graphfs.config import KEYS, SECTIONS, expected  # noqa: E402  # after the path to it

PAGE = ROOT / "docs" / "config.md"
HEADER = """# Configuration

Made by `make docs` from [config.yaml](../config.yaml) and `graphfs/config.py`; do not edit.

A setting's value is the last of: its default, the configuration file (`--config FILE`, else `config.yaml` in the state
directory), its environment variable, an `-o` option of the mount. The variable of `tagger.llm.model` is
`GRAPHFS_TAGGER__LLM__MODEL`. Unknown keys are refused by name. Secrets are given by environment or in a file only, and
print as stars.
"""


@dataclass(frozen=True)
class Line:
    """One key of config.yaml: its dotted name, its value as written, and the comment above it."""

    name: str
    value: str
    why: str


def lines(text: str) -> Iterator[Line]:
    """The keys of config.yaml in order. Understands just that file: two blanks a level, a comment above its key."""
    path: list[str] = []
    why: list[str] = []
    for line in text.splitlines():
        bare = line.strip()
        if bare.startswith("#"):
            why.append(bare.lstrip("# "))
            continue
        if bare:
            key, _, value = bare.partition(":")
            depth = (len(line) - len(line.lstrip())) // 2
            path[depth:] = [key]
            name = ".".join(path)
            if name not in SECTIONS:
                yield Line(name, value.strip(), " ".join(why))
        why = []


def page() -> str:
    parts = [HEADER]
    section = None
    for line in lines((ROOT / "config.yaml").read_text(encoding="utf-8")):
        group, _, key = line.name.rpartition(".")
        if group != section:
            parts.append(f"\n## {group}\n\n| key | default | is | why |\n| --- | --- | --- | --- |\n")
            section = group
        kind = expected(KEYS[line.name].type).replace("|", "\\|")
        parts.append(f"| `{key}` | `{line.value}` | {kind} | {line.why} |\n")
    secrets = [
        f"`GRAPHFS_{name.upper().replace('.', '__')}` or `{name}_file`" for name, key in KEYS.items() if key.secret
    ]
    parts.append("\n## Secrets\n\n" + "".join(f"- {words}\n" for words in secrets))
    return "".join(parts)


def main() -> int:
    made = page()
    if "--check" in sys.argv[1:]:
        return int(not PAGE.exists() or PAGE.read_text(encoding="utf-8") != made)
    PAGE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
