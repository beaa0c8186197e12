"""Which rooms a mount has, by their names in its root. `search/` gets its line here when it comes."""

from collections.abc import Callable, Mapping
from typing import Protocol

from graphfs.vfs.control import DOOR as CONTROL
from graphfs.vfs.control import ControlRoom, Told
from graphfs.vfs.room import Room, Show
from graphfs.vfs.tags import DOOR as TAGS
from graphfs.vfs.tags import Shown, Surroundings, TagsRoom


class Furnished(Shown, Told, Protocol):
    """What the rooms need of a drive."""


def standard_rooms(drive: Furnished, surroundings: Surroundings) -> Callable[[Show], Mapping[str, Room]]:
    """Makes `tags/` and `.graphfs/` once it is known how a node of the store is shown."""

    def make(attributes: Show) -> Mapping[str, Room]:
        return {
            TAGS: TagsRoom(drive, attributes, surroundings),
            CONTROL: ControlRoom(drive, attributes, surroundings.uid, surroundings.gid),
        }

    return make
