"""`import`, `export` and `watch`: files into a drive and out of it, without loss, again and again."""

import json
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from graphfs.model import EdgeState, JobState, Outcome, Source, Suggestion
from tests.contracts.ground import eventually
from tests.system.command_line import ME, ODD, CommandLine, Served, folder_of, served

MOMENT = 981_173_106_123_456_789


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path / "state") as made:
        yield made


def rich_folder(path: Path) -> Path:
    """A folder with all that a folder may hold."""
    folder_of(path, {name: name.encode("utf-8", "surrogateescape") for name in ODD})
    folder_of(path, {"a.txt": b"a", "deep/er/b": b"", "big": os.urandom(5 << 20)})
    with (path / "sparse").open("wb") as file:
        file.seek(9 << 20)
        file.write(b"end")
    os.link(path / "a.txt", path / "deep" / "hard")
    os.symlink("../a.txt", path / "deep" / "link")
    os.symlink("nowhere", path / "dangling")
    os.mkfifo(path / "pipe", 0o640)
    os.chmod(path / "a.txt", 0o4751)
    os.chmod(path / "deep" / "er", 0o1711)
    os.setxattr(path / "a.txt", "user.xdg.tags", b"apollo, year/2024,-wrong")
    os.setxattr(path / "a.txt", "user.note", b"\x00\xff")
    os.setxattr(path / "deep", "user.folder", b"yes")
    os.utime(path / "dangling", ns=(MOMENT, MOMENT), follow_symlinks=False)
    os.utime(path / "deep" / "er", ns=(MOMENT, MOMENT))
    os.utime(path / "a.txt", ns=(MOMENT + 1, MOMENT))
    return path


def teach(there: Served) -> None:
    """Tags from everybody: given, suggested, rejected; aliases, and tags without files."""
    jobs = there.drive.lease("worker", 100, 60.0)
    for job in jobs:
        given = (
            Suggestion("by rule", 1.0, Source.RULE, prompt="r1"),
            Suggestion("by model", 0.9, model="m", prompt="p", evidence="it says \n so"),
            Suggestion("doubtful", 0.5, model="m", prompt="p"),
        )
        there.drive.finish(job.file, job.lease, Outcome(JobState.TAGGED, given))
    there.drive.change_tags(ME, [jobs[0].file], (), ["by model"])
    there.drive.create_tag(ME, "Empty/Child 😀")
    there.drive.set_alias(ME, "apollo", "moon")


def test_an_export_is_taken_back_without_loss(there: Served, tmp_path: Path) -> None:
    there.cli("import", str(rich_folder(tmp_path / "docs")))
    teach(there)
    first, second = tmp_path / "first", tmp_path / "second"
    assert there.cli("export", str(first), "--json").json["failed"] == 0
    with served(tmp_path / "other") as other:
        done = other.cli("import", str(first), "--json").json
        assert (done["failed"], done["differs"], done["same"]) == ([], [], 0)
        again = other.cli("import", str(first), "--json").json
        assert (again["new"], again["replaced"], again["failed"]) == (0, 0, [])
        other.cli("export", str(second))
    assert (first / "graphfs.json").read_bytes() == (second / "graphfs.json").read_bytes()
    same_trees(first / "files", second / "files")
    graph = json.loads((first / "graphfs.json").read_bytes())
    states = {edge["state"] for record in graph["files"] for edge in record.get("edges", ())}
    assert states == {state.value for state in EdgeState}
    assert {"path": "apollo", "aliases": ["moon"]} in graph["tags"]
    assert {"path": "Empty/Child 😀", "aliases": []} in graph["tags"]


def same_trees(one: Path, other: Path) -> None:
    """Names, types, modes, times, links, contents and holes."""
    names = sorted(
        os.path.relpath(os.path.join(above, name), one)
        for above, *all_ in os.walk(one)
        for some in all_
        for name in some
    )
    assert names == sorted(
        os.path.relpath(os.path.join(above, name), other)
        for above, *all_ in os.walk(other)
        for some in all_
        for name in some
    )
    for name in names:
        here, there = (one / name).lstat(), (other / name).lstat()
        for field in ("st_mode", "st_mtime_ns", "st_uid", "st_gid", "st_nlink"):
            assert getattr(here, field) == getattr(there, field), (name, field)
        if stat.S_ISREG(here.st_mode):
            assert (one / name).read_bytes() == (other / name).read_bytes()
            assert abs(here.st_blocks - there.st_blocks) <= 16
        if stat.S_ISLNK(here.st_mode):
            assert os.readlink(one / name) == os.readlink(other / name)
        else:
            assert {key: os.getxattr(one / name, key) for key in os.listxattr(one / name)} == {
                key: os.getxattr(other / name, key) for key in os.listxattr(other / name)
            }


def test_an_export_is_plain_files_with_their_tags(there: Served, tmp_path: Path) -> None:
    source, target = rich_folder(tmp_path / "docs"), tmp_path / "out"
    there.cli("import", str(source), "--to", "files")
    there.cli("export", str(target))
    assert sorted(path.name for path in target.iterdir()) == ["files", "graphfs.json"]
    found = target / "files"
    assert (found / "a.txt").read_bytes() == b"a"
    assert os.getxattr(found / "a.txt", "user.xdg.tags") == b"apollo,year/2024"
    assert os.getxattr(found / "a.txt", "user.note") == b"\x00\xff"
    assert os.getxattr(found / "deep", "user.folder") == b"yes"
    assert (found / "a.txt").stat().st_mtime_ns == (found / "deep" / "er").stat().st_mtime_ns == MOMENT
    assert (found / "a.txt").samefile(found / "deep" / "hard")
    assert stat.S_IMODE((found / "a.txt").stat().st_mode) == 0o4751
    assert stat.S_ISFIFO((found / "pipe").stat().st_mode)
    assert (found / "sparse").stat().st_blocks * 512 < 1 << 20
    assert (found / "big").read_bytes() == (source / "big").read_bytes()


def test_an_export_goes_on_where_it_was(there: Served, tmp_path: Path) -> None:
    source, target = folder_of(tmp_path / "docs", {"a": b"a", "b": b"bb"}), tmp_path / "out"
    there.cli("import", str(source))
    there.cli("export", str(target))
    # As after a kill in the middle: no graph, a file missing, another half written beside it.
    (target / "graphfs.json").unlink()
    (target / "files" / "docs" / "b").unlink()
    (target / ".graphfs-export").mkdir()
    (target / ".graphfs-export" / "partial").write_bytes(b"b")
    assert there.cli("export", str(target), "--json").json == {"written": 1, "same": 1, "failed": 0, "bytes": 2}
    assert (target / "files" / "docs" / "b").read_bytes() == b"bb"
    times = (target / "files" / "docs" / "a").stat()
    (target / "files" / "docs" / "a").write_bytes(b"x")
    os.utime(target / "files" / "docs" / "a", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert there.cli("export", str(target), "--json").json["written"] == 0
    assert there.cli("export", "--checksum", str(target), "--json").json["written"] == 1
    assert "holds something that is no export" in there.cli("export", str(source), code=5).err


def test_a_damaged_or_foreign_graph_is_refused(there: Served, tmp_path: Path) -> None:
    target = tmp_path / "out"
    there.cli("export", str(target))
    graph = target / "graphfs.json"
    text = graph.read_text()
    graph.write_text(text[:-20])
    there.cli("import", str(target), code=8)
    graph.write_text(text.replace('"version":1', '"version":99'))
    there.cli("import", str(target), code=24)
    graph.write_text(text.replace('"names":[""]', '"names":["../../out"]'))
    there.cli("import", str(target), code=8)


def test_import_skips_what_is_there_and_keeps_what_differs(there: Served, tmp_path: Path) -> None:
    source = folder_of(tmp_path / "docs", {"same": b"same", "other": b"other", "new": b"new"})
    would = there.cli("import", "-n", "--tag", "t", str(source))
    assert would.lines == ["new\tfiles/docs/new", "new\tfiles/docs/other", "new\tfiles/docs/same"]
    assert there.paths("+all") == set()
    there.cli("import", "--tag", "t,u/v", str(source))
    assert there.tags("files/docs/same") == ["t", "u/v"]
    (source / "other").write_bytes(b"changed")
    said = there.cli("import", "--json", "--tag", "w", str(source), code=4).json
    assert (said["new"], said["same"], said["differs"]) == (0, 2, ["files/docs/other"])
    assert there.tags("files/docs/same") == ["t", "u/v", "w"]
    assert there.cli("import", "--existing", "replace", str(source), "--json").json["replaced"] == 1
    assert there.tags("files/docs/other") == ["t", "u/v"]
    there.cli("import", str(tmp_path / "none"), code=3)
    assert there.cli("import", "--tag", "+no", str(source), code=8).err.count("\n") == 1
    there.cli("import", "--to", "tags/t", str(source), code=8)
    there.cli("import", "--to", "files/docs/same/in", str(source), code=6)
    there.cli("import", "--to", "files/single", str(source / "new"))
    assert there.cli("ls", "files/single").lines == ["new"]


def test_what_cannot_be_read_is_told_and_the_rest_goes_on(there: Served, tmp_path: Path) -> None:
    source = folder_of(tmp_path / "docs", {"a": b"a", "long" * 63 + ".ok": b"b"})
    os.setxattr(source / "a", "user.xdg.tags", b"good,+bad")
    said = there.cli("import", str(source))
    assert "no tags can be called +bad; imported without" in said.err
    assert there.tags("files/docs/a") == ["good"]


def test_watch_once_and_again(there: Served, tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", {"a": b"a", "b": b"b", "sub/c": b"c"})
    watch = ("watch", "--once", "--settle", "0", str(source), "--to", "files/Watched")
    assert sorted(there.cli(*watch).lines) == ["new\ta", "new\tb", "new\tsub/c"]
    there.cli("tag", "-t", "kept", "files/Watched/a", "files/Watched/b")
    assert there.cli(*watch).lines == []
    (source / "a").rename(source / "sub" / "moved")
    (source / "b").write_bytes(b"changed")
    (source / "sub" / "c").unlink()
    assert {line.split("\t")[0] for line in there.cli(*watch).lines} == {"moved", "replaced", "removed"}
    assert there.paths("kept") == {"files/Watched/sub/moved", "files/Watched/b"}
    assert there.cli("restore").lines[0].endswith("files/Watched/sub/c")
    (source / "sub").rename(source / "other")
    assert there.cli(*watch).lines == ["moved\tother/moved"]
    assert [line.partition("\t")[0] for line in there.cli("ls", "files/Watched").lines] == ["b", "other/"]
    there.cli("watch", str(source / "b"), code=6)
    there.cli("watch", str(tmp_path / "none"), code=3)


def test_watch_follows_until_it_is_asked_to_end(there: Served, tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", {"a": b"a"})
    command = there.cli.command("watch", "--settle", "0.1", str(source))
    with subprocess.Popen(
        command, env=there.cli.surroundings(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline() == "new\ta\n"
        there.cli("watch", str(source), code=21)
        (source / "b").write_bytes(b"b")
        assert watching.stdout.readline() == "new\tb\n"
        eventually(lambda: there.paths("+all") == {"files/in/a", "files/in/b"})
        watching.send_signal(signal.SIGINT)
        _, err = watching.communicate(timeout=20)
    assert watching.returncode == 0
    assert err.splitlines()[-1] == "2 imported, 0 moved, 0 removed"


def test_a_file_whose_content_never_came_is_finished(there: Served, tmp_path: Path) -> None:
    """An import that was killed between a name and its content."""
    source = folder_of(tmp_path / "docs", {"a": b"content"})
    docs = there.drive.create(ME, 2, "docs", stat.S_IFDIR | 0o755)
    there.drive.create(ME, docs.id, "a", stat.S_IFREG | 0o600)
    assert there.cli("import", str(source), "--json").json["new"] == 1
    target = tmp_path / "out"
    there.cli("export", str(target))
    assert (target / "files" / "docs" / "a").read_bytes() == b"content"


def test_a_drive_that_nobody_serves_is_exported(tmp_path: Path) -> None:
    with served(tmp_path / "state") as made:
        made.cli("import", str(folder_of(tmp_path / "docs", {"a": b"a"})))
    shutil.rmtree(tmp_path / "docs")
    CommandLine(("--state", str(tmp_path / "state")))("export", str(tmp_path / "out"))
    assert (tmp_path / "out" / "files" / "docs" / "a").read_bytes() == b"a"
