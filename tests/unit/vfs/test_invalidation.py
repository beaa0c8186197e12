"""What the kernel is told to forget: what others changed, and what its own calls changed without its knowing."""

import os
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import pytest

from gateway.service import Service
from graphfs.model import FILES_ROOT, AttributeChange, XattrMode
from graphfs.vfs.filesystem import FileSystem
from graphfs.vfs.interface import Invalidation
from tests.unit.vfs.mounted import CHUNK, ELSEWHERE, ME, write_file

SECONDS = 20.0


class Told:
    """What a listener was told."""

    def __init__(self, volume: FileSystem) -> None:
        self._queue: SimpleQueue[Invalidation] = SimpleQueue()
        volume.watch(self._queue.put)

    def until(self, last: Invalidation) -> list[Invalidation]:
        """All up to this one; queue.Empty when it does not come."""
        found = []
        while not found or found[-1] != last:
            found.append(self._queue.get(timeout=SECONDS))
        return found


@pytest.fixture
def told(volume: FileSystem) -> Told:
    return Told(volume)


def test_what_others_change_is_told_and_what_the_kernel_asked_for_is_not(
    volume: FileSystem, drive: Service, told: Told
) -> None:
    node = write_file(volume, "a", b"content")
    volume.setattr(ME, node, AttributeChange(mode=0o600))
    volume.mkdir(ME, FILES_ROOT, "d", 0o755)
    volume.setxattr(ME, node, "user.mine", b"x", XattrMode.ANY)
    drive.set_attributes(ELSEWHERE, node, AttributeChange(mode=0o644))
    last = Invalidation(node, pages=True)
    assert told.until(last) == [last]
    drive.create(ELSEWHERE, FILES_ROOT, "b", 0o100644)
    told.until(Invalidation(FILES_ROOT, "b"))


def test_a_file_that_is_tagged_by_an_indirect_call_has_other_links_than_the_kernel_knows(
    volume: FileSystem, drive: Service, told: Told
) -> None:
    node = write_file(volume, "a", b"content")
    file = drive.node(ME, node).file
    drive.change_tags(ELSEWHERE, [file], ["red"], [])
    told.until(Invalidation(node, pages=True))
    assert volume.getattr(ME, node).links == 2


def test_the_same_process_by_another_door_is_somebody_else(volume: FileSystem, drive: Service, told: Told) -> None:
    """A program that uses the mount and the HTTP API: the pid is known, the thread is a server's."""
    node = write_file(volume, "a", b"content")
    with ThreadPoolExecutor(1) as server:
        server.submit(drive.set_attributes, ME, node, AttributeChange(mode=0o600)).result()
    last = Invalidation(node, pages=True)
    assert told.until(last) == [last]


def test_a_big_file_that_is_flushed_on_a_thread_keeps_its_pages(volume: FileSystem, drive: Service, told: Told) -> None:
    opened, _ = volume.create(ME, FILES_ROOT, "a", 0o644, os.O_WRONLY)
    volume.write(opened.handle, 0, os.urandom(5 * CHUNK))
    with ThreadPoolExecutor(1) as worker:
        worker.submit(volume.flush, opened.handle).result()
        worker.submit(volume.release, opened.handle).result()
    drive.set_attributes(ELSEWHERE, FILES_ROOT, AttributeChange(mode=0o755))
    last = Invalidation(FILES_ROOT, pages=True)
    assert told.until(last) == [last]
