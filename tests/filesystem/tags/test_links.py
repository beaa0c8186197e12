"""`-o tag_entries=symlink`: entries are relative links to the real files."""

import os
from pathlib import Path

import pytest

from tests.filesystem.drives import started
from tests.filesystem.tags.conftest import BINDINGS, get_tags, run, set_tags


@pytest.mark.parametrize("binding", BINDINGS)
def test_entries_are_links(binding: str, tmp_path: Path) -> None:
    with started(binding, tmp_path, "-o", "tag_entries=symlink") as drive:
        (drive.files / "d").mkdir()
        file = drive.files / "d" / "f.txt"
        file.write_text("x")
        set_tags(file, "a", "b")
        entry = drive.root / "tags" / "a" / "f.txt"
        assert os.readlink(entry) == "../../files/d/f.txt"
        assert entry.read_text() == "x"
        assert os.readlink(drive.root / "tags" / "a" / "b" / "f.txt") == "../../../files/d/f.txt"
        (drive.root / "tags" / "a" / "new.txt").write_text("n")
        assert (drive.files / "Inbox" / "new.txt").read_text() == "n"
        run("mv", file, drive.root / "tags" / "b")
        run("rm", entry)
        assert get_tags(file) == {"b"}
        assert not os.path.lexists(entry)
