"""Records of a store, as its readers give and its transactions take them."""

from msgspec import Struct


class Name(Struct, frozen=True):
    """One name of a node, and whether it is reachable under `files/`."""

    entry: int
    folder: int
    name: str
    live: bool


class TagRow(Struct, frozen=True):
    """A tag as stored; `key` is the folded name."""

    id: int
    parent: int
    name: str
    key: str
    changed: int
    proposed: bool = False
    """Only a machine has spoken of it, and no file has it: nobody is shown it but who reviews."""


class AliasRow(Struct, frozen=True):
    parent: int
    key: str
    name: str
    tag: int


class EdgeRow(Struct, frozen=True):
    """What is said of a file and a tag, by ids."""

    file: int
    tag: int
    state: str
    source: str
    model: str = ""
    prompt: str = ""
    confidence: float = 1.0
    evidence: str = ""
    at: int = 0
    actor: str = ""


class BatchRow(Struct, frozen=True):
    id: int
    at: int
    last: int
    uid: int
    pid: int
    actor: str
    why: str
    changes: int
    undone: bool


class ChangeRow(Struct, frozen=True):
    """A step of a batch: `before` and `after` are JSON, `null` for nothing."""

    kind: str
    file: int
    tag: int
    before: str
    after: str


class TrashRow(Struct, frozen=True):
    node: int
    path: str
    at: int
    uid: int
    actor: str
    why: str


class TokenRow(Struct, frozen=True):
    """A token as stored: its secret only as a SHA-256, the scopes joined by commas."""

    name: str
    digest: str
    scopes: str
    uid: int
    gid: int
    created: int
    expires: int
    by: str


class DueJob(Struct, frozen=True):
    """A job that can be leased now."""

    file: int
    node: int
    version: int
    size: int
    attempts: int
    worker: str
