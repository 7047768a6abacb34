"""Making a damaged vault work again with all of it that can be read; nothing is deleted.

The order is: index, keyring, files that the index does not know, then each recording. What cannot
be read, or belongs to nothing, is moved to ``lost/``, and so is the index and the keyring as they
were before the first change. `docs/vault-format.md`, "Repair".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app.report import Report
from app.vault._blobs import (
    ENVELOPE,
    KINDS,
    REPORT,
    WAVEFORM,
    BlobFile,
    blob_errors,
    blob_path,
    blobs_on_disk,
    new_blob,
    open_blob,
    write_blob,
)
from app.vault._erase import take_out_row
from app.vault._errors import AlreadyStoredError, VaultDamagedError, VaultError, plain_errors
from app.vault._index import FILE as INDEX_FILE
from app.vault._index import StoredRecording
from app.vault._intake import pending
from app.vault._keyring import FILE as KEYRING_FILE
from app.vault._salvage import Salvaged
from app.vault._waveform import VaultRecording, envelopes_of, write_envelopes, write_waveform
from signals.recording import Patient

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from app.vault._chunked import Writer
    from app.vault._index import Index
    from app.vault._keyring import Keyring
    from app.vault._lost import Lost

_PART = 4 << 20  # bytes
UNKNOWN = Patient(remarks="who it is of is not known: a repair listed the recording again")


@dataclass(frozen=True, slots=True)
class Mended:
    """What a repair did about one thing.

    Parameters
    ----------
    what : str
        The file or the part of the vault.
    recording_id : str or None
        The recording that it hits; None where it hits no one recording.
    recording_name : str
        As the vault lists it, or listed it; empty where it hits no one recording.
    patient : str
        Name or code of the patient, as the vault lists it; empty where that is not known.
    outcome : str
        What was lost or saved, in plain words.
    """

    what: str
    recording_id: str | None
    recording_name: str
    patient: str
    outcome: str


class Repair:
    """The repair of the recordings of a vault whose index and keyring can be read.

    The caller is alone with the vault, and has copied index and keyring to `lost`.

    Parameters
    ----------
    vault, vault_id : pathlib.Path, str
        The vault.
    index, keyring : Index, Keyring
        Of it.
    lost : Lost
        Where goes what cannot be read.
    progress : callable
        Told how many files are done, and of how many.
    """

    def __init__(
        self,
        vault: Path,
        vault_id: str,
        index: Index,
        keyring: Keyring,
        lost: Lost,
        progress: Callable[[int, int], None],
    ) -> None:
        self._vault = vault
        self._vault_id = vault_id
        self._index = index
        self._keyring = keyring
        self._lost = lost
        self._progress = progress
        self.mended: list[Mended] = []

    def run(self) -> None:
        """Do all that can be done."""
        keys = self._keyring.load()
        for one in self._index.recordings():
            if one.id not in keys:
                self._give_up(one, "its key is lost: nobody can read this recording any more")
        self._find_unknown(keys)
        listed = self._index.recordings()
        for done, one in enumerate(listed, 1):
            self._mend(one, keys[one.id])
            self._mend_pattern(one)
            self._progress(done, len(listed))
        spare = set(keys) - self._index.recording_ids() - set(dict(pending(self._vault)))
        if spare:
            self._keyring.remove(*spare)
            self.tell(KEYRING_FILE, f"keys that open nothing were taken out: {len(spare)}")

    def tell(self, what: str, outcome: str, one: StoredRecording | None = None) -> None:
        """Note what was done, for the user with names, for the folder without."""
        self._lost.tell(f"{what}: {outcome}")
        if one is None:
            self.mended.append(Mended(what, None, "", "", outcome))
        else:
            patient = one.patient.name or one.patient.code
            self.mended.append(Mended(what, one.id, one.name, patient, outcome))

    def _give_up(self, one: StoredRecording, outcome: str) -> None:
        blobs = self._index.blobs(one.id)
        _drop(self._index, one)
        for blob in blobs:
            self._put_away(blob)
        self.tell(f"recording {one.id}", outcome, one)

    def _put_away(self, blob: BlobFile) -> None:
        path = blob_path(self._vault, blob.id)
        with plain_errors(path):
            if path.exists():
                self._lost.move(path, blob.kind, blob.recording_id)

    def _mend(self, one: StoredRecording, key: bytes) -> None:
        """Make one recording readable as far as it is."""
        blobs = {blob.kind: blob for blob in self._index.blobs(one.id)}
        problems = {
            kind: problem
            for kind in KINDS
            if (problem := self._problem(key, blobs.get(kind))) is not None
        }
        if not problems:
            return
        saved: list[BlobFile] = []
        outcomes: list[str] = []
        if WAVEFORM in problems:
            if WAVEFORM in blobs:
                saved, outcome = self._salvage(one, key, blobs[WAVEFORM])
                outcomes.append(outcome)
            else:
                outcomes.append("the tracing is lost")
        elif ENVELOPE in problems:
            saved = [self._envelope_again(one, key, blobs[WAVEFORM])]
            outcomes.append("the overview of the tracing was made again; nothing is lost")
        if REPORT in problems:
            outcomes.append("the report is lost: analyse the recording again")
            if WAVEFORM in problems and not saved:
                self._give_up(one, "nothing of this recording can be read")
                return
        gone = set(problems) | {blob.kind for blob in saved}
        good = [blob for kind, blob in blobs.items() if kind not in gone]
        _replace_blobs(self._index, one.id, [*good, *saved])
        for kind in gone & set(blobs):
            self._put_away(blobs[kind])
        self.tell(f"recording {one.id}", "; ".join(outcomes), one)

    def _mend_pattern(self, one: StoredRecording) -> None:
        try:
            self._index.pattern(one.id)
        except VaultDamagedError as error:
            _drop_pattern(self._index, one.id)
            self.tell(INDEX_FILE, f"{error.problem}: it is taken out", one)

    def _problem(self, key: bytes, blob: BlobFile | None) -> str | None:
        if blob is None:
            return "the index names none"
        path = blob_path(self._vault, blob.id)
        try:
            with open_blob(self._vault, self._vault_id, key, blob) as reader, blob_errors(path):
                for start in range(0, reader.size, _PART):
                    reader.read(start, min(_PART, reader.size - start))
        except VaultDamagedError as error:
            return error.problem
        return None

    def _envelope_again(self, one: StoredRecording, key: bytes, blob: BlobFile) -> BlobFile:
        reader = open_blob(self._vault, self._vault_id, key, blob)
        path = blob_path(self._vault, blob.id)
        with VaultRecording(path, reader, one.patient, one.input_sha256) as recording:
            envelopes = envelopes_of(recording)
        return self._write(one.id, key, ENVELOPE, lambda out: write_envelopes(out, envelopes))

    def _salvage(
        self, one: StoredRecording, key: bytes, blob: BlobFile
    ) -> tuple[list[BlobFile], str]:
        """Write a damaged tracing again, with what cannot be read as missing; and its overview."""
        path = blob_path(self._vault, blob.id)
        try:
            reader = open_blob(self._vault, self._vault_id, key, blob, salvaging=True)
        except VaultDamagedError as error:
            return [], f"the tracing is lost ({error.problem})"
        with reader:
            try:
                damaged = VaultRecording(path, reader, one.patient, one.input_sha256)
            except (VaultDamagedError, ValueError):
                return [], "the tracing is lost (its beginning cannot be read)"
            with Salvaged(damaged) as recording:
                envelopes = envelopes_of(recording)  # which finds out how much is lost
                day = datetime.now(UTC).date().isoformat()
                words = f"{recording.lost_s:.1f} s of the tracing could not be read"
                recording.repairs += (f"{words} when the vault was repaired on {day}: missing",)

                def fill(out: Writer) -> None:
                    write_waveform(out, recording, lambda _share: None, wide=recording.wide)

                waveform = self._write(one.id, key, WAVEFORM, fill)
        envelope = self._write(one.id, key, ENVELOPE, lambda out: write_envelopes(out, envelopes))
        return [waveform, envelope], f"{words} and are shown as missing; the rest is kept"

    def _write(
        self, recording_id: str, key: bytes, kind: str, fill: Callable[[Writer], None]
    ) -> BlobFile:
        blob = new_blob(recording_id, kind)
        return replace(blob, size=write_blob(self._vault, self._vault_id, key, blob, fill))

    def _find_unknown(self, keys: dict[str, bytes]) -> None:
        """Give files that the index does not know back to the recordings that they are of."""
        coming = {blob_path(self._vault, id_) for _, ids in pending(self._vault) for id_ in ids}
        known = {blob_path(self._vault, id_) for id_ in self._index.blob_ids()}
        strange = [
            path
            for path in blobs_on_disk(self._vault)
            if path not in known and path.with_suffix(".c2sp") not in coming
        ]
        listed = self._index.recording_ids()
        named = {id_: {blob.kind for blob in self._index.blobs(id_)} for id_ in listed}
        wanted = {
            (id_, kind): key
            for id_, key in keys.items()
            for kind in KINDS
            if kind not in named.get(id_, ())
        }
        found: dict[str, list[BlobFile]] = {}
        for path in strange:
            blob = self._recognised(path, wanted)
            if blob is None:
                self._lost.move(path, "no recording knows this file")
                self.tell(str(path.relative_to(self._vault)), "no recording knows this file")
            else:
                del wanted[blob.recording_id, blob.kind]
                found.setdefault(blob.recording_id, []).append(blob)
        for id_, blobs in found.items():
            if id_ in listed:
                _replace_blobs(self._index, id_, [*self._index.blobs(id_), *blobs])
                self.tell(f"recording {id_}", f"files of it that were found again: {len(blobs)}")
            else:
                self._list_again(id_, keys[id_], blobs)

    def _recognised(self, path: Path, wanted: dict[tuple[str, str], bytes]) -> BlobFile | None:
        if path.suffix != ".c2sp" or blob_path(self._vault, path.stem) != path:
            return None
        for (recording_id, kind), key in wanted.items():
            blob = BlobFile(path.stem, recording_id, kind, path.stat().st_size)
            try:
                open_blob(self._vault, self._vault_id, key, blob, salvaging=True).close()
            except VaultDamagedError:
                continue
            return blob
        return None

    def _list_again(self, recording_id: str, key: bytes, blobs: list[BlobFile]) -> None:
        """List a recording by what its own files say; who it is of, only the index knew."""
        try:
            one = self._told_by(recording_id, key, {blob.kind: blob for blob in blobs})
            self._index.add(one, tuple(blobs))
        except (VaultDamagedError, AlreadyStoredError, KeyError) as error:
            why = error.problem if isinstance(error, VaultError) else "a part of it is missing"
            for blob in blobs:
                self._put_away(blob)
            self.tell(f"recording {recording_id}", f"it could not be listed again: {why}")
        else:
            self.tell(
                f"recording {recording_id}",
                "it was not in the list and is listed again; who it is of is not known",
                one,
            )

    def _told_by(
        self, recording_id: str, key: bytes, blobs: dict[str, BlobFile]
    ) -> StoredRecording:
        path = blob_path(self._vault, blobs[REPORT].id)
        with (
            open_blob(self._vault, self._vault_id, key, blobs[REPORT]) as reader,
            blob_errors(path),
        ):
            text = bytes(reader.read()).decode("utf-8", "surrogatepass")
        report = Report.from_json(text)
        sha256 = report.provenance.input_sha256
        self._index.refuse_known(sha256)
        path = blob_path(self._vault, blobs[WAVEFORM].id)
        reader = open_blob(self._vault, self._vault_id, key, blobs[WAVEFORM], salvaging=True)
        with reader, VaultRecording(path, reader, UNKNOWN, sha256) as recording:
            return StoredRecording(
                id=recording_id,
                name=recording.name,
                format=recording.format,
                input_sha256=sha256,
                added_at=datetime.now(UTC).isoformat(timespec="microseconds"),
                start=recording.start,
                duration_s=recording.duration,
                n_channels=len(recording.channels),
                patient=UNKNOWN,
                headline=report.headline(),
            )


def _drop(index: Index, one: StoredRecording) -> None:
    """Take out a recording that cannot be read; a patient without another one goes too."""
    with index._writing() as connection:
        index._log.enter(connection, "lost", one.id)
        take_out_row(connection, one.id, one.input_sha256)


def _replace_blobs(index: Index, recording_id: str, blobs: Sequence[BlobFile]) -> None:
    with index._writing() as connection:
        connection.execute("DELETE FROM blob WHERE recording_id = ?", (recording_id,))
        connection.executemany(
            "INSERT INTO blob VALUES (?, ?, ?, ?)",
            [(blob.id, blob.recording_id, blob.kind, blob.size) for blob in blobs],
        )


def _drop_pattern(index: Index, recording_id: str) -> None:
    with index._writing() as connection:
        connection.execute(
            "DELETE FROM pattern WHERE patient_id IN "
            "(SELECT patient_id FROM recording WHERE id = ?)",
            (recording_id,),
        )
