"""`review`, `retag`, `why`, `pause`, `resume` and `preview`, as people call them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from graphfs.model import FILES_ROOT, JobState, Outcome, Suggestion
from tests.system.command_line import ME, Served, served
from tests.system.tagger_drive import write
from tests.unit.tagger.scripted import ScriptedEndpoint, tags


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path / "state") as made:
        yield made


def suggested(there: Served, path: str, *said: tuple[str, float]) -> int:
    """A file of which a tagger said this; its stable id."""
    file = write(there.drive, path, f"words of {path}".encode()).file
    there.drive.retry(ME, [file])
    for job in there.drive.lease("w", 100, 60):
        found = tuple(Suggestion(tag, sure, model="m-7b", prompt="c0ffee", evidence="the words") for tag, sure in said)
        outcome = Outcome(JobState.TAGGED, found if job.file == file else ())
        there.drive.finish(job.file, job.lease, outcome)
    return file


def test_suggestions_are_listed_accepted_and_rejected(there: Served) -> None:
    one = suggested(there, "one.txt", ("boat", 0.6), ("sea", 0.5), ("port", 0.9))
    suggested(there, "two.txt", ("boat", 0.6))
    said = there.cli("review")
    assert said.lines[:3] == ["files/one.txt:", "  boat  60% sure  the words", "  sea  50% sure  the words"]
    assert [one["path"] for one in there.cli("review", "-t", "sea", "--json").json] == ["files/one.txt"]
    there.cli("review", "accept", "-t", "boat", "files/one.txt")
    there.cli("review", "reject", "-t", "sea")
    assert there.tags("files/one.txt") == ["boat", "port"]
    assert there.cli("review", "reject", "-t", "sea", code=1).lines == []
    there.cli("review", "reject", code=8)
    there.cli("retag", "files/one.txt")
    (job,) = there.drive.lease("w", 9, 60)
    again = tuple(Suggestion(tag, 0.9, model="other") for tag in ("sea", "boat", "lake"))
    there.drive.finish(one, job.lease, Outcome(JobState.TAGGED, again))
    assert there.tags("files/one.txt") == ["boat", "lake"]
    there.cli("review", "accept", "--all")
    assert there.cli("review", "--json").json == []


def test_why_tells_of_one_tag(there: Served) -> None:
    suggested(there, "one.txt", ("boat", 0.9), ("sea", 0.5))
    lines = there.cli("why", "files/one.txt", "boat").lines
    assert lines[0].startswith("boat  applied, by model m-7b on ")
    assert lines[0].endswith("90% sure")
    assert lines[1:3] == ["    the words", "    prompt c0ffee"]
    (told,) = there.cli("why", "-t", "sea", "files/one.txt", "--json").json
    (edge,) = told["tags"]
    assert (edge["tag"], edge["state"], edge["source"], edge["model"], edge["prompt"], edge["evidence"]) == (
        "sea", "review", "model", "m-7b", "c0ffee", "the words",
    )  # fmt: skip
    assert edge["at"] > 0
    assert there.cli("why", "files/one.txt", "none").lines[0] == "nothing is said of it"


def test_the_tagger_rests_and_goes_on(there: Served) -> None:
    write(there.drive, "one.txt", b"x")
    assert there.cli("pause").err == "the tagger is paused\n"
    assert there.cli("pause", "--json").json == {"paused": True, "before": True}
    assert there.drive.lease("w", 9, 60) == []
    assert "waits: paused by uid:" in there.cli("status").text
    assert there.cli("status", "--json").json["queue"]["paused"] is True
    there.cli("resume")
    assert len(there.drive.lease("w", 9, 60)) == 1


def test_retag_takes_folders(there: Served) -> None:
    for name in ("d/a", "d/b", "c"):
        suggested(there, name, ("x", 0.9))
    assert there.cli("retag", "-r", "files/d", "--json").json == {"queued": 2}
    assert there.cli("retag", "--all", "--json").json == {"queued": 3}
    assert there.drive.status(ME).jobs["queued"] == 3
    there.cli("retag", code=8)


def test_preview_prints_what_would_be_sent_and_sends_nothing(there: Served) -> None:
    write(there.drive, "a.txt", b"the tide and the moon")
    write(there.drive, "quiet/.graphfs.yaml", b"tagger: off\n")
    write(there.drive, "quiet/b.txt", b"nobody reads this")
    there.drive.create_tag(ME, "ocean")
    assert "nothing is sent anywhere" in there.cli("preview", "files/a.txt").text
    with ScriptedEndpoint(tags()) as endpoint:
        config = f"tagger: {{llm: {{base_url: '{endpoint.url}', model: scripted, daily_token_budget: 900}}}}\n"
        (there.state / "config.yaml").write_text(config)
        told, quiet = there.cli("preview", "files/a.txt", "files/quiet/b.txt", "--json").json
        text = there.cli("preview", "files/a.txt").text
        assert endpoint.requests == []
    assert (told["where"], told["endpoint"], told["model"]) == ("local", endpoint.url, "scripted")
    assert "the tide and the moon" in told["user"]
    assert "- ocean" in told["user"]
    assert told["tokens"] == (len(told["system"]) + len(told["user"])) // 4
    assert (quiet["where"], quiet["user"]) == ("nowhere", "")
    assert "0 of 900 tokens were used today" in text
    assert there.drive.children(ME, FILES_ROOT)
