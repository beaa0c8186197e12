"""The blob protocol: immutable bytes under their digest.

Contract: `put` is atomic (a digest is there whole or not at all) and idempotent; `read` never returns bytes that do
not belong
to the digest. Only `graphfs.errors` are raised. All calls may come from any thread.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol


class Blobs(Protocol):
    """An engine."""

    def put(self, digest: bytes, source: Path | bytes, *, durable: bool) -> None:
        """Stores. A file is taken over: gone afterwards, moved where that is possible. InvalidArgument when the
        bytes are not the digest's
        (checked for `bytes`; a file is trusted to have been hashed while it was written). NoSpace."""
        ...

    def read(self, digest: bytes, start: int, length: int) -> bytes:
        """Fewer bytes only at the blob's end. The first read of a blob by this process verifies all of it: Corrupt.
        NotFound."""
        ...

    def room(self, size: int) -> None:
        """NoSpace when so many bytes would not leave the room that the records need."""
        ...

    def has(self, digest: bytes) -> bool: ...

    def size(self, digest: bytes) -> int:
        """Bytes; NotFound."""
        ...

    def put_at(self, digest: bytes) -> int:
        """When it was last put, ns since the epoch; NotFound."""
        ...

    def now(self) -> int:
        """The time by the clock that says when a blob was put, ns since the epoch: it may be another machine's, and
        wrong. Unavailable."""
        ...

    def refused(self) -> bool:
        """Whether the store let nothing of ours in when it was asked last. Asks nothing."""
        ...

    def verify(self, digest: bytes) -> bool:
        """Hashes it again."""
        ...

    def flush(self) -> None:
        """Everything put so far survives a power cut on return."""
        ...

    def digests(self) -> Iterator[tuple[bytes, int, int]]:
        """(digest, size, time of the last put in ns) of every blob."""
        ...

    def delete(self, digest: bytes) -> None:
        """Nothing happens when it is not there. An engine that several servers share may only set it aside: it still
        answers, and a second delete takes it."""
        ...

    def close(self) -> None: ...
