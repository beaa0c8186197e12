"""What a desktop's trash does to tags: entries and folders of `tags/` that are moved into `.Trash-<uid>`, and back.

The trash folder itself is an ordinary folder of the store, and so is what happens there to files that come from
`files/`.
"""

import stat
from contextlib import suppress
from typing import Protocol

import msgspec
from msgspec import Struct

from graphfs.api import Tags, Tree, Views, Xattrs
from graphfs.errors import AlreadyExists, Conflict, DriveError, NoAttribute, NotFound, NotPermitted
from graphfs.model import Caller, Node, View
from graphfs.vfs.tags_arrivals import Arrivals
from graphfs.vfs.tags_places import Place, Places, at_or_under, own_folder, removable
from graphfs.vfs.tags_removals import Removals

MARK = "user.graphfs.trashed"
"""The xattr that says what to do when something is moved back: on a folder a `Batch`, on a file a `Taken` for each
name."""


class Kept(Tree, Tags, Views, Xattrs, Protocol):
    """What is needed of a drive."""


class Batch(Struct, frozen=True):
    """A folder in the trash stands for a batch of tag changes: those of this tag."""

    batch: int
    tag: str
    dropped: bool
    """Whether the tag itself went, or only the files of a view lost it."""


class Taken(Struct, frozen=True):
    """A name in the trash stands for tags that the file lost."""

    folder: int
    name: str
    tags: tuple[str, ...]


class TagTrash:
    """Moves entries of views into a trash folder and back."""

    def __init__(self, drive: Kept, places: Places, arrivals: Arrivals, removals: Removals) -> None:
        self._drive = drive
        self._places = places
        self._arrivals = arrivals
        self._removals = removals

    def put_file(self, caller: Caller, view: View, node: Node, to: Place) -> None:
        """Untags, and leaves a hard link in the trash by which it can be looked at and brought back."""
        if not removable(view):
            raise NotPermitted("nothing can be removed from this folder")
        self._drive.link(caller, node.id, to.folder, to.name)
        lost = self._removals.untag(caller, view, node, f"moved to the trash from {'/'.join(('tags', *view.path))}")
        marks = [*self._taken(caller, node.id), Taken(to.folder, to.name, tuple(lost))]
        self._mark(caller, node.id, marks)

    def take_file(self, caller: Caller, place: Place, node: Node, view: View, name: str) -> None:
        """Tags again as before, or as this view does, and the link goes. A file without another name is put in the
        Inbox."""
        if not view.gives:
            raise NotPermitted("a file cannot be put here")
        marks = self._taken(caller, node.id)
        lost = [tag for mark in marks if Place(mark.folder, mark.name) == place for tag in mark.tags]
        back = [tag for tag in lost if any(at_or_under(tag, given) for given in view.gives)]
        new = [given for given in view.gives if not any(at_or_under(tag, given) for tag in back)]
        kept = self._has_name(caller, node)
        if not kept:
            self._arrivals.adopt(caller, place, name)
        self._drive.change_tags(caller, [node.file], [*back, *new], [], why="brought back from the trash")
        if kept:
            self._drive.unlink(caller, place.folder, place.name)
        if marks:
            self._mark(caller, node.id, [mark for mark in marks if Place(mark.folder, mark.name) != place])

    def put_folder(self, caller: Caller, view: View, to: Place) -> None:
        """Drops a tag (with all below it), or takes a tag off the files of a view, in one batch. An empty folder in
        the trash stands for it."""
        if view.tag is None or not view.gives:
            raise NotPermitted("only the folder of a tag can be put into the trash")
        why = f"{'/'.join(('tags', *view.path))} moved to the trash"
        # A batch of its own: without a pid it is never joined with what the process did before.
        alone = msgspec.structs.replace(caller, pid=0)
        dropped = own_folder(view)
        mark = self._drive.create(caller, to.folder, to.name, stat.S_IFDIR | 0o700)
        try:
            if dropped:
                batch = self._drive.drop_tag(alone, view.tag.path, why=why)
            else:
                batch = self._drop_here(alone, view, why)
            content = msgspec.json.encode(Batch(batch, view.tag.path, dropped))
            self._drive.set_xattr(caller, mark.id, MARK, content)
        except DriveError:
            self._drive.rmdir(caller, to.folder, to.name)
            raise

    def take_folder(self, caller: Caller, place: Place, node: Node, path: str) -> None:
        """Takes the batch back that the folder stands for, and the folder goes. NotPermitted when it stands for
        none."""
        try:
            mark = msgspec.json.decode(self._drive.xattr(caller, node.id, MARK), type=Batch)
        except (NoAttribute, msgspec.DecodeError):
            raise NotPermitted("a folder of files cannot become a tag") from None
        try:
            self._drive.undo(caller, mark.batch)
        except Conflict:
            pass  # it was undone otherwise; the tag is back
        except NotFound:
            raise NotPermitted("the journal knows no more what this folder stands for") from None
        self._drive.rmdir(caller, place.folder, place.name)
        if mark.dropped and path and path.casefold() != mark.tag.casefold():
            self._drive.rename_tag(caller, mark.tag, path)

    def _drop_here(self, caller: Caller, view: View, why: str) -> int:
        """Takes the view's last tag off its files; returns the batch."""
        files = [entry.node.file for entry in self._drive.view_files(caller, view.path)]
        self._drive.change_tags(caller, files, [], [removable(view)], why=why)
        found = next((entry for entry in self._drive.journal(caller, 10) if entry.why == why), None)
        if found is None:
            raise AlreadyExists("no file of this folder has the tag itself")
        return found.batch

    def _has_name(self, caller: Caller, node: Node) -> bool:
        """Whether the file has a name under `files/`."""
        try:
            return self._drive.file(caller, node.file).id == node.id
        except NotFound:
            return False

    def _taken(self, caller: Caller, node: int) -> list[Taken]:
        try:
            return msgspec.json.decode(self._drive.xattr(caller, node, MARK), type=list[Taken])
        except (NoAttribute, msgspec.DecodeError):
            return []

    def _mark(self, caller: Caller, node: int, marks: list[Taken]) -> None:
        if marks:
            self._drive.set_xattr(caller, node, MARK, msgspec.json.encode(marks))
            return
        with suppress(NoAttribute):  # when there was none
            self._drive.remove_xattr(caller, node, MARK)
