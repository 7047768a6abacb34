"""Taking in what was sealed for the vault: everything in it comes from strangers.

Whoever has the vault's address can put files here. The one gate for their bytes is
:class:`_Sealed`: past it there is a recording and a report like those of any file.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import stat
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Self

import msgspec

from app.report import Report, ReportError
from app.vault import _chunked, _limits
from app.vault._blobs import REPORT, WAVEFORM, open_blob
from app.vault._errors import AlreadyStoredError, VaultDamagedError, VaultError, plain_errors
from app.vault._files import open_regular, sync_folder, try_lock
from app.vault._schema import is_known
from app.vault._sealed import ENDING, HEAD, LARGEST_FACTS, NAME, TAIL, Facts, Frame
from app.vault._waveform import BLOCK, LENGTH, TooWideError, VaultRecording
from signals.recording import Patient, RecordingError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from app.vault._index import StoredRecording
    from app.vault._keys import Kem
    from app.vault._vault import Vault

_PART = 4 << 20  # bytes
_UNFINISHED = re.compile(r"\.[0-9a-f]{32}\.tmp")
_MOST_CHANNELS = 4096
_LARGEST_HEADER = 8 << 20  # bytes: the marks on some 200,000 beats; parsing takes 25 times that
_LARGEST_REPORT = 256 << 20  # bytes
_INT32 = range(-(2**31), 2**31)


@dataclass(frozen=True, slots=True)
class Left:
    """A file that stays in the inbox, and why, in plain words."""

    name: str
    problem: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of the files in an inbox.

    Parameters
    ----------
    recordings : tuple of StoredRecording
        What was taken in.
    left : tuple of Left
        What could not be, and stays where it is.
    former : tuple of str
        Names of the files among those taken in that were sealed to an address replaced since.
    """

    recordings: tuple[StoredRecording, ...]
    left: tuple[Left, ...]
    former: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What could not be taken in, and what was sealed to an old address, in plain words."""
        told = tuple(
            f"A file in the inbox of the vault could not be taken in and stays there: {left.name}: "
            f"{left.problem}"
            for left in self.left
        )
        if not self.former:
            return told
        return (
            *told,
            (
                "Recordings in the inbox were sealed to an address of it that was replaced: "
                f"{', '.join(self.former)}. They were taken in, but whoever had the keys of the "
                "vault before could read them on their way. Give the program that sealed them the "
                "new address: tracekeep vault inbox --address"
            ),
        )


class _Unit(msgspec.Struct, forbid_unknown_fields=True):
    symbol: str
    volts: float | None


class _Channel(msgspec.Struct, forbid_unknown_fields=True):
    label: str
    kind: Literal["ECG", "EEG", "other"]
    rate: float
    n_samples: int
    unit: _Unit
    scale: float
    offset: float
    digital_min: int
    digital_max: int
    missing: int | None
    prefiltering: str


class _Group(msgspec.Struct, forbid_unknown_fields=True):
    channels: tuple[int, ...]
    n_samples: int
    block: int
    sample: Literal["<i2", "<i4"]


class _Header(msgspec.Struct, forbid_unknown_fields=True):
    format: str
    name: str
    start: str | None
    repairs: tuple[str, ...]
    channels: tuple[_Channel, ...]
    groups: tuple[_Group, ...]
    annotations: tuple[tuple[float, float, str, str, str], ...]


def take_in(
    vault: Vault, keys: Sequence[tuple[Kem, bytes]], progress: Callable[[int, int], None]
) -> Taken:
    """Take in what is in the inbox; see :meth:`app.vault.Vault.take_in_inbox`."""
    inbox = vault.path / "inbox"
    with plain_errors(inbox):
        paths = sorted(inbox.iterdir())
    recordings: list[StoredRecording] = []
    left: list[Left] = []
    former: list[str] = []
    for done, path in enumerate(paths, 1):
        try:
            stored, to_former = _take(vault, keys, path)
            if stored:
                recordings.append(vault._as_may_be_told(stored))
            if to_former:
                former.append(path.name)
        except FileNotFoundError:
            pass  # another program has just taken it in
        except (VaultError, OSError) as error:
            problem = error.problem if isinstance(error, VaultError) else str(error.strerror)
            left.append(Left(path.name, problem))
        except Exception as error:  # noqa: BLE001 (no file of a stranger keeps a vault shut)
            short = isinstance(error, MemoryError)
            problem = "the memory is too small for it" if short else "it cannot be read"
            left.append(Left(path.name, problem))
        progress(done, len(paths))
    return Taken(tuple(recordings), tuple(left), tuple(former))


def forget(
    vault: Path,
    vault_id: str,
    keys: Sequence[tuple[Kem, bytes]],
    inputs: Collection[str],
    patient: Patient | None,
) -> tuple[str, ...]:
    """Delete the sealed files from these inputs, or of this patient; return the names of others.

    Parameters
    ----------
    vault : pathlib.Path
        The vault; the caller holds its lock.
    vault_id, keys
        What opens its sealed files; without keys nothing can be looked into.
    inputs : collection of str
        SHA-256 of each.
    patient : Patient or None
        All that is of them goes: of the same name, code, sex and birth date, whatever is remarked.

    Returns
    -------
    tuple of str
        The files that cannot be looked into, and may hold what is meant.
    """
    inbox = vault / "inbox"
    unread = []
    with plain_errors(inbox):
        for path in sorted(inbox.iterdir()) if inbox.is_dir() else ():
            try:
                meant = _is_meant(path, vault_id, keys, inputs, patient)
            except FileNotFoundError:
                continue  # another program has just taken it in
            except (VaultError, OSError, MemoryError):
                unread.append(path.name)
                continue
            if meant:
                path.unlink(missing_ok=True)
                sync_folder(inbox)
    return tuple(unread)


def _is_meant(
    path: Path,
    vault_id: str,
    keys: Sequence[tuple[Kem, bytes]],
    inputs: Collection[str],
    patient: Patient | None,
) -> bool:
    if not keys or not stat.S_ISREG(path.lstat().st_mode):
        raise VaultError(path, "it cannot be looked into")
    with _Sealed(path, vault_id, keys) as sealed:
        alike = patient is not None and _is_of(patient, sealed.patient)
        return sealed.report.provenance.input_sha256 in inputs or alike


def _is_of(patient: Patient, other: Patient) -> bool:
    """Return whether two are the same without doubt; remarks are seldom twice the same."""
    who, whose = (replace(one, remarks="") for one in (patient, other))
    return is_known(**asdict(who)) and who == whose


def _take(
    vault: Vault, keys: Sequence[tuple[Kem, bytes]], path: Path
) -> tuple[StoredRecording | None, bool]:
    """Take one file in and delete it; return the recording, None where there is nothing to do.

    And whether it was sealed to an address that was replaced.
    """
    if not stat.S_ISREG(path.lstat().st_mode):
        raise VaultError(path, "this is no file")
    if _UNFINISHED.fullmatch(path.name):
        if _is_being_written(path):
            return None, False
        raise VaultDamagedError(path, "the program that sealed it did not come to the end")
    if not NAME.fullmatch(path.name):
        raise VaultError(path, "this is not a sealed recording")
    with _Sealed(path, vault.vault_id, keys) as sealed:
        intake = vault.intake()
        try:
            receipt = intake.store(sealed.recording, sealed.report)
            stored = vault.commit(receipt)
        except AlreadyStoredError:
            known = vault._index.find_input(sealed.report.provenance.input_sha256)
            if known is None or not _is_same(vault, known, sealed):
                raise VaultError(
                    path, "another recording from the same file is stored already"
                ) from None
            stored = None  # a crash came between taking it in and deleting it
        except (RecordingError, TooWideError, ValueError, OverflowError) as error:
            vault.discard(intake)
            raise VaultDamagedError(path, "the recording in it is damaged") from error
        except BaseException:
            vault.discard(intake)
            raise
    if stored:
        vault._log.add("from inbox", stored.id, file=path.name)
    with plain_errors(path):
        path.unlink(missing_ok=True)  # another program that found it stored may have been faster
        sync_folder(path.parent)
    return stored, sealed.to_former


def _is_being_written(path: Path) -> bool:
    file = open_regular(path)
    try:
        return not try_lock(file, fcntl.LOCK_EX)
    finally:
        os.close(file)


def _is_same(vault: Vault, known: StoredRecording, sealed: _Sealed) -> bool:
    """Return whether a stored recording is the sealed one, to the last sample."""
    key = vault._keyring.key_of(known.id)
    blobs = {blob.kind: blob for blob in vault._index.blobs(known.id)}
    if key is None or not {WAVEFORM, REPORT} <= set(blobs):
        return False
    try:
        with open_blob(vault.path, vault.vault_id, key, blobs[REPORT]) as stored:
            text = sealed.report.to_json().encode("utf-8", "surrogatepass")
            if bytes(stored.read()) != text or known.patient != sealed.patient:
                return False
        with open_blob(vault.path, vault.vault_id, key, blobs[WAVEFORM]) as stored:
            return stored.size == sealed.waveform_bytes and all(
                stored.read(at, length) == sealed.reader.read(at, length)
                for at in range(0, stored.size, _PART)
                for length in (min(_PART, stored.size - at),)
            )
    except (VaultError, _chunked.NotAuthenticError):
        return False


class _Sealed:
    """A sealed recording, opened and looked through; of its samples each part when it is read.

    Raises
    ------
    VaultDamagedError
        If it is cut short, was changed, or is no recording.
    VaultError
        If it is for another vault, or no sealed recording.
    FileNotFoundError
        If it is not there.
    """

    def __init__(self, path: Path, vault_id: str, keys: Sequence[tuple[Kem, bytes]]) -> None:
        self._path = path
        frame, key = self._unsealed(vault_id, keys)
        start = HEAD.size + frame.sealed_key_bytes
        try:
            self.reader = _chunked.Reader(path, key, frame.context, start=start)
        except _chunked.NotAuthenticError as error:
            raise VaultDamagedError(path, f"it is damaged: {error}") from None
        try:
            self.patient, self.report, self.waveform_bytes = self._facts()
            self._check_header()
            sha256 = self.report.provenance.input_sha256
            self.recording = VaultRecording(path, self.reader, self.patient, sha256)
        except _chunked.NotAuthenticError as error:
            self.reader.close()
            raise VaultDamagedError(path, f"it is damaged: {error}") from None
        except (
            msgspec.MsgspecError, ReportError, ValueError, TypeError, KeyError, RecursionError,
            OverflowError,
        ) as error:  # fmt: skip
            self.reader.close()
            raise VaultDamagedError(path, "what is in it is no recording") from error
        except BaseException:
            self.reader.close()
            raise

    def _unsealed(self, vault_id: str, keys: Sequence[tuple[Kem, bytes]]) -> tuple[Frame, bytes]:
        with open(open_regular(self._path), "rb") as file:  # noqa: PTH123 (a descriptor)
            frame = Frame.from_bytes(file.read(HEAD.size))
            if frame is None:
                raise VaultError(self._path, "this is not a sealed recording")
            if frame.vault_id != vault_id:
                raise VaultError(self._path, "this recording was sealed for another vault")
            sealed = file.read(frame.sealed_key_bytes)
        if self._path.name != frame.item_id + ENDING:
            raise VaultDamagedError(self._path, "it was given another name")
        for n, (kem, private) in enumerate(keys):
            key = kem.unseal(private, frame.info, sealed) if frame.kem is kem else None
            if key is not None:
                self.to_former = n > 0
                return frame, key
        raise VaultDamagedError(
            self._path, "it is damaged, or was sealed to an address that is no longer used"
        )

    def _facts(self) -> tuple[Patient, Report, int]:
        size = self.reader.size
        (length,) = TAIL.unpack(self.reader.read(size - TAIL.size, TAIL.size))
        if length > LARGEST_FACTS:
            raise ValueError("facts")
        facts = msgspec.json.decode(self.reader.read(size - TAIL.size - length, length), type=Facts)
        whole = facts.waveform + facts.report + length + TAIL.size == size
        if not whole or facts.waveform < LENGTH.size or not 0 <= facts.report <= _LARGEST_REPORT:
            raise ValueError("lengths")
        text = bytes(self.reader.read(facts.waveform, facts.report))
        report = Report.from_json(text.decode("utf-8", "surrogatepass"))
        if not re.fullmatch("[0-9a-f]{64}", report.provenance.input_sha256):
            raise ValueError("digest")
        if not _limits.is_sane(report):
            raise ValueError("report")
        patient = {field: getattr(facts.patient, field) for field in asdict(Patient())}
        return Patient(**patient), report, facts.waveform

    def _check_header(self) -> None:
        """Refuse a header by which reading could fail, run away, or read something else."""
        (length,) = LENGTH.unpack(self.reader.read(0, LENGTH.size))
        if length > min(_LARGEST_HEADER, self.waveform_bytes - LENGTH.size):
            raise ValueError("header")
        values = json.loads(bytes(self.reader.read(LENGTH.size, length)))
        header = msgspec.convert(values, _Header)
        if header.start is not None:
            _refuse(not _limits.is_start(datetime.fromisoformat(header.start)))
        if not 0 < len(header.channels) <= _MOST_CHANNELS:
            raise ValueError("channels")
        if len({channel.label for channel in header.channels}) < len(header.channels):
            raise ValueError("labels")
        for channel in header.channels:
            _check_channel(channel)
        for onset, duration, *_ in header.annotations:
            _refuse(not _limits.is_number(onset) or not _limits.is_number(duration))
        members = sorted(index for group in header.groups for index in group.channels)
        _refuse(members != list(range(len(header.channels))))
        size = LENGTH.size + length
        for group in header.groups:
            alike = {
                (header.channels[i].rate, header.channels[i].n_samples) for i in group.channels
            }
            _refuse(len(alike) != 1 or group.block != BLOCK)
            _refuse(group.n_samples != header.channels[group.channels[0]].n_samples)
            size += len(group.channels) * group.n_samples * int(group.sample[2])
        _refuse(size != self.waveform_bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self.reader.close()


def _check_channel(channel: _Channel) -> None:
    numbers = (channel.rate, channel.scale, channel.offset, channel.unit.volts or 0.0)
    _refuse(not all(map(_limits.is_number, numbers)))
    _refuse(not _limits.is_rate(channel.rate) or channel.scale == 0 or channel.n_samples < 1)
    _refuse(channel.n_samples > channel.rate * _limits.LONGEST_S)
    _refuse(channel.digital_min > channel.digital_max)
    limits = (channel.digital_min, channel.digital_max, channel.missing or 0)
    _refuse(not all(number in _INT32 for number in limits))


def _refuse(wrong: bool) -> None:  # noqa: FBT001 (a condition, not an option)
    if wrong:
        raise ValueError("header")
