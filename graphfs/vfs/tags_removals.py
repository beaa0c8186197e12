"""What leaving a view means: entries that are removed from it, and folders that are. Never a file's content."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

import msgspec

from graphfs.api import Tags, Tree, Views
from graphfs.errors import InvalidArgument, NotEmpty, NotPermitted
from graphfs.model import Caller, Edge, EdgeState, Node, View
from graphfs.vfs.tags_arrivals import Arrivals, Taken
from graphfs.vfs.tags_places import Places, at_or_under, own_folder, removable
from graphfs.vfs.virtual import LiteralPath

_PROCESSES = 16
_LOSSES = 100_000
_WHILE = 60.0
"""Seconds between two removals of one process that still belong to one `rm -r`."""


class Changed(Tree, Tags, Views, Protocol):
    """What is needed of a drive to take tags away."""


class Deletion:
    """What one process removed lately through folders of other tags within a tag's folder.

    `rm -r tags/a` walks through `tags/a/b/` too. Most programs remove the files of `tags/a` first, so that nothing
    is left there; one that goes depth first takes tag b off files that were only to lose tag a. When it comes to
    remove `tags/a` itself, what was said of those files and b is said again, word for word.
    """

    def __init__(self) -> None:
        self.until = 0.0
        self.losses: list[tuple[LiteralPath, int, tuple[Edge, ...]]] = []


class Removals:
    """Removes entries and folders of views."""

    def __init__(self, drive: Changed, places: Places, arrivals: Arrivals, clock: Callable[[], float]) -> None:
        self._drive = drive
        self._places = places
        self._arrivals = arrivals
        self._clock = clock
        self._deletions: OrderedDict[int, Deletion] = OrderedDict()
        self._made: OrderedDict[LiteralPath, None] = OrderedDict()
        self._lock = threading.Lock()

    def entry(self, caller: Caller, view: View, name: str, node: Node) -> None:
        """The file loses the tags at or under the view's last plain one. NotPermitted where there is none."""
        passing = self._arrivals.is_passing(caller, node, name)
        if passing or self._arrivals.is_backup(caller, node):
            place = self._places.of(caller, node.id)
            self._drive.unlink(caller, place.folder, place.name)
        else:
            saving = self._arrivals.is_making(caller, view.path)
            before = self._edges(caller, view, node) if saving else ()
            self._take(caller, view, node, f"removed from {'/'.join(('tags', *view.path))}")
            if saving:
                place = self._places.of(caller, node.id)
                self._arrivals.taken(view.path, name, Taken(caller.pid, node.id, place, before))
        self._arrivals.removed(view.path, name)

    def _edges(self, caller: Caller, view: View, node: Node) -> tuple[Edge, ...]:
        """What is said of a file and the view's last tag or those below it."""
        tag = removable(view)
        return tuple(edge for edge in self._drive.edges(caller, node.file) if tag and at_or_under(edge.tag, tag))

    def untag(self, caller: Caller, view: View, node: Node, why: str) -> list[str]:
        """Takes the view's last tag and those below it off a file; returns the paths of the tags that the file had
        of them."""
        lost = self._edges(caller, view, node)
        self._take(caller, view, node, why)
        return [edge.tag for edge in lost if edge.state is EdgeState.APPLIED]

    def _take(self, caller: Caller, view: View, node: Node, why: str) -> None:
        """Takes the view's last tag and those below it off a file. NotPermitted."""
        tag = removable(view)
        if not tag:
            raise NotPermitted("nothing can be removed from this folder")
        if view.review:
            self.reject(caller, view, node, why)
            return
        lost: tuple[Edge, ...] = ()
        if not own_folder(view):
            lost = self._edges(caller, view, node)
        self._drive.change_tags(caller, [node.file], [], [tag], why=why)
        self._remember(caller, view.path, node.file, lost)

    def waiting(self, caller: Caller, view: View, node: Node) -> list[Edge]:
        """The suggestions of a file that a folder of `+review` shows."""
        edges = self._drive.edges(caller, node.file)
        return [edge for edge in edges if edge.state is EdgeState.REVIEW and at_or_under(edge.tag, view.review)]

    def reject(self, caller: Caller, view: View, node: Node, why: str) -> None:
        """The suggestions are remembered as rejected; tags that the file has are not touched, whatever lies below."""
        refused = [
            msgspec.structs.replace(edge, state=EdgeState.REJECTED, at=0, actor="")
            for edge in self.waiting(caller, view, node)
        ]
        self._drive.put_edges(caller, node.file, refused, why=why)

    def folder(self, caller: Caller, view: View) -> None:
        """An unused tag is deleted, else NotEmpty. The folder of another tag within a tag's folder only has to be
        empty: the tag is not touched, because `rm -r` passes through."""
        if view.review and not view.files:
            return  # `rm -r` of suggestions ends with the folder, which is gone by itself
        if view.tag is None:
            raise NotPermitted("this folder is part of what tags/ can be asked")
        with self._lock:
            made_here = view.path in self._made
        if own_folder(view) or made_here:
            self._restore(caller, view.path)
            self._drive.delete_tag(caller, view.tag.path)
            self._made.pop(view.path, None)
        elif view.files:
            raise NotEmpty("files have this tag here")

    def made(self, path: LiteralPath) -> None:
        """A tag was made by this path: removing the folder again means the tag."""
        with self._lock:
            self._made[path] = None
            if len(self._made) > _LOSSES:
                self._made.popitem(last=False)

    def _remember(self, caller: Caller, path: LiteralPath, file: int, lost: tuple[Edge, ...]) -> None:
        if not caller.pid or not lost:
            return
        with self._lock:
            deletion = self._deletions.setdefault(caller.pid, Deletion())
            self._deletions.move_to_end(caller.pid)
            if deletion.until < self._clock() or len(deletion.losses) >= _LOSSES:
                deletion.losses.clear()
            deletion.until = self._clock() + _WHILE
            deletion.losses.append((path, file, lost))
            if len(self._deletions) > _PROCESSES:
                self._deletions.popitem(last=False)

    def _restore(self, caller: Caller, path: LiteralPath) -> None:
        """Says again what this process removed on its way through the folder at `path`, but for that folder's own
        tag."""
        with self._lock:
            deletion = self._deletions.get(caller.pid)
            if deletion is None or deletion.until < self._clock():
                return
            losses = [loss for loss in deletion.losses if loss[0][: len(path)] == path and len(loss[0]) > len(path)]
            deletion.losses = [loss for loss in deletion.losses if loss not in losses]
        own = "/".join(path)
        for _, file, lost in losses:
            others = [edge for edge in lost if not at_or_under(edge.tag, own)]
            if others:
                self._drive.put_edges(caller, file, others, why=f"only tags/{own} was removed")

    def make(self, caller: Caller, view: View, name: str) -> None:
        """A new tag, or a new child of the view's tag. NotPermitted below anything else, InvalidArgument,
        AlreadyExists."""
        if view.path and view.tag is None:
            raise NotPermitted("a tag is made at the top of tags/ or in another tag's folder")
        if "/" in name:
            raise InvalidArgument("a tag's name holds no '/'")
        self._drive.create_tag(caller, f"{view.tag.path}/{name}" if view.tag else name)
        self.made((*view.path, name))
