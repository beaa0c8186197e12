"""`-o` as mount(8) writes it."""

import pytest

from graphfs.errors import InvalidArgument
from graphfs.mounting.options import parse_options


def test_several_in_one_and_in_many() -> None:
    assert parse_options(["binding=fusepy,tag_entries=symlink", "allow_other"]) == (
        {"mount.binding": "fusepy", "mount.tag_entries": "symlink", "mount.allow_other": "true"},
        False,
    )


def test_the_later_wins() -> None:
    assert parse_options(["ro,rw", "binding=a", "binding=b"]) == ({"mount.binding": "b"}, False)
    assert parse_options(["ro"])[1] is True


@pytest.mark.parametrize("option", ["nonsense", "bindings=x", "ro=1"])
def test_an_unknown_one_is_refused_by_name(option: str) -> None:
    with pytest.raises(InvalidArgument, match=f"{option}.*known are"):
        parse_options([option])


def test_a_missing_value_is_said() -> None:
    with pytest.raises(InvalidArgument, match="binding=\\.\\.\\."):
        parse_options(["binding"])


def test_what_fstab_adds_is_ignored() -> None:
    assert parse_options(["defaults,_netdev", ""]) == ({}, False)


def test_who_keeps_locks_is_a_setting() -> None:
    assert parse_options(["ro,locks=server"]) == ({"mount.locks": "server"}, True)
