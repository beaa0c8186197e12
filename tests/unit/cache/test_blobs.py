"""The blob cache: bounded, verified, shared, and never wrong."""

import hashlib
import os
from pathlib import Path

from graphfs.cache.blobs import BlobCache
from graphfs.cache.fetching import Fetching
from graphfs.model import Extent, Layout


def blob(size: int = 1000) -> tuple[bytes, bytes]:
    data = os.urandom(size)
    return hashlib.sha256(data).digest(), data


def only_file(folder: Path) -> Path:
    (path,) = folder.glob("??/*")
    return path


def test_what_was_put_is_read_by_every_process(tmp_path: Path) -> None:
    digest, data = blob()
    BlobCache(tmp_path, 10_000).put(digest, data)
    other = BlobCache(tmp_path, 10_000)
    assert other.size == 1000
    assert other.read(digest, 10, 20) == data[10:30]
    assert other.read(digest, 990, 100) == data[990:]


def test_a_damaged_blob_is_not_served_and_goes(tmp_path: Path) -> None:
    digest, data = blob()
    BlobCache(tmp_path, 10_000).put(digest, data)
    only_file(tmp_path).write_bytes(b"x" + data[1:])
    again = BlobCache(tmp_path, 10_000)
    assert again.read(digest, 0, 10) is None
    assert not again.has(digest)


def test_the_longest_unused_go_first(tmp_path: Path) -> None:
    cache = BlobCache(tmp_path, 5000)
    blobs = [blob() for _ in range(5)]
    for age, (digest, data) in enumerate(blobs):
        cache.put(digest, data)
        os.utime(tmp_path / digest.hex()[:2] / digest.hex()[2:], (age, age))
    cache.put(*blob())
    assert [cache.has(digest) for digest, _ in blobs] == [False, False, True, True, True]
    assert cache.size <= 5000


def test_scraps_of_a_dead_process_are_removed(tmp_path: Path) -> None:
    (tmp_path / "ab").mkdir()
    scrap = tmp_path / "ab" / ".new-4194305-1"
    scrap.write_bytes(b"half")
    assert BlobCache(tmp_path, 100).size == 0
    assert not scrap.exists()


def test_a_bound_of_nothing_keeps_nothing(tmp_path: Path) -> None:
    cache = BlobCache(tmp_path, 0)
    digest, data = blob()
    cache.put(digest, data)
    assert not cache.has(digest)


def test_a_sequential_reader_finds_every_blob_once(tmp_path: Path) -> None:
    blobs = dict(blob() for _ in range(20))
    asked: list[bytes] = []

    def fetch(digest: bytes) -> bytes:
        asked.append(digest)
        return blobs[digest]

    fetching = Fetching(BlobCache(tmp_path, 1 << 20), fetch)
    extents = tuple([Extent(number * 1000, 1000, digest) for number, digest in enumerate(blobs)])
    fetching.laid_out(Layout(1, 20_000, extents))
    found = b"".join(fetching.read(one.digest, start, 250) for one in extents for start in range(0, 1000, 250))
    fetching.close()
    assert found == b"".join(blobs.values())
    assert sorted(asked) == sorted(blobs)
