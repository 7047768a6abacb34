"""What was learned about a patient, as the index keeps it: with that patient and nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.vault import _schema
from app.vault._errors import VaultDamagedError
from ml.personal import PatternError, PersonalPattern

if TYPE_CHECKING:
    from pathlib import Path

    import apsw


def read(path: Path, connection: apsw.Connection, recording_id: str) -> PersonalPattern | None:
    """Return what was learned about the patient of a recording.

    Raises
    ------
    VaultDamagedError
        If that is not what the vault kept.
    """
    if _schema.version(connection) < _schema.WITH_PATTERNS:
        return None
    # as bytes: what is no UTF-8 is to be found out below
    text = connection.execute(
        "SELECT CAST(p.text AS BLOB) FROM pattern AS p JOIN recording USING (patient_id) "
        "WHERE recording.id = ?",
        (recording_id,),
    ).get
    if text is None:
        return None
    try:
        pattern = PersonalPattern.from_json(text)
    except PatternError as error:
        raise VaultDamagedError(path, "what was learned about the patient is damaged") from error
    if not _recordings_of(pattern) <= _inputs_of_patient(connection, recording_id):
        raise VaultDamagedError(path, "what was learned about the patient is of somebody else")
    return pattern


def keep(connection: apsw.Connection, recording_id: str, pattern: PersonalPattern | None) -> None:
    """Replace what was learned about the patient of a recording, or delete it.

    Raises
    ------
    ValueError
        If it was learned on a recording that is not of that patient.
    """
    if pattern is None or not pattern.lessons:
        connection.execute(
            "DELETE FROM pattern WHERE patient_id IN "
            "(SELECT patient_id FROM recording WHERE id = ?)",
            (recording_id,),
        )
        return
    if not _recordings_of(pattern) <= _inputs_of_patient(connection, recording_id):
        raise ValueError("a pattern is kept with the patient that it was learned on")
    connection.execute(
        "INSERT OR REPLACE INTO pattern SELECT patient_id, ? FROM recording WHERE id = ?",
        (pattern.to_json(), recording_id),
    )


def _inputs_of_patient(connection: apsw.Connection, recording_id: str) -> set[str]:
    """Return the content of each recording of the patient of one."""
    rows = connection.execute(
        "SELECT input_sha256 FROM recording WHERE patient_id IN "
        "(SELECT patient_id FROM recording WHERE id = ?)",
        (recording_id,),
    )
    return {str(row[0]) for row in rows}


def _recordings_of(pattern: PersonalPattern) -> set[str]:
    return {correction.recording for correction in pattern.corrections}
