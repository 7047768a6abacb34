"""A progress bar on stderr, with rate and time left; silent where stderr is no terminal."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from app.cli.output import note, printable, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Task


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed * 60:.1f}/min")


class Bar:
    """A bar that counts whole units, with fractions for those under way."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def show(self, done: float, total: int, doing: str = "") -> None:
        """Show that `done` of `total` is done, and what is being done."""
        self._progress.update(
            self._task, completed=done, total=total, doing=printable(doing), whole=int(done)
        )

    def say(self, text: str) -> None:
        """Write a line of the result, above the bar if both are on the terminal."""
        if self._progress.disable or not sys.stdout.isatty():
            say(printable(text))
        else:
            self._above(text)

    def note(self, text: str) -> None:
        """Write a line that is not the result."""
        if self._progress.disable:
            note(printable(text))
        else:
            self._above(text)

    def _above(self, text: str) -> None:
        self._progress.console.print(Text(printable(text)), soft_wrap=True)


@contextmanager
def progress_bar(unit: str, *, hidden: bool = False) -> Iterator[Bar]:
    """Show a bar on stderr for as long as the context lasts.

    Parameters
    ----------
    unit : str
        What is counted, in the plural.
    hidden : bool, default False
        Show nothing, as where stderr is no terminal.
    """
    console = Console(stderr=True, highlight=False)
    progress = Progress(
        TextColumn("{task.fields[doing]}", markup=False),
        BarColumn(bar_width=20),  # with all the rest, 80 columns hold it
        TextColumn("{task.fields[whole]} of {task.total:.0f} " + unit),
        _Rate(),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
        console=console,
        transient=True,
        disable=hidden or not console.is_terminal,
        redirect_stdout=False,
        redirect_stderr=False,
        speed_estimate_period=300,
    )
    with progress:
        yield Bar(progress, progress.add_task("", total=1, doing="", whole=0))
