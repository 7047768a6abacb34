"""Files on their way into the vault, one after the other, each analysed by a process of its own."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Signal

from app.desktop.background import Background
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
from app.workers import start_shielded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess
    from pathlib import Path

    from app.vault import Intake, Receipt, StoredRecording, Vault

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
        ``Opening``, ``Analysing``, ``Storing``, ``Stopping`` or ``Waiting for the vault``.
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

    def __init__(self, path: Path, intake: Intake) -> None:
        self.path = path
        self.intake = intake
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self.connection: Connection[Any, Any] = ours
        self.process: SpawnProcess = context.Process(
            target=take_in, args=(theirs, path, self.intake), daemon=True
        )
        start_shielded(self.process)
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

    The vault is written in threads, one after the other: another program may hold its lock.

    Parameters
    ----------
    vault : Vault
        Open, and written by this object alone.
    parent : QObject
        Owner, of the threads too, which may outlive this object.
    """

    changed = Signal(object)
    """IntakeState of what is under way, or None when nothing is."""
    stored = Signal(str)
    """Id of a recording that is in the vault now, or was there already."""
    known = Signal(str, str)
    """Name of a file that was in the vault already, and the id of its recording there."""
    failed = Signal(str)
    """Why a file was not taken in, in plain words."""
    stopped = Signal(str)
    """Name of a file whose analysis was stopped."""

    def __init__(self, vault: Vault, parent: QObject) -> None:
        super().__init__(parent)
        self._vault = vault
        self._owner = parent
        self._waiting: deque[Path] = deque()
        self._path: Path | None = None  # what is under way
        self._job: _Job | None = None  # its process, while there is one
        self._unwanted = False
        self._closed = False
        self._writing = threading.Lock()
        self._timer = QTimer(self, interval=_POLL_MS)
        self._timer.timeout.connect(self._poll)

    @property
    def is_busy(self) -> bool:
        """Whether anything is under way."""
        return self._path is not None or bool(self._waiting)

    def add(self, paths: Iterable[Path]) -> None:
        """Take these in, after those that wait already."""
        self._waiting.extend(paths)
        self._next()

    def cancel(self) -> None:
        """Stop what is under way and forget what waits; nothing half-stored stays."""
        self._waiting.clear()
        self._unwanted = self._path is not None
        if self._job is not None and self._job.stopped_at is None:
            self._job.stopped_at = time.monotonic()
            self._job.answer(STOP)
        self._tell()

    def close(self) -> None:
        """Stop at once, and close the vault as soon as nothing is written to it any more."""
        self._closed = True
        self._waiting.clear()
        self._end_process()
        Background(self._close_vault, self._owner).start()

    def _close_vault(self) -> None:
        with self._writing:
            self._vault.close()

    def _next(self) -> None:
        if self._path is None and self._waiting:
            self._path = self._waiting.popleft()
            self._unwanted = False
            self._write(self._vault.intake, self._begin, self._fail)
        self._tell()

    def _write(
        self,
        work: Callable[[], object],
        done: Callable[[Any], object],
        failed: Callable[[Exception], object],
    ) -> None:
        task = Background(partial(self._work, work), self._owner)
        task.done.connect(partial(self._hear, done))
        task.failed.connect(partial(self._hear, failed))
        task.start()

    def _work(self, work: Callable[[], object]) -> object:
        with self._writing:
            return None if self._closed else work()

    def _hear(self, then: Callable[[Any], object], result: object) -> None:
        if not self._closed:
            then(result)

    def _begin(self, intake: Intake) -> None:
        assert self._path is not None
        if self._unwanted:
            self._discard(intake, partial(self.stopped.emit, self._path.name))
            return
        self._job = _Job(self._path, intake)
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
                    named = job.path.name in problem
                    said = problem if named else f"{job.path.name}: {problem}"
                    self._finish(job, partial(self.failed.emit, said))
                    return
                case Stopped():
                    self._finish(job, partial(self.stopped.emit, job.path.name))
                    return
        if job.stopped_at and time.monotonic() - job.stopped_at > _PATIENCE_S:
            job.process.kill()  # its end shows in the pipe
        self._tell()

    def _is_known(self, job: _Job, sha256: str) -> bool:
        """Ask the vault for this content; if it is there, or cannot be asked, the job is over."""
        try:
            known = self._vault.find_input(sha256)
        except VaultError as error:
            self._finish(job, partial(self.failed.emit, str(error)))
            return True
        if known is not None:
            self._finish(job, partial(self._tell_known, job.path.name, known.id))
        return known is not None

    def _tell_known(self, name: str, recording_id: str) -> None:
        self.stored.emit(recording_id)
        self.known.emit(name, recording_id)

    def _commit(self, job: _Job, receipt: Receipt) -> None:
        if job.stopped_at is not None:
            self._finish(job, partial(self.stopped.emit, job.path.name))
            return
        self._end_process()
        self._write(partial(self._store, job.intake, receipt), self._tell_stored, self._fail)

    def _store(self, intake: Intake, receipt: Receipt) -> StoredRecording:
        try:
            return self._vault.commit(receipt)
        except AlreadyStoredError:  # another program stored it in the meantime
            if (known := self._vault.find_input(receipt.input_sha256)) is None:
                raise
            return known
        finally:
            self._vault.discard(intake)  # does nothing to what is committed

    def _tell_stored(self, stored: StoredRecording) -> None:
        self._over(partial(self.stored.emit, stored.id))

    def _fail(self, error: Exception) -> None:
        assert self._path is not None
        name = self._path.name
        self._over(partial(self.failed.emit, f"{name}: {explain(error)}"))

    def _finish(self, job: _Job, tell: Callable[[], object]) -> None:
        self._end_process()
        self._discard(job.intake, tell)

    def _discard(self, intake: Intake, tell: Callable[[], object]) -> None:
        discard = partial(self._vault.discard, intake)
        self._write(discard, lambda _: self._over(tell), self._fail)

    def _end_process(self) -> None:
        job, self._job = self._job, None
        self._timer.stop()
        if job is not None:
            job.end()

    def _over(self, tell: Callable[[], object]) -> None:
        self._path = None
        tell()
        self._next()

    def _tell(self) -> None:
        if self._path is None:
            self.changed.emit(None)
            return
        job, stage = self._job, "Waiting for the vault"
        share = left = None
        if job is not None:
            stage, share, left = job.stage, job.share, job.left_s()
        if self._unwanted:
            stage, share = "Stopping", None
        self.changed.emit(IntakeState(self._path.name, stage, share, left, len(self._waiting)))
