"""What a shell does with a mounted drive, without the kernel: paths from the mount's root, walked name by name.
Asserts nothing."""

import os
import stat
from contextlib import suppress
from dataclasses import dataclass, replace

from graphfs.errors import NotFound
from graphfs.model import SUPER_ROOT, AttributeChange, Caller, Replace, XattrMode
from graphfs.vfs.filesystem import FileSystem
from graphfs.vfs.interface import Attributes


@dataclass(frozen=True)
class Shell:
    """One process. `volume` is the file system it works on."""

    volume: FileSystem
    caller: Caller

    def process(self, pid: int) -> "Shell":
        """The same user in another process."""
        return replace(self, caller=Caller(self.caller.uid, self.caller.gid, pid=pid))

    def walk(self, path: str) -> tuple[int, str]:
        """The folder's id and the last name."""
        *above, name = [part for part in path.split("/") if part]
        folder = SUPER_ROOT
        for part in above:
            folder = self.volume.lookup(self.caller, folder, part).id
        return folder, name

    def stat(self, path: str) -> Attributes:
        if not path:
            return self.volume.getattr(self.caller, SUPER_ROOT)
        return self.volume.lookup(self.caller, *self.walk(path))

    def exists(self, path: str) -> bool:
        try:
            self.stat(path)
        except NotFound:
            return False
        return True

    def entries(self, path: str) -> list[tuple[str, Attributes]]:
        handle = self.volume.opendir(self.caller, self.stat(path).id)
        try:
            return [(entry.name, entry.attributes) for entry in self.volume.readdir(handle, 0)]
        finally:
            self.volume.releasedir(handle)

    def ls(self, path: str) -> list[str]:
        """As `ls`: without names that begin with a dot."""
        return [name for name, _ in self.entries(path) if not name.startswith(".")]

    def files(self, path: str) -> list[str]:
        return [name for name, shown in self.entries(path) if not stat.S_ISDIR(shown.mode) and name[0] != "."]

    def folders(self, path: str) -> list[str]:
        return [name for name, shown in self.entries(path) if stat.S_ISDIR(shown.mode)]

    def write(self, path: str, data: bytes | str = b"x") -> int:
        """As `cat > path`; returns the node's id."""
        folder, name = self.walk(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        try:
            node = self.volume.lookup(self.caller, folder, name).id
            handle = self.volume.open(self.caller, node, flags).handle
            self.volume.setattr(self.caller, node, _NO_CHANGE, 0, handle)
        except NotFound:
            opened, shown = self.volume.create(self.caller, folder, name, 0o644, flags)
            handle, node = opened.handle, shown.id
        self.volume.write(handle, 0, data.encode() if isinstance(data, str) else data)
        self.close(handle)
        return node

    def create(self, path: str) -> int:
        """Creates and opens; returns the handle."""
        folder, name = self.walk(path)
        return self.volume.create(self.caller, folder, name, 0o644, os.O_WRONLY | os.O_CREAT | os.O_EXCL)[0].handle

    def close(self, handle: int) -> None:
        self.volume.flush(handle)
        self.volume.release(handle)

    def read(self, path: str) -> bytes:
        opened = self.volume.open(self.caller, self.stat(path).id, os.O_RDONLY)
        try:
            return self.volume.read(opened.handle, 0, 1 << 20)
        finally:
            self.volume.release(opened.handle)

    def mkdir(self, path: str) -> None:
        self.volume.mkdir(self.caller, *self.walk(path), 0o755)

    def rmdir(self, path: str) -> None:
        self.volume.rmdir(self.caller, *self.walk(path))

    def rm(self, path: str) -> None:
        self.volume.unlink(self.caller, *self.walk(path))

    def mv(self, path: str, new: str, replace: Replace = Replace.ALLOW) -> None:
        """As rename(2); a `new` that ends with a slash is the folder to move into."""
        if new.endswith("/"):
            new += path.rsplit("/", 1)[-1]
        self.volume.rename(self.caller, *self.walk(path), *self.walk(new), replace)

    def ln(self, path: str, new: str) -> None:
        if new.endswith("/"):
            new += path.rsplit("/", 1)[-1]
        self.volume.link(self.caller, self.stat(path).id, *self.walk(new))

    def ln_s(self, target: str, new: str) -> Attributes:
        if new.endswith("/"):
            new += target.rsplit("/", 1)[-1]
        return self.volume.symlink(self.caller, *self.walk(new), target)

    def rm_r(self, path: str) -> None:
        """As `rm -r`: what a folder lists, in its order."""
        for name, shown in self.entries(path):
            if stat.S_ISDIR(shown.mode):
                self.rm_r(f"{path}/{name}")
            else:
                self.rm(f"{path}/{name}")
        self.rmdir(path)

    def rm_r_depth_first(self, path: str) -> None:
        """As programs do that look everywhere first and then remove from the bottom up, and do not mind what is
        gone."""
        found = self.entries(path)
        for name, shown in reversed(found):
            if stat.S_ISDIR(shown.mode):
                self.rm_r_depth_first(f"{path}/{name}")
        for name, shown in found:
            if not stat.S_ISDIR(shown.mode):
                with suppress(NotFound):
                    self.rm(f"{path}/{name}")
        self.rmdir(path)

    def find(self, path: str) -> list[str]:
        """All paths below, as `find` prints them."""
        found = []
        for name, shown in self.entries(path):
            found.append(f"{path}/{name}")
            if stat.S_ISDIR(shown.mode):
                found += self.find(f"{path}/{name}")
        return found

    def tag(self, path: str, *tags: str) -> None:
        """Sets a file's tags."""
        self.setxattr(path, "user.xdg.tags", ",".join(tags))

    def tags(self, path: str) -> set[str]:
        """The tags given to a file itself."""
        if "user.xdg.tags" not in self.volume.listxattr(self.caller, self.stat(path).id):
            return set()
        return set(self.getxattr(path, "user.xdg.tags").split(","))

    def getxattr(self, path: str, name: str) -> str:
        return self.volume.getxattr(self.caller, self.stat(path).id, name).decode()

    def setxattr(self, path: str, name: str, value: str | bytes, mode: XattrMode = XattrMode.ANY) -> None:
        content = value.encode() if isinstance(value, str) else value
        self.volume.setxattr(self.caller, self.stat(path).id, name, content, mode)


_NO_CHANGE = AttributeChange()
