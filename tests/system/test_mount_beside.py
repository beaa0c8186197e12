"""What runs beside a mount: the HTTP API on its socket, and the tagger, which ends with it."""

import os
import signal
import socket
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from graphfs.client import connect
from graphfs.model import FILES_ROOT, Caller
from graphfs.mounting.registry import drive_of
from tests.system.mounts import SECONDS, Place, ended, place


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Place]:
    with place(tmp_path) as made:
        yield made


def test_the_api_serves_the_same_drive(there: Place) -> None:
    assert there.mount().returncode == 0
    (there.drive / "files" / "f").write_text("x")
    client = connect(there.record.server)
    try:
        assert client.lookup(Caller(0, 0), FILES_ROOT, "f").id == (there.drive / "files" / "f").stat().st_ino
    finally:
        client.close()


def test_a_change_by_the_api_shows_in_the_drive(there: Place) -> None:
    assert there.mount().returncode == 0
    path = there.drive / "files" / "f"
    path.write_text("x")
    assert path.read_text() == "x"
    client = connect(there.record.server)
    try:
        client.unlink(Caller(0, 0), FILES_ROOT, "f")
    finally:
        client.close()
    (there.drive / "files" / "g").touch()
    assert "f" not in os.listdir(there.drive / "files")


def test_the_drive_of_a_directory_is_found(there: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    assert there.mount().returncode == 0
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(there.folder / "runtime"))
    (there.drive / "files" / "d").mkdir()
    assert drive_of(there.drive / "files" / "d") == there.record


def test_a_deep_state_directory_has_a_socket_too(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    with place(deep) as there:
        assert there.mount().returncode == 0, there.log
        client = connect(there.record.server)
        try:
            assert client.lookup(Caller(0, 0), 1, "files").id == FILES_ROOT
        finally:
            client.close()


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    """A package `tagger` that says that it runs, and goes on until it is told to end."""
    package = tmp_path / "stand" / "sitecustomize.py"
    package.parent.mkdir()
    package.write_text(
        textwrap.dedent(
            f"""
            import os, signal, socket, sys
            if "-m" in sys.orig_argv and "tagger" in sys.orig_argv:
                with socket.socket(socket.AF_UNIX) as s:
                    s.connect({str(tmp_path / "heard")!r})
                    s.sendall((str(os.getpid()) + " " + " ".join(sys.orig_argv)).encode())
                signal.pause()
            """
        )
    )
    return package.parent


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "heard"))
        listener.listen()
        listener.settimeout(SECONDS)
        yield listener


def hear(listener: socket.socket) -> tuple[int, str]:
    connection, _ = listener.accept()
    with connection, connection.makefile() as stream:
        pid, _, command = stream.read().partition(" ")
    return int(pid), command


def test_the_tagger_is_started_restarted_and_ended(tmp_path: Path, stand_in: Path, heard: socket.socket) -> None:
    with place(tmp_path / "p", GRAPHFS_TAGGER__ENABLED="true", PYTHONPATH=str(stand_in)) as there:
        assert there.mount().returncode == 0, there.log
        first, command = hear(heard)
        record = there.record
        assert f"--server {record.server}" in command
        assert f"--parent-pid {record.pid}" in command
        os.kill(first, signal.SIGKILL)
        second, _ = hear(heard)
        assert second != first
        assert there.unmount().returncode == 0
        assert ended(second, 0)
