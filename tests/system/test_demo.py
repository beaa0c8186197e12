"""`make demo-tagging`, as people run it: on a real mount, with the real tagger."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source import ROOT


@pytest.mark.timeout(400)
def test_reviewed_suggestions_make_the_next_files_better(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    (tmp_path / "runtime").mkdir(mode=0o700)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GRAPHFS_")}
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "demo_tagging.py"), "--write", str(page)],
        env={**kept, "XDG_RUNTIME_DIR": str(tmp_path / "runtime"), "TMPDIR": str(tmp_path)},
        capture_output=True, text=True, check=False, timeout=380,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    said = page.read_text()
    assert re.search(r"\$ mv '?drive/tags/\+review/", said), said
    assert re.search(r"\$ rm '?drive/tags/\+review/", said), said
    assert "type/code/python" in said
    rows = {
        cells[1].strip(): [int(cell) for cell in cells[2:-1]]
        for line in said.splitlines()
        if line.startswith(("| offline", "| large")) and (cells := line.split("|"))
    }
    before, after, large = (
        rows["offline, nothing taught"],
        rows["offline, after the review"],
        rows["large model (stand-in)"],
    )
    assert after[0] > before[0]
    assert after[0] >= 3, rows
    assert after[1] <= 1, rows
    assert large[0] >= 6, rows
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith("graphfs-demo-")]
