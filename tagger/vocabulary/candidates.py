"""Names that a sample of files suggests for tags: by a large model that names freely, or offline from key phrases and
the files' own keywords. Reads; changes nothing."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from graphfs.api import Drive
from graphfs.errors import DriveError
from graphfs.model import Caller, Node
from tagger.extract.result import Extract, Limits
from tagger.extract.sandbox import Sandbox
from tagger.fetch import fetch
from tagger.pipeline import Private
from tagger.suggest.answers import Chosen
from tagger.suggest.encoder import Encoder
from tagger.suggest.offline import words_of
from tagger.suggest.phrases import key_phrases, runs
from tagger.suggest.subject import Subject, Wishes

_PAGE = 1_000
_PHRASES = 4
_SURE = 0.35

Names = Callable[[Subject], Sequence[str]]


class Model(Private, Protocol):
    """What is needed of a large model that names freely (`tagger.suggest.generative`)."""

    def names(self, subject: Subject, wishes: Wishes) -> Sequence[Chosen]: ...


class Sampled(NamedTuple):
    """A file of the sample."""

    path: str
    node: Node


def sample(drive: Drive, caller: Caller, most: int) -> list[Sampled]:
    """At most `most` files with content, spread evenly over the order in which they came."""
    nodes: list[Node] = []
    after = 0
    while page := drive.view_files(caller, ["+all"], after, _PAGE):
        nodes += [entry.node for entry in page if entry.node.size]
        after = page[-1].node.file
        if len(page) < _PAGE:
            break
    step = max(1.0, len(nodes) / most)
    chosen = [nodes[int(step * number)] for number in range(min(most, len(nodes)))]
    return [Sampled(drive.path(caller, node.id), node) for node in chosen]


def read(drive: Drive, caller: Caller, files: Sequence[Sampled], limits: Limits, most_bytes: int) -> Iterator[Subject]:
    """Each file as it is understood; one that went away meanwhile is left out."""
    with tempfile.TemporaryDirectory(prefix="graphfs-vocabulary-") as folder, Sandbox(limits) as sandbox:
        for one in files:
            name = one.path.rpartition("/")[2].encode("utf-8", "surrogateescape")
            try:
                source = fetch(drive, caller, one.node.id, name, Path(folder) / "file", most_bytes)
            except DriveError:
                continue
            with open(source.path, "rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            yield Subject(one.node.file, one.path, content, sandbox.extract(source))


def keywords(extract: Extract) -> list[str]:
    """What a file says of itself."""
    said = ",".join(extract.properties.get(name, "") for name in ("keywords", "subject", "genre"))
    return [word.strip() for word in said.replace(";", ",").split(",") if 1 < len(word.strip()) <= 40]


def offline(encoder: Encoder) -> Names:
    """Key phrases and keywords: no network."""

    def names(subject: Subject) -> Sequence[str]:
        title, text = words_of(subject)
        phrases = [one.text for one in key_phrases(title, runs(title, text, encoder)) if one.score >= _SURE][:_PHRASES]
        return [*keywords(subject.extract), *phrases]

    return names
