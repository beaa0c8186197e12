"""The durable queue: who may work on what, and how what they hand in becomes tags."""

import json
import random
import secrets
from collections.abc import Mapping, Sequence

from gateway.service.content import content_name
from gateway.service.core import Change, again
from gateway.service.edges import EdgePart, Ledger
from gateway.service.turns import Pace, Turns, left
from gateway.store.rows import EdgeRow
from graphfs.errors import AlreadyExists, Conflict, InvalidArgument, NameTooLong, NotFound
from graphfs.model import (
    FROM_TAGGER,
    Caller,
    EdgeState,
    EventKind,
    Job,
    JobRecord,
    JobState,
    Outcome,
    Queue,
    Source,
    Suggestion,
)

_TAGGER = Caller(uid=0, gid=0, actor="tagger")
_PAUSED = "paused"
"""The memo that says who paused the queue."""
_SPENT = "spent "
_DAY = 86_400 * 10**9
_MACHINES = (Source.RULE.value, Source.MODEL.value)


def backoff(attempts: int, base: float, most: float, jitter: float) -> float:
    """Seconds until the next attempt: doubled each time, at most `most`, of which half is left to chance (`jitter`
    from 0 to 1)."""
    whole = min(most, base * 2.0 ** min(attempts, 40))
    return whole / 2 + whole / 2 * jitter


class JobPart(EdgePart):
    """Implements `graphfs.api.Jobs`."""

    turns: Turns
    pace: Pace

    def queue_state(self, counts: Mapping[str, int]) -> Queue:
        """How the queue goes on."""
        now = self.clock()
        paused = self.store.memo(_PAUSED)
        pace = self.pace.per_second(now)
        reason, until = (f"paused by {paused}", 0) if paused else self.pace.reason(now)
        waiting = left(counts)
        seconds = waiting / pace if pace and waiting and not paused else None
        return Queue(bool(paused), reason, until, round(pace * 60, 1), seconds)

    @again
    def lease(self, worker: str, limit: int, seconds: float) -> list[Job]:
        with self.change(_TAGGER) as change:
            change.origin = FROM_TAGGER
            tx, now = change.tx, change.now
            found = []
            if tx.memo(_PAUSED):
                return []
            for due in self.turns.choose(tx.job_owners(), limit, lambda owner: tx.due_jobs(now, limit, owner)):
                # A lease that ran out was an attempt; too many of those and the file is what kills workers.
                attempts = due.attempts + 1
                if attempts > self.settings.max_attempts:
                    error = f"given up after {due.attempts} attempts that never came back"
                    tx.save_job(due.file, JobState.FAILED, due.attempts, 0, "", 0, "", error)
                    change.tell(EventKind.JOBS)
                    continue
                lease = secrets.token_hex(16)
                until = now + int(seconds * 1e9)
                tx.save_job(due.file, JobState.LEASED, attempts, 0, lease, until, worker, "")
                content = content_name(due.size, tx.extents(due.node))
                found.append(
                    Job(
                        due.file,
                        due.node,
                        due.version,
                        content,
                        self.oldest_path(due.node),
                        due.size,
                        attempts,
                        lease,
                        until,
                    )
                )
        return found

    @again
    def heartbeat(self, file: int, lease: str, seconds: float) -> bool:
        with self.change(_TAGGER) as change:
            record = change.tx.job(file)
            if record is None or record.state != JobState.LEASED or change.tx.lease_of(file)[0] != lease:
                return False
            until = change.now + int(seconds * 1e9)
            change.tx.save_job(file, JobState.LEASED, record.attempts, 0, lease, until, "", "")
        return True

    @again
    def finish(self, file: int, lease: str, outcome: Outcome) -> JobState:
        with self.change(_TAGGER) as change:
            change.origin = FROM_TAGGER
            tx, now = change.tx, change.now
            record = tx.job(file)
            if record is None:
                raise NotFound(f"file {file} has no job")
            if not lease or record.state != JobState.LEASED or tx.lease_of(file)[0] != lease:
                raise Conflict("the lease is no longer yours: the content changed or another worker has it")
            state, wait = self._next(record, outcome)
            if outcome.state is JobState.TAGGED:
                self._apply(change, file, outcome.suggestions)
            attempts = record.attempts if outcome.counts else record.attempts - 1
            if state is not JobState.QUEUED:
                change.after(lambda: self.pace.ended(now))
            elif outcome.error and not outcome.counts:
                change.after(lambda: self.pace.waits(outcome.error, now + int(wait * 1e9)))
            if state is JobState.QUEUED:
                tx.save_job(file, state, attempts, now + int(wait * 1e9), "", 0, "", outcome.error)
            else:
                tx.save_job(file, state, attempts, 0, "", 0, "", outcome.error)
            change.tell(EventKind.JOBS)
            node = tx.by_file(file)
            if node is not None:
                change.tell(EventKind.NODE, node.id)
        return state

    def _next(self, record: JobRecord, outcome: Outcome) -> tuple[JobState, float]:
        """Where the job goes, and after how many seconds when it goes back to the queue."""
        if outcome.state in (JobState.TAGGED, JobState.EXCLUDED):
            return outcome.state, 0.0
        if outcome.state is JobState.QUEUED and not outcome.counts:
            return JobState.QUEUED, outcome.retry_after or 0.0
        if outcome.retry_after is not None and record.attempts < self.settings.max_attempts:
            settings = self.settings
            wait = backoff(record.attempts - 1, settings.backoff, settings.backoff_max, random.random())
            return JobState.QUEUED, max(outcome.retry_after, wait)
        return JobState.FAILED, 0.0

    def _apply(self, change: Change, file: int, suggestions: Sequence[Suggestion]) -> None:
        tx = change.tx
        ledger = Ledger(self, change, "tagged")
        said = {row.tag: row for row in tx.edges(file)}
        refused = {row.tag for row in said.values() if row.state == EdgeState.REJECTED}
        for row in said.values():
            if row.state == EdgeState.APPLIED and refused:
                refused -= self.index.lineage(row.tag)  # a narrower one was chosen: others below it may be right too
        repeated: set[int] = set()
        for one in sorted(suggestions, key=lambda each: -each.confidence):
            state = self._state(one)
            if state is None or (refused and self._lies_below(one.tag, refused)):
                continue
            try:
                tag = ledger.ensure(one.tag, proposed=state is EdgeState.REVIEW)
            except (InvalidArgument, NameTooLong, AlreadyExists):
                continue  # A machine's word for a tag that cannot be one is dropped; the file is tagged all the same.
            if tag in repeated:
                continue
            repeated.add(tag)
            before = said.get(tag)
            if before is not None and (before.source not in _MACHINES or before.state == EdgeState.REJECTED):
                continue
            after = EdgeRow(
                file, tag, state, one.source, one.model, one.prompt, one.confidence, one.evidence, change.now, "tagger"
            )
            if before is None or _differs(before, after):
                ledger.say(before, after)
        for tag, before in said.items():
            if tag not in repeated and before.source in _MACHINES and before.state != EdgeState.REJECTED:
                ledger.say(before, None)
        ledger.close()

    def _lies_below(self, path: str, refused: set[int]) -> bool:
        """Whether a tag is one of these or lies below one: it would give again what was rejected."""
        names = path.split("/")
        return any(self.index.known("/".join(names[:end])) in refused for end in range(1, len(names) + 1))

    def _state(self, suggestion: Suggestion) -> EdgeState | None:
        if suggestion.confidence >= self.settings.apply_at:
            return EdgeState.APPLIED
        return EdgeState.REVIEW if suggestion.confidence >= self.settings.review_at else None

    def job(self, file: int) -> JobRecord:
        found = self.store.job(file)
        if found is None:
            raise NotFound(f"file {file} has no job")
        return self.job_record(found)

    @again
    def retry(self, caller: Caller, files: Sequence[int] = ()) -> int:
        with self.change(caller) as change:
            wanted = list(files) or [record.file for record in change.tx.jobs(JobState.FAILED, 0)]
            count = 0
            for file in wanted:
                if change.tx.job(file) is not None:
                    change.tx.queue(file, change.now)
                    count += 1
            if count:
                change.tell(EventKind.JOBS)
        return count

    @again
    def pause(self, caller: Caller, paused: bool) -> bool:
        with self.change(caller) as change:
            before = change.tx.memo(_PAUSED)
            if bool(before) != paused:
                change.tx.save_memo(_PAUSED, self.actor(caller) if paused else "")
                change.tell(EventKind.JOBS)
        return bool(before)

    @again
    def spend(self, endpoint: str, tokens: int) -> int:
        day = self.clock() // _DAY
        with self.change(_TAGGER) as change:
            known = change.tx.memo(f"{_SPENT}{endpoint}").partition(":")
            used = int(known[2]) if known[0] == str(day) else 0
            if tokens:
                change.tx.save_memo(f"{_SPENT}{endpoint}", f"{day}:{used + tokens}")
        return used + tokens

    def remembered(self, content: str, model: str, prompt: str) -> tuple[str, ...] | None:
        found = self.store.answer(content, model, prompt)
        return tuple(json.loads(found)) if found is not None else None

    @again
    def remember(self, content: str, model: str, prompt: str, texts: Sequence[str]) -> None:
        with self.change(_TAGGER) as change:
            change.tx.save_answer(content, model, prompt, json.dumps(list(texts)))


def _differs(one: EdgeRow, other: EdgeRow) -> bool:
    """Whether two words about the same file and tag say something else (not only at another time)."""
    fields = ("state", "source", "model", "prompt", "confidence", "evidence")
    return any(getattr(one, name) != getattr(other, name) for name in fields)
