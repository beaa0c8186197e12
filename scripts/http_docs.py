"""Writes what is generated of the HTTP API's pages: docs/openapi.json and the table of statuses in docs/http.md.

`python scripts/http_docs.py` writes them, with `--check` it only says whether they are as they should be.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from gateway import openapi  # noqa: E402  # from this folder, installed or not
from graphfs import errors, wire  # noqa: E402

PAGE = ROOT / "docs" / "http.md"
DOCUMENT = ROOT / "docs" / "openapi.json"
BEGIN = "<!-- statuses: made from graphfs/wire/status.py -->"
END = "<!-- end of statuses -->"


def page() -> str:
    """The page with its table as it should be."""
    lines = [
        f"| `{code}` | {wire.STATUS[code]} | {' '.join((kind.__doc__ or '').split())} |"
        for code, kind in sorted(errors.BY_CODE.items(), key=lambda item: (wire.STATUS[item[0]], item[0]))
    ]
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    table = "\n".join(["| code | status | |", "|---|---|---|", *lines])
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"


def main(arguments: list[str]) -> int:
    """0 when all is written or right."""
    wanted = {PAGE: page(), DOCUMENT: openapi.text()}
    there = {path: path.read_text(encoding="utf-8") if path.exists() else "" for path in wanted}
    wrong = [path for path in wanted if there[path] != wanted[path]]
    for path in wrong:
        if "--check" in arguments:
            print(f"{path.relative_to(ROOT)} is not as the code has it: run `make docs`")
        else:
            path.write_text(wanted[path], encoding="utf-8")
    return int(bool(wrong) and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
