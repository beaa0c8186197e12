"""What a FILE of the command line is on the drive: a path here, inside `files/` or a view, turned into a node."""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from graphfs.cli.drives import Place, mount_around
from graphfs.cli.screen import quoted
from graphfs.errors import InvalidArgument, LinkLoop, NotAFolder, NotFound
from graphfs.model import FILES_ROOT, SUPER_ROOT, Node, View

_MOST_LINKS = 40
_VIEWS = "tags"
_TOP = ("files", _VIEWS, ".graphfs")
_BY_ID = (".graphfs", "by-id")


@dataclass(frozen=True)
class Location:
    """A place on the drive. `node` None: a folder that is made of tags, or the drive's root."""

    parts: tuple[str, ...]
    node: Node | None = None
    view: View | None = None

    @property
    def path(self) -> str:
        """From the drive's root, without a leading slash."""
        return "/".join(self.parts)

    @property
    def is_folder(self) -> bool:
        return self.node is None or stat.S_ISDIR(self.node.mode)


def parts_of(place: Place, text: str) -> tuple[str, ...]:
    """The components from the drive's root on of a path as somebody typed it.

    On a mounted drive it is an ordinary path, relative to the current directory; else it starts at the drive's root
    (`files/a`), as it may from outside of any mount. NotFound for one that lies elsewhere.
    """
    if not text:
        raise InvalidArgument("an empty path names nothing")
    if place.root is None:
        return _plain_parts(text)
    # The last component may be a link that is meant itself; those above lead where they lead.
    above, name = os.path.split(os.path.abspath(text))
    whole = os.path.join(os.path.realpath(above), name) if name else os.path.realpath(above)
    if mount_around(os.path.dirname(whole)) is None:
        whole = os.path.realpath(whole)  # a link from elsewhere into the drive
    if whole == place.root:
        return ()
    if not whole.startswith(f"{place.root.rstrip('/')}/"):
        if not os.path.isabs(text) and text.split("/", 1)[0] in _TOP and mount_around(".") is None:
            return _plain_parts(text)
        raise NotFound(f"it is not on the drive at {place.root}")
    return tuple(whole[len(place.root.rstrip("/")) + 1 :].split("/"))


def _plain_parts(text: str) -> tuple[str, ...]:
    return tuple(part for part in os.path.normpath("/" + text).split("/") if part)


def locate(place: Place, text: str, *, follow: bool = True) -> Location:
    """The place that a path names. NotFound, NotAFolder, LinkLoop. `follow`: a symbolic link stands for its target."""
    location = at(place, parts_of(place, text))
    links = 0
    while follow and location.node is not None and stat.S_ISLNK(location.node.mode):
        links += 1
        if links > _MOST_LINKS:
            raise LinkLoop("the links lead in a circle")
        target = place.drive.readlink(place.caller, location.node.id)
        location = at(place, _followed(place, location.parts[:-1], target))
    return location


def _followed(place: Place, above: Sequence[str], target: str) -> tuple[str, ...]:
    if place.root is not None:
        return parts_of(place, os.path.join(place.root, *above, target))
    if target.startswith("/"):
        raise NotFound(f"the link leads to {target}, outside of the drive")
    return _plain_parts("/".join((*above, target)))


def at(place: Place, parts: Sequence[str]) -> Location:
    """The place at these components. NotFound, NotAFolder."""
    drive, caller, whole = place.drive, place.caller, tuple(parts)
    if not whole:
        return Location(())
    if whole[0] == _VIEWS:
        if len(whole) == 1:
            return Location(whole, view=drive.view(caller, ()))
        try:
            found = drive.view_entry(caller, whole[1:-1], whole[-1])
        except NotFound:
            raise NotFound(f"there is no {quoted(whole[-1])} in {quoted('/'.join(whole[:-1]))}") from None
        return Location(whole, view=found) if isinstance(found, View) else Location(whole, node=found)
    if whole[:2] == _BY_ID and len(whole) == 3 and whole[2].isascii() and whole[2].isdigit():
        return Location(whole, node=drive.file(caller, int(whole[2])))
    node = drive.node(caller, SUPER_ROOT)
    for number, name in enumerate(whole):
        if not stat.S_ISDIR(node.mode):
            raise NotAFolder(f"{quoted(whole[number - 1])} is not a folder")
        try:
            node = drive.lookup(caller, node.id, name)
        except NotFound:
            raise NotFound(f"there is no {quoted(name)}") from None
    return Location(whole, node=node)


def files_at(place: Place, text: str, *, recursive: bool = False) -> Iterator[tuple[str, Node]]:
    """The regular files that a path names, with their paths from the drive's root: one, or with `recursive` all
    below a folder (or in a view). InvalidArgument for what cannot have tags."""
    location = locate(place, text)
    if not location.is_folder:
        assert location.node is not None
        if not stat.S_ISREG(location.node.mode):
            raise InvalidArgument("it is no regular file: only files have tags")
        yield location.path, location.node
    elif not recursive:
        raise InvalidArgument("it is a folder: --recursive means the files in it")
    elif location.view is not None:
        for entry in place.drive.view_files(place.caller, location.parts[1:]):
            yield "/".join((*location.parts, entry.name)), entry.node
    else:
        folder = location.node.id if location.node is not None else FILES_ROOT
        yield from _below(place, folder, location.path or "files")


def _below(place: Place, folder: int, path: str) -> Iterator[tuple[str, Node]]:
    for entry in place.drive.children(place.caller, folder):
        whole = f"{path}/{entry.name}"
        if stat.S_ISREG(entry.node.mode):
            yield whole, entry.node
        elif stat.S_ISDIR(entry.node.mode):
            yield from _below(place, entry.node.id, whole)
