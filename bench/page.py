"""Puts measured tables into docs/performance.md, between the marks of their part; touches nothing else."""

import re
import time

from bench.mounts import PROJECT

PAGE = PROJECT / "docs" / "performance.md"


def put(part: str, text: str) -> None:
    """Replaces what is between the marks `PART` and `end of PART`. ValueError when the page has no such marks."""
    begin, end = f"<!-- {part} -->", f"<!-- end of {part} -->"
    page = PAGE.read_text()
    dated = f"{begin}\nMeasured on {time.strftime('%Y-%m-%d')}.\n\n{text}\n{end}"
    replaced, found = re.subn(re.escape(begin) + r".*?" + re.escape(end), lambda _: dated, page, flags=re.DOTALL)
    if not found:
        raise ValueError(f"{PAGE} has no {begin}")
    PAGE.write_text(replaced)
