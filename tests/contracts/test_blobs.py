"""The blob protocol, over every engine: files of a directory, and objects of a real S3 server."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.blobs.base import Blobs
from gateway.blobs.local import LocalBlobs
from graphfs.errors import Corrupt, InvalidArgument, NotFound
from tests.contracts.ground import digest_of
from tests.s3 import BUCKET, Server, serving

LARGE = 40 << 20
"""Longer than what S3 takes in one part."""


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(params=["local", "s3"])
def opened(request: pytest.FixtureRequest, tmp_path: Path, s3: Server) -> Callable[[], Blobs]:
    """Opens the same blobs as another process would."""
    if request.param == "local":
        return lambda: LocalBlobs(tmp_path / "blobs")
    return lambda: s3.blobs(prefix=tmp_path.name)


@pytest.fixture
def blobs(opened: Callable[[], Blobs]) -> Iterator[Blobs]:
    made = opened()
    yield made
    made.close()


def stored(folder: Path) -> Path:
    """The one blob's file below a folder."""
    return next(path for path in folder.rglob("*") if path.is_file() and len(path.name) == 62)


def test_what_was_put_is_read_whole_and_in_ranges(opened: Callable[[], Blobs]) -> None:
    data = os.urandom(300_000)
    digest = digest_of(data)
    blobs = opened()
    blobs.put(digest, data, durable=True)
    for reader in (blobs, opened()):
        assert reader.read(digest, 0, len(data)) == data
        assert reader.read(digest, 299_990, 100) == data[299_990:]
        assert reader.read(digest, 100_000, 7) == data[100_000:100_007]
        assert reader.read(digest, len(data), 5) == b""
        assert reader.read(digest, len(data) + 5, 5) == b""
        assert reader.size(digest) == len(data)
        assert reader.has(digest)
        assert reader.verify(digest)
        reader.close()


def test_the_empty_blob(opened: Callable[[], Blobs]) -> None:
    blobs = opened()
    blobs.put(digest_of(b""), b"", durable=False)
    assert (blobs.size(digest_of(b"")), opened().read(digest_of(b""), 0, 10)) == (0, b"")


def test_a_large_file_is_taken_over(opened: Callable[[], Blobs], tmp_path: Path) -> None:
    data = os.urandom(1 << 20) * (LARGE >> 20)
    source = tmp_path / "source"
    source.write_bytes(data)
    digest = digest_of(data)
    opened().put(digest, source, durable=True)
    assert not source.exists()
    other = opened()
    for _ in range(2):
        assert other.read(digest, (20 << 20) + 17, 1 << 20) == data[(20 << 20) + 17 : (21 << 20) + 17]
    assert other.size(digest) == len(data)


def test_putting_again_renews_its_time(blobs: Blobs) -> None:
    digest = digest_of(b"twice")
    blobs.put(digest, b"twice", durable=False)
    first = blobs.put_at(digest)
    assert abs(first - time.time_ns()) < 5 * 10**9
    pause = threading.Event()
    while blobs.put_at(digest) == first:
        pause.wait(0.2)
        blobs.put(digest, b"twice", durable=False)
    assert [(found, size) for found, size, _ in blobs.digests()] == [(digest, 5)]


def test_what_was_put_is_as_old_as_its_own_clock_says(blobs: Blobs) -> None:
    digest = digest_of(b"aged")
    before = blobs.now()
    blobs.put(digest, b"aged", durable=False)
    assert before <= blobs.put_at(digest) <= blobs.now()
    assert [found for found, _, _ in blobs.digests()] == [digest]


def test_bytes_of_another_digest_are_refused(blobs: Blobs) -> None:
    with pytest.raises(InvalidArgument):
        blobs.put(digest_of(b"one"), b"other", durable=False)
    assert not blobs.has(digest_of(b"one"))


def test_what_is_not_there(blobs: Blobs) -> None:
    digest = digest_of(b"nowhere")
    assert not blobs.has(digest)
    assert not blobs.verify(digest)
    for ask in (lambda: blobs.read(digest, 0, 1), lambda: blobs.size(digest), lambda: blobs.put_at(digest)):
        with pytest.raises(NotFound):
            ask()
    blobs.delete(digest)


def test_all_are_listed_and_deleted_for_good_at_the_second_time(opened: Callable[[], Blobs]) -> None:
    """One that several servers share goes in two steps: the first may happen while another one commits it."""
    blobs = opened()
    wanted = {digest_of(b"%d" % number): b"%d" % number for number in range(30)}
    for digest, data in wanted.items():
        blobs.put(digest, data, durable=False)
    assert {digest: size for digest, size, _ in opened().digests()} == {key: len(one) for key, one in wanted.items()}
    gone = next(iter(wanted))
    blobs.delete(gone)
    other = opened()
    if other.has(gone):
        assert other.read(gone, 0, 100) == wanted[gone]
        assert gone in {digest for digest, _, _ in other.digests()}
        other.delete(gone)
    assert not opened().has(gone)
    with pytest.raises(NotFound):
        opened().read(gone, 0, 1)
    assert {digest for digest, _, _ in opened().digests()} == wanted.keys() - {gone}


def test_one_that_was_deleted_and_put_again_stays(opened: Callable[[], Blobs]) -> None:
    blobs = opened()
    digest = digest_of(b"back")
    blobs.put(digest, b"back", durable=False)
    blobs.delete(digest)
    blobs.put(digest, b"back", durable=False)
    assert [found for found, _, _ in blobs.digests()] == [digest]
    assert opened().read(digest, 0, 4) == b"back"


@pytest.mark.parametrize("damage", ["changed", "cut"])
def test_damaged_bytes_are_never_handed_out(
    opened: Callable[[], Blobs], tmp_path: Path, s3: Server, damage: str
) -> None:
    data = os.urandom(100_000)
    digest = digest_of(data)
    blobs = opened()
    blobs.put(digest, data, durable=True)
    local = isinstance(blobs, LocalBlobs)
    path = stored(tmp_path / "blobs" if local else s3.folder / BUCKET / tmp_path.name)
    os.chmod(path, 0o600)
    with path.open("r+b") as file:
        if damage == "cut":
            file.truncate(50_000)
        else:
            file.seek(99_999)
            file.write(bytes([data[-1] ^ 1]))
    other = opened()
    with pytest.raises(Corrupt):
        other.read(digest, 0, 10)
    assert not other.verify(digest)
    other.put(digest, data, durable=True)
    assert opened().read(digest, 0, len(data)) == data


def test_many_threads_at_once(opened: Callable[[], Blobs]) -> None:
    blobs = opened()
    contents = [os.urandom(50_000 + number) for number in range(8)]
    wrong: list[object] = []

    def work(number: int) -> None:
        for data in contents[number:] + contents[:number]:
            blobs.put(digest_of(data), data, durable=False)
            if blobs.read(digest_of(data), number, 40_000) != data[number : number + 40_000]:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []
    assert len(list(blobs.digests())) == 8
