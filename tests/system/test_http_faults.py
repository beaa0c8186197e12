"""What a hostile, broken or slow client does to the server: clear errors, and nothing harmed."""

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.app import run_in_thread
from gateway.service import open_service
from graphfs import wire
from graphfs.errors import Busy, InvalidArgument
from graphfs.model import FILES_ROOT
from tests.contracts.ground import OWNER, eventually
from tests.system.http_client import Reply
from tests.system.http_ground import CONFIG, TOKEN, Served, served


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("http") / "state") as found:
        yield found


@pytest.mark.parametrize(
    "body",
    [b"{", b"", b"null", b"[]", b'"text"', b"{}", b'{"name": 5, "mode": 1}',
     b'{"name": "x", "mode": 33188, "evil": 1}',
     b"\xff\xfe\x00", b"[" * 200_000,
     b'{"name": "x", "mode": ' + b"9" * 5000 + b"}", b'{"name": "\\ud800", "mode": 33188}'],
)  # fmt: skip
def test_bad_bodies(drive: Served, body: bytes) -> None:
    reply = drive.unix.ask("POST", "/v1/nodes/2/children", body)
    assert (reply.status, reply.code) == (400, "invalid")
    assert reply.json["error"]["message"]
    assert drive.ground.names(FILES_ROOT) == []


def test_a_body_that_is_too_long(drive: Served) -> None:
    for target, length in (("/v1/nodes/2/children", wire.MAX_BODY + 1), ("/v1/tags/change", 10**15)):
        with drive.unix.raw() as connection:
            connection.sendall(f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode())
            assert connection.recv(65536).startswith(b"HTTP/1.1 413")
    digest = "0" * 64
    with drive.unix.raw() as connection:
        length = drive.drive.chunk_size() + 1
        head = f"PUT /v1/blobs/{digest}?durable=false HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 413")


def test_a_blob_under_a_false_name_is_refused(drive: Served) -> None:
    reply = drive.unix.ask("PUT", f"/v1/blobs/{'0' * 64}?durable=false", b"something else")
    assert (reply.status, reply.code) == (400, "invalid")
    assert drive.unix.ask("GET", f"/v1/blobs/{'0' * 64}?start=0&length=1").status == 404


@pytest.mark.parametrize(
    "head",
    [b"NONSENSE\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /v1/space HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
     b"\x16\x03\x01\x02\x00", b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n",
     b"GET /v1/space HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"],
)  # fmt: skip
def test_what_is_not_http(drive: Served, head: bytes) -> None:
    with drive.unix.raw() as connection:
        connection.sendall(head + b"\r\n\r\n")
        assert connection.recv(65536)[:12] in {b"HTTP/1.1 400", b"HTTP/1.0 400", b"HTTP/1.1 414", b""}
    assert drive.unix.ask("GET", "/healthz").status == 200


def test_silent_clients_take_no_thread_and_no_room(drive: Served) -> None:
    silent = [drive.unix.connection() for _ in range(100)]
    try:
        for number, connection in enumerate(silent):
            connection.connect()
            if number % 2:
                connection.sock.sendall(b"POST /v1/nodes/2/children HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
        assert drive.unix.ask("GET", "/v1/status").status == 200
        assert drive.unix.ask("PUT", "/v1/files/among", b"silent ones").status in {200, 201}
    finally:
        for connection in silent:
            connection.close()


def test_long_polls_take_no_thread(drive: Served) -> None:
    newest = drive.unix.ask("GET", "/v1/events?after=-1&timeout=0").json[-1]["seq"]
    replies: list[Reply] = []

    def poll() -> None:
        replies.append(drive.unix.ask("GET", f"/v1/events?after={newest}&timeout=15"))

    threads = [threading.Thread(target=poll) for _ in range(30)]
    for thread in threads:
        thread.start()
    # More polls than threads wait by now or soon; other work goes on.
    assert drive.unix.ask("GET", "/v1/find?query=%2Ball").status == 200
    drive.ground.folder("told")
    for thread in threads:
        thread.join(20)
    assert len(replies) == 30
    assert all(reply.json[0]["name"] == "told" for reply in replies)


def test_server_sent_events(drive: Served) -> None:
    newest = drive.unix.ask("GET", "/v1/events?after=-1&timeout=0").json[-1]["seq"]
    with drive.unix.raw() as connection:
        connection.sendall(f"GET /v1/events/stream HTTP/1.1\r\nHost: x\r\nLast-Event-ID: {newest}\r\n\r\n".encode())
        drive.ground.folder("streamed")
        text = b""
        while b"streamed" not in text:
            part = connection.recv(65536)
            assert part
            text += part
    assert b"Content-Type: text/event-stream" in text
    lines = text.decode().splitlines()
    event = json.loads(next(line for line in lines if line.startswith("data: "))[6:])
    assert (event["kind"], event["name"]) == ("entry", "streamed")
    assert f"id: {event['seq']}" in lines


def test_errors_name_nothing_of_the_inside(drive: Served) -> None:
    for target in ("/v1/nodes/999999", "/v1/files/none", "/v1/by-id/9", "/v1/find?query=%28"):
        text = drive.unix.ask("GET", target).body.decode()
        assert "Traceback" not in text
        assert str(drive.state) not in text
        assert "SELECT" not in text


@pytest.mark.allows_log("GET /v1/space failed")
def test_the_unforeseen_is_logged_and_tells_nothing(drive: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr(drive.drive, "space", fail)
    with served_again(drive) as http_socket:
        reply = type(drive.unix)(http_socket).ask("GET", "/v1/space")
    assert (reply.status, reply.code) == (500, "internal")
    assert b"secret" not in reply.body


class served_again:  # noqa: N801  # used as a function
    """Another server over the same drive."""

    def __init__(self, drive: Served) -> None:
        self.path = drive.state / "again.sock"
        self.server = run_in_thread(drive.drive, f"unix:{self.path}")

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.server.stop()


def test_an_address_is_taken_once(drive: Served) -> None:
    with pytest.raises(Busy):
        run_in_thread(drive.drive, f"unix:{drive.socket}")
    with pytest.raises(Busy):
        run_in_thread(drive.drive, f"127.0.0.1:{drive.server.ports[0]}", token=TOKEN)
    with pytest.raises(InvalidArgument):
        run_in_thread(drive.drive, "127.0.0.1:0")
    assert drive.unix.ask("GET", "/healthz").status == 200


def test_a_dead_servers_socket_is_in_nobodys_way(tmp_path: Path) -> None:
    service = open_service(tmp_path / "state", CONFIG)
    path = tmp_path / "s"
    first = run_in_thread(service, f"unix:{path}")
    kept = tmp_path / "kept"
    path.rename(kept)
    first.stop()
    kept.rename(path)
    second = run_in_thread(service, f"unix:{path}")
    second.stop()
    second.stop()
    assert not path.exists()
    service.close()


def active(drive: Served) -> int:
    """Requests under way."""
    said = re.search(rb"^graphfs_requests_active (\d+)", drive.unix.ask("GET", "/metrics").body, re.MULTILINE)
    assert said
    return int(said[1])


def test_stopping_answers_those_who_wait(tmp_path: Path) -> None:
    with served(tmp_path / "state") as drive:
        newest = drive.drive.events(-1, 0)[-1].seq
        replies: list[Reply] = []
        poll = threading.Thread(
            target=lambda: replies.append(drive.unix.ask("GET", f"/v1/events?after={newest}&timeout=60"))
        )
        poll.start()
        eventually(lambda: active(drive) == 2)  # the poll, and who asks for this number
        drive.server.stop()
        poll.join(10)
        assert not poll.is_alive()
        assert drive.drive.fsck(OWNER) == []


def test_head_of_the_event_stream_ends(drive: Served) -> None:
    with drive.unix.raw() as connection:
        for start in (b"HEAD /v1/events/stream", b"GET /v1/limits"):
            connection.sendall(start + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        text = b""
        while b"inline_limit" not in text:
            part = connection.recv(65536)
            assert part, text
            text += part
    assert text.count(b"HTTP/1.1 200 OK") == 2
    assert b"data:" not in text


@pytest.mark.parametrize("start", ["GET /v1/limits", "GET /v1/files/none", "POST /v1/none"])
def test_a_connection_with_the_rest_of_a_body_on_it_is_not_used_again(drive: Served, start: str) -> None:
    """A proxy would give it to somebody else, whose request would be taken for the body."""
    with drive.unix.raw() as connection:
        connection.sendall(f"{start} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n".encode())
        assert b"\r\nConnection: close\r\n" in connection.recv(65536)
    whole = f"{start} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    with drive.unix.raw() as connection:
        connection.sendall(whole.encode())
        assert b"Connection: close" not in connection.recv(65536)


def test_what_is_no_http_is_not_in_the_log(drive: Served, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with drive.unix.raw() as connection:
        connection.sendall(b"GET /v1/limits HTTP/1.1\r\nHost: x\r\nAuthorization : Bearer the-secret\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.0 400")
    assert "the-secret" not in caplog.text
    assert "a request was no HTTP" in caplog.text
    assert {record.levelname for record in caplog.records} == {"INFO"}


def test_a_path_of_4096_bytes_is_read_in_whatever_way_it_is_written(drive: Served) -> None:
    name = "%FF" * 255
    path = "/".join([name] * 16)[: 3 * 4095]
    reply = drive.unix.ask("PUT", f"/v1/files/{path}?parents=true", b"deep")
    assert reply.status == 201
    assert drive.unix.ask("GET", f"/v1/files/{path}").body == b"deep"
