"""The reference in docs/query.md says what is so: every row of its table means the same as a path and as a text."""

import re
from pathlib import Path

import pytest

from graphfs.names import fold
from graphfs.query.evaluate import Graph
from graphfs.query.parser import parse
from graphfs.query.render import render
from graphfs.query.text import parse_text

PAGE = (Path(__file__).parents[3] / "docs" / "query.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `tags/([^`]+)` \| `([^`]+)` \|", PAGE, re.MULTILINE)


def vocabulary() -> Graph:
    """The tags that the page's first block names."""
    ids: dict[tuple[str, ...], int] = {}
    parents, names = {}, {}
    for line in PAGE.split("```text\n")[1].split("```")[0].splitlines():
        levels = line.split("/")
        for depth in range(1, len(levels) + 1):
            path = tuple(fold(level) for level in levels[:depth])
            if path not in ids:
                ids[path] = len(ids) + 1
                parents[ids[path]], names[ids[path]] = ids.get(path[:-1], 0), levels[depth - 1]
    return Graph(parents=parents, tag_names=names)


@pytest.mark.parametrize(("path", "text"), ROWS)
def test_the_table_is_right(path: str, text: str) -> None:
    graph = vocabulary()
    query = parse(path.split("/"), graph).query
    assert parse_text(text, graph) == query
    assert parse_text(render(query, graph), graph) == query


def test_the_table_was_found() -> None:
    assert len(ROWS) >= 24
