"""A change that is asked again is done once: with the key of the first time, also after the server died, and by our own
client when a reply is lost."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from graphfs.api import Drive
from graphfs.client import connect
from graphfs.model import FILES_ROOT, Layout
from tests.contracts.ground import FILE, FOLDER, OWNER, eventually
from tests.house.source import ROOT
from tests.s3 import Proxy, free_port
from tests.system.http_client import Http
from tests.system.http_ground import TOKEN, Served, served


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path / "state") as made:
        yield made


def create(http: Http, name: str, key: str) -> tuple[int, Any]:
    body = json.dumps({"name": name, "mode": FILE}).encode()
    reply = http.ask("POST", "/v1/nodes/2/children", body, **({"Idempotency-Key": key} if key else {}))
    return reply.status, reply.json


def test_the_same_key_gets_the_first_answer(ground: Served) -> None:
    first = create(ground.tcp, "a", "one")
    assert first[0] == 200
    assert create(ground.tcp, "a", "one") == first
    assert create(ground.tcp, "a", "two")[0] == 409
    assert create(ground.tcp, "a", "")[0] == 409
    assert create(ground.tcp, "b", "not a key")[0] == 400


def test_a_key_is_of_one_request(ground: Served) -> None:
    """Sent with another change it does not pass that off as done."""
    assert create(ground.tcp, "a", "one")[0] == 200
    assert create(ground.tcp, "b", "one")[0] == 200
    gone = ground.tcp.ask("POST", "/v1/nodes/2/unlink", b'{"name": "b"}', **{"Idempotency-Key": "one"})
    assert gone.status == 200
    assert ground.ground.names(FILES_ROOT) == ["a"]


def test_a_key_is_its_caller_s_own(ground: Served) -> None:
    assert create(ground.tcp, "a", "one")[0] == 200
    other = Http(ground.server.ports[0], **{"Authorization": f"Bearer {TOKEN}", "X-GraphFS-Caller": "1234:1234::1:"})
    assert create(other, "a", "one")[0] == 403


def test_a_repeated_move_does_not_move_what_came_since(ground: Served) -> None:
    drive = ground.drive
    first = drive.create(OWNER, FILES_ROOT, "a", FILE)
    move = json.dumps({"name": "a", "new_folder": FILES_ROOT, "new_name": "b"}).encode()
    assert ground.tcp.ask("POST", "/v1/nodes/2/rename", move, **{"Idempotency-Key": "move"}).status == 200
    since = drive.create(OWNER, FILES_ROOT, "a", FILE)
    assert ground.tcp.ask("POST", "/v1/nodes/2/rename", move, **{"Idempotency-Key": "move"}).status == 200
    assert drive.lookup(OWNER, FILES_ROOT, "b").id == first.id
    assert drive.lookup(OWNER, FILES_ROOT, "a").id == since.id


def test_what_failed_leaves_no_key(ground: Served) -> None:
    assert create(ground.tcp, "x" * 300, "key")[0] == 400
    ground.drive.create(OWNER, FILES_ROOT, "taken", FILE)
    assert create(ground.tcp, "taken", "key")[0] == 409
    assert create(ground.tcp, "free", "key")[0] == 200


@contextmanager
def running(state: Path, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "gateway", "--state", str(state), "--listen", f"127.0.0.1:{port}"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: up(port), 30)
        yield process
    finally:
        process.kill()
        process.wait(20)


def up(port: int) -> bool:
    try:
        return Http(port).ask("GET", "/readyz").status == 200
    except OSError:
        return False


def test_a_key_outlives_the_server(tmp_path: Path) -> None:
    state, port = tmp_path / "state", free_port()
    with running(state, port) as process:
        http = Http(port, Authorization="Bearer " + (state / "run/token").read_text().strip())
        first = create(http, "kept", "one")
        assert first[0] == 200
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    with running(state, port):
        assert create(http, "kept", "one") == first


CHANGES: dict[str, Callable[[Drive], object]] = {
    "create": lambda drive: drive.create(OWNER, FILES_ROOT, "new", FILE),
    "link": lambda drive: drive.link(OWNER, drive.lookup(OWNER, FILES_ROOT, "file").id, FILES_ROOT, "name"),
    "unlink": lambda drive: drive.unlink(OWNER, FILES_ROOT, "file"),
    "rmdir": lambda drive: drive.rmdir(OWNER, FILES_ROOT, "folder"),
    "rename": lambda drive: drive.rename(OWNER, FILES_ROOT, "file", FILES_ROOT, "moved"),
    "commit": lambda drive: drive.commit(OWNER, drive.lookup(OWNER, FILES_ROOT, "file").id, 0, 10, []),
    "remove_xattr": lambda drive: drive.remove_xattr(OWNER, drive.lookup(OWNER, FILES_ROOT, "file").id, "user.x"),
    "create_tag": lambda drive: drive.create_tag(OWNER, "new/below").path == "new/below",
    "delete_tag": lambda drive: drive.delete_tag(OWNER, "empty"),
    "rename_tag": lambda drive: drive.rename_tag(OWNER, "red", "crimson").path == "crimson",
    "merge_tags": lambda drive: drive.merge_tags(OWNER, "red", "blue").files == 1,
    "set_alias": lambda drive: drive.set_alias(OWNER, "red", "rouge"),
    "drop_tag": lambda drive: drive.drop_tag(OWNER, "red") > 0,
    "undo": lambda drive: drive.undo(OWNER).changes > 0,
    "restore": lambda drive: drive.restore(OWNER, drive.trash(OWNER)[0].id) == "files/gone",
    "recover": lambda drive: drive.recover(OWNER, "files/lost", Layout(0, 0, ())) > 0,
}
"""What is not None is also whether the answer is right."""


@pytest.mark.parametrize("name", CHANGES)
def test_our_client_notices_no_lost_reply(ground: Served, name: str) -> None:
    """The server does it, and the connection breaks before the client hears of it."""
    drive = ground.drive
    file = drive.create(OWNER, FILES_ROOT, "file", FILE)
    drive.create(OWNER, FILES_ROOT, "folder", FOLDER)
    drive.set_xattr(OWNER, file.id, "user.x", b"1")
    drive.create_tag(OWNER, "empty")
    drive.create_tag(OWNER, "blue")
    gone = drive.create(OWNER, FILES_ROOT, "gone", FILE)
    drive.change_tags(OWNER, [gone.file], ["blue"], [])
    drive.unlink(OWNER, FILES_ROOT, "gone")
    drive.change_tags(OWNER, [file.file], ["red"], [])
    with closing(Proxy(ground.server.ports[0])) as proxy:
        client = connect(f"127.0.0.1:{proxy.port}", token=TOKEN)
        warm = connect(f"127.0.0.1:{ground.server.ports[0]}", token=TOKEN)
        try:
            lossy = _Lossy(client, warm, proxy)
            right = CHANGES[name](lossy)  # type: ignore[arg-type]  # it does all that a change asks of a drive
        finally:
            client.close()
            warm.close()
    assert proxy.cut[0] == 0, "no reply was lost"
    assert right is not False, "the answer is another one"


class _Lossy:
    """Looks names up undisturbed; the reply of any other call is lost once."""

    def __init__(self, client: Drive, other: Drive, proxy: Proxy) -> None:
        self._client, self.lookup, self.trash, self._proxy = client, other.lookup, other.trash, proxy

    def __getattr__(self, name: str) -> Any:
        self._proxy.cut = (1, 5)
        return getattr(self._client, name)
