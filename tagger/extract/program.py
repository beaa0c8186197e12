"""Executables and packages: what they say of themselves. Nothing is run and no instruction is looked at."""

import io
import tarfile

import magic

from tagger.extract import outside
from tagger.extract.passages import by_structure, tidy
from tagger.extract.result import Extract, Limits, Sniffed, Source

_DESCRIBED = magic.Magic()
_FIELDS = {
    "package": "title",
    "version": "version",
    "maintainer": "author",
    "section": "section",
    "homepage": "homepage",
    "architecture": "architecture",
}


def extract(source: Source, sniffed: Sniffed, limits: Limits) -> Extract:
    """The kind of program, and a Debian package's own description."""
    with open(source.path, "rb") as file:
        head = file.read(64 << 10)
    properties = {"description": tidy(str(_DESCRIBED.from_buffer(head)))[:300]}
    if not head.startswith(b"!<arch>\ndebian"):
        return Extract(
            sniffed.kind,
            sniffed.media_type,
            properties=properties,
            looked_at=("header",),
            not_looked_at=("instructions",),
        )
    said, error = _control(source, limits)
    fields, about = read_control(said)
    title = fields.pop("title", "")
    return Extract(
        sniffed.kind,
        sniffed.media_type,
        title=title,
        text=by_structure(about, limits.text_chars),
        properties=properties | fields,
        looked_at=("package description",) if said else ("header",),
        not_looked_at=("files inside",),
        error=error,
    )


def read_control(said: str) -> tuple[dict[str, str], str]:
    """The fields that are wanted, and the description, of a package's control file."""
    fields: dict[str, str] = {}
    about: list[str] = []
    key = ""
    for line in said.splitlines():
        if line.startswith((" ", "\t")):
            if key == "description":
                about.append(line.strip().lstrip("."))
            continue
        key, _, value = line.partition(":")
        key = key.strip().lower()
        if key == "description":
            about.append(value.strip())
        elif key in _FIELDS:
            fields[_FIELDS[key]] = tidy(value)[:200]
    return fields, tidy("\n".join(about))


def _control(source: Source, limits: Limits) -> tuple[str, str]:
    """A Debian package's control file, and why there is none."""
    command = ["bsdtar", "-xOf", source.path, "--include", "control.tar*"]
    try:
        found = outside.run(command, most=limits.part_bytes, seconds=limits.wall_seconds * 0.5)
        with tarfile.open(fileobj=io.BytesIO(found.data), mode="r|*") as tar:
            for member in tar:
                if member.name.removeprefix("./") == "control" and (file := tar.extractfile(member)) is not None:
                    return file.read(64 << 10).decode("utf-8", "replace"), ""
    except outside.Missing as problem:
        return "", str(problem)
    except (tarfile.TarError, OSError, EOFError, ValueError) as problem:
        return "", f"damaged package: {type(problem).__name__}"
    return "", "the package describes nothing"
