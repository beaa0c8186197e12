"""Tells the server what this mount made in lent folders, and hands back those that were recalled: one thread, which
sends everything that waits by then in one request. What came in while a request was under way goes into the next.

What cannot be made as it was (its loan was over, and the name is somebody else's by now) is kept beside, under a name
that says so; what has no folder any more goes to the trash. Nothing that was acknowledged is dropped.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Protocol

import msgspec

from graphfs.cache.lent import LentFolders
from graphfs.cache.waiting import Waiting
from graphfs.errors import AlreadyExists, Busy, DriveError, NoSpace, NotFound, ReadOnly, Unavailable
from graphfs.loans import Making
from graphfs.model import (
    Caller,
    Extent,
    Layout,
    Node,
)
from graphfs.vfs.commit import conflict_name

log = logging.getLogger(__name__)

PAUSE = 0.5
"""Seconds until what failed is tried again."""
_NAMES = 100
_WAIT = (Unavailable, ReadOnly, NoSpace, Busy)
"""What passes by itself, or when somebody makes room."""


class Server(Protocol):
    """What is asked of the server. See `graphfs.api`."""

    def make(self, caller: Caller, files: Sequence[Making]) -> list[Node]: ...
    def inherit(self, caller: Caller, mounts: Sequence[int]) -> list[int]: ...
    def hand_back(self, caller: Caller, folders: Sequence[int]) -> None: ...
    def node(self, caller: Caller, node: int) -> Node: ...
    def put_blob(self, digest: bytes, source: bytes, *, durable: bool) -> None: ...
    def recover(self, caller: Caller, path: str, layout: Layout) -> int: ...


class Teller:
    """It begins with `start`."""

    def __init__(
        self,
        folders: LentFolders,
        server: Server,
        begin: Callable[[], None],
        told: Callable[[Sequence[Waiting], Sequence[Node]], None],
        elsewhere: Callable[[Waiting], None],
        mounts: Sequence[int] = (),
        inherited: Callable[[], None] = lambda: None,
    ) -> None:
        """`begin` is said on the thread first; `told` hears what the server has, `elsewhere` what is not where it was
        made. `mounts`: those that died, whose folders are got first, and `inherited` is told."""
        self._folders, self._server = folders, server
        self._begin = begin
        self._mounts, self._inherited = mounts, inherited
        self._told, self._elsewhere = told, elsewhere
        self._thread = threading.Thread(target=self._run, name="telling", daemon=True)
        self._stop = False
        self.conflicts: list[str] = []

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Sends what it can, and ends."""
        with self._folders.changed:
            self._stop = True
            self._folders.changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        folders = self._folders
        self._begin()
        while self._mounts and not self._inherit():
            if self._stop:
                return
            time.sleep(PAUSE)
        while True:
            some = folders.batch()
            back = [] if some else folders.to_hand_back()
            if some:
                done = self._send(some)
            elif back:
                done = self._hand_back(back)
            elif self._stop:
                return
            else:
                self._sleep()
                continue
            if not done:
                if self._stop:
                    return
                time.sleep(PAUSE)

    def _sleep(self) -> None:
        """Until there is something to do."""
        folders = self._folders
        with folders.changed:
            if not folders.ready and not folders.to_hand_back() and not self._stop:
                folders.changed.wait(PAUSE if folders.left_open() else None)

    def _inherit(self) -> bool:
        """Gets the folders of mounts that died: nobody looks into them before what was made there is told, and nobody
        waits until their loans are over. False: it has to be tried again."""
        try:
            self._folders.inherited(self._server.inherit(_SELF, self._mounts))
        except _WAIT as error:
            log.info("the folders of a mount that died are not there yet: %s", error)
            return False
        except DriveError as error:
            log.debug("nothing was lent: %s", error)
        self._inherited()
        return True

    def _hand_back(self, back: list[int]) -> bool:
        try:
            self._server.hand_back(_SELF, back)
        except DriveError as error:
            log.info("lent folders were not handed back: %s", error)
            return False
        self._folders.handed_back(back)
        return True

    def _send(self, some: list[Waiting]) -> bool:
        """False: it has to be tried again."""
        asked = time.monotonic()
        try:
            if some[0].again:
                made = [self._made_again(some[0])]
            else:
                made = list(self._server.make(some[0].caller, [one.making() for one in some]))
        except _WAIT as error:
            if not self._folders.stuck:
                log.warning("%d new files wait for the server: %s", self._folders.counts()[0], error)
            # Another mount has the folder, perhaps for long after it died: that passes.
            self._folders.not_sent(some, stuck=not isinstance(error, Busy))
            return False
        except DriveError as error:
            if len(some) > 1 or not some[0].again:
                log.info("new files are sent one by one: %s", error)
                self._folders.one_by_one(some)
                return True
            log.warning("%s could not be made, it stays in the journal: %s", some[0].name, error)
            self._folders.done(some)
            return True
        self._folders.heard(asked)
        self._told(some, made)
        self._folders.done(some)
        return True

    def _made_again(self, one: Waiting) -> Node:
        """Of what the server may have, or what it could not make as it was."""
        try:
            return self._server.node(one.caller, one.node.id)
        except NotFound:
            pass
        making = one.making()
        for number in range(_NAMES):
            name = conflict_name(one.name, number) if number else one.name
            try:
                (node,) = self._server.make(one.caller, [msgspec.structs.replace(making, name=name)])
            except AlreadyExists:
                continue
            except NotFound:
                return self._kept(one)
            if number:
                self._beside(one, name)
            return node
        return self._kept(one)

    def _beside(self, one: Waiting, name: str) -> None:
        log.warning("somebody else has made %s: this mount's is beside it as %s", one.name, name)
        self.conflicts = [*self.conflicts[-19:], name]
        self._elsewhere(one)

    def _kept(self, one: Waiting) -> Node:
        """Its folder is gone."""
        if one.data:
            digest = sha256(one.data).digest()
            self._server.put_blob(digest, one.data, durable=True)
            size = len(one.data)
            self._server.recover(one.caller, one.name, Layout(0, size, (Extent(0, size, digest, 0),)))
        log.warning("the folder of %s is gone: it is in the trash (`graphfs restore`)", one.name)
        self._elsewhere(one)
        return one.node


_SELF = Caller(0, 0, actor="mount")
