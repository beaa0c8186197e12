"""The graph in memory: tags by name, and the set of files of each as a Roaring bitmap. Queries are answered from here.

It is derived from the store, filled when the drive is opened and brought up to date after every commit, so a listing
never
recounts edges (facts: TMSU needs 10 s for that). What a query means is said by `graphfs.query.evaluate`; property tests
hold this equal to it. Readers may come from any thread: sets that were handed out are never changed, but for closures.
"""

import threading
from collections.abc import Callable, Iterable

from pyroaring import BitMap64

from gateway.service.namesakes import Namesakes
from gateway.store.base import (
    EdgeStep,
    LiveStep,
    MembersStep,
    NameStep,
    PathsStep,
    Step,
    Store,
    TagStep,
    VocabularyStep,
)
from gateway.store.rows import AliasRow, TagRow
from graphfs.model import EdgeState
from graphfs.names import fold
from graphfs.query.ast import All, And, Not, Or, Query, Range, Recent, Review, Search, Tag, Term, Untagged
from graphfs.query.ranges import range_test
from graphfs.query.vocabulary import TagRef


class Index:
    """Implements `graphfs.query.vocabulary.Vocabulary` over one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.RLock()
        self.generation = 0
        """Grows with every change: what was computed under an older one may be wrong."""
        self.vocabulary = 0
        """Grows when tags or their names change: what a path means may be another thing."""
        self.live = BitMap64()
        self.namesakes = Namesakes(store.own_names)
        self.rows: dict[int, TagRow] = {}
        self._below: dict[int, dict[str, int]] = {}
        self._proposed: dict[int, dict[str, int]] = {}
        """Tags that only a machine spoke of, kept apart: they answer to nobody but `Proposals`."""
        self._children: dict[int, tuple[TagRef, ...]] = {}
        """Of each tag that was asked for, by name, until the vocabulary changes."""
        self._aliases: dict[tuple[int, str], AliasRow] = {}
        self._direct: dict[int, BitMap64] = {}
        self._review: dict[int, BitMap64] = {}
        self._closures: dict[tuple[bool, int], BitMap64] = {}
        self._tagged: BitMap64 | None = None
        self._changed: dict[int, int] = {}
        self.started = store.clock()
        self.load()

    def load(self) -> None:
        """Forgets all and reads the store again."""
        with self._lock:
            self.live = BitMap64(self._store.live_files())
            self.namesakes = Namesakes(self._store.own_names)
            self._direct = self._members(EdgeState.APPLIED)
            self._review = self._members(EdgeState.REVIEW)
            self.load_tags()

    def _members(self, state: str) -> dict[int, BitMap64]:
        return {tag: BitMap64(files) for tag, files in self._store.members(state)}

    def load_tags(self) -> None:
        """After tags were made, renamed, moved or deleted."""
        with self._lock:
            self.rows = {row.id: row for row in self._store.tags()}
            self._below, self._proposed, self._children = {}, {}, {}
            for row in self.rows.values():
                self._side(row).setdefault(row.parent, {})[row.key] = row.id
            self._aliases = {(row.parent, row.key): row for row in self._store.aliases()}
            self.vocabulary += 1
            self._forget()

    def _side(self, row: TagRow) -> dict[int, dict[str, int]]:
        return self._proposed if row.proposed else self._below

    def add_tag(self, row: TagRow) -> None:
        """One new tag: what is known of the others stays."""
        with self._lock:
            self.rows[row.id] = row
            self._side(row).setdefault(row.parent, {})[row.key] = row.id
            self._children.pop(row.parent, None)
            self.vocabulary += 1
            self.generation += 1

    def apply(self, steps: Iterable[Step]) -> None:
        """What follows from a committed change. Applying it twice is the same as once."""
        with self._lock:
            reload = False
            for step in steps:
                match step:
                    case LiveStep(file, live):
                        self.set_live(file, live)
                        self.namesakes.forget(file)
                    case NameStep(file):
                        self.namesakes.forget(file)
                        self.generation += 1
                    case PathsStep():  # which of a file's names is shown hangs on the folders
                        self.generation += 1
                    case EdgeStep(file, tag, state):
                        self.set_edge(file, tag, state)
                    case TagStep(row):
                        self.add_tag(row)
                    case MembersStep(tags, now):
                        self.touch(tags, now)
                    case VocabularyStep():
                        reload = True
            if reload:
                self.load_tags()

    def touch(self, tags: Iterable[int], now: int) -> None:
        """The members of these tags changed."""
        with self._lock:
            for tag in tags:
                self._changed[tag] = now

    def changed(self, tag: int) -> int:
        row = self.rows.get(tag)
        return max(self._changed.get(tag, 0), row.changed if row else 0)

    def _forget(self) -> None:
        self.generation += 1
        self._closures.clear()
        self._tagged = None

    def set_live(self, file: int, live: bool) -> None:
        with self._lock:
            if live:
                self.live.add(file)
            else:
                self.live.discard(file)
            self.generation += 1

    def set_edge(self, file: int, tag: int, state: str | None) -> None:
        """What is said of a file and a tag now (None: nothing)."""
        with self._lock:
            for review, sets, kept in (
                (False, self._direct, EdgeState.APPLIED),
                (True, self._review, EdgeState.REVIEW),
            ):
                there = file in sets.get(tag, ())
                if there and state != kept:
                    sets[tag].discard(file)
                    for up in self.lineage(tag):
                        self._closures.pop((review, up), None)
                elif state == kept and not there:
                    sets.setdefault(tag, BitMap64()).add(file)
                    for up in self.lineage(tag):
                        if (review, up) in self._closures:
                            self._closures[review, up].add(file)
            self._tagged = None
            self.generation += 1

    # -- vocabulary

    def root(self, key: str) -> TagRef | None:
        return self.child(0, key)

    def child(self, tag: int, key: str) -> TagRef | None:
        found = self._below.get(tag, {}).get(key)
        if found is None:
            alias = self._aliases.get((tag, key))
            found = alias.tag if alias else None
        return TagRef(found, self.rows[found].name) if found is not None and found in self.rows else None

    def proposal(self, tag: int, key: str) -> TagRef | None:
        """A child that was only proposed."""
        found = self._proposed.get(tag, {}).get(key)
        return TagRef(found, self.rows[found].name) if found is not None else None

    def proposals(self, tag: int) -> Iterable[TagRef]:
        return [TagRef(one, self.rows[one].name) for one in list(self._proposed.get(tag, {}).values())]

    def children(self, tag: int) -> Iterable[TagRef]:
        found = self._children.get(tag)
        if found is None:
            with self._lock:
                below = sorted(self._below.get(tag, {}).items())
                found = self._children[tag] = tuple([TagRef(one, self.rows[one].name) for _, one in below])
        return found

    def keys(self, tag: int) -> set[str]:
        """Folded names and aliases of the children."""
        return {*self._below.get(tag, {}), *(key for above, key in self._aliases if above == tag)}

    def names(self, tag: int) -> tuple[str, ...]:
        found: list[str] = []
        while tag:
            row = self.rows[tag]
            found.append(row.name)
            tag = row.parent
        return tuple(reversed(found))

    def parent(self, tag: int) -> int:
        row = self.rows.get(tag)
        return row.parent if row else 0

    def path(self, tag: int) -> str:
        row = self.rows[tag]
        return "/".join(self.names(tag)) if row.parent else row.name

    def subtree(self, tag: int) -> list[int]:
        """The tag and all below it, proposed ones too, parents first."""
        found = [tag]
        for one in found:
            found += self._below.get(one, {}).values()
            found += self._proposed.get(one, {}).values()
        return found

    def known(self, path: str) -> int:
        """The tag at a path, one that is only proposed too; 0 when there is none."""
        tag = 0
        for name in path.split("/"):
            found = self.child(tag, fold(name)) or self.proposal(tag, fold(name))
            if found is None:
                return 0
            tag = found.id
        return tag

    def lineage(self, tag: int) -> set[int]:
        """The tag and all above it."""
        found = set()
        while tag:
            found.add(tag)
            tag = self.parent(tag)
        return found

    def aliases_of(self, tag: int) -> tuple[str, ...]:
        return tuple(row.name for row in self._aliases.values() if row.tag == tag)

    # -- sets

    def closure(self, tag: int, review: bool = False) -> BitMap64:
        """Files (live or not) with the tag or one below it. Not to be changed by who gets it, nor kept: it grows."""
        with self._lock:
            found = self._closures.get((review, tag))
            if found is None:
                sets = self._review if review else self._direct
                found = BitMap64.union(BitMap64(), *(sets[one] for one in self.subtree(tag) if one in sets))
                self._closures[review, tag] = found
            return found

    def sizes(self) -> tuple[int, int]:
        """How many tags are applied to files (live or not), and how many wait for review."""
        with self._lock:
            return sum(map(len, self._direct.values())), sum(map(len, self._review.values()))

    def direct(self, tag: int) -> BitMap64:
        with self._lock:
            return BitMap64(self._direct.get(tag, ()))

    def tagged(self) -> BitMap64:
        with self._lock:
            if self._tagged is None:
                self._tagged = BitMap64.union(BitMap64(), *self._direct.values())
            return self._tagged

    def evaluate(
        self, query: Query, recent: Callable[[], Iterable[int]], search: Callable[[str], Iterable[int]]
    ) -> BitMap64:
        """Stable ids of the live files that match. A new set."""
        with self._lock:
            return self.live & self._term(query.term, query.direct, recent, search)

    def _term(
        self, term: Term, direct: bool, recent: Callable[[], Iterable[int]], search: Callable[[str], Iterable[int]]
    ) -> BitMap64:
        match term:
            case All():
                return self.live
            case Tag(tag):
                return self._direct.get(tag, BitMap64()) if direct else self.closure(tag)
            case Range(parent, low, high):
                inside = range_test(low, high)
                tags = [tag for key, tag in self._below.get(parent, {}).items() if inside(key)]
                return BitMap64.union(
                    BitMap64(), *(self._direct.get(tag, BitMap64()) if direct else self.closure(tag) for tag in tags)
                )
            case Untagged():
                return self.live - self.tagged()
            case Recent():
                return BitMap64(recent())
            case Review(tag):
                if tag:
                    return self.closure(tag, review=True)
                return BitMap64.union(BitMap64(), *self._review.values())
            case Search(words):
                return BitMap64(search(words))
            case Not(inner):
                return self.live - self._term(inner, direct, recent, search)
            case And(terms):
                sets = sorted((self._term(one, direct, recent, search) for one in terms), key=len)
                return BitMap64.intersection(*sets)
            case Or(terms):
                return BitMap64.union(*(self._term(one, direct, recent, search) for one in terms))


class Proposals:
    """The vocabulary as who reviews sees it: what was only proposed is in it too."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def root(self, key: str) -> TagRef | None:
        return self.child(0, key)

    def child(self, tag: int, key: str) -> TagRef | None:
        return self._index.child(tag, key) or self._index.proposal(tag, key)

    def children(self, tag: int) -> Iterable[TagRef]:
        return sorted([*self._index.children(tag), *self._index.proposals(tag)], key=lambda one: fold(one.name))

    def names(self, tag: int) -> tuple[str, ...]:
        return self._index.names(tag)

    def parent(self, tag: int) -> int:
        return self._index.parent(tag)
