"""The work behind ``tracekeep analyze``: recordings from files, analysed, into the vault.

Whatever happens to one recording, the others go on; whatever happens to the process, the vault
holds each recording whole or not at all, since only a commit lists it.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from app.faults import explain
from app.workers import run_tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from app.vault import Intake, Receipt, StoredRecording, Vault

_ANALYSIS_SHARE = 0.8  # of the time one recording takes; storing it is the rest


class Status(StrEnum):
    """What became of an input."""

    STORED = "stored"
    KNOWN = "already in the vault"
    REPEATED = "same content as another input"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one input.

    Parameters
    ----------
    path : pathlib.Path
        The input.
    status : Status
        What became of it.
    stored : StoredRecording or None
        Where it is STORED or KNOWN.
    problem : str
        Where it FAILED: why, in one plain sentence that names the file.
    same_as : pathlib.Path or None
        Where it is REPEATED: the input of this run that has the same content, and was stored.
    repairs : tuple of str
        Where it is STORED: what was wrong with the file and how it was read all the same.
    read_with : tuple of str
        Where it is KNOWN, and was stored with other leads than those that are asked for: which.
    """

    path: Path
    status: Status
    stored: StoredRecording | None = None
    problem: str = ""
    same_as: Path | None = None
    repairs: tuple[str, ...] = ()
    read_with: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Task:
    path: Path
    sha256: str
    intake: Intake


class _Contents:
    """What became of each content of this run: its copies share it."""

    def __init__(self, tell: Callable[[Outcome], None]) -> None:
        self._tell = tell
        self._outcomes: dict[str, Outcome] = {}
        self._copies: dict[str, list[Path]] = {}

    def begin(self, sha256: str) -> None:
        """Note that an input with this content is under way."""
        self._copies[sha256] = []

    def is_copy(self, sha256: str, path: Path) -> bool:
        """Return whether another input has this content; `path` is told of with it, or now."""
        if sha256 in self._outcomes:
            self._tell(_of_copy(path, self._outcomes[sha256]))
        elif sha256 in self._copies:
            self._copies[sha256].append(path)
        else:
            return False
        return True

    def settle(self, sha256: str, outcome: Outcome) -> None:
        """Tell what became of an input that was under way, and of its copies so far."""
        self._outcomes[sha256] = outcome
        self._tell(outcome)
        for path in self._copies.pop(sha256):
            self._tell(_of_copy(path, outcome))


def analyze_into(
    vault: Vault,
    paths: Iterable[Path],
    tell: Callable[[Outcome], None],
    *,
    jobs: int = 1,
    leads: Sequence[str] | None = None,
    progress: Callable[[Path, float], None] | None = None,
) -> None:
    """Analyse recordings and store them with their reports.

    A recording that the vault holds already, by content, is not analysed again.

    Parameters
    ----------
    vault : Vault
        Written by this process only; others are lent the key of the one recording they work on.
    paths : iterable of pathlib.Path
        Recordings.
    tell : callable
        Told what became of each, as soon as that is certain.
    jobs : int, default 1
        How many processes; 1 works in this one.
    leads : sequence of str, optional
        Labels of the ECG leads, where the files' labels do not tell.
    progress : callable, optional
        With one job, told what share of the recording under way is done, 0 to 1.

    Raises
    ------
    VaultError
        If the vault cannot take any more, say because the disk is full. What was told as stored
        is stored.
    """
    waiting: dict[Path, Intake] = {}
    contents = _Contents(tell)
    work = partial(_take_in, leads=leads, progress=progress if jobs == 1 else None)
    tasks = _tasks(vault, paths, tell, contents, waiting, leads)
    try:
        with closing(run_tasks(work, tasks, jobs)) as results:
            for task, result in results:
                outcome = _settle(vault, task, result)
                del waiting[task.path]
                contents.settle(task.sha256, outcome)
    finally:
        for intake in waiting.values():
            vault.discard(intake)


def problem_with(path: Path, error: Exception) -> str:
    """Return one plain sentence about `error` that names its input, `path`, as the user did."""
    problem = explain(error)
    # Readers name files in full, and sometimes one that lies beside `path`.
    in_full = str(path.absolute()).removesuffix(path.name)
    if problem.startswith(in_full):
        problem = str(path).removesuffix(path.name) + problem.removeprefix(in_full)
    return f"{path}: {problem.removeprefix(f'{path}: ')}"


def _tasks(
    vault: Vault,
    paths: Iterable[Path],
    tell: Callable[[Outcome], None],
    contents: _Contents,
    waiting: dict[Path, Intake],
    leads: Sequence[str] | None,
) -> Iterator[_Task]:
    """Yield what has to be analysed, and tell of the rest."""
    for path, sha256 in run_tasks(_digest, paths, 1):
        if isinstance(sha256, Exception):
            tell(Outcome(path, Status.FAILED, problem=problem_with(path, sha256)))
        elif not contents.is_copy(sha256, path):
            if stored := vault.find_input(sha256):
                tell(Outcome(path, Status.KNOWN, stored, read_with=_others(vault, stored, leads)))
            else:
                contents.begin(sha256)
                waiting[path] = vault.intake()
                yield _Task(path, sha256, waiting[path])


def _others(vault: Vault, stored: StoredRecording, leads: Sequence[str] | None) -> tuple[str, ...]:
    """Return the leads that a recording was read with, none where they are those asked for.

    Who may not read is not told them.
    """
    from app.vault import Action

    if leads is None or vault.session.refusal(Action.READ):
        return ()
    read = tuple(lead.label for lead in vault.report(stored.id).subject.leads)
    return () if set(read) == set(leads) else read


def _digest(path: Path) -> str:
    from signals.readers import open_recording

    with open_recording(path) as recording:
        return recording.sha256()


def _take_in(
    task: _Task,
    *,
    leads: Sequence[str] | None,
    progress: Callable[[Path, float], None] | None,
) -> tuple[Receipt, tuple[str, ...]]:
    from app.analysis import analyze_recording
    from signals.readers import open_recording

    def analysed(share: float) -> None:
        if progress is not None:
            progress(task.path, _ANALYSIS_SHARE * share)

    def stored(share: float) -> None:
        if progress is not None:
            progress(task.path, _ANALYSIS_SHARE + (1 - _ANALYSIS_SHARE) * share)

    with open_recording(task.path) as recording:
        report = analyze_recording(recording, leads=leads, progress=analysed)
        return task.intake.store(recording, report, stored), report.subject.repairs


def _settle(
    vault: Vault, task: _Task, result: tuple[Receipt, tuple[str, ...]] | Exception
) -> Outcome:
    """Commit what was stored; raise what concerns the vault and not this one recording."""
    from app.vault import AlreadyStoredError, VaultError

    if isinstance(result, VaultError):
        raise result
    if isinstance(result, Exception):
        vault.discard(task.intake)
        return Outcome(task.path, Status.FAILED, problem=problem_with(task.path, result))
    receipt, repairs = result
    try:
        return Outcome(task.path, Status.STORED, vault.commit(receipt), repairs=repairs)
    except AlreadyStoredError:  # another program stored it in the meantime
        return Outcome(task.path, Status.KNOWN, vault.find_input(receipt.input_sha256))


def _of_copy(path: Path, outcome: Outcome) -> Outcome:
    """Return what became of an input whose content another input has."""
    if outcome.status is not Status.FAILED:
        return Outcome(path, Status.REPEATED, same_as=outcome.path)
    problem = outcome.problem.removeprefix(f"{outcome.path}: ")
    told = f"{path}: {problem} (same content as {outcome.path})"
    return Outcome(path, Status.FAILED, problem=told)
