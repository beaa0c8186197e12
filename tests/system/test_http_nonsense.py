"""Requests made at random from the document that strangers are given, most of them nonsense: whatever is asked, the
answer is one that the document knows, and never that something went wrong inside."""

import base64
import hashlib
import json
import os
import random
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_from_bytes

import pytest

from gateway import openapi
from graphfs import wire
from graphfs.model import FILES_ROOT
from tests.contracts.ground import ODD_NAMES, OWNER
from tests.system.http_client import Reply
from tests.system.http_ground import Served, served

DOCUMENT = openapi.document()
REQUESTS = 60
DATA = b"hello world"
NUMBERS = (
    -(2**63) - 1, -(2**63), -(2**31), -1, 0, 1, 2, 15, 16, 17, 2**16, 2**31, 2**32 - 1, 2**32, 2**53 + 1, 2**62,
    2**63 - 1, 2**63, 10**30,
)  # fmt: skip
MODES = (0o100644, 0o40755, 0o120777, 0o10644, 0o20644, 0o140644, 0o777, 0, *NUMBERS)
TEXTS = (
    "", ".", "..", "/", "a/b", "files/a", "a/../b", "y" * 4000, "\0", "\n", "%", "'", "(" * 300, "-" * 500, "+not",
    "a,b", "..b", "year/2020..2024", "tag/" * 60 + "x", "1e999", "\udc80", "security.capability", "a~1", *ODD_NAMES,
)  # fmt: skip
BODIES = (b"", b"x", DATA, b"x" * 40_000)
TOLD = {"unavailable", "no_space", "not_supported"}
"""What a server may say with a status of 500 and more without anything being wrong inside."""
QUIET = {"event_stream", "gc", "fsck", "pause"}
"""Asked elsewhere: one never ends, the others would change what the rest is asked of."""


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("http") / "state") as found:
        for number, name in enumerate(ODD_NAMES[:6]):
            found.ground.file(f"d/{name}", DATA * 10**number if number < 5 else b"", tags=(f"tag {number}", "a/b"))
        found.drive.create(OWNER, FILES_ROOT, "link", 0o120777, target="d")
        found.ground.file("gone", DATA)
        found.drive.unlink(OWNER, FILES_ROOT, "gone")
        yield found


class Nonsense:
    """Values for the fields of one operation."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)

    def one(self, kinds: Any) -> Any:
        return self._random.choice(kinds)

    def often(self, share: float) -> bool:
        return self._random.random() < share

    def value(self, schema: dict[str, Any], name: str = "") -> Any:
        while "$ref" in schema:
            schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        if self.often(0.02):
            return self.one((None, "x", 5, [], {}, True, 1.5, [[[]]]))
        if "anyOf" in schema:
            return self.value(self.one(schema["anyOf"]), name)
        if "enum" in schema:
            return self.one(schema["enum"])
        match schema.get("type"):
            case "integer":
                return self.one(MODES) if name == "mode" else self.one((*range(1, 40), *NUMBERS))
            case "number":
                return self.one((0, 0.5, 1, -1, 1e308, 5e-324))
            case "boolean":
                return self.often(0.5)
            case "string":
                return self._text(schema)
            case "array":
                if "prefixItems" in schema:
                    return [self.value(one, name) for one in schema["prefixItems"]]
                return [self.value(schema.get("items", {}), name) for _ in range(self.one((0, 1, 1, 2, 9)))]
            case "object":
                needed, fields = set(schema.get("required", ())), schema.get("properties", {})
                return {key: self.value(one, key) for key, one in fields.items() if key in needed or self.often(0.5)}
        return None

    def _text(self, schema: dict[str, Any]) -> str:
        if schema.get("contentEncoding") == "base64":
            return base64.b64encode(self.one(BODIES)).decode()
        if "0-9a-f" in schema.get("pattern", ""):
            return str(self.one(("", "0" * 64, *(hashlib.sha256(one).hexdigest() for one in BODIES))))
        return str(self.one(TEXTS))

    def target(self, row: wire.Operation, described: dict[str, Any]) -> str:
        target, query = row.path, []
        for one in described.get("parameters", ()):
            if one["in"] == "header" or not (one.get("required") or self.often(0.5)):
                continue
            value = 0 if one["name"] == "timeout" else self.value(one["schema"], one["name"])
            if one["in"] == "path":
                target = target.replace("{" + one["name"] + "}", quoted(value) or "0")
            else:
                query += [f"{one['name']}={quoted(each)}" for each in (value if isinstance(value, list) else [value])]
        return f"{target}?{'&'.join(query)}" if query else target


def quoted(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return quote_from_bytes(os.fsencode(text), safe="")


@pytest.mark.parametrize("name", [name for name in wire.OPERATIONS if name not in QUIET])
def test_whatever_is_asked_the_answer_is_a_known_one(drive: Served, name: str) -> None:
    row = wire.OPERATIONS[name]
    described, nonsense = DOCUMENT["paths"][row.path][row.verb.lower()], Nonsense(row.name)
    for _ in range(REQUESTS):
        target, body = nonsense.target(row, described), None
        if row.body is not None:
            body = nonsense.one(BODIES)
        elif "requestBody" in described:
            schema = described["requestBody"]["content"]["application/json"]["schema"]
            body = json.dumps(nonsense.value(schema)).encode()
        headers = {"X-GraphFS-Caller": "60000:60000::0:"} if nonsense.often(0.1) else {}
        reply = drive.unix.ask(row.verb, target, body, **headers)
        assert fits(row, reply), (target, body, reply)


def fits(row: wire.Operation, reply: Reply) -> bool:
    if reply.status >= 400:
        return reply.status < 500 or reply.code in TOLD
    if reply.status == 304:
        return not reply.body
    wire.answer(row, reply.body)
    return True
