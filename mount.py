"""The doorway: `python mount.py DIR` mounts the drive. Arguments, configuration, composition, mount; nothing else is
decided here.

In embedded mode the service, its HTTP server and the mount are one process, with a tagger beside it; with `--server`
the mount is a client of a server elsewhere.
"""

import argparse
import gc
import logging
import os
import resource
import secrets
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from gateway.app import Server, run_in_thread, token_of
from gateway.service import open_service
from graphfs.api import Drive
from graphfs.cache.blobs import BlobCache
from graphfs.cache.drive import CachedDrive, Waiting
from graphfs.cache.lending import connect_mount
from graphfs.cache.pins import Pins
from graphfs.cli.exits import EXITS
from graphfs.client.connection import describe
from graphfs.client.drive import SOCKET
from graphfs.config import Config, load
from graphfs.errors import DriveError, InvalidArgument, Unauthenticated
from graphfs.fuse.binding import choose, clock, serve
from graphfs.fuse.options import MountOptions
from graphfs.mounting import home
from graphfs.mounting.background import Report, in_background, in_foreground, print_message
from graphfs.mounting.mountinfo import mounted_at
from graphfs.mounting.options import parse_options
from graphfs.mounting.preparation import check_fuse, check_places, prepare_mount_point
from graphfs.mounting.readahead import widen
from graphfs.mounting.registry import MountRecord, remove_record, write_record
from graphfs.mounting.state import StateLock, prepare_state
from graphfs.mounting.supervisor import Supervisor
from graphfs.mounting.unmounting import detach
from graphfs.vfs.contents import Away
from graphfs.vfs.filesystem import FileSystem
from graphfs.vfs.labels import TagLabels
from graphfs.vfs.origins import Origins
from graphfs.vfs.recovery import recover
from graphfs.vfs.rooms import standard_rooms
from graphfs.vfs.tags import Surroundings
from graphfs.wire.address import parse_address

log = logging.getLogger("mount")

PROJECT = Path(__file__).resolve().parent
GRACE = 5.0
"""Seconds for which open files may still be used after a signal asked for the end."""
FAILED = EXITS[DriveError.code]
SWITCH = 0.0005
"""Seconds after which a thread that computes lets another one run: a request of the kernel does not wait for the
tagger's."""
GARBAGE = 100_000
"""Objects made until the collector looks for cycles: a listing of a large folder makes many, and none."""


@dataclass(frozen=True)
class Plan:
    """What was asked for, checked."""

    mount_point: Path
    state: Path
    config: Config
    config_file: Path | None
    server: str | None
    token: str = field(repr=False)
    binding: str
    options: MountOptions


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mount.py", description="Mounts a GraphFS drive.")
    parser.add_argument("dir", type=Path, metavar="DIR", help="an empty folder, made when it is missing")
    parser.add_argument(
        "--state", type=Path, metavar="DIR", help="where the drive is kept (default: ~/.local/share/graphfs)"
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="settings (default: config.yaml in the state directory)"
    )
    parser.add_argument("--server", metavar="URL", help="show the drive of a server instead of one of this machine")
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="the server's token (or set GRAPHFS_TOKEN); never an argument"
    )
    parser.add_argument("--foreground", "-f", action="store_true", help="stay, and log to standard error")
    parser.add_argument("-o", dest="options", action="append", default=[], metavar="OPT[,OPT]", help="mount options")
    return parser.parse_args(arguments)


def _default_state() -> Path:
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "graphfs"


def _plan(given: argparse.Namespace) -> Plan:
    """Reads settings and checks everything that can be checked before the drive is opened. Raises `graphfs.errors`."""
    chosen = given.state or os.environ.get("GRAPHFS_STATE") or _default_state()
    state = Path(os.path.realpath(os.path.expanduser(chosen)))
    file = given.config or os.environ.get("GRAPHFS_CONFIG")
    file = Path(file).expanduser().absolute() if file else None
    if file is None and os.path.exists(state / "config.yaml"):
        file = state / "config.yaml"  # in a folder that may not be read there seems to be none: `prepare_state` tells
    settings, read_only = parse_options(given.options)
    config = load(file, os.environ, settings)
    allow_other = config.mount.allow_other or os.geteuid() == 0
    check_fuse(allow_other=allow_other)
    mount_point = Path(os.path.realpath(given.dir.expanduser()))
    check_places(mount_point, state)
    prepare_mount_point(mount_point)
    prepare_state(state)
    locks = config.mount.locks == "server"
    # Programs that lock a file rely on what stands beside it: a database looks for its journal.
    entry_timeout = 0.0 if locks else config.mount.entry_timeout
    options = MountOptions(read_only, allow_other, entry_timeout, config.mount.attribute_timeout, locks=locks)
    server = given.server or os.environ.get("GRAPHFS_SERVER")
    token = _token(given.token_file) if server else ""
    return Plan(
        mount_point,
        state,
        config,
        file,
        server,
        token,
        choose(config.mount.binding, os.environ.get("FUSE_LIBRARY_PATH") or None, locks=locks),
        options,
    )


def _token(file: Path | None) -> str:
    """What proves to the server who mounts. InvalidArgument: the file cannot be read."""
    if file is None:
        return os.environ.get("GRAPHFS_TOKEN", "").strip()
    try:
        return file.expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"the token in {file} cannot be read: {error}") from error


class Mount:
    """One mount from the opening of its drive to the last byte written."""

    def __init__(self, plan: Plan, report: Report) -> None:
        self._plan = plan
        self._report = report
        self._stack = ExitStack()
        self._changed = threading.Event()
        self._signalled = False
        self._ended = False
        self._failure: BaseException | None = None
        self._answers = False
        self._tagger: Supervisor | None = None
        self._make_room: Callable[[], bool] = lambda: False
        self._away: Away | None = None
        self._origins = Origins(secrets.randbits(64)) if plan.server else None

    def run(self) -> int:
        """Serves until it is unmounted or a signal comes. Everything is durable on return."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        with self._stack:
            try:
                volume, address = self._compose()
            except DriveError as error:
                self._report(EXITS[error.code], str(error))
                return EXITS[error.code]
            self._stack.callback(volume.close)
            # The bindings' C code would keep the main thread from handling signals.
            serving = threading.Thread(target=self._serve, args=(volume, address), name="kernel", daemon=True)
            serving.start()
            self._wait(serving)
        log.info("the drive on %s is closed", self._plan.mount_point)
        return self._result()

    def _result(self) -> int:
        if self._answers:
            return 0 if self._failure is None else FAILED
        message = f"{self._plan.mount_point} could not be mounted: {self._failure or 'it was unmounted at once'}"
        self._report(FAILED, message)
        return FAILED

    # -- composition

    def _compose(self) -> tuple[FileSystem, str]:
        """The volume and the address of its API."""
        plan = self._plan
        staging = plan.state / "staging"
        staging.mkdir(mode=0o700, exist_ok=True)
        home.settle(plan.state, describe(parse_address(plan.server)) if plan.server else home.OWN, staging)
        drive, address = self._open()
        recovered = recover(drive, staging)
        if recovered:
            log.warning("%d staged changes of a mount that died are in the trash (`graphfs restore`)", len(recovered))
        settings = plan.config.mount
        surroundings = Surroundings(
            os.geteuid(),
            os.getegid(),
            inbox=plan.config.tags.inbox,
            entries=settings.tag_entries,
            mount_point=str(plan.mount_point),
            late=self._origins is not None,
        )
        volume = FileSystem(
            drive,
            staging,
            rooms=standard_rooms(drive, surroundings),
            labels=TagLabels(drive),
            entry_timeout=plan.options.entry_timeout,
            attribute_timeout=plan.options.attribute_timeout,
            remote=self._origins,
            clock=clock(plan.binding),
            make_room=self._make_room,
            away=self._away,
            look=drive.look if isinstance(drive, CachedDrive) else None,
        )
        if isinstance(drive, CachedDrive):
            drive.waiting = lambda: Waiting(*volume.waiting())
        if plan.server is None and plan.config.tagger.enabled:
            self._tagger = self._make_tagger(address)
        return volume, address

    def _open(self) -> tuple[Drive, str]:
        plan = self._plan
        drive: Drive
        if plan.server and self._origins is not None:
            drive = self._connect(plan.server, self._origins)
        else:
            drive = service = open_service(plan.state, plan.config, clock=clock(plan.binding))
            self._make_room = service.make_room
        self._stack.callback(drive.close)
        return drive, self._serve_http(drive)

    def _connect(self, server: str, origins: Origins) -> CachedDrive:
        """The drive of a server that answers. Unauthenticated, Unavailable say why it does not."""
        plan, network = self._plan, self._plan.config.network
        drive = connect_mount(
            server,
            BlobCache(plan.state / "cache", network.cache_bytes),
            token=plan.token,
            patience=network.patience_seconds,
            ca_file=Path(network.ca_file).expanduser() if network.ca_file else None,
            stamp=origins.stamp,
            own=origins.known,
            serving=origins.own,
            state=plan.state,
            believed=min(plan.options.entry_timeout, plan.options.attribute_timeout),
        )
        try:
            drive.chunk_size()
        except Unauthenticated as error:
            drive.asker.close()
            what = "refuses the token" if plan.token else "needs a token"
            raise Unauthenticated(
                f"the server {server} {what}: {error}; give one by --token-file FILE or GRAPHFS_TOKEN"
            ) from error
        except DriveError:
            drive.asker.close()
            raise
        drive.keep(Pins(plan.state))
        self._away = Away(lambda: drive.away, stage=network.offline_writes == "stage")
        return drive

    def _serve_http(self, drive: Drive) -> str:
        """Serves the drive for the command line, the web page and the tagger; the address of its socket."""
        plan, settings = self._plan, self._plan.config.server
        socket = plan.state / (settings.socket or SOCKET)
        addresses = [f"unix:{socket}"]
        if settings.port is not None:
            addresses.append(f"{settings.host}:{settings.port}")
        server: Server = run_in_thread(drive, *addresses, token=token_of(plan.state), gate=getattr(drive, "gate", None))
        self._stack.callback(server.stop)
        return addresses[0]

    def _make_tagger(self, address: str) -> Supervisor:
        plan = self._plan
        command = [sys.executable, "-m", "tagger", "--server", address, "--parent-pid", str(os.getpid())]
        if plan.config_file is not None:
            command += ["--config", str(plan.config_file)]
        path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
        tagger = Supervisor(
            "the tagger", command, plan.state / "logs" / "tagger.log", {**os.environ, "PYTHONPATH": path}
        )
        self._stack.callback(tagger.stop)
        return tagger

    # -- life

    def _serve(self, volume: FileSystem, address: str) -> None:
        plan = self._plan
        try:
            serve(plan.binding, volume, str(plan.mount_point), plan.options, lambda: self._mounted(address))
        except BaseException as error:  # told by the main thread, which waits for it
            self._failure = error
            log.exception("the binding %s failed", plan.binding)
        finally:
            self._ended = True
            self._changed.set()

    def _mounted(self, address: str) -> None:
        """On a thread of its own, while the kernel is answered: the drive is there once it answers through it."""
        plan = self._plan
        try:
            os.stat(plan.mount_point / "files")
            mounted = mounted_at(str(plan.mount_point))
        except OSError as error:
            self._failure = error
            self._signalled = True
            self._changed.set()
            return
        if mounted is None:
            return  # it was unmounted meanwhile; the binding ends by itself
        widen(mounted.device)
        record = MountRecord(os.getpid(), mounted.path, mounted.device, plan.binding, str(plan.state), address)
        write_record(record)
        self._stack.callback(remove_record, record)
        if self._tagger is not None:
            self._tagger.start()
        self._answers = True
        log.info("the drive is on %s (%s)", plan.mount_point, plan.binding)
        self._report(0, f"the drive is on {plan.mount_point}")

    def _on_signal(self, number: int, _: object) -> None:
        self._signalled = True
        self._changed.set()

    def _wait(self, serving: threading.Thread) -> None:
        """Returns when the kernel is served no more: it was unmounted, or a signal came and open files had their
        time."""
        self._changed.wait()
        if self._ended or not self._signalled:
            return
        log.info("asked to end: unmounting %s", self._plan.mount_point)
        try:
            detach(str(self._plan.mount_point), lazy=True)
        except DriveError as error:
            log.warning("%s", error)
        serving.join(GRACE)
        if serving.is_alive():
            log.warning("files are open still; what was written to them is kept, what is written now fails")


def _log_to(plan: Plan, *, foreground: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)  # in the background that is the log file
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=plan.config.log.level.upper(), handlers=[handler])
    if foreground:
        logging.getLogger("aiohttp").setLevel(logging.WARNING)


def _work(plan: Plan, lock: StateLock, *, foreground: bool) -> Callable[[Report], int]:
    def work(report: Report) -> int:
        lock.sign()  # the process that holds it may be another one now
        _log_to(plan, foreground=foreground)
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        sys.setswitchinterval(SWITCH)
        gc.freeze()  # what is loaded stays: no collection looks at it again
        gc.set_threshold(GARBAGE, 50, 50)
        os.umask(0)  # modes come from the kernel, which has applied the caller's
        return Mount(plan, report).run()

    return work


def main(arguments: list[str] | None = None) -> int:
    """Mounts. 0 when the drive answers (in the foreground: when it was unmounted); else a message and a status of
    `EXITS`."""
    given = _arguments(arguments)
    try:
        plan = _plan(given)
        lock = StateLock(plan.state, f"the drive on {plan.mount_point}")
    except DriveError as error:
        status = EXITS[error.code]
        print_message(status, str(error))
        return status
    work = _work(plan, lock, foreground=given.foreground)
    if given.foreground:
        return in_foreground(work)
    return in_background(work, plan.state / "logs" / "mount.log")


if __name__ == "__main__":
    sys.exit(main())
