"""What was closed elsewhere is what is opened here, whole: also in the second for which the kernel believes what it was
told, and before any event has come."""

import mmap
import os
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from graphfs.client import connect
from graphfs.model import FILES_ROOT
from tests.contracts.ground import FILE, FOLDER, OWNER, Ground
from tests.system.mounts import Place
from tests.system.remote import Gateway, gateway, remote_mount

ROUNDS = 60


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway") / "g") as made:
        yield made


@pytest.fixture(scope="module", params=["pyfuse3", "fusepy"])
def there(server: Gateway, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with remote_mount(server, tmp_path_factory.mktemp("m") / "m", "-o", f"binding={request.param}") as made:
        yield made


@pytest.mark.parametrize("look", ["stat", "listing", "read", "nothing"])
def test_who_opens_reads_the_last_version_whole(server: Gateway, there: Place, tmp_path: Path, look: str) -> None:
    chance = random.Random(look)
    drive = connect(server.address, token=server.token)
    with closing(drive):
        ground = Ground(drive, tmp_path)
        name = f"{look} {there.folder.parent.name}"
        node = drive.create(OWNER, FILES_ROOT, name, FILE)
        file = there.drive / "files" / name
        torn = []
        for number in range(ROUNDS):
            if look == "stat":
                file.stat()
            elif look == "listing":
                with os.scandir(file.parent) as entries:
                    assert all(entry.stat() for entry in entries)
            elif look == "read":
                file.read_bytes()
            content = f"{number} ".encode() * chance.choice((1, 40, 900))
            node = drive.commit(OWNER, node.id, node.version, len(content), ground.patches(content))
            with open(file, "rb", buffering=0) as stream:
                got = stream.read(1 << 20)  # without asking for the size, as many programs read
            if got != content:
                torn.append((number, len(got), len(content)))
        assert torn == []


def test_what_is_being_written_here_is_opened_as_it_is(there: Place) -> None:
    """By others on this mount, before the server has heard of it: shared maps too, as databases use them."""
    file = there.drive / "files" / f"being written {there.folder.parent.name}"
    file.write_bytes(b"closed once")
    descriptor = os.open(file, os.O_RDWR)
    try:
        for number in range(5):
            content = f"line {number}\n".encode() * 500 * (number + 1)
            os.pwrite(descriptor, content, 0)
            assert file.stat().st_size == len(content)
            assert file.read_bytes() == content
            with open(file, "r+b") as other, mmap.mmap(other.fileno(), 0) as shared:
                assert shared[:] == content
    finally:
        os.close(descriptor)


def test_a_folder_that_was_made_anew_elsewhere_is_listed_at_once(server: Gateway, there: Place, tmp_path: Path) -> None:
    """Its name leads to another one than the kernel has been told a moment ago."""
    drive = connect(server.address, token=server.token)
    with closing(drive):
        name = f"anew {there.folder.parent.name}"
        folder = there.drive / "files" / name
        drive.create(OWNER, FILES_ROOT, name, FOLDER)
        for number in range(ROUNDS):
            assert folder.is_dir()
            drive.rmdir(OWNER, FILES_ROOT, name)
            made = drive.create(OWNER, FILES_ROOT, name, FOLDER)
            drive.create(OWNER, made.id, str(number), FILE)
            assert os.listdir(folder) == [str(number)]
            assert (folder / str(number)).stat().st_size == 0
            drive.unlink(OWNER, made.id, str(number))
