"""The documentation's links lead somewhere, and its index names every page."""

import re
from pathlib import Path

import pytest

from tests.house.source import ROOT, files, relative

PAGES = [path for path in files() if path.suffix == ".md"]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def headings(path: Path) -> set[str]:
    """The anchors of a page, as the usual renderers make them."""
    found = set()
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            title = re.sub(r"[`*]", "", line.lstrip("#").strip().lower())
            found.add(re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", title)))
    return found


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{relative(page)} -> {link}"
        assert target.is_relative_to(ROOT), f"{relative(page)} -> {link}"
        if anchor and target.suffix == ".md":
            assert anchor in headings(target), f"{relative(page)} -> {link}"


def test_the_index_names_every_page() -> None:
    index = ROOT / "docs" / "index.md"
    text = index.read_text(encoding="utf-8")
    pages = [path.relative_to(index.parent).as_posix() for path in PAGES if path.is_relative_to(index.parent)]
    assert [page for page in pages if page != "index.md" and f"({page})" not in text] == []
