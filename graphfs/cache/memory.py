"""What a server said last of folders, names and queries: shown while it is away. Never used while it answers."""

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterable
from typing import Any, TypeVar

from graphfs.errors import Unavailable
from graphfs.model import Entry, Event, EventKind, Layout, Node, ViewEntry

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

NODES = 200_000
ANSWERS = 20_000
LISTED = 64


class Memory:
    """Bounded; the longest not asked for is forgotten first. Thread-safe. Unavailable: it was never told."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._nodes: OrderedDict[int, Node] = OrderedDict()
        self._names: OrderedDict[tuple[int, str], int] = OrderedDict()
        self._listings: OrderedDict[int, dict[str, Entry]] = OrderedDict()
        self._layouts: OrderedDict[int, Layout] = OrderedDict()
        self._answers: OrderedDict[Hashable, Any] = OrderedDict()
        self._views: OrderedDict[Hashable, list[ViewEntry]] = OrderedDict()
        """Files of views that were listed to the end."""
        self._begun: OrderedDict[Hashable, list[ViewEntry]] = OrderedDict()
        """Of those that are being listed, in parts."""

    def seen(self, nodes: Iterable[Node]) -> None:
        """Nodes as they are now."""
        with self._lock:
            for node in nodes:
                _keep(self._nodes, node.id, node, NODES)

    def named(self, folder: int, name: str, node: Node | None) -> None:
        """What a name leads to; None: nothing."""
        with self._lock:
            if node is None:
                self._drop(folder, name)
                return
            _keep(self._nodes, node.id, node, NODES)
            _keep(self._names, (folder, name), node.id, NODES)

    def renamed(self, folder: int, name: str, new_folder: int, new_name: str, *, exchanged: bool) -> None:
        """A name leads elsewhere now."""
        with self._lock:
            moved, other = self._names.get((folder, name)), self._names.get((new_folder, new_name))
            self._drop(folder, name)
            self._drop(new_folder, new_name)
            if moved is not None:
                _keep(self._names, (new_folder, new_name), moved, NODES)
            if exchanged and other is not None:
                _keep(self._names, (folder, name), other, NODES)

    def listed(self, folder: int, after: int, entries: list[Entry]) -> None:
        """A part of a folder, in the order of the cookies."""
        with self._lock:
            known = self._listings.get(folder) if after else {}
            if known is not None:
                for entry in entries:
                    known[entry.name] = entry
                _keep(self._listings, folder, known, ANSWERS)
            for entry in entries:
                _keep(self._nodes, entry.node.id, entry.node, NODES)
                _keep(self._names, (folder, entry.name), entry.node.id, NODES)

    def laid_out(self, node: int, layout: Layout) -> None:
        with self._lock:
            _keep(self._layouts, node, layout, NODES)

    def answered(self, question: Hashable, answer: Any) -> None:
        """Any other question."""
        with self._lock:
            _keep(self._answers, question, answer, ANSWERS)

    def viewed(self, view: Hashable, after: int, limit: int, found: list[ViewEntry]) -> None:
        """A part of a view's files, as it was asked for. It is known whole when it was read to the end."""
        with self._lock:
            known = self._begun.pop(view, [])
            if after and (not known or known[-1].node.file != after):
                return
            files = [*known, *found] if after else found
            if limit and len(found) >= limit:
                _keep(self._begun, view, files, LISTED)
            else:
                _keep(self._views, view, files, ANSWERS)

    def changed(self, event: Event) -> None:
        """A name that came, went or leads elsewhere is not what it was."""
        if event.kind is EventKind.ENTRY:
            with self._lock:
                self._drop(event.node, event.name)

    def _drop(self, folder: int, name: str) -> None:
        self._names.pop((folder, name), None)
        listing = self._listings.get(folder)
        if listing:
            listing.pop(name, None)

    def node(self, node: int) -> Node:
        with self._lock:
            return _found(self._nodes, node)

    def lookup(self, folder: int, name: str) -> Node:
        with self._lock:
            return _found(self._nodes, _found(self._names, (folder, name)))

    def children(self, folder: int, after: int, limit: int) -> list[Entry]:
        with self._lock:
            listing = _found(self._listings, folder)
            entries = [
                Entry(one.cookie, one.name, self._nodes.get(one.node.id, one.node))
                for one in sorted(listing.values(), key=lambda entry: entry.cookie)
                if one.cookie > after
            ]
        return entries[:limit] if limit else entries

    def layout(self, node: int) -> Layout:
        """Of the version that the node was last seen with: never another's."""
        with self._lock:
            layout = _found(self._layouts, node)
            if layout.version != _found(self._nodes, node).version:
                raise _unknown()
            return layout

    def view_files(self, view: Hashable, after: int, limit: int) -> list[ViewEntry]:
        """A part of a view's files as they were listed last; of one that was never listed to the end what is known of
        it, and then Unavailable."""
        with self._lock:
            whole = view in self._views
            files = [one for one in _found(self._views if whole else self._begun, view) if one.node.file > after]
        part = files[:limit] if limit else files
        if not whole and (not limit or len(part) < limit):
            raise _unknown()
        return part

    def view_file(self, view: Hashable, name: str) -> Node:
        """What a name led to in a view."""
        with self._lock:
            for one in _found(self._views if view in self._views else self._begun, view):
                if one.name == name:
                    return one.node
        raise _unknown()

    def answer(self, question: Hashable) -> Any:
        with self._lock:
            return _found(self._answers, question)


def _keep(into: OrderedDict[Any, Any], key: Hashable, value: object, most: int) -> None:
    into[key] = value
    into.move_to_end(key)
    if len(into) > most:
        into.popitem(last=False)


def _found(where: OrderedDict[K, V], key: K) -> V:
    if key not in where:
        raise _unknown()
    return where[key]


def _unknown() -> Unavailable:
    return Unavailable("the server is away, and this was not asked for lately")
