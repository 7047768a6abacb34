"""Taking a recording in: the part that a worker process does, with the one key that it needs."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from app.vault._blobs import (
    ENVELOPE,
    KINDS,
    REPORT,
    WAVEFORM,
    BlobFile,
    blob_path,
    new_blob,
    write_blob,
)
from app.vault._chunked import write_all
from app.vault._errors import VaultError, plain_errors
from app.vault._files import create, open_regular, sync_folder, try_lock
from app.vault._keys import KEY_BYTES
from app.vault._memory import forbid_dumps
from app.vault._waveform import TooWideError, write_envelopes, write_waveform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from app.report import Report
    from app.vault._chunked import Writer
    from signals.envelope import Envelope
    from signals.recording import Patient, Recording

_LARGEST_NOTE = 1 << 16  # bytes: a note names three files
_ID = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What :meth:`Intake.store` wrote; handed to :meth:`Vault.commit`."""

    recording_id: str
    blobs: tuple[BlobFile, ...]
    name: str
    format: str
    input_sha256: str
    start: datetime | None
    duration_s: float
    n_channels: int
    patient: Patient
    headline: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Intake:
    """A place for one recording, to be sent to the process that analyses it.

    It holds the key of this one recording and no other.
    """

    vault: Path
    vault_id: str
    recording_id: str
    blobs: tuple[BlobFile, ...]
    key: bytes = field(repr=False)

    @classmethod
    def new(cls, vault: Path, vault_id: str) -> Intake:
        """Draw the names and the key for one more recording."""
        recording_id = secrets.token_hex(16)
        blobs = tuple(new_blob(recording_id, kind) for kind in KINDS)
        return cls(vault, vault_id, recording_id, blobs, secrets.token_bytes(KEY_BYTES))

    def store(
        self,
        recording: Recording,
        report: Report,
        progress: Callable[[float], None] | None = None,
    ) -> Receipt:
        """Write the recording and its report, encrypted; nothing is listed before the commit.

        Memory is bounded: the recording is read once, in order, a few megabytes at a time.

        Parameters
        ----------
        recording : Recording
            Any; several rates are kept as they are.
        report : Report
            What was found in it.
        progress : callable, optional
            Told the share that is done, 0 to 1.

        Raises
        ------
        VaultError
            If the intake was discarded, or the disk is full or cannot be written; nothing stays.
        RecordingError
            If the recording cannot be read to its end; nothing stays.
        """
        forbid_dumps()  # a worker process holds this recording's key
        with self._in_use():
            try:
                return self._store(recording, report, progress or (lambda _share: None))
            except BaseException:
                with suppress(OSError):  # the note tells whoever opens the vault next to do it
                    remove_blobs(self.vault, (blob.id for blob in self.blobs))
                raise

    def _store(
        self, recording: Recording, report: Report, progress: Callable[[float], None]
    ) -> Receipt:
        envelopes: tuple[Envelope, ...] = ()

        def fill_waveform(writer: Writer, *, wide: bool) -> None:
            nonlocal envelopes
            envelopes = write_waveform(writer, recording, progress, wide=wide)

        fills: dict[str, Callable[[Writer], None]] = {
            WAVEFORM: lambda writer: fill_waveform(writer, wide=False),
            ENVELOPE: lambda writer: write_envelopes(writer, envelopes),
            REPORT: lambda writer: writer.write(report.to_json().encode("utf-8", "surrogatepass")),
        }
        written = []
        for blob in self.blobs:
            try:
                size = self._write(blob, fills[blob.kind])
            except TooWideError:
                # The header of the recording promised less than its samples hold.
                size = self._write(blob, lambda writer: fill_waveform(writer, wide=True))
            written.append(replace(blob, size=size))
        return Receipt(
            recording_id=self.recording_id,
            blobs=tuple(written),
            name=recording.name,
            format=recording.format,
            input_sha256=report.provenance.input_sha256,
            start=recording.start,
            duration_s=recording.duration,
            n_channels=len(recording.channels),
            patient=recording.patient,
            headline=report.headline(),
        )

    def _write(self, blob: BlobFile, fill: Callable[[Writer], None]) -> int:
        return write_blob(self.vault, self.vault_id, self.key, blob, fill)

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        """Hold the intake, so that no other program takes its files for left-overs."""
        path = pending_path(self.vault, self.recording_id)
        with plain_errors(path):
            try:
                file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                raise VaultError(self.vault, "this intake was discarded") from None
        try:
            if not try_lock(file, fcntl.LOCK_SH) or not path.exists():
                raise VaultError(self.vault, "this intake was discarded")
            yield
        finally:
            os.close(file)


def pending_path(vault: Path, recording_id: str) -> Path:
    """Return the note that a recording is being taken in."""
    return vault / "pending" / recording_id


def write_pending(intake: Intake) -> int:
    """Note which files an intake will write, before it writes any; return the locked descriptor.

    Whoever holds a shared lock on the note is at work. The caller holds the writer lock, so that
    nobody takes the note for a left-over before it is locked.
    """
    path = pending_path(intake.vault, intake.recording_id)
    with plain_errors(intake.vault):
        file = create(path)
        try:
            try_lock(file, fcntl.LOCK_SH)
            write_all(file, "".join(f"{blob.id}\n" for blob in intake.blobs).encode("ascii"))
            os.fsync(file)
            sync_folder(path.parent)
        except BaseException:
            os.close(file)
            path.unlink(missing_ok=True)
            raise
    return file


def pending(vault: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the recording and the blobs of each note. The caller holds the writer lock.

    What is no file, and what is no id, is left out: files are deleted by these names.
    """
    with plain_errors(vault / "pending"):
        for note in sorted((vault / "pending").iterdir()):
            if _ID.fullmatch(note.name) and stat.S_ISREG(note.lstat().st_mode):
                with open(open_regular(note), "rb") as file:  # noqa: PTH123 (a descriptor)
                    words = file.read(_LARGEST_NOTE).decode("ascii", "replace").split()
                yield note.name, [word for word in words if _ID.fullmatch(word)]


def remove_blobs(vault: Path, blob_ids: Iterable[str]) -> None:
    """Delete what an intake wrote, if anything."""
    for blob_id in blob_ids:
        path = blob_path(vault, blob_id)
        path.unlink(missing_ok=True)
        path.with_suffix(".tmp").unlink(missing_ok=True)
