"""The kernel's table, and whose mount a path is in."""

from pathlib import Path

import pytest

from graphfs.mounting import mountinfo

TABLE = r"""22 1 254:1 / / rw - ext4 /dev/root rw
30 22 0:40 / /home/a\040b/Graph rw,nosuid shared:1 - fuse.graphfs graphfs rw
31 30 0:41 / /home/a\040b/Graph/files/inner rw - tmpfs tmpfs rw
32 22 0:42 / /home/a\040b/Graph rw - fuse.graphfs graphfs rw
"""


@pytest.fixture(autouse=True)
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mountinfo").write_text(TABLE)
    monkeypatch.setattr(mountinfo, "TABLE", tmp_path / "mountinfo")


def test_of_two_on_one_path_the_later_shows() -> None:
    found = mountinfo.mounted_at("/home/a b/Graph")
    assert found is not None
    assert (found.device, found.type, found.source) == ("0:42", "fuse.graphfs", "graphfs")


@pytest.mark.parametrize(
    ("path", "device"),
    [
        ("/home/a b/Graph/files/x", "0:42"),
        ("/home/a b/Graph/files/inner/y", "0:41"),
        ("/home/a b/Graphics", "254:1"),
        ("/", "254:1"),
    ],
)
def test_the_longest_one_above_a_path_shows_it(path: str, device: str) -> None:
    found = mountinfo.mount_of(path)
    assert found is not None
    assert found.device == device


def test_what_is_not_mounted_is_not_there() -> None:
    assert mountinfo.mounted_at("/home/a b") is None
