"""`tags/+review/` through the kernel, with both bindings: what `rm` and `mv` say of a suggestion."""

import json
import os
import subprocess
from pathlib import Path

from graphfs.client import connect
from graphfs.model import Caller, EdgeState, JobState, Outcome, Suggestion
from tests.filesystem.tags.conftest import Place, eventually, run

ME = Caller(os.getuid(), os.getgid())


def attribute(path: Path, name: str) -> str:
    done = subprocess.run(["getfattr", "--only-values", "-n", name, str(path)], capture_output=True, check=True)
    return done.stdout.decode()


def suggest(place: Place, path: Path, *said: tuple[str, float]) -> int:
    """What a tagger says of a file, handed in as one does; its stable id."""
    assert place.drive.state is not None
    file = int(attribute(path, "user.graphfs.id"))
    drive = connect(place.drive.state)
    try:
        drive.retry(ME, [file])
        job = next(job for _ in range(100) for job in drive.lease("test", 100, 1.0) if job.file == file)
        found = tuple(Suggestion(place.full(tag), sure, model="m", evidence="its words") for tag, sure in said)
        drive.finish(file, job.lease, Outcome(JobState.TAGGED, found))
    finally:
        drive.close()
    return file


def said_of(place: Place, file: int) -> dict[str, EdgeState]:
    assert place.drive.state is not None
    drive = connect(place.drive.state)
    try:
        return {edge.tag.replace(str(place.number), "", 1): edge.state for edge in drive.edges(ME, file)}
    finally:
        drive.close()


def test_rm_rejects_for_good_and_mv_accepts(place: Place) -> None:
    path = place.file("f.txt", "words", "mine")
    file = suggest(place, path, ("boat", 0.6), ("sea", 0.6))
    review = place.root / "tags" / "+review"
    boat, sea = review / place.full("boat"), review / place.full("sea")
    eventually(place, lambda: os.listdir(boat) == ["f.txt"])
    assert json.loads(attribute(path, "user.graphfs.tags.auto"))[0]["evidence"] == "its words"
    run("rm", sea / "f.txt")
    run("mv", boat / "f.txt", place.root / "tags" / place.full("boat"))
    assert said_of(place, file) == {
        "boat": EdgeState.APPLIED, "sea": EdgeState.REJECTED, "mine": EdgeState.APPLIED,
    }  # fmt: skip
    assert os.listdir(place.root / "tags" / place.full("boat")) == ["f.txt"]
    suggest(place, path, ("sea", 0.95), ("mine", 0.9))
    assert place.tags(path) == {"boat", "mine"}


def test_undo_takes_a_verdict_back(place: Place) -> None:
    path = place.file("f.txt", "words")
    file = suggest(place, path, ("boat", 0.6))
    entry = place.root / "tags" / "+review" / place.full("boat") / "f.txt"
    eventually(place, entry.exists)
    run("rm", entry)
    assert said_of(place, file) == {"boat": EdgeState.REJECTED}
    assert place.drive.state is not None
    drive = connect(place.drive.state)
    try:
        drive.undo(ME)
    finally:
        drive.close()
    assert said_of(place, file) == {"boat": EdgeState.REVIEW}
    assert path.read_text() == "words"
