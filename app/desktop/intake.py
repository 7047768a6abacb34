"""Files on their way into the vault, one after the other, each analysed by a process of its own."""

from __future__ import annotations

import multiprocessing
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Signal

from app.desktop.intake_process import (
    GO_ON,
    STOP,
    Failed,
    Message,
    Opened,
    Progress,
    Stopped,
    Stored,
    take_in,
)
from app.faults import explain
from app.vault import AlreadyStoredError, VaultError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess
    from pathlib import Path

    from app.vault import Intake, Receipt, Vault

_POLL_MS = 40
_PATIENCE_S = 3.0


@dataclass(frozen=True, slots=True)
class IntakeState:
    """What is under way.

    Parameters
    ----------
    name : str
        Of the file.
    stage : str
        ``Opening``, ``Analysing``, ``Storing`` or ``Stopping``.
    share : float or None
        Of the stage, 0 to 1; None: not known.
    left_s : float or None
        Seconds until the stage is over, as far as can be told.
    waiting : int
        Files that come after it.
    """

    name: str
    stage: str
    share: float | None
    left_s: float | None
    waiting: int


class _Job:
    """One file: its process, the pipe to it, and its place in the vault."""

    def __init__(self, vault: Vault, path: Path) -> None:
        self.path = path
        self.intake: Intake = vault.intake()
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self.connection: Connection[Any, Any] = ours
        self.process: SpawnProcess = context.Process(
            target=take_in, args=(theirs, path, self.intake), daemon=True
        )
        self.process.start()
        theirs.close()
        self.stage = "Opening"
        self.share: float | None = None
        self.since = time.monotonic()
        self.stopped_at: float | None = None

    def messages(self) -> list[Message]:
        """Return what the process told; that it died is told too."""
        told: list[Message] = []
        try:
            while self.connection.poll():
                told.append(self.connection.recv())
        except (EOFError, OSError):
            told.append(Stopped() if self.stopped_at else Failed(_DIED))
        return told

    def answer(self, word: str) -> None:
        """Tell the process something; if it is gone, that shows soon enough."""
        try:
            self.connection.send(word)
        except OSError:
            return

    def enter(self, progress: Progress) -> None:
        """Note how far it is."""
        if progress.stage != self.stage:
            self.stage, self.since = progress.stage, time.monotonic()
        self.share = progress.share

    def left_s(self) -> float | None:
        """Return the seconds until this stage is over, None as long as that cannot be told."""
        passed = time.monotonic() - self.since
        if not self.share or passed < 1:
            return None
        return passed * (1 - self.share) / self.share

    def end(self) -> None:
        """End the process, which has nothing left to do."""
        self.connection.close()
        self.process.kill()
        self.process.join()
        self.process.close()


_DIED = "the process that worked on it was killed; often that means too little memory"


class IntakeQueue(QObject):
    """Takes files into a vault without keeping the window from answering.

    Parameters
    ----------
    vault : Vault
        Open, and written by this object alone.
    parent : QObject
        Owner.
    """

    changed = Signal(object)
    """IntakeState of what is under way, or None when nothing is."""
    stored = Signal(str)
    """Id of a recording that is in the vault now, or was there already."""
    known = Signal(str)
    """Name of a file that was in the vault already."""
    failed = Signal(str)
    """Why a file was not taken in, in plain words."""
    stopped = Signal(str)
    """Name of a file whose analysis was stopped."""

    def __init__(self, vault: Vault, parent: QObject) -> None:
        super().__init__(parent)
        self._vault = vault
        self._waiting: deque[Path] = deque()
        self._job: _Job | None = None
        self._timer = QTimer(self, interval=_POLL_MS)
        self._timer.timeout.connect(self._poll)

    @property
    def is_busy(self) -> bool:
        """Whether anything is under way."""
        return self._job is not None or bool(self._waiting)

    def add(self, paths: Iterable[Path]) -> None:
        """Take these in, after those that wait already."""
        self._waiting.extend(paths)
        self._next()

    def cancel(self) -> None:
        """Stop what is under way and forget what waits; nothing half-stored stays."""
        self._waiting.clear()
        if self._job is not None and self._job.stopped_at is None:
            self._job.stopped_at = time.monotonic()
            self._job.answer(STOP)
            self._tell()

    def close(self) -> None:
        """Stop at once: the vault is about to be closed."""
        self._waiting.clear()
        if self._job is not None:
            self._job.stopped_at = time.monotonic()
            self._finish()

    def _next(self) -> None:
        if self._job is None and self._waiting:
            path = self._waiting.popleft()
            try:
                self._job = _Job(self._vault, path)
            except (VaultError, OSError) as error:
                self.failed.emit(f"{path.name}: {explain(error)}")
                self._next()
                return
            self._timer.start()
        self._tell()

    def _poll(self) -> None:
        job = self._job
        if job is None:
            return
        for message in job.messages():
            match message:
                case Opened(sha256=sha256):
                    if self._is_known(job, sha256):
                        return
                    job.answer(GO_ON)
                case Progress():
                    job.enter(message)
                case Stored(receipt=receipt):
                    self._commit(job, receipt)
                    return
                case Failed(problem=problem):
                    self._finish()
                    named = job.path.name in problem
                    self.failed.emit(problem if named else f"{job.path.name}: {problem}")
                    return
                case Stopped():
                    self._finish()
                    self.stopped.emit(job.path.name)
                    return
        if job.stopped_at and time.monotonic() - job.stopped_at > _PATIENCE_S:
            job.process.kill()  # its end shows in the pipe
        self._tell()

    def _is_known(self, job: _Job, sha256: str) -> bool:
        """Ask the vault for this content; if it is there, or cannot be asked, the job is over."""
        try:
            known = self._vault.find_input(sha256)
        except VaultError as error:
            self._finish()
            self.failed.emit(str(error))
            return True
        if known is not None:
            self._finish()
            self.known.emit(job.path.name)
            self.stored.emit(known.id)
        return known is not None

    def _commit(self, job: _Job, receipt: Receipt) -> None:
        if job.stopped_at is not None:
            self._finish()
            self.stopped.emit(job.path.name)
            return
        try:
            stored = self._vault.commit(receipt)
        except AlreadyStoredError:
            self._finish()
            self.known.emit(job.path.name)
        except VaultError as error:
            self._finish()
            self.failed.emit(str(error))
        else:
            self._finish()
            self.stored.emit(stored.id)

    def _finish(self) -> None:
        job, self._job = self._job, None
        self._timer.stop()
        if job is not None:
            job.end()
            self._vault.discard(job.intake)
        self._next()

    def _tell(self) -> None:
        job = self._job
        if job is None:
            self.changed.emit(None)
            return
        stage = job.stage if job.stopped_at is None else "Stopping"
        share = job.share if job.stopped_at is None else None
        self.changed.emit(
            IntakeState(job.path.name, stage, share, job.left_s(), len(self._waiting))
        )
