"""Extended attributes that mean something, and `.graphfs/`."""

import json
import os

import pytest

from gateway.service.service import Service
from graphfs.errors import (
    AlreadyExists,
    InvalidArgument,
    NoAttribute,
    NotFound,
    NotPermitted,
    NotSupported,
)
from graphfs.model import Edge, EdgeState, Source, XattrMode
from graphfs.vfs.labels import split_tags
from tests.unit.vfs_tags.shell import Shell

TAGS = "user.xdg.tags"


@pytest.fixture
def filled(sh: Shell) -> Shell:
    sh.write("files/f.txt", "hello")
    return sh


@pytest.mark.parametrize(
    ("value", "tags"),
    [
        (b"a,b", ["a", "b"]),
        (b" a , b b ,, ", ["a", "b b"]),
        (b"a\0", ["a"]),
        (b"year/2024,/year/2023/", ["year/2024", "year/2023"]),
        ('Ärger,it\'s,"best of"'.encode(), ["Ärger", "it's", '"best of"']),
        (b"Jazz,jazz,JAZZ", ["Jazz"]),
        (b"", []),
    ],
)
def test_comma_lists(value: bytes, tags: list[str]) -> None:
    assert split_tags(value) == tags


@pytest.mark.parametrize("value", [b"\xff", b"-a", b"a,.b", b"a..b", b"x\ny"])
def test_lists_that_are_none(filled: Shell, value: bytes) -> None:
    with pytest.raises(InvalidArgument):
        filled.setxattr("files/f.txt", TAGS, value)
    assert filled.tags("files/f.txt") == set()


def test_setting_the_list_gives_and_takes_tags(filled: Shell) -> None:
    filled.tag("files/f.txt", "a", "b c", "year/2024")
    assert filled.getxattr("files/f.txt", TAGS) == "a,b c,year/2024"
    assert filled.files("tags/b c") == ["f.txt"]
    filled.tag("tags/a/f.txt", "year", "year/2024")
    assert filled.tags("files/f.txt") == {"year", "year/2024"}
    filled.tag("files/f.txt", "year/2024")
    assert filled.tags("files/f.txt") == {"year/2024"}
    filled.tag("files/f.txt", "")
    assert filled.tags("files/f.txt") == set()


def test_a_machines_tag_stays_the_machines_until_it_is_left_out(filled: Shell, drive: Service) -> None:
    file = int(filled.getxattr("files/f.txt", "user.graphfs.id"))
    drive.put_edges(filled.caller, file, [Edge("cat", EdgeState.APPLIED, Source.MODEL, "m", confidence=0.9)])
    filled.tag("files/f.txt", "cat", "mine")
    assert {(edge.tag, edge.source) for edge in drive.edges(filled.caller, file)} == {
        ("cat", Source.MODEL),
        ("mine", Source.PERSON),
    }
    filled.tag("files/f.txt", "mine")
    assert ("cat", EdgeState.REJECTED) in {(edge.tag, edge.state) for edge in drive.edges(filled.caller, file)}


def test_create_replace_and_remove(filled: Shell) -> None:
    with pytest.raises(NoAttribute):
        filled.setxattr("files/f.txt", TAGS, "a", XattrMode.REPLACE)
    filled.setxattr("files/f.txt", TAGS, "a", XattrMode.CREATE)
    with pytest.raises(AlreadyExists):
        filled.setxattr("files/f.txt", TAGS, "b", XattrMode.CREATE)
    node = filled.stat("files/f.txt").id
    filled.volume.removexattr(filled.caller, node, TAGS)
    for call in (filled.volume.getxattr, filled.volume.removexattr):
        with pytest.raises(NoAttribute):
            call(filled.caller, node, TAGS)


def test_what_is_listed_can_be_set_elsewhere(filled: Shell) -> None:
    """`cp -a` and `rsync -X` carry what is listed: nothing that is read-only, nothing private."""
    filled.tag("files/f.txt", "a")
    for name in ("user.xdg.comment", "user.baloo.rating", "user.foreign"):
        filled.setxattr("files/f.txt", name, "5")
    node = filled.stat("tags/a/f.txt").id
    names = filled.volume.listxattr(filled.caller, node)
    assert sorted(names) == [
        "user.baloo.rating",
        "user.foreign",
        "user.xdg.comment",
        TAGS,
    ]
    for name in names:
        filled.volume.setxattr(
            filled.caller, node, name, filled.volume.getxattr(filled.caller, node, name), XattrMode.ANY
        )


def test_what_graphfs_tells(filled: Shell, drive: Service) -> None:
    file = int(filled.getxattr("files/f.txt", "user.graphfs.id"))
    said = [
        Edge("cat", EdgeState.REVIEW, Source.MODEL, "m", "p", 0.5, "why", 10**18),
        Edge("pet", EdgeState.APPLIED, Source.RULE, "r", confidence=0.8, at=10**18),
        Edge("dog", EdgeState.REJECTED, Source.MODEL, "m", confidence=0.9),
    ]
    drive.put_edges(filled.caller, file, said)
    filled.tag("files/f.txt", "pet", "year/2024/may", "year/2024")
    assert json.loads(filled.getxattr("files/f.txt", "user.graphfs.tags.auto")) == [
        {
            "tag": "pet",
            "confidence": 0.8,
            "source": "rule",
            "model": "r",
            "time": "2001-09-09T01:46:40+00:00",
            "state": "applied",
            "prompt": "",
            "evidence": "",
        },
        {
            "tag": "cat",
            "confidence": 0.5,
            "source": "model",
            "model": "m",
            "time": "2001-09-09T01:46:40+00:00",
            "state": "review",
            "prompt": "p",
            "evidence": "why",
        },
    ]
    assert filled.getxattr("files/f.txt", "user.graphfs.tags.implied") == "year"
    assert filled.getxattr("tags/pet/f.txt", "user.graphfs.path") == "files/f.txt"
    assert filled.getxattr("files/f.txt", "user.graphfs.state") == "queued"
    for name in ("user.graphfs.score", "user.graphfs.nothing"):
        with pytest.raises(NoAttribute):
            filled.getxattr("files/f.txt", name)


def test_what_graphfs_tells_cannot_be_set(filled: Shell) -> None:
    node = filled.stat("files/f.txt").id
    with pytest.raises(NotSupported):
        filled.setxattr("files/f.txt", "user.graphfs.id", "1")
    with pytest.raises(NotSupported):
        filled.volume.removexattr(filled.caller, node, "user.graphfs.id")


def test_tags_of_what_is_no_file_are_kept_as_they_are(filled: Shell) -> None:
    filled.mkdir("files/d")
    filled.setxattr("files/d", TAGS, "a,b")
    node = filled.stat("files/d").id
    assert filled.volume.listxattr(filled.caller, node) == [TAGS]
    assert filled.getxattr("files/d", TAGS) == "a,b"
    assert not filled.exists("tags/a")
    filled.volume.removexattr(filled.caller, node, TAGS)
    assert filled.volume.listxattr(filled.caller, node) == []


def test_folders_that_are_questions_have_no_attributes(filled: Shell) -> None:
    node = filled.stat("tags").id
    assert filled.volume.listxattr(filled.caller, node) == []
    with pytest.raises(NoAttribute):
        filled.volume.getxattr(filled.caller, node, TAGS)


# -- .graphfs/


def test_the_control_folder_lists_its_files(filled: Shell) -> None:
    assert filled.ls(".graphfs") == ["status.json", "journal", "help.txt", "by-id"]
    assert ".graphfs" not in [name for name, _ in filled.entries("")]


def test_status_is_json(filled: Shell) -> None:
    status = json.loads(filled.read(".graphfs/status.json"))
    assert status["files"] == 1
    assert filled.stat(".graphfs/status.json").size == len(filled.read(".graphfs/status.json"))


def test_the_journal_tells_who_changed_what(filled: Shell) -> None:
    filled.tag("files/f.txt", "a")
    number, at, actor, changes, why = filled.read(".graphfs/journal").decode().splitlines()[0].split("\t")
    assert int(number) > 0
    assert at.endswith("+00:00")
    assert (actor, changes, why) == ("uid:0", "2", "user.xdg.tags was set")


def test_help_names_the_folders(filled: Shell) -> None:
    text = filled.read(".graphfs/help.txt").decode()
    assert "files/" in text
    assert "tags/" in text


def test_a_file_is_found_by_its_id(filled: Shell) -> None:
    number = filled.getxattr("files/f.txt", "user.graphfs.id")
    assert filled.stat(f".graphfs/by-id/{number}").id == filled.stat("files/f.txt").id
    assert filled.ls(".graphfs/by-id") == []
    for name in ("999999", "x", "-1", "９", "1" * 40):
        with pytest.raises(NotFound):
            filled.stat(f".graphfs/by-id/{name}")


def test_nothing_can_be_changed_there(filled: Shell) -> None:
    for change in (
        lambda: filled.mkdir(".graphfs/x"),
        lambda: filled.create(".graphfs/x"),
        lambda: filled.rm(".graphfs/journal"),
        lambda: filled.rmdir(".graphfs/by-id"),
        lambda: filled.mv("files/f.txt", ".graphfs/f.txt"),
        lambda: filled.mv(".graphfs/journal", "files/journal"),
        lambda: filled.mv(".graphfs/journal", ".graphfs/x"),
        lambda: filled.ln("files/f.txt", ".graphfs/f.txt"),
        lambda: filled.ln_s("x", ".graphfs/y"),
        lambda: filled.volume.open(filled.caller, filled.stat(".graphfs/journal").id, os.O_WRONLY),
    ):
        with pytest.raises(NotPermitted):
            change()
