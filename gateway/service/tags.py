"""The vocabulary and who has what: everything a person does with tags."""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from gateway.service.core import Change, again
from gateway.service.edges import EdgePart, Ledger
from gateway.service.index import Proposals
from gateway.service.repeats import batch_made, nothing, once, tag_renamed, tag_there, tags_merged
from gateway.store.rows import AliasRow, EdgeRow, TagRow
from graphfs.errors import AlreadyExists, InvalidArgument, NoAttribute, NotEmpty, NotFound
from graphfs.model import Caller, Edge, EdgeState, Merge, Source, Tag, XattrMode
from graphfs.names import check_tag_name, fold

_STATES = {state.value: state for state in EdgeState}
_SOURCES = {source.value: source for source in Source}
_STRENGTH = {Source.RULE.value: 1, Source.MODEL.value: 0, Source.PERSON.value: 2}


class TagPart(EdgePart):
    """Implements the vocabulary half of `graphfs.api.Tags`; `JournalPart` has the other."""

    def visible(self, caller: Caller, files: Iterable[int]) -> int:
        raise NotImplementedError

    def members(self, caller: Caller, tag: int) -> int:
        """How many live files with the tag, or one below it, the caller may see."""
        raise NotImplementedError

    def need_tag(self, path: str) -> TagRow:
        """The tag at a path, by names or aliases. NotFound."""
        tag = 0
        for name in path.split("/"):
            found = self.index.child(tag, fold(name))
            if found is None:
                raise NotFound(f"there is no tag {path!r}")
            tag = found.id
        return self.index.rows[tag]

    def tag_record(self, caller: Caller, row: TagRow) -> Tag:
        files = self.members(caller, row.id)
        return Tag(
            row.id,
            row.parent,
            self.index.path(row.id),
            files,
            self.index.changed(row.id),
            self.index.aliases_of(row.id),
        )

    def tags(self, caller: Caller) -> list[Tag]:
        found, pending = [], [0]
        while pending:
            above = pending.pop()
            if above:
                found.append(self.tag_record(caller, self.index.rows[above]))
            below = sorted(self.index.children(above), key=lambda ref: fold(ref.name), reverse=True)
            pending += [ref.id for ref in below]
        return found

    def edges(self, caller: Caller, file: int) -> list[Edge]:
        self.need_file(self.store, file)
        if not self.visible(caller, (file,)) and file in self.index.live:
            raise NotFound(f"no file has the id {file}")
        found = [self._edge(row) for row in self.store.edges(file) if row.tag in self.index.rows]
        return sorted(found, key=lambda edge: (-edge.confidence, edge.tag))

    def _edge(self, row: EdgeRow) -> Edge:
        state, source = _STATES[row.state], _SOURCES[row.source]
        said = (row.model, row.prompt, row.confidence, row.evidence, row.at, row.actor)
        return Edge(self.index.path(row.tag), state, source, *said)

    @again
    def change_tags(
        self, caller: Caller, files: Sequence[int], add: Sequence[str], remove: Sequence[str], *, why: str = ""
    ) -> int:
        with self.change(caller) as change:
            ledger = Ledger(self, change, why)
            gone: set[int] = set()
            for path in remove:
                for name in path.split("/"):
                    check_tag_name(name)
                # Nobody has a tag that does not exist; one that is only proposed can be rejected.
                if found := self.index.known(path):
                    gone.update(self.index.subtree(found))
            for file in files:
                self.need_file(change.tx, file)
            new = [ledger.ensure(path) for path in add]
            for file in files:
                said = {row.tag: row for row in change.tx.edges(file)}
                for tag in gone & said.keys() - set(new):
                    self.person_takes(change, ledger, said[tag])
                for tag in dict.fromkeys(new):
                    self.person_gives(change, ledger, file, tag, said.get(tag))
            return ledger.close()

    @once(nothing)
    @again
    def set_tags(
        self, caller: Caller, file: int, tags: Sequence[str], mode: XattrMode = XattrMode.ANY, *, why: str = ""
    ) -> None:
        with self.change(caller) as change:
            self.need_file(change.tx, file)
            said = {row.tag: row for row in change.tx.edges(file)}
            given = [row.tag for row in said.values() if row.state == EdgeState.APPLIED and row.tag in self.index.rows]
            if given and mode is XattrMode.CREATE:
                raise AlreadyExists("the file has tags")
            if not given and mode is XattrMode.REPLACE:
                raise NoAttribute("the file has no tags")
            ledger = Ledger(self, change, why)
            wanted = dict.fromkeys([ledger.ensure(path) for path in tags])
            # What was suggested below a tag that is taken goes with it.
            gone = {below for tag in given if tag not in wanted for below in self.index.subtree(tag)}
            for tag in gone & said.keys() - wanted.keys():
                self.person_takes(change, ledger, said[tag])
            for tag in wanted:
                if tag not in given:
                    self.person_gives(change, ledger, file, tag, said.get(tag))
            ledger.close()

    @again
    def put_edges(self, caller: Caller, file: int, edges: Sequence[Edge], *, why: str = "") -> int:
        with self.change(caller) as change:
            self.need_file(change.tx, file)
            ledger = Ledger(self, change, why)
            said = {row.tag: row for row in change.tx.edges(file)}
            for edge in edges:
                tag = ledger.ensure(edge.tag, proposed=edge.state != EdgeState.APPLIED)
                row = EdgeRow(
                    file, tag, edge.state, edge.source, edge.model, edge.prompt, edge.confidence, edge.evidence,
                    edge.at or change.now, edge.actor or self.actor(caller),
                )  # fmt: skip
                ledger.say(said.get(tag), row)
            return ledger.close()

    @once(tag_there)
    @again
    def create_tag(self, caller: Caller, path: str) -> Tag:
        above, _, name = path.rpartition("/")
        with self.change(caller) as change:
            ledger = Ledger(self, change, f"new tag {path}")
            row = ledger.make(ledger.ensure(above) if above else 0, name)
            ledger.close()
        return self.tag_record(caller, self.index.rows[row.id])

    @once(nothing)
    @again
    def delete_tag(self, caller: Caller, path: str) -> None:
        with self.change(caller) as change:
            row = self.need_tag(path)
            tags = self.index.subtree(row.id)
            if any(not self.index.rows[tag].proposed for tag in tags[1:]):
                raise NotEmpty(f"there are tags below {path!r}")
            said = [edge for tag in tags for edge in change.tx.edges_of(tag)]
            if any(edge.state == EdgeState.APPLIED and edge.file in self.index.live for edge in said):
                raise NotEmpty(f"files have the tag {path!r}")
            ledger = Ledger(self, change, f"tag {path} deleted")
            self._drop(ledger, tags, said)
            ledger.close()

    @once(batch_made)
    @again
    def drop_tag(self, caller: Caller, path: str, *, why: str = "") -> int:
        with self.change(caller) as change:
            row = self.need_tag(path)
            ledger = Ledger(self, change, why or f"tag {path} removed")
            self._drop_all(change, ledger, row.id)
            ledger.close()
            return ledger.batch

    def _drop_all(self, change: Change, ledger: Ledger, tag: int) -> None:
        tags = self.index.subtree(tag)
        self._drop(ledger, tags, [edge for one in tags for edge in change.tx.edges_of(one)])

    def _drop(self, ledger: Ledger, tags: Sequence[int], said: Sequence[EdgeRow]) -> None:
        for edge in said:
            ledger.say(edge, None)
        for alias in self.store.aliases():
            if alias.tag in tags:
                ledger.note("alias", 0, alias.tag, msgspec.json.encode(alias).decode(), "null")
        for tag in reversed(tags):
            ledger.tag(self.index.rows[tag], None)

    @once(tag_renamed)
    @again
    def rename_tag(self, caller: Caller, path: str, new_path: str) -> Tag:
        above, _, name = new_path.rpartition("/")
        name = check_tag_name(name)
        with self.change(caller) as change:
            row = self.need_tag(path)
            parent = self.need_tag(above).id if above else 0
            if parent and row.id in self.index.lineage(parent):
                raise InvalidArgument(f"{new_path!r} lies below {path!r} itself")
            key = fold(name)
            there = self.index.child(parent, key)
            ledger = Ledger(self, change, f"tag {path} renamed to {new_path}")
            if there is not None and there.id != row.id:
                raise AlreadyExists(f"there is a tag {new_path!r} already: to join the two, merge them")
            if there is not None and (parent, key) != (row.parent, row.key):
                alias = AliasRow(parent, key, there.name, row.id)
                change.tx.delete_alias(parent, key)
                ledger.note("alias", 0, row.id, msgspec.json.encode(alias).decode(), "null")
            proposal = self.index.proposal(parent, key)
            if proposal is not None:
                # What a machine proposed under this name is answered by the name being taken.
                self._drop_all(change, ledger, proposal.id)
            ledger.tag(row, TagRow(row.id, parent, name, key, change.now))
            ledger.close()
        return self.tag_record(caller, self.index.rows[row.id])

    @once(nothing)
    @again
    def set_alias(self, caller: Caller, path: str, alias: str) -> None:
        name = check_tag_name(alias)
        with self.change(caller) as change:
            row = self.need_tag(path)
            there = self.index.child(row.parent, fold(name))
            if there is not None:
                if there.id == row.id:
                    return
                raise AlreadyExists(f"{alias!r} already names a tag")
            ledger = Ledger(self, change, f"alias {alias} for {path}")
            self._alias(ledger, change.tx.put_alias, AliasRow(row.parent, fold(name), name, row.id))
            ledger.close()

    def _alias(self, ledger: Ledger, put: Callable[[AliasRow], None], row: AliasRow) -> None:
        put(row)
        ledger.note("alias", 0, row.tag, "null", msgspec.json.encode(row).decode())

    @once(tags_merged)
    @again
    def merge_tags(self, caller: Caller, path: str, into: str, *, preview: bool = False) -> Merge:
        with self.change(caller) as change:
            source, target = self.need_tag(path), self.need_tag(into)
            if source.id == target.id or source.id in self.index.lineage(target.id):
                raise InvalidArgument(f"{path!r} cannot be merged into {into!r}, which is the same or lies below it")
            pairs = self._pairs(source.id, target.id)
            having = self.index.direct(source.id) & self.index.live
            both = len(having & self.index.direct(target.id))
            children = sum(1 for _ in self.index.children(source.id))
            if not preview:
                ledger = Ledger(self, change, f"tag {path} merged into {into}")
                for one, other in pairs:
                    self._merge_one(
                        change.tx.edges_of(one), {e.file: e for e in change.tx.edges_of(other)}, other, ledger
                    )
                merged = {one for one, _ in pairs}
                onto = dict(pairs)
                for tag in self.index.subtree(source.id):
                    row = self.index.rows[tag]
                    if tag not in merged and row.parent in merged:
                        ledger.tag(row, TagRow(tag, onto[row.parent], row.name, row.key, change.now))
                for one in reversed([tag for tag, _ in pairs]):
                    ledger.tag(self.index.rows[one], None)
                self._alias(ledger, change.tx.put_alias, AliasRow(source.parent, source.key, source.name, target.id))
                ledger.close()
        return Merge(len(having), both, children, not preview)

    def _pairs(self, source: int, target: int) -> list[tuple[int, int]]:
        """Tags that become one: the two, and their children of equal name, down the trees; parents first."""
        pairs = [(source, target)]
        everything = Proposals(self.index)
        for one, other in pairs:
            for ref in everything.children(one):
                twin = everything.child(other, fold(ref.name))
                if twin is not None and twin.id not in self.index.subtree(source):
                    pairs.append((ref.id, twin.id))
        return pairs

    def _merge_one(self, edges: Sequence[EdgeRow], there: dict[int, EdgeRow], target: int, ledger: Ledger) -> None:
        for edge in edges:
            moved = EdgeRow(edge.file, target, *(getattr(edge, name) for name in EdgeRow.__struct_fields__[2:]))
            other = there.get(edge.file)
            ledger.say(edge, None)
            if other is None or _rank(moved) > _rank(other):
                ledger.say(other, moved)


def _rank(edge: EdgeRow) -> tuple[int, int]:
    """A person's word stands above a machine's; of equals, given above waiting above rejected."""
    states = (EdgeState.REJECTED, EdgeState.REVIEW, EdgeState.APPLIED)
    person = edge.source == Source.PERSON or edge.state == EdgeState.REJECTED
    return int(person), states.index(EdgeState(edge.state)) * 3 + _STRENGTH[edge.source]
