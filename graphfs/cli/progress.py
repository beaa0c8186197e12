"""How far long work is: a bar on a terminal's stderr, nothing anywhere else.

`rich` draws it (docs/decisions/command-line.md) and is loaded only when there is something to draw.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from graphfs.cli.screen import Screen


class Progress:
    """Takes figures and shows nothing."""

    def update(self, done: int, total: int | None = None, name: str = "") -> None:
        """How many are done of how many (None: unknown), and what is worked on now."""


class Bar(Progress):
    """Draws them."""

    def __init__(self, bars: Any, task: Any, printable: Any) -> None:
        self._bars = bars
        self._task = task
        self._printable = printable

    def update(self, done: int, total: int | None = None, name: str = "") -> None:
        self._bars.update(self._task, completed=done, total=total, name=self._printable(name)[-40:])


@contextmanager
def progress(screen: Screen, title: str, *, sized: bool = False) -> Iterator[Progress]:
    """A bar for one piece of work; `sized`: its figures are bytes."""
    if not screen.lively:
        yield Progress()
        return
    rich: Any = importlib.import_module("rich.progress")
    console: Any = importlib.import_module("rich.console")
    markup: Any = importlib.import_module("rich.markup")
    quoted: Any = importlib.import_module("graphfs.cli.screen").quoted
    amount = rich.DownloadColumn(binary_units=True) if sized else rich.MofNCompleteColumn()
    columns = [
        rich.TextColumn(title),
        rich.BarColumn(),
        amount,
        rich.TimeRemainingColumn(),
        rich.TextColumn("{task.fields[name]}"),
    ]
    with rich.Progress(*columns, console=console.Console(stderr=True), transient=True) as bars:
        yield Bar(bars, bars.add_task(title, total=None, name=""), lambda name: markup.escape(quoted(name)))
