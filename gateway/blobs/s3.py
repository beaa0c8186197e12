"""Blobs as objects of an S3-compatible store: `PREFIX/ab/cdef...` by digest. For any number of servers at once.

Durability, replication and erasure coding are the store's. An acknowledged put is durable, so there is nothing to
flush. What this engine adds is distrust: bytes are handed out only after the whole object matched its digest.

Deleting takes two steps, because another server may be committing the same content at this moment and its records are
not ours to lock: a deleted object is set aside, where it still answers reads, and only `digests` names it again, so
that a sweep which finds it unused an hour later deletes it for good.
"""

import hashlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, PreconditionError, UnauthenticatedError
from obstore.store import S3Store

from graphfs.errors import Corrupt, InvalidArgument, NotFound, Unavailable

T = TypeVar("T")

_NOT_LET_IN = (PermissionDeniedError, UnauthenticatedError)
"""The keys, or the time of the request, are not right."""
_log = logging.getLogger(__name__)
_TOLD = 300
"""Characters of what a store says that are logged."""
_VERIFIED = 200_000
_KEPT = 64 << 20
"""Bytes of verified blobs kept in memory: a blob is verified as a whole, and mostly read in several pieces."""
_PIECE = 1 << 20
_PART = 16 << 20
"""Longer files go up in parts of this size."""
_TRIES = 3
"""How often a body that broke off, or does not match, is fetched."""
_CONNECT, _SILENCE, _REQUEST, _RETRIES = 2.0, 5.0, 60.0, 8.0
"""Seconds to connect, of silence, for one request, and for all its retries together."""


class Place(NamedTuple):
    """Where the objects are, and who asks. `prefix` is without slashes at its ends."""

    endpoint: str
    bucket: str
    region: str
    prefix: str
    access_key: str
    secret_key: str


class _Streamed(NamedTuple):
    """What an object hashes to, its ETag and size, the wanted part, and all of it when it is short."""

    digest: bytes
    tag: str | None
    size: int
    part: bytes
    whole: bytes | None


class S3Blobs:
    """One prefix of one bucket."""

    def __init__(self, place: Place) -> None:
        """Nothing is asked yet: a server starts, and says that it is not ready, while the store is away."""
        self._store: Any = S3Store(
            place.bucket,
            endpoint=place.endpoint,
            region=place.region,
            access_key_id=place.access_key,
            secret_access_key=place.secret_key,
            client_options={
                "allow_http": place.endpoint.startswith("http://"),
                "connect_timeout": timedelta(seconds=_CONNECT),
                "read_timeout": timedelta(seconds=_SILENCE),
                "timeout": timedelta(seconds=_REQUEST),
            },
            retry_config={
                "max_retries": 4,
                "retry_timeout": timedelta(seconds=_RETRIES),
                "backoff": {
                    "init_backoff": timedelta(milliseconds=100),
                    "max_backoff": timedelta(seconds=2),
                    "base": 2,
                },
            },
        )
        above = f"{place.prefix}/" if place.prefix else ""
        self._blobs = f"{above}blobs/"
        self._aside = f"{above}aside/"
        self._clock = f"{above}clock"
        """An object that is written only to see what time it gets."""
        self._lock = threading.Lock()
        # ETag and size of an object when it was verified: one that was written since is verified again.
        self._verified: OrderedDict[bytes, tuple[str, int]] = OrderedDict()
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()
        self._kept_bytes = 0
        self._refused = False

    def _ask(self, what: str, ask: Callable[[], T], refused: type[Exception] | tuple[()] = ()) -> T:
        """As `_asked`, and remembers whether the store lets us in."""
        try:
            found = _asked(what, ask, refused)
        except Unavailable as error:
            self._refused = isinstance(error.__cause__, _NOT_LET_IN)
            raise
        except NotFound:
            self._refused = False
            raise
        self._refused = False
        return found

    def _key(self, digest: bytes) -> str:
        name = digest.hex()
        return f"{self._blobs}{name[:2]}/{name[2:]}"

    def _aside_key(self, digest: bytes) -> str:
        name = digest.hex()
        return f"{self._aside}{name[:2]}/{name[2:]}"

    def put(self, digest: bytes, source: Path | bytes, *, durable: bool) -> None:
        # Sent also when it is there: a put renews its time, and mends it when it was damaged.
        if isinstance(source, bytes) and hashlib.sha256(source).digest() != digest:
            raise InvalidArgument("the bytes are not those of the digest")
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        done = self._ask(
            f"blob {digest.hex()}",
            lambda: obstore.put(
                self._store, self._key(digest), source, chunk_size=_PART, use_multipart=size > _PART, max_concurrency=4
            ),
        )
        self._remember(digest, done.get("e_tag"), size)
        if isinstance(source, Path):
            source.unlink(missing_ok=True)
        else:
            self._keep(digest, source)

    def read(self, digest: bytes, start: int, length: int) -> bytes:
        with self._lock:
            kept = self._kept.get(digest)
            if kept is not None:
                self._kept.move_to_end(digest)
                return kept[start : start + length]
            known = self._verified.get(digest)
        if known is not None:
            tag, size = known
            if start >= size or length <= 0:
                return b""
            found = self._range(digest, tag, start, min(length, size - start))
            if found is not None:
                return found
        return self._whole(digest, start, length)

    def _range(self, digest: bytes, tag: str, start: int, length: int) -> bytes | None:
        """A part of the object that was verified; None when it is another one by now."""
        try:
            return self._ask(
                f"blob {digest.hex()}",
                lambda: bytes(
                    obstore.get(
                        self._store, self._key(digest), options={"if_match": tag, "range": (start, start + length)}
                    ).bytes()
                ),
                PreconditionError,
            )
        except (NotFound, _RefusedError):
            with self._lock:
                self._verified.pop(digest, None)
            return None

    def _whole(self, digest: bytes, start: int, length: int) -> bytes:
        """A part of an object that is verified while it streams through. A body that was damaged on its way is fetched
        again before the object is called damaged."""
        for _ in range(_TRIES):
            found = self._streamed(digest, start, length)
            if found.digest == digest:
                self._remember(digest, found.tag, found.size)
                if found.whole is not None:
                    self._keep(digest, found.whole)
                return found.part
        raise Corrupt(f"blob {digest.hex()} does not match its digest: the store or somebody changed it")

    def _streamed(self, digest: bytes, start: int, length: int) -> _Streamed:
        """An object as it streamed through once. NotFound."""

        def fetch(key: str) -> _Streamed:
            answer = obstore.get(self._store, key)
            size = int(answer.meta["size"])
            keep = size <= _KEPT // 8
            hashed, part, parts, at = hashlib.sha256(), bytearray(), [], 0
            for piece in answer.stream(min_chunk_size=_PIECE):
                data = bytes(piece)
                hashed.update(data)
                if keep:
                    parts.append(data)
                elif at < start + length and at + len(data) > start:
                    part += data[max(0, start - at) : start + length - at]
                at += len(data)
            whole = b"".join(parts) if keep else None
            wanted = bytes(part) if whole is None else whole[start : start + length]
            return _Streamed(hashed.digest(), answer.meta.get("e_tag"), at, wanted, whole)

        try:
            return _repeated(lambda: self._ask(f"blob {digest.hex()}", lambda: fetch(self._key(digest))))
        except NotFound:
            return _repeated(lambda: self._ask(f"blob {digest.hex()}", lambda: fetch(self._aside_key(digest))))

    def _remember(self, digest: bytes, tag: str | None, size: int) -> None:
        if tag is None:
            return
        with self._lock:
            self._verified[digest] = (tag, size)
            self._verified.move_to_end(digest)
            if len(self._verified) > _VERIFIED:
                self._verified.popitem(last=False)

    def _keep(self, digest: bytes, data: bytes) -> None:
        with self._lock:
            if digest in self._kept or len(data) > _KEPT // 8:
                return
            self._kept[digest] = data
            self._kept_bytes += len(data)
            while self._kept_bytes > _KEPT:
                self._kept_bytes -= len(self._kept.popitem(last=False)[1])

    def _head(self, digest: bytes) -> Any:
        what = f"blob {digest.hex()}"
        try:
            return self._ask(what, lambda: obstore.head(self._store, self._key(digest)))
        except NotFound:
            return self._ask(what, lambda: obstore.head(self._store, self._aside_key(digest)))

    def room(self, size: int) -> None:
        """An S3 store does not say how much room it has; a put that finds none fails."""

    def has(self, digest: bytes) -> bool:
        try:
            self._head(digest)
        except NotFound:
            return False
        return True

    def size(self, digest: bytes) -> int:
        return int(self._head(digest)["size"])

    def put_at(self, digest: bytes) -> int:
        return _nanoseconds(self._head(digest))

    def now(self) -> int:
        self._ask("its clock", lambda: obstore.put(self._store, self._clock, b"", use_multipart=False))
        return _nanoseconds(self._ask("its clock", lambda: obstore.head(self._store, self._clock)))

    def refused(self) -> bool:
        return self._refused

    def verify(self, digest: bytes) -> bool:
        try:
            return self._streamed(digest, 0, 0).digest == digest
        except NotFound:
            return False

    def flush(self) -> None:
        """A put that returned is durable."""

    def digests(self) -> Iterator[tuple[bytes, int, int]]:
        """Those set aside are among them, with the time when that was."""
        yield from self._listed(self._blobs)
        for digest, size, at in self._listed(self._aside):
            if self._there(digest):
                self._drop(self._aside_key(digest))  # put again since
            else:
                yield digest, size, at

    def _there(self, digest: bytes) -> bool:
        try:
            self._ask("a blob", lambda: obstore.head(self._store, self._key(digest)))
        except NotFound:
            return False
        return True

    def _listed(self, prefix: str) -> Iterator[tuple[bytes, int, int]]:
        pages = obstore.list(self._store, prefix, chunk_size=1000)
        while (page := self._ask("the list of blobs", lambda: next(pages, None))) is not None:
            for one in page:
                digest = _digest_of(str(one["path"]).removeprefix(prefix))
                if digest is not None:
                    yield digest, int(one["size"]), _nanoseconds(one)

    def delete(self, digest: bytes) -> None:
        key, aside = self._key(digest), self._aside_key(digest)
        with self._lock:
            self._verified.pop(digest, None)
            self._kept_bytes -= len(self._kept.pop(digest, b""))
        if self._there(digest):
            self._ask("a blob", lambda: obstore.copy(self._store, key, aside))
            self._drop(key)
        else:
            self._drop(aside)

    def _drop(self, key: str) -> None:
        try:
            self._ask("a blob", lambda: obstore.delete(self._store, key))
        except NotFound:
            return

    def close(self) -> None:
        with self._lock:
            self._kept.clear()
            self._kept_bytes = 0


class _RefusedError(Exception):
    """A condition of the request did not hold."""


def _asked(what: str, ask: Callable[[], T], refused: type[Exception] | tuple[()] = ()) -> T:
    """The answer of one request, in the errors of this program. With `refused` a failed condition is told apart."""
    try:
        return ask()
    except FileNotFoundError:
        raise NotFound(f"{what} is missing") from None
    except refused:
        raise _RefusedError from None
    except (BaseError, OSError, ValueError) as error:
        # What a store says may name keys and machines: that is for who runs it.
        _log.info("the S3 store failed on %s: %s", what, " ".join(str(error).split())[:_TOLD])
        if isinstance(error, _NOT_LET_IN):
            raise Unavailable(
                "the S3 store refuses the keys (see blobs.access_key and blobs.secret_key), or this machine's clock"
            ) from error
        raise Unavailable(f"the S3 store failed on {what}; the server's log says more") from error


def _repeated(ask: Callable[[], T]) -> T:
    """Asked again when the body broke off; the library repeats only what fails before the body."""
    deadline = time.monotonic() + _RETRIES
    for attempt in range(1, _TRIES):
        try:
            return ask()
        except Unavailable:
            if time.monotonic() + 0.1 * attempt >= deadline:
                raise
            threading.Event().wait(0.1 * attempt)
    return ask()


def _digest_of(name: str) -> bytes | None:
    """The digest that a key below a prefix means; None for what somebody else put there."""
    text = name.replace("/", "", 1)
    try:
        return bytes.fromhex(text) if len(text) == 64 and name[2:3] == "/" else None
    except ValueError:
        return None


def _nanoseconds(meta: Any) -> int:
    return int(meta["last_modified"].timestamp() * 1000) * 1_000_000
