"""`vocabulary build` and `tags --clean`: what the models say of the set of tags, shown, asked about, and done.

The models are the tagger's: it is started as a program of its own and answers in JSON.
"""

from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from graphfs.cli.drives import Place, opened
from graphfs.cli.exits import NO, OK
from graphfs.cli.models import ask
from graphfs.cli.screen import Screen, count_text
from graphfs.errors import AlreadyExists, DriveError, InvalidArgument

_PROGRAM = "tagger.vocabulary"


def build(arguments: Namespace, screen: Screen) -> int:
    """Shows the set of tags that the files suggest; makes it with --apply."""
    with opened(arguments) as place:
        words = ["build", "--sample", str(arguments.sample), "--least", str(arguments.least)]
        said = ask(place, arguments, _PROGRAM, words, progress=screen.lively)
        proposals = said["proposals"]
        if arguments.only:
            proposals = [one for one in proposals if one["tag"] in arguments.only]
        if not screen.as_json:
            for one in proposals:
                also = f"  also {', '.join(map(screen.name, one['also']))}" if one["also"] else ""
                screen.line(f"{one['files']:>6,}  {screen.style(screen.name(one['tag']), 'cyan')}{also}")
        screen.note(
            f"{count_text(len(proposals), 'tag')} proposed from {count_text(said['files'], 'file')} ({said['by']}); "
            "existing tags are left out"
        )
        wanted = proposals and arguments.apply
        if wanted and not arguments.yes and not screen.confirm(f"Make {count_text(len(proposals), 'tag')}?"):
            screen.note("Nothing was changed (--yes does it without asking).")
            return NO
        made = _make(place, proposals, screen) if wanted else 0
    if screen.as_json:
        screen.json({**said, "proposals": proposals, "made": made})
    elif wanted:
        screen.note(f"{count_text(made, 'tag')} made. `graphfs rmtag TAG` takes one away, `graphfs retry` tags again.")
    elif proposals:
        screen.note("`--apply` makes them, `--only TAG` one of them.")
    return OK


def _make(place: Place, proposals: Sequence[dict[str, Any]], screen: Screen) -> int:
    made = 0
    for one in proposals:
        try:
            place.drive.create_tag(place.caller, one["tag"])
        except AlreadyExists:
            continue
        except DriveError as error:
            screen.error(error, screen.name(one["tag"]))
            continue
        made += 1
        for alias in one["also"]:
            with suppress(AlreadyExists, InvalidArgument):
                place.drive.set_alias(place.caller, one["tag"], alias)
    return made


def clean(arguments: Namespace, screen: Screen) -> int:
    """Shows tags that may be one, asks about each pair, and merges them."""
    merged, pairs = 0, []
    with opened(arguments) as place:
        for one in ask(place, arguments, _PROGRAM, ["clean"], progress=screen.lively):
            would = place.drive.merge_tags(place.caller, one["tag"], one["into"], preview=True)
            pairs.append({**one, "files": would.files, "already": would.already, "merged": False})
            if not screen.as_json:
                files = f"{count_text(would.files, 'file')}, {would.already} with both"
                screen.line(f"{screen.name(one['tag'])} -> {screen.name(one['into'])}  ({one['why']}; {files})")
            if arguments.yes or screen.confirm(f"Merge {one['tag']} into {one['into']}?"):
                place.drive.merge_tags(place.caller, one["tag"], one["into"])
                pairs[-1]["merged"] = True
                merged += 1
    if screen.as_json:
        screen.json(pairs)
    elif not pairs:
        screen.note("No two tags look like one.")
    elif merged:
        screen.note(f"{merged} merged. `graphfs undo` takes back the last one, `graphfs log` lists them.")
    else:
        screen.note("Nothing was changed (--yes merges all of them, `graphfs merge-tags` one).")
    return OK
