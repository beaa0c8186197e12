"""Blobs brought from a server: whole, each once however many ask, and ahead of whoever reads in sequence."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise

from graphfs.cache.blobs import BlobCache
from graphfs.errors import Corrupt
from graphfs.model import Layout

AHEAD = 4
"""Blobs that are asked for ahead of a reader, at the same time."""
_KNOWN = 100_000
_HOT = 8


class Fetching:
    """Reads through the cache. Thread-safe; its threads start with the first blob that is not there."""

    def __init__(self, cache: BlobCache, fetch: Callable[[bytes], bytes]) -> None:
        """`fetch` brings a whole blob from the server."""
        self._cache = cache
        self._fetch = fetch
        self._next: OrderedDict[bytes, bytes] = OrderedDict()
        """What is behind a blob in the file that was laid out last with it."""
        self._hot: OrderedDict[bytes, bytes] = OrderedDict()
        """The last blobs, in memory: a reader takes one in many pieces."""
        self._coming: dict[bytes, Future[bytes]] = {}
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(AHEAD * 2, thread_name_prefix="fetch")

    def laid_out(self, layout: Layout) -> None:
        """Somebody will read this."""
        extents = layout.extents
        if len(extents) > 1:
            with self._lock:
                for one, following in pairwise(extents):
                    self._next[one.digest] = following.digest
                while len(self._next) > _KNOWN:
                    self._next.popitem(last=False)

    def read(self, digest: bytes, start: int, length: int) -> bytes:
        """Bytes of a blob, from memory, the disk, or the server. Corrupt: the server's bytes are not the digest's."""
        with self._lock:
            hot = self._hot.get(digest)
        if hot is not None:
            if start + length > len(hot) // 2:
                self._ahead(digest)
            return hot[start : start + length]
        found = self._cache.read(digest, start, length)
        if found is not None:
            return found
        if start == 0:
            self._ahead(digest)
        return self._come(digest).result()[start : start + length]

    def bring(self, digest: bytes) -> None:
        """Returns when the blob is in the cache, as far as that takes it."""
        self._come(digest).result()

    def _ahead(self, digest: bytes) -> None:
        """Whoever reads on finds the next blobs on their way."""
        for _ in range(AHEAD):
            with self._lock:
                following = self._next.get(digest)
                if following is None:
                    return
                here = following in self._hot or following in self._coming
            if not here and not self._cache.has(following):
                self._come(following)
            digest = following

    def _come(self, digest: bytes) -> Future[bytes]:
        with self._lock:
            coming = self._coming.get(digest)
            if coming is None:
                coming = self._coming[digest] = self._threads.submit(self._bring, digest)
            return coming

    def _bring(self, digest: bytes) -> bytes:
        try:
            with self._lock:
                hot = self._hot.get(digest)
            if hot is not None:
                return hot  # it came between the look for it and this
            data = self._fetch(digest)
            if hashlib.sha256(data).digest() != digest:
                raise Corrupt(f"the server's bytes are not those of blob {digest.hex()}")
            self._cache.put(digest, data)
            with self._lock:
                self._hot[digest] = data
                if len(self._hot) > _HOT:
                    self._hot.popitem(last=False)
            return data
        finally:
            with self._lock:
                self._coming.pop(digest, None)

    def close(self) -> None:
        """Ends the threads; what is on its way is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)
