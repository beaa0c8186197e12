"""`log`, `undo` and `restore`: what was done, and taking it back."""

from argparse import Namespace
from contextlib import suppress
from datetime import datetime

from graphfs.cli.drives import Place, opened
from graphfs.cli.exits import OK, exit_of
from graphfs.cli.locations import parts_of
from graphfs.cli.screen import Screen, count_text, size_text
from graphfs.errors import DriveError, NotFound
from graphfs.model import JournalEntry, Trashed

_PAGE = 500


def _when(at: int) -> str:
    return datetime.fromtimestamp(at / 1e9).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def log(arguments: Namespace, screen: Screen) -> int:
    """The last batches, newest first."""
    entries: list[JournalEntry] = []
    with opened(arguments) as place:
        while not arguments.limit or len(entries) < arguments.limit:
            wanted = min(_PAGE, arguments.limit - len(entries)) if arguments.limit else _PAGE
            page = place.drive.journal(place.caller, wanted, entries[-1].batch if entries else 0)
            entries += page
            if len(page) < wanted:
                break
    if screen.as_json:
        screen.json(entries)
        return OK
    for entry in entries:
        undone = screen.style("  undone", "yellow") if entry.undone else ""
        why = screen.name(" ".join(entry.why.split()))
        batch = screen.style(f"{entry.batch:>6}", "bold")
        changes = count_text(entry.changes, "change")
        screen.line(f"{batch}  {_when(entry.at)}  {screen.name(entry.actor)}  {changes}  {why}{undone}")
    return OK


def undo(arguments: Namespace, screen: Screen) -> int:
    """Takes one batch back."""
    with opened(arguments) as place:
        entry = place.drive.undo(place.caller, arguments.batch)
    if screen.as_json:
        screen.json(entry)
    else:
        screen.note(f"{entry.why}: {count_text(entry.changes, 'change')} (batch {entry.batch})")
    return OK


def restore(arguments: Namespace, screen: Screen) -> int:
    """Lists the trash, or brings items back."""
    with opened(arguments) as place:
        items = place.drive.trash(place.caller, arguments.limit if not arguments.item else 0)
        if not arguments.item or arguments.list:
            _print(screen, _matching(place, items, arguments.item) if arguments.item else items)
            return OK
        status, restored = OK, []
        for text in arguments.item:
            try:
                for item in _wanted(place, items, text):
                    path = place.drive.restore(place.caller, item.id)
                    restored.append({"item": item.id, "path": path})
                    if not screen.as_json:
                        screen.line(screen.name(place.show(path)))
            except DriveError as error:
                screen.error(error)
                status = status or exit_of(error)
    if screen.as_json:
        screen.json(restored)
    return status


def _matching(place: Place, items: list[Trashed], texts: list[str]) -> list[Trashed]:
    return [item for text in texts for item in _wanted(place, items, text)]


def _wanted(place: Place, items: list[Trashed], text: str) -> list[Trashed]:
    """The items that a number or a path means: of one path the newest; of a folder the newest of each path below."""
    if text.isascii() and text.isdigit():
        found = [item for item in items if item.id == int(text)]
        if found:
            return found
    # As `restore --list` writes it, or as it was called here.
    paths = [text.rstrip("/")]
    with suppress(NotFound):
        paths.append("/".join(parts_of(place, text)))
    newest: dict[str, Trashed] = {}
    for item in items:
        if any(item.path == path or item.path.startswith(f"{path}/") for path in paths):
            newest.setdefault(item.path, item)
    if not newest:
        raise NotFound(f"{text}: nothing of that number or path is in the trash (`graphfs restore --list`)")
    return list(newest.values())


def _print(screen: Screen, items: list[Trashed]) -> None:
    if screen.as_json:
        screen.json(items)
        return
    for item in items:
        number = screen.style(f"{item.id:>8}", "bold")
        why = "" if item.why == "deleted" else screen.style(f"  {item.why}", "yellow")
        screen.line(f"{number}  {_when(item.at)}  {size_text(item.node.size):>10}  {screen.name(item.path)}{why}")
    if not items:
        screen.note("The trash is empty.")
