"""Nodes, names and content as a change sees and writes them."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from gateway.store.base import Overtaken
from gateway.store.neo4j.marks import of_extents
from gateway.store.neo4j.pending import Pending
from gateway.store.neo4j.texts import plain, stored
from gateway.store.neo4j.writes import Key, key, text_key
from gateway.store.rows import Name
from graphfs.model import Extent, Node

_FOLDER = 0o040000
_TYPE = 0o170000
_NEW = 1 << 61
"""From here on an entry id stands for one that the commit gives."""
_ATTRIBUTES = ("mode", "uid", "gid", "rdev", "size", "stored", "atime", "mtime", "ctime", "links", "tags", "version")


class PendingTree(Pending):
    """The tree's half of a transaction."""

    # -- nodes

    def place(self, folder: int) -> tuple[Node, bool] | None:
        self.reads.add(key(Key.NODE, folder))
        if folder not in self._nodes:
            found = self._read.known(folder) if self._believes else None
            if found is not None:
                self.believed.add(folder)
            else:
                found = self._read.place(folder)
            self._nodes[folder] = found
            if found is not None and found[0].file:
                self._files.setdefault(found[0].file, folder)
            if found is not None and folder in self.out.patched:
                links = found[0].links + self.out.links.get(folder, 0)
                patch = {name: value for name, value in self.out.patched[folder].items() if name in _ATTRIBUTES}
                node = msgspec.structs.replace(found[0], **{"links": links, **patch})
                self._nodes[folder] = (node, self.out.patched[folder].get("live", found[1]))
        return self._nodes[folder]

    def known(self, node: int) -> tuple[Node, bool] | None:
        return self._nodes.get(node)

    def places(self) -> Iterable[tuple[int, tuple[Node, bool] | None]]:
        """Every node that was looked at, as this change leaves it."""
        return self._nodes.items()

    def node(self, node: int) -> Node | None:
        found = self.place(node)
        return found[0] if found else None

    def _patch(self, node: int, **values: Any) -> None:
        """Sets attributes of a node, whether it was read or not."""
        if node in self.out.created:
            self.out.created[node].update(values)
        else:
            self.out.patched.setdefault(node, {}).update(values)
        found = self._nodes.get(node)
        if found is not None:
            live = values.pop("live", found[1])
            self._nodes[node] = (msgspec.structs.replace(found[0], **values), live)

    def reserve(self, count: int) -> int:
        return self._reserve(count)

    def add_node(
        self,
        mode: int,
        uid: int,
        gid: int,
        rdev: int,
        now: int,
        *,
        links: int,
        live: bool,
        target: str = "",
        number: int = 0,
    ) -> Node:
        number = number or self._next_id()
        file = number if mode & _TYPE == 0o100000 else 0
        size = len(target.encode("utf-8", "surrogateescape"))
        node = Node(number, mode, uid, gid, rdev, size, 0, now, now, now, links, 0, 0, file)
        self._nodes[number] = (node, live)
        self._names[number] = []
        if file:
            self._edges[file] = {}
            self._files[file] = number
        row = {name: getattr(node, name) for name in (*_ATTRIBUTES, "id", "file")}
        self.out.created[number] = row | {"live": live, "arrived": now} | ({"target": stored(target)} if target else {})
        self.writes.add(key(Key.NODE, number))
        return node

    def save_node(self, node: Node) -> None:
        self.reads |= {key(Key.NODE, node.id), key(Key.TIMES, node.id)}
        self.writes.add(key(Key.NODE, node.id))
        self.shared.add(key(Key.TIMES, node.id))
        self.out.links.pop(node.id, None)
        self._patch(node.id, **{name: getattr(node, name) for name in _ATTRIBUTES})

    def touch(self, folder: int, now: int, links: int = 0) -> None:
        self.shared.add(key(Key.TIMES, folder))
        found = self._nodes.get(folder)
        if folder in self.out.created and found is not None:
            self._patch(folder, mtime=now, ctime=now, links=found[0].links + links)
            return
        patched = self.out.patched.get(folder, {})
        if "links" in patched:
            self._patch(folder, mtime=now, ctime=now, links=patched["links"] + links)
            return
        self._patch(folder, mtime=now, ctime=now)
        if links:
            self.out.links[folder] = self.out.links.get(folder, 0) + links
            if found is not None:
                self._nodes[folder] = (
                    msgspec.structs.replace(found[0], mtime=now, ctime=now, links=found[0].links + links),
                    found[1],
                )

    def set_changed(self, node: int, now: int) -> None:
        self.shared.add(key(Key.TIMES, node))
        self._patch(node, ctime=now)

    def set_accessed(self, times: Sequence[tuple[int, int]]) -> None:
        for node, when in times:
            self.shared.add(key(Key.TIMES, node))
            self._patch(node, atime=when)

    def retire(self, node: int, now: int) -> None:
        self.writes.add(key(Key.NODE, node))
        self.out.links.pop(node, None)
        self._patch(node, links=0, live=False, ctime=now)

    def delete_node(self, node: int) -> None:
        self.writes.add(key(Key.NODE, node))
        found = self.place(node)
        if found and found[0].file:
            self.writes.add(key(Key.FILE, found[0].file))
            self._files[found[0].file] = 0
        self.out.created.pop(node, None)
        self.out.patched.pop(node, None)
        self.out.links.pop(node, None)
        self.out.extents.pop(node, None)
        self.out.deleted[node] = None
        self._nodes[node] = None

    def swap_files(self, one: int, other: int) -> None:
        first, second = self.node(one), self.node(other)
        if first is None or second is None:
            raise Overtaken
        for node, file in ((first, second.file), (second, first.file)):
            self.writes |= {key(Key.NODE, node.id), key(Key.FILE, file)}
            live = self._nodes[node.id]
            self._nodes[node.id] = (msgspec.structs.replace(node, file=file), bool(live and live[1]))
            self._files[file] = node.id
        self.out.swapped.append((one, other))

    def by_file(self, file: int) -> Node | None:
        self.reads.add(key(Key.FILE, file))
        if file not in self._files:
            found = self._read.by_file(file)
            self._files[file] = found.id if found else 0
        return self.node(self._files[file]) if self._files[file] else None

    def set_live(self, node: int, live: bool) -> list[tuple[int, bool]]:
        found = self.place(node)
        if found is None:
            return []
        if found[0].mode & _TYPE != _FOLDER:
            above = [(name.folder, name.live) for name in self.names(node)]
            rows: list[list[Any]] = [[node, found[0].mode, found[0].file, found[1], above]]
        else:
            rows = self._read.below(node)
        folders = {row[0] for row in rows if row[1] & _TYPE == _FOLDER}
        changed: list[tuple[int, bool]] = []
        for number, mode, file, was, above in rows:
            now = live if mode & _TYPE == _FOLDER else any(live if up in folders else alive for up, alive in above)
            self.reads |= {key(Key.NODE, number), key(Key.NAMES, number)}
            if mode & _TYPE == _FOLDER:
                self.reads.add(key(Key.KIDS, number))
            if bool(was) != now:
                self.writes.add(key(Key.NODE, number))
                self._patch(number, live=now)
                if file:
                    changed.append((file, now))
        self._fetch_edges([file for file, _ in changed])
        return changed

    # -- names

    def _entry(self, folder: int, name: str) -> tuple[int, int] | None:
        """Entry id and node of a name."""
        place = (folder, stored(name))
        if place not in self._entries:
            self.reads.add(text_key(Key.NAME, *place))
            found = self._read.named_node(folder, name)
            self._entries[place] = (found[0], found[1].id) if found else None
            if found and found[1].id not in self._nodes and found[1].id not in self.out.patched:
                self.reads.add(key(Key.NODE, found[1].id))
                self._nodes[found[1].id] = (found[1], found[2])
        return self._entries[place]

    def lookup(self, folder: int, name: str) -> Node | None:
        found = self._entry(folder, name)
        return self.node(found[1]) if found else None

    def _set_entry(self, folder: int, name: str, value: tuple[int, int] | None) -> None:
        place = (folder, stored(name))
        before = self._entries.get(place)
        self.writes.add(text_key(Key.NAME, *place))
        self.shared.add(key(Key.KIDS, folder))
        for one in (before, value):
            if one is not None:
                self.writes.add(key(Key.NAMES, one[1]))
        if before is not None:
            if place not in self.out.entries:
                self.out.gone_entries[place] = None
            if before[1] in self._names:
                names = self._names[before[1]]
                self._names[before[1]] = [one for one in names if (one.folder, stored(one.name)) != place]
        self._entries[place] = value
        self.out.entries[place] = value
        if value is not None and value[1] in self._names:
            live = self.place(folder)
            named = Name(value[0], folder, name, bool(live and live[1]))
            self._names[value[1]] = sorted([*self._names[value[1]], named], key=lambda one: one.entry)

    def add_entry(self, folder: int, name: str, node: int) -> bool:
        place = (folder, stored(name))
        if self._careful or place in self._entries:
            if self._entry(folder, name) is not None:
                return False
        else:
            self.out.free.add(place)
        self._fresh += 1
        self._set_entry(folder, name, (_NEW + self._fresh, node))
        return True

    def move_entry(self, folder: int, name: str, new_folder: int, new_name: str) -> None:
        found = self._entry(folder, name)
        if found is not None:
            self._set_entry(folder, name, None)
            self._entry(new_folder, new_name)
            self._set_entry(new_folder, new_name, found)

    def point_entry(self, folder: int, name: str, node: int) -> None:
        found = self._entry(folder, name)
        if found is not None:
            self._set_entry(folder, name, (found[0], node))

    def delete_entry(self, folder: int, name: str) -> None:
        if self._entry(folder, name) is not None:
            self._set_entry(folder, name, None)

    def has_children(self, folder: int) -> bool:
        self.reads.add(key(Key.KIDS, folder))
        here = {place: one for place, one in self.out.entries.items() if place[0] == folder}
        if any(one is not None for one in here.values()):
            return True
        if not here:
            return self._read.has_children(folder)
        return any((folder, stored(one.name)) not in here for one in self._read.listed(folder, 0, 0))

    def names(self, node: int) -> list[Name]:
        self.reads.add(key(Key.NAMES, node))
        if node not in self._names:
            found = [one for one in self._read.names(node) if (one.folder, stored(one.name)) not in self.out.entries]
            for (folder, name), entry in self.out.entries.items():
                if entry is not None and entry[1] == node:
                    found.append(Name(entry[0], folder, plain(name), False))
            self._names[node] = sorted(found, key=lambda one: one.entry)
        found = []
        for one in self._names[node]:
            self.reads.add(key(Key.NODE, one.folder))
            if one.folder in self._nodes or (one.folder, stored(one.name)) in self.out.entries:
                place = self.place(one.folder)
                one = Name(one.entry, one.folder, one.name, bool(place and place[1]))
            found.append(one)
        return found

    # -- content

    def _rows(self, node: int, start: int, end: int) -> list[tuple[Extent, bool]]:
        """The extents that begin in a window, with what this change made of them."""
        found = self._nodes.get(node)
        if node in self.out.created or (found and not found[0].stored and node not in self.out.extents):
            rows: list[tuple[Extent, bool]] = []
        else:
            window = (node, start, end)
            if window not in self._extents:
                self._extents[window] = self._read.extent_rows(*window)
            rows = self._extents[window]
        own = self.out.extents.get(node)
        if own:
            merged: dict[int, tuple[Extent, bool] | None] = {row[0].offset: row for row in rows}
            merged.update({at: row for at, row in own.items() if start <= at < end})
            rows = [row for _, row in sorted(merged.items()) if row is not None]
        return rows

    def extents(self, node: int) -> tuple[Extent, ...]:
        return self.extents_within(node, 0, 1 << 62)

    def extents_within(self, node: int, start: int, end: int) -> tuple[Extent, ...]:
        self.reads.add(key(Key.NODE, node))
        return tuple([row[0] for row in self._rows(node, start, end)])

    def end_before(self, node: int, start: int) -> int:
        self.reads.add(key(Key.NODE, node))
        if not start:
            return 0
        if node in self.out.extents or node in self.out.created:
            rows = self._rows(node, 0, start)
            return rows[-1][0].offset + rows[-1][0].length if rows else 0
        return self._read.end_before(node, start)

    def put_extents(
        self, node: int, extents: Sequence[Extent], inline: Iterable[bytes], start: int = 0, end: int = 1 << 62
    ) -> list[bytes]:
        before = dict(self._rows(node, start, end))
        after = set(extents)
        gone, new = before.keys() - after, after - before.keys()
        own = self.out.extents.setdefault(node, {})
        small = set(inline) | {one.digest for one, flag in before.items() if flag}
        own.update(dict.fromkeys((one.offset for one in gone), None))
        own.update({one.offset: (one, one.digest in small) for one in new})
        change = of_extents(new) - of_extents(gone)
        self.out.marks[node] = self.out.marks.get(node, 0) + change
        self.writes.add(key(Key.NODE, node))
        kept = {one.digest for one in after}
        return list({one.digest for one in gone if not before[one] and one.digest not in kept})

    def blob(self, digest: bytes) -> bytes | None:
        return self.out.blobs.get(digest) or self._read.blob(digest)

    def has_blob(self, digest: bytes) -> bool:
        self.reads.add(text_key(Key.BLOB, 0, digest.hex()))
        return digest in self.out.blobs or self._read.has_blob(digest)

    def add_blob(self, digest: bytes, data: bytes) -> None:
        self.shared.add(key(Key.BLOB))
        self.out.blobs[digest] = bytes(data)

    def xattr(self, node: int, name: str) -> bytes | None:
        self.reads.add(key(Key.XATTR, node))
        place = (node, stored(name))
        return self.out.xattrs[place] if place in self.out.xattrs else self._read.xattr(node, name)

    def set_xattr(self, node: int, name: str, value: bytes) -> None:
        self.writes.add(key(Key.XATTR, node))
        self.out.xattrs[node, stored(name)] = bytes(value)

    def delete_xattr(self, node: int, name: str) -> bool:
        there = self.xattr(node, name) is not None
        if there:
            self.writes.add(key(Key.XATTR, node))
            self.out.xattrs[node, stored(name)] = None
        return there
