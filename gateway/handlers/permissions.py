"""What a caller may do who is neither root nor the drive's owner: file permissions, checked as the kernel does for a
mount.

A mount's callers were checked by its kernel, when they opened a file or changed a name, and it says so; whoever else
comes over HTTP was not. `NEEDS` lists what such a caller may
ask for at all; an operation that is not in it is the owner's alone. Views, counts and tags are scoped by the drive
itself.

It is checked before the call, not in its transaction: a folder's mode that changes at the same moment may count from
the next call on.
"""

import stat
from collections.abc import Callable, Mapping
from typing import Any

from graphfs.api import Drive
from graphfs.errors import AccessDenied, NotAFolder, NotFound
from graphfs.model import FILES_ROOT, SUPER_ROOT, AttributeChange, Caller, Node

READ, WRITE, SEARCH = 4, 2, 1

Check = Callable[[Drive, Caller, Mapping[str, Any]], None]


def allows(node: Node, caller: Caller, wanted: int) -> bool:
    """Whether the mode bits of a node give the caller all of `wanted` (READ | WRITE | SEARCH)."""
    if caller.uid == 0:
        return True
    if node.uid == caller.uid:
        granted = node.mode >> 6
    elif node.gid == caller.gid or node.gid in caller.groups:
        granted = node.mode >> 3
    else:
        granted = node.mode
    return granted & wanted == wanted


def _demand(node: Node, caller: Caller, wanted: int) -> None:
    if not allows(node, caller, wanted):
        raise AccessDenied("permission denied")


def reach(drive: Drive, caller: Caller, node: int) -> Node:
    """The node, if the caller may search every folder on the way to it. NotFound otherwise: that it exists is told
    to nobody who cannot get there."""
    found = drive.node(caller, node)
    if node == SUPER_ROOT:
        return found
    folder = drive.node(caller, SUPER_ROOT)
    steps = drive.path(caller, node).split("/")
    if steps == [""]:
        raise NotFound("no such node")
    for step in steps:
        if not allows(folder, caller, SEARCH):
            raise NotFound("no such node")
        folder = drive.lookup(caller, folder.id, step)
    return found


def walk(drive: Drive, caller: Caller, path: str, *, checked: bool, root: int = FILES_ROOT) -> Node:
    """The node at a path below `root`; with `checked` only through folders that the caller may search. NotFound,
    NotAFolder, AccessDenied."""
    node = drive.node(caller, root)
    for step in path.split("/"):
        if step in {"", "."}:
            continue
        if not stat.S_ISDIR(node.mode):
            raise NotAFolder("a part of the path is not a folder")
        if checked:
            _demand(node, caller, SEARCH)
        node = drive.lookup(caller, node.id, step)
    return node


def demand(drive: Drive, caller: Caller, node: int, wanted: int) -> None:
    """AccessDenied unless the caller gets to the node and its mode allows `wanted`."""
    _demand(reach(drive, caller, node), caller, wanted)


def demand_removal(drive: Drive, caller: Caller, folder: int, name: str) -> None:
    """What taking a name out of a folder needs, the sticky bit's rule included."""
    parent = reach(drive, caller, folder)
    _demand(parent, caller, WRITE | SEARCH)
    if parent.mode & stat.S_ISVTX and parent.uid != caller.uid:
        try:
            owner = drive.lookup(caller, folder, name).uid
        except NotFound:
            return
        if owner != caller.uid:
            raise AccessDenied("the folder is sticky: only its owner or the file's takes a name out of it")


def _on(field: str, wanted: int) -> Check:
    return lambda drive, caller, values: demand(drive, caller, values[field], wanted)


def _on_file(wanted: int) -> Check:
    return lambda drive, caller, values: demand(drive, caller, drive.file(caller, values["file"]).id, wanted)


def _nothing(drive: Drive, caller: Caller, values: Mapping[str, Any]) -> None:
    """The drive's own scoping is enough."""


def _removal(drive: Drive, caller: Caller, values: Mapping[str, Any]) -> None:
    demand_removal(drive, caller, values["folder"], values["name"])


def _create(drive: Drive, caller: Caller, values: Mapping[str, Any]) -> None:
    if stat.S_ISCHR(values["mode"]) or stat.S_ISBLK(values["mode"]):
        # A machine that mounts the drive with its devices would open its disk to whoever made one.
        raise AccessDenied("only root and the drive's owner make device files")
    demand(drive, caller, values["folder"], WRITE | SEARCH)


def _link(drive: Drive, caller: Caller, values: Mapping[str, Any]) -> None:
    # As with fs.protected_hardlinks: a name for what one could not write would outlive its owner's deletion.
    demand(drive, caller, values["node"], READ | WRITE)
    demand(drive, caller, values["folder"], WRITE | SEARCH)


def _rename(drive: Drive, caller: Caller, values: Mapping[str, Any]) -> None:
    demand_removal(drive, caller, values["folder"], values["name"])
    demand_removal(drive, caller, values["new_folder"], values["new_name"])
    moved = drive.lookup(caller, values["folder"], values["name"])
    if stat.S_ISDIR(moved.mode) and values["folder"] != values["new_folder"]:
        _demand(moved, caller, WRITE)


def _attributes(drive: Drive, caller: Caller, values: Mapping[str, Any]) -> None:
    node = reach(drive, caller, values["node"])
    change: AttributeChange = values["change"]
    if node.uid != caller.uid or change.uid not in {None, node.uid}:
        raise AccessDenied("only its owner changes a file's attributes, and only root gives it away")
    own = {caller.gid, *caller.groups}
    if change.gid is not None and change.gid not in {node.gid, *own}:
        raise AccessDenied("a file is given only to a group of one's own")
    if change.mode is not None and change.mode & stat.S_ISGID and node.gid not in own:
        raise AccessDenied("setgid is only for a group of one's own")


def _commit(drive: Drive, caller: Caller, values: Mapping[str, Any]) -> None:
    demand(drive, caller, values["node"], WRITE)
    if any(patch.digest and patch.data is None for patch in values["patches"]):
        # Whoever knows a digest would else read the bytes behind it.
        raise AccessDenied("blobs are named by the drive's owner only: send the bytes with the patch, or PUT the file")


def _tagging(drive: Drive, caller: Caller, values: Mapping[str, Any]) -> None:
    for file in values["files"]:
        demand(drive, caller, drive.file(caller, file).id, WRITE)


def _retry(drive: Drive, caller: Caller, values: Mapping[str, Any]) -> None:
    if not values["files"]:
        raise AccessDenied("say which files")
    _tagging(drive, caller, values)


NEEDS: dict[str, Check] = {
    "node": _on("node", 0),
    "lookup": _on("folder", SEARCH),
    "children": _on("folder", READ | SEARCH),
    "create": _create,
    "link": _link,
    "unlink": _removal,
    "rmdir": _removal,
    "rename": _rename,
    "set_attributes": _attributes,
    "readlink": _on("node", 0),
    "path": _on("node", 0),
    "paths": _on("node", 0),
    "file": _on_file(0),
    "space": _nothing,
    "xattrs": _on("node", READ),
    "xattr": _on("node", READ),
    "set_xattr": _on("node", WRITE),
    "remove_xattr": _on("node", WRITE),
    "layout": _on("node", READ),
    "commit": _commit,
    "lock": _on("node", READ),
    "unlock": _on("node", READ),
    "in_the_way": _on("node", READ),
    "renew_locks": _nothing,
    "drop_locks": _nothing,
    "sync": _nothing,
    "limits": _nothing,
    "resolve": _nothing,
    "content": _on("node", READ),
    "read_file": _nothing,
    "write_file": _nothing,
    "delete_file": _nothing,
    "view": _nothing,
    "view_entry": _nothing,
    "view_files": _nothing,
    "view_facets": _nothing,
    "find": _nothing,
    "tags": _nothing,
    "edges": _on_file(READ),
    "change_tags": _tagging,
    "set_tags": _on_file(WRITE),
    "create_tag": _nothing,
    "journal": _nothing,
    "undo": _nothing,
    "trash": _nothing,
    "restore": _nothing,
    "job": _on_file(READ),
    "retry": _retry,
}
"""What to check, by operation, before a stranger's call. Those of paths check on their way."""


def check(drive: Drive, caller: Caller, operation: str, values: Mapping[str, Any]) -> None:
    """AccessDenied (or NotFound) unless the caller, neither root nor owner, may do this."""
    needed = NEEDS.get(operation)
    if needed is None:
        raise AccessDenied("only the drive's owner may do this")
    needed(drive, caller, values)
