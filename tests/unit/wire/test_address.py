"""Where a server listens."""

import socket
from pathlib import Path

import pytest

from graphfs.errors import InvalidArgument
from graphfs.wire.address import Address, TcpAddress, UnixAddress, parse_address, short_path


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("unix:/run/a.sock", UnixAddress(Path("/run/a.sock"))),
        ("unix:a.sock", UnixAddress(Path("a.sock"))),
        ("/run/a.sock", UnixAddress(Path("/run/a.sock"))),
        ("127.0.0.1:80", TcpAddress("127.0.0.1", 80)),
        ("[::1]:80", TcpAddress("::1", 80)),
        ("http://host", TcpAddress("host", 80)),
        ("https://host", TcpAddress("host", 443, tls=True)),
        ("https://host:1/below/", TcpAddress("host", 1, tls=True, base="/below")),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text", ["", "host", "host:many", "host:99999", "ftp://host", "http://", "http://a@b", "http://a?b"]
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_address(text)


def test_a_socket_may_lie_deep(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100) / ("y" * 100)
    folder.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        with short_path(folder / "s") as path:
            server.bind(path)
        server.listen()
        with short_path(folder / "s") as path:
            client.connect(path)
    assert (folder / "s").is_socket()
