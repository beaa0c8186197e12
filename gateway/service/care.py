"""Looking after a drive: how it is, whether its parts agree, and what can be swept."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from pyroaring import BitMap64

from gateway.service.core import again
from gateway.service.trash import TrashPart
from graphfs import __version__
from graphfs.model import Caller, EdgeState, JobState, Problem, Queue, Status, Trashed

_GRACE = 3600 * 10**9
"""A blob that nothing uses is kept this long after it was put: its commit may be on the way."""
_PUT_GRACE = 60 * 10**9
_HELD_ELSEWHERE = 24 * 3600 * 10**9
_FAILURES = 100
_COUNTING = 50
"""Blobs are counted again after so many times as long as counting them took, where it took more than a moment."""
_MOMENT = 0.1
_LOOKS = 5


class CarePart(TrashPart):
    """Implements `graphfs.api.Care`."""

    _candidates: set[bytes]
    _counted: tuple[int, float] = (0, 0.0)
    """Bytes of all blobs, and until when that is told again."""

    def queue_state(self, counts: Mapping[str, int]) -> Queue:
        """How the queue goes on (`JobPart`)."""
        raise NotImplementedError

    def status(self, caller: Caller) -> Status:
        totals = self.store.totals()
        counts = self.store.job_counts()
        applied, review = self.index.sizes()
        blobs = self._blob_bytes()
        return Status(
            totals["files"],
            totals["folders"],
            totals["bytes"],
            totals["stored"] + blobs,
            totals["tags"],
            applied,
            review,
            {state.value: counts.get(state.value, 0) for state in JobState},
            tuple(map(self.job_record, self.store.jobs(JobState.FAILED, _FAILURES))),
            totals["trashed"],
            __version__,
            self.store.schema,
            queue=self.queue_state(counts),
        )

    def _blob_bytes(self) -> int:
        """Counted blob by blob. Thousands of them, or a store far away, are not walked at every question."""
        begun = time.monotonic()
        total, until = self._counted
        if begun >= until:
            total = sum(size for _, size, _ in self.blobs.digests())
            took = time.monotonic() - begun
            self._counted = total, begun + took * _COUNTING if took > _MOMENT else 0.0
        return total

    def fsck(self, caller: Caller, *, repair: bool = False, verify: bool = False) -> list[Problem]:
        with self._alone():
            found = self.store.check(repair)
            found += [
                Problem("node without name", str(node), repair)
                for node in self.forsaken()
                if self._erased(node, repair)
            ]
            found += self._check_index(repair)
        found += self._check_blobs(verify)
        return found

    def _alone(self) -> AbstractContextManager[object]:
        """Nobody changes anything meanwhile, where all changes are made here. Where others make some too that would
        keep out only those who ask this server, for as long as it takes."""
        return nullcontext() if self.store.shared else self._turn

    def forsaken(self) -> list[int]:
        """Nodes without a name that nobody can hold any more. Who holds one by another server, or on another machine,
        is not known here: there it counts only a day after it lost its name."""
        found = [node for node in self.store.unnamed() if node not in self._held]
        if not (self.store.shared or self.settings.away):
            return found
        since = self.clock() - _HELD_ELSEWHERE
        return [node for node in found if (record := self.store.node(node)) is not None and record.ctime < since]

    @again
    def _erased(self, node: int, repair: bool) -> bool:
        if repair:
            with self.change(Caller(uid=0, gid=0, actor="fsck")) as change:
                record = change.tx.node(node)
                if record is not None:
                    self.erase(change, record)
        return True

    def _check_blobs(self, verify: bool) -> Iterator[Problem]:
        """Nobody is kept waiting for this: what came or went while it was looked for is looked at again. A blob that is
        longer than what any record speaks of may be a file's that was cut; whether it is whole, its digest says."""
        used = self.store.used_digests()
        sizes = {digest: size for digest, size, _ in self.blobs.digests()}
        for digest, end in used.items():
            if digest not in sizes:
                if self._missing(digest):
                    yield Problem("missing blob", digest.hex(), False)
            elif sizes[digest] < end:
                yield Problem("short blob", digest.hex(), False)
            elif verify and not self.blobs.verify(digest) and not self._gone(digest):
                yield Problem("damaged blob", digest.hex(), False)
        if verify:
            for digest, data in self.store.small_blobs():
                if hashlib.sha256(data).digest() != digest:
                    yield Problem("damaged blob", digest.hex(), False)

    def _missing(self, digest: bytes) -> bool:
        return self.store.digest_used(digest) and not self.blobs.has(digest) and self.store.digest_used(digest)

    def _gone(self, digest: bytes) -> bool:
        """Whether a blob was deleted meanwhile, as nothing needs it any more."""
        return not self.blobs.has(digest) and not self._missing(digest)

    def _check_index(self, repair: bool) -> Iterator[Problem]:
        """The sets in memory against the rows they are made from. Where others change the rows too, only what differs
        again and again is wrong: the rest is what they did in between."""
        self.store.caught_up()
        files, tags = self._unlike()
        for _ in range(_LOOKS if self.store.shared else 0):
            if not (files or tags):
                return
            self.store.caught_up()
            files_now, tags_now = self._unlike()
            files &= files_now
            both = {tag: members & tags_now[tag] for tag, members in tags.items() if tag in tags_now}
            tags = {tag: members for tag, members in both.items() if members}
        if files or tags:
            if repair:
                self.index.load()
            yield Problem(
                "index differs from the records", f"files {sorted(files)[:10]}, tags {sorted(tags)[:10]}", repair
            )

    def _unlike(self) -> tuple[BitMap64, dict[int, BitMap64]]:
        """The files, and by tag those which have it, that are not in memory as in their rows."""
        rows = dict(self.store.members(EdgeState.APPLIED))
        tags = {}
        for tag in rows.keys() | self.index.rows.keys():
            unlike = BitMap64(rows.get(tag, ())) ^ self.index.direct(tag)
            if unlike:
                tags[tag] = unlike
        return BitMap64(self.store.live_files()) ^ self.index.live, tags

    def gc(self, caller: Caller) -> int:
        self.purge(caller, self.clock() - int(self.settings.retention * 1e9))
        freed = self.store.sweep_blobs()
        with self._alone():
            looked = set(self._candidates)
            horizon = self.blobs.now() - _GRACE
            used = self.store.used_digests()
            for digest, size, put in list(self.blobs.digests()):
                if digest not in used and put < horizon:
                    self.blobs.delete(digest)
                    freed += size
            self._candidates -= looked
        return freed

    def unused_blobs(self, digests: Sequence[bytes]) -> None:
        with self._turn:
            self._candidates.update(digests)

    def erase_blobs(self, grace: int = _PUT_GRACE) -> int:
        """Deletes the blobs that lost their last use, but those put within `grace` ns: their commit may be on the way.
        Returns how many."""
        count = 0
        looked = list(self._candidates)
        horizon = self.blobs.now() - grace if grace and looked else 0
        for digest in looked:
            with self._alone():
                self._candidates.discard(digest)
                if self.store.digest_used(digest) or not self.blobs.has(digest):
                    continue
                if grace and self.blobs.put_at(digest) > horizon:
                    self._candidates.add(digest)
                    continue
                self.blobs.delete(digest)
                count += 1
        return count

    def make_room(self) -> bool:
        """The disk is full: the trash gives way, oldest first, a tenth of it (at least 100 items) at a time."""
        root = Caller(uid=0, gid=0, actor="full disk")
        # Without grace: a mount whose commit misses a blob puts it again.
        before = self.erase_blobs(grace=0)
        items: list[Trashed] = self.trash(root)
        if not items:
            return before > 0
        given = items[-max(100, len(items) // 10) :]
        digests = {extent.digest for item in given for extent in self.store.extents(item.node.id)}
        self.purge(root, given[0].at + 1)
        self.unused_blobs(list(digests))
        self.store.sweep_blobs()
        self.erase_blobs(grace=0)
        return True


class Sweeper:
    """A thread that does what nobody waits for, again and again."""

    def __init__(self, name: str, task: Callable[[], None], every: float) -> None:
        self._task = task
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            self._task()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
