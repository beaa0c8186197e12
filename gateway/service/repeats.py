"""Changes that are asked again with the key of the first time: done once, and answered as the first time.

Whoever asks over a network may not learn what became of a request, and asks again, perhaps another server. The key
(`Caller.key`) is kept by the very transaction that makes the change, so a key that is there means that all of it was
done, whichever server did it and whatever became of it afterwards. The answer is not kept: it is read off the drive.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar, cast

from gateway.store.rows import BatchRow
from graphfs.errors import Conflict, DriveError
from graphfs.loans import Making
from graphfs.model import (
    Caller,
    JournalEntry,
    Merge,
    Node,
    Tag,
)

F = TypeVar("F", bound=Callable[..., Any])

KEPT = 24 * 3600 * 10**9
"""How long a key is remembered, ns."""


def kept_key(caller: Caller) -> str:
    """The key as the store has it: another caller's is another one."""
    return f"{caller.uid}:{caller.key}"


def once(again: Callable[..., Any]) -> Callable[[F], F]:
    """For a method that makes one change. `again` has its arguments and answers when the change had been made."""

    def wrap(method: F) -> F:
        @wraps(method)
        def call(self: Any, caller: Caller, *arguments: Any, **named: Any) -> Any:
            try:
                return method(self, caller, *arguments, **named)
            except DriveError:
                # Whatever it says: the name is taken, the version is another one, what was moved is gone.
                if not caller.key or not self.store.done(kept_key(caller)):
                    raise
            return again(self, caller, *arguments, **named)

        return cast("F", call)

    return wrap


def nothing(self: Any, caller: Caller, *arguments: Any, **named: Any) -> None:
    """The answer of what has none."""


def node_at(self: Any, caller: Caller, folder: int, name: str, *arguments: Any, **named: Any) -> Node:
    """What was made there. NotFound when it is gone again."""
    return cast("Node", self.lookup(caller, folder, name))


def node_as_it_is(self: Any, caller: Caller, node: int, *arguments: Any, **named: Any) -> Node:
    """The node that was changed."""
    return cast("Node", self.node(caller, node))


def nodes_made(self: Any, caller: Caller, files: Sequence[Making]) -> list[Node]:
    """What was made, as it is now. NotFound when some of it is gone again."""
    return [cast("Node", self.node(caller, one.id)) for one in files]


def version_after(self: Any, caller: Caller, node: int, base: int, *arguments: Any, **named: Any) -> Node:
    """The node with the content that was committed. Conflict when somebody gave it another one since: that version is
    not the caller's."""
    found = cast("Node", self.node(caller, node))
    if found.version > base + 1:
        raise Conflict(f"the content is version {found.version} by now")
    return found


def tag_there(self: Any, caller: Caller, path: str, *arguments: Any, **named: Any) -> Tag:
    """The tag at a path."""
    return cast("Tag", self.tag_record(caller, self.need_tag(path)))


def tag_renamed(self: Any, caller: Caller, path: str, new_path: str) -> Tag:
    """The tag under its new name."""
    return tag_there(self, caller, new_path)


def _last_batch(self: Any, caller: Caller) -> BatchRow:
    """What the caller changed last in the tags: the keys of one client are used one after the other."""
    found: BatchRow | None = self.store.last_batch(caller.uid)
    if found is None:
        raise Conflict("it was done, and was undone since")
    return found


def batch_made(self: Any, caller: Caller, *arguments: Any, **named: Any) -> int:
    """The number under which it is in the journal."""
    return _last_batch(self, caller).id


def batch_entry(self: Any, caller: Caller, *arguments: Any, **named: Any) -> JournalEntry:
    """What the journal says of it."""
    row = _last_batch(self, caller)
    return JournalEntry(row.id, row.at, row.actor, row.why, row.changes, row.undone)


def tags_merged(self: Any, caller: Caller, path: str, into: str, *, preview: bool = False) -> Merge:
    """Of a merge that was done the journal still knows the files."""
    if preview:
        raise Conflict("a preview changes nothing: ask for another one")
    changes = self.store.changes(_last_batch(self, caller).id)
    return Merge(len({change.file for change in changes if change.file}), 0, 0, True)


def path_restored(self: Any, caller: Caller, item: int) -> str:
    """Where it is now. An item of the trash has the number of its node."""
    return cast("str", self.oldest_path(item))


def item_recovered(self: Any, caller: Caller, path: str, *arguments: Any, **named: Any) -> int:
    """The newest of this caller's items that were at the path."""
    for row in self.store.trash(0):
        if row.path == path and row.uid == caller.uid:
            return cast("int", row.node)
    raise Conflict("it was kept, and is gone again")
