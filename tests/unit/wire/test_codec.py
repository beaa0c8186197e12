"""Requests and replies, there and back."""

import os
import stat
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphfs import wire
from graphfs.errors import InvalidArgument, Unavailable
from graphfs.model import (
    AttributeChange,
    Caller,
    Edge,
    EdgeState,
    Entry,
    Extent,
    Layout,
    Node,
    Outcome,
    Patch,
    Replace,
    Source,
    Suggestion,
    View,
)

NODE = Node(7, stat.S_IFREG | 0o644, 1, 2, 0, 5, 5, -1, 2**62, 3, 1, 2, 3, 9)
names = st.binary(min_size=1, max_size=40).map(os.fsdecode)


def there_and_back(name: str, values: dict[str, Any]) -> dict[str, Any]:
    """What a server understands of what a client sends."""
    operation = wire.OPERATIONS[name]
    asked = wire.request(operation, values)
    assert asked.target.isascii()
    parts = urlsplit(asked.target)
    pattern = operation.path.split("/")
    raw = parts.path.split("/")
    if pattern[-1] == "{path}":
        raw = [*raw[: len(pattern) - 1], "/".join(raw[len(pattern) - 1 :])]
    in_path = {key[1:-1]: value for key, value in zip(pattern, raw, strict=True) if key.startswith("{")}
    got = wire.arguments(operation, in_path, parts.query, asked.body or b"")
    return {key: value for key, value in got.items() if key in values}


@given(name=names, folder=st.integers(0, 2**63 - 1))
def test_names_of_any_bytes(name: str, folder: int) -> None:
    for operation in ("lookup", "create", "unlink"):
        values = {"folder": folder, "name": name} | ({"mode": 0o100644} if operation == "create" else {})
        assert there_and_back(operation, values) == values
    assert there_and_back("xattr", {"node": 3, "name": name}) == {"node": 3, "name": name}
    assert there_and_back("read_file", {"path": name}) == {"path": name}
    assert there_and_back("view", {"path": [name, "x", name]}) == {"path": [name, "x", name]}


@given(names)
def test_replies_hold_names_of_any_bytes(name: str) -> None:
    operation = wire.OPERATIONS["children"]
    entries = [Entry(1, name, NODE), Entry(2, "plain", NODE)]
    text = wire.reply(operation, entries)
    assert wire.answer(operation, text) == entries
    assert text.decode("utf-8")


def test_every_byte() -> None:
    name = os.fsdecode(bytes(one for one in range(1, 256) if one != ord("/")))
    assert there_and_back("rename", {"folder": 1, "name": name, "new_folder": 2, "new_name": name}) == {
        "folder": 1, "name": name, "new_folder": 2, "new_name": name,
    }  # fmt: skip


def test_records() -> None:
    digest = bytes(range(32))
    patches = [Patch(0, 3, digest, 4, b"\0\xff!"), Patch(5, 2), Patch(9, 9, digest)]
    cases: list[tuple[str, dict[str, Any]]] = [
        ("commit", {"node": 1, "base": 2, "size": 30, "patches": patches, "mtime": -5, "durable": True}),
        ("set_attributes", {"node": 1, "change": AttributeChange(mode=0o644, mtime=-1)}),
        (
            "put_edges",
            {"file": 1, "edges": [Edge("a/b", EdgeState.REVIEW, Source.MODEL, evidence="\udc80")], "why": "w"},
        ),
        ("finish", {"file": 1, "lease": "l", "outcome": Outcome("tagged", (Suggestion("t", 0.5),), retry_after=1.5)}),  # type: ignore[arg-type]  # a StrEnum's value
        ("rename", {"folder": 1, "name": "a", "new_folder": 2, "new_name": "b", "replace": Replace.EXCHANGE}),
        ("put_blob", {"digest": digest, "durable": True}),
        ("read_blob", {"digest": digest, "start": 1, "length": 2}),
        ("recover", {"path": "files/a", "layout": Layout(0, 9, (Extent(0, 9, digest),))}),
        ("accessed", {"times": [(1, 2), (3, 4)]}),
        ("change_tags", {"files": [1, 2], "add": ["a"], "remove": [], "why": ""}),
        ("lease", {"worker": "w", "limit": 3, "seconds": 0.5}),
    ]
    for name, values in cases:
        got = there_and_back(name, values)
        assert wire.encode(got) == wire.encode(values), name


def test_answers() -> None:
    digest = bytes(32)
    cases: list[tuple[str, Any]] = [
        ("layout", Layout(3, 10, (Extent(0, 4, digest), Extent(6, 4, digest, 2)))),
        ("view_entry", NODE),
        ("view_entry", View(("a",), True, 1, 2)),
        ("remembered", None),
        ("remembered", ("a", "\udc80")),
        ("xattr", b"\0\xff"),
        ("readlink", "\udcff"),
        ("unlink", None),
        ("heartbeat", False),
        ("drop_tag", 7),
    ]
    for name, value in cases:
        operation = wire.OPERATIONS[name]
        assert wire.answer(operation, wire.reply(operation, value)) == value


@pytest.mark.parametrize(
    ("name", "path", "query", "body"),
    [
        ("create", {"folder": "2"}, "", b"{"),
        ("create", {"folder": "2"}, "", b"[]"),
        ("create", {"folder": "2"}, "", b"\xff"),
        ("create", {"folder": "2"}, "", b""),
        ("create", {"folder": "2"}, "", b'{"name": "a"}'),
        ("create", {"folder": "2"}, "", b'{"name": "a", "mode": "33188"}'),
        ("create", {"folder": "2"}, "", b'{"name": "a", "mode": 33188, "unknown": 1}'),
        ("create", {"folder": "2"}, "", b'{"name": "a\\ud800b", "mode": 33188}'),
        ("create", {"folder": "2"}, "", b'{"name": "a", "mode": 99999999999999999999}'),
        ("create", {"folder": "2"}, "mode=33188&name=a", b"{}"),
        ("create", {"folder": "two"}, "", b'{"name": "a", "mode": 33188}'),
        ("create", {"folder": "1e9999"}, "", b'{"name": "a", "mode": 33188}'),
        ("create", {"folder": "2"}, "", b"[" * 100_000),
        ("set_attributes", {"node": "2"}, "", b'{"change": {"size": 5}}'),
        ("finish", {}, "", b'{"file": 1, "lease": "l", "outcome": {"state": "nonsense"}}'),
        ("put_edges", {"file": "2"}, "", b'{"edges": [{"tag": "x", "colour": "red"}]}'),
        ("lease", {}, "", b'{"worker": "w", "limit": 1, "seconds": 1e300}'),
        ("commit", {"node": "2"}, "", b'{"base": 0, "size": 1, "patches": [{"offset": 0, "length": 1, "digest": 0}]}'),
        ("lookup", {"folder": "2"}, "", b""),
        ("lookup", {"folder": "2"}, "name=a&name=b", b""),
        ("lookup", {"folder": "2"}, "name=a&other=b", b""),
        ("lookup", {"folder": "2"}, "name", b""),
        ("children", {"folder": "2"}, "limit=many", b""),
        ("events", {}, "after=0&timeout=nan", b""),
        ("read_blob", {"digest": "../../etc/passwd"}, "start=0&length=1", b""),
        ("read_blob", {"digest": "A" * 64}, "start=0&length=1", b""),
        ("view", {}, "&".join(["path=a"] * 10_001), b""),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(name: str, path: dict[str, str], query: str, body: bytes) -> None:
    with pytest.raises(InvalidArgument):
        wire.arguments(wire.OPERATIONS[name], path, query, body)


def test_an_answer_that_is_not_understood_is_no_answer() -> None:
    with pytest.raises(Unavailable):
        wire.answer(wire.OPERATIONS["node"], b'{"id": "seven"}')
    with pytest.raises(Unavailable):
        wire.answer(wire.OPERATIONS["view_entry"], b"{}")


@given(
    st.builds(
        Caller, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.lists(st.integers(0, 2**32 - 1)).map(tuple),
        st.integers(0, 2**22), names,
    )
)  # fmt: skip
def test_callers(caller: Caller) -> None:
    assert wire.caller_of(wire.caller_text(caller)) == caller


@pytest.mark.parametrize(
    "text", ["", "1", "1:2", "1:2::3:a:b", "-1:2::3:", "1:2:x:3:", "1:2: 3:3:", "٣:2::3:", "9" * 11 + ":2::3:"]
)
def test_what_names_no_caller(text: str) -> None:
    with pytest.raises(InvalidArgument):
        wire.caller_of(text)
