"""`fsck` and `gc`: whether the drive is sound, and what can be thrown away."""

from argparse import Namespace

from graphfs.cli.drives import opened, paths_of
from graphfs.cli.exits import NO, OK
from graphfs.cli.progress import progress
from graphfs.cli.screen import Screen, count_text, size_text


def fsck(arguments: Namespace, screen: Screen) -> int:
    """Checks; with --repair checks again afterwards. OK only when the last check found nothing."""
    with opened(arguments, paths_of(arguments)) as place, progress(screen, "checking"):
        found = place.drive.fsck(place.caller, repair=arguments.repair, verify=arguments.verify)
        left = found
        if arguments.repair and found:
            left = place.drive.fsck(place.caller, verify=arguments.verify)
    if screen.as_json:
        screen.json({"clean": not left, "problems": found, "left": left})
        return NO if left else OK
    for problem in found:
        mark = screen.style("repaired", "green") if problem.repaired else screen.style("found", "red")
        screen.line(f"{mark}: {problem.kind}: {screen.name(problem.subject)}")
    if not left:
        screen.note(
            "Everything agrees."
            if not found
            else f"{count_text(len(found), 'problem')} repaired; everything agrees now."
        )
    elif arguments.repair:
        screen.note(f"{count_text(len(left), 'problem')} could not be repaired: restore these files from a copy.")
    else:
        screen.note(f"{count_text(len(left), 'problem')}: `graphfs fsck --repair` repairs what can be repaired.")
    return NO if left else OK


def gc(arguments: Namespace, screen: Screen) -> int:
    """Sweeps."""
    with opened(arguments, paths_of(arguments)) as place, progress(screen, "sweeping"):
        freed = place.drive.gc(place.caller)
    if screen.as_json:
        screen.json({"freed": freed})
    else:
        screen.note(f"{size_text(freed)} freed")
    return OK
