"""`tags`, `mktag`, `rmtag`, `mv-tag`, `merge-tags` and `alias`: the vocabulary itself."""

from argparse import Namespace
from contextlib import suppress

from graphfs.cli.browse import applied
from graphfs.cli.drives import Place, opened
from graphfs.cli.exits import NO, OK, exit_of
from graphfs.cli.locations import files_at
from graphfs.cli.proposing import clean
from graphfs.cli.screen import Screen, count_text
from graphfs.errors import DriveError, NotFound
from graphfs.model import Tag
from graphfs.names import fold


def tags(arguments: Namespace, screen: Screen) -> int:
    """The tree of tags, or what files have."""
    if arguments.clean:
        return clean(arguments, screen)
    with opened(arguments, arguments.file) as place:
        if arguments.file:
            return _of_files(place, arguments, screen)
        known = place.drive.tags(place.caller)
    if screen.as_json:
        screen.json(known)
    elif arguments.flat:
        for tag in known:
            screen.line(screen.name(tag.path))
    else:
        _print_tree(screen, known)
    return OK


def _print_tree(screen: Screen, known: list[Tag]) -> None:
    width = max((2 * tag.path.count("/") + len(tag.path.rpartition("/")[2]) for tag in known), default=0)
    for tag in known:
        indent = "  " * tag.path.count("/")
        name = tag.path.rpartition("/")[2]
        padding = " " * (min(width, 60) - len(indent) - len(name))
        also = screen.style(f"  also {', '.join(map(screen.name, tag.aliases))}", "dim") if tag.aliases else ""
        screen.line(f"{indent}{screen.style(screen.name(name), 'cyan')}{padding}  {tag.files:>6,}{also}")


def _of_files(place: Place, arguments: Namespace, screen: Screen) -> int:
    status, told = OK, []
    for path in arguments.file:
        try:
            for _, node in files_at(place, path):
                has = applied(place, node)
                told.append({"path": path, "tags": has})
                if arguments.flat:
                    for tag in has:
                        screen.line(screen.name(tag))
                elif not screen.as_json:
                    screen.line(f"{screen.name(path)}: {', '.join(map(screen.name, has))}")
        except DriveError as error:
            screen.error(error, screen.name(path))
            status = status or exit_of(error)
    if screen.as_json:
        screen.json(told)
    return status


def find_tag(place: Place, path: str) -> Tag:
    """The tag at a path, by its names or aliases. NotFound."""
    found = None
    with suppress(NotFound):
        found = place.drive.view(place.caller, path.strip("/").split("/")).tag
    if found is None:
        raise NotFound(f"there is no tag {path!r}: `graphfs tags` lists them")
    return found


def make(arguments: Namespace, screen: Screen) -> int:
    """Makes tags."""
    with opened(arguments) as place:
        made = [place.drive.create_tag(place.caller, path.strip("/")) for path in arguments.tag]
    if screen.as_json:
        screen.json(made)
    return OK


def remove(arguments: Namespace, screen: Screen) -> int:
    """Removes tags from all files, after asking."""
    batches = []
    with opened(arguments) as place:
        found = [find_tag(place, path) for path in arguments.tag]
        paths = [tag.path for tag in place.drive.tags(place.caller)]
        for tag in found:
            below = sum(1 for path in paths if fold(path).startswith(f"{fold(tag.path)}/"))
            screen.note(f"{tag.path}: {count_text(tag.files, 'file')}, {count_text(below, 'tag')} below it")
        if not arguments.yes and not screen.confirm(f"Remove {count_text(len(found), 'tag')} from all files?"):
            screen.note("Nothing was changed (--yes does it without asking).")
            return NO
        for tag in found:
            batches.append(place.drive.drop_tag(place.caller, tag.path, why=f"graphfs rmtag {tag.path}"))
    if screen.as_json:
        screen.json({"batches": batches})
    else:
        screen.note("Removed. `graphfs undo` brings them back.")
    return OK


def move(arguments: Namespace, screen: Screen) -> int:
    """Renames a tag or moves it."""
    with opened(arguments) as place:
        find_tag(place, arguments.tag)
        tag = place.drive.rename_tag(place.caller, arguments.tag.strip("/"), arguments.new.strip("/"))
    if screen.as_json:
        screen.json(tag)
    else:
        screen.note(f"{arguments.tag} is {tag.path} now, with {count_text(tag.files, 'file')}")
    return OK


def merge(arguments: Namespace, screen: Screen) -> int:
    """Shows what a merge would do, asks, and does it."""
    with opened(arguments) as place:
        drive, caller = place.drive, place.caller
        tag, into = find_tag(place, arguments.tag).path, find_tag(place, arguments.into).path
        would = drive.merge_tags(caller, tag, into, preview=True)
        screen.note(
            f"{count_text(would.files, 'file')} of {tag} get {into} ({would.already} have it already), "
            f"{count_text(would.children, 'tag')} below move with them, and {tag} becomes another name of {into}"
        )
        if arguments.dry_run:
            if screen.as_json:
                screen.json(would)
            return OK
        if not arguments.yes and not screen.confirm(f"Merge {tag} into {into}?"):
            screen.note("Nothing was changed (--yes does it without asking).")
            return NO
        done = drive.merge_tags(caller, tag, into)
    if screen.as_json:
        screen.json(done)
    else:
        screen.note("Merged. `graphfs undo` takes it back.")
    return OK


def alias(arguments: Namespace, screen: Screen) -> int:
    """Gives a tag another name, or prints those it has."""
    with opened(arguments) as place:
        tag = find_tag(place, arguments.tag)
        if arguments.alias is not None:
            place.drive.set_alias(place.caller, tag.path, arguments.alias)
            tag = find_tag(place, tag.path)
    if screen.as_json:
        screen.json(tag)
    elif arguments.alias is None:
        for name in tag.aliases:
            screen.line(screen.name(name))
    return OK
