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
    monkeypatch.setattr(binding, "_has", lambda name, _: name in there)
    assert binding.choose(wanted) == taken


@pytest.mark.parametrize(
    ("wanted", "remedy"), [("pyfuse3", "libfuse3-dev"), ("mfusepy", "libfuse3-3"), ("auto", "libfuse2")]
)
def test_what_is_missing_is_said(wanted: str, remedy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binding, "_has", lambda *_: False)
    with pytest.raises(Unavailable, match=remedy):
        binding.choose(wanted)


@pytest.mark.parametrize(("library", "taken"), [("libfuse.so.2", "fusepy"), ("libfuse3.so.3", "mfusepy")])
def test_a_library_that_is_named_takes_the_binding_that_fits_it(library: str, taken: str) -> None:
    """A libfuse 2 under mfusepy's calls for libfuse 3 mounts, and every folder is empty."""
    assert binding.choose("fusepy", library) == taken


def test_a_library_that_is_none_is_said() -> None:
    with pytest.raises(Unavailable, match="is no libfuse"):
        binding.choose("fusepy", "libc.so.6")
    with pytest.raises(Unavailable, match="/no/libfuse"):
        binding.choose("fusepy", "/no/libfuse")
