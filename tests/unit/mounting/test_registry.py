"""Records of mounts, where the folder for them cannot be had."""

from pathlib import Path

import pytest

from graphfs.mounting.registry import RECORD, MountRecord, write_record


@pytest.mark.allows_log("the mount is not known in")
def test_a_mount_goes_on_where_its_record_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    (tmp_path / RECORD).parent.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "file"))
    write_record(MountRecord(1, "/mnt", "0:1", "pyfuse3", str(tmp_path), "unix:/s"))
    assert (tmp_path / RECORD).exists()
