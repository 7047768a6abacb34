"""Looking for damage: what is checked, and what is said about it."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from app.vault import _new_index
from app.vault._blobs import KINDS, blob_errors, blob_path, blobs_on_disk, open_blob
from app.vault._errors import VaultDamagedError, VaultError
from app.vault._files import writer_lock
from app.vault._header import read_header, verify_header
from app.vault._intake import pending

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from app.vault._blobs import BlobFile
    from app.vault._chunked import Reader
    from app.vault._header import Header
    from app.vault._index import Index, StoredRecording
    from app.vault._keyring import Keyring

_PART = 4 << 20


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is wrong.

    Parameters
    ----------
    what : str
        The file, relative to the vault, or the part of it.
    recording_id : str or None
        The recording it hits; None where it hits no one recording.
    recording_name : str
        As the vault lists it; empty where it hits no one recording.
    problem : str
        In plain words.
    patient : str
        Name or code of the patient whose recording it is, as the vault lists it; empty where it
        hits no one recording, or that is not known.
    """

    what: str
    recording_id: str | None
    recording_name: str
    problem: str
    patient: str = field(default="", repr=False)

    @classmethod
    def of(cls, one: StoredRecording, what: str, problem: str) -> Self:
        """Return what is wrong with a recording."""
        return cls(what, one.id, one.name, problem, one.patient.name or one.patient.code)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found.

    Parameters
    ----------
    damages : tuple of Damage
        Empty where all is well.
    checked : mapping
        How many ``recordings``, ``files``, ``files_read`` (to the end) and ``bytes_read``.
    warnings : tuple of str
        That the vault, or a part of it, was put back to an older state, and what to do.
    """

    damages: tuple[Damage, ...]
    checked: Mapping[str, int]
    warnings: tuple[str, ...] = ()


def check(
    vault: Path,
    header: Header,
    vault_key: bytes,
    index: Index,
    keyring: Keyring,
    read_data: float,
    progress: Callable[[int, int], None],
) -> CheckResult:
    """Check everything; see :meth:`app.vault.Vault.check`."""
    damages = []
    try:
        verify_header(vault, read_header(vault), vault_key)
    except VaultError as error:
        damages.append(Damage("vault.json", None, "", error.problem))
    damages += [Damage("index.db", None, "", problem) for problem in index.problems()]
    damages += [
        Damage(path.name, None, "", "a repair that was killed left it; the next opening deletes it")
        for path in _new_index.found(vault)
    ]
    try:
        with writer_lock(vault):
            keys = keyring.load()
            recordings = {stored.id: stored for stored in index.recordings()}
            blobs = [blob for stored_id in recordings for blob in index.blobs(stored_id)]
            coming = dict(pending(vault))
            on_disk = set(blobs_on_disk(vault))
    except VaultDamagedError as error:
        # Without the index or the keyring nothing can be said about single recordings.
        damages.append(Damage(error.path.name, None, "", error.problem))
        return CheckResult(tuple(dict.fromkeys(damages)), _counts(0, 0, 0, 0))

    damages += [
        Damage.of(stored, "keyring.bin", "the key of this recording is missing")
        for stored in recordings.values()
        if stored.id not in keys
    ]
    damages += [
        Damage("index.db", id_, "", "a recording that the keyring knows is not in the index")
        for id_ in sorted(set(keys) - set(recordings) - set(coming))
    ]
    damages += _pattern_damages(index, recordings.values())
    named = {(blob.recording_id, blob.kind) for blob in blobs}
    damages += [
        Damage.of(stored, "index.db", f"the index names no {kind} for this recording")
        for stored in recordings.values()
        for kind in KINDS
        if (stored.id, kind) not in named
    ]
    known = {blob_path(vault, blob.id) for blob in blobs}
    known |= {blob_path(vault, id_) for ids in coming.values() for id_ in ids}
    damages += [
        Damage(str(path.relative_to(vault)), None, "", "no recording knows this file")
        for path in sorted(on_disk)
        if path.with_suffix(".c2sp") not in known
    ]
    readable = [blob for blob in blobs if blob.recording_id in keys]
    chosen = set(random.sample(readable, math.ceil(min(max(read_data, 0), 1) * len(readable))))
    bytes_read = 0
    for done, blob in enumerate(readable, 1):
        path = blob_path(vault, blob.id)
        try:
            with open_blob(vault, header.vault_id, keys[blob.recording_id], blob) as reader:
                _compare_size(path, blob)
                if blob in chosen:
                    bytes_read += _read_through(path, reader)
        except VaultError as error:
            stored = recordings[blob.recording_id]
            what = str(path.relative_to(vault))
            damages.append(Damage.of(stored, what, error.problem))
        progress(done, len(readable))
    counts = _counts(len(recordings), len(readable), len(chosen), bytes_read)
    return CheckResult(tuple(damages), counts)


def _pattern_damages(index: Index, recordings: Iterable[StoredRecording]) -> Iterator[Damage]:
    for stored in recordings:
        try:
            index.pattern(stored.id)
        except VaultDamagedError as error:
            yield Damage.of(stored, error.path.name, error.problem)


def _compare_size(path: Path, blob: BlobFile) -> None:
    with blob_errors(path):
        size = path.stat().st_size
    if size != blob.size:
        raise VaultDamagedError(path, f"it has {size} bytes, and by the index {blob.size}")


def _read_through(path: Path, reader: Reader) -> int:
    with blob_errors(path):
        for start in range(0, reader.size, _PART):
            reader.read(start, min(_PART, reader.size - start))
    return reader.size


def _counts(recordings: int, files: int, files_read: int, bytes_read: int) -> dict[str, int]:
    return {
        "recordings": recordings,
        "files": files,
        "files_read": files_read,
        "bytes_read": bytes_read,
    }
