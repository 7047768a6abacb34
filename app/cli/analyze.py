"""``tracekeep analyze``: recordings into the vault, with what was found in them."""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.exits import ExitCode
from app.cli.inputs import each_once, find_inputs, with_option, without_recordings
from app.cli.options import (
    Access,
    JobsOption,
    LeadsOption,
    PassphraseCommandOption,
    PassphraseFileOption,
    PathsArgument,
    RecoveryKeyFileOption,
    UserOption,
    VaultOption,
    split_leads,
)
from app.cli.output import say_json
from app.cli.words import summary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import FrameType

    from app.batch import Outcome
    from app.cli.progress import Bar


def analyze(
    paths: PathsArgument,
    *,
    jobs: JobsOption = 1,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Pass over in silence what the vault has already, to go on where a run stopped.",
        ),
    ] = False,
    leads: LeadsOption = None,
    vault: VaultOption = None,
    user: UserOption = None,
    passphrase_file: PassphraseFileOption = None,
    passphrase_command: PassphraseCommandOption = None,
    recovery_key_file: RecoveryKeyFileOption = None,
    json: Annotated[
        bool,
        typer.Option("--json", help="Write JSON lines to stdout, and nothing else; see above."),
    ] = False,
) -> None:
    """Analyse recordings and store them, with what was found.

    A bad file is named and the others go on. A recording is known by its content: one that the
    vault has already is never analysed or stored twice, whatever it is called. Ctrl-C leaves a
    consistent vault that holds every recording told as stored.

    With --json, one object a line: {"event": "progress", "path", "share", "done", "total"} now and
    then (with one job); {"event": "result", "path", "status", "id", "headline"} for each recording
    (status: "stored" or "already in the vault"; "same content as another input" has "same_as",
    "failed" has "problem" instead of the last two; "repairs" tells what was wrong with a file
    that was read all the same; "read_with" with which leads a recording in the vault was read,
    where --leads names others, which were not used); {"event": "note", "text"} for each folder
    without a recording; at the end {"event": "summary", "stored",
    "known", "repeated", "failed", "complete"}.
    """
    access = Access(vault, passphrase_file, passphrase_command, recovery_key_file, user)
    labels = split_leads(leads)
    below = find_inputs(paths)
    found = each_once(below)
    with access.open() as opened:
        from app.batch import analyze_into
        from app.cli.progress import progress_bar

        signal.signal(signal.SIGTERM, _as_ctrl_c)
        with progress_bar("recordings", hidden=json) as bar:
            bar.show(0, len(found))
            listener = (
                _JsonListener(len(found)) if json else _Listener(bar, len(found), resume=resume)
            )
            for line in without_recordings(below):
                listener.pass_over(line)
            with listener.summed_up():
                analyze_into(
                    opened,
                    found,
                    listener.tell,
                    jobs=jobs,
                    leads=labels,
                    progress=listener.progress,
                )
    if listener.failed:
        raise typer.Exit(ExitCode.FAILED)


def _as_ctrl_c(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


class _Counting(ABC):
    """Counts what became of the inputs."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._counts: Counter[str] = Counter()

    @property
    def failed(self) -> int:
        return self._counts["failed"]

    @property
    def _done(self) -> int:
        return self._counts.total()

    def _count(self, outcome: Outcome) -> None:
        self._counts[outcome.status.name.lower()] += 1

    @contextmanager
    def summed_up(self) -> Iterator[None]:
        """Say at the end how many became what, also where the end comes early."""
        complete = False
        try:
            yield
            complete = True
        finally:
            self._sum_up(complete=complete)

    @abstractmethod
    def _sum_up(self, *, complete: bool) -> None: ...


class _Listener(_Counting):
    """Tells a person."""

    def __init__(self, bar: Bar, total: int, *, resume: bool) -> None:
        super().__init__(total)
        self._bar = bar
        self._resume = resume

    def pass_over(self, text: str) -> None:
        self._bar.note(text)

    def progress(self, path: Path, share: float) -> None:
        self._bar.show(self._done + share, self._total, path.name)

    def tell(self, outcome: Outcome) -> None:
        from app.batch import Status

        self._count(outcome)
        self._bar.show(self._done, self._total)
        stored = outcome.stored
        if outcome.status is Status.FAILED:
            self._bar.note(f"failed: {with_option(outcome.problem)}")
        elif outcome.status is Status.REPEATED:
            self._bar.note(f"{outcome.path}: same content as {outcome.same_as}; taken in once")
        elif stored and outcome.status is Status.STORED:
            self._bar.say(f"{stored.id[:8]}  {outcome.path}: {summary(stored.headline)}")
            for repair in outcome.repairs:
                self._bar.note(f"{outcome.path}: read all the same: {repair}")
        elif stored and outcome.read_with:
            self._bar.note(
                f"{outcome.path}: already in the vault as {stored.id[:8]}, read with "
                f"{', '.join(outcome.read_with)}; the leads named now were not used"
            )
        elif stored and not self._resume:
            self._bar.note(f"{outcome.path}: already in the vault as {stored.id[:8]}")

    def _sum_up(self, *, complete: bool) -> None:
        words = {
            "stored": "stored",
            "known": "already in the vault",
            "repeated": "with the content of another",
            "failed": "failed",
        }
        parts = [
            f"{self._counts[name]} {text}" for name, text in words.items() if self._counts[name]
        ]
        if complete:
            self._bar.note(f"{', '.join(parts)}.")
        else:
            parts.append(f"{self._total - self._done} not done")
            kept = "What is stored is kept; go on with --resume."
            self._bar.note(f"Stopped: {', '.join(parts)}. {kept}")


class _JsonListener(_Counting):
    """Tells a program."""

    def __init__(self, total: int) -> None:
        super().__init__(total)
        self._told = 0.0

    def pass_over(self, text: str) -> None:
        say_json({"event": "note", "text": text})

    def progress(self, path: Path, share: float) -> None:
        done = self._done + share
        if done - self._told >= 0.01 or share == 1:  # at most a hundred lines a recording
            self._told = done
            counts = {"done": self._done, "total": self._total}
            say_json({"event": "progress", "path": str(path), "share": round(share, 3), **counts})

    def tell(self, outcome: Outcome) -> None:
        self._count(outcome)
        line: dict[str, Any] = {"event": "result", "path": str(outcome.path)}
        line["status"] = outcome.status.value
        if outcome.stored:
            line |= {"id": outcome.stored.id, "headline": outcome.stored.headline}
        if outcome.repairs:
            line["repairs"] = outcome.repairs
        if outcome.problem:
            line["problem"] = with_option(outcome.problem)
        if outcome.read_with:
            line["read_with"] = outcome.read_with
        if outcome.same_as:
            line["same_as"] = str(outcome.same_as)
        say_json(line)

    def _sum_up(self, *, complete: bool) -> None:
        names = ("stored", "known", "repeated", "failed")
        counts = {name: self._counts[name] for name in names}
        say_json({"event": "summary", **counts, "complete": complete})
