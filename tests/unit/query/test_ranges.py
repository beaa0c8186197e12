"""Which names lie between two ends."""

import pytest

from graphfs.query.ranges import backwards, range_test, split_range


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("2020..2024", ["2020", "2022", "2024", "02020.0"], ["2019", "2025", "20221", "later", "2022a", "２０２２"]),
        ("9..10", ["9", "9.5", "10"], ["8.9", "10.1", "1"]),
        ("2020..", ["2020", "10000"], ["999", "now"]),
        ("..3.5", ["0", "3.5"], ["3.51", "a"]),
        ("a..f", ["a", "apollo", "f", "fax"], ["g", "9", "é"]),
        ("A..F", ["b"], ["g"]),
        ("2024-01..2024-03", ["2024-01", "2024-02-29", "2024-03-31"], ["2023-12", "2024-04", "2024"]),
        ("a..5", [], ["a", "5"]),
        ("项..", ["项目"], ["a"]),
        ("O'Brien..", ["o'brien", "p"], ["o", "a"]),
    ],
)
def test_between(text: str, inside: list[str], outside: list[str]) -> None:
    ends = split_range(text)
    assert ends is not None
    test = range_test(*ends)
    assert [name for name in inside if not test(name)] == []
    assert [name for name in outside if test(name)] == []


@pytest.mark.parametrize("text", ["", "..", "...", "a", "a...b", "a..b..c", " a..b", "a,b..c", "-a..b", "a../b"])
def test_no_range(text: str) -> None:
    assert split_range(text) is None


def test_ends_are_folded() -> None:
    assert split_range("É..Straße") == ("é", "strasse")


@pytest.mark.parametrize(
    ("text", "so"), [("5..4", True), ("b..a", True), ("10..9", True), ("9..10", False), ("fax..f", False)]
)
def test_backwards(text: str, so: bool) -> None:
    ends = split_range(text)
    assert ends is not None
    assert backwards(*ends) is so
