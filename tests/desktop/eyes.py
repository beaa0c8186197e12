"""Says where widgets are on the screen, by the accessibility bus: a line of JSON asks, a line of JSON answers.

Run by the system's Python, which has the bindings. It looks; it never clicks.

A question is an object: `name` (exactly, or with `*` at the end: begins so), and optionally `app`, `role`, `window`
(the name of a window or dialog, again with `*`) and `after` / `below` (pixels: left or upper edge at least there). The
answer is [x, y, width, height] of the first one that is shown, or null.
"""

import json
import sys
import warnings
from collections.abc import Iterator

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, GLib  # noqa: E402  the version comes first

warnings.simplefilter("ignore", DeprecationWarning)


def children(widget: Atspi.Accessible) -> Iterator[Atspi.Accessible]:
    for index in range(widget.get_child_count()):
        child = widget.get_child_at_index(index)
        if child is not None:
            yield child


def shown(widget: Atspi.Accessible) -> bool:
    return bool(widget.get_state_set().contains(Atspi.StateType.SHOWING))


def matches(pattern: str, text: str) -> bool:
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern


def box(widget: Atspi.Accessible) -> list[int] | None:
    component = widget.get_component_iface()
    if component is None:
        return None
    extents = component.get_extents(Atspi.CoordType.SCREEN)
    return [extents.x, extents.y, extents.width, extents.height]


def search(widget: Atspi.Accessible, asked: dict) -> list[int] | None:
    if not shown(widget) and widget.get_role() != Atspi.Role.APPLICATION:
        return None
    if matches(asked["name"], widget.get_name() or "") and asked.get("role", "") in ("", widget.get_role_name()):
        place = box(widget)
        if (
            place is not None
            and min(place[2:]) > 2
            and place[0] >= asked.get("after", 0)
            and place[1] >= asked.get("below", 0)
        ):
            return place
    for child in children(widget):
        try:
            found = search(child, asked)
        except GLib.Error:  # it went away while we looked at it
            continue
        if found:
            return found
    return None


def answer(asked: dict) -> list[int] | None:
    desktop = Atspi.get_desktop(0)
    desktop.clear_cache()
    for app in children(desktop):
        if asked.get("app", "").lower() not in (app.get_name() or "").lower():
            continue
        for window in children(app):
            if matches(asked.get("window", "*"), window.get_name() or ""):
                found = search(window, asked)
                if found:
                    return found
    return None


for line in sys.stdin:
    try:
        reply = answer(json.loads(line))
    except GLib.Error:
        reply = None
    print(json.dumps(reply), flush=True)
