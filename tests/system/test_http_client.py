"""The client before a server that is away, slow, broken, or comes back."""

import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from gateway.app import run_in_thread
from gateway.service import open_service
from graphfs import wire
from graphfs.client import HttpDrive, connect
from graphfs.client.retry import Failure, Policy
from graphfs.errors import Busy, Conflict, DriveError, NotFound, TooLarge, Unavailable
from graphfs.model import FILES_ROOT, EventKind, Space
from graphfs.wire.address import UnixAddress
from tests.contracts.ground import FOLDER, OWNER, Listener
from tests.system.http_ground import CONFIG

SPACE = wire.encode(Space(1, 1, 1, 1, 1, 1))


def answer(body: bytes, status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


class Script:
    """A server that answers each request with the next of some replies: bytes, none (b"") to be silent for ever, or
    None to hang up without a word."""

    def __init__(self, path: Path, *replies: bytes | None) -> None:
        self.requests: list[bytes] = []
        self._replies = list(replies)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with ExitStack() as silent:
            while True:
                try:
                    connection, _ = self._socket.accept()
                except OSError:
                    return  # closed
                with ExitStack() as stack:
                    stack.enter_context(closing(connection))
                    while self._replies and (request := connection.recv(65536)):
                        self.requests.append(request)
                        reply = self._replies.pop(0)
                        if reply is None:
                            break
                        if not reply:
                            silent.push(stack.pop_all())
                            break
                        connection.sendall(reply)

    @property
    def asked(self) -> int:
        return len(self.requests)

    def said(self, name: str) -> list[str]:
        """What each request said in a header. Bodies are short, and come in the same packet."""
        found = [re.search(rf"\r\n{name}: ([^\r]*)", request.decode()) for request in self.requests]
        return [match[1] for match in found if match]

    def close(self) -> None:
        """After the client's end is closed."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._socket.close()


@contextmanager
def scripted(
    path: Path, *replies: bytes | None, timeout: float = 5.0, policy: Policy | None = None
) -> Iterator[tuple[HttpDrive, Script]]:
    script = Script(path, *replies)
    drive = HttpDrive(UnixAddress(path), timeout=timeout, policy=policy)
    try:
        yield drive, script
    finally:
        drive.asker.close()
        script.close()


def test_nobody_there(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    for address in (f"unix:{tmp_path / 'none'}", f"127.0.0.1:{port}"):
        drive = connect(address)
        started = time.monotonic()
        with pytest.raises(Unavailable):
            drive.space()
        with pytest.raises(Unavailable):
            drive.subscribe(print)
        assert time.monotonic() - started < 5
        drive.close()


def test_a_silent_server_is_given_up(tmp_path: Path) -> None:
    with scripted(tmp_path / "s", b"", timeout=0.3) as (drive, script):
        started = time.monotonic()
        with pytest.raises(Unavailable):
            drive.space()
        assert 0.2 < time.monotonic() - started < 5
        assert script.asked == 1


def test_what_may_be_asked_twice_is(tmp_path: Path) -> None:
    with scripted(tmp_path / "s", None, None, answer(SPACE)) as (drive, script):
        assert drive.space().blocks == 1
        assert script.asked == 3


def test_but_not_for_ever(tmp_path: Path) -> None:
    with scripted(tmp_path / "s", None, None, None, None) as (drive, script):
        with pytest.raises(Unavailable):
            drive.space()
        assert script.asked == 3


def test_what_may_have_happened_is_not_asked_again(tmp_path: Path) -> None:
    with scripted(tmp_path / "s", None, answer(b"null")) as (drive, script):
        with pytest.raises(Unavailable):
            drive.lease("worker", 1, 60.0)
        assert script.asked == 1


def test_what_is_known_by_its_key_is_asked_again(tmp_path: Path) -> None:
    with scripted(tmp_path / "s", None, answer(b"null")) as (drive, script):
        drive.unlink(OWNER, FILES_ROOT, "a")
        assert script.asked == 2


def test_a_change_whose_server_hangs_is_asked_again_by_another_connection(tmp_path: Path) -> None:
    """Behind a proxy there may be one that does not."""
    patient = Policy(patient=True)
    with scripted(tmp_path / "s", b"", answer(b"null"), timeout=8.0, policy=patient) as (drive, script):
        drive.unlink(OWNER, FILES_ROOT, "a")
        first, second = script.said(wire.KEY_HEADER)
        assert first == second


def test_an_error_says_what_its_request_is_called_in_the_servers_logs(tmp_path: Path) -> None:
    _, body = wire.reply_of(Unavailable("later"))
    later, absent = answer(body, "503 Later"), answer(wire.reply_of(NotFound("nothing there"))[1], "404 Not Found")
    with scripted(tmp_path / "s", later, later, later, absent, None) as (drive, script):
        with pytest.raises(Unavailable) as busy:
            drive.space()
        with pytest.raises(NotFound) as refused:
            drive.unlink(OWNER, FILES_ROOT, "a")
        with pytest.raises(Unavailable) as lost:
            drive.lease("worker", 1, 60.0)
        first, *again, second, third = script.said(wire.REQUEST_HEADER)
    assert again == [first, first]
    assert len({first, second, third}) == 3
    assert str(busy.value) == f"later (request {first})"
    assert str(refused.value) == "nothing there"
    assert str(lost.value).endswith(f"(request {third})")


def test_a_server_that_is_busy_is_asked_again(tmp_path: Path) -> None:
    _, body = wire.reply_of(Unavailable("later"))
    with scripted(tmp_path / "s", answer(body, "503 Later"), answer(SPACE)) as (drive, script):
        assert drive.space().blocks == 1
        assert script.asked == 2


def test_what_may_take_a_minute_is_not_waited_for_when_the_server_cannot_do_it(tmp_path: Path) -> None:
    """It says so once, and hangs when it is asked again."""
    cannot = answer(wire.reply_of(Unavailable("the store is away"))[1], "503 Later")
    with scripted(tmp_path / "s", cannot, b"", timeout=0.5) as (drive, script):
        started = time.monotonic()
        with pytest.raises(Unavailable):
            drive.sync()
        assert time.monotonic() - started < 10
        assert script.asked == 2


def test_what_passes_by_itself_is_asked_again_while_there_is_time(tmp_path: Path) -> None:
    busy = answer(wire.reply_of(Busy("just now"))[1], "423 Locked")
    with scripted(tmp_path / "s", *[busy] * 6, answer(b"null")) as (drive, script):
        drive.unlink(OWNER, FILES_ROOT, "a")
        assert script.asked == 7
        assert len(set(script.said(wire.KEY_HEADER))) == 1
    with scripted(tmp_path / "t", *[busy] * 99, timeout=0.5) as (drive, script):
        with pytest.raises(Busy):
            drive.unlink(OWNER, FILES_ROOT, "a")
        with pytest.raises(Busy):
            drive.lease("worker", 1, 60.0)
        assert 3 < script.asked < 20, "what cannot be recognised is asked once"


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (answer(b"<html>", "502 Bad Gateway", "Connection: close\r\n"), Unavailable),
        (answer(b"<html>", "413 Too Large"), TooLarge),
        (answer(wire.reply_of(Conflict("x"))[1], "409 Conflict"), Conflict),
        (answer(b"{}"), Unavailable),
        (answer(b"not json"), Unavailable),
        (answer(b"x", "500 Oops"), DriveError),
        (b"HTTP/1.1 nonsense\r\n\r\n", Unavailable),
        (b"\xff\xfe" * 50_000, Unavailable),
    ],
    ids=["proxy's page", "too large", "conflict", "another shape", "no json", "unknown", "no http", "noise"],
)
def test_every_answer_becomes_an_error_of_the_closed_set(tmp_path: Path, reply: bytes, kind: type[DriveError]) -> None:
    with scripted(tmp_path / "s", *[reply] * 3) as (drive, _), pytest.raises(DriveError) as caught:
        drive.space()
    assert type(caught.value) is kind


def test_forms_of_replies(tmp_path: Path) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    for start in range(0, len(SPACE), 7):
        chunked += b"%x;extension\r\n%s\r\n" % (len(SPACE[start : start + 7]), SPACE[start : start + 7])
    chunked += b"0\r\n\r\n"
    early = b"HTTP/1.1 100 Continue\r\n\r\n" + answer(SPACE)
    with scripted(tmp_path / "s", chunked, early, answer(SPACE)) as (drive, script):
        for _ in range(3):
            assert drive.space().blocks == 1
        assert script.asked == 3


def test_a_connection_that_was_closed_meanwhile_is_replaced(tmp_path: Path) -> None:
    service = open_service(tmp_path / "state", CONFIG)
    address = f"unix:{tmp_path / 's'}"
    server = run_in_thread(service, address)
    drive = connect(address)
    drive.create(OWNER, FILES_ROOT, "one", FOLDER)
    server.stop()
    with pytest.raises(Unavailable):
        drive.space()
    server = run_in_thread(service, address)
    drive.create(OWNER, FILES_ROOT, "two", FOLDER)
    server.stop()
    server = run_in_thread(service, address)
    # Not idempotent, and its connection is dead: it happens exactly once all the same.
    drive.create(OWNER, FILES_ROOT, "three", FOLDER)
    drive.close()
    server.stop()
    assert [entry.name for entry in service.children(OWNER, FILES_ROOT)] == ["one", "two", "three"]
    service.close()


def test_events_go_on_after_a_restart(tmp_path: Path) -> None:
    service = open_service(tmp_path / "state", CONFIG)
    address = f"unix:{tmp_path / 's'}"
    server = run_in_thread(service, address)
    drive = connect(address)
    listener = Listener()
    drive.subscribe(listener)
    service.create(OWNER, FILES_ROOT, "before", FOLDER)
    listener.wait(lambda event: event.name == "before")
    server.stop()
    service.create(OWNER, FILES_ROOT, "meanwhile", FOLDER)
    server = run_in_thread(service, address)
    # What happened meanwhile is told, or that everything must be asked anew.
    listener.wait(lambda event: event.name == "meanwhile" or event.kind == EventKind.RESET)
    service.create(OWNER, FILES_ROOT, "after", FOLDER)
    listener.wait(lambda event: event.name == "after")
    drive.close()
    server.stop()
    service.close()


@pytest.mark.allows_log("a listener failed")
def test_a_listener_that_fails_does_not_end_the_others(tmp_path: Path) -> None:
    service = open_service(tmp_path / "state", CONFIG)
    server = run_in_thread(service, f"unix:{tmp_path / 's'}")
    drive = connect(tmp_path / "s")
    listener = Listener()

    def fail(event: object) -> None:
        raise RuntimeError("mine")

    drive.subscribe(fail)
    drive.subscribe(listener)
    service.create(OWNER, FILES_ROOT, "told", FOLDER)
    listener.wait(lambda event: event.name == "told")
    drive.close()
    server.stop()
    service.close()


def test_closing_is_final_and_quick(tmp_path: Path) -> None:
    service = open_service(tmp_path / "state", CONFIG)
    server = run_in_thread(service, f"unix:{tmp_path / 's'}")
    drive = connect(tmp_path / "s")
    drive.subscribe(lambda event: None)
    started = time.monotonic()
    drive.close()
    drive.close()
    assert time.monotonic() - started < 5
    with pytest.raises(Unavailable):
        drive.space()
    server.stop()
    service.close()


def test_a_fork_takes_no_connections_along(tmp_path: Path) -> None:
    service = open_service(tmp_path / "state", CONFIG)
    server = run_in_thread(service, f"unix:{tmp_path / 's'}")
    drive = connect(tmp_path / "s")
    assert drive.lookup(OWNER, 1, "files").id == FILES_ROOT
    child = os.fork()
    if child == 0:
        wrong = 1
        try:
            wrong = sum(drive.node(OWNER, FILES_ROOT).id != FILES_ROOT for _ in range(50))
        finally:
            os._exit(min(wrong, 1))
    assert all(drive.node(OWNER, 1).id == 1 for _ in range(50))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    drive.close()
    server.stop()
    service.close()


@pytest.mark.parametrize(
    ("failure", "idempotent", "again"),
    [
        (Failure(sent=False), False, True),
        (Failure(sent=True), True, True),
        (Failure(sent=True), False, False),
        (Failure(sent=True, late=True), True, False),
        (Failure(sent=False, connected=False), True, False),
        (Failure(sent=True, replied=True, busy=True), False, False),
    ],
)
def test_the_policy(failure: Failure, idempotent: bool, again: bool) -> None:
    policy = Policy()
    assert (policy.delay(1, failure, idempotent=idempotent) is not None) == again
    assert policy.delay(policy.tries, failure, idempotent=idempotent) is None


def test_who_has_patience_asks_a_server_that_cannot_for_a_second_and_not_longer() -> None:
    policy, refused = Policy(patient=True), Failure(sent=True, replied=True)
    pauses = [policy.delay(attempt, refused, idempotent=True) for attempt in range(1, policy.refusals)]
    assert 1 < sum(pause for pause in pauses if pause is not None) < 2
    assert None not in pauses
    assert policy.delay(policy.refusals, refused, idempotent=True) is None
    assert policy.delay(1, refused, idempotent=False) is None


def test_many_threads_share_a_client(tmp_path: Path) -> None:
    service = open_service(tmp_path / "state", CONFIG)
    server = run_in_thread(service, f"unix:{tmp_path / 's'}")
    drive = connect(tmp_path / "s")
    failed: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001  # told to the test's own thread
                failed.append(error)

        return run

    def work() -> None:
        for _ in range(30):
            assert drive.node(OWNER, FILES_ROOT).id == FILES_ROOT
            assert drive.path(OWNER, FILES_ROOT) == "files"

    threads = [threading.Thread(target=guarded(work)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    drive.close()
    server.stop()
    service.close()
