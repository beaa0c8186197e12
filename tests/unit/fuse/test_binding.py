"""Which binding is taken."""

import pytest

from graphfs.errors import Unavailable
from graphfs.fuse import binding


@pytest.mark.parametrize(
    ("there", "wanted", "taken"),
    [
        ({"pyfuse3", "mfusepy", "fusepy"}, "auto", "pyfuse3"),
        ({"mfusepy", "fusepy"}, "auto", "mfusepy"),
        ({"fusepy"}, "auto", "fusepy"),
        ({"pyfuse3", "mfusepy", "fusepy"}, "fusepy", "mfusepy"),
        ({"pyfuse3", "fusepy"}, "fusepy", "fusepy"),
        ({"pyfuse3", "mfusepy", "fusepy"}, "mfusepy", "mfusepy"),
        ({"pyfuse3"}, "pyfuse3", "pyfuse3"),
    ],
)
def test_the_best_that_is_there(there: set[str], wanted: str, taken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binding, "_has", there.__contains__)
    assert binding.choose(wanted) == taken


@pytest.mark.parametrize(
    ("wanted", "remedy"), [("pyfuse3", "libfuse3-dev"), ("mfusepy", "libfuse3-3"), ("auto", "libfuse2")]
)
def test_what_is_missing_is_said(wanted: str, remedy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binding, "_has", lambda _: False)
    with pytest.raises(Unavailable, match=remedy):
        binding.choose(wanted)
