"""mount.py with both bindings: it returns when the drive answers, and nothing is left when it is unmounted."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from graphfs.mounting.registry import RECORD
from graphfs.mounting.unmounting import detach
from tests.system.mounts import SECONDS, Place, ended, place

BINDINGS = ("pyfuse3", "mfusepy")


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Place]:
    with place(tmp_path / "a b") as made:
        yield made


@pytest.fixture(params=BINDINGS)
def option(request: pytest.FixtureRequest) -> str:
    return f"binding={request.param}"


def test_it_returns_when_the_drive_answers_and_content_survives(there: Place, option: str) -> None:
    for round_ in range(2):
        done = there.mount("-o", option)
        assert (done.returncode, done.stderr) == (0, ""), there.log
        assert str(there.drive) in done.stdout
        assert {"files", "tags"} <= set(os.listdir(there.drive))
        (there.drive / "files" / f"f{round_}").write_text(f"round {round_}")
        assert there.record.binding == option.removeprefix("binding=")
        pid = there.record.pid
        undone = there.unmount()
        assert (undone.returncode, undone.stderr) == (0, "")
        assert ended(pid, 0)
        assert not there.mounted
        assert not (there.state / RECORD).exists()
        assert os.listdir(there.drive) == []
    assert there.mount("-o", option).returncode == 0
    assert sorted(path.read_text() for path in (there.drive / "files").iterdir()) == ["round 0", "round 1"]


def test_open_files_and_open_folders_are_not_mistaken_for_each_other(there: Place, option: str) -> None:
    """Their numbers may be the same, and are on a mount that has just begun."""
    there.mount("-o", option)
    files = there.drive / "files"
    with (files / "a").open("wb") as one, (files / "b").open("wb") as other:
        for stream in (one, other):
            stream.write(b"0123456789")
            stream.flush()
        for _ in range(4):
            assert sorted(os.listdir(files)) == ["a", "b"]
        with os.scandir(files):
            for size, stream in enumerate((one, other), 3):
                os.ftruncate(stream.fileno(), size)
                assert os.fstat(stream.fileno()).st_size == size
    assert ((files / "a").read_bytes(), (files / "b").read_bytes()) == (b"012", b"0123")


def test_an_unmount_by_the_system_tool_ends_the_process(there: Place, option: str) -> None:
    there.mount("-o", option)
    (there.drive / "files" / "f").write_bytes(b"x" * 3_000_000)
    pid = there.record.pid
    detach(str(there.drive), lazy=False)
    assert ended(pid, SECONDS), there.log
    assert there.mount("-o", option).returncode == 0
    assert (there.drive / "files" / "f").read_bytes() == b"x" * 3_000_000


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_unmounts_in_the_foreground(there: Place, option: str, number: signal.Signals) -> None:
    with there.foreground("-o", option) as process:
        (there.drive / "files" / "f").write_text("kept")
        process.send_signal(number)
        assert process.wait(SECONDS) == 0
        assert not there.mounted
    assert there.mount("-o", option).returncode == 0
    assert (there.drive / "files" / "f").read_text() == "kept"


def test_a_signal_ends_it_although_a_file_is_open_and_keeps_what_was_written(there: Place, option: str) -> None:
    there.mount("-o", option)
    pid = there.record.pid
    file = os.open(there.drive / "files" / "f", os.O_CREAT | os.O_WRONLY)
    try:
        os.write(file, b"written")
        os.fsync(file)
        os.kill(pid, signal.SIGTERM)
        assert ended(pid, SECONDS), there.log
        assert not there.mounted
    finally:
        with pytest.raises(OSError, match="not connected"):
            os.close(file)
    assert there.mount("-o", option).returncode == 0
    assert (there.drive / "files" / "f").read_bytes() == b"written"


def test_a_dead_mount_is_cleaned_up(there: Place, option: str) -> None:
    there.mount("-o", option)
    (there.drive / "files" / "f").write_text("kept")
    pid = there.record.pid
    os.kill(pid, signal.SIGKILL)
    assert ended(pid, SECONDS)
    with pytest.raises(OSError, match="Transport endpoint is not connected"):
        os.listdir(there.drive)
    done = there.mount("-o", option)
    assert (done.returncode, done.stderr) == (0, "")
    assert (there.drive / "files" / "f").read_text() == "kept"


def test_a_dead_mount_is_unmounted(there: Place, option: str) -> None:
    there.mount("-o", option)
    pid = there.record.pid
    os.kill(pid, signal.SIGKILL)
    assert ended(pid, SECONDS)
    assert there.unmount().returncode == 0
    assert not there.mounted


def test_a_busy_drive_says_who_uses_it_and_goes_lazily(there: Place, option: str) -> None:
    there.mount("-o", option)
    pid = there.record.pid
    sleeper = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], cwd=there.drive / "files")
    try:
        refused = there.unmount()
        assert refused.returncode == 1
        assert refused.stderr.startswith("busy:")
        assert str(sleeper.pid) in refused.stderr
        assert f"{there.drive}/files" in refused.stderr
        assert there.mounted
        detach = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "from tests.system.mounts import UNMOUNT; exec(UNMOUNT)",
                str(there.drive),
                "--lazy",
            ],
            env=there.surroundings(),
        )
    finally:
        sleeper.kill()
        sleeper.wait()
    assert detach.wait(SECONDS) == 0
    assert ended(pid, 0)
    assert not there.mounted


def test_read_only_is_read_only(there: Place, option: str) -> None:
    there.mount("-o", option)
    (there.drive / "files" / "f").write_text("x")
    assert there.unmount().returncode == 0
    there.mount("-o", f"{option},ro")
    assert (there.drive / "files" / "f").read_text() == "x"
    with pytest.raises(OSError, match="Read-only file system"):
        (there.drive / "files" / "g").write_text("x")


def test_the_mount_table_names_it(there: Place, option: str) -> None:
    there.mount("-o", option)
    lines = [line for line in Path("/proc/self/mounts").read_text().splitlines() if "/a\\040b/drive" in line]
    assert [line.split()[0] for line in lines] == ["graphfs"]
    assert [line.split()[2] for line in lines] == ["fuse.graphfs"]
