"""Tokens as they are used: each lets in its holder, in its scopes and no further, until it is over or revoked."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from gateway.app import create_app, run_in_thread
from gateway.context import Context
from gateway.middleware import OPEN
from gateway.service import Service, open_service
from graphfs import wire
from graphfs.client import connect
from graphfs.config import Config
from graphfs.errors import AccessDenied, Unauthenticated
from graphfs.model import FILES_ROOT, Scope
from tests.contracts.ground import FILE, OWNER, eventually
from tests.house.source import ROOT
from tests.system.http_client import Http

FIRST = "the first token"


class Place:
    """A served drive of which one can ask with any token."""

    def __init__(self, service: Service, port: int, state: Path) -> None:
        self.service = service
        self.port = port
        self.state = state

    def token(self, name: str, *scopes: Scope, uid: int = -1) -> str:
        return self.service.create_token(OWNER, name, scopes, uid=uid).secret

    def http(self, token: str) -> Http:
        return Http(self.port, Authorization=f"Bearer {token}")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    service = open_service(tmp_path / "state", Config())
    addresses = f"unix:{tmp_path / 'state/api.sock'}", "127.0.0.1:0"
    server = run_in_thread(service, *addresses, token=FIRST, gate=service.gate)
    try:
        yield Place(service, server.ports[0], tmp_path / "state")
    finally:
        server.stop()
        service.close()


def filled(row: wire.Operation) -> str:
    """A target of the operation, whatever its fields."""
    return row.path.replace("{digest}", "0" * 64).replace("{node}", "2").replace("{folder}", "2").replace(
        "{file}", "5"
    ).replace("{name}", "x").replace("{path}", "x")  # fmt: skip


@pytest.mark.parametrize("scope", Scope)
def test_every_operation_asks_for_its_scope(place: Place, scope: Scope) -> None:
    """The table says what each needs; whoever lacks it is refused before anything is looked at."""
    http = place.http(place.token("one", scope))
    for row in wire.OPERATIONS.values():
        if row.name in {"events", "event_stream", "purge", "gc", "fsck"}:
            continue
        reply = http.ask(row.verb, filled(row), b"" if row.verb in {"POST", "PUT", "PATCH"} else None)
        refused = reply.status == 403 and "scope" in reply.body.decode()
        assert refused == (scope not in {row.scope, Scope.ADMIN}), row.name


def test_nothing_but_health_is_without_a_scope(place: Place) -> None:
    app = create_app(Context(place.service, owner=0))
    routes = {route.resource.canonical for route in app.router.routes() if route.resource}
    known = {row.path for row in wire.OPERATIONS.values()}
    own = {"/metrics", "/may-read", f"{wire.PREFIX}/openapi.json"}
    found = {path.replace(":(?s:.+)", "").replace(":[^/]+", "") for path in routes}
    assert found == known | OPEN | own
    for path in own:
        assert Http(place.port).ask("GET", path).status == 401
    assert place.http(place.token("w", Scope.WRITE)).ask("GET", "/metrics").status == 403


def test_a_reader_reads_and_a_writer_s_file_is_the_owner_s(place: Place) -> None:
    reader = connect(f"127.0.0.1:{place.port}", token=place.token("reader", Scope.READ))
    writer = connect(f"127.0.0.1:{place.port}", token=place.token("writer", Scope.READ, Scope.WRITE))
    with closing(reader), closing(writer):
        made = writer.create(OWNER, FILES_ROOT, "file", FILE)
        assert made.uid == OWNER.uid
        assert reader.lookup(OWNER, FILES_ROOT, "file").id == made.id
        with pytest.raises(AccessDenied, match="write"):
            reader.create(OWNER, FILES_ROOT, "other", FILE)
        with pytest.raises(AccessDenied, match="admin"):
            writer.create_token(OWNER, "more", [Scope.ADMIN])
        reader.changed = False


def test_another_user_s_token_is_held_to_permissions(place: Place) -> None:
    stranger = place.http(place.token("stranger", Scope.ADMIN, uid=54321))
    assert stranger.ask("PUT", "/v1/files/mine", b"x").status == 403
    assert stranger.ask("POST", "/v1/gc", b"{}").status == 403
    assert stranger.ask("POST", "/v1/tokens", b'{"name": "more", "scopes": ["admin"]}').status == 403
    asked = stranger.ask("GET", "/v1/nodes/2", **{wire.CALLER_HEADER: "0:0::1:"})
    assert (asked.status, asked.code) == (403, "access_denied")
    private = place.service.create(OWNER, FILES_ROOT, "private", FILE & ~0o077)
    checked = {wire.CHECKED_HEADER: "1"}  # what a mount says of its kernel: believed of the owner's
    assert stranger.ask("GET", f"/v1/nodes/{private.id}/layout", **checked).status == 403
    assert stranger.ask("GET", "/may-read").status == 403
    assert place.http(FIRST).ask("GET", "/may-read").status == 204


def test_a_token_ends_when_it_is_revoked_or_over(place: Place) -> None:
    http = place.http(place.token("short", Scope.READ))
    assert http.ask("GET", "/v1/space").status == 200
    place.service.revoke_token(OWNER, "short")
    assert (http.ask("GET", "/v1/space").status, http.ask("GET", "/v1/space").code) == (401, "unauthenticated")
    soon = place.service.create_token(OWNER, "soon", [Scope.READ], expires=time.time_ns() + 300_000_000)
    http = place.http(soon.secret)
    assert http.ask("GET", "/v1/space").status == 200
    eventually(lambda: http.ask("GET", "/v1/space").status == 401)


def test_a_stream_of_events_ends_with_its_token(place: Place) -> None:
    secret = place.token("listener", Scope.READ)
    drive = connect(f"127.0.0.1:{place.port}", token=secret)
    with closing(drive):
        lines: list[bytes] = []
        ended = threading.Event()

        def listen() -> None:
            with closing(place.http(secret).connection()) as connection:
                connection.request("GET", "/v1/events/stream", headers={"Authorization": f"Bearer {secret}"})
                with connection.getresponse() as reply:
                    while line := reply.readline():
                        lines.append(line)
            ended.set()

        threading.Thread(target=listen, daemon=True).start()
        eventually(lambda: place.service.create(OWNER, FILES_ROOT, f"f{time.time_ns()}", FILE) and lines)
        place.service.revoke_token(OWNER, "listener")
        after = place.service.create(OWNER, FILES_ROOT, "after", FILE)
        assert ended.wait(10)
        said = b"".join(lines).decode()  # what was made before the revocation may be told a moment later
        assert '"after"' not in said
        assert f'"node":{after.id}' not in said
        with pytest.raises(Unauthenticated):
            drive.space()


def test_only_the_digest_is_kept(place: Place) -> None:
    secret = place.token("kept", Scope.READ)
    place.service.sync()
    stored = b"".join(path.read_bytes() for path in place.state.rglob("*") if path.is_file())
    assert sha256(secret.encode()).hexdigest().encode() in stored
    assert secret.encode() not in stored


def test_the_command_line_makes_and_revokes(place: Place) -> None:
    def graphfs(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "graphfs.cli", "token", *words, "--state", str(place.state)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    done = graphfs("create", "laptop", "--scope", "read,write", "--days", "7", "--owner", "1234")
    assert done.returncode == 0, done.stderr
    secret = done.stdout.strip()
    assert secret.startswith("gfs_")
    assert place.http(secret).ask("GET", "/v1/space").status == 200
    listed = graphfs("list")
    assert "laptop  read,write  as 1234:1234  until" in listed.stdout
    assert secret not in listed.stdout
    told = msgspec.json.decode(graphfs("list", "--json").stdout)
    assert [one["name"] for one in told] == ["laptop"]
    assert graphfs("revoke", "laptop").returncode == 0
    assert place.http(secret).ask("GET", "/v1/space").status == 401
    assert graphfs("revoke", "laptop").returncode != 0
    assert graphfs("create", "x", "--scope", "all").returncode != 0
    assert json.loads(graphfs("list", "--json").stdout) == []
