"""Blobs on the local disk, under their digests: bounded, the longest unused go first, verified when first read.

A blob never changes, so there is nothing to invalidate. Written beside and renamed, so a crash leaves whole files and
scraps that the next start removes. Several processes may share one folder. Losing all of it costs time and no data.
"""

import hashlib
import os
import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

_SCRAP = ".new-"
_KEPT = 0.9
"""Share of the bound that is left when room is made: making room looks at every file, so it makes some at once."""
_VERIFIED = 65536


class BlobCache:
    """A folder of blobs. Thread-safe; errors of the local disk mean only that something is not cached."""

    def __init__(self, folder: Path, limit: int) -> None:
        """`limit`: bytes. 0 keeps nothing."""
        self._folder = folder
        self._limit = limit
        self._lock = threading.Lock()
        self._verified: OrderedDict[bytes, None] = OrderedDict()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for scrap in folder.glob(f"*/{_SCRAP}*"):
            pid = scrap.name.removeprefix(_SCRAP).partition("-")[0]
            if not Path("/proc", pid).exists():
                scrap.unlink(missing_ok=True)
        self._size = sum([size for _, size, _ in self._files()])
        self._pinned: frozenset[bytes] = frozenset()
        self._pinned_size = 0

    @property
    def size(self) -> int:
        """Bytes kept, as far as this process knows."""
        return self._size

    def read(self, digest: bytes, start: int, length: int) -> bytes | None:
        """Bytes of a blob; None: it is not here (or was damaged, and is here no more)."""
        path = self._path(digest)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            if not self._known(digest):
                with os.fdopen(os.dup(descriptor), "rb") as file:
                    found = hashlib.file_digest(file, "sha256").digest()
                if found != digest:
                    path.unlink(missing_ok=True)
                    return None
                self._remember(digest)
                os.utime(descriptor)
            return os.pread(descriptor, length, start)
        except OSError:
            return None
        finally:
            os.close(descriptor)

    def has(self, digest: bytes) -> bool:
        """Whether it seems to be here."""
        return self._path(digest).exists()

    def keep(self, digests: set[bytes]) -> None:
        """These are never removed to make room, and do not count against the limit; those that were kept before are
        ordinary again."""
        sizes = 0
        for digest in digests:
            with suppress(OSError):
                sizes += self._path(digest).stat().st_size
        with self._lock:
            self._pinned, self._pinned_size = frozenset(digests), sizes

    def put(self, digest: bytes, data: bytes) -> None:
        """Keeps a blob whose digest was checked. A full disk is no error: it is not kept then."""
        pinned = digest in self._pinned
        if (len(data) > self._limit and not pinned) or self.has(digest):
            return
        path = self._path(digest)
        scrap = path.with_name(f"{_SCRAP}{os.getpid()}-{threading.get_ident()}")
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            scrap.write_bytes(data)
            scrap.replace(path)
        except OSError:
            scrap.unlink(missing_ok=True)
            return
        self._remember(digest)
        with self._lock:
            self._size += len(data)
            if pinned:
                self._pinned_size += len(data)
            elif self._size - self._pinned_size > self._limit:
                self._make_room()

    def _make_room(self) -> None:
        """The longest unused go. Others may have written here: the folder is counted anew. Under the lock."""
        pinned = {self._path(digest) for digest in self._pinned}
        found = list(self._files())
        files = sorted(one for one in found if one[2] not in pinned)
        size = sum([length for _, length, _ in files])
        self._pinned_size = sum([length for _, length, _ in found]) - size
        for _, length, path in files:
            if size <= self._limit * _KEPT:
                break
            path.unlink(missing_ok=True)
            size -= length
        self._size = size + self._pinned_size
        self._verified.clear()  # what is read again is marked as used again

    def _files(self) -> list[tuple[int, int, Path]]:
        """(time of the last use, size, path) of every blob."""
        found = []
        for path in self._folder.glob("??/*"):
            if not path.name.startswith("."):
                try:
                    about = path.stat()
                except OSError:
                    continue  # another process removed it
                found.append((about.st_mtime_ns, about.st_size, path))
        return found

    def _path(self, digest: bytes) -> Path:
        name = digest.hex()
        return self._folder / name[:2] / name[2:]

    def _known(self, digest: bytes) -> bool:
        with self._lock:
            return digest in self._verified

    def _remember(self, digest: bytes) -> None:
        with self._lock:
            self._verified[digest] = None
            if len(self._verified) > _VERIFIED:
                self._verified.popitem(last=False)
