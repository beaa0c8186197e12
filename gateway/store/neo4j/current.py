"""Reads of what this process remembers that are as true as the graph is now: after one look at the log, which tells
what was changed meanwhile, and which all who ask at the same time share."""

import threading
from collections.abc import Callable, Collection, Hashable, Iterable
from typing import TypeVar

from gateway.store.neo4j.connection import Connection
from gateway.store.neo4j.known import LONGEST, Answers, Known, Place, keys_of
from gateway.store.neo4j.reader import Neo4jReader
from gateway.store.neo4j.texts import stored
from gateway.store.neo4j.writes import Key, key, text_key
from gateway.store.rows import Name
from graphfs.errors import DriveError, Unavailable
from graphfs.model import Entry, Node

T = TypeVar("T")
_LISTINGS, _MANY = 4, 1000


class CurrentReader(Neo4jReader):
    """Who applies the log does so under `_applying`, says `_forget` for each commit, and counts on `_applied`.

    Neo4j shows a commit while it is being written, part by part, and the entry of the log is one of the parts. So what
    was read is of no commit after `_settled` but those that the log names after the reading; whatever one of these
    touched is read again where it matters (docs/decisions/neo4j-store.md)."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._applied = self._settled = 0
        """The last entry that was applied; and the last one of which all can be read for certain."""
        self._applying = threading.RLock()
        self._known = Known()
        self._answers = Answers()
        self._looking = threading.Condition()
        self._at_it = False
        self._looks = self._looked = 0
        """How many looks at the log were begun for somebody, and the last one that found it."""
        self._failed = 0
        self._failure: DriveError = Unavailable()
        """How many looks failed, and with what the last one did."""

    def _catch_up(self, *, whole: bool = False) -> None:
        """Looks at the log, and applies what is new there. `whole`: when no commit is being written, so that all is
        settled."""
        raise NotImplementedError

    def _touched(self, keys: Collection[int], since: int) -> bool:
        """Whether a commit after that place in the log may have changed what one of these keys stands for, as far as
        the log was read."""
        raise NotImplementedError

    def _forget(self, keys: Collection[int]) -> None:
        """What a commit with these keys may have changed; without keys: everything. Under the lock of the log."""
        self._known.forget(keys)
        self._answers.forget(keys)

    def settled(self) -> None:
        if self._settled < self._applied:
            self._catch_up(whole=True)

    def caught_up(self) -> None:
        """One look at the log serves all who came before it began. One that fails has failed for all who wait: a store
        that is away would keep one waiting after the other."""
        with self._looking:
            arrived, failed = self._looks, self._failed
            while self._looked <= arrived and self._at_it:
                self._looking.wait()
                if self._failed != failed:
                    raise type(self._failure)(*self._failure.args) from self._failure
            if self._looked > arrived:
                return
            self._at_it = True
            self._looks = this = self._looks + 1
        try:
            self._catch_up()
        except BaseException as error:
            with self._looking:
                if isinstance(error, DriveError):
                    self._failed, self._failure = self._failed + 1, error
                self._ended()
            raise
        with self._looking:
            self._looked = this
            self._ended()

    def _ended(self) -> None:
        self._at_it = False
        self._looking.notify_all()

    def known(self, node: int) -> Place | None:
        return self._known.get(node)

    def place(self, folder: int) -> Place | None:
        began = self._settled
        found = super().place(folder)
        if found is not None:
            known = found
            self._keep(began, keys_of(folder), lambda: self._known.put(folder, known))
        return found

    def node(self, node: int) -> Node | None:
        def keys(found: Node | None) -> Collection[int] | None:
            return keys_of(node) if found is not None else None

        return self._once(("node", node), lambda: super(CurrentReader, self).node(node), keys)

    def named_node(self, folder: int, name: str) -> tuple[int, Node, bool] | None:
        """Of a name that is being replaced the old entry may be gone, and the new one not be there yet."""
        return self._sure(
            lambda: super(CurrentReader, self).named_node(folder, name),
            lambda found: found is not None,
            (text_key(Key.NAME, folder, stored(name)),),
        )

    def listed(self, folder: int, after: int, limit: int) -> list[Entry]:
        """Of a folder in which names come and go all the time, as it was found after some looks."""
        return self._sure(
            lambda: super(CurrentReader, self).listed(folder, after, limit),
            lambda found: False,
            (key(Key.KIDS, folder),),
            tries=_LISTINGS,
        )

    def names(self, node: int) -> list[Name]:
        return self._sure(lambda: super(CurrentReader, self).names(node), bool, (key(Key.NAMES, node),))

    def by_file(self, file: int) -> Node | None:
        return self._sure(
            lambda: super(CurrentReader, self).by_file(file), lambda found: found is not None, (key(Key.FILE, file),)
        )

    def lookup(self, folder: int, name: str) -> Node | None:
        place = (folder, stored(name))

        def keys(found: Node | None) -> Collection[int]:
            return {text_key(Key.NAME, *place), *(keys_of(found.id) if found is not None else ())}

        return self._once(("lookup", *place), lambda: super(CurrentReader, self).lookup(folder, name), keys)

    def children(self, folder: int, after: int, limit: int) -> list[Entry]:
        def keys(found: list[Entry]) -> Collection[int] | None:
            if len(found) > LONGEST:
                return None
            return {key(Key.KIDS, folder)}.union(*(keys_of(entry.node.id) for entry in found))

        def ask() -> list[Entry]:
            return self.listed(folder, after, limit)

        listed = self._once(("children", folder, after, limit), ask, keys)
        return list(listed)

    def named(self, files: Iterable[int]) -> list[tuple[str, Node]]:
        wanted = tuple(files)

        def keys(found: list[tuple[str, Node]]) -> Collection[int] | None:
            if len(found) > LONGEST or len(found) < len(wanted) or any(node.links > 1 for _, node in found):
                return None  # which name is shown hangs on the folders too, and one that is not there has no node yet
            return set[int]().union(*({*keys_of(node.id), key(Key.NAMES, node.id)} for _, node in found))

        def ask() -> list[tuple[str, Node]]:
            return self._sure(
                lambda: super(CurrentReader, self).named(wanted),
                lambda found: len(found) == len(wanted),
                None,
                tries=_LISTINGS,
            )

        named = self._once(("named", wanted), ask, keys)
        return list(named)

    def own_names(self, files: Iterable[int]) -> list[tuple[int, str, bool]]:
        """Whoever keeps a name of a file that has only that one relies on hearing of the next change. One that a commit
        is perhaps just changing, whose entry in the log was heard of before, is said to be one of several."""
        began = self._settled
        found = self._own_names(files)
        with self._applying:
            if self._applied <= began:
                return [(file, name, only) for file, name, only, _ in found]
            return [
                (file, name, only and not self._touched({*keys_of(node), key(Key.NAMES, node)}, began))
                for file, name, only, node in found
            ]

    def _once(self, question: Hashable, ask: Callable[[], T], keys: Callable[[T], Collection[int] | None]) -> T:
        """The answer as of now. One that is kept is as good once the log was looked at, which all who ask at the same
        time do together; what was committed before somebody asked is always seen."""
        if question in self._answers:
            self.caught_up()
            if (kept := self._answers.get(question)) is not None:
                answer: T = kept[0]
                return answer
        began = self._settled
        found = ask()
        relied = keys(found)
        if relied is not None:
            self._keep(began, relied, lambda: self._answers.put(question, found, relied))
        return found

    def _keep(self, began: int, relied: Collection[int], put: Callable[[], None]) -> None:
        """Remembers what was read since this place in the log. Without waiting: it is no more than a help."""
        if self._applying.acquire(blocking=False):
            try:
                if not self._touched(relied, began):
                    put()
            finally:
                self._applying.release()

    def _sure(
        self, ask: Callable[[], T], good: Callable[[T], bool], keys: Collection[int] | None, tries: int = _MANY
    ) -> T:
        """An answer that is good, or that no commit has touched while it was read: `keys` say of which (None: of any).
        The last of so many tries as it is."""
        while True:
            began, tries = self._settled, tries - 1
            found = ask()
            if good(found):
                return found
            self.caught_up()
            if not tries or not (self._applied > began if keys is None else self._touched(keys, began)):
                return found
            self.settled()
