"""`pin` and `unpin`: what a mount of a server keeps on this machine, so that it is there while the server is away."""

from argparse import Namespace
from pathlib import Path

from graphfs.cache.pins import Pin, Pins
from graphfs.cli.drives import Place, opened
from graphfs.cli.exits import NO, OK, exit_of
from graphfs.cli.locations import locate, parts_of
from graphfs.cli.screen import Screen, count_text
from graphfs.errors import DriveError, InvalidArgument
from graphfs.model import PinState


def _pins(place: Place) -> Pins:
    """The list of the mount. InvalidArgument when all there is lies on this machine anyway."""
    if place.record is None:
        raise InvalidArgument("only a mounted drive keeps files on this machine: mount it first")
    if place.drive.status(place.caller).link is None:
        raise InvalidArgument("this drive is on this machine: all of it is always there")
    return Pins(Path(place.record.state))


def pin(arguments: Namespace, screen: Screen) -> int:
    """Pins paths; without any, lists what is pinned and how far it is."""
    code = OK
    with opened(arguments, arguments.path) as place:
        pins = _pins(place)
        for path in arguments.path:
            try:
                at = locate(place, path).path
                if not at:
                    raise InvalidArgument("that is the whole drive: pin `files`, or a folder of it")
                pins.add(Pin(at, place.caller.uid, place.caller.gid, place.caller.groups))
            except DriveError as error:
                screen.error(error, screen.name(path))
                code = code or exit_of(error)
        if arguments.path:
            screen.note("It is fetched in the background: `graphfs pin` says how far it is.")
            return code
        link = place.drive.status(place.caller).link
        states = link.pins if link else ()
        if screen.as_json:
            screen.json(states)
            return OK
        for state in states:
            screen.line(f"{screen.name(place.show(state.path))}\t{_text(state)}")
        if not states:
            screen.note("Nothing is pinned.")
    return OK


def _text(state: PinState) -> str:
    if state.error:
        return state.error
    files = count_text(state.files, "file")
    if state.ready:
        return f"{files}, all here"
    return f"{files}, {state.missing:,} of {count_text(state.blobs, 'part')} to be fetched"


def unpin(arguments: Namespace, screen: Screen) -> int:
    """Takes pins back. What was fetched stays until its room is needed. NO when nothing was pinned there."""
    with opened(arguments, arguments.path) as place:
        pins = _pins(place)
        known = {one.path for one in pins.read()}
        code = OK
        for path in arguments.path:
            at = path if path in known else "/".join(parts_of(place, path))
            if not pins.remove(at):
                screen.note(f"{screen.name(path)} is not pinned")
                code = NO
    return code
