"""The vault: what the rest of the program knows of it."""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

from app.report import Report
from app.vault import _backup, _check, _erase, _inbox, _rotation, _selftest, audit_export
from app.vault._anchor import Watch
from app.vault._audit import Ledger
from app.vault._blobs import (
    ENVELOPE,
    REPORT,
    WAVEFORM,
    BlobFile,
    blob_errors,
    blob_path,
    open_blob,
)
from app.vault._creation import make, make_folders
from app.vault._emergency import Emergencies
from app.vault._errors import (
    AlreadyStoredError,
    NotAllowedError,
    VaultDamagedError,
    VaultError,
    plain_errors,
)
from app.vault._files import PATIENCE_S, sync_folder, try_lock, writer_lock
from app.vault._header import Header, read_header, verify_header
from app.vault._index import FILE as INDEX_FILE
from app.vault._index import Index, StoredRecording, open_index
from app.vault._intake import (
    Intake,
    Receipt,
    pending,
    pending_path,
    remove_blobs,
    write_pending,
)
from app.vault._keyring import Keyring
from app.vault._keys import Purpose, derive
from app.vault._memory import forbid_dumps
from app.vault._people import People, session_of, unlock, unlock_with_recovery_key
from app.vault._stanzas import RecoveryStanza
from app.vault._use import Use
from app.vault._waveform import VaultRecording, read_envelopes
from app.vault.audit_export import Flaw, Verification
from app.vault.dropbox import Address
from app.vault.roles import Action, Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from app.vault._audit import Entry
    from ml.personal import PersonalPattern
    from signals.envelope import Envelope
    from signals.recording import Recording


@dataclass(frozen=True, slots=True)
class VaultInfo:
    """What a vault is.

    Parameters
    ----------
    vault_id : str
        32 hexadecimal digits.
    format_version : int
        Of the files.
    created : str
        ISO 8601, UTC.
    users : tuple of str
        Who has a passphrase.
    recordings : int
        How many it holds.
    size_bytes : int
        Of all its files.
    kdf : str
        What a guess at a passphrase costs, in words.
    """

    vault_id: str
    format_version: int
    created: str
    users: tuple[str, ...]
    recordings: int
    size_bytes: int
    kdf: str


class Vault:
    """An open vault. Use it as a context manager, or close it.

    Several programs may have the same vault open, and several threads may share one object. What
    opening it took in from the inbox is in `inbox`.
    """

    def __init__(
        self, path: Path, header: Header, vault_key: bytes, session: Session, use: Use
    ) -> None:
        verify_header(path, header, vault_key)
        self.path = path
        self.session = session
        self.people = People(self)
        self.emergencies = Emergencies(self)
        self._use = use
        self.vault_id = header.vault_id
        self._pending: dict[str, tuple[Intake, int]] = {}
        self.inbox = _inbox.Taken((), ())
        self._attach(header, vault_key)
        try:
            self.log.add("unlock", by="recovery key" if session.by_recovery_key else "passphrase")
            self._sweep()
            if header.inbox and not session.refusal(Action.ADD):
                with suppress(VaultError):  # it keeps nobody from opening the vault
                    self.take_in_inbox()
        except BaseException:
            self._index.close()
            raise

    def _attach(self, header: Header, vault_key: bytes) -> None:
        """Open what a vault key opens: when the vault is opened, and when the key is replaced."""
        self._header = header
        self._vault_key = vault_key
        self._keyring = Keyring(self.path, header.vault_id, header.epoch, vault_key)
        self._keyring.load()
        index = self.path / INDEX_FILE
        index_key = derive(vault_key, Purpose.INDEX, header.vault_id)
        ledger = Ledger(
            header.vault_id,
            self.session.user,
            self.session.program,
            header.audit_seed(vault_key),
        )
        self._index = Index(
            index,
            open_index(index, index_key, header.vault_id),
            ledger,
            marks=lambda: {
                "keyring_generation": self._keyring.generation,
                "header_revision": self._header.revision,
            },
        )
        self.log = self._index.log
        self._watch = Watch(self.path, header.vault_id, self._index, self._keyring, ledger)
        self._index.watch = self._watch
        try:
            self._watch.look()
        except BaseException:
            self._index.close()
            raise

    @classmethod
    def create(
        cls, path: Path, passphrase: str, *, user: str = "owner", program: str = "tracekeep"
    ) -> tuple[Self, str]:
        """Make a vault; it appears at `path` complete or not at all.

        Returns
        -------
        vault : Vault
            Open.
        recovery_key : str
            Opens the vault when the passphrase is lost. It is kept nowhere: show it once.

        Raises
        ------
        VaultError
            If something is at `path`, the passphrase is weak, or the place cannot be written.
        """
        forbid_dumps()
        path = Path(path)
        _selftest.run(path)
        vault_key, recovery_key = make(path, passphrase, user)
        use = Use(path)
        try:
            header = read_header(path)
            session = session_of(header.users[0], program)
            return cls(path, header, vault_key, session, use), recovery_key
        except BaseException:
            use.close()
            # Complete or not: a vault whose recovery key nobody has seen must not stay.
            shutil.rmtree(path, ignore_errors=True)
            raise

    @classmethod
    def open(
        cls, path: Path, passphrase: str, *, user: str | None = None, program: str = "tracekeep"
    ) -> Self:
        """Open a vault.

        Parameters
        ----------
        path : pathlib.Path
            The folder.
        passphrase : str
            Of one of its users.
        user : str, optional
            Whose it is; without it, whose passphrase it turns out to be.
        program : str
            Which program asks, for the log.

        Raises
        ------
        VaultLockedError
            If the passphrase is wrong; a :class:`TooManyGuessesError` if wrong ones were too many.
        UnknownUserError
            If there is no such user.
        VaultDamagedError
            If one of its files is missing, cut short or was changed; it is named.
        VaultTooNewError
            If a newer version of the program made it.
        VaultError
            If there is no vault, or no permission to use it.
        """
        return cls._opened(path, lambda path: unlock(path, passphrase, user, program))

    @classmethod
    def open_with_recovery_key(
        cls, path: Path, recovery_key: str, *, program: str = "tracekeep"
    ) -> Self:
        """Open a vault with the key that :meth:`create` gave; errors as for :meth:`open`."""
        return cls._opened(path, lambda path: unlock_with_recovery_key(path, recovery_key, program))

    @classmethod
    def _opened(cls, path: Path, unlocked: Callable[[Path], tuple[Header, bytes, Session]]) -> Self:
        forbid_dumps()
        path = Path(path)
        _rotation.settle(path)
        _selftest.run(path)
        use = Use(path)
        try:
            return cls(path, *unlocked(path), use)
        except BaseException:
            use.close()
            raise

    @property
    def warnings(self) -> tuple[str, ...]:
        """What whoever works with the vault must know, in plain words: it was put back, say."""
        return (*self._watch.warnings, *self.log.warnings, *self.inbox.warnings)

    def log_entries(self, newest: int | None = None) -> list[Entry]:
        """Return what the log holds, by number; the newest so many, or all of it."""
        self.require(Action.READ_LOG)
        return self.log.entries(newest=newest)

    def verify_log(self) -> Verification:
        """Verify the log, and that all rows of the index are of one time; nothing is changed."""
        self.require(Action.READ_LOG)
        found = audit_export.verify(self.log.snapshot())
        rows = [Flaw(None, warning) for warning in self._watch.rows_warning()]
        return replace(found, flaws=(*found.flaws, *rows))

    def export_log(self) -> Iterator[str]:
        """Yield the lines of a file by which the log can be verified without the vault.

        Raises
        ------
        VaultError
            If the vault has no key to sign it with.
        """
        self.require(Action.READ_LOG)
        self.log.add("log exported")
        return audit_export.export(self.path, self.log)

    def note_export(self, recording_id: str, form: str) -> None:
        """Note that a recording, or what was found in it, leaves the vault unencrypted.

        Call it before that is written.

        Parameters
        ----------
        recording_id : str
            Of the recording.
        form : str
            In a word: ``csv``, ``png``.
        """
        self.require(Action.EXPORT)
        self.log.add("export", self.recording(recording_id).id, form=form)

    def accept(self) -> tuple[str, ...]:
        """Take the vault as it is, after a warning that it was put back; it warns no more.

        Returns
        -------
        tuple of str
            What was accepted, by the names that the log has for it; empty where there was nothing.

        Raises
        ------
        VaultError
            If the vault, or the note that this computer keeps about it, cannot be written.
        """
        self.require(Action.REPAIR)
        return self._watch.accept()

    def require(self, action: Action) -> None:
        """Raise :class:`NotAllowedError` if the one who has the vault open may not do this."""
        refusal = self.session.refusal(action)
        if refusal and not (action is Action.READ and self.emergencies.current()):
            raise NotAllowedError(self.path, refusal)

    def rotate(self, recovery_key: str) -> None:
        """Replace the vault key, on which all others but those of recordings hang.

        Every user keeps the passphrase. Killed at whatever moment, the vault is as it was or as
        it is to be.

        Parameters
        ----------
        recovery_key : str
            From :func:`app.vault.new_recovery_key`, noted down already; it replaces the old one.

        Raises
        ------
        NotAllowedError
            If the session may not.
        VaultError
            If another program has the vault open, or the disk has no room for a second index.
        """
        self.require(Action.ROTATE)
        _rotation.rotate(self, recovery_key)

    def info(self) -> VaultInfo:
        """Return what the vault is and how much it holds."""
        stanzas = [s for s in self._header.stanzas if not isinstance(s, RecoveryStanza)]
        size = 0
        with plain_errors(self.path):
            for found in self.path.rglob("*"):
                with suppress(FileNotFoundError):  # a log that another program has just emptied
                    size += found.stat().st_size if found.is_file() else 0
        return VaultInfo(
            vault_id=self.vault_id,
            format_version=self._header.version,
            created=self._header.created,
            users=tuple(stanza.user for stanza in stanzas),
            recordings=len(self._index.recording_ids()),
            size_bytes=size,
            kdf="; ".join(sorted({str(stanza.cost) for stanza in stanzas})),
        )

    def check(
        self, read_data: float = 0.0, progress: Callable[[int, int], None] | None = None
    ) -> _check.CheckResult:
        """Look for damage, and say which recordings it hits. Nothing is changed.

        Parameters
        ----------
        read_data : float
            Share of the recordings' files that is read and authenticated from end to end, 0 to 1,
            drawn by chance; of the others the head, the length and the last chunk are checked.
        progress : callable, optional
            Told how many files are done, and of how many.
        """
        self.require(Action.CHECK)
        result = _check.check(
            self.path,
            self._header,
            self._vault_key,
            self._index,
            self._keyring,
            read_data,
            progress or (lambda _done, _total: None),
        )
        warnings = self._watch.put_back
        with suppress(VaultDamagedError):  # which is among the damages
            warnings += self._watch.rows_warning()
        return replace(result, warnings=warnings)

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
        found = self._index.search(text, most)
        return found if self._may_read_all else self.emergencies.readable(found)

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

        Whoever adds recordings has the content, and may know that it is there.
        """
        self.require(Action.ADD)
        return self._index.find_input(sha256)

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

    def erase(self, recording_id: str, *, whole_patient: bool) -> _erase.Erasure:
        """Erase a recording for good, or all recordings of its patient and what was learned.

        The key is destroyed, so that a copy of the files is of no use to anybody who has no older
        copy of the keyring as well: a backup made before still holds both.

        Raises
        ------
        UnknownRecordingError
            If there is no such recording.
        VaultError
            If the vault cannot be written; nothing is erased then.
        """
        self.require(Action.ERASE)
        stored = self.recording(recording_id)
        return _erase.erase(
            self.path, self._index, self._keyring, stored.id, whole_patient=whole_patient
        )

    def back_up(
        self, to: Path, progress: Callable[[int, int], None] | None = None
    ) -> _backup.Backup:
        """Bring a backup of the vault up to date, or make one, while others go on working.

        Parameters
        ----------
        to : pathlib.Path
            A folder: a new one, or the one of an earlier backup of this vault, of which only what
            is new is copied. It then holds this state and no older one.
        progress : callable, optional
            Told how many files are done, and of how many.

        Raises
        ------
        VaultError
            If the place is not fit, or cannot be written; the earlier backup is then as it was.
        """
        self.require(Action.BACKUP)
        _erase.finish(self.path, self._index, self._keyring, patience_s=PATIENCE_S)
        self.log.add("backup")  # before, so that it holds it too
        told = progress or (lambda _done, _total: None)
        return _backup.back_up(
            self.path, self._header, self._vault_key, self._index, Path(to), told
        )

    @property
    def inbox_address(self) -> Address:
        """What others seal recordings for this vault to; it is no secret.

        Raises
        ------
        VaultError
            If the vault is of a version that had no inbox.
        """
        if self._header.inbox is None:
            raise VaultError(self.path, "this vault has no inbox yet: its owner must open it once")
        return Address(self.vault_id, self._header.inbox.kem, self._header.inbox.public)

    def take_in_inbox(self, progress: Callable[[int, int], None] | None = None) -> _inbox.Taken:
        """Take in the recordings that others sealed for this vault, and delete the sealed files.

        What is damaged, or for another vault, stays where it is and is named.

        Parameters
        ----------
        progress : callable, optional
            Told how many files are done, and of how many.

        Raises
        ------
        VaultError
            If the inbox cannot be read.
        """
        self.require(Action.ADD)
        kem, private = self.inbox_address.kem, self._header.inbox_private(self._vault_key)
        if private is None:
            raise VaultDamagedError(self.path, "the key of the inbox is damaged")
        told = progress or (lambda _done, _total: None)
        self.inbox = _inbox.take_in(self, kem, private, told)
        return self.inbox

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

    def intake(self) -> Intake:
        """Prepare for one more recording.

        Send it to the process that has the recording, :meth:`Intake.store` there, and hand the
        receipt to :meth:`commit`; or :meth:`discard` it.
        """
        self.require(Action.ADD)
        intake = Intake.new(self.path, self.vault_id)
        with writer_lock(self.path):
            self._pending[intake.recording_id] = (intake, write_pending(intake))
        return intake

    def commit(self, receipt: Receipt) -> StoredRecording:
        """Make a stored recording part of the vault, for good when this returns.

        Raises
        ------
        AlreadyStoredError
            If a recording with this content is there; what the intake wrote is deleted.
        VaultError
            If the receipt is of no intake of this object, or the vault cannot be written; the
            recording is then absent, and the intake can be discarded.
        """
        self.require(Action.ADD)
        if receipt.recording_id not in self._pending:
            raise VaultError(self.path, "this recording was not taken in here, or was discarded")
        intake, _ = self._pending[receipt.recording_id]
        stored = StoredRecording(
            id=receipt.recording_id,
            name=receipt.name,
            format=receipt.format,
            input_sha256=receipt.input_sha256,
            added_at=datetime.now(UTC).isoformat(timespec="microseconds"),
            start=receipt.start,
            duration_s=receipt.duration_s,
            n_channels=receipt.n_channels,
            patient=receipt.patient,
            headline=receipt.headline,
        )
        for blob in receipt.blobs:
            open_blob(self.path, self.vault_id, intake.key, blob).close()
        try:
            with writer_lock(self.path):
                self._index.refuse_known(receipt.input_sha256)
                with plain_errors(self.path):
                    sync_folder(self.path / "blobs")  # the folders that blobs lie in may be new
                self._keyring.add(stored.id, intake.key)
                self._index.add(stored, receipt.blobs)
                self._forget(stored.id)
        except AlreadyStoredError:
            self._discard(intake)
            raise
        return self._index.recording(stored.id)

    def discard(self, intake: Intake) -> None:
        """Delete what an intake wrote; if a process still writes, it goes when that has ended."""
        self.require(Action.ADD)
        self._discard(intake)

    def _discard(self, intake: Intake) -> None:
        if intake.recording_id in self._pending:
            _, file = self._pending.pop(intake.recording_id)
            # Explicitly, for a worker that was forked since then shares the descriptor.
            fcntl.flock(file, fcntl.LOCK_UN)
            os.close(file)
            self._sweep()

    def close(self) -> None:
        """Close the vault. What was taken in and not committed is deleted. Twice does nothing."""
        for intake, _ in list(self._pending.values()):
            self._discard(intake)
        self.log.close()
        self._watch.close()
        self._index.close()
        self._use.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def _may_read_all(self) -> bool:
        return self.session.refusal(Action.READ) is None

    def _note_reading(self, recording_id: str) -> None:
        emergency = self.emergencies.covering(recording_id)
        self.log.note_reading(recording_id, **({"emergency": emergency.id} if emergency else {}))

    def _current_header(self) -> Header:
        """Return the header as it is now, which another program may have changed."""
        header = read_header(self.path)
        verify_header(self.path, header, self._vault_key)
        return header

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

    def _forget(self, recording_id: str) -> None:
        """Remove the note of an intake that is now part of the vault."""
        _, file = self._pending.pop(recording_id)
        with suppress(OSError):  # it is stored all the same; the next to open deletes the note
            pending_path(self.path, recording_id).unlink()
        os.close(file)

    def _sweep(self) -> None:
        try:
            with plain_errors(self.path):
                make_folders(self.path)
            self._delete_left_overs()
            _erase.finish(self.path, self._index, self._keyring, patience_s=0.0)
        except VaultDamagedError:
            raise
        except VaultError:
            pass  # a full disk must not keep anyone from reading; what is left is swept next time

    def _delete_left_overs(self) -> None:
        """Delete what programs left that died, or gave up, while taking a recording in.

        Only what a note in ``pending/`` names is ever deleted, never what is merely unknown to
        the index: an old index put back must not cost the recordings that it does not know.
        """
        notes = self.path / "pending"
        with plain_errors(notes):
            if not any(notes.iterdir()):
                return
            with writer_lock(self.path):
                stored, in_use = self._index.recording_ids(), self._index.blob_ids()
                for recording_id, blob_ids in pending(self.path):
                    note = notes / recording_id
                    file = os.open(note, os.O_RDONLY | os.O_CLOEXEC)
                    try:
                        if not try_lock(file, fcntl.LOCK_EX):
                            continue  # someone is at work on it
                        if recording_id not in stored:
                            remove_blobs(self.path, set(blob_ids) - in_use)
                            self._keyring.remove(recording_id)
                        note.unlink()
                    finally:
                        os.close(file)
