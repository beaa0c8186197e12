"""Changes that are asked again with the key of the first time: done once, and answered as the first time.

Whoever asks over a network may not learn what became of a request, and asks again, perhaps another server. The key
(`Caller.key`) is kept by the very transaction that makes the change, so a key that is there means that all of it was
done, whichever server did it and whatever became of it afterwards. The answer is not kept: it is read off the drive.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from graphfs.errors import Conflict, DriveError
from graphfs.model import Caller, Node

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


def version_after(self: Any, caller: Caller, node: int, base: int, *arguments: Any, **named: Any) -> Node:
    """The node with the content that was committed. Conflict when somebody gave it another one since: that version is
    not the caller's."""
    found = cast("Node", self.node(caller, node))
    if found.version > base + 1:
        raise Conflict(f"the content is version {found.version} by now")
    return found
