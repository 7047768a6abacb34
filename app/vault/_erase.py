"""Erasing a patient: first the rows that say who it was, then the keys, then the files.

The transaction that takes the rows out is the erasure. It leaves a note in the index of what is
still to be done; whoever opens the vault next does what a crash, or a program that was reading,
kept this one from doing. `docs/vault-format.md`, "Erasure".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.vault import _emergency, _new_index
from app.vault._blobs import blob_path
from app.vault._errors import VaultError, plain_errors
from app.vault._files import PATIENCE_S, sync_folder, writer_lock
from app.vault._intake import remove_blobs
from app.vault._lost import remove_copies
from ml.personal import PatternError, PersonalPattern

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    import apsw

    from app.vault._index import Index
    from app.vault._keyring import Keyring
    from signals.recording import Patient

_MOST_NAMED = 5  # files of the inbox
_NOTE = "erasing:"  # fact, followed by the id of a recording; the value lists its blobs


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was erased.

    Parameters
    ----------
    recordings : tuple of str
        Ids of the recordings.
    files : int
        How many encrypted files they had.
    remains : str
        What is still to be done, in plain words; the next opening does it, but for files in the
        inbox that could not be looked into. Empty where all is done. The recordings are gone from
        every list all the same.
    """

    recordings: tuple[str, ...]
    files: int
    remains: str


def erase(
    vault: Path,
    index: Index,
    keyring: Keyring,
    recording_id: str,
    forget_sealed: Callable[[Collection[str], Patient | None], tuple[str, ...]],
    *,
    whole_patient: bool,
) -> Erasure:
    """Erase a recording, or all of its patient; see :meth:`app.vault.Vault.erase`.

    `forget_sealed` deletes what the inbox holds of these inputs, or of this patient, and returns
    the names of the files that it could not look into.
    """
    remains = ""
    with writer_lock(vault):  # to the end, so that no backup copies what is half erased
        # First, and before anything is certified: the next opening would take it in again.
        unread = forget_sealed(*_meant(index, recording_id, whole_patient=whole_patient))
        with index._writing() as connection:
            erased = _take_out(connection, recording_id, whole_patient=whole_patient)
            for id_, blobs in erased.items():
                index._log.enter(
                    connection, "erase", id_, files=len(blobs), inbox_unread=len(unread)
                )
        try:
            _finish(vault, index, keyring, PATIENCE_S)
        except VaultError as error:
            remains = (
                f"{error.problem}; what is left of the recordings is removed when the vault is "
                "next opened and no other program uses it"
            )
    if unread:
        names = ", ".join(unread[:_MOST_NAMED]) + (" and others" * (len(unread) > _MOST_NAMED))
        remains += "; " * bool(remains) + (
            f"files in the inbox that cannot be looked into may be of the same patient: {names}"
        )
    return Erasure(tuple(erased), sum(map(len, erased.values())), remains)


def _meant(
    index: Index, recording_id: str, *, whole_patient: bool
) -> tuple[set[str], Patient | None]:
    """Return which inputs are to be erased, and of whom all is; None where only those are."""
    with index._use() as connection:
        rows: list[tuple[Any, ...]] = connection.execute(
            "SELECT id, input_sha256 FROM recording WHERE patient_id = "
            "(SELECT patient_id FROM recording WHERE id = ?)",
            (recording_id,),
        ).fetchall()
    inputs = {sha256 for id_, sha256 in rows if whole_patient or id_ == recording_id}
    whole = whole_patient and recording_id in dict(rows)
    return inputs, index.recording(recording_id).patient if whole else None


def _take_out(
    connection: apsw.Connection, recording_id: str, *, whole_patient: bool
) -> dict[str, list[str]]:
    """Take a recording, or all of its patient, out of the index; return the blobs of each.

    What was learned about the patient goes as far as it was learned on them.
    """
    patient = connection.execute(
        "SELECT patient_id FROM recording WHERE id = ?", (recording_id,)
    ).get
    if patient is None:  # since it was asked for, another program has erased it
        return {}
    rows: list[tuple[Any, ...]] = connection.execute(
        "SELECT id, input_sha256 FROM recording WHERE patient_id = ?", (patient,)
    ).fetchall()
    inputs = {id_: sha256 for id_, sha256 in rows if whole_patient or id_ == recording_id}
    erased: dict[str, list[str]] = {}
    for id_ in sorted(inputs):
        blobs = connection.execute("SELECT id FROM blob WHERE recording_id = ?", (id_,))
        erased[id_] = [str(blob) for (blob,) in blobs]
        note = (_NOTE + id_, " ".join(erased[id_]))
        connection.execute("INSERT INTO fact VALUES (?, ?)", note)
        take_out_row(connection, id_, inputs[id_])
    return erased


def take_out_row(connection: apsw.Connection, recording_id: str, sha256: str) -> None:
    """Take a recording out of the index, what it taught, and a patient without another one.

    As part of the transaction that is under way.
    """
    patient = connection.execute(
        "SELECT patient_id FROM recording WHERE id = ?", (recording_id,)
    ).get
    connection.execute("DELETE FROM blob WHERE recording_id = ?", (recording_id,))
    _unlearn(connection, str(patient), sha256)
    connection.execute("DELETE FROM recording WHERE id = ?", (recording_id,))
    if not connection.execute("SELECT 1 FROM recording WHERE patient_id = ?", (patient,)).get:
        connection.execute("DELETE FROM pattern WHERE patient_id = ?", (patient,))
        connection.execute("DELETE FROM patient WHERE id = ?", (patient,))
        _emergency.forget(connection, str(patient))


def _unlearn(connection: apsw.Connection, patient: str, sha256: str) -> None:
    text = connection.execute(
        "SELECT CAST(text AS BLOB) FROM pattern WHERE patient_id = ?", (patient,)
    ).get
    if not isinstance(text, bytes):
        return
    try:
        pattern = PersonalPattern.from_json(text)
        rest = pattern.without(c for c in pattern.corrections if c.recording == sha256)
    except PatternError:
        rest = None  # nobody can read it, and it may hold what is to be erased
    if rest and rest.lessons:
        connection.execute(
            "UPDATE pattern SET text = ? WHERE patient_id = ?", (rest.to_json(), patient)
        )
    else:
        connection.execute("DELETE FROM pattern WHERE patient_id = ?", (patient,))


def _noted(index: Index) -> dict[str, list[str]]:
    """Return the recordings, each with its blobs, whose erasure is not finished."""
    with index._use() as connection:
        rows = connection.execute(
            "SELECT name, value FROM fact WHERE name >= ? AND name < ?", (_NOTE, _NOTE + "g")
        ).fetchall()
    return {str(name).removeprefix(_NOTE): str(value).split() for name, value in rows}


def finish(vault: Path, index: Index, keyring: Keyring, patience_s: float) -> None:
    """Do all that is left of erasures: keys, files, and what the index's file keeps of old rows.

    Each step can be done again, and the notes go last.

    Raises
    ------
    VaultError
        If something is left: another program reads for longer than `patience_s` seconds, the disk
        is full, and so on.
    """
    if _noted(index):
        with writer_lock(vault):
            _finish(vault, index, keyring, patience_s)


def _finish(vault: Path, index: Index, keyring: Keyring, patience_s: float) -> None:
    left = _noted(index)
    keyring.remove(*left)
    blob_ids = {blob for blobs in left.values() for blob in blobs} - index.blob_ids()
    with plain_errors(vault):
        remove_blobs(vault, blob_ids)
        for folder in {blob_path(vault, blob).parent for blob in blob_ids}:
            if folder.exists():
                sync_folder(folder)
        remove_copies(vault, left)
    _new_index.remove(vault)
    index.forget_pages(patience_s)
    with index._writing() as connection:
        for id_, blobs in left.items():
            connection.execute("DELETE FROM fact WHERE name = ?", (_NOTE + id_,))
            # The certificate: key, files and what the database kept of the rows are gone.
            index._log.enter(connection, "erased", id_, files=len(blobs))
