"""What shells and their tools do in `tags/`, through the kernel, with both bindings."""

import errno
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.filesystem.tags.conftest import Place, eventually, run, set_tags


def test_mkdir_and_rmdir(place: Place) -> None:
    (place.a / "x").mkdir()
    assert (place.a / "x").is_dir()
    assert "x" in os.listdir(place.a)
    (place.a / "x").rmdir()
    assert not (place.a / "x").exists()
    with pytest.raises(FileExistsError):
        place.a.mkdir()


def test_cp_keeps_a_new_file_in_the_inbox(place: Place, tmp_path: Path) -> None:
    name = place.name("f.txt")
    (tmp_path / name).write_text("hello")
    run("cp", tmp_path / name, place.a)
    run("cp", tmp_path / name, place.b)
    assert (place.inbox / name).read_text() == "hello"
    # that it is the same file shows when the last one who had it open is gone, which cp does not wait for
    eventually(place, lambda: os.listdir(place.a) == os.listdir(place.b) == [name])
    assert (place.b / name).read_text() == "hello"
    assert place.tags(place.inbox / name) == {"a", "b"}
    assert [found for found in os.listdir(place.inbox) if found.startswith(place.name(""))] == [name]


def test_cp_of_another_file_of_the_name(place: Place, tmp_path: Path) -> None:
    name = place.name("f.txt")
    for tag, content in ((place.a, "one"), (place.b, "two")):
        (tmp_path / name).write_text(content)
        run("cp", "-p", tmp_path / name, tag)
    assert sorted(path.read_text() for path in place.inbox.glob(place.name("f*"))) == ["one", "two"]


def test_mv_tags_and_leaves_the_file(place: Place) -> None:
    file = place.file("f.txt")
    number = file.stat().st_ino
    run("mv", file, place.a)
    assert file.stat().st_ino == (place.a / "f.txt").stat().st_ino == number
    assert file.stat().st_nlink == 2
    run("mv", place.a / "f.txt", place.b)
    assert os.listdir(place.a) == []
    assert place.tags(file) == {"b"}
    (place.files / "d").mkdir()
    run("mv", place.b / "f.txt", place.files / "d")
    eventually(place, lambda: not file.exists())
    assert place.tags(place.files / "d" / "f.txt") == {"b"}


def test_rename_never_says_exdev(place: Place) -> None:
    file = place.file("f.txt", "x", "a")
    refused = [
        (place.files, place.a / "d"),
        (place.a, place.files / "d"),
        (file, place.root / "tags" / "new"),
        (file, place.root / "tags" / f"{place.a.name},{place.b.name}" / "new"),
        (file, place.root / ".graphfs" / "f.txt"),
    ]
    for source, target in refused:
        with pytest.raises(OSError, match=r"not permitted|denied|No such") as refusal:
            os.rename(source, target)
        assert refusal.value.errno in (errno.EPERM, errno.EACCES, errno.ENOENT), target
    assert file.read_text() == "x"


def test_rename_in_a_tag(place: Place) -> None:
    file = place.file("f.txt", "x", "a")
    os.rename(place.a / "f.txt", place.a / "g.txt")
    assert (place.files / "g.txt").read_text() == (place.a / "g.txt").read_text() == "x"
    eventually(place, lambda: not file.exists())
    assert not (place.a / "f.txt").exists()


def test_links_tag(place: Place) -> None:
    file = place.file("f.txt")
    run("ln", file, place.a)
    assert place.tags(file) == {"a"}
    run("ln", "-s", file, place.b)
    assert place.tags(file) == {"a", "b"}
    relative = os.path.relpath(place.file("g.txt"), place.a)
    run("ln", "-s", relative, place.a)
    assert sorted(os.listdir(place.a)) == ["f.txt", "g.txt"]
    assert stat.S_ISREG((place.a / "g.txt").lstat().st_mode)
    with pytest.raises(PermissionError):
        os.symlink("/etc/passwd", place.a / "passwd")


def test_rm_takes_the_tag_only(place: Place) -> None:
    file = place.file("f.txt", "x", "a/x", "b")
    run("rm", place.a / "f.txt")
    assert file.read_text() == "x"
    assert place.tags(file) == {"b"}


def test_what_cannot_be_written(place: Place) -> None:
    file = place.file("f.txt", "x", "a")
    tags = place.root / "tags"
    for folder in (tags / f"{place.a.name},{place.b.name}", tags / f"-{place.b.name}", tags / "+recent"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o555
        for refused in (
            lambda folder=folder: (folder / "new").write_text("x"),
            lambda folder=folder: (folder / "new").mkdir(),
            lambda folder=folder: (folder / "f.txt").unlink(),
        ):
            with pytest.raises(PermissionError):
                refused()
    assert place.tags(file) == {"a"}


def test_moving_a_tag(place: Place) -> None:
    file = place.file("f.txt", "x", "a")
    new = place.a.with_name(place.a.name + "-new")
    working = os.open(place.a, os.O_RDONLY)
    try:
        os.rename(place.a, new)
        assert os.listdir(new) == ["f.txt"]
        assert os.listdir(working) == ["f.txt"]
        assert (new / "f.txt").read_text() == "x"
    finally:
        os.close(working)
    assert not place.a.exists()
    with pytest.raises(FileExistsError):
        os.rename(new, place.b)
    os.rename(new, place.b / "below")
    assert place.tags(file) == {"b/below"}
    with pytest.raises(OSError, match="Invalid argument"):
        os.rename(place.b, place.b / "below" / "b")


def fill(place: Place, number: int = 60) -> dict[str, set[str]]:
    """Files enough for sub-folders of other tags."""
    expected = {}
    for index in range(number):
        tags = [tag for tag, every in (("a", 2), ("a/x", 3), ("b", 4), ("c", 5)) if index % every == 0]
        place.file(f"f{index}", str(index), *tags)
        expected[f"f{index}"] = set(tags)
    return expected


def rm(folder: Path) -> None:
    run("rm", "-r", folder)


def find_delete(folder: Path) -> None:
    run("find", folder, "-delete")


@pytest.mark.parametrize("remove", [rm, find_delete, shutil.rmtree])
def test_removing_a_tag_with_all_in_it(place: Place, remove: object) -> None:
    expected = fill(place)
    assert any(path.is_dir() and path.name.startswith("c") for path in place.a.iterdir())
    assert callable(remove)
    remove(place.a)
    assert not place.a.exists()
    for name, tags in expected.items():
        assert (place.files / name).read_text() == name[1:]
        assert place.tags(place.files / name) == {tag for tag in tags if not tag.startswith("a")}


def test_the_tree_can_be_walked_copied_and_packed(place: Place, tmp_path: Path) -> None:
    fill(place)
    found = run("find", place.a, "-type", "f").splitlines()
    assert len({os.stat(path).st_ino for path in found}) == 40
    run("cp", "-r", place.a, tmp_path / "copy")
    assert len(run("find", tmp_path / "copy", "-type", "f").splitlines()) == len(found)
    run("cp", "-a", place.a, tmp_path / "archive")
    assert len({path.stat().st_ino for path in (tmp_path / "archive").rglob("*") if path.is_file()}) == 40
    run("tar", "-cf", tmp_path / "a.tar", "-C", place.a.parent, place.a.name)
    packed = run("tar", "-tvf", tmp_path / "a.tar").splitlines()
    assert sum(line.startswith("-") for line in packed) == 40
    assert int(run("du", "-s", "--apparent-size", "-b", place.a).split()[0]) < 40 * 1000


def test_tags_travel_with_copies(place: Place, tmp_path: Path) -> None:
    file = place.file("f.txt", "x", "a", "b")
    run("cp", "-a", file, place.files / "copy.txt")
    run("rsync", "-aX", f"{place.files}/f.txt", place.files / "synced.txt")
    run("rsync", "-aX", f"{place.files}/f.txt", place.files / "synced.txt")
    run("tar", "--xattrs", "-cf", tmp_path / "f.tar", "-C", place.files, "f.txt")
    (place.files / "t").mkdir()
    run("tar", "--xattrs", "--xattrs-include=*", "-xf", tmp_path / "f.tar", "-C", place.files / "t")
    for name in ("copy.txt", "synced.txt", "t/f.txt"):
        assert place.tags(place.files / name) == {"a", "b"}, name
        assert os.listxattr(place.files / name) == ["user.xdg.tags"]


def test_copying_a_folder_into_a_tag_makes_a_child(place: Place, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    name = place.name("f")
    (tmp_path / "sub" / name).write_text("x")
    run("cp", "-r", tmp_path / "sub", place.a)
    assert place.tags(place.inbox / name) == {"a/sub"}


def test_programs_wrote_in_a_tag_as_anywhere(place: Place) -> None:
    name = place.name("log")
    with open(place.a / name, "x") as stream:
        stream.write("one\n")
        stream.flush()
        os.fsync(stream.fileno())
        assert (place.inbox / name).stat().st_size == 4
        stream.write("two\n")
    os.utime(place.a / name, (1, 2))
    os.chmod(place.a / name, 0o600)
    with open(place.b.parent / place.a.name / name, "a") as stream:
        stream.write("three\n")
    os.truncate(place.a / name, 8)
    shown = (place.inbox / name).stat()
    assert (place.inbox / name).read_text() == "one\ntwo\n"
    assert stat.S_IMODE(shown.st_mode) == 0o600


def test_the_trash(place: Place) -> None:
    file = place.file("f.txt", "x", "a/x", "b")
    trash = place.root / f".Trash-{os.getuid()}" / "files"
    trash.mkdir(parents=True, exist_ok=True)
    thrown = trash / place.name("thrown")
    os.rename(place.a / "f.txt", thrown)
    assert thrown.read_text() == file.read_text() == "x"
    assert place.tags(file) == {"b"}
    os.rename(thrown, place.a / "f.txt")
    assert place.tags(file) == {"a/x", "b"}
    assert not thrown.exists()
    os.rename(place.a, thrown)
    assert not place.a.exists()
    assert place.tags(file) == {"b"}
    assert os.listdir(thrown) == []
    os.rename(thrown, place.a)
    assert place.tags(file) == {"a/x", "b"}
    assert not thrown.exists()


def test_what_came_out_of_the_trash_is_there_at_once(place: Place) -> None:
    """The kernel moved one folder while the drive put another one there: who looks in the next instant sees that."""
    place.file("f.txt", "x", "a")
    trash = place.root / f".Trash-{os.getuid()}" / "files"
    trash.mkdir(parents=True, exist_ok=True)
    thrown = trash / place.name("thrown")
    looks: list[Callable[[], bool]] = [
        lambda: os.listdir(place.a) == ["f.txt"],
        lambda: (place.a / "f.txt").read_text() == "x",
        lambda: stat.S_ISDIR(place.a.stat().st_mode),
        (place.a / "f.txt").exists,
        lambda: os.listxattr(place.a) is not None,
    ]
    for turn in range(60):
        os.rename(place.a, thrown)
        assert os.listdir(thrown) == []
        os.rename(thrown, place.a)
        assert looks[turn % len(looks)](), turn


def test_what_graphfs_tells(place: Place) -> None:
    file = place.file("f.txt", "x", "a")
    number = os.getxattr(file, "user.graphfs.id").decode()
    assert os.getxattr(place.a / "f.txt", "user.graphfs.path").decode() == str(file.relative_to(place.root))
    assert (place.root / ".graphfs" / "by-id" / number).read_text() == "x"
    assert ".graphfs" not in os.listdir(place.root)
    assert "tags/" in (place.root / ".graphfs" / "help.txt").read_text()
    assert run("cat", place.root / ".graphfs" / "status.json").startswith("{")
    with pytest.raises(OSError, match="not supported"):
        os.setxattr(file, "user.graphfs.id", b"1")


def test_a_working_folder_stays(place: Place) -> None:
    """Two names of one folder never share a node: else the kernel would move the shell's working directory."""
    place.file("f.txt", "x", "a", "b")
    script = f"cd {place.a}/{place.b.name} && ls {place.b}/{place.a.name} {place.b} >/dev/null && pwd -P && ls"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{place.a}/{place.b.name}", "f.txt"]


@pytest.mark.parametrize(
    "command",
    [
        "cp -r Trip {tag}/",
        "cp -a Trip {tag}/",
        "rsync -aHX Trip {tag}/",
        "mkdir {tag}/Trip && rsync -aHX Trip/ {tag}/Trip/",
        "tar -cf Trip.tar Trip && tar -xpf Trip.tar -C {tag}",
        "zip -qr Trip.zip Trip && unzip -q Trip.zip -d {tag}",
        "mv Trip {tag}/",
    ],
    ids=["cp-r", "cp-a", "rsync", "rsync-into", "tar", "unzip", "mv"],
)
def test_a_folder_that_is_copied_into_a_tag(place: Place, tmp_path: Path, command: str) -> None:
    """Whole, and without a complaint of the program: its folders become tags."""
    top = tmp_path / "Trip"
    (top / "Rome" / "deep").mkdir(parents=True)
    (top / "empty").mkdir()
    (top / "Rome").chmod(0o700)
    files = {
        place.name("one.txt"): top,
        place.name("two.txt"): top / "Rome",
        place.name("three.txt"): top / "Rome/deep",
    }
    for name, folder in files.items():
        (folder / name).write_text(name + command)  # another content each time: the Inbox is the session's
    twin = place.name("twin.txt")
    os.link(top / place.name("one.txt"), top / twin)
    os.utime(top / "Rome", (1, 1))
    run("sh", "-c", command.format(tag=place.a), cwd=tmp_path)
    trip = place.a / "Trip"
    assert (trip / "empty").is_dir()
    assert set(os.listdir(trip)) >= {place.name("two.txt"), place.name("three.txt"), "Rome", "empty"}
    for name, folder in files.items():
        assert (trip / folder.relative_to(top) / name).read_text() == name + command
    assert (trip / twin).read_text() == place.name("one.txt") + command
    assert stat.S_IMODE((trip / "Rome").stat().st_mode) == 0o755


@pytest.mark.parametrize("again", [False, True], ids=["new", "the-same-again"])
@pytest.mark.parametrize("command", ["cp --preserve=xattr", "rsync -X", "gio copy"], ids=["cp", "rsync", "gio"])
def test_a_copy_with_its_attributes_has_their_tags_and_those_of_the_place(
    place: Place, command: str, again: bool
) -> None:
    name = place.name("f.txt")
    source = place.file(name, f"{name}{command}{again}", "b/x")
    if again:
        place.inbox.mkdir(exist_ok=True)
        shutil.copyfile(source, place.inbox / name)
        set_tags(place.inbox / name, place.full("kept"))
    run(*command.split(), source, f"{place.a}/")
    wanted = {"a", "b/x", "kept"} if again else {"a", "b/x"}
    eventually(place, lambda: place.tags(place.inbox / name) == wanted)
    eventually(place, lambda: os.listdir(place.a) == [name])  # the tags go over first, then the second one goes
