"""The nouns of GraphFS: what every layer passes to every other. Reading this page is reading the architecture.

Frozen records without behaviour. Times are nanoseconds since the epoch, sizes are bytes, names are `str` decoded as
`os.fsdecode` does (any bytes but `/` and NUL), digests are 32 bytes of SHA-256. Nothing here imports any room
of ours. `gc=False`: made by the ten thousand in a listing, and never part of a cycle.
"""

from enum import StrEnum

from msgspec import Struct

SUPER_ROOT = 1
"""Id of the folder above `files/`; it also holds the `.Trash-<uid>` folders. It is the root of the mount."""
FILES_ROOT = 2
"""Id of `files/`."""
FIRST_FREE_ID = 16
"""Ids below are given to folders that every drive has; ids are never used again."""


class Caller(Struct, frozen=True):
    """Who asks. `pid` (0: unknown) groups what one process does in a row into one journal batch."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    pid: int = 0
    actor: str = ""
    """A name for the journal; empty: `uid:<uid>`."""
    key: str = ""
    """What this one change is known by when it is asked again; empty: it never is. See `graphfs.api`."""


class Scope(StrEnum):
    """A kind of right. What each operation needs is in `graphfs.wire.table`."""

    READ = "read"
    WRITE = "write"
    TAG = "tag"
    ADMIN = "admin"
    """Includes the others."""


class Token(Struct, frozen=True):
    """Who may come over a network, as whom, and to do what. Its secret is known to its holder alone."""

    name: str
    scopes: tuple[Scope, ...]
    uid: int
    """Whoever shows it acts as this user."""
    gid: int
    created: int
    expires: int
    """From then on it lets nobody in; 0: never."""
    by: str
    """Who made it."""


class Issued(Struct, frozen=True):
    """A new token with its secret, which is told once and kept nowhere."""

    token: Token
    secret: str


FARTHEST = 2**63 - 1
"""Nanoseconds from 1970 (or before) that a time can be away: in the year 2262."""


def moment(nanoseconds: int) -> int:
    """A time that can be kept: what lies farther away is the farthest there is, as on a disk."""
    return max(-FARTHEST, min(nanoseconds, FARTHEST))


class Node(Struct, frozen=True, gc=False):
    """What a name leads to (an inode). One node has one id for all its names."""

    id: int
    mode: int
    uid: int
    gid: int
    rdev: int
    size: int
    stored: int
    """Bytes that take room: the size less the holes."""
    atime: int
    mtime: int
    ctime: int
    links: int
    """Names it has; for a folder 2 + its sub-folders."""
    tags: int
    """Tags given to it directly and applied (not the implied ones)."""
    version: int
    """Counts the contents it has had; compare-and-swap on it."""
    file: int
    """The stable id of a regular file, 0 for anything else. It survives an editor's safe save, the node id does not."""


class Entry(Struct, frozen=True, gc=False):
    """One name in a folder. `cookie` grows with age: a listing continues after it whatever came and went meanwhile."""

    cookie: int
    name: str
    node: Node


class Extent(Struct, frozen=True, gc=False):
    """A run of a file's bytes: `length` bytes at `offset` are those of the blob from `start` on. No extent: zeros."""

    offset: int
    length: int
    digest: bytes
    start: int = 0


class Layout(Struct, frozen=True):
    """Where the bytes of one version are: extents sorted by offset that never overlap."""

    version: int
    size: int
    extents: tuple[Extent, ...]


class Patch(Struct, frozen=True):
    """A change of content: from `offset` on, `length` bytes are those of `digest` from `start` on, or zeros when
    `digest` is empty.

    With `data` (the whole blob's bytes) the blob travels together with its record; without, it was put before.
    """

    offset: int
    length: int
    digest: bytes = b""
    start: int = 0
    data: bytes | None = None


class AttributeChange(Struct, frozen=True):
    """What to set on a node; None leaves a value as it is. `ctime` becomes now whatever is set."""

    mode: int | None = None
    """Permission bits only (07777); the type of a node never changes."""
    uid: int | None = None
    gid: int | None = None
    atime: int | None = None
    mtime: int | None = None


class Space(Struct, frozen=True):
    """Room of the drive."""

    block_size: int
    blocks: int
    blocks_free: int
    blocks_available: int
    nodes: int
    nodes_free: int


class Replace(StrEnum):
    """What a rename does when the new name is taken."""

    ALLOW = "allow"
    REFUSE = "refuse"
    EXCHANGE = "exchange"


class XattrMode(StrEnum):
    """Whether an extended attribute may or must exist already."""

    ANY = "any"
    CREATE = "create"
    REPLACE = "replace"


class Tag(Struct, frozen=True):
    """A tag as people see it. `path` joins the names from the root with `/`, in display case."""

    id: int
    parent: int
    """Id of the parent tag, 0 at the root."""
    path: str
    files: int
    """Visible files with it or with a tag below it."""
    changed: int
    """When its membership last changed."""
    aliases: tuple[str, ...] = ()


class Source(StrEnum):
    """Who gave a tag. A person's word stands above a rule's, a rule's above a model's."""

    PERSON = "person"
    RULE = "rule"
    MODEL = "model"


class EdgeState(StrEnum):
    """What is said of a file and a tag."""

    APPLIED = "applied"
    REVIEW = "review"
    REJECTED = "rejected"


class Edge(Struct, frozen=True):
    """That a file has (or should, or must not have) a tag, and where that comes from."""

    tag: str
    """The tag's path."""
    state: EdgeState = EdgeState.APPLIED
    source: Source = Source.PERSON
    model: str = ""
    prompt: str = ""
    """Hash of the prompt's template, or the rule's version."""
    confidence: float = 1.0
    evidence: str = ""
    at: int = 0
    actor: str = ""


class Suggestion(Struct, frozen=True):
    """What a tagger says of a file; the service decides whether it is applied, waits for review or is dropped."""

    tag: str
    confidence: float
    source: Source = Source.MODEL
    model: str = ""
    prompt: str = ""
    evidence: str = ""


class View(Struct, frozen=True):
    """A folder below `tags/`: a query that was asked by walking there."""

    path: tuple[str, ...]
    """The components, as typed."""
    complete: bool
    """False for an operator that still needs its words (`tags/a/+not`): lists no files."""
    files: int
    """How many files it lists."""
    changed: int
    """When its membership last changed."""
    gives: tuple[str, ...] = ()
    """Paths of the tags that a file put here is given. Empty: nothing can be put here (OR, NOT, ranges, `+recent`)."""
    tag: Tag | None = None
    """The tag named by the last component when that is a plain tag."""
    child: bool = False
    """Whether the last component was taken as a child of the tag before it (or as a root tag when it is the first)."""
    review: str = ""
    """Path of the tag whose waiting suggestions it lists (`+review/a`)."""


class ViewEntry(Struct, frozen=True, gc=False):
    """A file in a view. `name` is unique in the view: of two equal names the later file shows as `stem~<id>.ext`."""

    name: str
    node: Node


class Facet(Struct, frozen=True, gc=False):
    """A sub-folder that a view lists: a child tag, or a tag that narrows it, and how many files it would leave."""

    name: str
    files: int
    child: bool
    tag: int
    changed: int = 0
    """When the membership of the sub-folder last changed: what its View says."""


class JournalEntry(Struct, frozen=True):
    """One batch of tag changes that belong together, and whether it was undone."""

    batch: int
    at: int
    actor: str
    why: str
    changes: int
    undone: bool


class Trashed(Struct, frozen=True):
    """A file in the server-side trash."""

    id: int
    """What `restore` takes (the node's id)."""
    node: Node
    path: str
    at: int
    actor: str
    why: str
    """deleted | replaced | recovered"""


class JobState(StrEnum):
    """Where a file stands with the tagger. Never lost: from `queued` it ends in one of the last three."""

    QUEUED = "queued"
    LEASED = "leased"
    TAGGED = "tagged"
    FAILED = "failed"
    EXCLUDED = "excluded"


class Job(Struct, frozen=True):
    """A file to be understood, leased to one worker. `lease` is the fence: a hand-in with an old one is refused."""

    file: int
    node: int
    version: int
    content: str
    """Hex digest that names the content: equal contents have equal ones."""
    path: str
    size: int
    attempts: int
    lease: str
    lease_until: int


class JobRecord(Struct, frozen=True):
    """What is known of a file's job."""

    file: int
    state: JobState
    attempts: int
    not_before: int
    path: str
    error: str = ""


class Outcome(Struct, frozen=True):
    """How a worker's attempt ended. `retry_after` (seconds) asks for another attempt; None with state FAILED is
    final."""

    state: JobState
    suggestions: tuple[Suggestion, ...] = ()
    error: str = ""
    retry_after: float | None = None
    comment: str = ""
    counts: bool = True
    """False: the file was not to blame (the model is down): the attempt is not counted."""


LOCK_END = 2**63 - 1
"""Where a lock to the end of the file ends, however long that becomes."""


class LockKind(StrEnum):
    """Locks of one kind know nothing of those of the other, as on Linux."""

    FILE = "file"
    """flock(2): of the whole file."""
    RANGE = "range"
    """fcntl(2): of bytes."""


class Lock(Struct, frozen=True):
    """A lock on bytes `start` to `end` (exclusive) of a file, by somebody: `holder` (a mount; its locks end together)
    and within it `owner`, who has none against itself. `pid` is told to who asks what is in the way."""

    kind: LockKind
    exclusive: bool
    holder: str
    owner: int
    start: int = 0
    end: int = LOCK_END
    pid: int = 0


class EventKind(StrEnum):
    NODE = "node"
    """Attributes or content of `node` changed."""
    ENTRY = "entry"
    """`name` in folder `node` came, went, or leads elsewhere."""
    TAGS = "tags"
    """Tags or their members changed."""
    JOBS = "jobs"
    """There is work for a tagger."""
    RECALL = "recall"
    """Somebody wants to know what is in folder `node`: the mount that it is lent to hands it back."""
    RESET = "reset"
    """Events were lost: forget everything cached."""


FROM_TAGGER = -1
"""The origin of events about what a tagger handed in."""


class Event(Struct, frozen=True):
    """A change, told to all mounts and workers in the order it happened. `origin` is the pid of the caller that
    made it (0: who asked has none, or it is not known), or -1 (`FROM_TAGGER`)."""

    seq: int
    kind: EventKind
    node: int = 0
    name: str = ""
    origin: int = 0


class PinState(Struct, frozen=True):
    """How far something is that a mount keeps on its own machine."""

    path: str
    files: int
    blobs: int
    """Contents, and parts of large ones."""
    missing: int
    """Blobs that are still to be fetched."""
    ready: bool
    """Whether all of it can be read while the server is away."""
    error: str = ""


class Queue(Struct, frozen=True):
    """How the tagger's work goes on."""

    paused: bool = False
    """A person paused it: nothing is handed out until it is resumed."""
    reason: str = ""
    """Why nothing goes on: who paused it, or why a tagger waits (its model is away, the day's tokens are used up)."""
    until: int = 0
    """When a tagger that waits tries again; 0: nobody knows."""
    per_minute: float = 0.0
    """Files that ended in the last minutes, those that this main server was told of."""
    seconds_left: float | None = None
    """At that pace; None while nothing ends."""


class Link(Struct, frozen=True):
    """How a mount stands with its server."""

    away: float
    """Seconds for which the server has not answered; 0: it is there."""
    cached: int
    """Bytes of contents kept on this machine."""
    waiting: int
    """Files with something written that the server does not have yet."""
    waiting_bytes: int
    conflicts: tuple[str, ...] = ()
    """Paths of the last conflict copies that this mount made, the newest last."""
    pins: tuple[PinState, ...] = ()
    """What is kept here on purpose."""


class Status(Struct, frozen=True):
    """How the drive is."""

    files: int
    folders: int
    bytes: int
    """Sum of file sizes."""
    stored: int
    """Bytes on disk: blobs and database."""
    tags: int
    edges: int
    review: int
    jobs: dict[str, int]
    failures: tuple[JobRecord, ...]
    trashed: int
    version: str
    schema: int
    link: Link | None = None
    """Of a mount of a server, told by that mount itself."""
    queue: Queue = Queue()


class Problem(Struct, frozen=True):
    """Something fsck found."""

    kind: str
    subject: str
    repaired: bool


class Merge(Struct, frozen=True):
    """What merging one tag into another does, or would do."""

    files: int
    already: int
    """Files that have both."""
    children: int
    applied: bool
