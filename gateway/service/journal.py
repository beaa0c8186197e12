"""The journal of tag changes, and taking them back."""

import msgspec

from gateway.service.core import Change, again
from gateway.service.edges import EdgePart, Ledger
from gateway.service.repeats import batch_entry, once
from gateway.store.rows import AliasRow, BatchRow, ChangeRow, EdgeRow, TagRow
from graphfs.errors import Conflict, NotFound
from graphfs.model import Caller, JournalEntry
from graphfs.names import fold


def _entry(row: BatchRow) -> JournalEntry:
    return JournalEntry(row.id, row.at, row.actor, row.why, row.changes, row.undone)


class JournalPart(EdgePart):
    """Implements `journal` and `undo` of `graphfs.api.Tags`."""

    def journal(self, caller: Caller, limit: int = 20, before: int = 0) -> list[JournalEntry]:
        return [_entry(row) for row in self.store.batches(limit, before) if self._may_undo(caller, row)]

    def _may_undo(self, caller: Caller, row: BatchRow) -> bool:
        return caller.uid in (0, self.settings.owner, row.uid)

    @once(batch_entry)
    @again
    def undo(self, caller: Caller, batch: int = 0) -> JournalEntry:
        with self.change(caller) as change:
            tx = change.tx
            row = tx.batch(batch) if batch else tx.last_batch(caller.uid)
            if row is None or not self._may_undo(caller, row):
                raise NotFound(f"there is no batch {batch}" if batch else "there is nothing to undo")
            if row.undone:
                raise Conflict(f"batch {row.id} was undone already")
            # A batch of its own: never joined with what the same process did before.
            alone = msgspec.structs.replace(caller, pid=0)
            taking_back = Change(tx, alone, change.now)
            ledger = Ledger(self, taking_back, f"undo of {row.id}: {row.why}")
            known = {one.id for one in tx.tags()}
            for step in reversed(tx.changes(row.id)):
                self._take_back(change, ledger, step, known)
                if step.kind == "tag":
                    known = {one.id for one in tx.tags()}
            ledger.close()
            tx.mark_undone(row.id)
            change.absorb(taking_back)
            done = tx.batch(ledger.batch) if ledger.batch else None
        return _entry(done or row)

    def _take_back(self, change: Change, ledger: Ledger, step: ChangeRow, known: set[int]) -> None:
        """One step, unless somebody changed the same since."""
        tx = change.tx
        if step.kind == "edge":
            before = msgspec.json.decode(step.before, type=EdgeRow | None)
            after = msgspec.json.decode(step.after, type=EdgeRow | None)
            said = next((row for row in tx.edges(step.file) if row.tag == step.tag), None)
            if said == after and (before is None or step.tag in known) and tx.by_file(step.file) is not None:
                ledger.say(said, before)
        elif step.kind == "tag":
            self._take_back_tag(change, ledger, step)
        elif step.kind == "alias":
            self._take_back_alias(change, ledger, step)

    def _take_back_alias(self, change: Change, ledger: Ledger, step: ChangeRow) -> None:
        tx = change.tx
        was = msgspec.json.decode(step.before, type=AliasRow | None)
        is_now = msgspec.json.decode(step.after, type=AliasRow | None)
        if is_now is not None:
            if is_now not in tx.aliases():
                return
            tx.delete_alias(is_now.parent, is_now.key)
        if was is not None:
            rows = tx.tags()
            taken = any((row.parent, row.key) == (was.parent, was.key) and row.id != was.tag for row in rows)
            taken = taken or any((one.parent, one.key) == (was.parent, was.key) for one in tx.aliases())
            if taken or not any(row.id == was.tag and row.parent == was.parent for row in rows):
                # Its name is somebody else's by now, or its tag is elsewhere: a name leads to one tag only.
                return
            tx.put_alias(was)
        ledger.note("alias", 0, step.tag, step.after, step.before)

    def _take_back_tag(self, change: Change, ledger: Ledger, step: ChangeRow) -> None:
        tx = change.tx
        before = msgspec.json.decode(step.before, type=TagRow | None)
        rows = {row.id: row for row in tx.tags()}
        now = rows.get(step.tag)
        if before is None:
            # It was made then: it goes again, unless it came to be used since.
            if now is not None and not tx.edges_of(now.id) and not any(row.parent == now.id for row in rows.values()):
                ledger.tag(now, None)
            return
        if before.parent and before.parent not in rows:
            before = msgspec.structs.replace(before, parent=0)
        taken = {row.key for row in rows.values() if row.parent == before.parent and row.id != before.id}
        taken |= {one.key for one in tx.aliases() if one.parent == before.parent and one.tag != before.id}
        name, number = before.name, 2
        while fold(name) in taken:
            name, number = f"{before.name} ({number})", number + 1
        ledger.tag(now, msgspec.structs.replace(before, name=name, key=fold(name)))
