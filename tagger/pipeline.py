"""One job from lease to outcome: rules, fetch, extract, suggest. Decides nothing about the queue, and never raises
because of a file."""

import contextlib
import fnmatch
import logging
import random
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

from msgspec import Struct, structs

from graphfs.api import Drive
from graphfs.errors import DriveError, NotFound
from graphfs.model import FILES_ROOT, Caller, Event, EventKind, Job, JobState, Outcome, Suggestion, Tag
from graphfs.names import fold
from tagger import retry, rules
from tagger.extract.passages import by_structure
from tagger.extract.result import Extract, Limits, Source
from tagger.extract.sandbox import Sandbox
from tagger.fetch import fetch, read_small
from tagger.knowledge import Knowledge
from tagger.speech import Heard, Listener
from tagger.suggest.failure import AnswerUnusable, ModelUnavailable
from tagger.suggest.subject import Subject, Suggester, Wishes

_log = logging.getLogger(__name__)

NOT_TAGGED = (
    rules.NAME,
    ".DS_Store",
    "Thumbs.db",
    "desktop.ini",
    ".~lock.*#",
    "~$*",
    "*.swp",
    "*.swo",
    "*~",
    ".*.tmp",
    "*.part",
    "*.crdownload",
)
"""Names of files that programs leave for themselves."""
_INNER = frozenset({".git", ".hg", ".svn", "__pycache__", "node_modules", ".cache", ".Trash"})
"""Folders whose files are a program's own."""
_OFF = "a rule of its folder: tagger off"
_TEXT_CHARS = Limits().text_chars
_RULES_KEPT = 4096
_RULES_FRESH = 60.0
"""Seconds after which rules are read again although nothing was heard of them."""


class Question(Protocol):
    """What is sent for one file."""

    @property
    def system(self) -> str: ...

    @property
    def user(self) -> str: ...

    @property
    def pictures(self) -> int: ...

    @property
    def tokens(self) -> int: ...

    @property
    def picture_bytes(self) -> int: ...

    @property
    def embedded(self) -> tuple[str, ...]: ...


class Private(Protocol):
    """A suggester that may send a file's text somewhere."""

    turn: AbstractContextManager[object]
    """Held while it is asked: so many at a time."""

    @property
    def local(self) -> bool:
        """Whether what is sent stays on this machine."""
        ...

    def suggest(self, subject: Subject, wishes: Wishes, tags: tuple[Tag, ...]) -> tuple[Suggestion, ...]: ...

    def preview(self, subject: Subject, wishes: Wishes, tags: tuple[Tag, ...]) -> Question: ...

    def close(self) -> None: ...


class Pipeline:
    """For any number of threads, each with a sandbox and a scratch file of its own (`Desk`)."""

    def __init__(
        self,
        drive: Drive,
        caller: Caller,
        knowledge: Knowledge,
        offline: Suggester,
        large: Private | None,
        defaults: Wishes,
        max_bytes: int,
        listener: Listener | None = None,
    ) -> None:
        self._listener = listener
        self._drive, self._caller, self._knowledge = drive, caller, knowledge
        self._offline, self._large = offline, large
        self._defaults, self._max_bytes = defaults, max_bytes
        self._lock = threading.Lock()
        self._forgotten = 0
        """How often the rules were forgotten."""
        self._folders: dict[str, _Folder] = {}
        self._names: set[str] = set()
        self._rule_files: set[int] = set()
        self._reported: set[str] = set()

    def process(self, job: Job, desk: "Desk") -> Outcome:
        """The outcome of one attempt. ModelUnavailable when a model is away; DriveError when the drive is."""
        if job.path.rpartition("/")[2] == rules.NAME:
            self._forget_rules()
        if is_excluded(job.path):
            return Outcome(JobState.EXCLUDED, error="a program's own file, or not in files/")
        found = self.rules_of_node(job.node, job.path)
        if found.tagger == "off":
            return Outcome(JobState.EXCLUDED, error=_OFF)
        name = job.path.rpartition("/")[2].encode("utf-8", "surrogateescape")
        source = fetch(self._drive, self._caller, job.node, name, desk.scratch, self._max_bytes, job.version)
        extract = desk.extract(source)
        extract = self._heard(job, extract)
        subject = Subject(job.file, job.path, job.content, extract)
        try:
            with self._turn(found):
                # Reading took a while, and so did waiting for a turn: it may lie in a private folder by now.
                found = self.rules_of_node(job.node, job.path)
                if found.tagger == "off":
                    return Outcome(JobState.EXCLUDED, error=_OFF)
                wishes = rules.wishes(self._defaults, found)
                tags = self._knowledge.tags()
                suggestions = self.suggester(found).suggest(subject, wishes, tags)
        except AnswerUnusable as problem:
            return Outcome(
                JobState.FAILED, error=str(problem), retry_after=retry.after_failure(job.attempts, random.random())
            )
        self._knowledge.proposals.add(_proposed(suggestions, wishes, tags))
        return Outcome(JobState.TAGGED, suggestions, error=_said(extract, found))

    def _heard(self, job: Job, extract: Extract) -> Extract:
        """With what is said in it, where something transcribes and the rules let it have the sound."""
        listener = self._listener
        if listener is None or not extract.sound:
            return structs.replace(extract, sound=b"")
        found = self.rules_of_node(job.node, job.path)
        most = found.max_bytes_sent
        sent = listener.local or (found.tagger != "local" and (most is None or len(extract.sound) <= most))
        if found.tagger == "off" or not sent:
            return structs.replace(extract, sound=b"", error=_also(extract.error, "its sound was not sent: a rule"))
        known = self._drive.remembered(job.content, listener.name, "transcript")
        heard = Heard(known[0]) if known else listener.hear(extract.sound)
        if not known and not heard.problem:
            self._drive.remember(job.content, listener.name, "transcript", (heard.text,))
        return structs.replace(
            extract,
            text=by_structure("\n".join(filter(None, (extract.text, heard.text))), _TEXT_CHARS),
            sound=b"",
            looked_at=(*extract.looked_at, "sound"),
            not_looked_at=tuple(part for part in extract.not_looked_at if part != "sound"),
            error=_also(extract.error, heard.problem),
        )

    def preview(self, file: int, desk: "Desk") -> "Preview":
        """Reads a file as for tagging, and says what would be sent where. NotFound; changes and sends nothing."""
        node = self._drive.file(self._caller, file)
        path = self._drive.path(self._caller, node.id)
        found = self.rules_of_node(node.id, path)
        if is_excluded(path) or found.tagger == "off":
            return Preview(path, "nowhere", _OFF if found.tagger == "off" else "a program's own file")
        large = self._large
        asked = large if large is not None and self.suggester(found) is large else None
        why = "" if large is None or asked is not None else f"a rule of its folder: tagger {found.tagger}"
        name = path.rpartition("/")[2].encode("utf-8", "surrogateescape")
        extract = desk.extract(fetch(self._drive, self._caller, node.id, name, desk.scratch, self._max_bytes))
        told = Preview(path, "here", why, looked_at=extract.looked_at, not_looked_at=extract.not_looked_at)
        if asked is None:
            return told
        wishes = rules.wishes(self._defaults, found)
        question = asked.preview(Subject(file, path, "", extract), wishes, self._knowledge.tags())
        return structs.replace(
            told,
            where="local" if asked.local else "cloud",
            system=question.system,
            user=question.user,
            pictures=question.pictures,
            tokens=question.tokens,
            embedded=question.embedded,
            bytes=len(question.system.encode()) + len(question.user.encode()) + question.picture_bytes,
        )

    def _turn(self, found: rules.Rules) -> AbstractContextManager[object]:
        """The right to ask the large model, which takes so many questions at a time."""
        large = self._large
        return large.turn if large is not None and self.suggester(found) is large else contextlib.nullcontext()

    def suggester(self, found: rules.Rules) -> Suggester:
        """The large model, where there is one and the folder's rules let it have the file."""
        large = self._large
        if large is None or (found.tagger == "local" and not large.local):
            return self._offline
        return large

    def rules_of_node(self, node: int, path: str) -> rules.Rules:
        """The rules for a file by all its names: one in a private folder keeps it private. `path` is what it was called
        when it was leased."""
        paths = [one for one in self._drive.paths(self._caller, node) if one.startswith("files/")]
        return rules.strictest([self.rules_of(one) for one in paths or [path]])

    def rules_of_file(self, file: int, path: str) -> rules.Rules:
        """As `rules_of_node`, by a file's stable id. NotFound."""
        return self.rules_of_node(self._drive.file(self._caller, file).id, path)

    def rules_of(self, path: str) -> rules.Rules:
        """The rules for a file. Where nothing leaves this machine they are kept until something there changes (`hear`);
        else they are read for each file."""
        if not (self._large is None or self._large.local):
            self._forget_rules()
        folder = self._folder(path.rpartition("/")[0])
        whole = rules.for_file(folder.rules, path) if folder is not None else rules.Rules()
        if whole.problem and whole.problem not in self._reported:
            self._reported.add(whole.problem)
            _log.warning("a %s above %r is not understood, its files stay local: %s", rules.NAME, path, whole.problem)
        return whole

    def hear(self, event: Event) -> None:
        """Takes an event of the drive: a rule file or a folder on the way to one may have changed. Quick."""
        known = event.kind is EventKind.ENTRY and (event.name == rules.NAME or event.name in self._names)
        if known or event.kind is EventKind.RESET or (event.kind is EventKind.NODE and event.node in self._rule_files):
            self._forget_rules()

    def _forget_rules(self) -> None:
        with self._lock:
            self._forgotten += 1
            self._folders.clear()
            self._names.clear()
            self._rule_files.clear()

    def _folder(self, path: str) -> "_Folder | None":
        """A folder of the drive with its rules, those of the folders above it among them; None when it is gone."""
        with self._lock:
            known, forgotten = self._folders.get(path), self._forgotten
        if known is not None and time.monotonic() - known.at < _RULES_FRESH:
            return known
        above, _, name = path.rpartition("/")
        node = FILES_ROOT
        whole: tuple[tuple[str, rules.Rules], ...] = ()
        if above:
            parent = self._folder(above)
            if parent is None:
                return None
            try:
                node = self._drive.lookup(self._caller, parent.node, name).id
            except NotFound:
                return None
            whole = parent.rules
        mine = self._rules_in(node)
        found = _Folder(node, (*whole, (path, mine)) if mine is not None else whole, time.monotonic())
        with self._lock:
            if len(self._folders) >= _RULES_KEPT:
                self._folders.clear()
            if forgotten == self._forgotten:  # else it was read before what changed meanwhile
                self._folders[path] = found
            self._names.add(name)
        return found

    def _rules_in(self, folder: int) -> rules.Rules | None:
        try:
            node = self._drive.lookup(self._caller, folder, rules.NAME)
        except DriveError as error:
            if isinstance(error, NotFound):
                return None
            raise
        with self._lock:
            self._rule_files.add(node.id)
        return rules.parse(read_small(self._drive, self._caller, node.id, rules.LONGEST))


class _Folder(NamedTuple):
    """A folder as it was found, and the rules of it and of the folders above it, outermost first."""

    node: int
    rules: tuple[tuple[str, rules.Rules], ...]
    at: float


class Preview(Struct, frozen=True):
    """What would be done with a file now."""

    path: str
    where: str
    """`nowhere` (left alone), `here` (nothing is sent), `local` (a model on this machine) or `cloud`."""
    why: str = ""
    system: str = ""
    user: str = ""
    pictures: int = 0
    tokens: int = 0
    embedded: tuple[str, ...] = ()
    """Texts that an embedding endpoint is sent before."""
    bytes: int = 0
    """Of the prompt and its pictures."""
    looked_at: tuple[str, ...] = ()
    not_looked_at: tuple[str, ...] = ()


class Desk:
    """What one thread works with: a reading process and a scratch file."""

    def __init__(self, scratch: Path, sandbox: Sandbox) -> None:
        self.scratch = scratch
        self._sandbox = sandbox

    def extract(self, source: Source) -> Extract:
        """Reads the scratch file, and empties it afterwards."""
        try:
            return self._sandbox.extract(source)
        finally:
            self.scratch.write_bytes(b"")

    def close(self) -> None:
        """Ends the reading process and removes the scratch file."""
        self._sandbox.close()
        self.scratch.unlink(missing_ok=True)


class Locked:
    """A suggester for several threads, one at a time: the models' arithmetic is not faster side by side."""

    def __init__(self, inner: Suggester) -> None:
        self._inner = inner
        self.lock = threading.RLock()

    def suggest(self, subject: Subject, wishes: Wishes, tags: tuple[Tag, ...]) -> tuple[Suggestion, ...]:
        """See `tagger.suggest.subject.Suggester`."""
        with self.lock:
            return self._inner.suggest(subject, wishes, tags)


def is_excluded(path: str) -> bool:
    """Whether a file is a program's own (lock files, swap files, the insides of repositories), or not in `files/` at
    all:
    what lies in a trash, or has no name any more, is under no folder's rules and must not be read."""
    parts = path.split("/")
    if parts[0] != "files":
        return True
    return bool(_INNER & set(parts[:-1])) or any(fnmatch.fnmatchcase(parts[-1], pattern) for pattern in NOT_TAGGED)


def _proposed(suggestions: tuple[Suggestion, ...], wishes: Wishes, tags: tuple[Tag, ...]) -> list[str]:
    """The new tags among suggestions that will wait for a person."""
    waiting = [one for one in suggestions if one.confidence < wishes.apply_at]
    if not waiting:
        return []
    known = {fold(tag.path) for tag in tags}
    return [one.tag for one in waiting if fold(one.tag) not in known]


def _said(extract: Extract, found: rules.Rules) -> str:
    """What people should know of a file that was tagged all the same: what is wrong, and what nobody looked at."""
    problem = f"{rules.NAME}: {found.problem}" if found.problem else ""
    seen = ""
    if extract.not_looked_at:
        looked = ", ".join(extract.looked_at) or "nothing"
        seen = f"looked at: {looked}; not at: {', '.join(extract.not_looked_at)}"
    return _also(_also(extract.error, problem), seen)


def _also(one: str, other: str) -> str:
    return "; ".join(filter(None, (one, other)))


Processor = Callable[[Job, Desk], Outcome]
__all__ = ["NOT_TAGGED", "Desk", "Locked", "ModelUnavailable", "Pipeline", "Processor", "is_excluded"]
