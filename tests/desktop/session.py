"""A desktop session: a message bus, and if asked for a display with a window manager, eyes and hands.

Real programs only. It knows nothing of GraphFS, and ends whatever was started in it, also what its bus started.
"""

import json
import os
import re
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import NamedTuple

SECONDS = 30
PYTHON = "/usr/bin/python3"
"""The system's: its packages carry the bindings to GIO and to the accessibility bus."""
PACKAGES = {
    "Xvfb": "xvfb",
    "dbus-daemon": "dbus-daemon",
    "gio": "libglib2.0-bin",
    "import": "imagemagick",
    "nautilus": "nautilus",
    "setfattr": "attr",
    "tesseract": "tesseract-ocr",
    "thunar": "thunar",
    "xdotool": "xdotool",
    "xfwm4": "xfwm4",
    "/usr/libexec/gvfsd": "gvfs-daemons",
    "/usr/libexec/gvfsd-trash": "gvfs-daemons",
    "/usr/libexec/at-spi2-registryd": "at-spi2-core",
    PYTHON: "python3-gi",
}
"""What has to be installed, and the Debian package that brings it."""


class Box(NamedTuple):
    """Where something is on the screen, in pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def middle(self) -> tuple[int, int]:
        return self.x + self.width // 2, self.y + self.height // 2


def matches(word: str, spoken: str) -> bool:
    """Whether a word was read, but for case and for the marks that are often misread around it."""
    return re.sub(r"[^\w+]", "", word).casefold() == re.sub(r"[^\w+]", "", spoken).casefold()


def require(*programs: str) -> None:
    """AssertionError names the packages of programs that are missing: nothing is skipped."""
    missing = {PACKAGES[program] for program in programs if shutil.which(program) is None}
    assert not missing, f"please install {' '.join(sorted(missing))} (scripts/setup test does)"


def until(condition: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
    """Waits for what other processes do. AssertionError says what did not come."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        Event().wait(0.02)


@dataclass
class Session:
    """One user's session; `home` holds also what programs keep between two starts."""

    home: Path
    environment: dict[str, str]
    display: str = ""
    _eyes: "subprocess.Popen[str] | None" = field(default=None, repr=False)
    _started: "list[subprocess.Popen[str]]" = field(default_factory=list, repr=False)

    def run(self, *command: str, status: int = 0, text: str = "", cwd: Path | None = None) -> str:
        """Runs a program to its end and returns what it printed. AssertionError when its status is another one."""
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=SECONDS, check=False,
            env=self.environment, cwd=cwd or self.home,
        )  # fmt: skip
        assert done.returncode == status, f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout + (done.stderr if status else "")

    def start(self, *command: str, **pipes: int) -> "subprocess.Popen[str]":
        """Starts a program that stays; what it says is in `NAME.log` in the home folder."""
        with open(self.home / f"{Path(command[0]).name}.log", "ab") as log:
            given = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, **pipes}
            process = subprocess.Popen(
                command, env=self.environment, cwd=self.home, start_new_session=True, text=True, **given
            )  # type: ignore[call-overload]  # the streams are a log file here and pipes there
        self._started.append(process)
        return process

    @contextmanager
    def window(self, *command: str | Path) -> Iterator[None]:
        """A program with a window; closed at the end."""
        process = self.start(*map(str, command))
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise

    def end(self) -> None:
        """Ends all that was started here, and all that it started: its bus starts programs that only their
        environment tells."""
        _end(f"XDG_RUNTIME_DIR={self.environment['XDG_RUNTIME_DIR']}")
        for process in self._started:
            process.wait(SECONDS)
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(BrokenPipeError):
                        pipe.close()

    # -- eyes ---------------------------------------------------------------------------------------------------------

    def look(self, **wanted: str | float) -> Box | None:
        """Where the widget is that `eyes.py` finds by these words; None if there is none right now."""
        if self._eyes is None:
            script = str(Path(__file__).with_name("eyes.py"))
            self._eyes = self.start(PYTHON, script, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._eyes.stdin is not None
        assert self._eyes.stdout is not None
        print(json.dumps(wanted), file=self._eyes.stdin, flush=True)
        answer = json.loads(self._eyes.stdout.readline())
        return Box(*answer) if answer else None

    def find(self, name: str, **wanted: str | float) -> Box:
        """Waits for a widget of that name to be shown and to lie still."""
        seen: list[Box | None] = [None]

        def still() -> bool:
            before, seen[0] = seen[0], self.look(name=name, **wanted)
            return before is not None and before == seen[0]

        until(still, f"{name!r} on the screen {wanted}")
        assert seen[0] is not None
        return seen[0]

    def gone(self, name: str, **wanted: str | float) -> None:
        """Waits until no such widget is shown."""
        until(lambda: self.look(name=name, **wanted) is None, f"{name!r} leaves the screen {wanted}")

    def read(self, text: str, **where: int) -> Box | None:
        """Where these words stand on the screen, by reading its picture: for toolkits that do not tell. The first
        place in reading order, with its left edge at least `after` and its upper edge from `below` to `above`."""
        picture = self.home / "screen.png"
        # The empty screen is black, and a long menu lies over it: words are read better on white.
        blank = ("-fill", "white", "-opaque", "black")
        self.run("import", "-window", "root", str(picture))
        self.run("convert", str(picture), *blank, "-colorspace", "Gray", "-resize", "200%", str(picture))
        table = self.run("tesseract", str(picture), "-", "--psm", "11", "tsv")
        words = [line.split("\t") for line in table.splitlines()[1:]]
        seen = [(word[11], Box(*(int(number) // 2 for number in word[6:10]))) for word in words if word[11].strip()]
        wanted = text.split()
        found = []
        for first in range(len(seen) - len(wanted) + 1):
            run = seen[first : first + len(wanted)]
            box = run[0][1]
            alike = all(matches(word, spoken) for word, (spoken, _) in zip(wanted, run, strict=True))
            if alike and box.x >= where.get("after", 0) and where.get("below", 0) <= box.y <= where.get("above", box.y):
                found.append(Box(box.x, box.y, run[-1][1].x + run[-1][1].width - box.x, box.height))
        return min(found, key=lambda box: (box.y // 20, box.x), default=None)

    def spot(self, text: str, **where: int) -> Box:
        """Waits for words to stand still on the screen."""
        seen: list[Box | None] = [None]

        def still() -> bool:
            before, seen[0] = seen[0], self.read(text, **where)
            return before is not None and before == seen[0]

        until(still, f"{text!r} to be read on the screen {where}")
        assert seen[0] is not None
        return seen[0]

    def screenshot(self, path: Path) -> None:
        """The screen without what is empty at its borders, in few colours: these pictures are documentation."""
        self.run("import", "-window", "root", "-trim", "+repage", "-dither", "None", "-colors", "128", f"PNG8:{path}")

    # -- hands --------------------------------------------------------------------------------------------------------

    def key(self, *keys: str) -> None:
        self.run("xdotool", "key", "--clearmodifiers", *keys)

    def write(self, text: str) -> None:
        self.run("xdotool", "type", "--delay", "20", text)

    def click(self, at: Box, button: int = 1, times: int = 1) -> None:
        x, y = at.middle
        self.run("xdotool", "mousemove", str(x), str(y), "click", "--repeat", str(times), "--delay", "60", str(button))

    def press(self, at: Box) -> None:
        x, y = at.middle
        self.run("xdotool", "mousemove", str(x), str(y), "mousedown", "1")

    def carry(self, source: Box, target: Box) -> None:
        """Drags, in the small steps by which toolkits notice a drag, and holds over the target."""
        self.press(source)
        (x, y), (to_x, to_y), steps = source.middle, target.middle, 12
        path: list[str] = []
        for step in range(1, steps + 1):
            path += ["mousemove", str(x + (to_x - x) * step // steps), str(y + (to_y - y) * step // steps)]
            path += ["sleep", "0.03"]
        self.run("xdotool", *path, "mousemove_relative", "1", "1", "sleep", "0.2")

    def drop(self) -> None:
        self.run("xdotool", "mouseup", "1")


def _processes(mark: str) -> list[int]:
    """All processes whose environment holds the mark, this one left out."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):  # it ended, or is somebody else's
                if mark.encode() in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found


def _end(mark: str) -> None:
    """Ends the processes that hold the mark, gently, then not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        ending = []
        for pid in _processes(mark):
            with suppress(ProcessLookupError):
                ending.append(os.pidfd_open(pid))
                os.kill(pid, number)
        deadline = time.monotonic() + 3
        for process in ending:
            select.select([process], [], [], max(0.0, deadline - time.monotonic()))
            os.close(process)
    until(lambda: _alive(mark) == [], "the session's processes end")


def _alive(mark: str) -> list[int]:
    return [pid for pid in _processes(mark) if not _zombie(pid)]


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _address(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    assert line, "the message bus did not start"
    return line


@contextmanager
def session(home: Path, runtime: Path) -> Iterator[Session]:
    """A session without a display: the bus, and what it starts on demand (gvfsd and its trash among them)."""
    require("dbus-daemon", "gio", "/usr/libexec/gvfsd", "/usr/libexec/gvfsd-trash", PYTHON)
    home.mkdir(exist_ok=True)
    runtime.mkdir(mode=0o700)
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ}
    environment = {
        "LANG": "C.UTF-8",
        **kept,
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(runtime),
        "GVFS_DISABLE_FUSE": "1",
        "GVFS_REMOTE_VOLUME_MONITOR_IGNORE": "1",  # no cameras and telephones: only the mount table
    }
    made = Session(home, environment)
    try:
        bus = made.start(
            "dbus-daemon", "--session", "--nofork", "--nosyslog", "--print-address=1", stdout=subprocess.PIPE
        )
        environment["DBUS_SESSION_BUS_ADDRESS"] = _address(bus)
        yield made
    finally:
        made.end()


@contextmanager
def desktop(home: Path, runtime: Path, size: Sequence[int] = (1000, 600)) -> Iterator[Session]:
    """A session with a display of that size in pixels, a window manager and the accessibility bus."""
    require("Xvfb", "xdotool", "xfwm4", "import", "/usr/libexec/at-spi2-registryd")
    with session(home, runtime) as made:
        screen = f"{size[0]}x{size[1]}x24"
        server = made.start(
            "Xvfb", "-displayfd", "1", "-screen", "0", screen, "-nolisten", "tcp", "-noreset", stdout=subprocess.PIPE
        )
        assert server.stdout is not None
        made.display = f":{server.stdout.readline().strip()}"
        made.environment |= {"DISPLAY": made.display, "GDK_BACKEND": "x11", "GTK_MODULES": "gail:atk-bridge"}
        made.environment |= {"NO_AT_BRIDGE": "0", "XDG_SESSION_TYPE": "x11", "GSK_RENDERER": "cairo"}
        made.environment["OMP_THREAD_LIMIT"] = "1"  # the reader of the screen leaves a core to what it reads
        (home / ".config" / "gtk-4.0").mkdir(parents=True)
        # A spinner drawn without a graphics card leaves its program no time to load what it spins for.
        (home / ".config" / "gtk-4.0" / "settings.ini").write_text("[Settings]\ngtk-enable-animations=0\n")
        made.start("xfwm4", "--compositor=off")
        yield made
