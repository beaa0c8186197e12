"""Tags, edges, the journal, the trash and jobs as a change sees and writes them."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from gateway.store.base import Overtaken
from gateway.store.neo4j.pending import Pending
from gateway.store.neo4j.reader import JobRow, answer_key, record_of
from gateway.store.neo4j.writes import Key, key, text_key
from gateway.store.rows import AliasRow, BatchRow, ChangeRow, DueJob, EdgeRow, TagRow, TokenRow, TrashRow
from graphfs.model import JobRecord


class PendingGraph(Pending):
    """The graph's half of a transaction."""

    # -- tags

    def tags(self) -> list[TagRow]:
        self.reads.add(key(Key.VOCABULARY))
        rows: dict[int, TagRow | None] = {row.id: row for row in self._read.tags()}
        rows.update(self.out.tags)
        return [row for row in rows.values() if row is not None]

    def aliases(self) -> list[AliasRow]:
        self.reads.add(key(Key.VOCABULARY))
        rows: dict[tuple[int, str], AliasRow | None] = {(row.parent, row.key): row for row in self._read.aliases()}
        rows.update(self.out.aliases)
        gone = {tag for tag, row in self.out.tags.items() if row is None}
        return [
            row
            for place, row in rows.items()
            if row is not None and (place in self.out.aliases or not {row.tag, row.parent} & gone)
        ]

    def add_tag(self, parent: int, name: str, key_: str, now: int, *, proposed: bool = False) -> int:
        row = TagRow(self._next_id(), parent, name, key_, now, proposed)
        if parent and parent not in self.out.new_tags:
            self.reads.add(key(Key.TAG, parent))
        self.shared.add(key(Key.VOCABULARY))
        self.writes.add(text_key(Key.TAG, parent, key_))
        self.out.tags[row.id] = row
        self.out.new_tags.add(row.id)
        return row.id

    def put_tag(self, row: TagRow) -> None:
        self.reads.add(key(Key.VOCABULARY))
        self.shared.add(key(Key.VOCABULARY))
        self.writes |= {key(Key.TAG, row.id), text_key(Key.TAG, row.parent, row.key)}
        self.out.tags[row.id] = row

    def delete_tag(self, tag: int) -> None:
        self.reads.add(key(Key.VOCABULARY))
        self.shared.add(key(Key.VOCABULARY))
        self.writes.add(key(Key.TAG, tag))
        self.out.tags[tag] = None
        for place, row in list(self.out.aliases.items()):
            if row is not None and tag in (row.tag, row.parent):
                self.out.aliases[place] = None

    def touch_tags(self, tags: Iterable[int], now: int) -> None:
        self.out.touched_tags.update(dict.fromkeys(tags, now))

    def put_alias(self, row: AliasRow) -> None:
        self.reads.add(key(Key.VOCABULARY))
        self.shared.add(key(Key.VOCABULARY))
        self.out.aliases[row.parent, row.key] = row

    def delete_alias(self, parent: int, key_: str) -> None:
        self.reads.add(key(Key.VOCABULARY))
        self.shared.add(key(Key.VOCABULARY))
        self.out.aliases[parent, key_] = None

    # -- edges

    def _fetch_edges(self, files: Sequence[int]) -> None:
        """Reads what is said of many files at once."""
        missing = [file for file in files if file not in self._edges]
        for file in missing:
            self._edges[file] = {}
        if missing:
            for row in self._read.edges_of_files(missing):
                self._edges[row.file][row.tag] = row
            for (file, tag), one in self.out.edges.items():
                if file in missing:
                    self._say(file, tag, one)

    def _say(self, file: int, tag: int, row: EdgeRow | None) -> None:
        if file in self._edges:
            if row is None:
                self._edges[file].pop(tag, None)
            else:
                self._edges[file][tag] = row

    def edges(self, file: int) -> list[EdgeRow]:
        self.reads.add(key(Key.EDGES, file))
        self._fetch_edges((file,))
        return list(self._edges[file].values())

    def edges_of(self, tag: int) -> list[EdgeRow]:
        self.reads.add(key(Key.MEMBERS, tag))
        rows = [row for row in self._read.edges_of(tag) if (row.file, tag) not in self.out.edges]
        return rows + [row for (_, one), row in self.out.edges.items() if one == tag and row is not None]

    def put_edges(self, rows: Iterable[EdgeRow]) -> None:
        for row in rows:
            if row.tag not in self.out.tags:
                self.reads.add(key(Key.TAG, row.tag))
            self.reads.add(key(Key.FILE, row.file))
            self._set_edge(row.file, row.tag, row)

    def delete_edge(self, file: int, tag: int) -> None:
        self._set_edge(file, tag, None)

    def _set_edge(self, file: int, tag: int, row: EdgeRow | None) -> None:
        self.writes.add(key(Key.EDGES, file))
        self.shared.add(key(Key.MEMBERS, tag))
        self.out.edges[file, tag] = row
        self._say(file, tag, row)

    def delete_edges(self, file: int) -> None:
        for row in self.edges(file):
            self.delete_edge(file, row.tag)

    def count_tags(self, file: int, now: int) -> int:
        node = self.by_file(file)
        if node is None:
            return 0
        self.writes.add(key(Key.NODE, node.id))
        self.shared.add(key(Key.TIMES, node.id))
        applied = sum(1 for row in self.edges(file) if row.state == "applied")
        self._patch(node.id, tags=applied, ctime=now)
        return node.id

    # -- the journal and the trash

    def open_batch(self, uid: int, pid: int, actor: str, why: str, now: int, gap: int) -> int:
        if pid:
            for row in self._read.recent_batches():
                if (row.uid, row.pid, row.actor) == (uid, pid, actor):
                    if not row.undone and 0 <= now - row.last < gap:
                        self.out.batches.setdefault(row.id, row)
                        self.reads.add(key(Key.BATCH, row.id))
                        return row.id
                    break
        batch = BatchRow(self._next_id(), now, now, uid, pid, actor, why, 0, False)
        self.out.batches[batch.id] = batch
        return batch.id

    def batch(self, batch: int) -> BatchRow | None:
        self.reads.add(key(Key.BATCH, batch))
        return self.out.batches.get(batch) or self._read.batch(batch)

    def last_batch(self, uid: int) -> BatchRow | None:
        return self._read.last_batch(uid)

    def changes(self, batch: int) -> list[ChangeRow]:
        own = [row for number, _, rows in self.out.steps if number == batch for row in rows]
        return self._read.changes(batch) + own

    def _save_batch(self, batch: int, **values: Any) -> BatchRow:
        row = self.batch(batch)
        if row is None:
            raise Overtaken
        self.writes.add(key(Key.BATCH, batch))
        self.out.batches[batch] = msgspec.structs.replace(row, **values)
        return row

    def add_changes(self, batch: int, rows: Sequence[ChangeRow], now: int) -> None:
        row = self.batch(batch)
        first = row.changes if row else 0
        self._save_batch(batch, changes=first + len(rows), last=now)
        self.out.steps.append((batch, first, list(rows)))

    def mark_undone(self, batch: int) -> None:
        self._save_batch(batch, undone=True)

    def add_trash(self, node: int, path: str, now: int, uid: int, actor: str, why: str) -> None:
        self.writes.add(key(Key.TRASH, node))
        self.out.trash[node] = TrashRow(node, path, now, uid, actor, why)

    def delete_trash(self, item: int) -> None:
        self.writes.add(key(Key.TRASH, item))
        self.out.trash[item] = None

    def trashed(self, item: int) -> TrashRow | None:
        self.reads.add(key(Key.TRASH, item))
        return self.out.trash[item] if item in self.out.trash else self._read.trashed(item)

    # -- jobs

    def _job(self, file: int) -> JobRow | None:
        self.reads.add(key(Key.JOB, file))
        if file not in self._jobs:
            self._jobs[file] = self._read.job_row(file)
        return self._jobs[file]

    def _set_job(self, file: int, row: JobRow | None) -> None:
        self.writes.add(key(Key.JOB, file))
        self._jobs[file] = self.out.jobs[file] = row

    def job(self, file: int) -> JobRecord | None:
        row = self._job(file)
        return record_of(row) if row else None

    def lease_of(self, file: int) -> tuple[str, int]:
        row = self._job(file)
        return (row.lease, row.lease_until) if row else ("", 0)

    def jobs(self, state: str, limit: int) -> list[JobRecord]:
        rows = [row for row in self._read.jobs(state, limit) if row.file not in self.out.jobs]
        own = [record_of(row) for row in self.out.jobs.values() if row is not None and row.state == state]
        return (rows + own)[:limit] if limit else rows + own

    def queue(self, file: int, not_before: int) -> None:
        node = self.by_file(file)
        self._set_job(file, JobRow(file, "queued", 0, not_before, "", 0, "", "", node.uid if node else 0))

    def delete_job(self, file: int) -> None:
        self._set_job(file, None)

    def job_owners(self) -> list[int]:
        return self._read.owners()

    def due_jobs(self, now: int, limit: int, owner: int) -> list[DueJob]:
        found = [DueJob(*row) for row in self._read.due(now, limit, owner) if row[0] not in self.out.jobs]
        self.reads |= {key(Key.JOB, one.file) for one in found}
        self._owners.update({one.file: owner for one in found})
        return found

    def _turn_of(self, file: int) -> int:
        """Whose turn a job is: known of those that are due, else read."""
        if file not in self._jobs and file in self._owners:
            return self._owners[file]
        row = self._job(file)
        return row.owner if row else 0

    def save_job(
        self,
        file: int,
        state: str,
        attempts: int,
        not_before: int,
        lease: str,
        lease_until: int,
        worker: str,
        error: str,
    ) -> None:
        # Only a job that is there is altered; whoever calls has read it in this change.
        if file not in self.out.jobs or self.out.jobs[file] is not None:
            owner = self._turn_of(file)
            self._set_job(file, JobRow(file, state, attempts, not_before, lease, lease_until, worker, error, owner))

    def save_answer(self, content: str, model: str, prompt: str, texts: str) -> None:
        self.shared.add(key(Key.BLOB))
        self.out.answers[answer_key(content, model, prompt)] = texts

    # -- tokens and keys

    def tokens(self) -> list[TokenRow]:
        self.reads.add(key(Key.TOKENS))
        rows: dict[str, TokenRow | None] = {row.name: row for row in self._read.tokens()}
        rows.update(self.out.tokens)
        return [row for row in rows.values() if row is not None]

    def add_token(self, row: TokenRow) -> None:
        self.writes.add(key(Key.TOKENS))
        self.out.tokens[row.name] = row

    def delete_token(self, name: str) -> None:
        self.writes.add(key(Key.TOKENS))
        self.out.tokens[name] = None

    def memo(self, name: str) -> str:
        self.reads.add(text_key(Key.BLOB, 2, name))
        own = self.out.answers.get(answer_key("", "memo", name))
        return self._read.memo(name) if own is None else own

    def save_memo(self, name: str, text: str) -> None:
        self.writes.add(text_key(Key.BLOB, 2, name))
        self.out.answers[answer_key("", "memo", name)] = text

    def done(self, key_: str) -> bool:
        # Nearly always it is not: the commit looks, and a second try asks here.
        return key_ in self.out.done or (self._careful and self._read.done(key_))

    def lend(self, folders: Sequence[int], mount: int) -> None:
        self.reads |= {key(Key.NODE, folder) for folder in folders}
        self.out.loans.update(dict.fromkeys(folders, mount))

    def mark_done(self, key_: str, now: int) -> None:
        self.writes.add(text_key(Key.BLOB, 1, key_))
        self.out.done[key_] = now

    def forget_done(self, before: int) -> None:
        self.shared.add(key(Key.BLOB))
        self.out.forgotten.append(before)
