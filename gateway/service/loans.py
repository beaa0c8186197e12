"""Lending folders to mounts, and what they make there.

Only a store with a log that all main servers read lends: each looks at it before it says "there is no such name", and
so knows of every loan that was made before it was asked. Getting a folder back for somebody is in `core`, for every
part asks for it.
"""

import stat
from collections.abc import Sequence
from hashlib import sha256

from gateway.service.content import ContentPart
from gateway.service.core import Change, again
from gateway.service.repeats import nodes_made, nothing, once
from gateway.service.tree import TreePart, changed
from gateway.store.loans import LentStep, LoanStep
from graphfs.errors import Conflict, InvalidArgument, NotPermitted, NotSupported, TooLarge
from graphfs.loans import Loan, Making, mount_of
from graphfs.model import (
    Caller,
    EventKind,
    Node,
    Patch,
    moment,
)

MOST_NAMES = 16_384
"""Names of a folder that is lent: they are told with it."""
IDS = 8192
"""Ids that come with a loan."""
_SWEEP = Caller(uid=0, gid=0, actor="sweep")


class LoanPart(TreePart, ContentPart):
    """Implements `graphfs.api.Loans`."""

    _unused = 0
    """Every id below it was given out, as far as this server knows."""

    @again
    def lend(self, caller: Caller, folder: int) -> Loan:
        mount = self._lends_to(caller)
        with self.change(caller) as change:
            tx = change.tx
            place = tx.place(folder)
            if self.lent.mount(folder) not in (0, mount):
                raise Conflict("the folder is lent to another mount")
            node = self.need(place[0] if place else None, folder)
            if place is None or not place[1] or not stat.S_ISDIR(node.mode):
                raise NotPermitted("only folders below files/ are lent")
            entries = self.store.children(folder, 0, MOST_NAMES + 1)
            if len(entries) > MOST_NAMES:
                raise TooLarge(f"a folder with more than {MOST_NAMES} names is not lent")
            tx.has_children(folder)  # whoever makes a name meanwhile overtakes this
            tx.save_node(node)  # and this overtakes whoever is about to make one
            first = tx.reserve(IDS)
            self._lent_to(change, (folder,), mount)
        return Loan(node, tuple([entry.name for entry in entries]), first, IDS, change.now)

    def _lends_to(self, caller: Caller) -> int:
        """The caller's mount. NotSupported, NotPermitted."""
        if not (self.settings.lends and self.store.shared):
            raise NotSupported("this drive lends no folders")
        mount = mount_of(caller.pid)
        if not mount:
            raise NotPermitted("folders are lent to mounts")
        return mount

    @once(nodes_made)
    def make(self, caller: Caller, files: Sequence[Making]) -> list[Node]:
        if not self.store.shared:
            raise NotSupported("this drive lends no folders")
        self.blobs.room(sum([len(one.data) for one in files if one.data]))
        return self._make(caller, files)

    @again
    def _make(self, caller: Caller, files: Sequence[Making]) -> list[Node]:
        mount = mount_of(caller.pid)
        with self.change(caller) as change:
            self._need_given(change, max([one.id for one in files], default=0))
            made = [self._made(change, one) for one in files]
            lent = tuple([one.id for one in files if one.lent and mount])
            if lent:
                self._lent_to(change, lent, mount)
            elif mount:
                change.then(LoanStep(mount))
            change.tell(EventKind.JOBS)
        return made

    def _need_given(self, change: Change, number: int) -> None:
        """An id that nobody was given will be somebody else's."""
        if number >= self._unused:
            self._unused = change.tx.reserve(0)
        if number >= self._unused:
            raise InvalidArgument("ids of what is made come with a loan")

    def _made(self, change: Change, one: Making) -> Node:
        if not (stat.S_ISREG(one.mode) or stat.S_ISDIR(one.mode)) or (one.data and not stat.S_ISREG(one.mode)):
            raise InvalidArgument("files and folders are made in lent folders, and only files have content")
        if one.data is not None and len(one.data) > self.settings.inline_limit:
            raise InvalidArgument("what is larger than `inline_limit` is put as a blob, and committed")
        made = min(one.made or change.now, change.now)
        node = self.made_here(change, one.folder, one.name, one.mode, number=one.id, when=made)
        if one.data:
            patch = Patch(0, len(one.data), sha256(one.data).digest(), 0, one.data)
            node, _ = self.written(change, node, len(one.data), (patch,), one.mtime)
        saved = changed(
            node, atime=moment(one.atime), mtime=moment(one.mtime), ctime=min(one.ctime or change.now, change.now)
        )
        change.tx.save_node(saved)
        return saved

    @again
    def inherit(self, caller: Caller, mounts: Sequence[int]) -> list[int]:
        mount = self._lends_to(caller)
        self.store.caught_up()  # another server may have lent them
        with self.change(caller) as change:
            folders = self.lent.of({*mounts, mount})
            if folders:
                self._lent_to(change, tuple(folders), mount)
        return folders

    @once(nothing)
    @again
    def hand_back(self, caller: Caller, folders: Sequence[int]) -> None:
        mount = mount_of(caller.pid)
        self.store.caught_up()  # another server may have lent them
        with self.change(caller) as change:
            own = tuple([folder for folder in folders if self.lent.last(folder) == mount])
            if own:
                self._lent_to(change, own, 0)

    @again
    def end_loans(self) -> None:
        """Of mounts that nobody has heard of for long: what is over need not be kept."""
        if self.lent.over():
            self.store.caught_up()
            with self.change(_SWEEP) as change:
                if over := tuple(self.lent.over()):
                    self._lent_to(change, over, 0)

    def _lent_to(self, change: Change, folders: tuple[int, ...], mount: int) -> None:
        """Said in the log, and kept for who cannot read all of it."""
        change.tx.lend(folders, mount)
        change.then(LentStep(folders, mount))
