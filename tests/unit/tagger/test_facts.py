"""Tags that follow from facts, and names that the drive takes."""

import pytest

from graphfs.names import split_tag_path
from tagger.extract.result import Extract, Kind
from tagger.suggest import facts
from tagger.suggest.subject import Subject, Wishes


def tags(path: str, extract: Extract, **wishes: tuple[str, ...]) -> set[str]:
    subject = Subject(1, path, "c", extract)
    return {one.tag for one in facts.suggest(subject, Wishes(**wishes), 2026)}


def test_type_year_people() -> None:
    photo = Extract(Kind.IMAGE, "image/jpeg", properties={"date": "2018-07-21", "camera": "D750", "make": "NIKON CORP"})
    assert tags("files/DCIM/a.jpg", photo) == {"type/image", "year/2018", "camera/NIKON D750"}
    song = Extract(Kind.AUDIO, "audio/ogg", properties={"artist": "AC/DC", "date": "1979"})
    assert tags("files/a.ogg", song) == {"type/audio", "year/1979", "artist/AC DC"}
    code = Extract(Kind.CODE, "text/x-c", properties={"programming language": "C++"})
    assert "type/code/c++" in tags("files/a.cpp", code)


@pytest.mark.parametrize(
    ("author", "named"),
    [
        ("Mina Okafor", True),
        ("王小明", True),
        ("user", False),
        ("Microsoft Word 2016", False),
        ("x123 y", False),
        ("LaTeX with hyperref", False),
        ("Unknown Author", False),
        ("未知作者", False),
    ],
)
def test_who_is_a_person(author: str, named: bool) -> None:
    assert facts.is_person(author) is named


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("files/Photos/2019-07 Norway/a.jpg", {"photos", "norway", "year/2019"}),
        ("files/Inbox/a.jpg", set()),
        ("files/src/tmp/ab12cd34ef/a.jpg", set()),
        ("files/.hidden/Recipes/a.jpg", {"recipes"}),
        ("files/新建文件夹/水稻/a.jpg", {"水稻"}),
        ("files/a/b/c/d/e/f/a.jpg", set()),
        ("files/1999/2150/a.jpg", {"year/1999"}),
    ],
)
def test_folders(path: str, expected: set[str]) -> None:
    assert tags(path, Extract(Kind.IMAGE, "image/png")) == {"type/image"} | expected


def test_fixed_tags_of_a_folder() -> None:
    assert "project/apollo" in tags("files/a", Extract(Kind.TEXT, "text/plain"), fixed=("project/apollo", "..", "+x/"))


@pytest.mark.parametrize("raw", ["a,b", "..", "+not", "-x", ".hidden", "a\x00b\n", "\udcff", " ", "x" * 300, "e\u0301"])
def test_every_clean_name_is_a_tags_name(raw: str) -> None:
    name = facts.clean_path(raw)
    if name:
        split_tag_path(name)
