"""`ls` and `find`: what is on the drive, for eyes and for pipes."""

import stat
import time
from argparse import Namespace
from collections.abc import Iterator

from graphfs.cli.caret import place_of_mistake
from graphfs.cli.drives import Place, mount_around, opened
from graphfs.cli.exits import OK, exit_of
from graphfs.cli.locations import Location, locate
from graphfs.cli.screen import Screen, json_text, size_text
from graphfs.errors import DriveError, InvalidArgument, NotFound
from graphfs.model import SUPER_ROOT, EdgeState, Node, ViewEntry

_PAGE = 1000
_KINDS = {
    stat.S_IFDIR: "folder",
    stat.S_IFREG: "file",
    stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}


class Row:
    """One line of a listing."""

    def __init__(self, name: str, kind: str, *, node: Node | None = None, files: int | None = None) -> None:
        self.name = name
        self.kind = kind
        self.node = node
        self.files = files
        self.tags: list[str] = []

    def as_json(self) -> dict[str, object]:
        found: dict[str, object] = {"name": self.name, "kind": self.kind}
        if self.files is not None:
            found["files"] = self.files
        if self.node is not None:
            found |= {"mode": self.node.mode, "size": self.node.size, "mtime": self.node.mtime}
            if self.node.file:
                found |= {"id": self.node.file, "tags": self.tags}
        return found


def applied(place: Place, node: Node) -> list[str]:
    """Paths of the tags that a file has, by name."""
    if not node.file or not node.tags:
        return []
    edges = place.drive.edges(place.caller, node.file)
    return sorted(edge.tag for edge in edges if edge.state is EdgeState.APPLIED)


def ls(arguments: Namespace, screen: Screen) -> int:
    """Lists. Several paths are listed one after the other."""
    status, told, between = OK, [], ""
    with opened(arguments, arguments.path) as place:
        paths = arguments.path or [_here(place)]
        for path in paths:
            try:
                location = locate(place, path)
                rows = list(_rows(place, location))
            except DriveError as error:
                screen.error(error, screen.name(path))
                status = status or exit_of(error)
                continue
            if screen.as_json:
                told.append({"path": location.path, "entries": [row.as_json() for row in rows]})
                continue
            if len(paths) > 1 and location.is_folder:
                screen.line(f"{between}{screen.name(path)}:")
                between = "\n"
            _print(screen, rows, long=arguments.long)
    if screen.as_json and (told or len(paths) > 1):
        screen.json(told if len(paths) > 1 else told[0])
    return status


def _here(place: Place) -> str:
    """The current directory when it is on the drive, else the drive's root."""
    if place.root is None:
        return "/"
    mounted = mount_around(".")
    return "." if mounted is not None and mounted.path == place.root else place.root


def _rows(place: Place, location: Location) -> Iterator[Row]:
    drive, caller = place.drive, place.caller
    if location.view is not None:
        below = location.parts[1:]
        for facet in drive.view_facets(caller, below):
            yield Row(facet.name, "tag", files=facet.files)
        for found in drive.view_files(caller, below):
            yield _file_row(place, found.name, found.node)
    elif location.node is None:
        yield from (_file_row(place, one.name, one.node) for one in drive.children(caller, SUPER_ROOT))
        yield Row("tags", "folder")
    elif stat.S_ISDIR(location.node.mode):
        entries = sorted(drive.children(caller, location.node.id), key=lambda entry: entry.name)
        yield from (_file_row(place, entry.name, entry.node) for entry in entries)
    else:
        yield _file_row(place, location.parts[-1], location.node)


def _file_row(place: Place, name: str, node: Node) -> Row:
    row = Row(name, _KINDS.get(stat.S_IFMT(node.mode), "other"), node=node)
    row.tags = applied(place, node)
    return row


def _print(screen: Screen, rows: list[Row], *, long: bool) -> None:
    if not screen.terminal and not long:
        for row in rows:
            tags = "\t" + ",".join(row.tags) if row.tags else ""
            screen.line(f"{row.name}{'/' if row.kind in {'folder', 'tag'} else ''}{tags}")
        return
    names = [screen.name(row.name) + ("/" if row.kind in {"folder", "tag"} else "") for row in rows]
    width = min(max(map(len, names), default=0), 48)
    for row, name in zip(rows, names, strict=True):
        parts = [_long(row)] if long else []
        padding = " " * max(0, width - len(name))
        style = "cyan" if row.kind == "tag" else "blue" if row.kind == "folder" else ""
        parts.append(screen.style(name, style) if style else name)
        if row.files is not None:
            parts.append(padding + screen.style(f"{row.files:,}", "dim"))
        elif row.tags:
            parts.append(padding + screen.style(", ".join(row.tags), "green"))
        screen.line("  ".join(parts))


def _long(row: Row) -> str:
    if row.node is None:
        return f"{'dr-xr-xr-x':10} {'':>10} {'':16}"
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(row.node.mtime / 1e9))
    return f"{stat.filemode(row.node.mode):10} {size_text(row.node.size):>10} {when}"


def find(arguments: Namespace, screen: Screen) -> int:
    """Prints what a query matches, as it comes."""
    query = " ".join(arguments.query)
    with opened(arguments) as place:
        try:
            _find(place, screen, arguments, query)
        except (InvalidArgument, NotFound) as error:
            mistake = place_of_mistake(place, query)
            if mistake is None or screen.as_json:
                raise
            screen.error(error)
            screen.note(f"  {query}\n  {' ' * mistake.position}^ {mistake.expected}")
            return exit_of(error)
    return OK


def _find(place: Place, screen: Screen, arguments: Namespace, query: str) -> None:
    if arguments.count:
        count = sum(len(page) for page in _pages(place, query, arguments.limit))
        screen.json({"count": count}) if screen.as_json else screen.line(str(count))
        return
    first = True
    if screen.as_json:
        found = (entry for page in _pages(place, query, arguments.limit) for entry in page)
        for entry in found:
            screen.raw(("[\n" if first else ",\n") + json_text(_found_json(place, entry)))
            first = False
        screen.raw("[]\n" if first else "\n]\n")
        return
    end = "\0" if arguments.null else "\n"
    for page in _pages(place, query, arguments.limit):
        for entry in page:
            path = place.show(place.drive.path(place.caller, entry.node.id))
            screen.raw((path if arguments.null else screen.name(path)) + end)


def _found_json(place: Place, entry: ViewEntry) -> dict[str, object]:
    node = entry.node
    path = place.drive.path(place.caller, node.id)
    return {"path": path, "id": node.file, "size": node.size, "mtime": node.mtime, "tags": applied(place, node)}


def _pages(place: Place, query: str, limit: int) -> Iterator[list[ViewEntry]]:
    """What matches, a page at a time, in the order of the files' ids."""
    after, left = 0, limit
    while True:
        wanted = min(_PAGE, left) if limit else _PAGE
        page = place.drive.find(place.caller, query, after, wanted)
        if page:
            yield page
            after = page[-1].node.file
            left -= len(page)
        if len(page) < wanted or (limit and left <= 0):
            return
