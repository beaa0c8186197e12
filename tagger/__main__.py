"""`python -m tagger --server ADDRESS`: a tagger for a drive. Composes, and nothing else.

It works until SIGTERM or SIGINT, or until the process named by `--parent-pid` is gone. Any number of taggers may
serve one drive.
"""

import argparse
import contextlib
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from graphfs.api import Drive
from graphfs.client import connect
from graphfs.config import Config, load
from graphfs.errors import DriveError
from graphfs.model import Caller, Event
from graphfs.wire.address import UnixAddress, parse_address
from tagger import retry
from tagger.extract.result import Limits
from tagger.extract.sandbox import Sandbox
from tagger.knowledge import Knowledge, Proposals
from tagger.pipeline import Desk, Locked, Pipeline, Private
from tagger.speech import Listener, Program
from tagger.suggest.encoder import Encoder
from tagger.suggest.facts import current_year
from tagger.suggest.neighbours import Neighbours
from tagger.suggest.offline import Offline
from tagger.suggest.subject import Wishes
from tagger.worker import Worker, run_threads

_BEHIND = 10
"""How much a tagger beside a mount stands back: people who copy files do not wait for it."""
_log = logging.getLogger("tagger")
_GRACE = 5.0


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
    parser.add_argument("--parent-pid", type=int, default=0, metavar="PID", help="end when this process is gone")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """0 when it was asked to end; 1 with a message when it cannot begin or go on."""
    given = _arguments(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        config = load(given.config, os.environ)
        logging.basicConfig(level=config.log.level.upper(), format="%(asctime)s %(name)s %(levelname)s %(message)s")
        logging.getLogger("httpx").setLevel(logging.WARNING)
        token = given.token_file.read_text().strip() if given.token_file else ""
        drive = connect(given.server, token=token)
    except (DriveError, OSError) as error:
        sys.stderr.write(f"tagger: {error}\n")
        return 1
    if given.parent_pid:
        os.nice(_BEHIND)
        threading.Thread(target=_watch_parent, args=(given.parent_pid, stop), name="parent", daemon=True).start()
    with contextlib.ExitStack() as stack:
        stack.callback(_close, drive)
        well = _run(drive, config, given, stop, stack)
    return 0 if well else 1


def _close(drive: Drive) -> None:
    with contextlib.suppress(DriveError):  # the drive may be gone first: nothing of ours is left unsaid
        drive.close()


def _run(
    drive: Drive, config: Config, given: argparse.Namespace, stop: threading.Event, stack: contextlib.ExitStack
) -> bool:
    settings = config.tagger
    caller = Caller(os.getuid(), os.getgid(), actor="tagger")
    cache = _cache_folder(given) / "vectors-2.npz"
    knowledge = Knowledge(drive, caller, Proposals(cache.with_name("proposals.txt")))
    neighbours = Neighbours()
    neighbours.load(cache)
    offline = Offline(Encoder(), neighbours, knowledge.edges, current_year(time.time()))
    locked = Locked(offline)
    listener = _listener(config)
    large = _large(drive, config, offline, locked, given.prompts, listener.name if listener else "")
    if large is not None:
        stack.callback(large.close)
    wishes = Wishes(settings.mode, settings.apply_at, settings.review_at, settings.max_tags, settings.language)
    pipeline = Pipeline(drive, caller, knowledge, locked, large, wishes, settings.max_bytes, listener)
    scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="graphfs-tagger-")))
    limits = Limits(
        wall_seconds=settings.max_seconds,
        cpu_seconds=max(1, int(settings.max_seconds)),
        ocr="" if settings.ocr == "off" else settings.ocr,
        pictures=settings.llm.max_pictures if large is not None else 0,
        sound_seconds=settings.speech.max_seconds if listener else 0,
        answer_bytes=Limits().answer_bytes + (settings.speech.max_seconds * 32_000 if listener else 0),
    )
    threads = max(settings.concurrency, settings.llm.concurrency if large is not None else 0) + 1
    desks = [Desk(scratch / f"{i}", Sandbox(limits)) for i in range(threads)]
    for desk in desks:
        stack.callback(desk.close)
    if given.preview is not None:
        return _preview(pipeline, desks[0], config, given.preview, drive)
    name = f"{socket.gethostname()}-{os.getpid()}"
    worker = Worker(
        drive,
        name,
        pipeline.process,
        knowledge,
        lease_seconds=config.jobs.lease_seconds,
        share=settings.share_while_arriving / threads,
    )
    if not _subscribe(drive, (pipeline.hear, worker.hear), stop):
        return True
    _log.info("tagging at %s, %s", given.server, f"with {settings.llm.model}" if large else "offline")

    def keep() -> None:
        with locked.lock:
            _save(neighbours, cache)

    well = run_threads(worker, desks, stop, _GRACE, keep)
    keep()
    return well


def _listener(config: Config) -> Listener | None:
    """Who transcribes, when somebody is set to."""
    speech = config.tagger.speech
    if speech.command:
        return Program(speech.command, speech.timeout_seconds)
    if speech.base_url and speech.model:
        from tagger.transcription import Transcription  # noqa: PLC0415 - its library is only for those who want it

        key = speech.api_key.reveal() if speech.api_key else ""
        return Transcription(speech.base_url, speech.model, key, speech.timeout_seconds)
    return None


def _preview(pipeline: Pipeline, desk: Desk, config: Config, file: int, drive: Drive) -> bool:
    llm = config.tagger.llm
    try:
        told = msgspec.to_builtins(pipeline.preview(file, desk))
        used = drive.spend(llm.base_url, 0) if llm.base_url else 0
    except DriveError as error:
        sys.stderr.write(f"tagger: {error}\n")
        return False
    if told["where"] in {"local", "cloud"}:
        told |= {"endpoint": llm.base_url, "model": llm.model, "answer_tokens": llm.max_tokens}
        told |= {"embedding": config.tagger.embedding.base_url, "embedding_model": config.tagger.embedding.model}
        told |= {"tokens_today": used, "daily_token_budget": llm.daily_token_budget}
    sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
    return True


def _large(
    drive: Drive, config: Config, offline: Offline, locked: Locked, prompts: Path | None, listens: str
) -> Private | None:
    """The large model, when one is configured."""
    llm = config.tagger.llm
    if not llm.base_url or not llm.model:
        return None
    from tagger.suggest.llm import Beside, Budget  # noqa: PLC0415 - LlamaIndex is 120 MB and 3 s: only for those who want it
    from tagger.suggest.method import endpoint, near, suggester  # noqa: PLC0415 - as above

    budget = Budget(llm.daily_token_budget, lambda tokens: drive.spend(str(llm.base_url), tokens))
    beside = Beside(llm.concurrency, llm.max_pictures, listens)
    by_meaning = near(config.tagger.embedding, drive, offline, locked.lock)
    return suggester(llm, endpoint(llm), offline, drive, budget, prompts, locked.lock, beside, by_meaning)


def _subscribe(drive: Drive, listeners: tuple[Callable[[Event], None], ...], stop: threading.Event) -> bool:
    """Hears of work from now on; waits for a drive that is not there yet. False when asked to end meanwhile."""
    failures = 0
    while not stop.is_set():
        try:
            while listeners:
                drive.subscribe(listeners[0])
                listeners = listeners[1:]
        except DriveError as error:
            failures += 1
            if failures == 5:
                _log.info("waiting for the drive: %s", error)
            stop.wait(retry.reconnect(failures, 0.5))
        else:
            return True
    return False


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


def _save(neighbours: Neighbours, cache: Path) -> None:
    try:
        cache.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        neighbours.save(cache)
    except OSError as error:
        _log.info("vectors were not saved: %s", error)


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
