"""The command line in a mounted drive: which drive is meant, paths as a shell has them, and unmounting."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.command_line import ODD, CommandLine, folder_of
from tests.system.mounts import Place, ended, place


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One mount for the tests of this page; each has files and tags of its own."""
    with place(tmp_path_factory.mktemp("mounted") / "a b") as made:
        done = made.mount()
        assert done.returncode == 0, done.stderr + made.log
        yield made


@pytest.fixture
def cli(there: Place) -> CommandLine:
    return CommandLine().at(there)


def test_the_drive_of_the_current_directory(there: Place, cli: CommandLine) -> None:
    files = folder_of(there.drive / "files" / "one", {"a.txt": b"a", "sub/b.txt": b"b"})
    cli("tag", "a.txt", "mars", cwd=files)
    cli("tag", "../a.txt", "b.txt", cwd=files / "sub", code=8)
    cli("tag", "-t", "mars", "b.txt", cwd=files / "sub")
    assert cli("find", "mars", cwd=files / "sub").lines == ["../a.txt", "b.txt"]
    assert cli("find", "mars", cwd=there.drive / "tags").lines == ["../files/one/a.txt", "../files/one/sub/b.txt"]
    assert cli("ls", cwd=files).lines == ["a.txt\tmars", "sub/"]
    assert cli("ls", cwd=there.drive / "tags" / "mars").lines == ["a.txt\tmars", "b.txt\tmars"]
    cli("untag", "a.txt", "mars", cwd=there.drive / "tags" / "mars")
    assert cli("find", "mars", cwd=files).lines == ["sub/b.txt"]
    assert os.listdir(there.drive / "tags" / "mars") == ["b.txt"]


def test_a_drive_by_a_path_and_from_outside(there: Place, cli: CommandLine, tmp_path: Path) -> None:
    files = folder_of(there.drive / "files" / "two", {"a.txt": b"a"})
    cli("tag", str(files / "a.txt"), "venus", cwd=tmp_path)
    assert cli("tags", str(there.drive / "tags" / "venus" / "a.txt"), cwd=tmp_path).lines[0].endswith(": venus")
    assert cli("status", str(files), "--json", cwd=tmp_path).json["mount"]["mount_point"] == str(there.drive)
    assert cli("ls", "-C", str(files), cwd=tmp_path).lines == ["a.txt\tvenus"]
    said = cli("ls", str(tmp_path), cwd=tmp_path, code=3)
    assert "is not on a GraphFS drive" in said.err
    os.symlink(files, tmp_path / "elsewhere")
    assert cli("ls", str(tmp_path / "elsewhere"), cwd=tmp_path).lines == ["a.txt\tvenus"]
    assert cli("ls", "--state", str(there.state), "files/two", cwd=tmp_path).lines == ["a.txt\tvenus"]


def test_what_find_prints_goes_into_xargs(there: Place, cli: CommandLine, tmp_path: Path) -> None:
    files = folder_of(there.drive / "files" / "three", {name: name.encode("utf-8", "surrogateescape") for name in ODD})
    cli("tag", "-r", "-t", "odd", ".", cwd=files)
    finding = subprocess.run(
        cli.command("find", "-0", "odd"), cwd=files, env=cli.surroundings(), capture_output=True, check=True
    )
    subprocess.run(["xargs", "-0", "cp", "-t", str(tmp_path)], input=finding.stdout, cwd=files, check=True)
    assert sorted(os.listdir(tmp_path)) == sorted(ODD)
    for name in ODD:
        assert (tmp_path / name).read_bytes() == os.fsencode(name)


def test_links_stand_for_their_file(there: Place, cli: CommandLine) -> None:
    files = folder_of(there.drive / "files" / "four", {"sub/a.txt": b"a"})
    os.symlink("sub/a.txt", files / "link")
    os.symlink("loop", files / "loop")
    cli("tag", "link", "linked", cwd=files)
    assert cli("find", "linked", cwd=files).lines == ["sub/a.txt"]
    cli("tag", "loop", "linked", cwd=files, code=18)


def test_what_was_deleted_comes_back_under_the_name_it_has_here(there: Place, cli: CommandLine) -> None:
    files = folder_of(there.drive / "files" / "five", {"a.txt": b"precious"})
    (files / "a.txt").unlink()
    assert cli("restore", "a.txt", cwd=files).lines == ["a.txt"]
    assert (files / "a.txt").read_bytes() == b"precious"


def test_import_and_export_know_the_drive(there: Place, cli: CommandLine, tmp_path: Path) -> None:
    source = folder_of(tmp_path / "docs", {"a.txt": b"a"})
    cli("import", "--tag", "brought", str(source), cwd=there.drive / "files")
    assert (there.drive / "files" / "docs" / "a.txt").read_bytes() == b"a"
    assert os.getxattr(there.drive / "files" / "docs" / "a.txt", "user.xdg.tags") == b"brought"
    cli("import", "--to", "deeper", str(source), cwd=there.drive / "files" / "docs")
    assert (there.drive / "files" / "docs" / "deeper" / "a.txt").exists()
    cli("import", str(there.drive / "files" / "docs"), code=8)
    cli("export", str(there.drive / "files" / "backup"), code=8)
    cli("watch", "--once", str(there.drive / "files" / "docs"), code=8)


def test_mounts_are_listed(there: Place, cli: CommandLine) -> None:
    found = {one["mount_point"]: one["record"] for one in cli("mounts", "--json").json}
    assert found[str(there.drive)]["state"] == str(there.state)
    assert str(there.drive) in cli("status").text
    assert cli("status", "--json").json["tagger"] is None


def test_mount_and_unmount(tmp_path: Path) -> None:
    with place(tmp_path) as made:
        cli = CommandLine(
            (), Path("/"), {"XDG_RUNTIME_DIR": str(tmp_path / "runtime"), "GRAPHFS_TAGGER__ENABLED": "false"}
        )
        cli("mount", str(made.drive), "--state", str(made.state))
        pid = made.record.pid
        assert sorted(os.listdir(made.drive)) == ["files", "tags"]
        with (made.drive / "files" / "f").open("w"):
            assert "is in use by" in cli("unmount", str(made.drive), code=21).err
        assert cli("unmount", str(made.drive), "--json").json == {"unmounted": str(made.drive)}
        assert ended(pid, 0)
        cli("unmount", str(made.drive), code=3)
        assert cli("fsck", "--verify", "--state", str(made.state)).err == "Everything agrees.\n"
