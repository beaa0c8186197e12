"""Where a server listens and a client connects: `unix:PATH`, `HOST:PORT`, `http://HOST:PORT`. One parser for both
ends."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from graphfs.errors import InvalidArgument

_LONGEST_SOCKET_PATH = 100
"""Bytes; the kernel's limit is 107."""


class UnixAddress(NamedTuple):
    """A unix socket."""

    path: Path


class TcpAddress(NamedTuple):
    """A TCP port, with TLS or without. `host` is without brackets. `base` comes before every path."""

    host: str
    port: int
    tls: bool = False
    base: str = ""


Address = UnixAddress | TcpAddress


def parse_address(text: str) -> Address:
    """The address that a text means: `unix:PATH`, a path with a slash, `HOST:PORT`, `[::1]:PORT`, `http://...` or
    `https://...`. InvalidArgument."""
    if text.startswith("unix:"):
        return UnixAddress(Path(text.removeprefix("unix:").removeprefix("//")))
    if "://" not in text and "/" in text:
        return UnixAddress(Path(text))
    whole = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(whole)
        port = parts.port
    except ValueError as error:
        raise InvalidArgument(f"{text!r} is not an address") from error
    wrong = (
        parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.username
    )
    if wrong or parts.hostname is None:
        raise InvalidArgument(f"{text!r} is not an address: unix:PATH, HOST:PORT or http(s)://HOST[:PORT]")
    tls = parts.scheme == "https"
    if port is None:
        if "://" not in text:
            raise InvalidArgument(f"{text!r} names no port")
        port = 443 if tls else 80
    return TcpAddress(parts.hostname, port, tls, parts.path.rstrip("/"))


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """A name for a socket's path that is short enough for the kernel, however deep the folder is."""
    if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
