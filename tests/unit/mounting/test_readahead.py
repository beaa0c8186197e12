"""The kernel's read-ahead of a mount."""

from pathlib import Path

from graphfs.mounting.readahead import KIB, widen


def test_the_mounts_own_device_reads_a_chunk_ahead(tmp_path: Path) -> None:
    for device in ("0:39", "0:40"):
        (tmp_path / device).mkdir()
        (tmp_path / device / "read_ahead_kb").write_text("128\n")
    widen("0:39", tmp_path)
    assert (tmp_path / "0:39" / "read_ahead_kb").read_text() == f"{KIB}\n"
    assert (tmp_path / "0:40" / "read_ahead_kb").read_text() == "128\n"


def test_where_it_may_not_be_said_nothing_happens(tmp_path: Path) -> None:
    widen("0:39", tmp_path)
    assert list(tmp_path.iterdir()) == []
