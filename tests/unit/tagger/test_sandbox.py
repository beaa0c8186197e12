"""The reading process: fast, bounded, and alive after whatever a file does to it."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tagger.extract.result import Kind, Limits
from tagger.extract.sandbox import Sandbox
from tests.unit.tagger import samples


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Limits(wall_seconds=10, cpu_seconds=5)) as started:
        yield started


def test_reads_in_another_process(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("Barley and oats")
    assert sandbox.extract(samples.source(path)).text == "Barley and oats"


def test_names_that_are_not_utf8(sandbox: Sandbox, tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/plan"))
    path.write_text("x = 1")
    assert sandbox.extract(samples.source(path, "caf\udce9.py".encode("utf-8", "replace").decode())).kind is Kind.CODE


def test_a_bomb_and_a_wreck_leave_it_alive(sandbox: Sandbox, tmp_path: Path) -> None:
    bomb = sandbox.extract(samples.source(samples.zip_bomb(tmp_path / "bomb.docx")))
    assert "unpacks to more than" in bomb.error
    wreck = tmp_path / "wreck.pdf"
    wreck.write_bytes(b"%PDF-1.7\n" + os.urandom(5000))
    assert sandbox.extract(samples.source(wreck)).kind is Kind.PDF
    assert sandbox.extract(samples.source(samples.photo(tmp_path / "a.jpg"))).properties["camera"] == "NIKON D750"


def test_a_file_that_is_gone_is_an_answer(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "gone.txt"
    path.write_text("x")
    source = samples.source(path)
    path.unlink()
    found = sandbox.extract(source)
    assert found.kind is Kind.OTHER
    assert found.error


def test_too_little_memory_is_said(tmp_path: Path) -> None:
    path = samples.zip_bomb(tmp_path / "bomb.docx")
    with Sandbox(Limits(memory_bytes=1 << 20, part_bytes=1 << 30)) as small:
        found = small.extract(samples.source(path))
    assert "memory" in found.error


def test_a_reader_that_hangs_is_ended(tmp_path: Path) -> None:
    """A fifo never ends: opening it blocks for ever."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    path = tmp_path / "after.txt"
    path.write_text("still here")
    with Sandbox(Limits(wall_seconds=0.5)) as impatient:
        found = impatient.extract(samples.source(path).__class__(str(pipe), b"pipe", 10))
        assert "took over" in found.error
        assert impatient.extract(samples.source(path)).text == "still here"


def test_a_lost_process_is_started_again(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("Barley")
    with Sandbox() as sandbox:
        assert sandbox.extract(samples.source(path)).text == "Barley"
        process = sandbox._process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert sandbox.extract(samples.source(path)).text == "Barley"
