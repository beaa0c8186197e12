"""The table of operations: all of the boundary, once, and every error with a status."""

import inspect
import re

import pytest

from graphfs import errors, wire
from graphfs.api import Drive
from graphfs.client.drive import HttpDrive
from graphfs.wire.status import FOREIGN
from tests.house.source import ROOT


def test_every_method_of_the_boundary_crosses_or_says_why_not() -> None:
    methods = {name for name, member in inspect.getmembers(Drive, callable) if not name.startswith("_")}
    crossing = {row.name for row in wire.OPERATIONS.values() if row.of_drive}
    assert crossing | wire.NOT_CROSSING == methods
    assert crossing & wire.NOT_CROSSING == set()


def test_the_client_has_every_method_with_the_boundarys_signature() -> None:
    for name, method in inspect.getmembers(Drive, callable):
        if not name.startswith("_"):
            assert inspect.signature(getattr(HttpDrive, name)) == inspect.signature(method), name


def test_every_place_is_taken_once() -> None:
    places = [(row.verb, re.sub(r"{\w+}", "{}", row.path)) for row in wire.OPERATIONS.values()]
    assert len(set(places)) == len(places)


def test_every_operation_is_described() -> None:
    assert [row.name for row in wire.OPERATIONS.values() if len(row.description) < 10] == []


def test_reading_is_idempotent_and_nothing_else_by_itself() -> None:
    twice = {row.name for row in wire.OPERATIONS.values() if row.idempotent and row.verb != "GET"}
    assert twice == {
        "set_attributes", "accessed", "settle", "put_blob", "sync", "change_tags", "put_edges", "purge", "heartbeat",
        "retry", "pause", "remember", "fsck", "gc", "in_the_way", "renew_locks", "drop_locks",
            "inherit",
    }  # fmt: skip
    assert all(row.idempotent for row in wire.OPERATIONS.values() if row.verb == "GET")


def test_every_error_has_a_status() -> None:
    assert set(wire.STATUS) == {code for code, kind in errors.BY_CODE.items() if kind.code == code}
    assert all(400 <= status < 600 for status in wire.STATUS.values())
    assert set(FOREIGN) <= {*wire.STATUS.values(), 429, 502, 503, 504}


@pytest.mark.parametrize("kind", errors.BY_CODE.values(), ids=lambda kind: kind.code)
def test_an_error_crosses_as_itself(kind: type[errors.DriveError]) -> None:
    status, body = wire.reply_of(kind("what \udcff happened"))
    assert status == wire.STATUS[kind.code]
    back = wire.error_of(status, body)
    assert type(back) is kind
    assert str(back) == "what \\udcff happened"


def test_a_kind_of_error_from_above_crosses_as_what_it_is_a_kind_of() -> None:
    class Special(errors.NotFound):
        """Somebody's own."""

    assert type(wire.error_of(*wire.reply_of(Special("x")))) is errors.NotFound


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (502, errors.Unavailable),
        (504, errors.Unavailable),
        (413, errors.TooLarge),
        (404, errors.NotFound),
        (418, errors.DriveError),
    ],
)
def test_a_proxys_page_is_told_by_its_status(status: int, kind: type[errors.DriveError]) -> None:
    for body in (b"<html>Bad gateway</html>", b"", b"{}", b'{"error": 5}', b"\xff\xfe"):
        assert type(wire.error_of(status, body)) is kind
    assert type(wire.error_of(status, b'{"error": {"code": "of tomorrow", "message": "m"}}')) is errors.DriveError


def test_what_nginx_says_itself_is_in_the_form_and_known_from_what_a_main_server_says() -> None:
    pages = re.findall(r"return (\d+) '(.*)';", (ROOT / "nginx/errors.conf").read_text())
    assert {int(status) for status, _ in pages} == {400, 401, 403, 404, 429, 502}
    for status, body in pages:
        away = int(status) in {429, 502}
        assert isinstance(wire.error_of(int(status), body.encode()), errors.Unavailable) == away
        assert wire.is_ours(int(status), body.encode()) != away
    assert wire.is_ours(*wire.reply_of(errors.Unavailable("its store is away")))
    assert not wire.is_ours(503, b"<html>")
