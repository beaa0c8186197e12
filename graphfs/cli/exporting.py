"""`export`: a drive as plain files, with what plain files cannot hold in a JSON beside them.

It reads the drive while others may write to it: each file is one whole version, the drive as a whole is that of no
single moment. Run again it copies only what changed.
"""

import os
import stat
from argparse import Namespace
from pathlib import Path

from graphfs.cli.archive import FILES, NAME, WORK, ArchiveWriter, FileRecord, TagRecord
from graphfs.cli.content import same_content, write_content
from graphfs.cli.drives import Place, mount_around, opened
from graphfs.cli.exits import OK, error_of, exit_of
from graphfs.cli.progress import Progress, progress
from graphfs.cli.screen import Screen, count_text, size_text
from graphfs.errors import DriveError, InvalidArgument, NoSpace, NotEmpty, NotFound, Unavailable
from graphfs.model import FILES_ROOT, EdgeState, Node
from graphfs.vfs.labels import TAGS, join_tags

_TRIES = 3
"""Times a file is read anew that changes while it is copied."""


def run(arguments: Namespace, screen: Screen) -> int:
    """Exports. Files that cannot be written are told, and the others are written all the same."""
    folder = Path(arguments.dir).expanduser().absolute()
    with opened(arguments) as place, progress(screen, "export", sized=True) as bar:
        around = mount_around(str(folder))
        if around is not None and around.path == place.root:
            raise InvalidArgument(f"{folder} is on the drive itself: choose a folder elsewhere")
        _prepare(folder)
        export = Export(place, screen, folder, bar, checksum=arguments.checksum)
        export.run()
    if screen.as_json:
        screen.json(export.figures)
    else:
        figures = export.figures
        screen.note(
            f"{count_text(figures['written'], 'file')} written ({size_text(figures['bytes'])}), "
            f"{figures['same']:,} were there, {figures['failed']:,} failed"
        )
    return export.status


def _prepare(folder: Path) -> None:
    """The folder, made or taken over from an export that was interrupted. NotEmpty when it holds something else."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ours = (folder / NAME).exists() or (folder / WORK).exists()
    if not ours and any(folder.iterdir()):
        raise NotEmpty(f"{folder} holds something that is no export: choose an empty folder")
    (folder / WORK).mkdir(mode=0o700, exist_ok=True)
    (folder / FILES).mkdir(mode=0o700, exist_ok=True)


class Export:
    """One run."""

    def __init__(self, place: Place, screen: Screen, folder: Path, bar: Progress, *, checksum: bool) -> None:
        self._drive, self._caller = place.drive, place.caller
        self._screen = screen
        self._folder = folder
        self._files = str(folder / FILES)
        self._partial = str(folder / WORK / "partial")
        self._bar = bar
        self._checksum = checksum
        self._records: dict[int, FileRecord] = {}
        self._folders: list[tuple[str, Node]] = []
        self._total = 0
        self._done = 0
        self._xattrs_refused = False
        self.figures = {"written": 0, "same": 0, "failed": 0, "bytes": 0}
        self.status = OK

    def run(self) -> None:
        """Files first; the graph is put in its place when they are on disk."""
        drive, caller = self._drive, self._caller
        self._total = drive.status(caller).bytes
        tags = [TagRecord(tag.path, tuple(sorted(tag.aliases))) for tag in drive.tags(caller)]
        writer = ArchiveWriter(self._folder, tags)
        try:
            root = drive.node(caller, FILES_ROOT)
            self._records[root.id] = self._record("", root)
            self._below("", root)
            for path, node in reversed(self._folders):
                self._dress(path, node)
            self._dress(self._files, root)
            os.sync()
        except BaseException:
            writer.abandon()
            raise
        writer.close(list(self._records.values()))
        Path(self._partial).unlink(missing_ok=True)
        (self._folder / WORK).rmdir()

    def _below(self, above: str, folder: Node) -> None:
        entries = sorted(self._drive.children(self._caller, folder.id), key=lambda entry: os.fsencode(entry.name))
        for entry in entries:
            name = f"{above}/{entry.name}" if above else entry.name
            try:
                self._one(name, entry.node)
            except (NoSpace, Unavailable):
                raise
            except NotFound:
                continue  # deleted while we came to it
            except OSError as error:
                self._failed(name, error_of(error))
            except DriveError as error:
                self._failed(name, error)

    def _failed(self, name: str, error: DriveError) -> None:
        if isinstance(error, NoSpace):
            raise error
        self._screen.error(error, self._screen.name(name))
        self.figures["failed"] += 1
        self.status = self.status or exit_of(error)

    def _one(self, name: str, node: Node) -> None:
        path = f"{self._files}/{name}"
        known = self._records.get(node.id)
        if known is not None and not stat.S_ISDIR(node.mode):
            self._link(f"{self._files}/{known.names[0]}", path)
            self._records[node.id] = _named(known, name)
            return
        record = self._record(name, node)
        kind = stat.S_IFMT(node.mode)
        if kind == stat.S_IFDIR:
            self._clear(path, folder=True)
            if not os.path.isdir(path):
                os.mkdir(path, 0o700)
            else:
                os.chmod(path, 0o700)
            self._records[node.id] = record
            self._folders.append((path, node))
            self._below(name, node)
            return
        if kind == stat.S_IFREG:
            self._content(path, name, node)
        else:
            self._special(path, record)
        # Only what is on disk is in the graph: an import would look for it.
        self._records[node.id] = record
        self._dress(path, node)

    def _record(self, name: str, node: Node) -> FileRecord:
        drive, caller = self._drive, self._caller
        xattrs = {one: drive.xattr(caller, node.id, one) for one in sorted(drive.xattrs(caller, node.id))}
        edges = sorted(drive.edges(caller, node.file), key=lambda edge: edge.tag) if node.file else []
        target = drive.readlink(caller, node.id) if stat.S_ISLNK(node.mode) else ""
        regular = stat.S_ISREG(node.mode)
        return FileRecord(
            (name,),
            node.mode,
            node.uid,
            node.gid,
            node.atime,
            node.mtime,
            node.size if regular else 0,
            node.rdev,
            target,
            xattrs,
            tuple(edges),
        )

    def _content(self, path: str, name: str, node: Node) -> None:
        self._bar.update(self._done, self._total, name)
        if self._is_there(path, node):
            self.figures["same"] += 1
            self._count(node.size)
            return
        for attempt in range(_TRIES):
            try:
                write_content(self._drive, self._drive.layout(self._caller, node.id), self._partial, self._count)
                break
            except NotFound:
                # A new version took the place of this one while it was read.
                if attempt == _TRIES - 1:
                    raise
        self._clear(path)
        os.replace(self._partial, path)
        self.figures["written"] += 1
        self.figures["bytes"] += node.size

    def _is_there(self, path: str, node: Node) -> bool:
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            return False
        if not stat.S_ISREG(found.st_mode) or found.st_size != node.size:
            return False
        if self._checksum:
            return same_content(self._drive, self._drive.layout(self._caller, node.id), path, lambda _: None)
        return found.st_mtime_ns == node.mtime

    def _count(self, size: int) -> None:
        self._done += size
        self._bar.update(self._done, max(self._total, self._done))

    def _special(self, path: str, record: FileRecord) -> None:
        self._clear(path)
        if os.path.lexists(path):
            os.unlink(path)
        if stat.S_ISLNK(record.mode):
            os.symlink(record.target, path)
            return
        try:
            os.mknod(path, record.mode, record.rdev)
        except PermissionError:
            self._screen.warning(f"{self._screen.name(path)}: a device is in the graph only: root can make it")

    def _link(self, first: str, path: str) -> None:
        self._clear(path)
        if os.path.lexists(path):
            if os.path.samestat(os.lstat(first), os.lstat(path)):
                return
            os.unlink(path)
        os.link(first, path, follow_symlinks=False)

    def _clear(self, path: str, *, folder: bool = False) -> None:
        """Makes way for something of another type that a former run left."""
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            return
        if stat.S_ISDIR(found.st_mode) != folder:
            if folder:
                os.unlink(path)
            else:
                raise NotEmpty("a folder of a former export is in the way: remove it")

    def _dress(self, path: str, node: Node) -> None:
        """Attributes, times last. What the file system or the user's rights refuse is in the graph all the same."""
        record = self._records[node.id]
        link = stat.S_ISLNK(node.mode)
        if not os.path.lexists(path):
            return
        if os.geteuid() == 0:
            os.chown(path, node.uid, node.gid, follow_symlinks=False)
        for name, value in self._worn(record):
            try:
                os.setxattr(path, name, value, follow_symlinks=False)
            except OSError:
                if not self._xattrs_refused and stat.S_IFMT(node.mode) in {stat.S_IFREG, stat.S_IFDIR}:
                    self._xattrs_refused = True
                    self._screen.warning(f"{self._folder} does not take all extended attributes; {NAME} holds them")
        if not link:
            os.chmod(path, stat.S_IMODE(node.mode))
        os.utime(path, ns=(node.atime, node.mtime), follow_symlinks=False)

    def _worn(self, record: FileRecord) -> list[tuple[str, bytes]]:
        tags = [edge.tag for edge in record.edges if edge.state is EdgeState.APPLIED]
        worn = [(name, value) for name, value in record.xattrs.items() if name.startswith("user.")]
        return [*worn, (TAGS, join_tags(tags))] if tags else worn


def _named(record: FileRecord, name: str) -> FileRecord:
    values = {field: getattr(record, field) for field in FileRecord.__struct_fields__}
    return FileRecord(**(values | {"names": (*record.names, name)}))
