"""One tagger: its models, its files and its loop, put together for a drive and run until it is asked to end. Where it
runs (this process, or one of a Ray cluster) is its caller's business.
"""

import contextlib
import logging
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from graphfs.api import Drive
from graphfs.config import Config
from graphfs.errors import DriveError
from graphfs.model import Caller, Event
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

LOG_FORMAT = "%(asctime)s %(name)s %(levelname)s %(message)s"
_log = logging.getLogger("tagger")
_GRACE = 5.0


class Place(msgspec.Struct, frozen=True):
    """What a tagger needs to know beside its settings."""

    server: str
    """As it is told to people."""
    cache: Path
    """The folder of what it keeps."""
    prompts: Path | None = None


def close(drive: Drive) -> None:
    with contextlib.suppress(DriveError):  # the drive may be gone first: nothing of ours is left unsaid
        drive.close()


def run(
    drive: Drive,
    config: Config,
    place: Place,
    stop: threading.Event,
    stack: contextlib.ExitStack,
    preview: int | None = None,
) -> bool:
    """Tags until `stop`; what it made goes with the stack. With `preview` only prints what would be sent for a file.
    False: it cannot go on, and a fresh process is the way out."""
    settings = config.tagger
    caller = Caller(os.getuid(), os.getgid(), actor="tagger")
    cache = place.cache / "vectors-3.npz"
    knowledge = Knowledge(drive, caller, Proposals(cache.with_name("proposals.txt")))
    neighbours = Neighbours()
    neighbours.load(cache)
    offline = Offline(Encoder(), neighbours, knowledge.edges, current_year(time.time()))
    locked = Locked(offline)
    listener = _listener(config)
    large = _large(drive, config, offline, locked, place.prompts, listener.name if listener else "")
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
    if preview is not None:
        return _preview(pipeline, desks[0], config, preview, drive)
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
    _log.info("tagging at %s, %s", place.server, f"with {settings.llm.model}" if large else "offline")

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
    from tagger.suggest.ladder import Budget  # noqa: PLC0415 - LlamaIndex is 120 MB and 3 s: only for those who want it
    from tagger.suggest.llm import Beside  # noqa: PLC0415 - as above
    from tagger.suggest.method import endpoint, near, suggester  # noqa: PLC0415 - as above

    budget = Budget(llm.daily_token_budget, lambda tokens: drive.spend(str(llm.base_url), tokens))
    beside = Beside(llm.concurrency, llm.max_pictures, listens)
    own = prompts or (Path(llm.prompts).expanduser() if llm.prompts else None)
    by_meaning = near(config.tagger.embedding, drive, offline, locked.lock)
    return suggester(llm, endpoint(llm), offline, drive, budget, own, locked.lock, beside, by_meaning)


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


def _save(neighbours: Neighbours, cache: Path) -> None:
    try:
        cache.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        neighbours.save(cache)
    except OSError as error:
        _log.info("vectors were not saved: %s", error)
