"""`status`, `wait`, `pause`, `resume` and `retry`: how the drive is, and when it is done."""

import time
from argparse import Namespace
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from threading import Event

from graphfs.cli.drives import Place, opened, paths_of
from graphfs.cli.exits import NO, OK, exit_of
from graphfs.cli.locations import files_at
from graphfs.cli.progress import Progress, progress
from graphfs.cli.screen import Screen, count_text, plain, size_text
from graphfs.errors import DriveError
from graphfs.model import JobState, Link, Queue, Status
from graphfs.mounting.registry import MountRecord

_POLL = 20.0
"""Seconds an empty wait for events lasts before the queue is looked at all the same: time alone makes a retry due."""
_PAUSE = 0.25
"""Seconds between two looks while events come quickly."""


def _waiting(status: Status) -> int:
    return status.jobs.get(JobState.QUEUED, 0) + status.jobs.get(JobState.LEASED, 0)


def status(arguments: Namespace, screen: Screen) -> int:
    """Everything about the drive on one page."""
    with opened(arguments, paths_of(arguments)) as place:
        found = place.drive.status(place.caller)
        space = place.drive.space()
    if screen.as_json:
        told = plain(found)
        assert isinstance(told, dict)
        screen.json(told | {"space": space, "mount": place.record, "tagger": tagger_of(place.record)})
        return OK
    record = place.record
    where = f"{record.mount_point} ({record.binding}, process {record.pid})" if record else "not mounted here"
    lines = [("drive", where)]
    if record:
        lines.append(("state", record.state))
        tagger = tagger_of(record)
        lines.append(("tagger", f"process {tagger}" if tagger else "not running"))
    free = size_text(space.blocks_available * space.block_size)
    jobs = found.jobs
    queue = ", ".join(f"{jobs[state]:,} {state}" for state in JobState if jobs.get(state))
    lines += [
        (
            "files",
            f"{count_text(found.files, 'file')} in {count_text(found.folders, 'folder')}, {size_text(found.bytes)}",
        ),
        (
            "tags",
            f"{count_text(found.tags, 'tag')} given {count_text(found.edges, 'time')}, {found.review:,} for review",
        ),
        ("queue", queue or "empty"),
        *([("", text)] if (text := _queue_text(found.queue)) else []),
        ("disk", f"{size_text(found.stored)} used, {free} free"),
        *([("server", _link_text(found.link))] if found.link else []),
        ("trash", count_text(found.trashed, "file")),
        ("version", f"{found.version} (schema {found.schema})"),
    ]
    for title, text in lines:
        screen.line(f"{screen.style(f'{title:<9}', 'bold')}{screen.name(text)}")
    shown = found.failures[: arguments.failures]
    if shown:
        screen.line()
        screen.line(
            screen.style(
                f"failed ({jobs.get(JobState.FAILED, len(found.failures)):,}; `graphfs retry` queues them again):",
                "red",
            )
        )
    for failure in shown:
        screen.line(f"  {screen.name(place.show(failure.path))}: {screen.name(failure.error or 'no reason is known')}")
    return OK


def _queue_text(queue: Queue) -> str:
    """Whether it goes on, how fast, and how long it will take."""
    if queue.reason:
        again = datetime.fromtimestamp(queue.until / 1e9).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        more = " (`graphfs resume` goes on)" if queue.paused else f"; tried again at {again}" if queue.until else ""
        return f"waits: {queue.reason}{more}"
    if queue.seconds_left is None:
        return ""
    seconds = round(queue.seconds_left)
    left = (
        f"{seconds} s"
        if seconds < 120
        else f"{round(seconds / 60)} min"
        if seconds < 7200
        else f"{seconds / 3600:.0f} h"
    )
    return f"{queue.per_minute:,.0f} files a minute, about {left} left"


def pause(arguments: Namespace, screen: Screen) -> int:
    """Nothing is handed to taggers from now on."""
    return _pause(arguments, screen, paused=True)


def resume(arguments: Namespace, screen: Screen) -> int:
    """Taggers get work again."""
    return _pause(arguments, screen, paused=False)


def _pause(arguments: Namespace, screen: Screen, *, paused: bool) -> int:
    with opened(arguments, paths_of(arguments)) as place:
        before = place.drive.pause(place.caller, paused)
    if screen.as_json:
        screen.json({"paused": paused, "before": before})
    else:
        word = "paused" if paused else "at work"
        screen.note(f"the tagger was {word} already" if before == paused else f"the tagger is {word}")
    return OK


def _link_text(link: Link) -> str:
    away = f"has not answered for {link.away:.0f} s" if link.away else "answers"
    sent = "all is sent"
    if link.waiting:
        sent = f"{count_text(link.waiting, 'file')} ({size_text(link.waiting_bytes)}) to be sent"
    beside = "".join(f"; conflict copy: {path}" for path in link.conflicts)
    return f"{away}; {sent}; {size_text(link.cached)} cached{beside}"


def tagger_of(record: MountRecord | None) -> int | None:
    """The pid of the tagger that a mount runs beside it; None when there is none, or none that may be seen."""
    if record is None or not record.server.startswith("unix:"):
        return None
    for children in Path(f"/proc/{record.pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in children.read_text().split():
                if b"\0tagger\0" in Path(f"/proc/{child}/cmdline").read_bytes():
                    return int(child)
    return None


def wait(arguments: Namespace, screen: Screen) -> int:
    """Returns when the queue is empty (and, without --tagged, all is durable). NO when time ran out first."""
    with opened(arguments, paths_of(arguments)) as place, progress(screen, "tagging") as bar:
        # Without a process that serves the drive no tagger comes, however long one waits.
        found = _wait(place, bar, arguments.timeout if place.served else 0.0)
        left = _waiting(found)
        if not left and not arguments.tagged:
            place.drive.sync()
    failed = found.jobs.get(JobState.FAILED, 0)
    if screen.as_json:
        screen.json({"done": not left, "waiting": left, "failed": failed})
    if left:
        leased = found.jobs.get(JobState.LEASED, 0)
        idle = "" if leased else ", and no tagger works on any: see tagger.enabled and logs/tagger.log"
        why = f"time ran out{idle}" if place.served else "the drive is not mounted"
        screen.note(f"{count_text(left, 'file')} still to be tagged: {why}")
        return NO
    if failed:
        screen.note(f"{count_text(failed, 'file')} could not be tagged: `graphfs status` says why")
    return OK


def _wait(place: Place, bar: Progress, timeout: float | None) -> Status:
    drive, pause = place.drive, Event()
    end = time.monotonic() + timeout if timeout is not None else float("inf")
    after = drive.events(-1, 0.0)[-1].seq
    most = 0
    while True:
        found = drive.status(place.caller)
        left = _waiting(found)
        most = max(most, left)
        bar.update(most - left, most)
        seconds = end - time.monotonic()
        if not left or seconds <= 0:
            return found
        events = drive.events(after, min(_POLL, seconds, _next_due(found)))
        if events:
            after = events[-1].seq
            pause.wait(min(_PAUSE, max(0.0, end - time.monotonic())))


def _next_due(found: Status) -> float:
    """Leased files come back soon; what only waits for its time is looked at less often."""
    return 5.0 if found.jobs.get(JobState.LEASED, 0) else _POLL


def retry(arguments: Namespace, screen: Screen) -> int:
    """Queues files again."""
    code, numbers = OK, []
    with opened(arguments, arguments.file) as place:
        for path in arguments.file:
            try:
                numbers += [node.file for _, node in files_at(place, path, recursive=arguments.recursive)]
            except DriveError as error:
                screen.error(error, screen.name(path))
                code = code or exit_of(error)
        queued = place.drive.retry(place.caller, numbers) if numbers or not arguments.file else 0
    if screen.as_json:
        screen.json({"queued": queued})
    else:
        screen.note(f"{count_text(queued, 'file')} queued")
    return code
