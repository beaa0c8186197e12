"""Contents that Nginx sends itself, from a folder that it and the main server see: only after the main server let the
request in, whole or in ranges, and never by its own word."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.contracts.ground import eventually
from tests.system.http_client import Http
from tests.system.test_nginx_cluster import Place, answers, running

BODY = os.urandom(300_000)
DIGEST = hashlib.sha256(BODY).hexdigest()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("front"))
    made.server += made.shared()
    made.replicas(made.first, made.second)
    with ExitStack() as stack:
        stack.enter_context(made.held)
        ready = [made.first, made.second]
        stack.enter_context(running(made.server, lambda: all(map(answers, ready)), made.folder / "server.log"))
        stack.enter_context(running(made.nginx, lambda: answers(made.front), made.folder / "nginx.log"))
        assert made.ask("PUT", "/v1/files/file", BODY).status == 201
        yield made


def sent_by_nginx(place: Place) -> list[str]:
    """What the main server answered with nothing in it: the bytes came from the folder."""
    return [str(one["place"]) for one in place.records() if str(one["place"]).startswith("/stored/")]


def test_blobs_and_files_come_whole_and_in_ranges(place: Place) -> None:
    blob = place.ask("GET", f"/v1/blobs/{DIGEST}?start=0&length=4194304")
    assert (blob.status, blob.body) == (200, BODY)
    whole = place.ask("GET", "/v1/files/file")
    assert (whole.status, whole.body) == (200, BODY)
    assert "last-modified" not in whole.headers
    assert whole.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert whole.headers["content-disposition"] == "attachment"
    assert whole.headers["x-content-type-options"] == "nosniff"
    part = place.ask("GET", "/v1/files/file", Range="bytes=1000-1999")
    assert (part.status, part.body, part.headers["content-range"]) == (206, BODY[1000:2000], "bytes 1000-1999/300000")
    end = place.ask("GET", "/v1/files/file", Range="bytes=-10")
    assert (end.status, end.body) == (206, BODY[-10:])
    assert place.ask("GET", "/v1/files/file", Range="bytes=300000-").status == 416
    assert place.ask("GET", "/v1/files/file", **{"If-None-Match": whole.headers["etag"]}).status == 304
    # Nginx logs the request by the place that it was sent to.
    assert eventually(lambda: len(sent_by_nginx(place)) >= 4)


def test_what_is_not_one_whole_file_is_passed_through(place: Place) -> None:
    assert place.ask("GET", f"/v1/blobs/{DIGEST}?start=5&length=100").body == BODY[5:105]
    assert place.ask("PUT", "/v1/files/small", b"small").status == 201
    assert place.ask("GET", "/v1/files/small").body == b"small"
    large = os.urandom(1 << 20) * 5
    assert place.ask("PUT", "/v1/files/large", large).status == 201
    assert place.ask("GET", "/v1/files/large").body == large


def test_nobody_gets_there_without_the_main_server(place: Place) -> None:
    stored = f"/stored/{DIGEST[:2]}/{DIGEST[2:]}"
    for authorization in (place.token, ""):
        assert place.ask("GET", stored, Authorization=authorization).status == 404
    assert place.ask("GET", f"/v1/blobs/{DIGEST}?start=0&length=4194304", Authorization="").status == 401
    assert place.ask("GET", "/v1/files/file", Authorization="Bearer wrong").status == 401
    # What a client says of where Nginx has it does not get through.
    told = place.ask("GET", "/v1/files/file", **{"X-Accel-Location": "/etc/"})
    assert (told.status, told.body) == (200, BODY)


def test_a_damaged_file_is_not_sent(place: Place) -> None:
    body = os.urandom(100_000)
    assert place.ask("PUT", "/v1/files/damaged", body).status == 201
    digest = hashlib.sha256(body).hexdigest()
    path = place.folder / "blobs" / digest[:2] / digest[2:]
    path.chmod(0o600)
    path.write_bytes(body[:-1] + bytes([body[-1] ^ 1]))
    assert place.ask("GET", f"/v1/blobs/{digest}?start=0&length=4194304").status == 500
    path.write_bytes(body)
    assert place.ask("GET", f"/v1/blobs/{digest}?start=0&length=4194304").body == body


def test_a_client_without_nginx_gets_the_bytes(place: Place) -> None:
    direct = Http(place.first, Authorization=place.token)
    assert direct.ask("GET", f"/v1/blobs/{DIGEST}?start=0&length=4194304").body == BODY
