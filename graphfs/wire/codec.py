"""Requests and replies to bytes and back, for every row of the table. No sockets: both ends call these.

`msgspec` writes and reads JSON; a text with a name that is not UTF-8, which it refuses, goes through the standard
library's `json`. Whatever comes in is checked against the row's types; what does not fit is InvalidArgument with the
place of the fault in the message.
"""

import json
import os
import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote_from_bytes, unquote

import msgspec

from graphfs import errors
from graphfs.model import Caller
from graphfs.wire.table import Operation, Parameter

_ENCODER = msgspec.json.Encoder()
_MOST_QUERY_FIELDS = 10_000
_LONE = re.compile(rb"\\u[dD]")


def encode(value: object) -> bytes:
    """JSON of anything made of our records."""
    try:
        return _ENCODER.encode(value)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(value), separators=(",", ":")).encode()


def decode(text: bytes, form: Any) -> Any:
    """The value of a JSON text, checked against its form. InvalidArgument."""
    try:
        if _LONE.search(text) is None:
            return msgspec.json.decode(text, type=form)
        loose = json.loads(text)
        _check_names(loose)
        return msgspec.convert(loose, form)
    except msgspec.ValidationError as error:
        raise errors.InvalidArgument(f"the request does not fit: {error}") from error
    except (msgspec.DecodeError, ValueError) as error:
        raise errors.InvalidArgument(f"the body is not JSON: {error}") from error
    except RecursionError as error:
        raise errors.InvalidArgument("the body is nested too deeply") from error


def _check_names(value: object) -> None:
    """Refuses text that no bytes stand behind: surrogates that `os.fsdecode` never makes."""
    if isinstance(value, str):
        try:
            value.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as error:
            raise errors.InvalidArgument("a text holds half a surrogate pair") from error
    elif isinstance(value, dict):
        for key, inner in value.items():
            _check_names(key)
            _check_names(inner)
    elif isinstance(value, list):
        for inner in value:
            _check_names(inner)


# --- requests -------------------------------------------------------------------------------------


class Request(NamedTuple):
    """What a client sends: the target (path and query) and the body (None: it has none, or is the bytes given by the
    caller)."""

    target: str
    body: bytes | None


def request(operation: Operation, values: Mapping[str, Any]) -> Request:
    """The request that asks this operation with these arguments (those that are missing keep their defaults)."""
    in_path: dict[str, str] = {}
    in_query: list[str] = []
    members: dict[str, Any] = {}
    for one in operation.parameters:
        if one.place == "body" or one.name not in values:
            continue
        value = values[one.name]
        if one.crossing.out is not None:
            value = one.crossing.out(value)
        if one.place == "path":
            in_path[one.name] = _quote(value, "/" if one.name == "path" else "")
        elif one.place == "query":
            in_query.extend(f"{one.name}={text}" for text in _query_texts(one, value))
        else:
            members[one.name] = value
    target = operation.path.format_map(in_path) if in_path else operation.path
    if in_query:
        target = f"{target}?{'&'.join(in_query)}"
    body = encode(members) if operation.body is None and operation.verb not in {"GET", "DELETE"} else None
    return Request(target, body)


def _query_texts(parameter: Parameter, value: Any) -> list[str]:
    if parameter.many:
        return [_quote(one, "") for one in value]
    return [] if value is None else [_quote(value, "")]


def _quote(value: Any, safe: str) -> str:
    if isinstance(value, Enum):
        value = value.value
    elif isinstance(value, bool):
        value = "true" if value else "false"
    try:
        return quote_from_bytes(os.fsencode(str(value)), safe=safe)
    except UnicodeEncodeError:
        raise errors.InvalidArgument(f"{value!r} is neither Unicode nor bytes") from None


def arguments(operation: Operation, in_path: Mapping[str, str], query: str, body: bytes) -> dict[str, Any]:
    """The arguments that a request gives (a body of bytes not among them). `in_path` and `query` are as they came,
    still percent-encoded. InvalidArgument."""
    values: dict[str, Any] = {}
    loose = _query_values(operation, query)
    in_body = operation.body is None and operation.verb not in {"GET", "DELETE"}
    if in_body:
        if loose:
            raise errors.InvalidArgument(
                f"the fields of {operation.name} are members of a JSON body, not of the query string"
            )
        fields = decode(body or b"{}", operation.fields)
    else:
        try:
            fields = msgspec.convert(loose, operation.fields, strict=False)
        except msgspec.ValidationError as error:
            raise errors.InvalidArgument(f"the query string does not fit: {error}") from error
    for one in operation.parameters:
        if one.place == "path":
            value = _path_value(one, in_path[one.name])
        elif one.place == "body":
            continue
        else:
            value = getattr(fields, one.name)
        values[one.name] = value if one.crossing.back is None else one.crossing.back(value)
    return values


def _query_values(operation: Operation, query: str) -> dict[str, Any]:
    # A sequence that is not mentioned is empty; in a JSON body it would have to be there.
    many = {one.name for one in operation.parameters if one.many and one.place == "query"}
    values: dict[str, Any] = {name: [] for name in many}
    if not query:
        return values
    try:
        pairs = parse_qsl(
            query,
            keep_blank_values=True,
            strict_parsing=True,
            errors="surrogateescape",
            max_num_fields=_MOST_QUERY_FIELDS,
        )
    except ValueError as error:
        raise errors.InvalidArgument(f"the query string is malformed: {error}") from error
    for name, value in pairs:
        if name in many:
            values[name].append(value)
        elif name in values:
            raise errors.InvalidArgument(f"the query string gives {name!r} twice")
        else:
            values[name] = value
    return values


def _path_value(parameter: Parameter, raw: str) -> Any:
    text = unquote(raw, errors="surrogateescape")
    try:
        return msgspec.convert(text, parameter.crossing.form, strict=False)
    except msgspec.ValidationError as error:
        raise errors.InvalidArgument(f"{parameter.name} in the path does not fit: {error}") from error


# --- replies --------------------------------------------------------------------------------------


def reply(operation: Operation, result: Any) -> bytes:
    """The body of a success. What is bytes goes as it is."""
    if operation.response.form is bytes:
        return bytes(result)
    out = operation.response.out
    return encode(result if out is None else out(result))


def answer(operation: Operation, body: bytes) -> Any:
    """The result that a success's body says. Unavailable when it is not what this operation answers."""
    if operation.response.form is bytes:
        return body
    try:
        value = decode(body, operation.response.form)
    except errors.InvalidArgument as error:
        raise errors.Unavailable(f"the server's answer to {operation.name} is not understood: {error}") from error
    back = operation.response.back
    return value if back is None else back(value)


# --- who asks -------------------------------------------------------------------------------------


def caller_text(caller: Caller) -> str:
    """The header's value that names a caller."""
    groups = ",".join(map(str, caller.groups))
    return f"{caller.uid}:{caller.gid}:{groups}:{caller.pid}:{_quote(caller.actor, '')}"


def caller_of(text: str) -> Caller:
    """The caller that a header's value names. InvalidArgument."""
    try:
        uid, gid, groups, pid, actor = text.split(":")
        numbers = tuple([_natural(one) for one in groups.split(",")]) if groups else ()
        return Caller(
            _natural(uid), _natural(gid), numbers, _natural(pid, 16), unquote(actor, errors="surrogateescape")
        )
    except ValueError as error:
        raise errors.InvalidArgument("the caller's header is not uid:gid:groups:pid:actor") from error


def _natural(text: str, digits: int = 10) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= digits):
        raise ValueError(text)
    return int(text)
