"""What a mount had staged when it died is brought to safety before the next one starts.

It goes to the server-side trash (`recovered`), never over the file: that shows its last version. It must run while no
mount uses the staging folder, and it knows nothing of open files.
"""

import logging
import os
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from graphfs.api import Drive
from graphfs.errors import Conflict, Corrupt, DriveError, NotFound
from graphfs.layout import apply
from graphfs.model import Caller, Patch
from graphfs.vfs.descriptors import translated
from graphfs.vfs.overlay import HOLE, STAGED, Frozen, Overlay, Run, Staged, split
from graphfs.vfs.staging import Record, Step, discard, left, read_log, read_record, was_closed

log = logging.getLogger(__name__)


def recover(drive: Drive, staging: Path) -> list[int]:
    """Empties the staging folder; returns the items of the trash that were made of it, oldest first.

    What became a version after all, and what was written to files that are deleted, is only cleared away. What cannot
    be brought to safety now (the store is full, a staging file is damaged) stays for the next time, and is logged.
    """
    items = []
    for folder in left(staging):
        try:
            with translated():
                item = _recover(drive, folder)
        except DriveError as error:
            log.warning("staged data in %s could not be recovered and is left there: %s", folder, error)
        else:
            discard(folder)
            if item is not None:
                items.append(item)
    return items


def _recover(drive: Drive, folder: Path) -> int | None:
    record = read_record(folder)
    if record is None:
        return None
    overlay, size = replay(folder, record)
    caller = Caller(record.uid, record.gid, actor="recovery")
    try:
        current = drive.layout(caller, record.node)
    except NotFound:
        log.info("what was written to node %d (%s) went with it: it is deleted", record.node, record.path)
        return None
    if not overlay and size == record.base.size:
        return None
    patches = list(_patches(drive, folder, record, overlay))
    layout = apply(record.base, size, patches)
    if (current.size, current.extents) == (layout.size, layout.extents):
        return None  # it died after the commit
    drive.sync()
    if was_closed(folder):
        try:
            drive.commit(caller, record.node, record.base.version, size, patches, durable=True)
        except Conflict:
            log.warning("%s was changed by somebody else meanwhile", record.path)
        else:
            log.info("%s: what was closed while the server was away is there now", record.path)
            return None
    item = drive.recover(caller, record.path or f"node {record.node}", layout)
    log.warning("%s: %d bytes that were never closed are in the trash", record.path, size)
    return item


def replay(folder: Path, record: Record) -> tuple[Overlay, int]:
    """What the log says: the ranges as they were when the process died, and the size."""
    overlay, size, chunk = Overlay(), record.base.size, record.chunk
    for step, first, second in read_log(folder):
        if step is Step.WRITE:
            overlay.put(first, second, STAGED)
            size = max(size, second)
        elif step is Step.HOLE:
            overlay.put(first, second, HOLE)
        elif step is Step.SIZE:
            overlay.cut(first)
            size = first
        else:
            origin, path = first * chunk, folder / f"{first}.{second}"
            if path.exists():  # else it died before the name changed
                overlay.replace(STAGED, [(origin, origin + chunk, Frozen(origin, path, second))])
    return overlay, size


def _patches(drive: Drive, folder: Path, record: Record, overlay: Overlay) -> Iterable[Patch]:
    for _, runs in split(list(overlay), record.chunk):
        waiting = [run for run in runs if isinstance(run[2], Staged | Frozen)]
        position, digest = 0, b""
        if waiting:
            data = b"".join([_bytes(folder, record, run) for run in waiting])
            digest = sha256(data).digest()
            drive.put_blob(digest, data, durable=True)
        for start, end, source in runs:
            if source is HOLE:
                yield Patch(start, end - start)
            else:
                yield Patch(start, end - start, digest, position)
                position += end - start


def _bytes(folder: Path, record: Record, run: Run) -> bytes:
    start, end, source = run
    if isinstance(source, Frozen):
        path, offset = source.path, start - source.origin
    else:
        path, offset = folder / str(start // record.chunk), start % record.chunk
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        found = os.pread(descriptor, end - start, offset)
    finally:
        os.close(descriptor)
    if len(found) != end - start:
        raise Corrupt(f"{path} is shorter than its log says")
    return found
