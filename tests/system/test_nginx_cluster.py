"""nginx/cluster.conf as users have it, over TLS, before a real main server: failover, reload under load, streams,
caching, logs. What several replicas on one store do is in test_cluster.py."""

import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from graphfs.client.drive import HttpDrive
from graphfs.client.retry import Policy
from graphfs.model import FILES_ROOT
from graphfs.wire import is_ours
from graphfs.wire.address import parse_address
from tests.contracts.ground import FILE, OWNER, eventually
from tests.house.source import ROOT
from tests.s3 import free_port
from tests.system.http_client import Reply
from tests.system.mounts import place as mount_place
from tests.system.test_nginx import NGINX, SOURCE

SECONDS = 30


@contextmanager
def running(command: list[str], ready: Callable[[], bool], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as stream:
        process = subprocess.Popen(command, cwd=ROOT, stdout=stream, stderr=stream)
    try:
        eventually(lambda: ready() or process.poll() is not None, SECONDS)
        assert process.poll() is None, log.read_text()
        yield process
    finally:
        process.terminate()
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(SECONDS)


def answers(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def certified(folder: Path) -> None:
    """A new certificate of this machine, and its key, in two files there."""
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    made = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *made]
    subprocess.run(command, check=True, capture_output=True)


class Place:
    """A main server that listens on two ports, and an Nginx before it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.front, self.first, self.second = (free_port() for _ in range(3))
        # Held, and never listened at: no program may come to answer there, and no connection to it may begin there.
        self.held = socket.socket()
        self.held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.held.bind(("127.0.0.1", 0))
        self.dead = int(self.held.getsockname()[1])
        shutil.copytree(SOURCE, folder / "nginx")
        certified(folder)
        (folder / "nginx/listen.conf").write_text(
            f"listen 127.0.0.1:{self.front} ssl http2;\nserver_name localhost;\n"
            f"ssl_certificate {folder}/cert.pem;\nssl_certificate_key {folder}/key.pem;\n"
        )
        self.replicas(self.dead, self.first)
        self.trust = ssl.create_default_context(cafile=str(folder / "cert.pem"))
        user = "user root;" if os.geteuid() == 0 else ""
        self.nginx = [NGINX, "-p", f"{folder}/", "-c", f"{folder}/nginx/cluster.conf", "-g", f"daemon off; {user}"]
        self.server = [sys.executable, "-m", "gateway", "--state", str(folder / "state"), "--host-name", "graphfs"]
        for port in (self.first, self.second):
            self.server += ["--listen", f"127.0.0.1:{port}"]

    def replicas(self, *ports: int) -> None:
        ways = ("max_fails=3 fail_timeout=5s", "max_fails=0 backup")
        lines = [f"server 127.0.0.1:{port} {how};\n" for how in ways for port in ports]
        (self.folder / "nginx/replicas.conf").write_text("".join(lines))

    def shared(self) -> list[str]:
        """From now on Nginx sends the contents itself; what the main server needs for it."""
        text = (SOURCE / "blobs-shared.conf").read_text().replace("/srv/graphfs/blobs/", f"{self.folder}/blobs/")
        (self.folder / "nginx/blobs.conf").write_text(text)
        settings = f"blobs:\n  folder: {self.folder}/blobs\nserver:\n  accel: true\n"
        (self.folder / "config.yaml").write_text(settings)
        return ["--config", str(self.folder / "config.yaml")]

    def reload(self) -> None:
        subprocess.run([*self.nginx[:-2], "-s", "reload"], check=True, capture_output=True)

    def renew(self) -> None:
        """Reloads, and waits until what was answers nobody: for a moment old and new workers take connections."""
        former = self.workers()
        self.reload()
        eventually(lambda: self.workers() and not self.workers() & former, SECONDS)

    def workers(self) -> set[str]:
        master = (self.folder / "nginx.pid").read_text().strip()
        return set(Path(f"/proc/{master}/task/{master}/children").read_text().split())

    @property
    def token(self) -> str:
        return "Bearer " + (self.folder / "state/run/token").read_text().strip()

    def connection(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("localhost", self.front, timeout=SECONDS, context=self.trust)

    def ask(self, verb: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
        with closing(self.connection()) as connection:
            connection.request(verb, path, body, {"Authorization": self.token} | headers)
            reply = connection.getresponse()
            return Reply(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())

    def records(self) -> list[dict[str, object]]:
        return self._lines("access.log")

    def logged(self) -> list[dict[str, object]]:
        return self._lines("server.log")

    def _lines(self, name: str) -> list[dict[str, object]]:
        lines = (self.folder / name).read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("front"))
    os.environ["GRAPHFS_LOG__FORMAT"] = "json"
    with ExitStack() as stack:
        stack.enter_context(made.held)
        ready = [made.first, made.second]
        stack.enter_context(running(made.server, lambda: all(map(answers, ready)), made.folder / "server.log"))
        stack.enter_context(running(made.nginx, lambda: answers(made.front), made.folder / "nginx.log"))
        yield made
    os.environ.pop("GRAPHFS_LOG__FORMAT")


def test_nginx_takes_the_files_as_they_are(tmp_path: Path) -> None:
    command = [NGINX, "-t", "-q", "-p", f"{tmp_path}/", "-c", f"{SOURCE}/cluster.conf"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_nginx_takes_the_files_of_the_containers(place: Place, tmp_path: Path) -> None:
    shutil.copytree(SOURCE, tmp_path / "nginx")
    for name in ("listen.conf", "replicas.conf"):
        text = re.sub(r"gateway-\d", "127.0.0.1", (ROOT / "deploy" / name).read_text())
        for secret, file in (("tls_certificate", "cert.pem"), ("tls_key", "key.pem")):
            text = text.replace(f"/run/secrets/{secret}", f"{place.folder}/{file}")
        (tmp_path / "nginx" / name).write_text(text)
    command = [NGINX, "-t", "-q", "-p", f"{tmp_path}/", "-c", f"{tmp_path}/nginx/cluster.conf"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_nothing_without_a_token_but_health(place: Place) -> None:
    for path, status in (
        ("/healthz", 200),
        ("/readyz", 200),
        ("/v1/status", 401),
        ("/none", 401),
        ("/metrics", 404),
        ("/may-read", 404),
    ):
        assert place.ask("GET", path, Authorization="").status == status, path
    reply = place.ask("GET", "/v1/status")
    assert (reply.status, reply.headers["server"]) == (200, "nginx")
    assert "max-age" in reply.headers["strict-transport-security"]


def test_old_tls_is_refused_and_http2_spoken(place: Place) -> None:
    base = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_version}", "--cacert", str(place.folder / "cert.pem")]
    url = f"https://localhost:{place.front}/healthz"
    assert subprocess.run([*base, "--http2", url], capture_output=True, text=True, check=True).stdout == "2"
    assert subprocess.run([*base, "--tls-max", "1.1", url], capture_output=True, check=False).returncode != 0


def test_large_contents_stream_both_ways(place: Place) -> None:
    body = os.urandom(1 << 20) * 24
    assert place.ask("PUT", "/v1/files/large", body).status == 201
    reply = place.ask("GET", "/v1/files/large", **{"Accept-Encoding": "gzip"})
    assert reply.headers.get("content-encoding") is None
    assert hashlib.sha256(reply.body).digest() == hashlib.sha256(body).digest()
    part = place.ask("GET", "/v1/files/large", Range="bytes=1048570-1048589")
    assert (part.status, part.body) == (206, body[1048570:1048590])
    assert [
        path for name in ("temp-body", "temp-proxy") for path in (place.folder / name).rglob("*") if path.is_file()
    ] == []


def test_text_is_compressed_and_immutable_bytes_are_cached(place: Place) -> None:
    for number in range(60):
        assert place.ask("PUT", f"/v1/files/many-{number}", b"x").status == 201
    reply = place.ask("GET", "/v1/nodes/2/children", **{"Accept-Encoding": "gzip"})
    assert reply.headers["content-encoding"] == "gzip"
    body = os.urandom(100_000)
    digest = hashlib.sha256(body).hexdigest()
    assert place.ask("PUT", f"/v1/blobs/{digest}?durable=true", body).status < 300
    for _ in range(2):
        assert place.ask("GET", f"/v1/blobs/{digest}?start=5&length=50000").body == body[5:50005]
    assert place.ask("GET", f"/v1/blobs/{digest}?start=5&length=50000", Authorization="Bearer wrong").status == 401
    wanted = [("", 401), ("HIT", 200), ("MISS", 200)]
    found = eventually(
        lambda: [
            found
            for found in [
                sorted(
                    (str(one["cache"]), int(str(one["status"])))
                    for one in place.records()
                    if digest in str(one["uri"]) and one["method"] == "GET"
                )
            ]
            if len(found) == 3
        ]
    )
    assert found == [wanted]
    assert {one["cache"] for one in place.records() if "/v1/blobs/" not in str(one["uri"])} == {""}


def test_a_revoked_token_opens_nothing_that_is_cached(place: Place) -> None:
    def token(name: str, *scopes: str) -> str:
        reply = place.ask("POST", "/v1/tokens", json.dumps({"name": name, "scopes": scopes}).encode())
        assert reply.status == 200, reply.body
        return f"Bearer {reply.json['secret']}"

    body = os.urandom(50_000)
    target = f"/v1/blobs/{hashlib.sha256(body).hexdigest()}"
    writer, reader = token("writer", "write"), token("reader", "read")
    assert place.ask("PUT", f"{target}?durable=false", body, Authorization=reader).status == 403
    assert place.ask("PUT", f"{target}?durable=false", body, Authorization=writer).status < 300
    target += "?start=0&length=50000"
    assert place.ask("GET", target, Authorization=writer).status == 403
    for _ in range(2):
        assert place.ask("GET", target, Authorization=reader).body == body
    assert place.ask("DELETE", "/v1/tokens/reader").status == 200
    assert place.ask("GET", target, Authorization=reader).status == 401
    assert place.ask("GET", target).body == body


def test_a_browser_is_told_what_this_is(place: Place) -> None:
    reply = place.ask("GET", "/", Authorization="")
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"GraphFS" in reply.body


def test_addresses_can_be_kept_out(place: Place) -> None:
    """By access.conf and a reload; what one is told then is all one is told."""
    rules = place.folder / "nginx/access.conf"
    before = rules.read_text()
    try:
        rules.write_text("deny 127.0.0.1;\nallow all;\n")
        place.renew()
        eventually(lambda: place.ask("GET", "/v1/status").status == 403)
        eventually(lambda: place.ask("GET", "/healthz").status == 403)  # an old worker may end only now
    finally:
        rules.write_text(before)
        place.renew()
    eventually(lambda: place.ask("GET", "/v1/status").status == 200)


def test_a_request_id_runs_through(place: Place) -> None:
    asked = place.ask("GET", "/v1/status", **{"X-Request-ID": "through.all"})
    assert (asked.status, asked.headers["x-request-id"]) == (200, "through.all")
    assert place.ask("GET", "/v1/status", **{"X-Request-ID": "no good\t"}).headers["x-request-id"].isalnum()
    assert eventually(lambda: [one for one in place.records() if one["request_id"] == "through.all"])
    eventually(lambda: any(one.get("request_id") == "through.all" for one in place.logged()))


def test_events_pass_as_they_come(place: Place) -> None:
    with closing(place.connection()) as connection:
        connection.request("GET", "/v1/events/stream", headers={"Authorization": place.token})
        with connection.getresponse() as stream:
            assert place.ask("PUT", "/v1/files/news", b"x").status == 201
            while not (line := stream.readline()).startswith(b"data:"):
                assert line, "the stream ended"


def kept(
    connection: http.client.HTTPConnection, verb: str, path: str, body: bytes | None, token: str
) -> http.client.HTTPResponse:
    """One request on a kept connection. An Nginx that was reloaded closes those that are idle, and every client of HTTP
    then asks on a new one: once, and never after a reply began."""
    for last in (False, True):
        try:
            connection.request(verb, path, body, {"Authorization": token})
            reply = connection.getresponse()
            reply.read()
            return reply
        except (http.client.RemoteDisconnected, ssl.SSLEOFError, BrokenPipeError, ConnectionResetError):
            connection.close()
            if last:
                raise
    raise AssertionError


def goes_on(counts: list[int]) -> None:
    """Every one of the loads gets on."""
    before = list(counts)
    eventually(lambda: all(now > old + 5 for now, old in zip(counts, before, strict=True)), SECONDS)


def test_a_replica_that_is_away_and_reloads_fail_no_request(place: Place) -> None:
    """One of the two is dead all the time; another one is added and one removed in the middle of a load."""
    failed: list[str] = []
    counts = [0] * 6
    stop = threading.Event()

    def load(number: int) -> None:
        with closing(place.connection()) as connection:
            while not stop.is_set():
                name = f"load-{number}-{counts[number]}"
                for verb, path, body in (
                    ("POST", "/v1/nodes/2/children", json.dumps({"name": name, "mode": 0o100644}).encode()),
                    ("PUT", f"/v1/files/{name}", b"content"),
                    ("GET", f"/v1/files/{name}", None),
                ):
                    reply = kept(connection, verb, path, body, place.token)
                    if reply.status >= 300:
                        failed.append(f"{verb} {path}: {reply.status}")
                counts[number] += 1

    threads = [threading.Thread(target=load, args=(number,)) for number in range(len(counts))]
    for thread in threads:
        thread.start()
    try:
        for replicas in ((place.first, place.second), (place.second, place.dead), (place.dead, place.first)):
            goes_on(counts)
            place.replicas(*replicas)
            place.reload()
        goes_on(counts)
    finally:
        stop.set()
        for thread in threads:
            thread.join(SECONDS)
    assert failed == []


def test_a_certificate_is_changed_under_a_mount(place: Place, tmp_path: Path) -> None:
    """Its authority is another one too: mounts trusted both before."""
    names, folder = ("cert.pem", "key.pem"), tmp_path / "new"
    folder.mkdir()
    certified(folder)
    old, new = ({name: (where / name).read_text() for name in names} for where in (place.folder, folder))
    (tmp_path / "both.pem").write_text(old["cert.pem"] + new["cert.pem"])

    def shown() -> str:
        return ssl.get_server_certificate(("127.0.0.1", place.front), timeout=SECONDS).strip()

    def change(to: dict[str, str]) -> None:
        for name, text in to.items():
            (place.folder / name).write_text(text)
        place.reload()
        eventually(lambda: shown() == to["cert.pem"].strip(), SECONDS)

    surroundings = {"GRAPHFS_SERVER": f"https://localhost:{place.front}", "GRAPHFS_TOKEN": place.token.split()[1]}
    surroundings["GRAPHFS_NETWORK__CA_FILE"] = str(tmp_path / "both.pem")
    with mount_place(tmp_path / "m", **surroundings) as there:
        assert there.mount().returncode == 0, there.log
        files = there.drive / "files"
        try:
            for number in range(20):
                if number == 10:
                    change(new)
                (files / f"{number}").write_bytes(b"%d" % number)
            assert [(files / f"{number}").read_bytes() for number in range(20)] == [
                b"%d" % number for number in range(20)
            ]
            assert "WARNING" not in there.log
        finally:
            change(old)


def test_what_nginx_refuses_looks_like_what_the_main_servers_say(place: Place) -> None:
    blob = f"/v1/blobs/{'0' * 64}?start=0&length=1"
    stranger = {"X-GraphFS-Caller": "60000:60000::0:"}
    for reply, status, code in (
        (place.ask("GET", "/metrics"), 404, "not_found"),
        (place.ask("GET", "/v1/files/%00"), 400, "invalid"),
        (place.ask("GET", "/v1/files/" + "a" * 40_000), 400, "invalid"),
        (place.ask("TRACE", "/v1/limits"), 400, "invalid"),
        (place.ask("GET", blob, Authorization="Bearer wrong"), 401, "unauthenticated"),
        (place.ask("GET", blob, **stranger), 403, "access_denied"),
    ):
        assert (reply.status, reply.code) == (status, code)
        assert reply.headers["content-type"] == "application/json"
    assert place.ask("GET", "/errors/invalid").status == 404
    deep = "/v1/files/" + "/".join(["%FF" * 255] * 16)[: 3 * 4095]
    assert place.ask("PUT", f"{deep}?parents=true", b"deep").status == 201
    assert place.ask("GET", deep).body == b"deep"


def test_nobody_s_body_is_anybody_else_s_request(place: Place) -> None:
    """Whether a blob may be read is asked without the body; its length must not be told either, or what comes next on
    that connection, which is somebody else's, would be taken for it."""
    body = os.urandom(50_000)
    blob = f"/v1/blobs/{hashlib.sha256(body).hexdigest()}"
    assert place.ask("PUT", f"{blob}?durable=false", body).status == 200
    for _ in range(5):
        assert place.ask("GET", f"{blob}?start=0&length=9", b"x" * 300).body == body[:9]
        begun = time.monotonic()
        for _ in range(5):
            assert place.ask("POST", "/v1/settle", b"{}").status == 200
        assert time.monotonic() - begun < 3, "a request was lost, and sent again"


def test_that_no_main_server_answers_is_said_as_no_main_server_would(place: Place) -> None:
    place.replicas(place.dead)
    place.renew()
    try:
        reply = eventually(lambda: found if (found := place.ask("GET", "/v1/limits")).status != 200 else None)
        blob = place.ask("GET", f"/v1/blobs/{'0' * 64}?start=0&length=1")
        for one in (reply, blob):
            assert (one.status, one.code, one.headers.get("retry-after")) == (502, "unavailable", "1"), one
            assert not is_ours(one.status, one.body)
    finally:
        place.replicas(place.dead, place.first)
        place.renew()
        eventually(lambda: place.ask("GET", "/v1/limits").status == 200)


def test_a_change_is_not_given_twice_to_a_main_server_that_hangs(place: Place) -> None:
    """It takes connections and requests, and never says anything: what is asked again goes to another one."""
    with closing(socket.create_server(("127.0.0.1", place.dead))):
        place.replicas(place.dead, place.first)
        place.renew()  # workers that know nothing of what the others counted
        url = f"https://localhost:{place.front}"
        policy = Policy(tries=10, patient=True)
        drive = HttpDrive(
            parse_address(url), token=place.token.split()[1], timeout=4.0, policy=policy, trust=place.trust
        )
        with closing(drive):
            for number in range(10):
                drive.create(OWNER, FILES_ROOT, f"change {number}", FILE)
