"""Blobs as files below one directory: `ab/cdef...` by digest. Written beside, renamed into place.

On one machine, or on a directory that several machines share.
"""

import errno
import hashlib
import os
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path

from graphfs.errors import Corrupt, DriveError, InvalidArgument, NoSpace, NotFound, Unavailable

_OPEN = 256
_VERIFIED = 200_000
_PIECE = 1 << 20


def _translate(error: OSError, what: str) -> DriveError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return NoSpace(f"no room for {what}: the disk with the state directory is full")
    return Unavailable(f"{what}: {error.strerror}")


class _Open:
    """A blob's descriptor, closed when the last reader lets go of it."""

    __slots__ = ("descriptor", "users")

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.users = 0


class LocalBlobs:
    """One directory of blobs."""

    def __init__(self, folder: Path, reserve: int = 0) -> None:
        """`reserve`: bytes of the disk that `put` leaves free for the database."""
        self._folder = folder
        self._reserve = reserve
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._open: OrderedDict[bytes, _Open] = OrderedDict()
        # What was verified (or written) by this process, with the file's state then: a file that was touched since
        # is verified again.
        self._verified: OrderedDict[bytes, tuple[int, int, int]] = OrderedDict()
        self._unflushed: set[bytes] = set()
        self._rooted: set[str] = set()  # the sub-folders whose own entries are known to be durable
        self._checked_space = (0.0, 0)
        for stale in folder.glob("*/.new-*"):
            stale.unlink(missing_ok=True)

    def _path(self, digest: bytes) -> str:
        name = digest.hex()
        return f"{self._folder}/{name[:2]}/{name[2:]}"

    def put(self, digest: bytes, source: Path | bytes, *, durable: bool) -> None:
        path = self._path(digest)
        try:
            if self._good(digest, path):
                if isinstance(source, Path):
                    source.unlink()
                if durable:
                    self._flush([digest])
                return
            self.room(len(source) if isinstance(source, bytes) else source.stat().st_size)
            Path(path).parent.mkdir(exist_ok=True)
            if isinstance(source, bytes):
                if hashlib.sha256(source).digest() != digest:
                    raise InvalidArgument("the bytes are not those of the digest")
                self._write(path, source)
            else:
                self._take(path, source)
            found = os.stat(path)
        except OSError as error:
            raise _translate(error, "a blob") from error
        with self._lock:
            self._remember(digest, found)
            self._unflushed.add(digest)
        if durable:
            self._flush([digest])

    def _good(self, digest: bytes, path: str) -> bool:
        """Whether it is there already and whole (a damaged one is replaced); marks it as put now, so that no sweep
        takes it."""
        if not os.path.exists(path):
            return False
        found = os.stat(path)
        with self._lock:
            known = self._verified.get(digest) == (found.st_ino, found.st_mtime_ns, found.st_size)
        if not known and not self.verify(digest):
            return False
        os.utime(path)
        with self._lock:
            self._remember(digest, os.stat(path))
        return True

    def room(self, size: int) -> None:
        """statvfs is asked at most every 50 ms; between, what was put is counted down."""
        if not self._reserve:
            return
        when, free = self._checked_space
        now = time.monotonic()
        if now - when > 0.05 or free < size + self._reserve:
            found = os.statvfs(self._folder)
            free = found.f_bavail * found.f_frsize
        if free < size + self._reserve:
            raise NoSpace("the disk with the state directory is full")
        self._checked_space = (now if now - when > 0.05 else when, free - size)

    def _write(self, path: str, data: bytes) -> None:
        new = f"{os.path.dirname(path)}/.new-{os.getpid()}-{threading.get_ident()}"
        try:
            with open(new, "wb", buffering=0) as file:
                view = memoryview(data)
                while view:
                    view = view[file.write(view) or 0 :]
            os.chmod(new, 0o400)
            os.rename(new, path)
        except BaseException:
            Path(new).unlink(missing_ok=True)
            raise

    def _take(self, path: str, source: Path) -> None:
        try:
            os.chmod(source, 0o400)
            os.rename(source, path)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            new = f"{os.path.dirname(path)}/.new-{os.getpid()}-{threading.get_ident()}"
            try:
                shutil.copyfile(source, new)
                os.rename(new, path)
            except BaseException:
                Path(new).unlink(missing_ok=True)
                raise
            source.unlink()

    def _remember(self, digest: bytes, found: os.stat_result) -> None:
        self._verified[digest] = (found.st_ino, found.st_mtime_ns, found.st_size)
        if len(self._verified) > _VERIFIED:
            self._verified.popitem(last=False)

    def read(self, digest: bytes, start: int, length: int) -> bytes:
        opened = self._acquire(digest)
        try:
            # A buffer of all that is asked for is made before a byte is read: never more than there is.
            return os.pread(opened.descriptor, min(length, max(0, os.fstat(opened.descriptor).st_size - start)), start)
        except OSError as error:
            raise Unavailable(f"a blob could not be read: {error.strerror}") from error
        finally:
            with self._lock:
                opened.users -= 1
                if opened.users < 0:
                    os.close(opened.descriptor)

    def stored(self, digest: bytes) -> tuple[str, int]:
        """The blob's file below the folder, and its size, after it was found whole. NotFound, Corrupt."""
        opened = self._acquire(digest)
        try:
            size = os.fstat(opened.descriptor).st_size
        finally:
            with self._lock:
                opened.users -= 1
                if opened.users < 0:
                    os.close(opened.descriptor)
        name = digest.hex()
        return f"{name[:2]}/{name[2:]}", size

    def _acquire(self, digest: bytes) -> _Open:
        with self._lock:
            opened = self._open.get(digest)
            if opened:
                found = os.fstat(opened.descriptor)
                if self._verified.get(digest) == (found.st_ino, found.st_mtime_ns, found.st_size):
                    opened.users += 1
                    self._open.move_to_end(digest)
                    return opened
                # Somebody touched the file: it is opened and verified anew.
                self._let_go(self._open.pop(digest))
        descriptor = self._open_verified(digest)
        with self._lock:
            other = self._open.get(digest)
            if other:
                os.close(descriptor)
                other.users += 1
                return other
            opened = self._open[digest] = _Open(descriptor)
            opened.users = 1
            if len(self._open) > _OPEN:
                self._let_go(self._open.popitem(last=False)[1])
            return opened

    def _let_go(self, opened: _Open) -> None:
        """Out of the cache: closed now, or by its last reader (its count then falls below zero)."""
        opened.users -= 1
        if opened.users < 0:
            os.close(opened.descriptor)

    def _open_verified(self, digest: bytes) -> int:
        try:
            descriptor = os.open(self._path(digest), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise NotFound(f"blob {digest.hex()} is missing") from None
        except OSError as error:
            raise _translate(error, f"blob {digest.hex()}") from error
        try:
            found = os.fstat(descriptor)
            with self._lock:
                known = self._verified.get(digest)
            if known != (found.st_ino, found.st_mtime_ns, found.st_size):
                if _hash(descriptor) != digest:
                    raise Corrupt(f"blob {digest.hex()} does not match its digest: the disk or somebody changed it")
                with self._lock:
                    self._remember(digest, found)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def has(self, digest: bytes) -> bool:
        return os.path.exists(self._path(digest))

    def size(self, digest: bytes) -> int:
        try:
            return os.stat(self._path(digest)).st_size
        except FileNotFoundError:
            raise NotFound(f"blob {digest.hex()} is missing") from None

    def put_at(self, digest: bytes) -> int:
        try:
            return os.stat(self._path(digest)).st_mtime_ns
        except FileNotFoundError:
            raise NotFound(f"blob {digest.hex()} is missing") from None

    def now(self) -> int:
        os.utime(self._folder)
        return os.stat(self._folder).st_mtime_ns

    def refused(self) -> bool:
        return False

    def verify(self, digest: bytes) -> bool:
        try:
            with open(self._path(digest), "rb", buffering=0) as file:
                return _hash(file.fileno()) == digest
        except OSError:
            return False

    def flush(self) -> None:
        while True:
            with self._lock:
                digests = list(self._unflushed)
            if not digests:
                return
            self._flush(digests)

    def _flush(self, digests: Sequence[bytes]) -> None:
        """All the files before the folders: one commit of the disk's journal then does for many. What was swept
        meanwhile is passed over: nothing refers to it."""
        paths = [self._path(digest) for digest in digests]
        places = {os.path.dirname(path) for path in paths}
        try:
            for path in paths:
                _sync(path)
            for place in places:
                _sync(place, os.O_DIRECTORY)
            if places - self._rooted:  # whoever made one may not have flushed its entry yet
                _sync(str(self._folder), os.O_DIRECTORY)
                self._rooted |= places
        except OSError as error:
            raise _translate(error, "a blob") from error
        with self._lock:
            self._unflushed.difference_update(digests)

    def digests(self) -> Iterator[tuple[bytes, int, int]]:
        for first in range(256):
            try:
                entries = os.scandir(f"{self._folder}/{first:02x}")
            except FileNotFoundError:
                continue  # No blob has gone there yet.
            with entries:
                for entry in entries:
                    if not entry.name.startswith(".") and len(entry.name) == 62:
                        found = entry.stat(follow_symlinks=False)
                        yield bytes.fromhex(f"{first:02x}{entry.name}"), found.st_size, found.st_mtime_ns

    def delete(self, digest: bytes) -> None:
        Path(self._path(digest)).unlink(missing_ok=True)
        with self._lock:
            self._verified.pop(digest, None)
            self._unflushed.discard(digest)
            opened = self._open.pop(digest, None)
            if opened:
                self._let_go(opened)

    def close(self) -> None:
        self.flush()
        with self._lock:
            while self._open:
                self._let_go(self._open.popitem()[1])


def _sync(path: str, flags: int = 0) -> None:
    """Nothing when it is not there."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _hash(descriptor: int) -> bytes:
    digest, offset = hashlib.sha256(), 0
    while piece := os.pread(descriptor, _PIECE, offset):
        digest.update(piece)
        offset += len(piece)
    return digest.digest()
