"""What can be read in an open vault, and what readers teach about their patients."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from app.report import Report
from app.vault._blobs import ENVELOPE, REPORT, WAVEFORM, BlobFile, blob_errors, blob_path, open_blob
from app.vault._errors import NotAllowedError, VaultDamagedError
from app.vault._files import writer_lock
from app.vault._waveform import VaultRecording, read_envelopes
from app.vault.roles import Action
from signals.recording import Patient

if TYPE_CHECKING:
    from pathlib import Path

    from app.vault._audit import AuditLog
    from app.vault._emergency import Emergencies
    from app.vault._index import Index, StoredRecording
    from app.vault._keyring import Keyring
    from app.vault.roles import Session
    from ml.personal import PersonalPattern
    from signals.envelope import Envelope
    from signals.recording import Recording


class Reading:
    """The part of :class:`app.vault.Vault` that reads recordings."""

    path: Path
    vault_id: str
    session: Session
    emergencies: Emergencies
    _log: AuditLog
    _index: Index
    _keyring: Keyring

    def require(self, action: Action) -> None:
        """Raise :class:`NotAllowedError` if the one who has the vault open may not do this."""
        refusal = self.session.refusal(action)
        if refusal and not (action is Action.READ and self.emergencies.current()):
            raise NotAllowedError(self.path, refusal)

    def recordings(self, most: int = -1) -> list[StoredRecording]:
        """Return what is stored, newest first; all of it where `most` is negative."""
        self.require(Action.READ)
        if self._may_read_all:
            return self._index.recordings(most)
        readable = self.emergencies.readable(self._index.recordings())
        return readable if most < 0 else readable[:most]

    def search(self, text: str, most: int = 50) -> list[StoredRecording]:
        """Return the recordings that have all words of a text, newest first.

        Words of the recording's name, of the patient's name, code and birth date, and of what was
        found; they may be cut short.
        """
        self.require(Action.READ)
        if self._may_read_all:
            return self._index.search(text, most)
        patients = {one.patient_id for one in self.emergencies.current()}
        return self._index.search(text, most, patients)

    def recording(self, id_or_prefix: str) -> StoredRecording:
        """Return the one recording whose id begins so.

        Raises
        ------
        UnknownRecordingError
            If there is none, or more than one.
        """
        self.require(Action.READ)
        stored = self._index.recording(id_or_prefix)
        if not self._may_read_all and not self.emergencies.covering(stored.id):
            raise NotAllowedError(self.path, "the emergency is about another patient")
        return stored

    def find_input(self, sha256: str) -> StoredRecording | None:
        """Return the recording that came from this content, if it is stored.

        Whoever adds recordings may know that it is there, and under which id. Who may not read
        it is told neither whose it is nor what was found in it.
        """
        self.require(Action.ADD)
        stored = self._index.find_input(sha256)
        return self._as_may_be_told(stored) if stored else None

    def report(self, recording_id: str) -> Report:
        """Return what was found in a recording; errors as for :meth:`waveform`."""
        self.require(Action.READ)
        return Report.from_json(
            bytes(self._content(recording_id, REPORT)).decode("utf-8", "surrogatepass")
        )

    def envelope(self, recording_id: str) -> tuple[Envelope, ...]:
        """Return the envelope of each channel; errors as for :meth:`waveform`."""
        self.require(Action.READ)
        return read_envelopes(self._content(recording_id, ENVELOPE))

    def pattern_of(self, recording_id: str) -> PersonalPattern | None:
        """Return what was learned about the patient whom a recording is of, if anything was.

        Raises
        ------
        UnknownRecordingError
            If there is no such recording.
        VaultDamagedError
            If it is not what the vault kept; :meth:`keep_pattern` replaces it all the same.
        """
        self.require(Action.READ)
        return self._index.pattern(self.recording(recording_id).id)

    def keep_pattern(self, recording_id: str, pattern: PersonalPattern | None) -> None:
        """Keep what was learned about a patient, instead of what was before; None deletes it.

        Parameters
        ----------
        recording_id : str
            Of any recording of the patient.
        pattern : PersonalPattern or None
            One without corrections is deleted like None.

        Raises
        ------
        UnknownRecordingError
            If there is no such recording.
        ValueError
            If it was learned on a recording that is not of that patient.
        """
        self.require(Action.CORRECT)
        stored = self.recording(recording_id)
        with writer_lock(self.path):
            self._index.keep_pattern(stored.id, pattern)

    def replace_pattern(
        self, recording_id: str, old: PersonalPattern | None, new: PersonalPattern | None
    ) -> bool:
        """Keep a pattern if what is there is still `old`; return whether it was.

        So that of two programs that teach at once none undoes what the other taught. Errors as
        for :meth:`pattern_of` and :meth:`keep_pattern`.
        """
        self.require(Action.CORRECT)
        stored = self.recording(recording_id)
        with writer_lock(self.path):
            if self._index.pattern(stored.id) != old:
                return False
            self._index.keep_pattern(stored.id, new)
        return True

    def recordings_of_patient(self, recording_id: str) -> list[StoredRecording]:
        """Return all recordings of the patient whom one is of, newest first.

        Raises
        ------
        UnknownRecordingError
            If there is no such recording.
        """
        self.require(Action.READ)
        return self._index.recordings_of_patient(self.recording(recording_id).id)

    def waveform(self, recording_id: str) -> Recording:
        """Return a recording that decrypts what is asked of it; close it.

        Raises
        ------
        UnknownRecordingError
            If there is no such recording.
        VaultDamagedError
            If its key or its file is missing, or the file was changed.
        """
        self.require(Action.READ)
        stored = self.recording(recording_id)
        self._note_reading(stored.id)
        blob, key = self._blob(stored.id, WAVEFORM)
        reader = open_blob(self.path, self.vault_id, key, blob)
        try:
            return VaultRecording(
                blob_path(self.path, blob.id), reader, stored.patient, stored.input_sha256
            )
        except BaseException:
            reader.close()
            raise

    @property
    def _may_read_all(self) -> bool:
        return self.session.refusal(Action.READ) is None

    def _as_may_be_told(self, stored: StoredRecording) -> StoredRecording:
        if self._may_read_all or self.emergencies.covering(stored.id):
            return stored
        return replace(stored, name="", start=None, patient=Patient(), headline={})

    def _note_reading(self, recording_id: str) -> None:
        emergency = self.emergencies.covering(recording_id)
        self._log.note_reading(recording_id, **({"emergency": emergency.id} if emergency else {}))

    def _blob(self, recording_id: str, kind: str) -> tuple[BlobFile, bytes]:
        key = self._keyring.key_of(recording_id)
        if key is None:
            raise VaultDamagedError(
                self.path, f"the key of recording {recording_id[:8]} is missing"
            )
        for blob in self._index.blobs(recording_id):
            if blob.kind == kind:
                return blob, key
        raise VaultDamagedError(
            self.path, f"the index names no {kind} for recording {recording_id[:8]}"
        )

    def _content(self, recording_id: str, kind: str) -> memoryview:
        stored = self.recording(recording_id)
        self._note_reading(stored.id)
        blob, key = self._blob(stored.id, kind)
        with (
            open_blob(self.path, self.vault_id, key, blob) as reader,
            blob_errors(blob_path(self.path, blob.id)),
        ):
            return reader.read()
