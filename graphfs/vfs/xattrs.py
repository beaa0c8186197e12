"""Extended attributes of the store's nodes: which are made from what is known, which are kept, which do not exist.

What the meaningful ones mean is `graphfs.vfs.labels`' to say.
"""

from graphfs.api import Drive
from graphfs.errors import NameTooLong, NoAttribute, NotSupported, TooLarge
from graphfs.model import Caller, XattrMode
from graphfs.vfs.room import Labels

LONGEST_NAME = 255
LARGEST_VALUE = 65536
CAPABILITY = "security.capability"
"""Asked for by the kernel before every write: never there, and never looked for."""
KEPT = ("user.", "trusted.", "security.")


class ExtendedAttributes:
    def __init__(self, drive: Drive, labels: Labels | None) -> None:
        self._drive = drive
        self._labels = labels

    def refuse(self, name: str) -> None:
        """Raises for names that nothing here has."""
        if name == CAPABILITY:
            raise NoAttribute(name)
        if not name.startswith(KEPT):
            raise NotSupported(f"extended attributes of this kind: {name}")

    def means(self, name: str) -> bool:
        return self._labels is not None and self._labels.has(name)

    def get(self, caller: Caller, node: int, name: str) -> bytes:
        self.refuse(name)
        if self._labels is not None and self._labels.has(name):
            return self._labels.get(caller, node, name)
        return self._drive.xattr(caller, node, name)

    def names(self, caller: Caller, node: int) -> list[str]:
        kept, labels = self._drive.xattrs(caller, node), self._labels
        if labels is None:
            return kept
        return [*labels.names(caller, node), *(name for name in kept if not labels.has(name))]

    def set(self, caller: Caller, node: int, name: str, value: bytes, mode: XattrMode) -> None:
        if name == CAPABILITY:
            raise NotSupported("files here have no capabilities")
        self.refuse(name)
        if len(name.encode(errors="surrogateescape")) > LONGEST_NAME:
            raise NameTooLong(name)
        if len(value) > LARGEST_VALUE:
            raise TooLarge("an extended attribute holds at most 64 KiB")
        if self._labels is not None and self._labels.has(name):
            self._labels.set(caller, node, name, value, mode)
        else:
            self._drive.set_xattr(caller, node, name, value, mode)

    def remove(self, caller: Caller, node: int, name: str) -> None:
        self.refuse(name)
        if self._labels is not None and self._labels.has(name):
            self._labels.remove(caller, node, name)
        else:
            self._drive.remove_xattr(caller, node, name)
