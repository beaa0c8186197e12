"""A main server on its own: `python -m gateway --state DIR --listen unix:PATH|HOST:PORT` serves the drive of a state
directory over HTTP.

It only composes: arguments, settings, the service, the server, and the signals that end them.
"""

import argparse
import contextlib
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path

from gateway import logs
from gateway.app import run_in_thread, token_of
from gateway.service import Service, open_service
from graphfs.config import for_drive
from graphfs.errors import Conflict, DriveError
from graphfs.mounting.state import StateLock, prepare_state

_LOOK = 1.0
"""Seconds between looks at the clock."""
_WRONG = 240.0
"""Seconds by which a clock may be wrong: no store refuses less."""


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m gateway", description="Serves a drive over HTTP.")
    parser.add_argument("--state", type=Path, required=True, metavar="DIR", help="the drive's state directory")
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="settings (default: config.yaml in the state directory, if there is one)",
    )
    parser.add_argument(
        "--listen",
        action="append",
        metavar="ADDRESS",
        help="unix:PATH or HOST:PORT, may be repeated (default: the socket and port of the settings)",
    )
    parser.add_argument(
        "--host-name", action="append", default=[], help="a name the server is reached by, beside localhost"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Serves until SIGTERM or SIGINT. 0; 1 with a message when it cannot."""
    given = _arguments(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        state: Path = given.state.expanduser().absolute()
        config = for_drive(state, given.config, os.environ)
        logs.set_up(config.log.format, config.log.level)
        listen: list[str] = given.listen or []
        if not listen:
            if config.server.socket:
                listen.append(f"unix:{state / config.server.socket}")
            if config.server.port is not None:
                listen.append(f"{config.server.host}:{config.server.port}")
        prepare_state(state)
        if config.store.engine == "sqlite":  # main servers that share their records may share a directory too
            StateLock(state, f"the main server at {', '.join(listen)}")
        service = open_service(state, config, away=True)
        try:
            _check_clock(service, ask=True)
            server = run_in_thread(
                service,
                *listen,
                token=config.server.token.reveal() if config.server.token else token_of(state),
                hosts=frozenset(one.lower() for one in given.host_name),
                instance=f"store-{service.store.schema}" if service.store.shared else "",
                gate=service.gate,
                stored=service.stored if config.server.accel else None,
            )
            logging.getLogger("gateway").info("serving %s at %s", state, ", ".join(listen))
            try:
                while not stop.wait(_LOOK):
                    _check_clock(service)
            finally:
                server.stop(drain=config.server.drain_seconds)
        finally:
            service.close()
    except DriveError as error:
        sys.stderr.write(f"gateway: {error}\n")
        return 1
    return 0


def _check_clock(service: Service, *, ask: bool = False) -> None:
    """Conflict when this machine's clock is so wrong that the blobs' store does not take what it signs: whoever is sent
    here would be refused, and is better served by another main server. `ask`: nothing was asked of the store yet."""
    wrong = (time.time_ns() - service.clock()) / 1e9
    if abs(wrong) < _WRONG:
        return
    if ask:
        with contextlib.suppress(DriveError):
            service.blobs.has(bytes(32))
    if service.blobs.refused():
        side = "ahead of" if wrong > 0 else "behind"
        raise Conflict(
            f"this machine's clock is {abs(wrong):.0f} s {side} the drive's: the S3 store does not let us in"
        )


if __name__ == "__main__":
    sys.exit(main())
