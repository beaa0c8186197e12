"""The OpenAPI 3.1 document of the HTTP API, made from the table of operations. `python -m gateway.openapi` prints
it."""

import json
import re
import sys
from typing import Any

import msgspec

from graphfs import __version__, errors, wire

_REFERENCE = "#/components/schemas/{name}"
_NOTHING = type(None)
_BYTES = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_CONTENT_ANSWERS = {
    "206": {"description": "The part that was asked for.", "content": _BYTES},
    "304": {"description": "It is what is known."},
}
_OTHER_ANSWERS = {"content": _CONTENT_ANSWERS, "read_file": _CONTENT_ANSWERS}
"""Successes beside 200, by operation. A range beyond the end is an error with status 416."""
_HEADERS = {
    "content": ["Range", "If-Range", "If-None-Match"],
    "read_file": ["Range", "If-Range", "If-None-Match"],
    "write_file": ["If-Match", "If-None-Match"],
    "event_stream": ["Last-Event-ID"],
}
"""Headers that mean something to an operation, beside those that all requests may have (docs/http.md)."""


def _subject(path: str) -> str:
    return path.removeprefix(wire.PREFIX + "/").split("/")[0]


def _example_free(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "title"}


class _Document:
    def __init__(self) -> None:
        rows = wire.OPERATIONS.values()
        bodies = [row.fields for row in rows if _has_json_body(row)]
        singles = [one.crossing.form for row in rows for one in row.parameters if one.place != "body"]
        answers = [row.response.form for row in rows if row.response.form not in {bytes, _NOTHING}]
        forms = [*bodies, *singles, *answers, wire.ErrorReply]
        schemas, components = msgspec.json.schema_components(forms, ref_template=_REFERENCE)
        self._schemas = dict(zip(map(id, forms), schemas, strict=True))
        self._forms = forms  # kept alive: the ids above are theirs
        self.components = components

    def _of(self, form: Any) -> dict[str, Any]:
        return self._schemas[id(form)]

    def operation(self, row: wire.Operation) -> dict[str, Any]:
        first, _, _rest = row.description.partition(".")
        made: dict[str, Any] = {
            "operationId": row.name,
            "summary": " ".join(first.split()),
            "description": row.description,
            "tags": [_subject(row.path)],
            "x-scope": row.scope.value,
            "x-idempotent": row.idempotent,
            "x-keyed": row.keyed,
            "responses": {
                "200": {"description": "Done.", "content": self._content(row)},
                **_OTHER_ANSWERS.get(row.name, {}),
                "default": {"$ref": "#/components/responses/Error"},
            },
        }
        if row.name == "write_file":
            made["responses"]["201"] = {"description": "The file is new.", "content": self._content(row)}
        parameters = [self._parameter(one) for one in row.parameters if one.place in {"path", "query"}]
        headers = _HEADERS.get(row.name, []) + ([wire.KEY_HEADER] if row.keyed else [])
        parameters += [{"name": name, "in": "header", "schema": {"type": "string"}} for name in headers]
        if parameters:
            made["parameters"] = parameters
        if row.body is not None:
            made["requestBody"] = {
                "required": True,
                "content": _BYTES,
            }
        elif _has_json_body(row):
            made["requestBody"] = {"required": True, "content": {"application/json": {"schema": self._of(row.fields)}}}
        return made

    def _content(self, row: wire.Operation) -> dict[str, Any]:
        if row.response.form is bytes:
            return _BYTES
        if row.name == "event_stream":
            return {"text/event-stream": {"schema": {"type": "string"}}}
        schema = {"type": "null"} if row.response.form is _NOTHING else self._of(row.response.form)
        return {"application/json": {"schema": schema}}

    def _parameter(self, one: wire.Parameter) -> dict[str, Any]:
        return {
            "name": one.name,
            "in": one.place,
            "required": one.required,
            "schema": self._of(one.crossing.form),
        }


def _has_json_body(row: wire.Operation) -> bool:
    return any(one.place == "json" for one in row.parameters)


def document() -> dict[str, Any]:
    """The whole document, as plain JSON values."""
    made = _Document()
    paths: dict[str, dict[str, Any]] = {}
    for row in wire.OPERATIONS.values():
        paths.setdefault(row.path, {})[row.verb.lower()] = made.operation(row)
    codes = "\n".join(
        f"* `{code}` ({wire.STATUS[code]}): {' '.join((kind.__doc__ or '').split())}"
        for code, kind in errors.BY_CODE.items()
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "GraphFS",
            "version": __version__,
            "description": "Everything that can be asked of a GraphFS drive. How to connect: docs/http.md.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "http://localhost", "description": "the drive's unix socket, or its TCP port"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": made.components,
            "responses": {
                "Error": {
                    "description": f"An error. Only the code is stable.\n\n{codes}",
                    "content": {"application/json": {"schema": {"$ref": _REFERENCE.format(name="ErrorReply")}}},
                }
            },
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Over TCP. Over a unix socket the kernel says who asks.",
                }
            },
        },
    }


def text() -> str:
    """The document as it is served, and kept in docs/openapi.json."""
    return re.sub(r"[ \t]+\n", "\n", json.dumps(document(), indent=1, ensure_ascii=False)) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
