"""Rules of names, short ids, and how files of one name are told apart."""

import os
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphfs.errors import InvalidArgument, NameTooLong
from graphfs.names import (
    check_file_name,
    check_tag_name,
    derived_name,
    display_name,
    display_names,
    fold,
    join_tag_path,
    parse_derived,
    parse_short_id,
    resolve_name,
    short_id,
    split_extension,
    split_tag_path,
)

STRANGE = [
    "O'Brien",
    'say "hi"',
    "🦊 fox",
    "项目",
    "'; DROP TABLE tags; --",
    "x'}) DETACH DELETE n",
    "line\nbreak",
    "C:\\temp",
    "été",
    os.fsdecode(b"caf\xe9"),
]

file_names = st.binary(min_size=1, max_size=255).map(
    lambda raw: os.fsdecode(raw.replace(b"/", b"_").replace(b"\0", b"_"))
)
file_names = file_names.filter(lambda name: name not in {".", ".."})
ids = st.integers(min_value=0, max_value=2**62)


@pytest.mark.parametrize("name", [*STRANGE, "x" * 255, "字" * 85, "...", ".hidden", "-rf", "a,b", "+not"])
def test_files_may_be_called_almost_anything(name: str) -> None:
    assert check_file_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "nul\0"])
def test_files_may_not_be_called_so(name: str) -> None:
    with pytest.raises(InvalidArgument):
        check_file_name(name)


@pytest.mark.parametrize("name", ["x" * 256, "字" * 86, os.fsdecode(b"\xff" * 256)])
def test_long_names_of_files_are_counted_in_bytes(name: str) -> None:
    with pytest.raises(NameTooLong, match="shorten"):
        check_file_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "O'Brien",
        'say "hi"',
        "🦊 fox",
        "👩‍👩‍👧",
        "项目",
        "'; DROP TABLE tags; --",
        "x'}) DETACH DELETE n",
        "C++",
        "a.b",
        "50%",
        "x" * 200,
    ],
)
def test_tags_may_be_called_so(name: str) -> None:
    assert check_tag_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        " a",
        "a ",
        "\u3000a",
        ".a",
        "+a",
        "-a",
        "a,b",
        "a/b",
        "a..b",
        "a\nb",
        "a\0b",
        "a\x85b",
        os.fsdecode(b"caf\xe9"),
    ],
)
def test_tags_may_not_be_called_so(name: str) -> None:
    with pytest.raises(InvalidArgument, match=r"write|take|begin|leave"):
        check_tag_name(name)


def test_a_tag_name_is_composed_and_then_measured() -> None:
    assert check_tag_name("e\u0301") == "\u00e9"
    assert check_tag_name("e\u0301" * 100) == "\u00e9" * 100
    with pytest.raises(NameTooLong, match="200"):
        check_tag_name("字" * 67)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Apollo", "aPOLLO"), ("É", "e\u0301"), ("Straße", "STRASSE"), ("ΣΊΣΥΦΟΣ", "σίσυφος"), ("ᾳ", "ΑΙ"), ("K", "k")],
)
def test_names_that_differ_in_case_or_composition_fold_alike(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@given(st.text())
def test_folding_is_stable(name: str) -> None:
    key = fold(name)
    assert fold(key) == key
    assert fold(unicodedata.normalize("NFD", name)) == key
    assert fold(unicodedata.normalize("NFC", name)) == key


def test_tag_paths() -> None:
    assert split_tag_path("project/Apollo 11") == ("project", "Apollo 11")
    assert join_tag_path(("project", "Apollo 11")) == "project/Apollo 11"
    for bad in ("", "/a", "a/", "a//b", "a/../b"):
        with pytest.raises(InvalidArgument):
            split_tag_path(bad)


def test_short_ids() -> None:
    assert [short_id(number) for number in (0, 31, 32, 1_000_000)] == ["0", "z", "10", "ygj0"]
    for other in ("", "00", "01", "A", "i", "l", "o", "u", "-1", " 1", "1\n", "١", "z" * 14):
        assert parse_short_id(other) is None


@given(ids)
def test_short_ids_round_trip(number: int) -> None:
    assert parse_short_id(short_id(number)) == number


@pytest.mark.parametrize(
    ("name", "derived"),
    [
        ("report.pdf", "report~4k.pdf"),
        ("a.tar.gz", "a~4k.tar.gz"),
        (".bashrc", ".bashrc~4k"),
        (".config.json", ".config~4k.json"),
        (".tar.gz", ".tar~4k.gz"),
        ("README", "README~4k"),
        ("Mr. Smith", "Mr. Smith~4k"),
        ("ends.", "ends.~4k"),
        ("draft.txt~", "draft.txt~~4k"),
        ("项目.文档", "项目~4k.文档"),
        ("no.extension-that-is-this-long", "no.extension-that-is-this-long~4k"),
    ],
)
def test_derived_names(name: str, derived: str) -> None:
    assert derived_name(name, 147) == derived
    assert parse_derived(derived) == 147


def test_a_long_stem_is_cut_between_characters() -> None:
    derived = derived_name("字" * 83 + ".txt", 147)
    assert derived == "字" * 82 + "~4k.txt"
    assert len(os.fsencode(derived)) <= 255


@given(file_names, ids)
def test_derived_names_are_names_and_resolve(name: str, number: int) -> None:
    derived = derived_name(name, number)
    assert check_file_name(derived) == derived
    assert parse_derived(derived) == number
    assert split_extension(derived)[1] == split_extension(name)[1]
    assert os.fsdecode(os.fsencode(derived)) == derived


@pytest.mark.parametrize("name", ["report.pdf", "a~.txt", "a~U.txt", "~", "a~01", ""])
def test_other_names_are_no_derived_ones(name: str) -> None:
    assert parse_derived(name) is None


def test_the_first_file_keeps_the_name() -> None:
    assert display_names([(3, "a.txt"), (1, "a.txt"), (2, "b")]) == ["a~3.txt", "a.txt", "b"]


def test_a_sub_folder_keeps_the_name() -> None:
    assert display_names([(1, "report"), (2, "x")], {"report"}) == ["report~1", "x"]


def test_a_derived_name_belongs_to_its_file() -> None:
    files = [(1, "a.txt"), (7, "a.txt"), (9, "a~7.txt"), (11, "a~7~9.txt")]
    assert display_names(files) == ["a.txt", "a~7.txt", "a~7~9.txt", "a~7~9~b.txt"]


def test_a_folder_may_even_be_called_like_a_derived_name() -> None:
    assert display_names([(7, "a.txt")], {"a.txt", "a~7.txt", "a~~7.txt"}) == ["a~~~7.txt"]


few_names = st.sampled_from(
    ["a", "a.txt", "a~1", "a~2", "a~1.txt", "a~2.txt", "a~1~2", "a~2~1.txt", "a~~1", "b", "x" * 255]
)
few_files = st.lists(st.tuples(st.integers(0, 12), few_names), unique_by=lambda one: one[0])


@given(few_files, st.sets(few_names.filter(lambda name: len(name) <= 200)))
def test_shown_names_are_unique_stable_and_resolve(files: list[tuple[int, str]], taken: set[str]) -> None:
    shown = display_names(files, taken)
    assert len(set(shown)) == len(files)
    assert not taken & set(shown)
    assert dict(zip((one for one, _ in files), shown, strict=True)) == dict(
        zip((one for one, _ in sorted(files)), display_names(sorted(files), taken), strict=True)
    )
    by_name = dict(zip(shown, (number for number, _ in files), strict=True))
    real = dict(files)
    for number, name in files:
        assert resolve_name(shown[files.index((number, name))], by_name, real.get) == number
        form = derived_name(name, number)
        if form not in taken and by_name.get(form, number) == number:
            assert resolve_name(form, by_name, real.get) == number
        if name not in taken and all(other >= number for other, same in files if same == name):
            claimed = {
                derived_name(same, other, tildes=n) for other, same in files if other != number for n in (1, 2, 3, 4)
            }
            assert shown[files.index((number, name))] == name or name in claimed
    assert resolve_name("nothing.txt", by_name, real.get) is None
    assert resolve_name("nothing~1.txt", by_name, real.get) is None


@given(few_files, st.sets(few_names.filter(lambda name: len(name) <= 200)))
def test_one_name_is_found_without_the_others(files: list[tuple[int, str]], taken: set[str]) -> None:
    younger = {number for number, name in files if any(same == name and older < number for older, same in files)}
    real = dict(files)
    assert display_names(files, taken & set(real.values()), taken.__contains__) == [
        display_name(number, name, younger.__contains__, taken.__contains__, real.get) for number, name in files
    ]


def test_100_000_names_take_no_time() -> None:
    apart = [(number, f"file {number}.txt") for number in range(100_000)]
    alike = [(number, f"file {number % 1000}.txt") for number in range(100_000)]
    folders = {f"tag {number}" for number in range(500)}
    assert min(_seconds(apart, folders) for _ in range(5)) < 0.1
    assert min(_seconds(alike, folders) for _ in range(2)) < 1


def _seconds(files: list[tuple[int, str]], taken: set[str]) -> float:
    start = time.process_time()
    display_names(files, taken)
    return time.process_time() - start
