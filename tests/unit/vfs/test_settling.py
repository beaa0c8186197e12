"""Chunks of an open file are given to the store while it is written, and a version waits for no more than it must."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import cast

from gateway.service import Service
from graphfs.api import Drive
from graphfs.model import FILES_ROOT
from graphfs.vfs.filesystem import FileSystem
from tests.unit.vfs.mounted import CHUNK, ME, MEMORY, FullStore, close, content


class SlowStore(FullStore):
    """The store takes content only when it is let."""

    def __init__(self, drive: Service) -> None:
        super().__init__(drive)
        self.asked, self.let = Event(), Event()
        self.puts = 0

    def put_blob(self, digest: bytes, source: Path | bytes, *, durable: bool) -> None:
        self.puts += 1
        self.asked.set()
        assert self.let.wait(30)
        super().put_blob(digest, source, durable=durable)


def test_who_writes_without_a_pause_keeps_no_fsync_waiting(drive: Service, staging: Path) -> None:
    """A version waits for the chunks that are on their way to the store, not for those that fill up meanwhile."""
    store = SlowStore(drive)
    volume = FileSystem(cast("Drive", store), staging, memory=MEMORY, interval=3600)
    try:
        opened, attributes = volume.create(ME, FILES_ROOT, "a", 0o644, os.O_WRONLY)
        first, second = os.urandom(CHUNK), os.urandom(CHUNK)
        volume.write(opened.handle, 0, first)
        file = volume._files[attributes.id]
        with ThreadPoolExecutor(2) as threads:
            giving = threads.submit(volume._contents.committer.settle, file, 0, durable=False)
            assert store.asked.wait(30)
            syncing = threads.submit(volume.fsync, opened.handle, False)
            deadline = time.monotonic() + 30
            while not file.finishing:
                assert not syncing.done(), syncing.result()
                assert time.monotonic() < deadline
            volume.write(opened.handle, CHUNK, second)
            volume._contents.committer.settle(file, 1, durable=False)
            assert store.puts == 1
            store.let.set()
            giving.result(30)
            syncing.result(30)
        assert content(drive, attributes.id) == first + second
        close(volume, opened.handle)
    finally:
        store.let.set()
        volume.close()
