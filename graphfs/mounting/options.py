"""The `-o` options of mount.py, as mount(8) writes them: a comma list of names, some with values."""

from collections.abc import Iterable

from graphfs.errors import InvalidArgument

SETTINGS = {
    "binding": "mount.binding",
    "tag_entries": "mount.tag_entries",
    "entry_timeout": "mount.entry_timeout",
    "attribute_timeout": "mount.attribute_timeout",
    "attr_timeout": "mount.attribute_timeout",
    "allow_other": "mount.allow_other",
    "locks": "mount.locks",
}
"""Options that are settings; `allow_other` needs no value."""
FLAGS = {"ro": True, "rw": False}
IGNORED = frozenset({"defaults", "auto", "noauto", "user", "nofail", "_netdev", "default_permissions"})
"""What fstab adds, or what is so anyway."""


def parse_options(given: Iterable[str]) -> tuple[dict[str, str], bool]:
    """(settings by dotted name, read-only) of all `-o` arguments, the later one winning. InvalidArgument names what is
    unknown."""
    settings: dict[str, str] = {}
    read_only = False
    for option in (part.strip() for argument in given for part in argument.split(",")):
        name, equals, value = option.partition("=")
        if name in SETTINGS and (equals or name == "allow_other"):
            settings[SETTINGS[name]] = value if equals else "true"
        elif option in FLAGS:
            read_only = FLAGS[option]
        elif option and option not in IGNORED:
            known = ", ".join([*sorted(SETTINGS), *FLAGS])
            what = f"needs a value ({name}=...)" if name in SETTINGS else f"is unknown; known are {known}"
            raise InvalidArgument(f"option {option!r} {what}")
    return settings, read_only
