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
        Where it is REPEATED: the input of this run that has the same content.
    repairs : tuple of str
        Where it is STORED: what was wrong with the file and how it was read all the same.
    """

    path: Path
    status: Status
    stored: StoredRecording | None = None
    problem: str = ""
    same_as: Path | None = None
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Task:
    path: Path
    intake: Intake


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
    work = partial(_take_in, leads=leads, progress=progress if jobs == 1 else None)
    try:
        with closing(run_tasks(work, _tasks(vault, paths, tell, waiting), jobs)) as results:
            for task, result in results:
                tell(_settle(vault, task, result))
                del waiting[task.path]
    finally:
        for intake in waiting.values():
            vault.discard(intake)


def _tasks(
    vault: Vault,
    paths: Iterable[Path],
    tell: Callable[[Outcome], None],
    waiting: dict[Path, Intake],
) -> Iterator[_Task]:
    """Yield what has to be analysed, and tell of the rest."""
    seen: dict[str, Path] = {}
    for path, sha256 in run_tasks(_digest, paths, 1):
        if isinstance(sha256, Exception):
            tell(_failed(path, sha256))
        elif sha256 in seen:
            tell(Outcome(path, Status.REPEATED, same_as=seen[sha256]))
        elif stored := vault.find_input(sha256):
            tell(Outcome(path, Status.KNOWN, stored))
        else:
            seen[sha256] = path
            waiting[path] = vault.intake()
            yield _Task(path, waiting[path])


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
        return _failed(task.path, result)
    receipt, repairs = result
    try:
        return Outcome(task.path, Status.STORED, vault.commit(receipt), repairs=repairs)
    except AlreadyStoredError:  # another program stored it in the meantime
        return Outcome(task.path, Status.KNOWN, vault.find_input(receipt.input_sha256))


def _failed(path: Path, error: Exception) -> Outcome:
    problem = explain(error)
    named = problem if str(path) in problem else f"{path}: {problem}"
    return Outcome(path, Status.FAILED, problem=named)
