"""Bytes of files between a drive and ordinary files: a chunk at a time, holes as holes, no file whole in memory."""

import errno
import hashlib
import os
from collections.abc import Callable, Iterator

from graphfs.api import Drive
from graphfs.layout import slice_layout
from graphfs.model import Layout, Patch

Report = Callable[[int], None]
"""Is told bytes as they are done."""


def data_ranges(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Offset and length of what is not a hole."""
    at = 0
    while at < size:
        try:
            start = os.lseek(descriptor, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return  # only a hole is left
            yield at, size - at  # a file system that knows no holes
            return
        end = min(os.lseek(descriptor, start, os.SEEK_HOLE), size)
        if start >= size:
            return
        yield start, end - start
        at = end


def put_content(drive: Drive, source: str, report: Report) -> tuple[int, list[Patch]]:
    """Puts the blobs of a file; its size and the patches that make it of nothing or of anything."""
    chunk, inline = drive.chunk_size(), drive.inline_limit()
    with open(source, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        # First all is zeros: what is patched may have had a content.
        patches = [Patch(0, size)] if size else []
        small = 0
        for start, length in data_ranges(file.fileno(), size):
            at, end = start, start + length
            while at < end:
                data = os.pread(file.fileno(), min(chunk - at % chunk, end - at), at)
                if not data:  # it was cut while it was read: the rest is zeros, and its next import sees the change
                    return size, patches
                digest = hashlib.sha256(data).digest()
                if small + len(data) <= inline:
                    small += len(data)
                    patches.append(Patch(at, len(data), digest, 0, data))
                else:
                    drive.put_blob(digest, data, durable=False)
                    patches.append(Patch(at, len(data), digest))
                at += len(data)
                report(len(data))
    return size, patches


def same_content(drive: Drive, layout: Layout, source: str, report: Report) -> bool:
    """Whether a file on disk holds the bytes of a layout. By digests where they tell, else by the bytes."""
    chunk = drive.chunk_size()
    with open(source, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        if size != layout.size:
            return False
        for at in range(0, size, chunk):
            length = min(chunk, size - at)
            data = os.pread(file.fileno(), length, at)
            if len(data) != length or not _is(drive, layout, at, data):
                return False
            report(length)
    return True


def _is(drive: Drive, layout: Layout, at: int, data: bytes) -> bool:
    extents = slice_layout(layout, at, len(data))
    if not extents:
        return not any(data)
    first = extents[0]
    whole = (len(extents), first.offset, first.length, first.start) == (1, at, len(data), 0)
    if whole and hashlib.sha256(data).digest() == first.digest:
        return True
    return read_range(drive, layout, at, len(data)) == data


def read_range(drive: Drive, layout: Layout, at: int, length: int) -> bytes:
    """Bytes of a version (at most a few chunks)."""
    found = bytearray(min(length, max(0, layout.size - at)))
    for extent in slice_layout(layout, at, length):
        part = drive.read_blob(extent.digest, extent.start, extent.length)
        found[extent.offset - at : extent.offset - at + len(part)] = part
    return bytes(found)


def write_content(drive: Drive, layout: Layout, target: str, report: Report) -> None:
    """Writes a version into a new file."""
    with open(target, "wb", buffering=0) as file:
        for extent in layout.extents:
            data = memoryview(drive.read_blob(extent.digest, extent.start, extent.length))
            at = extent.offset
            while data:
                written = os.pwrite(file.fileno(), data, at)
                data, at = data[written:], at + written
            report(extent.length)
        os.ftruncate(file.fileno(), layout.size)
