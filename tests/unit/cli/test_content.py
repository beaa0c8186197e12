"""Bytes into a drive and out of it: equal, with their holes, a chunk at a time."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.service import open_service
from graphfs.api import Drive
from graphfs.cli.content import data_ranges, put_content, read_range, same_content, write_content
from graphfs.cli.drives import caller_here
from graphfs.config import Config, Store
from graphfs.model import FILES_ROOT, Layout

CHUNK = 64 << 10
ME = caller_here()


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[Drive]:
    service = open_service(tmp_path / "state", Config(store=Store(chunk_size=CHUNK, inline_limit=4096)))
    try:
        yield service
        assert service.fsck(ME, verify=True) == []
    finally:
        service.close()


def put(drive: Drive, source: Path, name: str = "f") -> Layout:
    size, patches = put_content(drive, str(source), lambda _: None)
    node = drive.create(ME, FILES_ROOT, name, 0o100644)
    return drive.layout(ME, drive.commit(ME, node.id, node.version, size, patches).id)


def sparse(path: Path) -> bytes:
    with path.open("wb") as file:
        file.seek(3 * CHUNK + 10)
        file.write(b"middle" * 1000)
        file.truncate(9 * CHUNK + 1)
    return path.read_bytes()


@pytest.mark.parametrize("size", [0, 1, 4096, 4097, CHUNK, CHUNK + 1, 5 * CHUNK + 77])
def test_there_and_back(drive: Drive, tmp_path: Path, size: int) -> None:
    source, target, told = tmp_path / "source", tmp_path / "target", []
    source.write_bytes(random.Random(size).randbytes(size))
    layout = put(drive, source)
    assert layout.size == size
    assert same_content(drive, layout, str(source), told.append)
    assert sum(told) == size
    write_content(drive, layout, str(target), told.append)
    assert target.read_bytes() == source.read_bytes()


def test_holes_stay_holes(drive: Drive, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    data = sparse(source)
    layout = put(drive, source)
    assert sum(extent.length for extent in layout.extents) < 2 * CHUNK
    write_content(drive, layout, str(target), lambda _: None)
    assert target.read_bytes() == data
    with target.open("rb") as file:
        assert sum(length for _, length in data_ranges(file.fileno(), len(data))) < 2 * CHUNK
    assert read_range(drive, layout, 3 * CHUNK, CHUNK) == data[3 * CHUNK : 4 * CHUNK]


def test_a_new_content_leaves_nothing_of_the_old(drive: Drive, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x" * 9 * CHUNK)
    layout = put(drive, source)
    node = drive.lookup(ME, FILES_ROOT, "f")
    data = sparse(source)
    size, patches = put_content(drive, str(source), lambda _: None)
    layout = drive.layout(ME, drive.commit(ME, node.id, node.version, size, patches).id)
    assert read_range(drive, layout, 0, size) == data


@pytest.mark.parametrize("change", ["byte", "longer", "shorter", "hole"])
def test_a_difference_is_seen(drive: Drive, tmp_path: Path, change: str) -> None:
    source = tmp_path / "source"
    data = random.Random(1).randbytes(3 * CHUNK)
    source.write_bytes(data)
    layout = put(drive, source)
    if change == "byte":
        source.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif change == "hole":
        source.write_bytes(data[:CHUNK] + bytes(CHUNK) + data[2 * CHUNK :])
    else:
        os.truncate(source, len(data) + (1 if change == "longer" else -1))
    assert not same_content(drive, layout, str(source), lambda _: None)


def test_the_same_bytes_in_pieces_are_the_same(drive: Drive, tmp_path: Path) -> None:
    """A file that was written a little at a time has extents of any shape."""
    source = tmp_path / "source"
    data = random.Random(2).randbytes(2 * CHUNK)
    source.write_bytes(data)
    layout = put(drive, source)
    piece = tmp_path / "piece"
    piece.write_bytes(data[100:9000])
    _, patches = put_content(drive, str(piece), lambda _: None)
    node = drive.lookup(ME, FILES_ROOT, "f")
    moved = [type(one)(one.offset + 100, one.length, one.digest, one.start, one.data) for one in patches[1:]]
    layout = drive.layout(ME, drive.commit(ME, node.id, node.version, len(data), moved).id)
    assert len(layout.extents) > 2
    assert same_content(drive, layout, str(source), lambda _: None)
