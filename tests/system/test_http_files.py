"""Whole files over HTTP: up, down, in ranges, guarded, of any name."""

import fcntl
import gzip
import itertools
import os
import random
import socket
import struct
import sys
import termios
from collections.abc import Callable, Iterator
from urllib.parse import quote_from_bytes

import pytest

from graphfs.model import FILES_ROOT
from tests.contracts.ground import ODD_NAMES, OWNER, eventually, patch
from tests.system.http_client import Http
from tests.system.http_ground import Served, served


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("http") / "state") as found:
        yield found


@pytest.fixture(params=["unix", "tcp"])
def http(drive: Served, request: pytest.FixtureRequest) -> Http:
    found: Http = getattr(drive, request.param)
    return found


def test_up_and_down(drive: Served, http: Http) -> None:
    chunk = drive.drive.chunk_size()
    for size in (0, 1, 5000, chunk - 1, chunk, chunk + 1, 2 * chunk + 12345):
        data = random.Random(size).randbytes(size)
        target = f"/v1/files/sizes/{size}?parents=true"
        there = "sizes" in drive.ground.names(FILES_ROOT) and str(size) in drive.ground.names(drive.ground.at("sizes"))
        made = http.ask("PUT", target, data)
        assert made.status == (200 if there else 201)
        assert made.json["size"] == size
        got = http.ask("GET", f"/v1/files/sizes/{size}")
        assert (got.status, got.body) == (200, data)
        assert got.headers["etag"] == made.headers["etag"]
        assert http.ask("GET", f"/v1/nodes/{made.json['id']}/content").body == data
        head = http.ask("HEAD", f"/v1/files/sizes/{size}")
        assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(size))
    assert drive.ground.at("sizes").mode & 0o777 == 0o755


def test_limits(drive: Served, http: Http) -> None:
    limits = http.ask("GET", "/v1/limits").json
    assert limits == {"inline_limit": drive.drive.inline_limit(), "chunk_size": drive.drive.chunk_size()}


def test_a_new_file_gets_its_tags_and_mode(drive: Served, http: Http) -> None:
    name = f"tagged {id(http)}"
    made = http.ask("PUT", f"/v1/files/{name.replace(' ', '%20')}?mode=384&tags=a%20b&tags=c/d", b"x").json
    node = drive.ground.at(name)
    assert (made["id"], node.mode & 0o7777) == (node.id, 0o600)
    assert drive.ground.applied(node) == ["a b", "c/d"]
    assert drive.drive.job(node.file).state in {"queued", "leased"}


def test_ranges(drive: Served, http: Http) -> None:
    data = random.Random(1).randbytes(3_000_000)
    http.ask("PUT", "/v1/files/ranged", data)
    size = len(data)
    for asked, start, stop in (
        ("bytes=0-0", 0, 1), ("bytes=5-9", 5, 10), (f"bytes={size - 3}-", size - 3, size), ("bytes=-7", size - 7, size),
        (f"bytes=0-{size * 2}", 0, size), (f"bytes=-{size * 2}", 0, size),
        ("bytes=1000000-2500000", 1_000_000, 2_500_001),
    ):  # fmt: skip
        reply = http.ask("GET", "/v1/files/ranged", Range=asked)
        assert reply.status == 206
        assert reply.body == data[start:stop]
        assert reply.headers["content-range"] == f"bytes {start}-{stop - 1}/{size}"
    for whole in ("bytes=1-0", "bytes=0-1,5-6", "lines=1-2", "bytes=-", "bytes=a-b", "nonsense"):
        reply = http.ask("GET", "/v1/files/ranged", Range=whole)
        assert (reply.status, len(reply.body)) == (200, size), whole
    for beyond in (f"bytes={size}-", f"bytes={size}-{size + 5}", "bytes=-0", "bytes=999999999999999999-"):
        reply = http.ask("GET", "/v1/files/ranged", Range=beyond)
        assert (reply.status, reply.code) == (416, "invalid"), beyond
        assert reply.headers["content-range"] == f"bytes */{size}"
    etag = http.ask("HEAD", "/v1/files/ranged").headers["etag"]
    assert http.ask("GET", "/v1/files/ranged", Range="bytes=0-4", If_Range=etag).status == 206
    assert http.ask("GET", "/v1/files/ranged", Range="bytes=0-4", If_Range='"old"').status == 200


def test_holes_are_sent_as_zeros(drive: Served, http: Http) -> None:
    name = f"sparse {id(http)}"
    file = drive.ground.file(name)
    patches = [patch(3_000_000, b"one"), patch(5_000_000, b"two")]
    drive.drive.commit(OWNER, file.id, file.version, 6_000_000, patches)
    expected = bytearray(6_000_000)
    expected[3_000_000:3_000_003] = b"one"
    expected[5_000_000:5_000_003] = b"two"
    target = f"/v1/nodes/{file.id}/content"
    assert http.ask("GET", target).body == expected
    assert http.ask("GET", target, Range="bytes=2999999-5000001").body == expected[2999999:5000002]


def test_what_is_known_is_not_sent_again(drive: Served, http: Http) -> None:
    http.ask("PUT", "/v1/files/known", b"one")
    first = http.ask("GET", "/v1/files/known")
    etag = first.headers["etag"]
    assert http.ask("GET", "/v1/files/known", If_None_Match=etag).status == 304
    assert http.ask("GET", "/v1/files/known", If_None_Match=f'"x", W/{etag}').status == 304
    http.ask("PUT", "/v1/files/known", b"two")
    second = http.ask("GET", "/v1/files/known", If_None_Match=etag)
    assert (second.status, second.body) == (200, b"two")
    assert second.headers["etag"] != etag


def test_conditions_guard_a_write(drive: Served, http: Http) -> None:
    target = f"/v1/files/guarded{id(http)}"
    assert http.ask("PUT", target, b"x", If_Match="*").code == "conflict"
    etag = http.ask("PUT", target, b"one", If_None_Match="*").headers["etag"]
    again = http.ask("PUT", target, b"two", If_None_Match="*")
    assert (again.status, again.code) == (409, "already_exists")
    newer = http.ask("PUT", target, b"two", If_Match=etag)
    assert newer.status == 200
    stale = http.ask("PUT", target, b"three", If_Match=etag)
    assert (stale.status, stale.code) == (409, "conflict")
    assert http.ask("GET", target).body == b"two"


def test_names_of_any_bytes(drive: Served, http: Http) -> None:
    for name in ODD_NAMES:
        target = "/v1/files/odd/" + quote_from_bytes(os.fsencode(name), safe="")
        assert http.ask("PUT", f"{target}?parents=true", name.encode("utf-8", "surrogateescape")).status in {200, 201}
        assert http.ask("GET", target).body == os.fsencode(name)
    folder = drive.ground.at("odd")
    assert drive.ground.names(folder) == list(ODD_NAMES)
    listed = http.ask("GET", f"/v1/nodes/{folder.id}/children").json
    assert [entry["name"] for entry in listed] == list(ODD_NAMES)
    for name in ODD_NAMES:
        target = "/v1/files/odd/" + quote_from_bytes(os.fsencode(name), safe="")
        assert http.ask("DELETE", target).status == 200
        assert http.ask("GET", target).status == 404


@pytest.mark.parametrize(
    ("verb", "target", "status", "code"),
    [
        ("GET", "/v1/files/absent", 404, "not_found"),
        ("GET", "/v1/files/folder", 409, "is_a_folder"),
        ("GET", "/v1/files/file/below", 409, "not_a_folder"),
        ("PUT", "/v1/files/folder", 409, "is_a_folder"),
        ("PUT", "/v1/files/file/below", 409, "not_a_folder"),
        ("PUT", "/v1/files/absent/file", 404, "not_found"),
        ("PUT", "/v1/files/folder/", 400, "invalid"),
        ("PUT", "/v1/files/" + "n" * 256, 400, "name_too_long"),
        ("PUT", "/v1/files/a%00b", 400, "invalid"),
        ("PUT", "/v1/files/folder/..", 400, "invalid"),
        ("PUT", "/v1/files/x?nonsense=1", 400, "invalid"),
        ("PUT", "/v1/files/x?mode=many", 400, "invalid"),
        ("PUT", "/v1/files/x?tags=-bad", 400, "invalid"),
        ("DELETE", "/v1/files/absent", 404, "not_found"),
        ("DELETE", "/v1/files/folder", 409, "not_empty"),
        ("GET", "/v1/files/../../../etc/passwd", 404, "not_found"),
        ("GET", "/v1/files/..%2f..%2fetc%2fpasswd", 404, "not_found"),
        ("GET", "/v1/resolve?path=nowhere", 404, "not_found"),
        ("POST", "/v1/files/x", 405, "not_permitted"),
        ("GET", "/v1/none", 404, "not_found"),
        ("GET", "/", 404, "not_found"),
    ],
)
def test_what_cannot_be(drive: Served, verb: str, target: str, status: int, code: str) -> None:
    drive.ground.folder("folder/inside")
    if "file" not in drive.ground.names(FILES_ROOT):
        drive.ground.file("file", b"x")
    before = drive.ground.names(FILES_ROOT)
    reply = drive.unix.ask(verb, target, b"body" if verb in {"PUT", "POST"} else None)
    assert (reply.status, reply.code) == (status, code)
    assert drive.ground.names(FILES_ROOT) == before


def test_an_upload_that_breaks_off_leaves_nothing(drive: Served, http: Http) -> None:
    drive.ground.folder("broken")
    before = http.ask("PUT", "/v1/files/broken/there", b"what was there").json
    for name in ("new", "there"):
        with http.raw() as connection:
            authorization = "".join(f"{key}: {value}\r\n" for key, value in http.headers.items())
            head = f"PUT /v1/files/broken/{name} HTTP/1.1\r\nHost: localhost\r\n{authorization}"
            connection.sendall(head.encode() + b"Content-Length: 9000000\r\n\r\n" + bytes(5_000_000))
            if name == "new" and isinstance(http.address, int):
                # Not even a good-bye.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # The server has noticed once it answers the next request on a thread of the same pool.
    eventually(lambda: http.ask("GET", "/healthz").status == 200)
    assert drive.ground.names(drive.ground.at("broken")) == ["there"]
    assert drive.ground.at("broken/there").version == before["version"]
    assert drive.ground.read(drive.ground.at("broken/there")) == b"what was there"


def filled(connection: socket.socket) -> Callable[[], bool]:
    seen = [0]

    def still() -> bool:
        waiting = bytearray(4)
        fcntl.ioctl(connection, termios.FIONREAD, waiting)
        seen.append(int.from_bytes(waiting, sys.byteorder))
        return seen[-1] == seen[-2] > 0

    return still


def test_a_download_that_breaks_off_harms_nothing(drive: Served, http: Http) -> None:
    http.ask("PUT", "/v1/files/large", bytes(20_000_000))
    authorization = "".join(f"{key}: {value}\r\n" for key, value in http.headers.items())
    for full, farewell in itertools.product((False, True), repeat=2):
        with http.raw() as connection:
            connection.sendall(f"GET /v1/files/large HTTP/1.1\r\nHost: localhost\r\n{authorization}\r\n".encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
            if full:  # the server waits until somebody reads
                eventually(filled(connection))
            if not farewell:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert http.ask("HEAD", "/v1/files/large").status == 200


def test_nobody_reads_a_mix_while_a_file_is_replaced(drive: Served, http: Http) -> None:
    contents = [bytes([number]) * 300_000 for number in range(6)]
    http.ask("PUT", "/v1/files/replaced", contents[0])
    for content in contents:
        http.ask("PUT", "/v1/files/replaced", content)
        got = http.ask("GET", "/v1/files/replaced").body
        assert len(set(got)) == 1
        assert len(got) == 300_000


def test_a_part_is_not_taken_for_the_whole(drive: Served, http: Http) -> None:
    target = f"/v1/files/whole{id(http)}"
    http.ask("PUT", target, b"all of it")
    part = http.ask("PUT", target, b"it", Content_Range="bytes 7-8/9")
    packed = http.ask("PUT", target, b"???", Content_Encoding="compress")
    assert (part.status, part.code, packed.status, packed.code) == (400, "invalid", 501, "not_supported")
    assert http.ask("GET", target).body == b"all of it"
    assert http.ask("PUT", target, gzip.compress(b"unpacked"), Content_Encoding="gzip").status == 200
    assert http.ask("GET", target).body == b"unpacked"


def test_of_head_there_are_no_ranges(drive: Served, http: Http) -> None:
    target = f"/v1/files/head{id(http)}"
    http.ask("PUT", target, b"0123456789")
    reply = http.ask("HEAD", target, Range="bytes=2-3")
    assert (reply.status, reply.headers["content-length"], reply.body) == (200, "10", b"")


def test_conditions_may_be_lists_and_are_looked_at_before_the_body(drive: Served, http: Http) -> None:
    target = f"/v1/files/lists{id(http)}"
    etag = http.ask("PUT", target, b"one").headers["etag"]
    assert http.ask("PUT", target, b"no", If_Match='"x"').code == "conflict"
    assert http.ask("PUT", target, b"no", If_Match=f"W/{etag}").code == "conflict"
    assert http.ask("PUT", target, b"no", If_None_Match=etag).code == "conflict"
    assert http.ask("PUT", target, b"two", If_Match=f'"x", {etag}').status == 200
    with http.raw() as connection:
        head = f"PUT {target} HTTP/1.1\r\nHost: localhost\r\nIf-Match: {etag}\r\nContent-Length: 9999999\r\n"
        token = "".join(f"{name}: {value}\r\n" for name, value in http.headers.items())
        connection.sendall(f"{head}{token}\r\n".encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 409")
