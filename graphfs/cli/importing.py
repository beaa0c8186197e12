"""`import`: ordinary folders and files into the drive, and exports back."""

import os
import stat
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from graphfs.cli.archive import FILES, Archive, FileRecord, is_archive, read_archive
from graphfs.cli.drives import Place, mount_around, opened
from graphfs.cli.exits import EXITS, OK, error_of, exit_of
from graphfs.cli.intake import Done, Intake
from graphfs.cli.locations import parts_of
from graphfs.cli.progress import Progress, progress
from graphfs.cli.screen import Screen, count_text, size_text
from graphfs.cli.tagging import split_tags
from graphfs.errors import AlreadyExists, DriveError, InvalidArgument, NameTooLong, NoSpace, NotFound, Unavailable
from graphfs.names import check_tag_name
from graphfs.vfs.labels import OWN, TAGS
from graphfs.vfs.labels import split_tags as split_label


@dataclass
class Tally:
    """What an import did."""

    new: int = 0
    same: int = 0
    replaced: int = 0
    bytes: int = 0
    differs: list[str] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)


def run(arguments: Namespace, screen: Screen) -> int:
    """Imports each source. What cannot be read or has its name taken is told; the rest goes on."""
    tags = split_tags(arguments.tag)
    for part in (part for tag in tags for part in tag.split("/")):
        check_tag_name(part)  # once here, not once for every file
    with (
        opened(arguments, [arguments.to] if arguments.to else ()) as place,
        progress(screen, "import", sized=True) as bar,
    ):
        task = Import(place, screen, bar, tags, replace=arguments.existing == "replace", dry=arguments.dry_run)
        for text in arguments.source:
            source = os.path.abspath(os.path.expanduser(text))
            around = mount_around(source)
            if around is not None and around.path == place.root:
                raise InvalidArgument(f"{screen.name(text)} is on the drive already")
            task.source(source, arguments.to)
        tally = task.tally
    if screen.as_json:
        screen.json({**vars(tally), "dry_run": arguments.dry_run})
    else:
        would = "would be " if arguments.dry_run else ""
        replaced = f", {tally.replaced:,} replaced" if tally.replaced else ""
        screen.note(
            f"{count_text(tally.new, 'file')} {would}imported ({size_text(tally.bytes)}){replaced}, "
            f"{tally.same:,} were there, {len(tally.differs) + len(tally.failed):,} left out"
        )
    return task.status


def destination(place: Place, text: str) -> str:
    """The folder below `files/` that somebody names, relative to it. InvalidArgument."""
    parts = parts_of(place, text)
    if parts[:1] != (FILES,):
        raise InvalidArgument(f"{text} is no folder in {FILES}/: files are kept there, and only there")
    return "/".join(parts[1:])


class Import:
    """One run."""

    def __init__(
        self, place: Place, screen: Screen, bar: Progress, tags: list[str], *, replace: bool, dry: bool
    ) -> None:
        self._place = place
        self._screen = screen
        self._bar = bar
        self._tags = tags
        self._dry = dry
        self._intake = Intake(place.drive, place.caller, replace=replace, dry=dry)
        self._links: dict[tuple[int, int], int] = {}
        self._folders: list[tuple[int, FileRecord]] = []
        self._total = 0
        self._done = 0
        self.tally = Tally()
        self.status = OK

    def source(self, source: str, to: str | None) -> None:
        """One of the words given. NotFound when there is no such thing."""
        if not os.path.lexists(source):
            raise NotFound(f"there is no {source}")
        name = os.path.basename(source.rstrip("/"))
        if os.path.isdir(source) and is_archive(Path(source)):
            self._archive(Path(source), destination(self._place, to) if to else "")
        elif os.path.isdir(source):
            self._measure(source)
            below = destination(self._place, to) if to else name
            self._folder(source, below)
            self._finish()
        else:
            below = destination(self._place, to) if to else ""
            self._one(source, f"{below}/{name}" if below else name)

    def _measure(self, folder: str) -> None:
        if self._screen.lively:
            self._total += sum(os.lstat(path).st_size for path, found in _walk(folder) if stat.S_ISREG(found.st_mode))

    # -- an ordinary folder

    def _folder(self, source: str, path: str) -> None:
        try:
            node, new = self._intake.folder(path)
            record = describe(source, owner=False)
            names = sorted(os.listdir(source), key=os.fsencode)
        except (DriveError, OSError) as error:
            self._failed(source, error)
            return
        for name in names:
            inner, below = os.path.join(source, name), f"{path}/{name}" if path else name
            if stat.S_ISDIR(os.lstat(inner).st_mode):
                self._folder(inner, below)
            else:
                self._one(inner, below)
        if new:
            self._folders.append((node, record))

    def _one(self, source: str, path: str) -> None:
        self._bar.update(self._done, self._total or None, path)
        try:
            found = os.lstat(source)
            key = (found.st_dev, found.st_ino)
            if found.st_nlink > 1 and key in self._links:
                self._count(path, self._intake.link(path, self._links[key]), 0)
                return
            tags = [*self._labels(source), *self._tags] if stat.S_ISREG(found.st_mode) else []
            done, node = self._intake.take(path, describe(source, owner=False), source, tags, self._report)
            self._links[key] = node
            self._count(path, done, found.st_size)
        except (DriveError, OSError) as error:
            self._failed(source, error)

    def _labels(self, source: str) -> list[str]:
        good, bad = labels_of(source)
        if bad:
            # The file is worth more than a word that cannot be a tag.
            names = self._screen.name(", ".join(bad))
            self._screen.warning(f"{self._screen.name(source)}: no tags can be called {names}; imported without")
        return good

    def _report(self, size: int) -> None:
        self._done += size
        self._bar.update(self._done, max(self._total, self._done))

    def _count(self, path: str, done: Done, size: int) -> None:
        if done is Done.DIFFERS:
            self.tally.differs.append(f"{FILES}/{path}")
            self.status = self.status or EXITS[AlreadyExists.code]
            if not self._screen.as_json:
                self._screen.warning(
                    f"{self._screen.name(f'{FILES}/{path}')} is there with another content: left alone"
                )
            return
        setattr(self.tally, done.value, getattr(self.tally, done.value) + 1)
        if done is not Done.SAME:
            self.tally.bytes += size
        if self._dry and not self._screen.as_json and done is not Done.SAME:
            self._screen.line(f"{done.value}\t{self._screen.name(f'{FILES}/{path}')}")

    def _failed(self, source: str, error: DriveError | OSError) -> None:
        """Told, and the rest goes on; unless nothing more can go on."""
        said = error_of(error) if isinstance(error, OSError) else error
        if isinstance(said, NoSpace | Unavailable):
            raise said
        self.tally.failed.append({"path": source, "code": said.code, "error": str(said)})
        self.status = self.status or exit_of(said)
        if not self._screen.as_json:
            self._screen.error(said, self._screen.name(source))

    def _finish(self) -> None:
        """Folders get their times when nothing more is put into them."""
        for node, record in reversed(self._folders):
            if not self._dry:
                self._intake.dress(self._place.drive.node(self._place.caller, node), record)
        self._folders.clear()

    # -- an export

    def _archive(self, folder: Path, below: str) -> None:
        archive = read_archive(folder)
        self._total += sum(record.size for record in archive.files)
        self._vocabulary(archive)
        for record in archive.files:
            self._bar.update(self._done, self._total, record.names[0])
            try:
                self._record(record, folder / FILES, below)
            except (DriveError, OSError) as error:
                self._failed(str(folder / FILES / record.names[0]), error)
        self._finish()
        known = {name for record in archive.files for name in record.names}
        extra = sum(1 for path, _ in _walk(str(folder / FILES)) if os.path.relpath(path, folder / FILES) not in known)
        if extra:
            self._screen.note(f"{count_text(extra, 'file')} in {folder / FILES} that its graph does not know: left out")

    def _vocabulary(self, archive: Archive) -> None:
        drive, caller = self._place.drive, self._place.caller
        if self._dry:
            return
        for tag in archive.tags:
            try:
                drive.create_tag(caller, tag.path)
            except AlreadyExists:
                continue
        for tag in archive.tags:
            for alias in tag.aliases:
                try:
                    drive.set_alias(caller, tag.path, alias)
                except AlreadyExists as error:
                    self._failed(f"alias {alias} of {tag.path}", error)

    def _record(self, record: FileRecord, files: Path, below: str) -> None:
        paths = ["/".join(filter(None, (below, name))) for name in record.names]
        if stat.S_ISDIR(record.mode):
            node, _ = self._intake.folder(paths[0])
            self._folders.append((node, record))
            return
        source = os.path.join(files, record.names[0])
        if stat.S_ISREG(record.mode) and not stat.S_ISREG(os.lstat(source).st_mode):
            raise InvalidArgument("the export's graph says it is a file, and it is none")
        tags = self._tags if stat.S_ISREG(record.mode) else []
        done, node = self._intake.take(paths[0], record, source, tags, self._report)
        self._count(paths[0], done, record.size)
        for path in paths[1:] if done is not Done.DIFFERS else ():
            if self._intake.link(path, node) is Done.DIFFERS:
                self._count(path, Done.DIFFERS, 0)


def describe(source: str, *, owner: bool) -> FileRecord:
    """What a plain file is, without its tags. Owned by whoever takes it in, unless `owner`."""
    found = os.lstat(source)
    link = stat.S_ISLNK(found.st_mode)
    return FileRecord(
        ("",),
        found.st_mode,
        found.st_uid if owner else -1,
        found.st_gid if owner else -1,
        found.st_atime_ns,
        found.st_mtime_ns,
        found.st_size,
        found.st_rdev,
        os.readlink(source) if link else "",
        {} if link else _xattrs(source, found),
    )


def _xattrs(source: str, found: os.stat_result) -> dict[str, bytes]:
    """The attributes of its user. Tags of a file are tags, not an attribute."""
    try:
        names = os.listxattr(source, follow_symlinks=False)
    except OSError:
        return {}  # a file system without any
    regular = stat.S_ISREG(found.st_mode)
    wanted = [name for name in names if name.startswith("user.") and not name.startswith(OWN)]
    return {name: os.getxattr(source, name, follow_symlinks=False) for name in wanted if not (regular and name == TAGS)}


def labels_of(source: str) -> tuple[list[str], list[str]]:
    """The tags that other programs gave to a file: those that can be tags here, and those that cannot."""
    try:
        value = os.getxattr(source, TAGS, follow_symlinks=False)
    except OSError:
        return [], []
    good, bad = [], []
    for item in value.split(b","):
        try:
            good += split_label(item)
        except (InvalidArgument, NameTooLong):
            bad.append(os.fsdecode(item))
    return good, bad


def _walk(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    """Everything below a folder that is no folder."""
    for above, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(above, name)
            yield path, os.lstat(path)
