"""A POSIX tree in dictionaries: what every call does, and the errno it fails with. No disk, no permissions."""

import errno
import os
from dataclasses import dataclass, field

from tests.filesystem.syscalls import RenameFlag

MOST_SYMLINKS = 40

Path = tuple[str, ...]


@dataclass(eq=False)
class File:
    """Bytes with names; `links` counts them."""

    content: bytearray = field(default_factory=bytearray)
    links: int = 0


@dataclass(eq=False)
class Symlink:
    """A text that is a path from its own folder."""

    target: str
    links: int = 0


@dataclass(eq=False)
class Folder:
    """Names and what they lead to."""

    entries: dict[str, "Node"] = field(default_factory=dict)


Node = File | Symlink | Folder


def _refuse(number: int) -> OSError:
    return OSError(number, os.strerror(number))


class TreeModel:
    """The tree. Every method does what the system call of its name does, or raises OSError with its errno."""

    def __init__(self) -> None:
        self.root = Folder()

    def _place(self, start: Folder, path: Path, *, follow: bool, budget: list[int]) -> tuple[Folder, str]:
        """The folder and the name that a path ends in; `follow` goes on where the last name is a symlink."""
        folder = start
        for name in path[:-1]:
            node = folder.entries.get(name)
            if isinstance(node, Symlink):
                node = self._through(folder, node, budget)
            if node is None:
                raise _refuse(errno.ENOENT)
            if not isinstance(node, Folder):
                raise _refuse(errno.ENOTDIR)
            folder = node
        last = folder.entries.get(path[-1])
        if follow and isinstance(last, Symlink):
            self._spend(budget)
            return self._place(folder, tuple(last.target.split("/")), follow=True, budget=budget)
        return folder, path[-1]

    def _through(self, folder: Folder, link: Symlink, budget: list[int]) -> Node | None:
        self._spend(budget)
        place, name = self._place(folder, tuple(link.target.split("/")), follow=True, budget=budget)
        return place.entries.get(name)

    @staticmethod
    def _spend(budget: list[int]) -> None:
        budget[0] -= 1
        if budget[0] < 0:
            raise _refuse(errno.ELOOP)

    def place(self, path: Path, *, follow: bool = False) -> tuple[Folder, str]:
        return self._place(self.root, path, follow=follow, budget=[MOST_SYMLINKS])

    def _need(self, path: Path, *, follow: bool = False) -> Node:
        folder, name = self.place(path, follow=follow)
        if name not in folder.entries:
            raise _refuse(errno.ENOENT)
        return folder.entries[name]

    def _add(self, path: Path, node: Node) -> None:
        folder, name = self.place(path)
        if name in folder.entries:
            raise _refuse(errno.EEXIST)
        folder.entries[name] = node
        if not isinstance(node, Folder):
            node.links += 1

    def create(self, path: Path) -> File:
        """open(O_CREAT | O_EXCL)."""
        file = File()
        self._add(path, file)
        return file

    def open(self, path: Path) -> File:
        """open(O_RDWR | O_CREAT)."""
        folder, name = self.place(path, follow=True)
        node = folder.entries.get(name)
        if isinstance(node, Folder):
            raise _refuse(errno.EISDIR)
        if node is None:
            node = folder.entries[name] = File(links=1)
        assert isinstance(node, File)
        return node

    def truncate(self, path: Path, size: int) -> None:
        node = self._need(path, follow=True)
        if isinstance(node, Folder):
            raise _refuse(errno.EISDIR)
        assert isinstance(node, File)
        self.resize(node, size)

    @staticmethod
    def resize(file: File, size: int) -> None:
        """ftruncate(2)."""
        del file.content[size:]
        file.content.extend(bytes(size - len(file.content)))

    @staticmethod
    def write(file: File, offset: int, data: bytes) -> None:
        """pwrite(2)."""
        file.content.extend(bytes(max(0, offset - len(file.content))))
        file.content[offset : offset + len(data)] = data

    def mkdir(self, path: Path) -> None:
        self._add(path, Folder())

    def symlink(self, target: str, path: Path) -> None:
        self._add(path, Symlink(target))

    def link(self, source: Path, path: Path) -> None:
        node = self._need(source)
        folder, name = self.place(path)
        if name in folder.entries:
            raise _refuse(errno.EEXIST)
        if isinstance(node, Folder):
            raise _refuse(errno.EPERM)
        self._add(path, node)

    def unlink(self, path: Path) -> None:
        node = self._need(path)
        if isinstance(node, Folder):
            raise _refuse(errno.EISDIR)
        folder, name = self.place(path)
        del folder.entries[name]
        node.links -= 1

    def rmdir(self, path: Path) -> None:
        node = self._need(path)
        if not isinstance(node, Folder):
            raise _refuse(errno.ENOTDIR)
        if node.entries:
            raise _refuse(errno.ENOTEMPTY)
        folder, name = self.place(path)
        del folder.entries[name]

    def rename(self, source: Path, target: Path, flags: RenameFlag) -> None:
        """renameat2(2), in the kernel's order of refusals."""
        (old_folder, old_name), (new_folder, new_name) = self.place(source), self.place(target)
        old, new = old_folder.entries.get(old_name), new_folder.entries.get(new_name)
        exchange = RenameFlag.EXCHANGE in flags
        if old is None:
            raise _refuse(errno.ENOENT)
        if RenameFlag.NOREPLACE in flags and new is not None:
            raise _refuse(errno.EEXIST)
        if exchange and new is None:
            raise _refuse(errno.ENOENT)
        if old_folder is not new_folder:
            if isinstance(old, Folder) and _holds(old, new_folder):
                raise _refuse(errno.EINVAL)
            if isinstance(new, Folder) and _holds(new, old_folder):
                raise _refuse(errno.EINVAL if exchange else errno.ENOTEMPTY)
        if old is new:
            return
        if exchange:
            assert new is not None
            old_folder.entries[old_name], new_folder.entries[new_name] = new, old
            return
        self._may_replace(old, new)
        del old_folder.entries[old_name]
        new_folder.entries[new_name] = old
        if new is not None and not isinstance(new, Folder):
            new.links -= 1

    @staticmethod
    def _may_replace(old: Node, new: Node | None) -> None:
        if new is None:
            return
        if isinstance(old, Folder) and not isinstance(new, Folder):
            raise _refuse(errno.ENOTDIR)
        if isinstance(new, Folder):
            if not isinstance(old, Folder):
                raise _refuse(errno.EISDIR)
            if new.entries:
                raise _refuse(errno.ENOTEMPTY)


def _holds(folder: Folder, other: Folder) -> bool:
    """Whether `other` is the folder or below it."""
    if folder is other:
        return True
    return any(isinstance(node, Folder) and _holds(node, other) for node in folder.entries.values())
