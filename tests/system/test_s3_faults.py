"""The S3 store killed, refusing, silent, breaking off and full: requests are repeated or end in time with an error,
and nothing wrong is ever handed out."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.service import open_service
from graphfs.config import Blobs, Config, Secret
from graphfs.errors import Corrupt, DriveError, Unavailable
from tests.contracts.ground import OWNER, Ground, digest_of
from tests.s3 import ACCESS, BUCKET, SECRET, Proxy, Server, serving

DATA = os.urandom(1_000_000)
DIGEST = digest_of(DATA)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def proxy(s3: Server) -> Iterator[Proxy]:
    with closing(Proxy(s3.port)) as made:
        yield made


@pytest.mark.parametrize("status", [500, 503])
def test_a_few_refusals_are_not_noticed(s3: Server, proxy: Proxy, status: int, tmp_path: Path) -> None:
    blobs = s3.blobs(port=proxy.port, prefix=tmp_path.name)
    proxy.refuse = (2, status)
    blobs.put(DIGEST, DATA, durable=True)
    proxy.refuse = (2, status)
    assert s3.blobs(port=proxy.port, prefix=tmp_path.name).read(DIGEST, 5, 5) == DATA[5:10]


@pytest.mark.parametrize("after", [50, 5_000, 700_000])
def test_replies_that_break_off_are_fetched_again(s3: Server, proxy: Proxy, after: int, tmp_path: Path) -> None:
    s3.blobs(prefix=tmp_path.name).put(DIGEST, DATA, durable=True)
    proxy.cut = (2, after)
    assert s3.blobs(port=proxy.port, prefix=tmp_path.name).read(DIGEST, 0, len(DATA)) == DATA


def test_bytes_that_were_changed_on_their_way_are_never_handed_on(s3: Server, proxy: Proxy, tmp_path: Path) -> None:
    s3.blobs(prefix=tmp_path.name).put(DIGEST, DATA, durable=True)
    proxy.flip = (1, 500_000)
    assert s3.blobs(port=proxy.port, prefix=tmp_path.name).read(DIGEST, 5, 5) == DATA[5:10]
    proxy.flip = (1000, 500_000)
    with pytest.raises(Corrupt):
        s3.blobs(port=proxy.port, prefix=tmp_path.name).read(DIGEST, 5, 5)


def test_a_store_that_only_refuses_or_says_nothing_ends_in_time(s3: Server, proxy: Proxy, tmp_path: Path) -> None:
    blobs = s3.blobs(port=proxy.port, prefix=tmp_path.name)
    proxy.refuse = (1000, 503)
    began = time.monotonic()
    with pytest.raises(Unavailable):
        blobs.put(DIGEST, DATA, durable=True)
    proxy.refuse, proxy.silent = (0, 0), True
    with pytest.raises(Unavailable):
        blobs.read(DIGEST, 0, 10)
    assert time.monotonic() - began < 30
    proxy.silent = False
    blobs.put(DIGEST, DATA, durable=True)


def test_wrong_keys_are_said(s3: Server) -> None:
    with pytest.raises(Unavailable, match="keys") as refused:
        s3.blobs(secret="wrong").put(DIGEST, DATA, durable=True)
    assert ACCESS not in str(refused.value)


def test_a_drive_over_a_store_that_is_killed_and_comes_back(tmp_path: Path) -> None:
    with serving(tmp_path / "s3") as server:
        place = Blobs(
            engine="s3",
            endpoint=f"http://127.0.0.1:{server.port}",
            access_key=Secret(ACCESS),
            secret_key=Secret(SECRET),
        )
        service = open_service(tmp_path / "state", Config(blobs=place))
        ground = Ground(service, tmp_path)
        first = ground.file("first", DATA)
        assert ground.read(first) == DATA
        server.kill()
        began = time.monotonic()
        with pytest.raises(Unavailable):
            ground.file("second", DATA[::-1])
        assert time.monotonic() - began < 12
        assert ground.names(ground.at("")) == ["first", "second"]
        server.start()
        ground.write(ground.at("second"), DATA[::-1])
        assert ground.read(ground.at("second")) == DATA[::-1]
        assert service.fsck(OWNER, verify=True) == []
        service.close()


def test_a_store_that_lets_nobody_in_is_told_from_one_that_is_away(s3: Server, tmp_path: Path) -> None:
    blobs, stranger = s3.blobs(prefix=tmp_path.name), s3.blobs(prefix=tmp_path.name, secret="another")
    with pytest.raises(Unavailable):
        stranger.put(DIGEST, DATA, durable=True)
    assert stranger.refused()
    assert not blobs.has(DIGEST)
    assert not blobs.refused()
    s3.kill()
    with pytest.raises(Unavailable):
        blobs.has(DIGEST)
    assert not blobs.refused()
    s3.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_store_refuses_and_goes_on(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(disk)], check=True)
    try:
        with serving(disk) as server:
            blobs = server.blobs()
            large = os.urandom(6 << 20)
            with pytest.raises(DriveError):
                blobs.put(digest_of(large), large, durable=True)
            assert not blobs.has(digest_of(large))
            blobs.put(DIGEST, DATA, durable=True)
            assert server.blobs().read(DIGEST, 0, len(DATA)) == DATA
            assert [found for found, _, _ in blobs.digests()] == [DIGEST]
            assert (disk / BUCKET).is_dir()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
