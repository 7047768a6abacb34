"""Emergency access: one patient's recordings, for four hours, for somebody who may not read.

It breaks the glass: whoever does it says why and gives the passphrase once more, every reading is
marked in the log, and it stays in a queue until somebody else has reviewed it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from app.vault._errors import NotAllowedError, UnknownRecordingError, VaultError
from app.vault._schema import storable
from app.vault._throttle import Guesses
from app.vault.roles import ALLOWED, Action

if TYPE_CHECKING:
    import apsw

    from app.vault._index import StoredRecording
    from app.vault._vault import Vault

HOURS = 4
_LONGEST = 1000  # characters of a reason, or of a remark
_COLUMNS = (
    "id, user, patient_id, reason, opened_at, until, reviewed_at, reviewed_by, remark "
    "FROM emergency"
)


@dataclass(frozen=True, slots=True)
class Emergency:
    """One time that somebody opened a patient who was not theirs to read.

    Parameters
    ----------
    id : str
        32 hexadecimal digits.
    user : str
        Who did.
    patient_id : str
        The pseudonym of the patient.
    reason : str
        Why, in that user's words; empty once the patient was erased.
    opened_at, until : str
        ISO 8601, UTC.
    reviewed_at, reviewed_by, remark : str or None
        When, by whom, and what was found; None as long as nobody reviewed it.
    """

    id: str
    user: str
    patient_id: str
    reason: str
    opened_at: str
    until: str
    reviewed_at: str | None
    reviewed_by: str | None
    remark: str | None

    def is_in_force(self, now: datetime) -> bool:
        """Return whether it lets the user read; a clock that was put back ends it too."""
        if self.reviewed_at is not None:
            return False
        return datetime.fromisoformat(self.opened_at) <= now < datetime.fromisoformat(self.until)


class Emergencies:
    """The emergencies of an open vault.

    Parameters
    ----------
    vault : Vault
        Open.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def open(self, patient: str, reason: str, passphrase: str) -> Emergency:
        """Let the user of this session read one patient for four hours.

        Parameters
        ----------
        patient : str
            The first digits of the id of one of the patient's recordings, or the code or the name
            of the patient, whole.
        reason : str
            Why; whoever reviews it reads this.
        passphrase : str
            Of this user, once more.

        Raises
        ------
        VaultLockedError
            If the passphrase is wrong; a :class:`TooManyGuessesError` if it was, or the patient
            unknown, too often.
        UnknownRecordingError
            If there is no such patient, or more than one; the log tells that it was tried.
        NotAllowedError
            If the role does not allow it.
        VaultError
            If it is of no use, no reason is given, or the vault cannot be written: it is noted
            before anything can be read.
        """
        vault, session = self._vault, self._vault.session
        vault.require(Action.EMERGENCY)
        if Action.READ in ALLOWED[session.role]:
            raise VaultError(vault.path, f"{session.user or 'this session'} may read it all anyway")
        if not reason.strip() or len(reason) > _LONGEST:
            raise VaultError(
                vault.path, f"an emergency needs a reason, of {_LONGEST} characters at most"
            )
        vault.people.authenticate(passphrase)
        patient_id = self._named(patient)
        now = _now()
        opened = Emergency(
            secrets.token_hex(16),
            session.user,
            patient_id,
            storable(reason.strip()),
            now.isoformat(timespec="seconds"),
            (now + timedelta(hours=HOURS)).isoformat(timespec="seconds"),
            None,
            None,
            None,
        )
        with vault._index._writing() as connection:
            connection.execute(
                "INSERT INTO emergency VALUES (?, ?, ?, ?, ?, ?, NULL, NULL, NULL)",
                (
                    opened.id,
                    opened.user,
                    opened.patient_id,
                    opened.reason,
                    opened.opened_at,
                    opened.until,
                ),
            )
            vault._index._log.enter(
                connection,
                "emergency",
                emergency=opened.id,
                patient=opened.patient_id,
                until=opened.until,
            )
        return opened

    def current(self) -> tuple[Emergency, ...]:
        """Return what this session may read by emergencies, now; empty where it needs none."""
        session = self._vault.session
        if session.must_change or Action.READ in ALLOWED[session.role]:
            return ()
        now = _now()
        with self._vault._index._use() as connection:
            if not _has_table(connection):
                return ()
            found = _rows(connection, "WHERE user = ? AND reviewed_at IS NULL", session.user)
        return tuple(one for one in found if one.is_in_force(now))

    def covering(self, recording_id: str) -> Emergency | None:
        """Return the emergency by which this session may read a recording, None without one."""
        current = self.current()
        if not current:
            return None
        with self._vault._index._use() as connection:
            patient = connection.execute(
                "SELECT patient_id FROM recording WHERE id = ?", (recording_id,)
            ).get
        return next((one for one in current if one.patient_id == patient), None)

    def readable(self, recordings: list[StoredRecording]) -> list[StoredRecording]:
        """Return those of some recordings that this session may read by emergencies."""
        patients = {one.patient_id for one in self.current()}
        with self._vault._index._use() as connection:
            ids = {
                row[0]
                for patient in patients
                for row in connection.execute(
                    "SELECT id FROM recording WHERE patient_id = ?", (patient,)
                )
            }
        return [one for one in recordings if one.id in ids]

    def all(self) -> list[Emergency]:
        """Return all emergencies, those that nobody reviewed first, and the oldest of them first.

        Raises
        ------
        NotAllowedError
            If the session may not review.
        """
        self._vault.require(Action.REVIEW)
        with self._vault._index._use() as connection:
            if not _has_table(connection):
                return []
            return _rows(connection, "ORDER BY reviewed_at IS NOT NULL, opened_at, id")

    def review(self, id_or_prefix: str, remark: str) -> Emergency:
        """Close an emergency: it is over, if it was not, and leaves the queue.

        Raises
        ------
        NotAllowedError
            If the session may not review, or it is the user's own.
        VaultError
            If there is no such emergency, more than one, or it was reviewed already.
        """
        vault, session = self._vault, self._vault.session
        vault.require(Action.REVIEW)
        if len(remark) > _LONGEST:
            raise VaultError(vault.path, f"a remark has {_LONGEST} characters at most")
        wanted = id_or_prefix.strip().lower()
        with vault._index._writing() as connection:
            found = _rows(connection, "WHERE substr(id, 1, ?) = ?", len(wanted), wanted)
            if not wanted or len(found) != 1:
                how = "no" if not wanted or not found else "more than one"
                raise VaultError(vault.path, f"{how} emergency has an id that begins so")
            (one,) = found
            if one.reviewed_at:
                raise VaultError(
                    vault.path, f"{one.reviewed_by or 'the recovery key'} reviewed it already"
                )
            if one.user == session.user:
                raise NotAllowedError(vault.path, "somebody else must review what you did yourself")
            connection.execute(
                "UPDATE emergency SET reviewed_at = ?, reviewed_by = ?, remark = ? WHERE id = ?",
                (_now().isoformat(timespec="seconds"), session.user, storable(remark), one.id),
            )
            vault._index._log.enter(connection, "emergency reviewed", emergency=one.id)
            (reviewed,) = _rows(connection, "WHERE id = ?", one.id)
        return reviewed

    def _named(self, said: str) -> str:
        """Return the pseudonym of the patient who is meant.

        Who names patients until one is there is slowed like who guesses at a passphrase, and the
        log tells that it was tried; not with which name.
        """
        vault = self._vault
        guesses = Guesses(vault.path, vault.vault_id)
        (who,) = guesses.begin([f"{vault.session.user_id} names patients"])
        try:
            patient_id = self._patient(said)
        except UnknownRecordingError:
            vault._log.add("emergency refused")
            raise
        guesses.right(who, [who])
        return patient_id

    def _patient(self, said: str) -> str:
        """Return the pseudonym of the one patient who is meant."""
        vault = self._vault
        with vault._index._use() as connection:
            ids = {
                str(row[0])
                for row in connection.execute(
                    "SELECT id FROM patient WHERE ? IN (code, name)", (storable(said.strip()),)
                )
            }
        if not said.strip() or not ids:
            try:
                recording = vault._index.recording(said)
            except UnknownRecordingError:
                raise UnknownRecordingError(
                    vault.path, "no patient has this code or name, and no one recording this id"
                ) from None
            with vault._index._use() as connection:
                patient = connection.execute(
                    "SELECT patient_id FROM recording WHERE id = ?", (recording.id,)
                ).get
            return str(patient)
        if len(ids) > 1:
            raise UnknownRecordingError(
                vault.path,
                "more than one patient has this code or name: name the id of a recording",
            )
        return ids.pop()


def forget(connection: apsw.Connection, patient_id: str) -> None:
    """Blot out what was written about a patient, as part of the transaction of the erasure."""
    connection.execute(
        "UPDATE emergency SET reason = '', remark = NULL WHERE patient_id = ?", (patient_id,)
    )


def _has_table(connection: apsw.Connection) -> bool:
    return bool(connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'emergency'").get)


def _rows(connection: apsw.Connection, condition: str, *values: Any) -> list[Emergency]:  # noqa: ANN401
    rows: list[tuple[Any, ...]] = connection.execute(
        f"SELECT {_COLUMNS} {condition}", values
    ).fetchall()
    return [Emergency(*row) for row in rows]


def _now() -> datetime:
    return datetime.now(UTC)
