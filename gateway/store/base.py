"""The store protocol: records, names, tags, journal and jobs as rows. What they mean is said in `gateway.service`.

A `Reader` answers from the last committed state (or, inside a transaction, from what it has done so far). A
`Transaction` is
all or nothing: leaving its `with` block and then `wait` commits, an exception takes everything back. The blocks of one
store take turns; a commit may be shared by several. Both raise only `graphfs.errors`, and `Overtaken`.
Missing rows are None or empty, never an error: the service knows what that means.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from msgspec import Struct

from gateway.store.loans import LentStep, LoanStep
from gateway.store.rows import AliasRow, BatchRow, ChangeRow, DueJob, EdgeRow, Name, TagRow, TokenRow, TrashRow
from graphfs.model import Entry, Extent, JobRecord, Layout, Node, Problem


class LiveStep(Struct, frozen=True, tag="live"):
    """A file is reachable under `files/` from now on, or no longer."""

    file: int
    live: bool


class NameStep(Struct, frozen=True, tag="name"):
    """A file has other names than before."""

    file: int


class EdgeStep(Struct, frozen=True, tag="edge"):
    """What is said of a file and a tag now; None: nothing."""

    file: int
    tag: int
    state: str | None


class TagStep(Struct, frozen=True, tag="tag"):
    """One new tag."""

    row: TagRow


class MembersStep(Struct, frozen=True, tag="members"):
    """The members of these tags changed."""

    tags: tuple[int, ...]
    now: int


class VocabularyStep(Struct, frozen=True, tag="vocabulary"):
    """Tags or aliases were renamed, moved or deleted: read them anew."""


class PathsStep(Struct, frozen=True, tag="paths"):
    """A folder has another path."""


class TokensStep(Struct, frozen=True, tag="tokens"):
    """A token was made or revoked: read them anew."""


class SavedStep(Struct, frozen=True, tag="saved"):
    """A file had this name before a rename within its folder: how an editor's save by backup and rewrite is
    recognised. `backup`: it was renamed to what a backup is called. `at` 0: this is over (`node` 0: for the name only).
    """

    node: int
    folder: int
    name: str
    at: int
    backup: bool = False


Step = (
    LiveStep | NameStep | EdgeStep | TagStep | MembersStep | VocabularyStep | PathsStep | TokensStep | SavedStep
    | LentStep | LoanStep
)  # fmt: skip


class Told(Struct, frozen=True):
    """An event that has no number yet."""

    kind: str
    node: int = 0
    name: str = ""
    origin: int = 0


class Notes(Struct, frozen=True):
    """What follows from a change once it is committed: for the sets in memory, and for all who listen."""

    steps: tuple[Step, ...] = ()
    events: tuple[Told, ...] = ()


Listener = Callable[[int, Notes | None], None]
"""Told of every committed change in the order of the commits: the number of its first event (0: whoever listens counts
itself) and its notes; None: too much was missed, read everything anew."""


class Overtaken(Exception):
    """Somebody else's change came between. Nothing happened; making the whole change again is right.

    It never leaves the service.
    """


class Reader(Protocol):
    """What is read inside a transaction too."""

    def node(self, node: int) -> Node | None: ...
    def lookup(self, folder: int, name: str) -> Node | None: ...
    def has_children(self, folder: int) -> bool: ...
    def names(self, node: int) -> list[Name]:
        """All names, oldest first."""
        ...

    def known(self, node: int) -> tuple[Node, bool] | None:
        """What `place` said a moment ago, where that is remembered: it may be of yesterday."""
        ...

    def place(self, folder: int) -> tuple[Node, bool] | None:
        """A node and whether it is reachable under `files/`."""
        ...

    def by_file(self, file: int) -> Node | None: ...
    def extents(self, node: int) -> tuple[Extent, ...]: ...
    def extents_within(self, node: int, start: int, end: int) -> tuple[Extent, ...]:
        """Those that begin at or behind `start` and before `end`."""
        ...

    def end_before(self, node: int, start: int) -> int:
        """Where the last extent that begins before `start` ends; 0 when there is none."""
        ...

    def blob(self, digest: bytes) -> bytes | None: ...
    def has_blob(self, digest: bytes) -> bool: ...
    def xattr(self, node: int, name: str) -> bytes | None: ...
    def tags(self) -> list[TagRow]: ...
    def aliases(self) -> list[AliasRow]: ...
    def edges(self, file: int) -> list[EdgeRow]: ...
    def edges_of(self, tag: int) -> list[EdgeRow]: ...
    def batch(self, batch: int) -> BatchRow | None: ...
    def last_batch(self, uid: int) -> BatchRow | None: ...
    def changes(self, batch: int) -> list[ChangeRow]: ...
    def trashed(self, item: int) -> TrashRow | None: ...
    def job(self, file: int) -> JobRecord | None: ...
    def lease_of(self, file: int) -> tuple[str, int]: ...
    def jobs(self, state: str, limit: int) -> list[JobRecord]: ...
    def tokens(self) -> list[TokenRow]: ...
    def done(self, key: str) -> bool:
        """Whether a committed transaction (or this one) was marked with this key."""
        ...

    def memo(self, name: str) -> str:
        """A text that was kept under a name; '' when there is none."""
        ...


class Transaction(Reader, Protocol):
    """Changes. Ids are given once and never again."""

    def reserve(self, count: int) -> int:
        """The first of so many ids in a row, for whoever makes nodes elsewhere."""
        ...

    def add_node(
        self,
        mode: int,
        uid: int,
        gid: int,
        rdev: int,
        now: int,
        *,
        links: int,
        live: bool,
        target: str = "",
        number: int = 0,
    ) -> Node:
        """A regular file's stable id is its node id at first. `number`: a reserved id."""
        ...

    def save_node(self, node: Node) -> None:
        """Writes every attribute of the record (not `file`)."""
        ...

    def touch(self, folder: int, now: int, links: int = 0) -> None:
        """A folder's mtime and ctime become `now`, its links change by `links`."""
        ...

    def delete_node(self, node: int) -> None:
        """With its extents and xattrs."""
        ...

    def swap_files(self, one: int, other: int) -> None:
        """Two regular files exchange their stable ids."""
        ...

    def set_accessed(self, times: Sequence[tuple[int, int]]) -> None:
        """(node, atime) pairs."""
        ...

    def add_entry(self, folder: int, name: str, node: int) -> bool:
        """False: the name is taken, nothing happened."""
        ...

    def move_entry(self, folder: int, name: str, new_folder: int, new_name: str) -> None: ...
    def point_entry(self, folder: int, name: str, node: int) -> None: ...
    def delete_entry(self, folder: int, name: str) -> None: ...
    def set_changed(self, node: int, now: int) -> None:
        """ctime alone."""
        ...

    def retire(self, node: int, now: int) -> None:
        """A node that is not a folder has lost its last name: no links, not live, ctime `now`."""
        ...

    def set_live(self, node: int, live: bool) -> list[tuple[int, bool]]:
        """The node and all below it; returns (stable id, live now) of every regular file that changed."""
        ...

    def put_extents(
        self, node: int, extents: Sequence[Extent], inline: Iterable[bytes], start: int = 0, end: int = 1 << 62
    ) -> list[bytes]:
        """Makes these the node's extents between `start` and `end` (where none crosses; the two are equal for a node
        that has none yet); `inline` names the digests among them that stand in the blob table.
        Returns digests no longer
        used by this node that live in the blob store."""
        ...

    def add_blob(self, digest: bytes, data: bytes) -> None: ...
    def set_xattr(self, node: int, name: str, value: bytes) -> None: ...
    def delete_xattr(self, node: int, name: str) -> bool: ...
    def add_tag(self, parent: int, name: str, key: str, now: int, *, proposed: bool = False) -> int: ...
    def put_tag(self, row: TagRow) -> None:
        """Inserts or overwrites by id."""
        ...

    def delete_tag(self, tag: int) -> None: ...
    def touch_tags(self, tags: Iterable[int], now: int) -> None: ...
    def put_alias(self, row: AliasRow) -> None: ...
    def delete_alias(self, parent: int, key: str) -> None: ...
    def put_edges(self, rows: Iterable[EdgeRow]) -> None: ...
    def delete_edge(self, file: int, tag: int) -> None: ...
    def delete_edges(self, file: int) -> None: ...
    def count_tags(self, file: int, now: int) -> int:
        """Recounts a file's applied edges into its node (with ctime); returns the node's id, 0 when there is none."""
        ...

    def open_batch(self, uid: int, pid: int, actor: str, why: str, now: int, gap: int) -> int:
        """The batch this change belongs to: the process's last one when it is younger than `gap`, else a new one."""
        ...

    def add_changes(self, batch: int, rows: Sequence[ChangeRow], now: int) -> None: ...
    def mark_undone(self, batch: int) -> None: ...
    def add_trash(self, node: int, path: str, now: int, uid: int, actor: str, why: str) -> None: ...
    def delete_trash(self, item: int) -> None: ...
    def queue(self, file: int, not_before: int) -> None:
        """(Re)queues a file: no attempts yet, any lease is void."""
        ...

    def delete_job(self, file: int) -> None: ...
    def job_owners(self) -> list[int]:
        """uids of the owners of all files that are queued or leased, ascending."""
        ...

    def due_jobs(self, now: int, limit: int, owner: int) -> list[DueJob]:
        """One owner's: queued ones whose time has come, newest file first, and leases that ran out."""
        ...

    def save_job(
        self,
        file: int,
        state: str,
        attempts: int,
        not_before: int,
        lease: str,
        lease_until: int,
        worker: str,
        error: str,
    ) -> None: ...
    def save_answer(self, content: str, model: str, prompt: str, texts: str) -> None: ...
    def add_token(self, row: TokenRow) -> None:
        """Whoever calls has read that the name is free."""
        ...

    def delete_token(self, name: str) -> None: ...
    def save_memo(self, name: str, text: str) -> None:
        """Keeps a short text under a name; '' forgets it. Of two that read it and then wrote, one is overtaken."""
        ...

    def lend(self, folders: Sequence[int], mount: int) -> None:
        """Keeps to whom they are lent; 0: to none any more. A folder's record that somebody else writes meanwhile
        overtakes it; folders that go take their loans along. An engine of one process keeps nothing."""
        ...

    def mark_done(self, key: str, now: int) -> None:
        """Marks this transaction. Of two with one key only one commits: Conflict."""
        ...

    def forget_done(self, before: int) -> None:
        """Marks made before `before` are forgotten."""
        ...

    def note(self, notes: Notes) -> None:
        """To be told once this is committed. Last, and once."""
        ...

    def wait(self) -> None:
        """After the `with` block: returns when it is committed and told. Overtaken."""
        ...


class Store(Reader, Protocol):
    """An engine. Several of one graph may be open at once where the engine is a server."""

    schema: int
    shared: bool
    """Whether other processes may have the same graph open."""
    clock: Callable[[], int]
    """What time it is, ns since the epoch: the same for all who have the graph open."""
    served: Callable[[], float]
    """Seconds that go by while the store answers: what is counted in them is not over because it was away."""

    def children(self, folder: int, after: int, limit: int) -> list[Entry]: ...
    def target(self, node: int) -> str: ...
    def layout(self, node: int) -> Layout | None:
        """Version, size and extents, read together."""
        ...

    def xattrs(self, node: int) -> list[str]: ...
    def by_name(self, name: str) -> list[int]:
        """Stable ids of the live files that have this as their oldest name, lowest first."""
        ...

    def named(self, files: Iterable[int]) -> list[tuple[str, Node]]:
        """The live ones of these files (ascending stable ids) with the oldest live name of each."""
        ...

    def own_names(self, files: Iterable[int]) -> list[tuple[int, str, bool]]:
        """The same, but for each file its stable id, that name, and whether it is the only one that the file has."""
        ...

    def live_files(self) -> Iterable[int]: ...
    def arrived_since(self, when: int) -> Iterable[int]: ...
    def members(self, state: str) -> Iterable[tuple[int, list[int]]]:
        """Tags, and the files that have each by an edge in this state."""
        ...

    def batches(self, limit: int, before: int) -> list[BatchRow]: ...
    def trash(self, limit: int) -> list[TrashRow]: ...
    def trashed_before(self, when: int) -> list[TrashRow]: ...
    def job_counts(self) -> dict[str, int]: ...
    def loans(self) -> list[tuple[int, int]]:
        """Which folders are lent to which mounts: as of now, which may be later than what was told."""
        ...

    def answer(self, content: str, model: str, prompt: str) -> str | None: ...

    def follow(self, listener: Listener) -> int:
        """`listener` is told of every change, this store's and others', also of the latest before now where others
        had them: telling twice is harmless. At most one. Returns the number of the last event before those it will be
        told (0: whoever listens counts itself)."""
        ...

    def caught_up(self) -> None:
        """Returns when everything that was committed before, by whomever, has been told."""

    def settled(self) -> None:
        """Returns when all of what was told can be read."""

    def transaction(self, *, draft: bool = False) -> AbstractContextManager[Transaction]:
        """A `draft` is seen by all at once but need not survive the process until the next transaction or `settle`."""

    def settle(self) -> None: ...
    def on_lost(self, forget: Callable[[], None]) -> None:
        """`forget` is called when a draft could not be kept: what was read of it is wrong."""

    def flush(self) -> None:
        """What was committed survives a power cut on return."""

    def digest_used(self, digest: bytes) -> bool:
        """Whether a blob of the blob store is part of any content."""

    def used_digests(self) -> dict[bytes, int]: ...  # all of those, and of how many bytes of each is spoken
    def sweep_blobs(self) -> int:
        """Deletes unused small blobs; returns the bytes."""

    def small_blobs(self) -> Iterable[tuple[bytes, bytes]]:
        """(digest, data) of all of them."""

    def unnamed(self) -> list[int]:
        """Nodes without a name that are not in the trash."""
        ...

    def totals(self) -> dict[str, int]:
        """files, folders, bytes, stored, tags, trashed."""
        ...

    def check(self, repair: bool) -> list[Problem]:
        """What the engine itself finds wrong among its rows."""
        ...

    def close(self) -> None: ...
