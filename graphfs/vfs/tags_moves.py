"""What rename(2) means where a view is on one side or both. Never a copy, and never a lost file."""

import stat
from collections.abc import Callable
from typing import Protocol

from graphfs.api import Content, Tags, Tree, Views, Xattrs
from graphfs.errors import AlreadyExists, IsAFolder, NotAFolder, NotFound, NotPermitted
from graphfs.model import Caller, Node, Replace, View
from graphfs.vfs.tags_arrivals import Arrivals
from graphfs.vfs.tags_places import Place, Places, at_or_under, own_folder, removable
from graphfs.vfs.tags_removals import Removals
from graphfs.vfs.trash import TagTrash
from graphfs.vfs.virtual import LiteralPath, VirtualIds

Find = Callable[[Caller, LiteralPath, str], View | Node]
"""What a name in a view leads to. NotFound."""


class Moved(Tree, Content, Tags, Views, Xattrs, Protocol):
    """What is needed of a drive to move things."""


class Moves:
    """Renames within, into and out of views."""

    def __init__(
        self,
        drive: Moved,
        find: Find,
        ids: VirtualIds,
        places: Places,
        arrivals: Arrivals,
        removals: Removals,
        trash: TagTrash,
    ) -> None:
        self._drive = drive
        self._find = find
        self._ids = ids
        self._places = places
        self._arrivals = arrivals
        self._removals = removals
        self._trash = trash

    # -- both sides are views

    def within(
        self, caller: Caller, path: LiteralPath, name: str, new_path: LiteralPath, new_name: str, replace: Replace
    ) -> int:
        """Of a file: in one view its name changes, between two its tags do. Of a folder: the tag is renamed or gets
        another parent. Returns the file's node, 0 for a folder."""
        found = self._find(caller, path, name)
        target = self._look(caller, new_path, new_name)
        if replace is Replace.EXCHANGE:
            self._exchange(caller, path, found, new_path, target)
        elif isinstance(found, View):
            self._move_tag(caller, found, path, new_path, new_name, target, replace)
        elif isinstance(target, View):
            raise IsAFolder(new_name)
        elif target is not None and target.id != found.id and replace is Replace.REFUSE:
            raise AlreadyExists(new_name)
        elif path == new_path:
            self._rename(caller, path, name, found, new_name, target)
        else:
            self._retag(caller, path, name, found, new_path, new_name, target)
        return found.id if isinstance(found, Node) else 0

    def _rename(
        self, caller: Caller, path: LiteralPath, name: str, node: Node, new_name: str, target: Node | None
    ) -> None:
        """In one view: the file's own name changes in its own folder; over another entry it is that file's new
        content."""
        view = self._drive.view(caller, path)
        if not view.gives:
            raise NotPermitted("nothing can be renamed in this folder")
        place = self._places.of(caller, node.id)
        if target is not None:
            if target.id != node.id:
                self._save_over(caller, place, target)
            self._arrivals.removed(path, name)
            return
        if not self._arrivals.place(caller, node, view, new_name, place):
            self._drive.rename(caller, place.folder, place.name, place.folder, new_name, Replace.REFUSE)
            self._arrivals.renamed(path, name, new_name, place, node)
        self._arrivals.removed(path, name)

    def _save_over(self, caller: Caller, place: Place, target: Node) -> None:
        """A new content under the old file's name: the store hands over id and tags."""
        there = self._places.of(caller, target.id)
        self._drive.rename(caller, place.folder, place.name, there.folder, there.name)

    def _retag(
        self,
        caller: Caller,
        path: LiteralPath,
        name: str,
        node: Node,
        new_path: LiteralPath,
        new_name: str,
        target: Node | None,
    ) -> None:
        """Between two views: the last tag of the one that the other does not have goes, the other's come."""
        view, new_view = self._drive.view(caller, path), self._drive.view(caller, new_path)
        self._need_gives(new_view)
        if target is not None and target.id != node.id and new_name != name:
            self._save_over(caller, self._places.of(caller, node.id), target)
            self._drive.change_tags(caller, [target.file], new_view.gives, [])
            return
        if target is None:
            self._rename_own(caller, node, name, new_name)
        if view.review:
            self._judge(caller, view, node, new_view)
            self._arrivals.removed(path, name)
            return
        last = removable(view)
        given = [*view.gives, last] if last else []
        lost = next((tag for tag in reversed(given) if tag not in new_view.gives), None)
        new = [tag for tag in new_view.gives if tag not in view.gives or not node.tags]
        why = f"moved from {'/'.join(('tags', *path))} to {'/'.join(('tags', *new_path))}"
        self._drive.change_tags(caller, [node.file], new, [lost] if lost else [], why=why)
        self._arrivals.removed(path, name)

    def _judge(self, caller: Caller, view: View, node: Node, new_view: View) -> None:
        """A suggestion that is moved to its own tag is accepted; moved to another one, that is the right one."""
        why = f"moved from {'/'.join(('tags', *view.path))} to {'/'.join(('tags', *new_view.path))}"
        waiting = [edge.tag for edge in self._removals.waiting(caller, view, node)]
        accepted = [tag for tag in waiting if any(at_or_under(tag, given) for given in new_view.gives)]
        others = [tag for tag in new_view.gives if not any(at_or_under(one, tag) for one in accepted)]
        self._drive.change_tags(caller, [node.file], [*accepted, *others], [], why=why)
        self._removals.reject(caller, view, node, why)

    def _rename_own(self, caller: Caller, node: Node, name: str, new_name: str) -> None:
        """The file's own name becomes `new_name` when a person asked for another one than was shown."""
        if new_name == name:
            return
        place = self._places.of(caller, node.id)
        if place.name != new_name:
            self._drive.rename(caller, place.folder, place.name, place.folder, new_name, Replace.REFUSE)

    def _exchange(
        self, caller: Caller, path: LiteralPath, found: View | Node, new_path: LiteralPath, target: View | Node | None
    ) -> None:
        if target is None:
            raise NotFound("there is nothing to exchange with")
        if isinstance(found, View) or isinstance(target, View) or path != new_path:
            raise NotPermitted("only two files of one folder can exchange their names")
        if not self._drive.view(caller, path).gives:
            raise NotPermitted("nothing can be renamed in this folder")
        here, there = self._places.of(caller, found.id), self._places.of(caller, target.id)
        self._drive.rename(caller, here.folder, here.name, there.folder, there.name, Replace.EXCHANGE)

    def _move_tag(
        self,
        caller: Caller,
        view: View,
        path: LiteralPath,
        new_path: LiteralPath,
        new_name: str,
        target: View | Node | None,
        replace: Replace,
    ) -> None:
        if view.tag is None or not view.gives:
            raise NotPermitted("this folder is part of what tags/ can be asked")
        if isinstance(target, Node):
            raise NotAFolder(new_name)
        if target is not None and replace is Replace.REFUSE:
            raise AlreadyExists(new_name)
        if path == new_path:
            above = view.tag.path.rpartition("/")[0]
        elif not own_folder(view):
            raise NotPermitted("only a tag's own folder can be moved: this one shows which files have both tags")
        else:
            into = self._drive.view(caller, new_path)
            if new_path and (into.tag is None or not into.gives):
                raise NotPermitted("a tag can be moved into another tag's folder only")
            above = into.tag.path if into.tag is not None else ""
        self._drive.rename_tag(caller, view.tag.path, f"{above}/{new_name}" if above else new_name)
        self._ids.moved(view.path, (*new_path, new_name))

    # -- one side is a folder of the store

    def inward(
        self, caller: Caller, store_folder: int, name: str, path: LiteralPath, new_name: str, replace: Replace
    ) -> Node:
        """A file gets the view's tags and stays where it is; what comes from the trash is brought back. Returns what
        it was."""
        if replace is Replace.EXCHANGE:
            raise NotPermitted("a file and an entry of a view cannot be exchanged")
        node = self._drive.lookup(caller, store_folder, name)
        place = Place(store_folder, name)
        from_trash = self._places.in_trash(caller, store_folder)
        view = self._drive.view(caller, path)
        if stat.S_ISDIR(node.mode) and from_trash:
            if path and view.tag is None:
                raise NotPermitted("a tag can be brought back to the top of tags/ or into another tag's folder only")
            above = f"{view.tag.path}/" if view.tag is not None and own_folder(view) else ""
            wanted = f"{above}{new_name}" if above or not path else ""
            self._trash.take_folder(caller, place, node, wanted)
            return node
        if not node.file:
            raise NotPermitted("only files have tags")
        target = self._look(caller, path, new_name)
        if isinstance(target, View):
            raise IsAFolder(new_name)
        self._need_gives(view)
        if target is not None and target.id != node.id and replace is Replace.REFUSE:
            raise AlreadyExists(new_name)
        if from_trash:
            self._trash.take_file(caller, place, node, view, new_name)
        elif target is not None and target.id != node.id and new_name != name:
            self._save_over(caller, place, target)
            self._drive.change_tags(caller, [target.file], view.gives, [])
        else:
            if target is None:
                self._rename_own(caller, node, name, new_name)
            self._drive.change_tags(caller, [node.file], view.gives, [], why=f"moved to {'/'.join(('tags', *path))}")
        return node

    def outward(
        self, caller: Caller, path: LiteralPath, name: str, store_folder: int, new_name: str, replace: Replace
    ) -> View | Node:
        """The file is moved from its own folder, its tags stay; into the trash it loses the view's tag instead, a
        tag's folder all of the tag. Returns what it was."""
        if replace is Replace.EXCHANGE:
            raise NotPermitted("a file and an entry of a view cannot be exchanged")
        found = self._find(caller, path, name)
        to = Place(store_folder, new_name)
        if self._places.in_trash(caller, store_folder):
            if isinstance(found, View):
                self._trash.put_folder(caller, found, to)
            else:
                self._trash.put_file(caller, self._drive.view(caller, path), found, to)
                self._arrivals.removed(path, name)
            return found
        if isinstance(found, View):
            raise NotPermitted("a folder that is a question cannot become a folder of files")
        place = self._places.of(caller, found.id)
        self._drive.rename(caller, place.folder, place.name, to.folder, to.name, replace)
        self._arrivals.removed(path, name)
        return found

    def _look(self, caller: Caller, path: LiteralPath, name: str) -> View | Node | None:
        try:
            return self._find(caller, path, name)
        except NotFound:
            return None

    def _need_gives(self, view: View) -> None:
        if not view.gives:
            raise NotPermitted("a file cannot be put into this folder")
