"""Extended attributes, kept as they are."""

import os

from gateway.service.core import Core, again
from gateway.service.repeats import nothing, once
from gateway.service.tree import changed
from graphfs.errors import AlreadyExists, InvalidArgument, NameTooLong, NoAttribute, TooLarge
from graphfs.model import Caller, EventKind, XattrMode
from graphfs.names import FILE_NAME_BYTES

_MAX_XATTR = 64 << 10


def _check_xattr_name(name: str) -> None:
    if not name or "\0" in name:
        raise InvalidArgument("an extended attribute needs a name, without NUL")
    if len(os.fsencode(name)) > FILE_NAME_BYTES:
        raise NameTooLong(f"an extended attribute's name has at most {FILE_NAME_BYTES} bytes")


class XattrPart(Core):
    """Implements `graphfs.api.Xattrs`."""

    def xattr(self, caller: Caller, node: int, name: str) -> bytes:
        value = self.store.xattr(node, name)
        if value is None:
            raise NoAttribute(name)
        return value

    def xattrs(self, caller: Caller, node: int) -> list[str]:
        return self.store.xattrs(node)

    @once(nothing)
    @again
    def set_xattr(self, caller: Caller, node: int, name: str, value: bytes, mode: XattrMode = XattrMode.ANY) -> None:
        _check_xattr_name(name)
        if len(value) > _MAX_XATTR:
            raise TooLarge(f"an extended attribute holds at most {_MAX_XATTR} bytes")
        with self.change(caller) as change:
            found = self.need(change.tx.node(node), node)
            there = change.tx.xattr(node, name) is not None
            if there and mode is XattrMode.CREATE:
                raise AlreadyExists(name)
            if not there and mode is XattrMode.REPLACE:
                raise NoAttribute(name)
            change.tx.set_xattr(node, name, value)
            change.tx.save_node(changed(found, ctime=change.now))
            change.tell(EventKind.NODE, node)

    @once(nothing)
    @again
    def remove_xattr(self, caller: Caller, node: int, name: str) -> None:
        with self.change(caller) as change:
            found = self.need(change.tx.node(node), node)
            if not change.tx.delete_xattr(node, name):
                raise NoAttribute(name)
            change.tx.save_node(changed(found, ctime=change.now))
            change.tell(EventKind.NODE, node)
