"""The boundary: everything that can be asked of a drive.

`gateway.service.Service` answers it in process, `graphfs.client.HttpDrive` over HTTP, and nobody above can tell which
one they hold. One contract suite (`tests/contracts`) runs over all of them.

Rules that hold for every call: it raises only `graphfs.errors`; it is atomic (all of it happened, or nothing); what it
acknowledged survives the death of any process; it is scoped to its caller; it may be called from any thread. A call
that changes something is *not* idempotent unless its docstring says so. The caller's permissions on `files/` are
checked by
the kernel for a mount (`default_permissions`) and by the gateway's handlers for a stranger.

It is split by subject, so that a room asks only for what it uses.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from graphfs.loans import Loan, Making
from graphfs.model import (
    AttributeChange,
    Caller,
    Edge,
    Entry,
    Event,
    Facet,
    Issued,
    Job,
    JobRecord,
    JobState,
    JournalEntry,
    Layout,
    Lock,
    Merge,
    Node,
    Outcome,
    Patch,
    Problem,
    Replace,
    Scope,
    Space,
    Status,
    Tag,
    Token,
    Trashed,
    View,
    ViewEntry,
    XattrMode,
)


class Tree(Protocol):
    """Folders, names and attributes, in node ids."""

    def node(self, caller: Caller, node: int) -> Node:
        """The node. NotFound when its last name is gone and nothing holds it."""
        ...

    def lookup(self, caller: Caller, folder: int, name: str) -> Node:
        """What the name in this folder leads to. NotFound, NotAFolder."""
        ...

    def children(self, caller: Caller, folder: int, after: int = 0, limit: int = 0) -> list[Entry]:
        """The entries of a folder with cookies greater than `after`, oldest first, at most `limit` (0: all)."""
        ...

    def create(
        self,
        caller: Caller,
        folder: int,
        name: str,
        mode: int,
        *,
        rdev: int = 0,
        target: str = "",
        tags: Sequence[str] = (),
        draft: bool = False,
    ) -> Node:
        """A new node of the type in `mode` (S_IFREG, S_IFDIR, S_IFLNK with `target`, S_IFIFO, S_IFSOCK, S_IFCHR,
        S_IFBLK).

        Owned by the caller; in a setgid folder it takes the folder's group (and a folder its setgid bit). A regular
        file
        gets its job and, in the same transaction, the `tags` (a person's). AlreadyExists, NotFound (the folder is
        gone).
        """
        ...

    def settle(self) -> None:
        """Nothing that is a draft so far can be taken back any more. Cheap when there is none."""
        ...

    def link(self, caller: Caller, node: int, folder: int, name: str) -> Node:
        """Another name for a node that is not a folder. AlreadyExists, NotPermitted (a folder), TooManyLinks."""
        ...

    def unlink(self, caller: Caller, folder: int, name: str) -> None:
        """Takes a name away. The last name of a file with content under `files/` goes to the server-side trash;
        anything else
        is kept only while it is held (`hold`). IsAFolder, NotFound."""
        ...

    def rmdir(self, caller: Caller, folder: int, name: str) -> None:
        """Removes an empty folder. NotEmpty, NotAFolder, NotFound."""
        ...

    def rename(
        self, caller: Caller, folder: int, name: str, new_folder: int, new_name: str, replace: Replace = Replace.ALLOW
    ) -> None:
        """Moves a name, POSIX's rules (two names of one node: nothing happens). A regular file that replaces
        another takes over its
        stable id and its tags (an editor's safe save); the replaced content goes to the trash.
        AlreadyExists (REFUSE), NotEmpty, IsAFolder, NotAFolder, InvalidArgument (a folder into itself)."""
        ...

    def set_attributes(self, caller: Caller, node: int, change: AttributeChange) -> Node:
        """Sets what is given; idempotent but for ctime."""
        ...

    def readlink(self, caller: Caller, node: int) -> str:
        """A symbolic link's target."""
        ...

    def accessed(self, times: Sequence[tuple[int, int]]) -> None:
        """Records when nodes were last read, as pairs of node and atime: one transaction for all, no event, ctime
        stays. Nodes that are
        gone are passed over."""
        ...

    def path(self, caller: Caller, node: int) -> str:
        """Its oldest name, as a path from the mount's root without a leading slash (`files/a/b`); '' when it has
        none."""
        ...

    def paths(self, caller: Caller, node: int) -> list[str]:
        """All its names as such paths, the oldest first; none for one that has no name."""
        ...

    def file(self, caller: Caller, file: int) -> Node:
        """The node that now is the file with this stable id. NotFound also for one that has no name under `files/`."""
        ...

    def space(self) -> Space:
        """Room left."""
        ...

    def hold(self, node: int) -> None:
        """Keeps a node and its content while it has no name (an open file). Counted; forgotten when the process
        ends."""
        ...

    def release(self, node: int) -> None:
        """Ends one hold; a node without names and holds is then gone."""
        ...


class Xattrs(Protocol):
    """Extended attributes that are kept as they are (the meaningful ones are made in `graphfs.vfs`)."""

    def xattr(self, caller: Caller, node: int, name: str) -> bytes:
        """NoAttribute when it is not there."""
        ...

    def xattrs(self, caller: Caller, node: int) -> list[str]:
        """The names of all there are, in no order."""
        ...

    def set_xattr(self, caller: Caller, node: int, name: str, value: bytes, mode: XattrMode = XattrMode.ANY) -> None:
        """AlreadyExists (CREATE), NoAttribute (REPLACE), TooLarge over 64 KiB."""
        ...

    def remove_xattr(self, caller: Caller, node: int, name: str) -> None:
        """Takes it away. NoAttribute when it is not there."""
        ...


class Content(Protocol):
    """Bytes. A file's content changes only as a whole version: readers see the old layout or the new one."""

    def layout(self, caller: Caller, node: int) -> Layout:
        """Where the bytes of the newest version are. NotFound."""
        ...

    def read_blob(self, digest: bytes, start: int, length: int) -> bytes:
        """Bytes of a blob (fewer at its end). Verified against its digest when first read. Corrupt, NotFound."""
        ...

    def put_blob(self, digest: bytes, source: Path | bytes, *, durable: bool) -> None:
        """Stores a blob under its SHA-256. Idempotent. A file is taken over (moved when it can be; it is gone
        afterwards). `durable`:
        return only when it would survive a power cut. NoSpace leaves nothing behind."""
        ...

    def commit(
        self,
        caller: Caller,
        node: int,
        base: int,
        size: int,
        patches: Sequence[Patch],
        *,
        mtime: int | None = None,
        durable: bool = False,
    ) -> Node:
        """Makes a new version: the base's layout, cut or extended (with zeros) to `size`, then patched. One
        transaction with the job.

        `base` is the version it was made from: Conflict when the node has another by now. Blobs come first: one
        that is neither put
        nor in a patch's `data` is NotFound, and nothing changed. `durable`: survives a power cut on return, and so does
        everything acknowledged before. Without patches and with an unchanged size only durability and mtime are
        done."""
        ...

    def inline_limit(self) -> int:
        """Blobs up to this many bytes are best sent in `Patch.data`."""
        ...

    def chunk_size(self) -> int:
        """Blobs are at most this long, and lie within one multiple of it in the file."""
        ...

    def sync(self) -> None:
        """Returns when everything acknowledged so far survives a power cut."""
        ...


class Views(Protocol):
    """Queries as folders: what `tags/` shows. Never creates, stores or computes what is not asked."""

    def view(self, caller: Caller, path: Sequence[str]) -> View:
        """The view at these components below `tags/`. NotFound when any of them names nothing."""
        ...

    def view_entry(self, caller: Caller, path: Sequence[str], name: str) -> View | Node:
        """What `name` is in the view at `path`, in the order: operator, tag, file, expression. NotFound."""
        ...

    def view_files(self, caller: Caller, path: Sequence[str], after: int = 0, limit: int = 0) -> list[ViewEntry]:
        """The files of a view in the order of their stable ids, those with ids greater than `after`, at most
        `limit` (0: all); fewer only when there are no more. Names are unique over the whole view."""
        ...

    def view_facets(self, caller: Caller, path: Sequence[str]) -> list[Facet]:
        """The sub-folders of a view (design: bounded). At the root: the top-level tags."""
        ...

    def find(self, caller: Caller, query: str, after: int = 0, limit: int = 0) -> list[ViewEntry]:
        """The files that a query in text form matches; names are those of the oldest entries, not made unique.
        InvalidArgument says where and what was expected; so does NotFound when the query is right but names a tag that
        is not there."""
        ...


class Tags(Protocol):
    """The vocabulary and who has what. Paths of tags are resolved with aliases, without regard to case."""

    def tags(self, caller: Caller) -> list[Tag]:
        """All tags, parents before children, siblings by name."""
        ...

    def edges(self, caller: Caller, file: int) -> list[Edge]:
        """What is said of a file: applied, waiting and rejected, the most confident first."""
        ...

    def change_tags(
        self, caller: Caller, files: Sequence[int], add: Sequence[str], remove: Sequence[str], *, why: str = ""
    ) -> int:
        """A person gives and takes tags: of every file, all of `add` (created when unknown) and none at or under
        `remove`. What is removed is remembered as rejected, whoever gave it; adding one that was rejected or waiting
        accepts it. Returns how many edges changed; idempotent. NotFound (a file), InvalidArgument (a name)."""
        ...

    def set_tags(
        self, caller: Caller, file: int, tags: Sequence[str], mode: XattrMode = XattrMode.ANY, *, why: str = ""
    ) -> None:
        """A person says that a file has exactly these tags: what is missing is given, as `change_tags` does, what is
        not among them is taken. What stays keeps its source. AlreadyExists (`mode` CREATE) when it has a tag,
        NoAttribute (REPLACE) when it has none, NotFound (a file), InvalidArgument (a name)."""
        ...

    def put_edges(self, caller: Caller, file: int, edges: Sequence[Edge], *, why: str = "") -> int:
        """Says of a file exactly what is given (provenance too: an import), beside what is said already; unknown
        tags are made."""
        ...

    def create_tag(self, caller: Caller, path: str) -> Tag:
        """A new tag (its parents are made too). AlreadyExists, also when an alias has the name."""
        ...

    def delete_tag(self, caller: Caller, path: str) -> None:
        """Removes a tag that no file has, below which there is none. NotEmpty otherwise."""
        ...

    def drop_tag(self, caller: Caller, path: str, *, why: str = "") -> int:
        """Removes a tag, all below it and their edges, in one batch; returns the batch, which `undo` takes."""
        ...

    def rename_tag(self, caller: Caller, path: str, new_path: str) -> Tag:
        """Renames or moves below another parent. AlreadyExists, InvalidArgument (a cycle), NotFound (the new
        parent)."""
        ...

    def merge_tags(self, caller: Caller, path: str, into: str, *, preview: bool = False) -> Merge:
        """Gives all files and children of one tag to another, and makes the old name its alias."""
        ...

    def set_alias(self, caller: Caller, path: str, alias: str) -> None:
        """Another name beside the tag's own (a sibling name). AlreadyExists."""
        ...

    def journal(self, caller: Caller, limit: int = 20, before: int = 0) -> list[JournalEntry]:
        """The last batches of tag changes, newest first."""
        ...

    def undo(self, caller: Caller, batch: int = 0) -> JournalEntry:
        """Takes a batch back (0: the caller's last one not undone): exactly what it changed and nobody changed
        since. Is itself a batch.
        NotFound, Conflict (already undone)."""
        ...


class Trash(Protocol):
    """The server-side trash of `files/`."""

    def trash(self, caller: Caller, limit: int = 0) -> list[Trashed]:
        """Newest first."""
        ...

    def restore(self, caller: Caller, item: int) -> str:
        """Puts it back where it was (missing folders are made; a taken name gets ` (restored)`); returns the path."""
        ...

    def recover(self, caller: Caller, path: str, layout: Layout) -> int:
        """Keeps a content that never became a version (a mount died before it could commit) as an item of the
        trash: why `recovered`, at
        `path`, owned by the caller. Its blobs were put before: NotFound otherwise. Returns the item's id."""
        ...

    def purge(self, caller: Caller, older_than: int) -> int:
        """Forgets for good what was trashed before this time; returns how many."""
        ...


class Jobs(Protocol):
    """The durable queue of files to be understood."""

    def lease(self, worker: str, limit: int, seconds: float) -> list[Job]:
        """Up to `limit` jobs that are due, leased for `seconds`: the owners of files take turns, and of one's files the
        newest is first. A lease that ran out returns to the queue (counted as an attempt). None while paused."""
        ...

    def heartbeat(self, file: int, lease: str, seconds: float) -> bool:
        """Prolongs a lease. False: it is no longer this worker's, stop."""
        ...

    def finish(self, file: int, lease: str, outcome: Outcome) -> JobState:
        """Hands in an attempt: in one transaction the suggestions become edges (applied, waiting, or dropped; never
        touching what a
        person gave or rejected; this machine's older tags that are not repeated retire) and the job moves on.
        Returns its new state. With an old lease, or when the
        content changed meanwhile, nothing is applied: Conflict."""
        ...

    def job(self, file: int) -> JobRecord:
        """NotFound when the file has none."""
        ...

    def retry(self, caller: Caller, files: Sequence[int] = ()) -> int:
        """Queues failed jobs again (none given: all failed); returns how many."""
        ...

    def pause(self, caller: Caller, paused: bool) -> bool:
        """Whether jobs rest: none is leased until this is taken back, also after a restart. What is leased is finished.
        Returns what was so before. Idempotent."""
        ...

    def spend(self, endpoint: str, tokens: int) -> int:
        """Adds to the tokens that all taggers together used of an endpoint today (UTC); returns the sum. 0 asks."""
        ...

    def remembered(self, content: str, model: str, prompt: str) -> tuple[str, ...] | None:
        """JSON texts that `remember` kept, or None: the same content is never paid for twice."""
        ...

    def remember(self, content: str, model: str, prompt: str, texts: Sequence[str]) -> None:
        """Keeps a model's answers for a content; later ones replace earlier ones."""
        ...


class Locks(Protocol):
    """Locks of files, kept for several mounts: advisory, and lent. What a holder has ends with its lease."""

    def lock(self, caller: Caller, node: int, lock: Lock, seconds: float) -> Lock | None:
        """Takes a lock, in place of what its owner has there, and prolongs the holder's lease to `seconds` from now.
        None: it is taken. Else the first that is in the way (its `holder` is told to itself only); nothing changed
        then. TooLarge: the file has as many locks as it may have. Conflict: see `renew_locks`."""
        ...

    def unlock(self, caller: Caller, node: int, lock: Lock) -> None:
        """Its owner has no lock of this kind there any more."""
        ...

    def in_the_way(self, caller: Caller, node: int, lock: Lock) -> Lock | None:
        """What `lock` would find, taking nothing."""
        ...

    def renew_locks(self, holder: str, seconds: float) -> bool:
        """Prolongs a holder's lease. False: it ran out, and others may have what was its: go on as another holder."""
        ...

    def drop_locks(self, holder: str) -> None:
        """A holder's locks are gone at once."""
        ...


class Loans(Protocol):
    """Folders lent to mounts. A mount that has one knows every name in it, makes new ones by itself, and tells of them
    afterwards. Whoever else asks what is there, or would make or remove names, waits until it was recalled (an event)
    and handed back, or is over: `LOAN_SECONDS` after it was lent or its mount made something last. So nobody sees less
    than was closed before. Which mount asks is told by the caller's pid (`mount_of`)."""

    def lend(self, caller: Caller, folder: int) -> Loan:
        """Lends a folder below `files/`; again to who has it. NotPermitted: the caller is of no mount. Conflict:
        another mount has it. TooLarge: it has more names than are told. NotFound, NotAFolder."""
        ...

    def make(self, caller: Caller, files: Sequence[Making]) -> list[Node]:
        """Makes what was made in lent folders, in this order, under the ids that came with a loan: all or nothing. As
        `create` and `commit` do; a loan that is over does not matter, then a name may be taken: AlreadyExists.
        Prolongs what the mount was lent."""
        ...

    def inherit(self, caller: Caller, mounts: Sequence[int]) -> list[int]:
        """What is lent to these mounts, which are no more, is lent to the caller's from now on, so that it can tell
        what they made; the folders. Idempotent. NotSupported: nothing is lent; NotPermitted as `lend`."""
        ...

    def hand_back(self, caller: Caller, folders: Sequence[int]) -> None:
        """The mount has told of everything in them, and makes names there no more. Idempotent."""
        ...


class Events(Protocol):
    """What changed, pushed."""

    def events(self, after: int, timeout: float) -> list[Event]:
        """Events later than `after`, in order; waits up to `timeout` seconds for the first. -1: only the newest
        number, at once (as one
        event). When `after` is older than what is kept: one RESET."""
        ...

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Calls `listener` after every change, on the thread that made it or on one of its own: it must be quick.
        Returns the way to stop."""
        ...


class Care(Protocol):
    """Looking after a drive."""

    def status(self, caller: Caller) -> Status:
        """Counts, sizes and failures, as they are now."""
        ...

    def fsck(self, caller: Caller, *, repair: bool = False, verify: bool = False) -> list[Problem]:
        """Compares bytes, records, tags, jobs and indexes. `verify` also hashes every blob. Empty: they agree."""
        ...

    def gc(self, caller: Caller) -> int:
        """Sweeps orphaned blobs and what the trash holds beyond its retention; returns the bytes freed."""
        ...


class Access(Protocol):
    """Who may come over a network."""

    def tokens(self, caller: Caller) -> list[Token]:
        """Every token, by name; those that are over too."""
        ...

    def create_token(
        self, caller: Caller, name: str, scopes: Sequence[Scope], *, uid: int = -1, gid: int = -1, expires: int = 0
    ) -> Issued:
        """A token for this user (-1: the caller), good until `expires` (0: for ever). AlreadyExists; InvalidArgument
        for a name that is not 1 to 64 letters, digits, `-`, `_` or `.`, for no scope, for a time that is past."""
        ...

    def revoke_token(self, caller: Caller, name: str) -> None:
        """It lets nobody in any more, on this server from now on, on others a fraction of a second later. NotFound."""
        ...


class Drive(Tree, Xattrs, Content, Locks, Loans, Views, Tags, Trash, Jobs, Events, Care, Access, Protocol):
    """All of it."""

    def close(self) -> None:
        """Everything acknowledged is durable on return."""
        ...
