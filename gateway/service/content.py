"""Bytes: layouts, blobs, and the commit that makes a new version of a file."""

import hashlib
import os
import stat
import struct
from collections.abc import Sequence
from pathlib import Path

from gateway.service.core import Change, Core, again
from gateway.service.repeats import once, version_after
from graphfs.errors import Conflict, Corrupt, InvalidArgument, NoSpace, NotFound, TooLarge
from graphfs.layout import apply, slice_layout
from graphfs.model import Caller, EventKind, Extent, Layout, Node, Patch, Space, moment

_MOST_EXTENTS = 64
"""Extents within one chunk before it is written anew as one blob."""
_EMPTY = hashlib.sha256(b"").hexdigest()


def content_name(size: int, extents: Sequence[Extent]) -> str:
    """A digest that names a content: SHA-256 of the bytes when one whole blob holds them, else of their layout."""
    if not size:
        return _EMPTY
    if len(extents) == 1 and extents[0].offset == 0 and extents[0].length == size and extents[0].start == 0:
        return extents[0].digest.hex()
    digest = hashlib.sha256(struct.pack("<q", size))
    for extent in extents:
        digest.update(struct.pack("<qqq", extent.offset, extent.length, extent.start) + extent.digest)
    return digest.hexdigest()


class ContentPart(Core):
    """Implements `graphfs.api.Content`."""

    def layout(self, caller: Caller, node: int) -> Layout:
        found = self.store.layout(node)
        if found is None:
            raise NotFound(f"no such file: {node}")
        return found

    def read_blob(self, digest: bytes, start: int, length: int) -> bytes:
        data = self.store.blob(digest)
        if data is not None:
            if hashlib.sha256(data).digest() != digest:
                raise Corrupt(f"small blob {digest.hex()} does not match its digest: the database's disk is damaged")
            return data[start : start + length]
        return self.blobs.read(digest, start, length)

    def put_blob(self, digest: bytes, source: Path | bytes, *, durable: bool) -> None:
        try:
            self.blobs.put(digest, source, durable=durable)
        except NoSpace:
            if not self.make_room():
                raise
            self.blobs.put(digest, source, durable=durable)

    def make_room(self) -> bool:
        """The disk is full: the trash gives way, oldest first. False: there was nothing to give."""
        return False

    @once(version_after)
    def commit(
        self,
        caller: Caller,
        node: int,
        base: int,
        size: int,
        patches: Sequence[Patch],
        *,
        mtime: int | None = None,
        durable: bool = False,
    ) -> Node:
        given = {patch.digest: len(patch.data) for patch in patches if patch.data is not None}
        for patch in patches:
            if not patch.digest:
                continue
            if patch.digest not in given:
                self.need_bytes(patch.digest, patch.start + patch.length)
            elif patch.start + patch.length > given[patch.digest]:
                raise InvalidArgument("a patch speaks of more bytes than its blob has")
            elif given[patch.digest] > self.settings.chunk_size:
                raise TooLarge(f"a blob has at most {self.settings.chunk_size} bytes")
        try:
            self.blobs.room(sum([len(patch.data) for patch in patches if patch.data]))
            saved, unused = self._commit(caller, node, base, size, patches, mtime)
        except NoSpace:
            if not self.make_room():
                raise
            saved, unused = self._commit(caller, node, base, size, patches, mtime)
        if durable:
            self.sync()
        if unused:
            self.unused_blobs(unused)
        return saved

    def unused_blobs(self, digests: Sequence[bytes]) -> None:
        """These blobs lost a use; whoever sweeps should look at them."""

    @again
    def _commit(
        self, caller: Caller, node: int, base: int, size: int, patches: Sequence[Patch], mtime: int | None
    ) -> tuple[Node, list[bytes]]:
        with self.change(caller) as change:
            tx = change.tx
            found = self.need(tx.node(node), node)
            if not stat.S_ISREG(found.mode):
                raise InvalidArgument("only a file has content")
            if found.version != base:
                raise Conflict(f"the content is version {found.version} by now, not {base}")
            if not patches and size == found.size:
                if mtime is not None:
                    found = self._saved(change, found, found.size, found.stored, mtime, found.version)
                return found, []
            return self.written(change, found, size, patches, mtime)

    def written(
        self, change: Change, found: Node, size: int, patches: Sequence[Patch], mtime: int | None
    ) -> tuple[Node, list[bytes]]:
        """The node with its next version, and the blobs that lost a use."""
        tx, base = change.tx, found.version
        small: set[bytes] = set()
        for patch in patches:
            if patch.data is not None:
                if hashlib.sha256(patch.data).digest() != patch.digest:
                    raise InvalidArgument("a patch's bytes are not those of its digest")
                tx.add_blob(patch.digest, patch.data)
                small.add(patch.digest)
            elif patch.digest and tx.has_blob(patch.digest):
                small.add(patch.digest)
        start, end = self._window(change, found, size, patches)
        old = Layout(base, found.size, tx.extents_within(found.id, start, end) if base else ())
        new = apply(old, size, patches)
        new = self._compacted(change, new, small)
        unused = tx.put_extents(found.id, new.extents, small, start, end)
        stored = found.stored + sum([one.length for one in new.extents]) - sum([one.length for one in old.extents])
        saved = self._saved(change, found, size, stored, change.now if mtime is None else mtime, base + 1)
        if found.file in self.index.live:
            tx.queue(found.file, change.now + int(self.settings.settle * 1e9))
            change.tell(EventKind.JOBS)
        return saved, unused

    def _window(self, change: Change, node: Node, size: int, patches: Sequence[Patch]) -> tuple[int, int]:
        """The part of the file that a commit is about, in whole chunks: a synced page of a large file reads and
        writes the
        extents of its chunk, not all. Everything when it is cut, or when an extent crosses the borders (the chunk size
        was another once)."""
        everything = (0, 1 << 62)
        if not node.version:
            return 0, 0  # nothing is there that could be kept or go
        if size < node.size or not patches or not node.stored:
            return everything
        chunk = self.settings.chunk_size
        start = min(patch.offset for patch in patches) // chunk * chunk
        end = -(-max(patch.offset + patch.length for patch in patches) // chunk) * chunk
        if change.tx.end_before(node.id, start) > start or change.tx.end_before(node.id, end) > end:
            return everything
        return start, end

    def _saved(self, change: Change, node: Node, size: int, stored: int, mtime: int, version: int) -> Node:
        mtime = moment(mtime)
        changed = min(max(node.ctime, mtime), change.now)  # when it was written, not when that became a version
        saved = Node(
            node.id, node.mode, node.uid, node.gid, node.rdev, size, stored, node.atime, mtime, changed,
            node.links, node.tags, version, node.file,
        )  # fmt: skip
        change.tx.save_node(saved)
        change.tell(EventKind.NODE, node.id)
        return saved

    def _compacted(self, change: Change, layout: Layout, small: set[bytes]) -> Layout:
        """Writes chunks that fell into too many extents anew, each as one blob."""
        if len(layout.extents) <= _MOST_EXTENTS:
            return layout
        chunk = self.settings.chunk_size
        counts: dict[int, int] = {}
        for extent in layout.extents:
            counts[extent.offset // chunk] = counts.get(extent.offset // chunk, 0) + 1
        patches = []
        for number, count in counts.items():
            if count > _MOST_EXTENTS:
                offset = number * chunk
                data = self._bytes(change, layout, offset, min(chunk, layout.size - offset))
                digest = hashlib.sha256(data).digest()
                if len(data) <= self.settings.inline_limit:
                    change.tx.add_blob(digest, data)
                    small.add(digest)
                else:
                    self.blobs.put(digest, data, durable=False)
                patches.append(Patch(offset, len(data), digest))
        if not patches:
            return layout
        new = apply(layout, layout.size, patches)
        return Layout(layout.version, new.size, new.extents)

    def _bytes(self, change: Change, layout: Layout, offset: int, length: int) -> bytes:
        data = bytearray(length)
        for extent in slice_layout(layout, offset, length):
            inline = change.tx.blob(extent.digest)
            if inline is not None:
                part = inline[extent.start : extent.start + extent.length]
            else:
                part = self.blobs.read(extent.digest, extent.start, extent.length)
            data[extent.offset - offset : extent.offset - offset + extent.length] = part
        return bytes(data)

    def sync(self) -> None:
        # Bytes before the records that speak of them.
        self.blobs.flush()
        self.store.flush()

    def inline_limit(self) -> int:
        return self.settings.inline_limit

    def chunk_size(self) -> int:
        return self.settings.chunk_size


class SpacePart(Core):
    """Room left, from the disk with the state directory."""

    space_folder: str
    space_reserve: int

    def space(self) -> Space:
        found = os.statvfs(self.space_folder)
        reserved = self.space_reserve // found.f_frsize
        return Space(
            found.f_frsize,
            found.f_blocks,
            max(0, found.f_bfree - reserved),
            max(0, found.f_bavail - reserved),
            found.f_files,
            found.f_ffree,
        )
