"""What keeps an open vault well: its log, its keys, what is erased and what is backed up."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.vault import _backup, _check, _erase, _inbox, audit_export
from app.vault._errors import NotAllowedError, VaultDamagedError
from app.vault._files import PATIENCE_S
from app.vault._reading import Reading
from app.vault.audit_export import Flaw, Verification
from app.vault.roles import Action

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from app.vault._anchor import Watch
    from app.vault._audit import Entry
    from app.vault._header import Header
    from signals.recording import Patient


_OF_SURE_ROLES = frozenset({Action.MANAGE_USERS, Action.ROTATE, Action.ERASE})


class Care(Reading):
    """The part of :class:`app.vault.Vault` that is for those who look after it."""

    _header: Header
    _vault_key: bytes
    _watch: Watch

    def require(self, action: Action) -> None:
        """Raise :class:`NotAllowedError` if the one who has the vault open may not do this.

        While users and passphrases are older than they were, nobody's role is sure: who was
        removed may be back.
        """
        super().require(action)
        if action in _OF_SURE_ROLES:
            self._require_sure_role()

    def _require_sure_role(self) -> None:
        if self._watch.older_header and not self.session.by_recovery_key:
            raise NotAllowedError(
                self.path,
                "users and passphrases (vault.json) were put back to an older state, so that "
                "somebody who was removed may be an administrator again: until that is accepted "
                "with the recovery key (tracekeep vault accept --recovery-key-file) nobody manages "
                "users, changes the keys or erases",
            )

    def log_entries(self, newest: int | None = None) -> list[Entry]:
        """Return what the log holds, by number; the newest so many, or all of it."""
        self.require(Action.READ_LOG)
        return self._log.entries(newest=newest)

    @property
    def log_public_key(self) -> str:
        """What the log's signatures are verified with, 64 hexadecimal digits; empty without any."""
        return self._log.public_key

    def verify_log(self) -> Verification:
        """Verify the log, and that all rows of the index are of one time; nothing is changed."""
        self.require(Action.READ_LOG)
        found = audit_export.verify(self._log.snapshot())
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
        self._log.add("log exported")
        return audit_export.export(self.path, self._log)

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
        self._log.add("export", self.recording(recording_id).id, form=form)

    def accept(self) -> tuple[str, ...]:
        """Take the vault as it is, after a warning that it was put back; it warns no more.

        Returns
        -------
        tuple of str
            What was accepted, by the names that the log has for it; empty where there was nothing.

        Raises
        ------
        NotAllowedError
            If the session may not; of an older ``vault.json``, if it is not by the recovery key.
        VaultError
            If the vault, or the note that this computer keeps about it, cannot be written.
        """
        self.require(Action.REPAIR)
        self._require_sure_role()
        return self._watch.accept()

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

    def erase(self, recording_id: str, *, whole_patient: bool) -> _erase.Erasure:
        """Erase a recording for good, or all recordings of its patient and what was learned.

        The key is destroyed, so that a copy of the files is of no use to anybody who has no older
        copy of the keyring as well: a backup made before still holds both. What waits in the inbox
        from the same input, or of the same patient if all of that is erased, is deleted too.

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
            self.path,
            self._index,
            self._keyring,
            stored.id,
            self._forget_sealed,
            whole_patient=whole_patient,
        )

    def _forget_sealed(self, inputs: Collection[str], patient: Patient | None) -> tuple[str, ...]:
        """Delete what the inbox holds of them; return the names of what cannot be looked into."""
        keys = self._header.inbox_keys(self._vault_key)
        return _inbox.forget(self.path, self.vault_id, keys, inputs, patient)

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
        self._log.add("backup")  # before, so that it holds it too
        told = progress or (lambda _done, _total: None)
        return _backup.back_up(
            self.path, self._header, self._vault_key, self._index, Path(to), told
        )
