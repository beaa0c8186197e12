"""Every command of the command line over a served drive: answers, JSON, exit codes, odd names."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from graphfs.model import FILES_ROOT, JobState, Outcome, Suggestion
from tests.contracts.ground import eventually
from tests.system.command_line import ME, ODD, TOKEN, CommandLine, Served, folder_of, served


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Served]:
    """A drive with three files, one of them without tags."""
    with served(tmp_path / "state") as made:
        source = folder_of(tmp_path / "docs", {"a.txt": b"a", "b.txt": b"bb", "sub/c.txt": b"ccc"})
        made.cli("import", str(source))
        made.cli("tag", "files/docs/a.txt", "apollo", "year/2024")
        made.cli("tag", "-t", "apollo,draft", "files/docs/b.txt")
        yield made


def test_find_prints_paths_for_people_and_programs(there: Served) -> None:
    assert there.cli("find", "apollo", "-draft").lines == ["files/docs/a.txt"]
    assert there.cli("find", "-draft").lines == ["files/docs/a.txt", "files/docs/sub/c.txt"]
    assert there.paths("(year/2020..2024),draft") == {"files/docs/a.txt", "files/docs/b.txt"}
    assert there.cli("find", "-n", "1", "apollo").lines == ["files/docs/a.txt"]
    assert there.cli("find", "-c", "apollo").lines == ["2"]
    assert there.cli("find", "-c", "apollo", "--json").json == {"count": 2}
    found = there.cli("find", "apollo", "--json").json
    assert [(one["path"], one["size"], one["tags"]) for one in found] == [
        ("files/docs/a.txt", 1, ["apollo", "year/2024"]),
        ("files/docs/b.txt", 2, ["apollo", "draft"]),
    ]
    assert there.cli("find", "apollo", "-apollo", "--json").json == []


def test_a_wrong_query_shows_where(there: Served) -> None:
    said = there.cli("find", "apollo (draft", code=8)
    assert "graphfs: character 14 of the query" in said.err
    assert said.err.splitlines()[1:] == ["  apollo (draft", "               ^ a closing parenthesis"]
    said = there.cli("find", "apollo nothing", code=3)
    assert said.err.splitlines()[2].index("^") == said.err.splitlines()[1].index("nothing")
    error = json.loads(there.cli("find", "nothing", "--json", code=3).err)["error"]
    assert error["code"] == "not_found"


def test_ls_shows_tags_beside_files(there: Served) -> None:
    assert there.cli("ls").lines == ["files/", "tags/"]
    assert there.cli("ls", "files/docs").lines == ["a.txt\tapollo,year/2024", "b.txt\tapollo,draft", "sub/"]
    assert there.cli("ls", "tags").lines == ["apollo/", "draft/", "year/"]
    assert there.cli("ls", "tags/apollo/year/2024").lines == ["a.txt\tapollo,year/2024"]
    assert "-rw-r--r--" in there.cli("ls", "-l", "files/docs/a.txt").text
    told = there.cli("ls", "tags", "files/docs", "--json").json
    assert [one["path"] for one in told] == ["tags", "files/docs"]
    assert told[0]["entries"][0] == {"name": "apollo", "kind": "tag", "files": 2}
    assert [one["kind"] for one in told[1]["entries"]] == ["file", "file", "folder"]
    assert there.cli("ls", "files/none", "--json", code=3).text == ""
    said = there.cli("ls", "files/none", "files/docs/sub", code=3)
    assert said.lines == ["files/docs/sub:", "c.txt"]
    assert said.err == "graphfs: files/none: there is no none\n"


def test_tag_and_untag(there: Served) -> None:
    said = there.cli("tag", "-r", "-t", "all, of them", "files/docs", "--json")
    assert said.json == {"files": 3, "changed": 6}
    assert there.tags("files/docs/sub/c.txt") == ["all", "of them"]
    there.cli("untag", "files/docs/a.txt", "year")
    assert there.tags("files/docs/a.txt") == ["all", "apollo", "of them"]
    there.cli("untag", "--all", "files/docs/a.txt", "tags/draft/b.txt")
    assert there.paths("apollo,draft,all") == {"files/docs/sub/c.txt"}
    assert there.cli("untag", "-q", "-t", "all", "files/docs/sub/c.txt").err == ""
    assert there.paths("all") == set()


def test_what_is_not_clear_is_refused(there: Served, tmp_path: Path) -> None:
    (tmp_path / "other.txt").touch()
    said = there.cli("tag", "files/docs/a.txt", "other.txt", "new", code=8, cwd=tmp_path)
    assert "other.txt is a file here" in said.err
    assert "-t" in said.err
    assert there.cli("tag", "files/docs/a.txt", code=8).err.startswith("graphfs: no tag is given")
    assert "--recursive" in there.cli("tag", "files/docs", "x", code=8).err
    assert "`graphfs tags`" in there.cli("untag", "files/docs/a.txt", "nothing", code=3).err
    assert there.cli("tag", "files/docs/a.txt", "+wrong", code=8).err.count("+") >= 1
    assert there.cli("tag", "tags/apollo", "x", code=8).err.startswith("graphfs: tags/apollo: it is a folder")
    assert {tag["path"] for tag in there.cli("tags", "--json").json} == {"apollo", "draft", "year", "year/2024"}


def test_of_several_files_the_others_are_done(there: Served) -> None:
    said = there.cli("tag", "-t", "x", "files/none", "files/docs/a.txt", "files/docs", code=3)
    assert len(said.err.splitlines()) == 3
    assert there.paths("x") == {"files/docs/a.txt"}


def test_tags_are_a_tree(there: Served) -> None:
    there.cli("mktag", "year/2023", "empty")
    assert [line.split() for line in there.cli("tags").lines] == [
        ["apollo", "2"], ["draft", "1"], ["empty", "0"], ["year", "1"], ["2023", "0"], ["2024", "1"],
    ]  # fmt: skip
    assert there.cli("tags", "--flat").lines == ["apollo", "draft", "empty", "year", "year/2023", "year/2024"]
    assert there.cli("tags", "files/docs/a.txt").lines == ["files/docs/a.txt: apollo, year/2024"]
    there.cli("mktag", "apollo", code=4)


def test_tags_are_renamed_merged_removed_and_brought_back(there: Served) -> None:
    there.cli("mv-tag", "draft", "state/draft", code=3)
    there.cli("mktag", "state")
    assert there.cli("mv-tag", "draft", "state/draft", "--json").json["path"] == "state/draft"
    there.cli("mv-tag", "state/draft", "apollo", code=4)
    there.cli("mv-tag", "nothing", "x", code=3)
    said = there.cli("merge-tags", "state/draft", "year/2024", code=1)
    assert "1 file of state/draft get year/2024 (0 have it already)" in said.err
    assert there.paths("state/draft") == {"files/docs/b.txt"}
    assert there.cli("merge-tags", "-n", "state/draft", "year/2024", "--json").json["applied"] is False
    there.cli("merge-tags", "--yes", "state/draft", "year/2024")
    assert there.paths("year/2024") == {"files/docs/a.txt", "files/docs/b.txt"}
    there.cli("rmtag", "year", code=1)
    assert "no file" not in there.cli("rmtag", "-y", "year").err
    assert [tag["path"] for tag in there.cli("tags", "--json").json] == ["apollo", "state"]
    there.cli("undo")
    assert there.paths("year/2024") == {"files/docs/a.txt", "files/docs/b.txt"}


def test_aliases(there: Served) -> None:
    there.cli("alias", "apollo", "moon")
    assert there.cli("alias", "apollo").lines == ["moon"]
    assert there.paths("moon") == there.paths("apollo")
    there.cli("alias", "apollo", "draft", code=4)
    there.cli("alias", "nothing", code=3)


def test_the_log_and_undo(there: Served) -> None:
    entries = there.cli("log", "--json").json
    assert [entry["why"] for entry in entries] == ["graphfs tag", "graphfs tag"]
    assert there.cli("undo", "--json").json["why"].startswith(f"undo of {entries[0]['batch']}")
    assert there.tags("files/docs/b.txt") == []
    there.cli("undo", str(entries[1]["batch"]))
    assert there.tags("files/docs/a.txt") == []
    there.cli("undo", str(entries[1]["batch"]), code=20)
    there.cli("undo", "999", code=3)
    lines = there.cli("log", "-n", "0").lines
    assert len(lines) == 4
    assert lines[-1].endswith("undone")


def test_restore_by_number_and_by_path(there: Served) -> None:
    docs = there.drive.lookup(ME, FILES_ROOT, "docs")
    for name in ("a.txt", "b.txt"):
        there.drive.unlink(ME, docs.id, name)
    items = there.cli("restore", "--json").json
    assert [item["path"] for item in items] == ["files/docs/b.txt", "files/docs/a.txt"]
    assert len(there.cli("restore", "--list").lines) == 2
    assert there.cli("restore", "files/docs/a.txt").lines == ["files/docs/a.txt"]
    assert there.cli("restore", str(items[0]["id"]), "--json").json[0]["path"] == "files/docs/b.txt"
    assert there.paths("apollo") == {"files/docs/a.txt", "files/docs/b.txt"}
    assert there.cli("restore").err == "The trash is empty.\n"
    there.cli("restore", "files/docs/a.txt", code=3)
    for name in ("a.txt", "b.txt"):
        there.drive.unlink(ME, docs.id, name)
    assert len(there.cli("restore", "files/docs").lines) == 2


def fail_all(there: Served, error: str) -> None:
    for job in there.drive.lease("worker", 100, 60.0):
        there.drive.finish(job.file, job.lease, Outcome(JobState.FAILED, error=error))


def test_status_wait_and_retry(there: Served) -> None:
    said = there.cli("wait", "--tagged", "--timeout", "0.1", code=1)
    assert said.err.startswith("3 files still to be tagged: time ran out, and no tagger")
    fail_all(there, "the model said\nno")
    assert "3 files could not be tagged" in there.cli("wait").err
    text = there.cli("status").text
    for words in ("3 files in 3 folders", "4 tags given 4 times", "3 failed", "files/docs/a.txt: the model said\nno"):
        assert words in text
    told = there.cli("status", "--json").json
    assert (told["files"], told["jobs"]["failed"], told["failures"][0]["error"]) == (3, 3, "the model said\nno")
    assert told["mount"] is None
    assert there.cli("retry", "files/docs/a.txt", "--json").json == {"queued": 1}
    assert there.cli("retry", "-r", "files/docs/sub", "--json").json == {"queued": 1}
    assert there.cli("retry", "--json").json == {"queued": 1}
    assert there.cli("wait", "--timeout", "0", "--json", code=1).json == {"done": False, "waiting": 3, "failed": 0}


def test_wait_returns_when_the_last_file_is_tagged(there: Served) -> None:
    with subprocess.Popen(
        there.cli.command("wait", "--tagged", "--json"), env=there.cli.surroundings(), stdout=subprocess.PIPE
    ) as waiting:
        for job in there.drive.lease("worker", 100, 60.0):
            there.drive.finish(job.file, job.lease, Outcome(JobState.TAGGED))
        out, _ = waiting.communicate(timeout=20)
    assert json.loads(out) == {"done": True, "waiting": 0, "failed": 0}


def test_why_a_file_has_its_tags(there: Served) -> None:
    job = next(job for job in there.drive.lease("worker", 100, 60.0) if job.path == "files/docs/a.txt")
    given = Suggestion("moon", 0.9, model="m", evidence="it says\nso")
    there.drive.finish(job.file, job.lease, Outcome(JobState.TAGGED, (given, Suggestion("sun", 0.5, model="m"))))
    text = there.cli("why", "files/docs/a.txt").text
    assert "moon  applied, by model m" in text
    assert "90% sure\n    it says\nso" in text
    assert "sun  review" in text
    told = there.cli("why", "files/docs/a.txt", "--json").json[0]
    assert {edge["tag"]: edge["source"] for edge in told["tags"]} == {
        "apollo": "person", "year/2024": "person", "moon": "model", "sun": "model",
    }  # fmt: skip
    assert told["job"]["state"] == "tagged"


def test_fsck_and_gc(there: Served) -> None:
    assert there.cli("fsck", "--verify").err == "Everything agrees.\n"
    assert there.cli("fsck", "--json").json == {"clean": True, "problems": [], "left": []}
    assert there.cli("gc", "--json").json == {"freed": 0}


def test_names_of_any_bytes(there: Served, tmp_path: Path) -> None:
    source = tmp_path / "odd"
    folder_of(source, {name: name.encode("utf-8", "surrogateescape") for name in ODD})
    there.cli("import", "--tag", "odd", str(source))
    wanted = {f"files/odd/{name}" for name in ODD}
    assert there.paths("odd") == wanted
    assert {one["path"] for one in there.cli("find", "odd", "--json").json} == wanted
    listed = there.cli("ls", "files/odd", "--json").json["entries"]
    assert {entry["name"] for entry in listed} == set(ODD)
    there.cli("tag", "-t", 'it\'s "odd" 😀', *wanted)
    assert there.paths('"it\'s \\"odd\\" 😀"') == wanted
    for path in wanted:
        assert there.tags(path) == ['it\'s "odd" 😀', "odd"]


def test_a_reader_that_goes_away_is_no_error(there: Served) -> None:
    command = f"{' '.join(there.cli.command('tags', '--flat'))}; echo $? >&2"
    done = subprocess.run(
        ["bash", "-c", f"({command}) | true"], env=there.cli.surroundings(), capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() in {"141", "0"}  # as fast as it was


def test_ctrl_c_ends_with_130(there: Served) -> None:
    with subprocess.Popen(
        there.cli.command("wait", "--tagged"), env=there.cli.surroundings(), stderr=subprocess.PIPE
    ) as waiting:
        try:
            eventually(lambda: _connected(waiting.pid))
            waiting.send_signal(signal.SIGINT)
            _, err = waiting.communicate(timeout=20)
        finally:
            waiting.kill()
    assert waiting.returncode == 130
    assert err.endswith(b"graphfs: interrupted\n")
    assert b"Traceback" not in err


def _connected(pid: int) -> bool:
    """Whether the process has a socket open: it is in the middle of its work."""
    try:
        return any(os.readlink(one).startswith("socket:") for one in Path(f"/proc/{pid}/fd").iterdir())
    except FileNotFoundError:  # one was closed while they were looked through
        return False


def test_a_server_by_its_address(tmp_path: Path) -> None:
    with served(tmp_path / "state", by_port=True) as made:
        cli = CommandLine(("--server", f"http://127.0.0.1:{made.port}"))
        assert json.loads(cli("status", "--json", code=12).err)["error"]["code"] == "unauthenticated"
        cli.environment["GRAPHFS_TOKEN"] = TOKEN
        assert cli("status", "--json").json["files"] == 0
        (tmp_path / "token").write_text(TOKEN + "\n")
        cli = CommandLine(("--server", f"127.0.0.1:{made.port}", "--token-file", str(tmp_path / "token")))
        cli("mktag", "x")
        assert cli("tags", "--flat").lines == ["x"]
    assert cli("status", code=23).err.startswith("graphfs: the server at http://127.0.0.1")


def test_a_drive_that_nobody_serves_is_opened_by_the_command(tmp_path: Path) -> None:
    with served(tmp_path / "state") as made:
        made.cli("mktag", "x/y")
    cli = CommandLine(("--state", str(tmp_path / "state")))
    assert cli("tags", "--flat").lines == ["x", "x/y"]
    assert cli("fsck", "--verify").err == "Everything agrees.\n"
    assert cli("wait", "--tagged", "--json").json["done"] is True
    (tmp_path / "empty").mkdir()
    assert "holds no drive" in CommandLine(("--state", str(tmp_path / "empty")))("status", code=3).err
    assert "there is no state directory" in CommandLine(("--state", str(tmp_path / "none")))("status", code=3).err


def test_fsck_finds_damage(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "big", {"f": os.urandom(100_000)})
    with served(tmp_path / "state") as made:
        made.cli("import", str(source))
    blob = next(
        path for path in (tmp_path / "state" / "blobs").rglob("*") if path.is_file() and path.stat().st_size > 99_999
    )
    blob.chmod(0o600)
    blob.write_bytes(bytes(100_000))
    cli = CommandLine(("--state", str(tmp_path / "state")))
    told = cli("fsck", "--verify", "--json", code=1).json
    assert told["clean"] is False
    assert [problem["kind"] for problem in told["problems"]] == ["damaged blob"]
    assert "could not be repaired" in cli("fsck", "--verify", "--repair", code=1).err


def test_the_words_of_completion(there: Served) -> None:
    def complete(*words: str) -> list[str]:
        env = {**there.cli.surroundings(), "GRAPHFS_STATE": str(there.state)}
        command = CommandLine().command("__complete", *words)
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        kind, *found = done.stdout.splitlines()
        return [kind, *(line.split("\t")[0] for line in found)]

    assert complete("mv") == ["words", "mv-tag"]
    assert complete("find", "ye") == ["words", "year", "year/"]
    assert complete("find", "year/") == ["words", "year/2024"]
    assert complete("find", "apollo", "-dr") == ["words", "-draft"]
    assert complete("find", "(apollo,dr") == ["words", "(apollo,draft"]
    assert complete("tag", "-t", "apollo,d") == ["words", "apollo,draft"]
    assert complete("tag", "") == ["files"]
    assert complete("tag", "f", "AP") == ["words", "apollo"]
    assert complete("tag", "-t", "apollo", "f") == ["files"]
    assert complete("unmount", "") == ["folders"]
    assert complete("completion", "") == ["words", "bash", "zsh", "fish"]
    assert complete("wait", "--ti") == ["words", "--timeout"]
    assert complete("mv-tag", "apollo", "") == ["words", "apollo", "draft", "year", "year/"]
