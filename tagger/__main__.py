"""`python -m tagger --server ADDRESS`: a tagger for a drive. Composes, and nothing else.

It works until SIGTERM or SIGINT, or until the process named by `--parent-pid` is gone. Any number of taggers may
serve one drive.
"""

import argparse
import contextlib
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from graphfs.client import connect
from graphfs.config import Config, load
from graphfs.errors import DriveError, InvalidArgument
from graphfs.wire.address import UnixAddress, parse_address
from tagger import program

_BEHIND = 10
"""How much a tagger beside a mount stands back: people who copy files do not wait for it."""


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tagger", description="Tags the files of a drive.")
    parser.add_argument(
        "--server", required=True, metavar="ADDRESS", help="unix:PATH, HOST:PORT, a URL or a state directory"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings (default: the built-in ones)")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="holds the token for a server on a port")
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="where vectors of seen files are kept (default: beside the socket)"
    )
    parser.add_argument("--prompts", type=Path, metavar="DIR", help="your own system.txt and user.txt")
    parser.add_argument(
        "--preview", type=int, metavar="ID", help="only print (JSON) what would be sent where for the file of this id"
    )
    parser.add_argument(
        "--executor", choices=["process", "ray"], default="process", help="this process, or actors of a Ray cluster"
    )
    parser.add_argument(
        "--ray-address", default="auto", metavar="ADDRESS", help="the Ray cluster (default: this host's)"
    )
    parser.add_argument("--actors", type=int, default=0, metavar="N", help="on Ray: how many (default: one a node)")
    parser.add_argument("--parent-pid", type=int, default=0, metavar="PID", help="end when this process is gone")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """0 when it was asked to end; 1 with a message when it cannot begin or go on."""
    given = _arguments(arguments)
    stop = threading.Event()
    _end_by_signals(stop)
    try:
        config = load(given.config, os.environ)
        logging.basicConfig(level=config.log.level.upper(), format=program.LOG_FORMAT)
        logging.getLogger("httpx").setLevel(logging.WARNING)
        token = given.token_file.read_text().strip() if given.token_file else ""
        if given.executor == "ray":
            return _on_ray(given, config, token, stop)
        drive = connect(given.server, token=token)
    except (DriveError, OSError) as error:
        sys.stderr.write(f"tagger: {error}\n")
        return 1
    if given.parent_pid:
        os.nice(_BEHIND)
        threading.Thread(target=_watch_parent, args=(given.parent_pid, stop), name="parent", daemon=True).start()
    with contextlib.ExitStack() as stack:
        stack.callback(program.close, drive)
        place = program.Place(given.server, _cache_folder(given), given.prompts)
        try:
            well = program.run(drive, config, place, stop, stack, given.preview)
        except InvalidArgument as error:
            sys.stderr.write(f"tagger: {error}\n")
            return 1
    return 0 if well else 1


def _on_ray(given: argparse.Namespace, config: Config, token: str, stop: threading.Event) -> int:
    if given.preview is not None or given.parent_pid:
        raise InvalidArgument("--executor ray goes neither with --preview nor with --parent-pid")
    from tagger.actors import Team  # noqa: PLC0415 - only those who have a Ray cluster have its library

    place = program.Place(given.server, _cache_folder(given), given.prompts)
    with contextlib.closing(Team(given.ray_address, config, place, token)) as team:
        _end_by_signals(stop)
        team.run(given.actors, stop)
    return 0


def _end_by_signals(stop: threading.Event) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())


def _cache_folder(given: argparse.Namespace) -> Path:
    folder: Path | None = given.cache
    if folder is None:
        path = Path(given.server)
        address = UnixAddress(path / "api.sock") if path.is_dir() else parse_address(given.server)
        if isinstance(address, UnixAddress):
            folder = address.path.parent / "tagger"
        else:
            folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "graphfs"
    return folder


def _watch_parent(pid: int, stop: threading.Event) -> None:
    """Asks to end when the parent is gone; a process id that was given anew does not deceive it."""
    ours = os.getppid() == pid
    while not stop.wait(1.0):
        if ours and os.getppid() == pid:
            continue
        try:
            if ours:
                raise ProcessLookupError
            os.kill(pid, 0)
        except ProcessLookupError:
            stop.set()
        except PermissionError:
            continue


if __name__ == "__main__":
    sys.exit(main())
