"""The vault: what the rest of the program knows of it."""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

from app.vault import _erase, _inbox, _new_index, _rotation, _selftest
from app.vault._anchor import Watch
from app.vault._audit import Ledger
from app.vault._blobs import (
    open_blob,
)
from app.vault._care import Care
from app.vault._creation import make, make_folders
from app.vault._emergency import Emergencies
from app.vault._errors import (
    AlreadyStoredError,
    VaultDamagedError,
    VaultError,
    plain_errors,
)
from app.vault._files import open_regular, sync_folder, try_lock, writer_lock
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
from app.vault.dropbox import Address
from app.vault.roles import Action, Session

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


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


class Vault(Care):
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
            self._log.add("unlock", by="recovery key" if session.by_recovery_key else "passphrase")
            self._sweep()
            if header.inbox and not session.refusal(Action.ADD):
                with suppress(Exception):  # it keeps nobody from opening the vault
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
        self._log = self._index.log
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
        return (*self._watch.warnings, *self._log.warnings, *self.inbox.warnings)

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
        _ = self.inbox_address  # which a vault of version 1 refuses in words
        keys = self._header.inbox_keys(self._vault_key)
        if not keys:
            raise VaultDamagedError(self.path, "the key of the inbox is damaged")
        told = progress or (lambda _done, _total: None)
        self.inbox = _inbox.take_in(self, keys, told)
        return self.inbox

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
                kept = self._index.recording(stored.id)  # now: another program may erase it next
                self._forget(stored.id)
        except AlreadyStoredError:
            self._discard(intake)
            raise
        return kept

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
        with ExitStack() as at_last:  # on a disk that fails, too
            at_last.callback(self._use.close)
            at_last.callback(self._index.close)
            for intake, _ in list(self._pending.values()):
                self._discard(intake)
            self._log.close()
            self._watch.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _current_header(self) -> Header:
        """Return the header as it is now, which another program may have changed."""
        header = read_header(self.path)
        verify_header(self.path, header, self._vault_key)
        return header

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
            _new_index.remove(self.path)
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
                    file = open_regular(note)
                    try:
                        if not try_lock(file, fcntl.LOCK_EX):
                            continue  # someone is at work on it
                        if recording_id not in stored:
                            remove_blobs(self.path, set(blob_ids) - in_use)
                            self._keyring.remove(recording_id)
                        note.unlink()
                    finally:
                        os.close(file)
