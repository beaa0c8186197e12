"""Queries as folders: what the views below `tags/` are and list."""

import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from pyroaring import BitMap64

from gateway.service.index import Proposals
from gateway.service.tags import TagPart
from graphfs.errors import NotFound, NotSupported
from graphfs.model import SUPER_ROOT, Caller, Facet, Node, View, ViewEntry
from graphfs.names import derived_name, display_name, display_names, fold, parse_derived
from graphfs.query.ast import And, Not, Or, Query, Recent, Review, Tag, Term
from graphfs.query.facets import Limits, narrowing
from graphfs.query.parser import Operator, Path, expression, named, parse
from graphfs.query.text import parse_text
from graphfs.query.vocabulary import Vocabulary

_REMEMBERED = 256
_FRESH = 2000
"""The files that arrived lately are counted anew after a change, and after this part of the time that counts as
lately."""
_REVIEWING = 600 * 10**9
"""How long a tag that is only proposed can be named after its suggestions were looked at, ns."""


class Answer:
    """A path, what it means, and the files that match."""

    def __init__(self, path: Path, evaluate: Callable[[], BitMap64], until: int | None = None) -> None:
        """`until`: when it is another one by time alone, ns."""
        self.path = path
        self.until = until
        self.bounds: dict[int, int] = {}
        """How many of the files have a tag at most, of tags of which more is known than how many files there are. Put
        in place of itself, never changed."""
        self.younger: BitMap64 | None = None
        """The files whose name an older one of them has, once somebody reads them in parts."""
        self._evaluate = evaluate
        self._files: BitMap64 | None = None

    @property
    def files(self) -> BitMap64:
        """Not to be changed. Found when they are first asked for: whether a name is a tag needs none."""
        if self._files is None:
            self._files = self._evaluate()
        return self._files


class ViewPart(TagPart):
    """Implements `graphfs.api.Views`."""

    reviewed: dict[str, int]
    _answers: OrderedDict[tuple[object, ...], Answer]
    _paths: dict[tuple[object, ...], Path]
    _arrived: tuple[int, int, BitMap64]

    def no_search(self, words: str) -> Iterable[int]:
        raise NotSupported("this drive has no search yet: leave +search out of the query")

    def matching(self, query: Query) -> BitMap64:
        """Live files that match, whoever asks."""
        return self.index.evaluate(query, lambda: self._recent()[1], self.no_search)

    def _recent(self) -> tuple[int, BitMap64]:
        """Until when it holds (ns), and the files that arrived lately: the store looks at all files for it, and who
        walks down `+recent` asks in each of its folders."""
        now, span = self.clock(), int(self.settings.recent * 1e9)
        generation, until, files = self._arrived
        if generation != self.index.generation or not until - span // _FRESH <= now < until:
            generation, until = self.index.generation, now + span // _FRESH
            files = BitMap64(self.store.arrived_since(now - span))
            self._arrived = generation, until, files
        return until, files

    # -- who sees what

    def visible(self, caller: Caller, files: Iterable[int]) -> int:
        """How many of these live files the caller may see."""
        if self.sees_all(caller):
            return len(files) if isinstance(files, BitMap64 | tuple) else sum(1 for _ in files)
        return len(self.seen(caller, BitMap64(files)))

    def members(self, caller: Caller, tag: int) -> int:
        files = self.index.closure(tag)
        if self.sees_all(caller):
            return files.intersection_cardinality(self.index.live)
        return len(self.seen(caller, files & self.index.live))

    def sees_all(self, caller: Caller) -> bool:
        return caller.uid in (0, self.settings.owner)

    def seen(self, caller: Caller, files: BitMap64) -> BitMap64:
        """Those of the files that the caller may read, by the mode bits of the file and of the folders above its
        names."""
        if self.sees_all(caller):
            return files
        passable: dict[int, bool] = {SUPER_ROOT: True}

        def passes(folder: int) -> bool:
            if folder not in passable:
                node = self.store.node(folder)
                names = self.store.names(folder)
                passable[folder] = bool(node and names and _allowed(caller, node, os.X_OK) and passes(names[0].folder))
            return passable[folder]

        return BitMap64(
            node.file
            for _, node in self.store.named(files)
            if _allowed(caller, node, os.R_OK)
            and any(name.live and passes(name.folder) for name in self.store.names(node.id))
        )

    # -- views

    def answer(self, caller: Caller, components: Sequence[str]) -> Answer:
        """The view's path and files. NotFound. Remembered while nothing changes."""
        # What a stranger may see changes with modes and moves too: any change ends what is remembered for them.
        who = (
            ()
            if self.sees_all(caller)
            else (caller.uid, caller.gid, caller.groups, self.publisher.events(-1, 0)[-1].seq)
        )
        components = tuple(components)
        vocabulary = self.vocabulary(components)
        key = (self.index.generation, components, who, vocabulary is self.index)
        known = self._answers.get(key)
        if known is not None and (known.until is None or self.clock() < known.until):
            with suppress(KeyError):  # another thread has made room
                self._answers.move_to_end(key)
            return known
        path = self._parsed(components, vocabulary)
        until = self._recent()[0] if _moving(path.query.term) else None
        found = Answer(path, lambda: self.seen(caller, self.matching(path.query)) if components else BitMap64(), until)
        self._answers[key] = found
        if len(self._answers) > _REMEMBERED:
            with suppress(KeyError):
                self._answers.popitem(last=False)
        return found

    def _parsed(self, components: tuple[str, ...], vocabulary: Vocabulary) -> Path:
        """What the components mean; kept while no tag is made, renamed or removed. NotFound."""
        key = (self.index.vocabulary, components, vocabulary is self.index)
        path = self._paths.get(key)
        if path is None:
            path = parse(components, vocabulary)
            if len(self._paths) >= _REMEMBERED:
                self._paths.clear()
            self._paths[key] = path
        return path

    def vocabulary(self, components: Sequence[str]) -> Vocabulary:
        """The tags that a path may name: those only proposed where it is about review. For a while after somebody
        looked at its suggestions there, such a tag can be named as any other: what is accepted is moved to it."""
        if Operator.REVIEW in components:
            at = list(components).index(Operator.REVIEW)
            if len(components) > at + 1:
                if len(self.reviewed) > _REMEMBERED:
                    self.reviewed.clear()
                self.reviewed[fold(components[at + 1])] = self.clock()
            return Proposals(self.index)
        looked = self.reviewed.get(fold(components[0])) if components and self.reviewed else None
        return Proposals(self.index) if looked and self.clock() - looked < _REVIEWING else self.index

    def view(self, caller: Caller, path: Sequence[str]) -> View:
        return self._view(caller, self.answer(caller, path))

    def _view(self, caller: Caller, answer: Answer) -> View:
        path = answer.path
        named_tags = path.named or tuple(ref.id for ref in self.index.children(0))
        changed = max((self.index.changed(tag) for tag in named_tags), default=0)
        tag = path.tag
        return View(
            path.components,
            path.complete,
            len(answer.files) if path.lists_files else 0,
            changed or self.index.started,
            tuple(self.index.path(one) for one in path.gives),
            self.tag_record(caller, self.index.rows[tag.id]) if tag else None,
            path.child,
            self.index.path(path.reviewed.id) if path.reviewed else "",
        )

    def view_entry(self, caller: Caller, path: Sequence[str], name: str) -> View | Node:
        answer = self.answer(caller, path)
        vocabulary = self.vocabulary((*path, name))
        if named(answer.path, name, vocabulary) is not None:
            return self.view(caller, (*path, name))
        if answer.path.lists_files:
            node = self._file_called(answer, name)
            if node is not None:
                return node
        if expression(answer.path, name, vocabulary) is not None:
            return self.view(caller, (*path, name))
        raise NotFound(name)

    def _file_called(self, answer: Answer, name: str) -> Node | None:
        number = parse_derived(name)
        if number is not None and number in answer.files:
            rows = self.store.named((number,))
            if rows and derived_name(rows[0][0], number) == name:
                return rows[0][1]
        for file in self.store.by_name(name):
            if file in answer.files:
                return self.store.by_file(file)
        return None

    def view_files(self, caller: Caller, path: Sequence[str], after: int = 0, limit: int = 0) -> list[ViewEntry]:
        answer = self.answer(caller, path)
        if not answer.path.lists_files:
            return []
        if after or 0 < limit < len(answer.files):
            return self._part(answer, after, limit)
        rows = self.store.named(answer.files)
        own = [(node.file, name) for name, node in rows]
        taken = self._taken(answer.path, [name for name, _ in rows])
        names = display_names(own, taken, lambda form: named(answer.path, form, self.index) is not None)
        return [ViewEntry(name, node) for name, (_, node) in zip(names, rows, strict=True)]

    def _part(self, answer: Answer, after: int, limit: int) -> list[ViewEntry]:
        """So many files behind this one. Names are unique over all."""
        start, end = answer.files.rank(after), len(answer.files)
        rows: list[tuple[str, Node]] = []
        while start < end and (not limit or len(rows) < limit):  # again where some of them went a moment ago
            files = answer.files[start : start + limit - len(rows) if limit else end]
            rows += self.store.named(files)
            start += len(files)
        if answer.younger is None:
            answer.younger = self.index.namesakes.younger(answer.files)
        younger, own = answer.younger, [name for name, _ in rows]
        taken = self._taken(answer.path, own)
        if not taken and not younger and "~" not in "".join(own):
            return [ViewEntry(name, node) for name, node in rows]
        names = set(own)

        def is_taken(name: str) -> bool:
            return name in taken if name in names else named(answer.path, name, self.index) is not None

        def real_name(file: int) -> str | None:
            found = self.store.named((file,)) if file in answer.files else []
            return found[0][0] if found else None

        return [
            ViewEntry(display_name(node.file, name, younger.__contains__, is_taken, real_name), node)
            for name, node in rows
        ]

    def _taken(self, path: Path, names: Sequence[str]) -> set[str]:
        """Names of files that lead to a folder here, because a tag or an operator has the name."""
        keys = self.index.keys(0) | (self.index.keys(path.tag.id) if path.tag else set())
        # All at once, for there may be many: no name has a null character.
        joined = "\0".join(("", *names))
        folded = joined.lower().split("\0") if joined.isascii() else map(fold, names)
        if keys.isdisjoint(folded) and "\0+" not in joined:
            return set()
        return {name for name in names if named(path, name, self.index) is not None}

    def view_facets(self, caller: Caller, path: Sequence[str]) -> list[Facet]:
        answer = self.answer(caller, path)
        limits = Limits(self.settings.facet_minimum, self.settings.facet_depth, self.settings.facet_folders)
        files, direct = answer.files, answer.path.direct
        size = len(files) if path else len(self.seen(caller, self.index.live))
        if not path:
            files = self.seen(caller, self.index.live)

        bounds = self._bounds(caller, path, answer)

        def count(term: Term) -> int:
            match term:
                case Tag(tag) if not direct:
                    number = bounds[tag] = files.intersection_cardinality(self.index.closure(tag))
                    return number
                case Tag(tag):
                    return files.intersection_cardinality(self.index.direct(tag))
                case Review(tag) if tag:
                    return files.intersection_cardinality(self.index.closure(tag, review=True))
            return len(files & self.matching(Query(term, direct)))

        changed = max((self.index.changed(tag) for tag in answer.path.named), default=0)
        found = [
            Facet(one.tag.name, one.files, one.child, one.tag.id, max(changed, self.index.changed(one.tag.id)))
            for one in narrowing(answer.path, size, self.vocabulary(path), count, limits, bounds)
        ]
        answer.bounds = bounds
        return found

    def _bounds(self, caller: Caller, path: Sequence[str], answer: Answer) -> dict[int, int]:
        """What was counted of a view that has all files of this one: no tag has more of them here. Who walks down the
        tree (`find`) comes from there, and has but a few tags of hundreds counted in each folder."""
        if len(path) < 2 or answer.path.direct:
            return {}
        above = self.answer(caller, path[:-1])
        if above.path.direct or not answer.files.issubset(above.files):
            return {}
        return dict(above.bounds)

    def find(self, caller: Caller, query: str, after: int = 0, limit: int = 0) -> list[ViewEntry]:
        files = self.seen(caller, self.matching(parse_text(query, self.index)))
        if after:
            files = BitMap64(file for file in files if file > after)
        wanted = list(files)[:limit] if limit else files
        return [ViewEntry(name, node) for name, node in self.store.named(wanted)]


def _moving(term: Term) -> bool:
    """Whether the answer changes by time alone (`+recent`)."""
    match term:
        case And(terms) | Or(terms):
            return any(_moving(one) for one in terms)
        case Not(inner):
            return _moving(inner)
    return isinstance(term, Recent)


def _allowed(caller: Caller, node: Node, bit: int) -> bool:
    """POSIX's check of one of r (4), w (2), x (1) by mode bits."""
    if node.uid == caller.uid:
        return bool(node.mode >> 6 & bit)
    if node.gid == caller.gid or node.gid in caller.groups:
        return bool(node.mode >> 3 & bit)
    return bool(node.mode & bit)
