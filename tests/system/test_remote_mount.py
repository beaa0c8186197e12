"""`mount.py --server`: who is let in, what two mounts see of one another, and a server that comes and goes."""

import errno
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from graphfs.client import connect
from graphfs.errors import InvalidArgument, Unavailable
from tests.contracts.ground import eventually
from tests.system.command_line import CommandLine
from tests.system.mounts import ended, place
from tests.system.remote import Gateway, gateway, remote_mount


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Gateway]:
    with gateway(tmp_path / "gateway") as made:
        yield made


def test_the_token_is_needed_over_tcp_and_a_wrong_one_is_told(tmp_path: Path) -> None:
    port = free_port()
    with gateway(tmp_path / "gateway", f"127.0.0.1:{port}") as server, place(tmp_path / "m") as there:
        none = there.mount("--server", f"http://127.0.0.1:{port}")
        assert none.returncode == 12, none.stderr
        assert "needs a token" in none.stderr
        wrong = there.mount("--server", f"http://127.0.0.1:{port}", GRAPHFS_TOKEN="not this one")
        assert wrong.returncode == 12
        assert "refuses the token" in wrong.stderr
        assert "not this one" not in wrong.stderr
        file = tmp_path / "token"
        file.write_text(server.token + "\n")
        done = there.mount("--server", f"http://127.0.0.1:{port}", "--token-file", str(file))
        assert done.returncode == 0, done.stderr
        (there.drive / "files" / "f").write_text("over TCP")
        assert (there.drive / "files" / "f").read_text() == "over TCP"
        assert there.unmount().returncode == 0


def test_a_server_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    with place(tmp_path) as there:
        begun = time.monotonic()
        done = there.mount("--server", f"http://127.0.0.1:{free_port()}")
        assert done.returncode == 23, done.stderr
        assert "does not answer" in done.stderr
        assert time.monotonic() - begun < 9


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed one for localhost, and its key."""
    folder.mkdir()
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return cert, key


@contextmanager
def encrypted(cert: Path, key: Path, body: bytes) -> Iterator[int]:
    """A TLS server that answers everything with one body; its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    plain, _ = listener.accept()
                except OSError:
                    return
                try:
                    with context.wrap_socket(plain, server_side=True) as connection:
                        connection.recv(65536)
                        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                except OSError:
                    plain.close()  # the client does not believe us

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def test_certificates_are_verified(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path / "tls")
    with encrypted(cert, key, b'{"inline_limit":1,"chunk_size":4096}') as port:
        stranger = connect(f"https://localhost:{port}", token="t")
        with pytest.raises(Unavailable, match=r"certificate of localhost is not trusted.*network\.ca_file"):
            stranger.chunk_size()
        stranger.asker.close()
        known = connect(f"https://localhost:{port}", token="t", ca_file=cert)
        assert known.chunk_size() == 4096
        known.asker.close()
        with pytest.raises(InvalidArgument, match="holds no certificates"):
            connect(f"https://localhost:{port}", ca_file=key)


@pytest.mark.parametrize("binding", ["pyfuse3", "fusepy"])
def test_two_mounts_see_one_another_within_two_seconds(server: Gateway, tmp_path: Path, binding: str) -> None:
    option = ("-o", f"binding={binding}")
    with remote_mount(server, tmp_path / "a", *option) as a, remote_mount(server, tmp_path / "b", *option) as b:
        here, there = a.drive / "files" / "f", b.drive / "files" / "f"
        here.write_text("one")
        eventually(there.exists, 2)
        assert there.read_text() == "one"  # close-to-open
        here.write_text("two, longer")
        assert there.read_text() == "two, longer"
        here.rename(here.with_name("g"))
        eventually(lambda: not there.exists() and there.with_name("g").exists(), 2)
        there.with_name("g").unlink()
        eventually(lambda: not here.with_name("g").exists(), 2)
        assert a.unmount().returncode == b.unmount().returncode == 0


@pytest.mark.parametrize("binding", ["pyfuse3", "fusepy"])
def test_what_the_other_put_in_the_place_of_a_file_is_what_one_opens_next(
    server: Gateway, tmp_path: Path, binding: str
) -> None:
    """Also before one was told: what is read, tagged or changed is never the file that is gone."""
    option = ("-o", f"binding={binding}")
    with remote_mount(server, tmp_path / "a", *option) as a, remote_mount(server, tmp_path / "b", *option) as b:
        here, there = a.drive / "files" / "f", b.drive / "files" / "f"
        here.write_text("first")
        eventually(there.exists, 2)
        for number in range(20):
            assert there.stat().st_size  # b's kernel knows the name
            new = here.with_name("new")
            new.write_text(f"version {number}")
            new.replace(here)
            if number % 4 == 0:
                assert there.read_text() == f"version {number}"
            elif number % 4 == 1:
                os.setxattr(there, "user.xdg.tags", f"t{number}".encode())
                assert os.getxattr(here, "user.xdg.tags") == f"t{number}".encode()
            elif number % 4 == 2:
                with there.open("a") as more:
                    more.write(" and more")
                assert here.read_text() == f"version {number} and more"
            else:
                os.utime(there, (number, number))
                eventually(lambda number=number: here.stat().st_mtime == number, 2)
        assert a.unmount().returncode == b.unmount().returncode == 0


def test_a_name_has_one_winner(server: Gateway, tmp_path: Path) -> None:
    with remote_mount(server, tmp_path / "a") as a, remote_mount(server, tmp_path / "b") as b:
        roots = [a.drive / "files", b.drive / "files"]
        for number in range(20):
            wins: list[Path] = []

            def attempt(root: Path, number: int = number, wins: list[Path] = wins) -> None:
                try:
                    if number % 2:
                        os.mkdir(root / f"n{number}")
                    else:
                        os.close(os.open(root / f"n{number}", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
                except FileExistsError:
                    return
                wins.append(root)

            threads = [threading.Thread(target=attempt, args=(root,)) for root in roots]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
            assert len(wins) == 1


def test_a_server_that_comes_back_within_the_patience_is_only_waited_for(server: Gateway, tmp_path: Path) -> None:
    with remote_mount(server, tmp_path / "a") as a:
        (a.drive / "files" / "f").write_text("before")
        server.kill()
        back = threading.Thread(target=server.start)
        back.start()
        (a.drive / "files" / "d").mkdir()
        (a.drive / "files" / "d" / "g").write_text("after")
        back.join(40)
        assert (a.drive / "files" / "f").read_text() == "before"


def test_a_server_that_is_gone_freezes_nobody_and_is_taken_up_again(server: Gateway, tmp_path: Path) -> None:
    with remote_mount(server, tmp_path / "a", GRAPHFS_NETWORK__PATIENCE_SECONDS="2") as a:
        (a.drive / "files" / "f").write_text("content")
        server.kill()
        begun = time.monotonic()
        with pytest.raises(OSError):
            (a.drive / "files" / "d").mkdir()
        assert time.monotonic() - begun < 5
        begun = time.monotonic()
        for number in range(5):  # the outage is known: no call waits again
            with pytest.raises(OSError):
                (a.drive / "files" / f"d{number}").mkdir()
        assert time.monotonic() - begun < 2
        server.start()

        def works() -> bool:
            try:
                (a.drive / "files" / "e").mkdir(exist_ok=True)
            except OSError:
                return False
            return True

        eventually(works, 10)
        assert (a.drive / "files" / "f").read_text() == "content"


def fails_in_time(act: Callable[[], object], seconds: float = 5.0) -> int:
    """The errno with which it fails, soon."""
    begun = time.monotonic()
    with pytest.raises(OSError) as caught:
        act()
    assert time.monotonic() - begun < seconds
    assert caught.value.errno is not None
    return caught.value.errno


BIG = os.urandom(9 << 20)


@pytest.mark.parametrize("binding", ["pyfuse3", "fusepy"])
def test_what_was_seen_is_readable_while_the_server_is_away(server: Gateway, tmp_path: Path, binding: str) -> None:
    patience = "1"
    with remote_mount(
        server, tmp_path / "a", "-o", f"binding={binding}", GRAPHFS_NETWORK__PATIENCE_SECONDS=patience
    ) as a:
        files = a.drive / "files"
        (files / "d").mkdir()
        (files / "d" / "small").write_text("small")
        (files / "d" / "big").write_bytes(BIG)
        (a.drive / "tags" / "red").mkdir()
        (files / "d" / "small").rename(a.drive / "tags" / "red" / "small")
        listed = sorted(os.listdir(files / "d"))
        assert os.listdir(a.drive / "tags" / "red") == ["small"]
        assert (files / "d" / "small").read_text() == "small"
        (files / "unseen").mkdir()
        server.signal(signal.SIGSTOP)  # it takes connections and says nothing
        try:
            assert fails_in_time((files / "n").mkdir) in (errno.EROFS, errno.ETIMEDOUT)
            begun = time.monotonic()
            assert sorted(os.listdir(files / "d")) == listed
            assert (files / "d" / "small").read_text() == "small"
            assert (files / "d" / "big").read_bytes() == BIG
            assert os.listdir(a.drive / "tags" / "red") == ["small"]
            assert fails_in_time((files / "n").mkdir, 1) in (errno.EROFS, errno.ETIMEDOUT)
            assert fails_in_time((files / "d" / "small").unlink, 1) == errno.EROFS
            assert time.monotonic() - begun < 5
        finally:
            server.signal(signal.SIGCONT)
        eventually(lambda: _made(files / "n"), 10)


def _made(path: Path) -> bool:
    try:
        path.mkdir(exist_ok=True)
    except OSError:
        return False
    return True


def test_what_is_closed_while_the_server_is_away_is_sent_when_it_is_back(server: Gateway, tmp_path: Path) -> None:
    with remote_mount(server, tmp_path / "a", GRAPHFS_NETWORK__PATIENCE_SECONDS="1") as a:
        path = a.drive / "files" / "f"
        path.write_text("before")
        assert path.read_text() == "before"
        assert json.loads((a.drive / ".graphfs" / "status.json").read_text())["link"]["away"] == 0
        server.kill()
        path.write_text("written while it was away")  # closes without an error
        assert path.read_text() == "written while it was away"
        told = json.loads((a.drive / ".graphfs" / "status.json").read_text())["link"]
        assert told["away"] > 0
        assert (told["waiting"], told["waiting_bytes"]) == (1, len("written while it was away"))
        descriptor = os.open(path, os.O_WRONLY)
        os.write(descriptor, b"W")
        assert fails_in_time(lambda: os.fsync(descriptor)) in (errno.EROFS, errno.ETIMEDOUT)
        os.close(descriptor)
        server.start()
        with remote_mount(server, tmp_path / "b") as b:
            there = b.drive / "files" / "f"
            eventually(lambda: there.read_text() == "Written while it was away", 10)


def test_what_was_closed_before_the_mount_died_too_is_sent_by_the_next_one(server: Gateway, tmp_path: Path) -> None:
    with remote_mount(server, tmp_path / "a", GRAPHFS_NETWORK__PATIENCE_SECONDS="1") as a:
        path = a.drive / "files" / "f"
        path.write_text("before")
        assert path.read_text() == "before"
        server.kill()
        path.write_bytes(BIG)
        pid = a.record.pid
        os.kill(pid, signal.SIGKILL)
        assert ended(pid, 20)
        server.start()
        done = a.mount()
        assert done.returncode == 0, done.stderr + a.log
        assert path.read_bytes() == BIG


def test_what_is_pinned_is_there_while_the_server_is_away(server: Gateway, tmp_path: Path) -> None:
    settings = {"GRAPHFS_NETWORK__PATIENCE_SECONDS": "1", "GRAPHFS_NETWORK__CACHE_BYTES": "1000"}
    with remote_mount(server, tmp_path / "b") as b:
        (b.drive / "files" / "d" / "sub").mkdir(parents=True)
        (b.drive / "files" / "d" / "big").write_bytes(BIG)
        (b.drive / "files" / "d" / "sub" / "small").write_text("small")
        (b.drive / "files" / "other").write_text("other")
        (b.drive / "tags" / "red").mkdir()
        os.rename(b.drive / "files" / "other", b.drive / "tags" / "red" / "other")
        with remote_mount(server, tmp_path / "a", **settings) as a:
            cli = CommandLine().at(a)
            cli("pin", "files/d", "tags/red", "files/absent", cwd=a.drive, code=3)

            def ready(count: int) -> bool:
                found = cli("pin", "--json", cwd=a.drive).json
                return [one["files"] for one in found] == [count, 1] and all(one["ready"] for one in found)

            eventually(lambda: ready(2), 20)
            (b.drive / "files" / "d" / "sub" / "later").write_text("it came later")
            (b.drive / "files" / "d" / "sub" / "small").write_text("changed")
            eventually(lambda: ready(3), 20)
            assert b.unmount().returncode == 0
            server.kill()
            there = a.drive / "files" / "d"
            assert sorted(os.listdir(there)) == ["big", "sub"]
            assert (there / "big").read_bytes() == BIG
            assert (there / "sub" / "small").read_text() == "changed"
            assert (there / "sub" / "later").read_text() == "it came later"
            assert [path.read_text() for path in (a.drive / "tags" / "red").iterdir()] == ["other"]
            server.start()
            eventually(lambda: _made(a.drive / "files" / "back"), 10)
            cli("unpin", "files/d", cwd=a.drive)
            assert [one["path"] for one in cli("pin", "--json", cwd=a.drive).json] == ["tags/red"]


def test_what_was_written_for_one_server_never_goes_to_another(server: Gateway, tmp_path: Path) -> None:
    with (
        gateway(tmp_path / "other") as other,
        remote_mount(server, tmp_path / "a", GRAPHFS_NETWORK__PATIENCE_SECONDS="1") as a,
    ):
        path = a.drive / "files" / "f"
        path.write_text("before")
        server.kill()
        path.write_text("for the first")
        assert a.unmount().returncode == 0
        for elsewhere in (other.environment(), {"GRAPHFS_SERVER": ""}):
            refused = a.mount(**elsewhere)
            assert refused.returncode == 8, refused.stderr
            assert "holds 1 unsent change for the drive of unix:" in refused.stderr
        assert not a.mounted
        server.start()
        assert a.mount().returncode == 0, a.log
        assert path.read_text() == "for the first"
        assert a.unmount().returncode == 0
        assert a.mount(**other.environment()).returncode == 0, a.log
        assert not path.exists()


def test_a_flush_under_way_ends_when_the_server_falls_silent(server: Gateway, tmp_path: Path) -> None:
    """What may take long is waited for, but not when nothing else is answered either."""
    with remote_mount(server, tmp_path / "a", GRAPHFS_NETWORK__PATIENCE_SECONDS="2") as a:
        path = a.drive / "files" / "f"
        path.write_text("before")
        descriptor = os.open(path, os.O_WRONLY)
        os.write(descriptor, b"B")
        server.signal(signal.SIGSTOP)
        try:
            assert fails_in_time(lambda: os.fsync(descriptor)) in (errno.EROFS, errno.ETIMEDOUT)
        finally:
            server.signal(signal.SIGCONT)
            os.close(descriptor)
        eventually(lambda: path.read_text() == "Before", 10)


def test_an_open_file_lives_on_when_its_last_name_goes(server: Gateway, tmp_path: Path) -> None:
    """Nobody counts who has it open, so nothing stays behind when a mount dies."""
    with remote_mount(server, tmp_path / "a") as a, remote_mount(server, tmp_path / "b") as b:
        path = a.drive / "files" / "f"
        with open(path, "w+b") as stream:
            eventually((b.drive / "files" / "f").exists, 2)
            (b.drive / "files" / "f").unlink()
            eventually(lambda: not path.exists(), 2)
            stream.write(b"still here")
            stream.flush()
            os.fsync(stream.fileno())
            stream.seek(0)
            assert stream.read() == b"still here"


def test_writes_are_refused_while_the_server_is_away_when_so_configured(server: Gateway, tmp_path: Path) -> None:
    settings = {"GRAPHFS_NETWORK__PATIENCE_SECONDS": "1", "GRAPHFS_NETWORK__OFFLINE_WRITES": "refuse"}
    with remote_mount(server, tmp_path / "a", **settings) as a:
        path = a.drive / "files" / "f"
        path.write_text("before")
        server.kill()
        fails_in_time((a.drive / "files" / "n").mkdir)
        descriptor = os.open(path, os.O_WRONLY)
        try:
            assert fails_in_time(lambda: os.write(descriptor, b"x"), 1) == errno.EROFS
        finally:
            os.close(descriptor)
        server.start()
        eventually(lambda: path.read_text() == "before", 10)


@pytest.mark.parametrize("binding", ["pyfuse3", "fusepy"])
def test_records_appended_by_two_mounts_are_all_there(server: Gateway, tmp_path: Path, binding: str) -> None:
    option = ("-o", f"binding={binding}")
    with remote_mount(server, tmp_path / "a", *option) as a, remote_mount(server, tmp_path / "b", *option) as b:
        (a.drive / "files" / "log").touch()
        eventually((b.drive / "files" / "log").exists, 2)
        failures: list[OSError] = []

        def write(who: str, root: Path) -> None:
            try:
                for number in range(60):
                    with open(root / "files" / "log", "ab", buffering=0) as log:
                        log.write(f"{who} {number}\n".encode())
            except OSError as error:
                failures.append(error)

        threads = [threading.Thread(target=write, args=one) for one in (("a", a.drive), ("b", b.drive))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not failures
        expected = sorted(f"{who} {number}" for who in "ab" for number in range(60))
        for root in (a.drive, b.drive):
            eventually(lambda root=root: (root / "files" / "log").stat().st_size == sum(map(len, expected)) + 120, 5)
            assert sorted((root / "files" / "log").read_text().splitlines()) == expected
        assert os.listdir(a.drive / "files") == ["log"]


def test_of_two_writers_one_wins_whole_and_the_other_is_beside(server: Gateway, tmp_path: Path) -> None:
    with remote_mount(server, tmp_path / "a") as a, remote_mount(server, tmp_path / "b") as b:
        here, there = a.drive / "files" / "f.txt", b.drive / "files" / "f.txt"
        here.write_text("base")
        eventually(there.exists, 2)
        with open(here, "r+") as one, open(there, "r+") as other:
            one.write("from a")
            other.write("from b, the longer")
            one.flush()
            other.flush()  # both have written over the same version now
            os.fsync(one.fileno())
        names = sorted(os.listdir(a.drive / "files"))
        assert len(names) == 2
        assert names[0].startswith("f (conflict ")
        assert {(a.drive / "files" / name).read_text() for name in names} == {"from a", "from b, the longer"}
        told = json.loads((b.drive / ".graphfs" / "status.json").read_text())["link"]
        assert told["conflicts"] == [f"files/{names[0]}"]
        assert (told["waiting"], told["away"]) == (0, 0)
