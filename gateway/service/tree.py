"""Folders, names and attributes: POSIX's rules, and what GraphFS adds to them (trash, identity over safe saves)."""

import os
import stat
from collections.abc import Sequence

from gateway.service.core import Change, Core, again
from gateway.service.repeats import node_as_it_is, node_at, nothing, once
from gateway.service.saves import WINDOW
from gateway.store.base import MembersStep, NameStep, PathsStep, SavedStep, Transaction
from gateway.store.loans import LentStep
from gateway.store.rows import EdgeRow
from graphfs.errors import (
    AlreadyExists,
    InvalidArgument,
    IsAFolder,
    NameTooLong,
    NotAFolder,
    NotEmpty,
    NotFound,
    NotPermitted,
    TooManyLinks,
)
from graphfs.loans import NEVER_LENT
from graphfs.model import SUPER_ROOT, AttributeChange, Caller, Entry, EventKind, Node, Replace, moment
from graphfs.names import check_file_name as check_name

_MAX_LINKS = 65_000
_FOLDERS = 10_000
_MAX_TARGET = 4095
"""Bytes of a symbolic link's target, as on Linux."""
_TYPES = frozenset({stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK})
"""A kernel refuses a whole listing for one node of another type."""


def _check_target(target: str) -> None:
    if not target or "\0" in target:
        raise InvalidArgument("a symbolic link leads somewhere: its target is neither empty nor holds NUL")
    if len(os.fsencode(target)) > _MAX_TARGET:
        raise NameTooLong(f"a symbolic link's target has at most {_MAX_TARGET} bytes")


def shown(name: str) -> str:
    """A name for a text that people read: bytes that are not UTF-8 show as U+FFFD."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def changed(node: Node, **values: int) -> Node:
    """The record with other values."""
    fields = {name: getattr(node, name) for name in Node.__struct_fields__}
    return Node(**(fields | values))


def backup_names(name: str) -> tuple[str, ...]:
    """What editors call the old content that they keep beside a file."""
    return f"{name}~", f"{name}.bak", f".{name}~", f"{name}.orig"


class TreePart(Core):
    """Implements `graphfs.api.Tree`."""

    _seen_folders: set[int]
    """Nodes known to be folders, or to have been: remembered for names that are not there."""

    def give_tags(self, change: Change, file: int, add: Sequence[str], why: str) -> int:
        raise NotImplementedError

    def node(self, caller: Caller, node: int) -> Node:
        return self.need(self.store.node(node), node)

    def lookup(self, caller: Caller, folder: int, name: str) -> Node:
        ended = self.lent.ended
        while (found := self.store.lookup(folder, name)) is None and name not in NEVER_LENT:
            if self.all_there(caller, folder, ended):
                break
            ended = self.lent.ended
        if found is None:
            # A node never becomes one of another kind, and no number is used twice.
            if folder not in self._seen_folders:
                place = self.store.known(folder) or self.store.place(folder)
                if place is not None:
                    if not stat.S_ISDIR(place[0].mode):
                        raise NotAFolder("not a folder")
                    if len(self._seen_folders) >= _FOLDERS:
                        self._seen_folders.clear()
                    self._seen_folders.add(folder)
            raise NotFound(name)
        return found

    def children(self, caller: Caller, folder: int, after: int = 0, limit: int = 0) -> list[Entry]:
        ended = self.lent.ended
        found = self.store.children(folder, after, limit)
        while not self.all_there(caller, folder, ended):
            ended = self.lent.ended
            found = self.store.children(folder, after, limit)
        if not found and not after and not stat.S_ISDIR(self.node(caller, folder).mode):
            raise NotAFolder("not a folder")
        return found

    def readlink(self, caller: Caller, node: int) -> str:
        if not stat.S_ISLNK(self.node(caller, node).mode):
            raise InvalidArgument("not a symbolic link")
        return self.store.target(node)

    def file(self, caller: Caller, file: int) -> Node:
        if file not in self.index.live:
            raise NotFound(f"no file has the id {file}")
        return self.need(self.store.by_file(file), file)

    @once(node_at)
    @again
    def create(
        self,
        caller: Caller,
        folder: int,
        name: str,
        mode: int,
        *,
        rdev: int = 0,
        target: str = "",
        tags: Sequence[str] = (),
        draft: bool = False,
    ) -> Node:
        check_name(name)
        if mode & ~0o7777 not in _TYPES:
            raise InvalidArgument(f"{mode:#o} is not the mode of a file, a folder, a link or a special file")
        if stat.S_ISLNK(mode):
            _check_target(target)
        self.blobs.room(0)
        with self.change(caller, draft=draft) as change:
            return self.made_here(change, folder, name, mode, rdev=rdev, target=target, tags=tags)

    def made_here(
        self,
        change: Change,
        folder: int,
        name: str,
        mode: int,
        *,
        rdev: int = 0,
        target: str = "",
        tags: Sequence[str] = (),
        number: int = 0,
        when: int = 0,
    ) -> Node:
        """A new node under a name. `number`: an id that was reserved for it. `when`: it was made, if not now."""
        check_name(name)
        is_folder = stat.S_ISDIR(mode)
        tx, caller = change.tx, change.caller
        parent, live = self.need_folder(tx, folder)
        self.ours(change, folder)
        gid = caller.gid
        if parent.mode & stat.S_ISGID:
            gid = parent.gid
            mode |= stat.S_ISGID if is_folder else 0
        node = tx.add_node(
            mode,
            caller.uid,
            gid,
            rdev,
            when or change.now,
            links=2 if is_folder else 1,
            live=live,
            target=target,
            number=number,
        )
        if not tx.add_entry(folder, name, node.id):
            raise AlreadyExists(name)
        tx.touch(folder, when or change.now, 1 if is_folder else 0)
        if stat.S_ISREG(mode) and live:
            tx.queue(node.file, change.now + int(self.settings.settle * 1e9))
            change.live(node.file, True)
            saved = self._saved_beside(change, node, folder, name)
            if saved:
                node = self.need(tx.node(node.id))
            if tags:
                given = self.give_tags(change, node.file, tags, f"created as {shown(name)}")
                node = self.need(tx.node(node.id)) if saved else changed(node, tags=given, ctime=change.now)
        change.tell(EventKind.ENTRY, folder, name)
        return node

    def settle(self) -> None:
        self.store.settle()

    @once(node_as_it_is)
    @again
    def link(self, caller: Caller, node: int, folder: int, name: str) -> Node:
        check_name(name)
        with self.change(caller) as change:
            tx = change.tx
            found = self.need(tx.node(node), node)
            if stat.S_ISDIR(found.mode):
                raise NotPermitted("a folder has one name only")
            if found.links >= _MAX_LINKS:
                raise TooManyLinks(f"a file has at most {_MAX_LINKS} names")
            self.need_folder(tx, folder)
            self.ours(change, folder)
            if not tx.add_entry(folder, name, node):
                raise AlreadyExists(name)
            if found.links == 0:
                change.after(lambda: self._unnamed.discard(node))
            found = changed(found, links=found.links + 1, ctime=change.now)
            tx.save_node(found)
            tx.touch(folder, change.now)
            self.relive(change, node)
            if found.file:
                change.then(NameStep(found.file))
            change.tell(EventKind.ENTRY, folder, name)
            change.tell(EventKind.NODE, node)
        return found

    @once(nothing)
    @again
    def unlink(self, caller: Caller, folder: int, name: str) -> None:
        with self.change(caller) as change:
            tx = change.tx
            node = self.need(tx.lookup(folder, name), name)
            if stat.S_ISDIR(node.mode):
                raise IsAFolder(name)
            if node.file and self._rewritten(change, node):
                node = self.need(tx.node(node.id))
            place = tx.place(node.id)
            tx.delete_entry(folder, name)
            tx.touch(folder, change.now)
            # By the record, not by the sets in memory: what another server made a moment ago goes to the trash too.
            self.drop_name(change, node, folder, name, "deleted" if node.file and place and place[1] else "")
            change.tell(EventKind.ENTRY, folder, name)

    def drop_name(self, change: Change, node: Node, folder: int, name: str, why: str) -> None:
        """After an entry was taken away from a node that is not a folder: what becomes of the node. `why` it goes to
        the trash; empty: it does not."""
        tx, now = change.tx, change.now
        if node.links > 1:
            tx.save_node(changed(node, links=node.links - 1, ctime=now))
            self.relive(change, node.id)
            if node.file:
                change.then(NameStep(node.file))
            change.tell(EventKind.NODE, node.id)
            return
        if why and (node.size or node.tags):
            if node.tags:
                self._members_changed(change, node.file)
            tx.retire(node.id, now)
            tx.delete_job(node.file)
            above = self.folder_path(folder)
            tx.add_trash(node.id, f"{above}/{name}", now, change.caller.uid, self.actor(change.caller), why)
        elif self.left_to_holders(node):
            tx.retire(node.id, now)
            if node.file:
                tx.delete_job(node.file)
        else:
            self.erase(change, node)
        if node.file:
            change.live(node.file, False)
        change.tell(EventKind.NODE, node.id)

    def relive(self, change: Change, node: int) -> None:
        """Brings liveness of a node (and all below) in line with its names, and the jobs with it."""
        tx = change.tx
        place = tx.place(node)
        names = tx.names(node)
        live = any(name.live for name in names)
        if place is None or place[1] == live:
            return
        for file, now_live in tx.set_live(node, live):
            change.live(file, now_live)
            self._members_changed(change, file)
            if now_live:
                tx.queue(file, change.now + int(self.settings.settle * 1e9))
            else:
                tx.delete_job(file)

    def _members_changed(self, change: Change, file: int) -> None:
        """The folders of a file's tags list another set from now on."""
        tags: set[int] = set()
        for edge in change.tx.edges(file):
            tags |= self.index.lineage(edge.tag)
        if tags:
            change.tx.touch_tags(tags, change.now)
            change.then(MembersStep(tuple(tags), change.now))

    def _rewritten(self, change: Change, node: Node) -> bool:
        """A backup is deleted whose old name was made anew (an editor that renames, writes and removes the backup):
        the new file is the same
        file, so it gets the stable id and the tags."""
        tx = change.tx
        origin = self.saves.origin(node.id)
        if origin is None:
            return False
        change.then(SavedStep(node.id, origin.folder, origin.name, 0))
        if change.now - origin.at > WINDOW:
            return False
        new = tx.lookup(origin.folder, origin.name)
        if new is None or not new.file or new.id <= node.id:
            return False
        self.hand_over(change, node, new)
        return True

    def hand_over(self, change: Change, old: Node, new: Node) -> None:
        """`new` becomes the file that `old` was: stable id and tags; what `new` had itself is added."""
        tx, now = change.tx, change.now
        tx.swap_files(old.id, new.id)
        was = {edge.tag for edge in tx.edges(old.file)}
        own = [edge for edge in tx.edges(new.file) if edge.tag not in was]
        if own:
            self.copy_edges(change, own, old.file)
        if was or own:
            tx.count_tags(old.file, now)
            tx.count_tags(new.file, now)
        place = tx.place(new.id)
        if place and place[1]:
            tx.queue(old.file, now + int(self.settings.settle * 1e9))
            change.live(old.file, True)
        change.then(NameStep(old.file), NameStep(new.file))

    def copy_edges(self, change: Change, edges: Sequence[EdgeRow], file: int) -> None:
        raise NotImplementedError

    @once(nothing)
    @again
    def rmdir(self, caller: Caller, folder: int, name: str) -> None:
        with self.change(caller) as change:
            tx = change.tx
            node = self.need(tx.lookup(folder, name), name)
            if not stat.S_ISDIR(node.mode):
                raise NotAFolder(name)
            self.ours(change, node.id)
            if tx.has_children(node.id):
                raise NotEmpty(name)
            if folder == SUPER_ROOT and name == "files":
                raise NotPermitted("files/ is part of the drive")
            tx.delete_entry(folder, name)
            tx.touch(folder, change.now, -1)
            tx.delete_node(node.id)
            if self.lent.last(node.id):
                change.then(LentStep((node.id,), 0))
            change.then(PathsStep())
            change.tell(EventKind.ENTRY, folder, name)

    @once(nothing)
    @again
    def rename(
        self, caller: Caller, folder: int, name: str, new_folder: int, new_name: str, replace: Replace = Replace.ALLOW
    ) -> None:
        check_name(new_name)
        with self.change(caller) as change:
            tx = change.tx
            node = self.need(tx.lookup(folder, name), name)
            target = tx.lookup(new_folder, new_name)
            if new_folder != folder:
                self.need_folder(tx, new_folder)
            self.ours(change, new_folder)
            if target is not None and stat.S_ISDIR(target.mode):
                self.ours(change, target.id)
            if SUPER_ROOT in (folder, new_folder) and "files" in (
                name if folder == SUPER_ROOT else "",
                new_name if new_folder == SUPER_ROOT else "",
            ):
                raise NotPermitted("files/ is part of the drive")
            for moved, into in ((node, new_folder), (target, folder) if replace is Replace.EXCHANGE else (None, 0)):
                if moved is not None and stat.S_ISDIR(moved.mode) and self._is_below(tx, into, moved.id):
                    raise InvalidArgument("a folder cannot be moved into itself")
            if replace is Replace.EXCHANGE:
                self._exchange(change, node, folder, name, self.need(target, new_name), new_folder, new_name)
            else:
                if target is not None and replace is Replace.REFUSE:
                    raise AlreadyExists(new_name)
                if target is not None and target.id == node.id:
                    return
                self._move(change, node, folder, name, target, new_folder, new_name)
            change.tell(EventKind.ENTRY, folder, name)
            change.tell(EventKind.ENTRY, new_folder, new_name)

    def _is_below(self, tx: Transaction, folder: int, top: int) -> bool:
        while folder != SUPER_ROOT:
            if folder == top:
                return True
            names = tx.names(folder)
            if not names:
                return False
            folder = names[0].folder
        return top == SUPER_ROOT

    def _move(
        self, change: Change, node: Node, folder: int, name: str, target: Node | None, new_folder: int, new_name: str
    ) -> None:
        tx, now = change.tx, change.now
        is_folder = stat.S_ISDIR(node.mode)
        if target is not None:
            self._make_way(change, node, target, new_folder, new_name)
            node = self.need(tx.node(node.id))
        tx.move_entry(folder, name, new_folder, new_name)
        tx.set_changed(node.id, now)
        lost_folder = target is not None and is_folder
        if folder == new_folder:
            tx.touch(folder, now, -int(lost_folder))
            if node.file:
                change.then(SavedStep(node.id, folder, name, now, new_name in backup_names(name)))
        else:
            tx.touch(folder, now, -int(is_folder))
            tx.touch(new_folder, now, int(is_folder) - int(lost_folder))
        if is_folder:
            change.then(PathsStep())
        if folder != new_folder:
            self.relive(change, node.id)
        if node.file and name != new_name:
            change.then(NameStep(node.file))
        if node.file and target is None:
            self._saved_beside(change, node, new_folder, new_name)
        change.tell(EventKind.NODE, node.id)

    def _saved_beside(self, change: Change, new: Node, folder: int, name: str) -> bool:
        """A name that was just moved to a backup's name is taken by a new file: that is the same file, saved by an
        editor
        that keeps the backup; the backup is the new one."""
        kept, when = self.saves.backup(folder, name)
        if not kept:
            return False
        place = None if change.now - when > WINDOW or kept == new.id else change.tx.place(kept)
        if place is None or not place[0].file or not place[1]:
            change.then(SavedStep(0, folder, name, 0))
            return False
        change.then(SavedStep(kept, folder, name, 0))
        self.hand_over(change, place[0], new)
        return True

    def _make_way(self, change: Change, node: Node, target: Node, folder: int, name: str) -> None:
        """Takes the name away from what a rename replaces."""
        tx = change.tx
        if stat.S_ISDIR(target.mode):
            if not stat.S_ISDIR(node.mode):
                raise IsAFolder(name)
            if tx.has_children(target.id):
                raise NotEmpty(name)
            tx.delete_entry(folder, name)
            tx.delete_node(target.id)
            return
        if stat.S_ISDIR(node.mode):
            raise NotAFolder(name)
        place = tx.place(target.id)
        was_live = bool(target.file and place and place[1])
        if node.file and was_live and target.links == 1:
            self.hand_over(change, target, node)
            target = self.need(tx.node(target.id))
        tx.delete_entry(folder, name)
        self.drop_name(change, target, folder, name, "replaced" if was_live else "")

    def _exchange(
        self, change: Change, node: Node, folder: int, name: str, target: Node, new_folder: int, new_name: str
    ) -> None:
        tx, now = change.tx, change.now
        tx.point_entry(folder, name, target.id)
        tx.point_entry(new_folder, new_name, node.id)
        shift = int(stat.S_ISDIR(target.mode)) - int(stat.S_ISDIR(node.mode)) if folder != new_folder else 0
        for one in (node, target):
            tx.save_node(changed(one, ctime=now))
        tx.touch(folder, now, shift)
        tx.touch(new_folder, now, -shift)
        change.then(PathsStep())
        if folder != new_folder:
            self.relive(change, node.id)
            self.relive(change, target.id)
        change.then(*(NameStep(one.file) for one in (node, target) if one.file))
        for one in (node, target):
            change.tell(EventKind.NODE, one.id)

    @again
    def set_attributes(self, caller: Caller, node: int, change: AttributeChange) -> Node:
        with self.change(caller) as step:
            found = self.need(step.tx.node(node), node)
            saved = Node(
                found.id,
                found.mode if change.mode is None else stat.S_IFMT(found.mode) | change.mode & 0o7777,
                found.uid if change.uid is None else change.uid,
                found.gid if change.gid is None else change.gid,
                found.rdev,
                found.size,
                found.stored,
                found.atime if change.atime is None else moment(change.atime),
                found.mtime if change.mtime is None else moment(change.mtime),
                step.now,
                found.links,
                found.tags,
                found.version,
                found.file,
            )
            step.tx.save_node(saved)
            step.tell(EventKind.NODE, node)
        return saved
