"""One change of what is said of a file and a tag: written, journalled, counted and told, in the caller's change."""

from collections.abc import Sequence

import msgspec

from gateway.service.core import Change, Core
from gateway.store.base import EdgeStep, MembersStep, TagStep, VocabularyStep
from gateway.store.rows import ChangeRow, EdgeRow, TagRow
from graphfs.errors import AlreadyExists
from graphfs.model import EdgeState, EventKind, Source
from graphfs.names import check_tag_name, fold


class Ledger:
    """The tag changes of one batch, collected while a change runs and written at its end by `close`."""

    def __init__(self, part: "EdgePart", change: Change, why: str) -> None:
        self._part = part
        self._change = change
        self._why = why
        self._rows: list[ChangeRow] = []
        self._files: dict[int, None] = {}
        self._tags: set[int] = set()
        self._made: dict[tuple[int, str], TagRow] = {}
        self.batch = 0

    def say(self, before: EdgeRow | None, after: EdgeRow | None) -> None:
        """Replaces what is said of one file and tag."""
        row = after or before
        if row is None or before == after:
            return
        if after is None:
            self._change.tx.delete_edge(row.file, row.tag)
        else:
            self._change.tx.put_edges((after,))
        self._rows.append(ChangeRow("edge", row.file, row.tag, _json(before), _json(after)))
        self._files[row.file] = None
        self._tags.add(row.tag)
        self._change.then(EdgeStep(row.file, row.tag, after.state if after else None))

    def tag(self, before: TagRow | None, after: TagRow | None) -> None:
        """Makes, alters or deletes a tag."""
        row = after or before
        if row is None or before == after:
            return
        if after is None:
            self._change.tx.delete_tag(row.id)
        else:
            self._change.tx.put_tag(after)
        self._rows.append(ChangeRow("tag", 0, row.id, _json(before), _json(after)))
        self._change.then(VocabularyStep())

    def note(self, kind: str, file: int, tag: int, before: str, after: str) -> None:
        """Journals something that is neither an edge nor a tag (an alias)."""
        self._rows.append(ChangeRow(kind, file, tag, before, after))
        self._change.then(VocabularyStep())

    def ensure(self, path: str, *, proposed: bool = False) -> int:
        """The tag at this path, made with its parents where it is missing. A tag that was only proposed becomes one
        of the
        vocabulary, unless this is a proposal too."""
        parent = 0
        for name in path.split("/"):
            name = check_tag_name(name)
            key = fold(name)
            made = self._made.get((parent, key))
            found = made or self._part.index.child(parent, key)
            if found is None:
                found = self._part.index.proposal(parent, key)
                if found is not None and not proposed:
                    found = self._confirm(found.id, name)
            parent = found.id if found is not None else self.make(parent, name, proposed=proposed).id
        return parent

    def _confirm(self, tag: int, name: str) -> TagRow:
        row = self._part.index.rows[tag]
        confirmed = TagRow(row.id, row.parent, name, row.key, self._change.now)
        self.tag(row, confirmed)
        self._made[row.parent, row.key] = confirmed
        return confirmed

    def make(self, parent: int, name: str, *, proposed: bool = False) -> TagRow:
        """A new tag. AlreadyExists."""
        name = check_tag_name(name)
        key = fold(name)
        if (parent, key) in self._made or self._part.index.child(parent, key) is not None:
            raise AlreadyExists(f"there is a tag {name!r} here already")
        proposal = self._part.index.proposal(parent, key)
        if proposal is not None and not proposed:
            return self._confirm(proposal.id, name)
        now = self._change.now
        tag = self._change.tx.add_tag(parent, name, key, now, proposed=proposed)
        row = TagRow(tag, parent, name, key, now, proposed)
        self._made[parent, key] = row
        self._rows.append(ChangeRow("tag", 0, row.id, "null", _json(row)))
        self._change.then(TagStep(row))
        return row

    def close(self) -> int:
        """Writes the batch, recounts the files, tells everyone; returns how many edges changed."""
        change, part = self._change, self._part
        if not self._rows:
            return 0
        tx, caller, now = change.tx, change.caller, change.now
        gap = int(part.settings.batch_gap * 1e9)
        self.batch = tx.open_batch(caller.uid, caller.pid, part.actor(caller), self._why, now, gap)
        tx.add_changes(self.batch, self._rows, now)
        for file in self._files:
            node = tx.count_tags(file, now)
            if node:
                change.tell(EventKind.NODE, node)
        touched: set[int] = set()
        for tag in self._tags:
            touched |= part.index.lineage(tag) or {tag}
        if touched:
            tx.touch_tags(touched, now)
            change.then(MembersStep(tuple(touched), now))
        change.tell(EventKind.TAGS)
        return sum(1 for row in self._rows if row.kind == "edge")


def _json(row: EdgeRow | TagRow | None) -> str:
    return msgspec.json.encode(row).decode()


class EdgePart(Core):
    """What a person's word does to edges; the other parts build on it."""

    def give_tags(self, change: Change, file: int, add: Sequence[str], why: str) -> int:
        """Gives a file that has none these tags; how many they are."""
        ledger = Ledger(self, change, why)
        tags = dict.fromkeys([ledger.ensure(path) for path in add])
        for tag in tags:
            self.person_gives(change, ledger, file, tag, None)
        ledger.close()
        return len(tags)

    def person_gives(self, change: Change, ledger: Ledger, file: int, tag: int, before: EdgeRow | None) -> None:
        if before is not None and before.state == EdgeState.APPLIED and before.source == Source.PERSON:
            return
        after = EdgeRow(
            file, tag, EdgeState.APPLIED, Source.PERSON, at=change.now, actor=self.actor(change.caller),
            model=before.model if before else "", evidence=before.evidence if before else "",
        )  # fmt: skip
        ledger.say(before, after)

    def person_takes(self, change: Change, ledger: Ledger, before: EdgeRow) -> None:
        """It is remembered as rejected, whoever gave it, or a machine would give it again."""
        if before.state == EdgeState.REJECTED:
            return
        after = EdgeRow(
            before.file, before.tag, EdgeState.REJECTED, before.source, before.model, before.prompt, before.confidence,
            before.evidence, change.now, self.actor(change.caller),
        )  # fmt: skip
        ledger.say(before, after)

    def copy_edges(self, change: Change, edges: Sequence[EdgeRow], file: int) -> None:
        """The same words about another file (a safe save whose new file had tags of its own)."""
        ledger = Ledger(self, change, "saved over a file with tags")
        for edge in edges:
            ledger.say(None, EdgeRow(file, *(getattr(edge, name) for name in EdgeRow.__struct_fields__[1:])))
        ledger.close()
