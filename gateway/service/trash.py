"""The server-side trash of `files/`: what was deleted, replaced or recovered, for a while."""

import stat
from collections.abc import Sequence

from gateway.service.core import Change, again
from gateway.service.repeats import item_recovered, once, path_restored
from gateway.service.tree import TreePart, changed
from gateway.store.rows import TrashRow
from graphfs.errors import NotFound
from graphfs.layout import apply
from graphfs.model import FILES_ROOT, Caller, EventKind, Layout, Node, Patch, Trashed
from graphfs.names import check_file_name, marked_name

_RESTORED = " (restored)"


def _steps(path: str) -> list[str]:
    """The names on the way to what was at a path, from `files/` down; one that had no place there has only its own."""
    steps = path.split("/")
    return steps[1:] or steps


class TrashPart(TreePart):
    """Implements `graphfs.api.Trash`."""

    def trash(self, caller: Caller, limit: int = 0) -> list[Trashed]:
        found = []
        for row in self.store.trash(limit):
            node = self.store.node(row.node)
            if node is not None and self._may_restore(caller, row):
                found.append(Trashed(row.node, node, row.path, row.at, row.actor, row.why))
        return found

    def _may_restore(self, caller: Caller, row: TrashRow) -> bool:
        return caller.uid in (0, self.settings.owner, row.uid)

    @once(path_restored)
    @again
    def restore(self, caller: Caller, item: int) -> str:
        with self.change(caller) as change:
            tx = change.tx
            row = tx.trashed(item)
            if row is None or not self._may_restore(caller, row):
                raise NotFound(f"nothing in the trash has the number {item}")
            node = self.need(tx.node(row.node))
            *folders, name = _steps(row.path)
            folder = self._folders(change, folders)
            name = self._free(change, folder, name)
            tx.add_entry(folder, name, node.id)
            tx.save_node(changed(node, links=node.links + 1, ctime=change.now))
            tx.delete_trash(item)
            tx.touch(folder, change.now)
            self.relive(change, node.id)
            change.tell(EventKind.ENTRY, folder, name)
            change.tell(EventKind.NODE, node.id)
        return self.oldest_path(node.id)

    def _folders(self, change: Change, names: Sequence[str]) -> int:
        """The folder of these names below `files/`, made where it is missing; where a file is in the way, beside it."""
        tx, folder = change.tx, FILES_ROOT
        for name in names:
            found = tx.lookup(folder, name)
            if found is not None and not stat.S_ISDIR(found.mode):
                name = self._free(change, folder, name)
                found = None
            if found is None:
                parent = self.need(tx.node(folder))
                self.ours(change, folder)
                found = tx.add_node(0o40755, parent.uid, parent.gid, 0, change.now, links=2, live=True)
                tx.add_entry(folder, name, found.id)
                tx.touch(folder, change.now, 1)
                change.tell(EventKind.ENTRY, folder, name)
            folder = found.id
        return folder

    def _free(self, change: Change, folder: int, name: str) -> str:
        self.ours(change, folder)
        free, number = name, 1
        while change.tx.lookup(folder, free) is not None:
            stem, dot, end = name.rpartition(".")
            mark = _RESTORED if number == 1 else f" (restored {number})"
            free = marked_name(stem, f"{mark}.{end}") if dot and stem else marked_name(name, mark)
            number += 1
        return free

    @again
    def purge(self, caller: Caller, older_than: int) -> int:
        total = 0
        while rows := [row for row in self.store.trashed_before(older_than) if self._may_restore(caller, row)]:
            for some in (rows[start : start + 500] for start in range(0, len(rows), 500)):
                with self.change(caller) as change:
                    for row in some:
                        self._forget(change, row)
            total += len(rows)
        return total

    def _forget(self, change: Change, row: TrashRow) -> None:
        change.tx.delete_trash(row.node)
        node = change.tx.node(row.node)
        if node is not None and node.links == 0:
            self.erase(change, node)

    @once(item_recovered)
    @again
    def recover(self, caller: Caller, path: str, layout: Layout) -> int:
        for name in _steps(path):
            check_file_name(name)
        for extent in layout.extents:
            self.need_bytes(extent.digest, extent.start + extent.length)
        patches = [Patch(one.offset, one.length, one.digest, one.start) for one in layout.extents]
        layout = apply(Layout(0, 0, ()), layout.size, patches)
        with self.change(caller) as change:
            tx = change.tx
            small = [extent.digest for extent in layout.extents if tx.has_blob(extent.digest)]
            node: Node = tx.add_node(0o100600, caller.uid, caller.gid, 0, change.now, links=0, live=False)
            tx.put_extents(node.id, layout.extents, small)
            stored = sum(extent.length for extent in layout.extents)
            tx.save_node(changed(node, size=layout.size, stored=stored, version=1))
            tx.add_trash(node.id, path, change.now, caller.uid, self.actor(caller), "recovered")
        return node.id
