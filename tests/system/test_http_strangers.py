"""Who may ask what over HTTP: tokens, hosts, other users and file permissions."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from gateway.app import token_of
from graphfs import wire
from graphfs.errors import NotPermitted
from graphfs.model import FILES_ROOT, AttributeChange, Caller
from tests.contracts.ground import OWNER, STRANGER
from tests.system.http_client import Http, Reply
from tests.system.http_ground import TOKEN, Served, served


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("http") / "state") as found:
        yield found


def as_stranger(drive: Served, caller: Caller = STRANGER) -> Http:
    """Requests of somebody else: the owner's connection, which asks for them."""
    return Http(drive.socket, **{wire.CALLER_HEADER: wire.caller_text(caller)})


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic x"}, {"Authorization": "Bearer "}]
)
def test_over_tcp_a_stranger_gets_401_and_nothing_else(drive: Served, headers: dict[str, str]) -> None:
    plain = Http(drive.server.ports[0], **headers)
    for verb, target in (
        ("GET", "/v1/status"), ("GET", "/metrics"), ("GET", "/v1/openapi.json"), ("GET", "/"), ("GET", "/none"),
        ("PUT", "/v1/files/x"), ("POST", "/v1/gc"), ("DELETE", "/v1/files/x"), ("OPTIONS", "/v1/status"),
    ):  # fmt: skip
        reply = plain.ask(verb, target, b"body" if verb == "PUT" else None)
        assert (reply.status, reply.code) == (401, "unauthenticated")
        assert "access-control-allow-origin" not in reply.headers
    assert drive.ground.names(FILES_ROOT) == []


def test_the_token_lets_in(drive: Served) -> None:
    assert drive.tcp.ask("GET", "/v1/status").status == 200
    assert drive.tcp.ask("GET", "/healthz").json["status"] == "ok"
    # Also over the socket, where a wrong one is refused although the kernel would have known who asks.
    assert drive.unix.ask("GET", "/v1/status", Authorization=f"Bearer {TOKEN}").status == 200
    assert drive.unix.ask("GET", "/v1/status", Authorization="Bearer wrong").status == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "[::1", "", "localhost.evil"]
)
def test_a_foreign_host_name_is_refused(drive: Served, host: str) -> None:
    assert drive.tcp.ask("GET", "/v1/status", Host=host).status == 401


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:9", "[::1]:5"])
def test_the_loopbacks_names_are_known(drive: Served, host: str) -> None:
    assert drive.tcp.ask("GET", "/v1/status", Host=host).status == 200


def test_the_token_is_its_owners_alone(tmp_path: Path) -> None:
    token = token_of(tmp_path)
    path = tmp_path / "run" / "token"
    assert len(token) > 30
    assert token_of(tmp_path) == token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.chmod(0o640)
    with pytest.raises(NotPermitted):
        token_of(tmp_path)


def test_the_socket_is_its_owners_alone(drive: Served) -> None:
    assert stat.S_IMODE(drive.socket.stat().st_mode) == 0o600


def test_the_owner_may_ask_for_others(drive: Served) -> None:
    shared = drive.ground.folder("for others", mode=0o777)
    body = {"name": "made", "mode": stat.S_IFREG | 0o600}
    made = as_stranger(drive).ask("POST", f"/v1/nodes/{shared.id}/children", body).json
    assert (made["uid"], made["gid"]) == (STRANGER.uid, STRANGER.gid)
    assert drive.unix.ask("GET", "/v1/status", **{wire.CALLER_HEADER: "nonsense"}).status == 400


class Room:
    """Files of the owner that a stranger may and may not get at."""

    def __init__(self, drive: Served, name: str) -> None:
        ground = drive.ground
        self.name = name
        self.open = ground.folder(name)
        self.closed = ground.folder(f"{name}/closed", mode=0o700)
        self.hidden = ground.file(f"{name}/closed/hidden", b"secret", tags=("secret",), mode=0o666)
        self.private = ground.file(f"{name}/private", b"private", mode=0o600)
        self.public = ground.file(f"{name}/public", b"public", mode=0o644)
        self.shared = ground.folder(f"{name}/shared", mode=0o777)
        self.sticky = ground.folder(f"{name}/sticky", mode=0o1777)
        drive.drive.set_attributes(OWNER, self.sticky.id, AttributeChange(mode=0o1777))
        drive.drive.set_attributes(OWNER, self.shared.id, AttributeChange(mode=0o777))
        self.in_sticky = ground.file(f"{name}/sticky/owners", b"x")


def refused(reply: Reply) -> bool:
    return (reply.status, reply.code) in {(403, "access_denied"), (404, "not_found")}


def test_file_permissions_hold_for_strangers(drive: Served) -> None:
    room = Room(drive, "reading")
    ask = as_stranger(drive).ask
    assert ask("GET", f"/v1/nodes/{room.public.id}").status == 200
    assert ask("GET", f"/v1/nodes/{room.public.id}/content").body == b"public"
    assert ask("GET", "/v1/files/reading/public").body == b"public"
    assert ask("GET", f"/v1/nodes/{room.open.id}/children").status == 200
    assert ask("GET", f"/v1/nodes/{room.private.id}").status == 200
    denied = [
        f"/v1/nodes/{room.private.id}/content", f"/v1/nodes/{room.private.id}/layout", "/v1/files/reading/private",
        f"/v1/nodes/{room.private.id}/xattrs", f"/v1/by-id/{room.private.file}/edges",
        f"/v1/by-id/{room.private.file}/job",
        f"/v1/nodes/{room.closed.id}/children", f"/v1/nodes/{room.closed.id}/lookup?name=hidden",
        f"/v1/nodes/{room.hidden.id}", f"/v1/nodes/{room.hidden.id}/content", f"/v1/nodes/{room.hidden.id}/path",
        f"/v1/by-id/{room.hidden.file}", "/v1/files/reading/closed/hidden",
        "/v1/resolve?path=files/reading/closed/hidden",
    ]  # fmt: skip
    for target in denied:
        reply = ask("GET", target)
        assert refused(reply), target
        assert b"hidden" not in reply.body
        assert b"secret" not in reply.body


def test_strangers_change_only_what_they_may(drive: Served) -> None:
    room = Room(drive, "writing")
    ask = as_stranger(drive).ask
    file = {"name": "new", "mode": stat.S_IFREG | 0o644}
    assert refused(ask("POST", f"/v1/nodes/{room.open.id}/children", file))
    assert refused(ask("POST", f"/v1/nodes/{room.closed.id}/children", file))
    assert refused(ask("PUT", "/v1/files/writing/new", b"x"))
    assert refused(ask("PUT", "/v1/files/writing/public", b"x"))
    assert refused(ask("PUT", "/v1/files/writing/closed/hidden", b"x"))
    assert refused(ask("DELETE", "/v1/files/writing/public"))
    assert refused(ask("POST", f"/v1/nodes/{room.open.id}/unlink", {"name": "public"}))
    assert refused(ask("POST", f"/v1/nodes/{room.sticky.id}/unlink", {"name": "owners"}))
    move = {"name": "owners", "new_folder": room.shared.id, "new_name": "taken"}
    assert refused(ask("POST", f"/v1/nodes/{room.sticky.id}/rename", move))
    assert refused(ask("POST", f"/v1/nodes/{room.public.id}/link", {"folder": room.shared.id, "name": "kept"}))
    for change in ({"mode": 0o777}, {"uid": STRANGER.uid}, {"mtime": 0}):
        assert refused(ask("PATCH", f"/v1/nodes/{room.public.id}", {"change": change}))
    assert refused(ask("PUT", f"/v1/nodes/{room.public.id}/xattrs/user.a", b"x"))
    assert refused(ask("POST", f"/v1/nodes/{room.public.id}/commit", {"base": 1, "size": 0, "patches": []}))
    assert refused(ask("POST", "/v1/tags/change", {"files": [room.public.file], "add": ["x"], "remove": []}))
    assert refused(ask("POST", "/v1/tags/change", {"files": [room.hidden.file], "add": ["x"], "remove": []}))
    assert ask("PUT", "/v1/files/writing/shared/mine", b"mine").status == 201
    mine = drive.ground.at("writing/shared/mine")
    assert mine.uid == STRANGER.uid
    assert ask("POST", "/v1/tags/change", {"files": [mine.file], "add": ["x"], "remove": []}).json == 1
    assert ask("PATCH", f"/v1/nodes/{mine.id}", {"change": {"mode": 0o600}}).status == 200
    assert refused(ask("PATCH", f"/v1/nodes/{mine.id}", {"change": {"uid": 0}}))
    assert refused(ask("PATCH", f"/v1/nodes/{mine.id}", {"change": {"gid": OWNER.gid + 5}}))
    assert ask("DELETE", "/v1/files/writing/shared/mine").status == 200
    assert drive.ground.read(room.public) == b"public"


def test_what_a_kernel_has_checked_is_believed_of_who_may_ask_for_others(drive: Served) -> None:
    """A descriptor keeps the rights with which it was opened, whatever becomes of the file's mode."""
    room = Room(drive, "checked")
    layout = f"/v1/nodes/{room.private.id}/layout"
    assert refused(as_stranger(drive).ask("GET", layout))
    assert as_stranger(drive).ask("GET", layout, **{wire.CHECKED_HEADER: "1"}).status == 200
    assert refused(as_stranger(drive).ask("GET", layout, **{wire.CHECKED_HEADER: "yes"}))
    # Everything by path is asked by programs, which no kernel has checked.
    assert refused(as_stranger(drive).ask("GET", "/v1/files/checked/private", **{wire.CHECKED_HEADER: "1"}))


def test_what_is_the_owners_alone(drive: Served) -> None:
    room = Room(drive, "owning")
    digest = drive.drive.layout(OWNER, room.private.id).extents[0].digest.hex()
    ask = as_stranger(drive).ask
    for verb, target, body in (
        ("GET", f"/v1/blobs/{digest}?start=0&length=7", None), ("PUT", f"/v1/blobs/{digest}?durable=false", b"private"),
        ("POST", "/v1/fsck", {}), ("POST", "/v1/gc", {}), ("POST", "/v1/trash/purge", {"older_than": 0}),
        ("POST", "/v1/jobs/lease", {"worker": "w", "limit": 1, "seconds": 1}), ("GET", "/v1/status", None),
        ("GET", "/v1/events?after=0&timeout=0", None), ("GET", "/v1/events/stream", None),
        ("POST", "/v1/tags/drop", {"path": "secret"}), ("POST", "/v1/tags/rename", {"path": "secret", "new_path": "x"}),
        ("POST", "/v1/jobs/retry", {}), ("POST", f"/v1/nodes/{room.public.id}/hold", {}),
    ):  # fmt: skip
        reply = ask(verb, target, body)
        assert (reply.status, reply.code) == (403, "access_denied"), target


def test_knowing_a_digest_gives_nobody_the_bytes(drive: Served) -> None:
    room = Room(drive, "digests")
    digest = drive.drive.layout(OWNER, room.private.id).extents[0].digest.hex()
    ask = as_stranger(drive).ask
    mine = ask("PUT", "/v1/files/digests/shared/mine", b"mine").json
    patch = {"offset": 0, "length": 7, "digest": digest}
    reply = ask("POST", f"/v1/nodes/{mine['id']}/commit", {"base": mine["version"], "size": 7, "patches": [patch]})
    assert reply.code == "access_denied"


def test_views_hold_only_what_a_stranger_may_read(drive: Served) -> None:
    room = Room(drive, "views")
    drive.drive.change_tags(OWNER, [room.private.file, room.public.file], ["mixed"], [])
    ask = as_stranger(drive).ask
    listed = ask("GET", "/v1/view/files?path=mixed").json
    assert [entry["name"] for entry in listed] == ["public"]
    assert ask("GET", "/v1/view?path=mixed").json["files"] == 1
    assert [entry["name"] for entry in ask("GET", "/v1/find?query=mixed").json] == ["public"]
    facets = {facet["name"]: facet["files"] for facet in ask("GET", "/v1/view/facets").json}
    assert facets.get("mixed") == 1
    assert "secret" not in facets or facets["secret"] == 0
    assert {tag["path"]: tag["files"] for tag in ask("GET", "/v1/tags").json}["mixed"] == 1
    assert ask("GET", "/v1/view/files?path=secret").status in {200, 404}
    assert b"hidden" not in ask("GET", "/v1/view/files?path=secret").body
    assert len(drive.drive.view_files(OWNER, ["mixed"])) == 2


@pytest.mark.parametrize("caller", [Caller(STRANGER.uid, 1, (2, 3)), Caller(STRANGER.uid, 5)])
def test_groups_count(drive: Served, caller: Caller) -> None:
    name = f"group {caller.gid}"
    file = drive.ground.file(name, b"for the group", mode=0o640)
    drive.drive.set_attributes(OWNER, file.id, AttributeChange(gid=3))
    reply = as_stranger(drive, caller).ask("GET", f"/v1/files/{quote(name)}")
    assert reply.status == (200 if 3 in caller.groups else 403)


def test_a_process_of_another_user_is_known_by_the_kernel(drive: Served) -> None:
    """A real process of another uid, on a socket that lets it in: what it says of itself does not count."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    reader, writer = os.pipe()
    drive.socket.chmod(0o666)
    for folder in [drive.socket.parent, *drive.socket.parent.parents][:4]:
        folder.chmod(folder.stat().st_mode | 0o011)
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(STRANGER.gid)
            os.setuid(STRANGER.uid)
            pretend = wire.caller_text(Caller(0, 0))
            own = wire.caller_text(Caller(STRANGER.uid, 0, (0, 1)))
            said = [
                Http(drive.socket).ask("GET", "/v1/space").status,
                Http(drive.socket).ask("POST", "/v1/gc", {}).status,
                Http(drive.socket, **{wire.CALLER_HEADER: pretend}).ask("GET", "/v1/space").status,
                Http(drive.socket, **{wire.CALLER_HEADER: own}).ask("POST", "/v1/gc", {}).status,
            ]
            os.write(writer, repr(said).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answers:
        said = answers.read()
    os.waitpid(child, 0)
    drive.socket.chmod(0o600)
    assert said == b"[200, 403, 403, 403]"
