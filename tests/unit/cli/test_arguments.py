"""What people type, and what it means."""

import pytest

from graphfs.cli.arguments import commands_of, make_parser, parse
from graphfs.cli.exits import USAGE
from graphfs.cli.tagging import split_tags


def nothing(_: str) -> None:
    return None


@pytest.mark.parametrize(
    ("words", "query", "count"),
    [
        (["report", "-draft"], ["report", "-draft"], False),
        (["-draft"], ["-draft"], False),
        (["-c", "-draft", "report"], ["-draft", "report"], True),
        (["report", "-c", "-n", "3"], ["report"], True),
        (["-count"], ["-count"], False),
        (["-q", "--limit", "3", "-draft", "-0"], ["-draft"], False),
        (["--", "-c"], ["-c"], False),
        (["(a,b) -c"], ["(a,b) -c"], False),
    ],
)
def test_a_query_may_negate(words: list[str], query: list[str], count: bool) -> None:
    given = parse(["find", *words], nothing)
    assert (given.query, given.count) == (query, count)


def test_options_of_all_commands_stand_before_or_after() -> None:
    for words in (["--json", "--state", "s", "status"], ["status", "--json", "--state", "s"]):
        given = parse(words, nothing)
        assert (given.json, given.state, given.server, given.quiet) == (True, "s", None, False)


def test_a_command_called_find_is_not_looked_for_in_names() -> None:
    given = parse(["tag", "find", "-r", "x"], nothing)
    assert (given.command, given.words, given.recursive) == ("tag", ["find", "x"], True)


@pytest.mark.parametrize(
    "words",
    [["-rt", "a", "f", "g"], ["f", "-t", "a", "-r", "g"], ["f", "g", "-r", "-ta"], ["-r", "-t", "a", "--", "f", "g"]],
)
def test_options_stand_anywhere(words: list[str]) -> None:
    given = parse(["tag", *words], nothing)
    assert (given.words, given.tags, given.recursive) == (["f", "g"], ["a"], True)


def test_the_environment_says_which_drive() -> None:
    variables = {"GRAPHFS_STATE": "/s", "GRAPHFS_SERVER": "http://h"}
    given = parse(["status"], variables.get)
    assert (given.state, given.server) == ("/s", "http://h")
    assert parse(["status", "--state", "/t"], variables.get).state == "/t"


@pytest.mark.parametrize("words", [[], ["dance"], ["find"], ["tag"], ["log", "-n", "x"], ["wait", "--timeout", "-1"]])
def test_what_makes_no_command_is_told_with_a_hint(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(words, nothing)
    assert ended.value.code == USAGE
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("usage: graphfs")
    assert told.err.count("\n") > 2


def test_tags_are_split_at_commas_once_each() -> None:
    assert split_tags(["a, b", "c d,a", ""]) == ["a", "b", "c d"]


@pytest.mark.parametrize("name", commands_of(make_parser()))
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse([name, "--help"], nothing)
    assert ended.value.code == 0
    assert f"usage: graphfs {name}" in capsys.readouterr().out
