"""How what was written becomes a version: bytes to the store first, then one commit of the ranges that changed.

Nothing is lost on the way: until the commit is acknowledged the overlay and the staging stay as they are, so it can be
tried again. When somebody else made a version meanwhile, ours is kept beside it under a name that says so.
"""

import logging
import os
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path, PurePosixPath
from stat import S_IFREG, S_IMODE

from graphfs.api import Drive
from graphfs.errors import AlreadyExists, Conflict, NotFound
from graphfs.layout import apply, slice_layout
from graphfs.model import SUPER_ROOT, AttributeChange, Layout, Patch
from graphfs.vfs.descriptors import translated
from graphfs.vfs.openfile import OpenFile
from graphfs.vfs.overlay import HOLE, STAGED, Frozen, Run, Stored, split

log = logging.getLogger(__name__)

APPENDS = 100
"""So often an append is tried behind what others appended meanwhile."""
HELPERS = 2
"""So many other threads help to give what is staged to the store."""
PIECE = 1 << 20
"""Staged files are hashed so many bytes at a time."""


class Committer:
    """Makes versions of open files on one drive. Thread-safe; one version of a file is made at a time, its chunks are
    given to the store by several threads."""

    def __init__(self, drive: Drive, helped: Callable[[Callable[[], None]], None]) -> None:
        """`helped` takes a job that another thread may do meanwhile, or not."""
        self._drive = drive
        self._helped = helped
        self._chunk = drive.chunk_size()
        self._inline = drive.inline_limit()
        self.conflicts: deque[str] = deque(maxlen=20)
        """Paths of the last conflict copies."""

    def commit(self, file: OpenFile, *, durable: bool) -> bool:
        """What was written is a version on return (`durable`: it survives a power cut). Any error leaves it as it was,
        to be tried again. False: somebody else had made one, and ours is beside it as a conflict copy.
        """
        with file.turn:
            if not file.dirty:
                if durable:
                    self._drive.sync()
                return True
            file.committing = True
            try:
                done = self._attempt(file, durable=durable)
                if done is None:  # the store swept what it was given before the commit: once more
                    done = self._attempt(file, durable=durable)
            finally:
                file.committing = False
            if done is None:
                raise NotFound(f"node {file.node.id}, or bytes that were given to the store for it, are gone")
            return done

    def _attempt(self, file: OpenFile, *, durable: bool) -> bool | None:
        """None: something that the commit is about is not in the store."""
        self._give_staged(file, durable=durable)
        with file.lock, file.closed_to_settling():
            patches = self._patches(file, durable=durable)
            base, unharmed = None, True
            try:
                node = self._drive.commit(
                    file.caller, file.node.id, file.node.version, file.size, patches, mtime=file.mtime, durable=durable
                )
                base = _next(file, node.version, patches)
            except NotFound:
                self._take_back(file)
                return None
            except Conflict:
                unharmed = self._resolve(file, patches, durable=durable)
                node = self._drive.node(file.caller, file.node.id)
            staged, file.staged = file.staged, None
            file.rebase(node, base)
        if staged is not None:
            staged.drop()
        return unharmed

    def settle(self, file: OpenFile, index: int, *, durable: bool) -> None:
        """Gives what is staged of a chunk to the store; the file is read and written meanwhile, and its other chunks
        may be given too. Nothing to do: it was given, another thread is at it, or a version is about to be made of what
        is there."""
        with file.lock:
            frozen = None if file.finishing or index in file.giving else self._frozen(file, index)
            runs = self._runs(file, frozen) if frozen is not None else []
            if frozen is None or not runs:
                return
            file.giving.add(index)
        settled: list[Run] = []
        try:
            if len(runs) == 1 and runs[0][0] == frozen.origin and not frozen.given:
                settled = self._give(file, frozen, runs[0], durable=durable)
            else:
                settled = self._pack(file, runs, durable=durable)
        finally:
            with file.lock:
                file.overlay.replace(frozen, settled)
                file.given.update({source: frozen for _, _, source in settled if isinstance(source, Stored)})
                file.giving.discard(index)
                file.settled.notify_all()

    def _take_back(self, file: OpenFile) -> None:
        """What was given to the store is taken from staging again."""
        for start, end, source in file.overlay:
            if isinstance(source, Stored):
                file.overlay.put(start, end, file.given[source])
        file.given.clear()

    def _give_staged(self, file: OpenFile, *, durable: bool) -> None:
        if file.staged is None:
            return
        left = deque(self._chunks(file))

        def give() -> None:
            with suppress(IndexError):
                while True:
                    self.settle(file, left.popleft(), durable=durable)

        for _ in range(min(HELPERS, len(left) - 1)):
            self._helped(give)
        try:
            give()
        finally:
            left.clear()  # who comes too late to help finds nothing to do

    def _chunks(self, file: OpenFile) -> list[int]:
        """Chunks with more staged than goes inline."""
        with file.lock:
            found = []
            for index, runs in split(list(file.overlay), self._chunk):
                size = sum(end - start for start, end, source in runs if _is_staged(source))
                if size > self._inline:
                    found.append(index)
            return found

    def _frozen(self, file: OpenFile, index: int) -> Frozen | None:
        """Under the lock."""
        if file.staged is None:
            return None
        low = index * self._chunk
        runs = file.overlay.within(low, low + self._chunk)
        if not any(source is STAGED for _, _, source in runs):
            # frozen before, when the store could not take it
            return next((source for _, _, source in runs if isinstance(source, Frozen)), None)
        frozen = file.staged.freeze(index)
        for start, end, source in runs:
            if source is STAGED:
                file.overlay.put(start, end, frozen)
        return frozen

    def _runs(self, file: OpenFile, frozen: Frozen) -> list[Run]:
        """Under the lock."""
        runs = file.overlay.within(frozen.origin, frozen.origin + self._chunk)
        return [run for run in runs if run[2] is frozen]

    def _give(self, file: OpenFile, frozen: Frozen, run: Run, *, durable: bool) -> list[Run]:
        """The whole staging file becomes the blob: no second copy."""
        start, end, _ = run
        with translated():
            os.truncate(frozen.path, end - start)
            digest = _hash(frozen.path)
        with file.lock:
            assert file.staged is not None
            offered = file.staged.offered(frozen)
        frozen.given = True
        self._drive.put_blob(digest, offered, durable=durable)
        return [(start, end, Stored(frozen.origin, digest))]

    def _pack(self, file: OpenFile, runs: list[Run], *, durable: bool) -> list[Run]:
        """What is dirty of a chunk, written together as one blob."""
        with file.lock:
            data = b"".join([file.waiting(*run) for run in runs])
        digest = sha256(data).digest()
        self._drive.put_blob(digest, data, durable=durable)
        return _packed(runs, digest)

    def _patches(self, file: OpenFile, *, durable: bool) -> list[Patch]:
        patches: list[Patch] = []
        for _, runs in split(list(file.overlay), self._chunk):
            waiting = [run for run in runs if run[2] is not HOLE and not isinstance(run[2], Stored)]
            data: bytes | None = None
            if waiting:
                data = b"".join([file.waiting(*run) for run in waiting])
                digest = sha256(data).digest()
                if len(data) > self._inline:
                    self._drive.put_blob(digest, data, durable=durable)
                    data = None
                sources = {run[0]: run[2] for run in _packed(waiting, digest)}
            else:
                sources = {}
            for start, end, source in runs:
                source = sources.get(start, source)
                if isinstance(source, Stored):
                    ours = data if start in sources else None
                    patches.append(Patch(start, end - start, source.digest, start - source.origin, ours))
                    if ours is not None:
                        data = None
                else:
                    patches.append(Patch(start, end - start))
        return patches

    def _resolve(self, file: OpenFile, patches: list[Patch], *, durable: bool) -> bool:
        """There is a version that was not there before. True: it is ours, and the answer to its commit was lost on the
        way. What was only appended goes behind the other's; anything else is kept beside it. Under the lock."""
        theirs = self._drive.layout(file.caller, file.node.id)
        if theirs == _next(file, theirs.version, patches):
            if durable:
                self._drive.sync()
            return True
        if not (file.appended and self._append_again(file, patches, durable=durable)):
            self._keep_beside(file, patches, durable=durable)
        return False

    def _append_again(self, file: OpenFile, patches: list[Patch], *, durable: bool) -> bool:
        """Records of several machines in one file: none is lost, and each is whole. False: it went on changing."""
        drive, caller, begin = self._drive, file.caller, file.node.size
        for _ in range(APPENDS):
            node = drive.node(caller, file.node.id)
            moved = [part for patch in patches for part in _moved(patch, node.size - begin, self._chunk)]
            size = node.size + file.size - begin
            try:
                drive.commit(caller, node.id, node.version, size, moved, mtime=file.mtime, durable=durable)
            except Conflict:
                continue
            return True
        return False

    def _keep_beside(self, file: OpenFile, patches: list[Patch], *, durable: bool) -> None:
        """The content as we see it, in a new file next to the one that somebody else changed. Under the lock."""
        drive, caller = self._drive, file.caller
        base = [Patch(e.offset, e.length, e.digest, e.start) for e in slice_layout(file.base(), 0, file.size)]
        path = drive.path(caller, file.node.id)
        if not path:  # nobody can see its name, but somebody may want what was in it
            for patch in patches:
                if patch.data is not None:
                    drive.put_blob(patch.digest, patch.data, durable=durable)
            drive.recover(caller, f"node {file.node.id}", apply(Layout(0, 0, ()), file.size, base + patches))
            return
        folder = SUPER_ROOT
        *folders, name = path.split("/")
        for part in folders:
            folder = drive.lookup(caller, folder, part).id
        copy = None
        for number in range(1, 1000):
            try:
                copy = drive.create(caller, folder, conflict_name(name, number), S_IFREG | S_IMODE(file.node.mode))
                break
            except AlreadyExists:
                continue
        if copy is None:
            raise AlreadyExists(f"there are too many conflict copies of {name}")
        try:
            drive.commit(caller, copy.id, copy.version, file.size, base + patches, mtime=file.mtime, durable=durable)
        except NotFound:
            drive.unlink(caller, folder, conflict_name(name, number))
            raise
        kept = "/".join((*folders, conflict_name(name, number)))
        self.conflicts.append(kept)
        log.info("two wrote %s: this mount's content is beside it as %s", path, kept)
        if (file.node.uid, file.node.gid) != (copy.uid, copy.gid):
            drive.set_attributes(caller, copy.id, AttributeChange(uid=file.node.uid, gid=file.node.gid))


def conflict_name(name: str, number: int = 1, now: float | None = None) -> str:
    """`report (conflict 2026-11-23 10.15.02).txt`, at most 255 bytes; from the second on it says which one."""
    path = PurePosixPath(name)
    stem, suffix = (path.stem, path.suffix) if len(os.fsencode(path.suffix)) <= 32 else (name, "")
    when = time.strftime("%Y-%m-%d %H.%M.%S", time.localtime(now))
    note = f" (conflict {when})" if number == 1 else f" (conflict {when} {number})"
    room = 255 - len(os.fsencode(note + suffix))
    return os.fsdecode(os.fsencode(stem)[:room]) + note + suffix


def _next(file: OpenFile, version: int, patches: list[Patch]) -> Layout:
    """The layout after a commit, without asking for it: the store made the same one."""
    done = apply(file.base(), file.size, patches)
    return Layout(version, done.size, done.extents)


def _moved(patch: Patch, by: int, chunk: int) -> list[Patch]:
    """The patch elsewhere, cut at the borders of chunks: an extent lies within one."""
    parts: list[Patch] = []
    done = 0
    while done < patch.length:
        offset = patch.offset + by + done
        length = min(patch.length - done, chunk - offset % chunk)
        parts.append(Patch(offset, length, patch.digest, patch.start + done, None if done else patch.data))
        done += length
    return parts


def _is_staged(source: object) -> bool:
    return source is STAGED or isinstance(source, Frozen)


def _packed(runs: list[Run], digest: bytes) -> list[Run]:
    packed: list[Run] = []
    position = 0
    for start, end, _ in runs:
        packed.append((start, end, Stored(start - position, digest)))
        position += end - start
    return packed


def _hash(path: Path) -> bytes:
    hasher = sha256()
    with path.open("rb", buffering=0) as staged:
        while piece := staged.read(PIECE):
            hasher.update(piece)
    return hasher.digest()
