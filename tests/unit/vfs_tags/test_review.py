"""`tags/+review/`: taking a suggestion away rejects it, moving it to its tag accepts it."""

from collections.abc import Callable

import pytest

from gateway.service.service import Service
from graphfs.errors import DriveError, NotFound
from graphfs.model import JobState, Outcome, Suggestion
from tests.unit.vfs_tags.shell import Shell

Edges = Callable[[str], list[tuple[str, str, str]]]


@pytest.fixture
def suggested(drive: Service, sh: Shell) -> Callable[..., None]:
    """Makes a file of which a tagger says this."""

    def make(path: str, *said: tuple[str, float]) -> None:
        sh.write(path, b"words of " + path.encode())
        file = int(sh.getxattr(path, "user.graphfs.id"))
        drive.retry(sh.caller, [file])
        job = next(one for one in drive.lease("worker", 100, 60) if one.file == file)
        found = tuple(Suggestion(tag, sure, model="m", evidence="words") for tag, sure in said)
        drive.finish(file, job.lease, Outcome(JobState.TAGGED, found))

    return make


def test_rm_rejects_and_nothing_else(sh: Shell, suggested: Callable[..., None], edges: Edges) -> None:
    suggested("files/f", ("boat", 0.6), ("boat/sail", 0.9), ("sea", 0.6))
    assert "+review" in sh.ls("tags")
    assert sh.folders("tags/+review") == ["boat", "sea"]
    sh.rm("tags/+review/boat/f")
    assert edges("files/f") == [
        ("boat", "rejected", "model"),
        ("boat/sail", "applied", "model"),
        ("sea", "review", "model"),
    ]
    sh.rm("tags/+review/sea/f")
    assert "+review" not in sh.ls("tags")
    with pytest.raises(NotFound):
        sh.ls("tags/sea/f")


def test_mv_to_its_tag_accepts(sh: Shell, suggested: Callable[..., None], edges: Edges) -> None:
    """The tag was only proposed: who has looked at its suggestions can name it."""
    with pytest.raises(DriveError):
        sh.ls("tags/boat")
    suggested("files/f", ("boat", 0.6), ("sea", 0.6))
    assert sh.ls("tags/+review/boat") == ["f"]
    sh.mv("tags/+review/boat/f", "tags/boat/f")
    assert edges("files/f") == [("boat", "applied", "person"), ("sea", "review", "model")]
    assert sh.ls("tags/boat") == ["f"]
    assert "boat" in sh.ls("tags")


def test_mv_to_another_tag_is_a_correction(sh: Shell, suggested: Callable[..., None], edges: Edges) -> None:
    suggested("files/f", ("boat", 0.6))
    sh.mkdir("tags/ship")
    sh.mv("tags/+review/boat/f", "tags/ship/f")
    assert edges("files/f") == [("boat", "rejected", "model"), ("ship", "applied", "person")]


def test_undo_brings_suggestions_back(drive: Service, sh: Shell, suggested: Callable[..., None], edges: Edges) -> None:
    suggested("files/f", ("boat", 0.6))
    before = edges("files/f")
    sh.rm("tags/+review/boat/f")
    drive.undo(sh.caller)
    assert edges("files/f") == before
