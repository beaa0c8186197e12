"""A main server as an operator sees it: health, readiness, figures, logs with request ids, and leaving without a failed
request."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.contracts.ground import eventually
from tests.house.source import ROOT
from tests.s3 import free_port
from tests.system.http_client import Http


@contextmanager
def running(state: Path, port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A main server that logs JSON into a file, from when it is ready."""
    environment = os.environ | {"GRAPHFS_LOG__FORMAT": "json"}
    command = [sys.executable, "-m", "gateway", "--state", str(state), "--listen", f"127.0.0.1:{port}"]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, cwd=ROOT, stderr=stream, env=environment)
    try:
        eventually(lambda: ready(port), 30)
        yield process
    finally:
        process.kill()
        process.wait(20)


def ready(port: int) -> bool:
    try:
        return Http(port).ask("GET", "/readyz").status == 200
    except OSError:
        return False


def records(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_health_figures_and_ids(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    with running(tmp_path / "state", port, log):
        token = (tmp_path / "state/run/token").read_text().strip()
        stranger, owner = Http(port), Http(port, Authorization=f"Bearer {token}")
        assert stranger.ask("GET", "/healthz").status == 200
        assert stranger.ask("GET", "/metrics").status == 401
        reply = owner.ask("GET", "/v1/status", **{"X-Request-ID": "from-a-client.1"})
        assert (reply.status, reply.headers["x-request-id"]) == (200, "from-a-client.1")
        made = owner.ask("GET", "/v1/status", **{"X-Request-ID": 'odd"{}'}).headers["x-request-id"]
        assert made.isalnum()
        assert stranger.ask("GET", "/v1/status", **{"X-Request-ID": "refused"}).headers["x-request-id"] == "refused"
        assert owner.ask("PUT", "/v1/files/counted", b"x" * 50_000).status == 201
        assert owner.ask("GET", "/v1/files/counted").body == b"x" * 50_000
        figures = owner.ask("GET", "/metrics").body.decode()
        for name in ("received", "sent"):
            (told,) = re.findall(rf"^graphfs_{name}_bytes_total (\S+)$", figures, re.MULTILINE)
            assert 50_000 <= float(told) < 60_000
        panels = json.loads((ROOT / "deploy/grafana/graphfs.json").read_text())["panels"]
        asked = " ".join(target["expr"] for panel in panels for target in panel["targets"])
        names = set(re.findall(r"\b(?:graphfs|process)_\w+", asked))
        assert names
        assert {name for name in names if not re.search(rf"^{name}[ {{]", figures, re.MULTILINE)} == set()
        assert 'graphfs_request_seconds_count{method="GET",route="/v1/status",status="200"} 2.0' in figures
        assert "graphfs_requests_active 1.0" in figures
    told = [one for one in records(log) if one.get("request_id") == "from-a-client.1"]
    assert [(one["route"], one["status"], one["logger"]) for one in told] == [("/v1/status", 200, "gateway.access")]
    assert token not in log.read_text()


def test_leaving_fails_no_request_of_a_kept_connection(tmp_path: Path) -> None:
    """As a proxy uses it: connections are kept, and used at any moment of the server's end."""
    port, log = free_port(), tmp_path / "log"
    failed: list[str] = []
    stop = threading.Event()
    counts = [0] * 8

    def load(number: int) -> None:
        while not stop.is_set():
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
                try:
                    connection.connect()
                except ConnectionRefusedError:
                    return  # it has left; a proxy asks another one
                keep = True
                while keep and not stop.is_set():
                    try:
                        connection.request("PUT", f"/v1/files/{number}-{counts[number]}", b"x", headers)
                        reply = connection.getresponse()
                        reply.read()
                    except (OSError, http.client.HTTPException) as error:
                        if counts[number] == 0 or connection.sock is not None:
                            failed.append(repr(error))
                        return
                    if reply.status != 201:
                        failed.append(str(reply.status))
                    counts[number] += 1
                    keep = not reply.will_close

    with running(tmp_path / "state", port, log) as process:
        headers = {"Authorization": "Bearer " + (tmp_path / "state/run/token").read_text().strip()}
        threads = [threading.Thread(target=load, args=(number,)) for number in range(len(counts))]
        for thread in threads:
            thread.start()
        eventually(lambda: all(counts))
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        stop.set()
        for thread in threads:
            thread.join(20)
    assert [one for one in failed if "Reset" not in one] == []
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    with running(tmp_path / "state", port, log):
        names = {entry["name"] for entry in Http(port, **headers).ask("GET", "/v1/nodes/2/children").json}
        assert {f"{number}-{count}" for number in range(len(counts)) for count in range(counts[number])} <= names
