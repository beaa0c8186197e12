"""`HttpDrive`: the boundary over HTTP. Every ordinary call is made from its row in the table; here are only those
that a row cannot say."""

import ssl
import stat
import threading
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

from graphfs import wire
from graphfs.api import Access, Care, Content, Jobs, Loans, Locks, Tags, Trash, Tree, Views, Xattrs
from graphfs.client.asker import Asker
from graphfs.client.events import Follower
from graphfs.client.outage import Outage
from graphfs.client.retry import Policy
from graphfs.client.trust import context_for
from graphfs.model import Caller, Event
from graphfs.wire.address import Address, TcpAddress, UnixAddress, parse_address

F = TypeVar("F", bound=Callable[..., Any])

SOCKET = "api.sock"
"""The socket's name in a state directory, unless the settings say otherwise."""
_LONGEST_POLL = 30.0


def _over_http(method: F) -> F:
    """The method of the boundary, asked of the server."""
    operation = wire.OPERATIONS[method.__name__]
    names = [one.name for one in operation.parameters]
    body_name = operation.body.name if operation.body else ""
    changes = operation.verb != "GET"

    @wraps(method)
    def call(drive: "HttpDrive", *positional: Any, **named: Any) -> Any:
        caller = None
        if operation.has_caller:
            if "caller" in named:
                caller = named.pop("caller")
            else:
                caller, *positional = positional  # type: ignore[assignment]  # a list does as well
        values = dict(zip(names, positional, strict=False)) | named
        body = values.pop(body_name, None)
        if changes:
            drive.changed = True
        return drive.asker.ask(operation, caller, values, body)

    return cast("F", call)


class HttpDrive:
    """A drive behind a server. Synchronous, for any number of threads; every call ends within its time-out."""

    def __init__(
        self,
        address: Address,
        *,
        token: str = "",
        timeout: float = wire.PATIENCE,
        policy: Policy | None = None,
        trust: ssl.SSLContext | None = None,
        outage: Outage | None = None,
        stamp: Callable[[Caller], Caller] | None = None,
        checked: bool = False,
    ) -> None:
        """`timeout`: seconds for an ordinary call (longer work has its own, longer ones). `trust`: whose certificates
        are believed. `outage`, `stamp`, `checked`: see `Asker`. Nothing is connected yet."""
        self.asker = Asker(
            address,
            token=token,
            timeout=timeout,
            policy=policy or Policy(),
            trust=trust,
            outage=outage,
            stamp=stamp,
            checked=checked,
        )
        self.changed = False
        self._follower = Follower(self.asker, timeout)
        self._limits: wire.Limits | None = None
        self._closed = False
        self._lock = threading.Lock()
        self._timeout = timeout

    node = _over_http(Tree.node)
    lookup = _over_http(Tree.lookup)
    children = _over_http(Tree.children)
    create = _over_http(Tree.create)
    settle = _over_http(Tree.settle)
    link = _over_http(Tree.link)
    unlink = _over_http(Tree.unlink)
    rmdir = _over_http(Tree.rmdir)
    rename = _over_http(Tree.rename)
    set_attributes = _over_http(Tree.set_attributes)
    readlink = _over_http(Tree.readlink)
    accessed = _over_http(Tree.accessed)
    path = _over_http(Tree.path)
    paths = _over_http(Tree.paths)
    file = _over_http(Tree.file)
    space = _over_http(Tree.space)
    hold = _over_http(Tree.hold)
    release = _over_http(Tree.release)

    xattr = _over_http(Xattrs.xattr)
    xattrs = _over_http(Xattrs.xattrs)
    set_xattr = _over_http(Xattrs.set_xattr)
    remove_xattr = _over_http(Xattrs.remove_xattr)

    layout = _over_http(Content.layout)
    read_blob = _over_http(Content.read_blob)
    commit = _over_http(Content.commit)
    sync = _over_http(Content.sync)

    lock = _over_http(Locks.lock)
    unlock = _over_http(Locks.unlock)
    in_the_way = _over_http(Locks.in_the_way)
    renew_locks = _over_http(Locks.renew_locks)
    drop_locks = _over_http(Locks.drop_locks)

    lend = _over_http(Loans.lend)
    make = _over_http(Loans.make)
    inherit = _over_http(Loans.inherit)
    hand_back = _over_http(Loans.hand_back)

    view = _over_http(Views.view)
    view_entry = _over_http(Views.view_entry)
    view_files = _over_http(Views.view_files)
    view_facets = _over_http(Views.view_facets)
    find = _over_http(Views.find)

    tags = _over_http(Tags.tags)
    edges = _over_http(Tags.edges)
    change_tags = _over_http(Tags.change_tags)
    set_tags = _over_http(Tags.set_tags)
    put_edges = _over_http(Tags.put_edges)
    create_tag = _over_http(Tags.create_tag)
    delete_tag = _over_http(Tags.delete_tag)
    drop_tag = _over_http(Tags.drop_tag)
    rename_tag = _over_http(Tags.rename_tag)
    merge_tags = _over_http(Tags.merge_tags)
    set_alias = _over_http(Tags.set_alias)
    journal = _over_http(Tags.journal)
    undo = _over_http(Tags.undo)

    trash = _over_http(Trash.trash)
    restore = _over_http(Trash.restore)
    recover = _over_http(Trash.recover)
    purge = _over_http(Trash.purge)

    lease = _over_http(Jobs.lease)
    heartbeat = _over_http(Jobs.heartbeat)
    finish = _over_http(Jobs.finish)
    job = _over_http(Jobs.job)
    retry = _over_http(Jobs.retry)
    pause = _over_http(Jobs.pause)
    spend = _over_http(Jobs.spend)
    remembered = _over_http(Jobs.remembered)
    remember = _over_http(Jobs.remember)

    status = _over_http(Care.status)
    fsck = _over_http(Care.fsck)
    gc = _over_http(Care.gc)

    tokens = _over_http(Access.tokens)
    create_token = _over_http(Access.create_token)
    revoke_token = _over_http(Access.revoke_token)

    def put_blob(self, digest: bytes, source: Path | bytes, *, durable: bool) -> None:
        """See `graphfs.api.Content.put_blob`."""
        data = source if isinstance(source, bytes) else source.read_bytes()
        self.changed = True
        self.asker.ask(wire.OPERATIONS["put_blob"], None, {"digest": digest, "durable": durable}, data)
        if isinstance(source, Path):
            source.unlink(missing_ok=True)

    def inline_limit(self) -> int:
        """See `graphfs.api.Content.inline_limit`. Asked once."""
        return self._known_limits().inline_limit

    def chunk_size(self) -> int:
        """See `graphfs.api.Content.chunk_size`. Asked once."""
        return self._known_limits().chunk_size

    def _known_limits(self) -> wire.Limits:
        if self._limits is None:
            self._limits = cast("wire.Limits", self.asker.ask(wire.OPERATIONS["limits"], None, {}))
        return self._limits

    def events(self, after: int, timeout: float) -> list[Event]:
        """See `graphfs.api.Events.events`."""
        operation = wire.OPERATIONS["events"]
        end = time.monotonic() + timeout
        while True:
            seconds = max(0.0, min(_LONGEST_POLL, end - time.monotonic()))
            values = {"after": after, "timeout": seconds}
            reply = self.asker.exchange(operation, None, values, None, time.monotonic() + seconds + self._timeout)
            found = cast("list[Event]", wire.answer(operation, reply.body))
            if found or time.monotonic() >= end:
                return found

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """See `graphfs.api.Events.subscribe`: on a thread of the client's own, after a reconnection without a gap or
        with a RESET."""
        return self._follower.subscribe(listener)

    def close(self) -> None:
        """See `graphfs.api.Drive.close`. The server goes on."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        try:
            self._follower.close()
            if self.changed:
                self.sync()
        finally:
            self.asker.close()


def connect(
    address: str | Path, *, token: str = "", timeout: float = wire.PATIENCE, ca_file: Path | None = None
) -> HttpDrive:
    """The drive at an address: `unix:PATH`, a state directory or a socket in it, `HOST:PORT`, `http://...`,
    `https://...`.

    TCP needs the `token` (run/token in the state directory). `ca_file`: the authorities whose certificates are
    believed, instead of the system's. InvalidArgument for what is no address; that nobody answers there shows at the
    first call: Unavailable.
    """
    path = Path(address)
    if path.is_dir():
        return HttpDrive(UnixAddress(path / SOCKET), token=token, timeout=timeout)
    if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
        return HttpDrive(UnixAddress(path), token=token, timeout=timeout)
    found = parse_address(str(address))
    return HttpDrive(found, token=token, timeout=timeout, trust=trust_for(found, ca_file))


def trust_for(address: Address, ca_file: Path | None) -> ssl.SSLContext | None:
    """What a TLS address needs; None for others. InvalidArgument."""
    return context_for(ca_file) if isinstance(address, TcpAddress) and address.tls else None
