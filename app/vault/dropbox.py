"""The drop box: sealing a recording for a vault that one cannot open.

A bedside machine has the vault's address, which is no secret, and puts sealed recordings into the
vault's ``inbox/``. It cannot read them back: each has a key of its own, which is forgotten when
the recording is sealed. `docs/vault-format.md`, "Inbox".
"""

from __future__ import annotations

import fcntl
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from app.vault._chunked import Writer, wipe, write_all
from app.vault._errors import VaultError, plain_errors
from app.vault._files import create, sync_folder
from app.vault._keys import KEY_BYTES, Kem
from app.vault._sealed import ENDING, LARGEST_FACTS, TAIL, Facts, Frame, PatientFacts
from app.vault._waveform import TooWideError, write_waveform

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.report import Report
    from signals.recording import Recording

FORMAT = "tracekeep-inbox-address"


@dataclass(frozen=True, slots=True)
class Address:
    """What recordings for a vault are sealed to. It is no secret, and opens nothing.

    Parameters
    ----------
    vault_id : str
        32 hexadecimal digits.
    kem : Kem
        How keys are sealed.
    public : bytes
        The public key of the inbox.
    """

    vault_id: str
    kem: Kem
    public: bytes

    def to_text(self) -> str:
        """Return it as one line of JSON."""
        values = {
            "format": FORMAT,
            "version": 1,
            "vault_id": self.vault_id,
            "kem": self.kem.value,
            "public": self.public.hex(),
        }
        return msgspec.json.encode(values).decode("ascii") + "\n"

    @classmethod
    def read(cls, path: Path) -> Address:
        """Return the address that a file holds.

        Raises
        ------
        VaultError
            If it holds none, or cannot be read.
        """
        with plain_errors(path), Path(path).open("rb") as file:
            data = file.read(1 << 16)
        try:
            values = msgspec.json.decode(data, type=_Text)
            kem, public = Kem(values.kem), bytes.fromhex(values.public)
            right = len(bytes.fromhex(values.vault_id)) == 16 and len(public) == kem.public_bytes
        except (msgspec.MsgspecError, ValueError, UnicodeDecodeError, RecursionError):
            right = False
        if not right or values.format != FORMAT or values.version != 1:
            raise VaultError(path, "this file is not the address of a vault's inbox")
        return cls(values.vault_id, kem, public)


class _Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: str
    version: int
    vault_id: str
    kem: str
    public: str


def seal(
    inbox: Path,
    address: Address,
    recording: Recording,
    report: Report,
    progress: Callable[[float], None] | None = None,
) -> Path:
    """Put a recording into an inbox, sealed; it appears whole or not at all.

    Memory is bounded: the recording is read once, in order, a few megabytes at a time. Its key is
    overwritten in memory before this returns.

    Parameters
    ----------
    inbox : pathlib.Path
        The vault's ``inbox/``, or a folder of which the files are moved there later.
    address : Address
        Of the vault.
    recording, report : Recording, Report
        What is sealed.
    progress : callable, optional
        Told the share that is done, 0 to 1.

    Returns
    -------
    pathlib.Path
        The new file.

    Raises
    ------
    VaultError
        If the address is none, or the file cannot be written; nothing stays.
    RecordingError
        If the recording cannot be read to its end; nothing stays.
    """
    frame = Frame(address.kem, address.vault_id, secrets.token_hex(16))
    path = Path(inbox) / f"{frame.item_id}{ENDING}"
    temporary = path.with_name(f".{frame.item_id}.tmp")
    told = progress or (lambda _share: None)
    with plain_errors(inbox):
        file = create(temporary)
        try:
            fcntl.flock(file, fcntl.LOCK_SH)  # it is being written
            try:
                _write(inbox, file, frame, address.public, recording, report, told, wide=False)
            except TooWideError:
                # The header of the recording promised less than its samples hold.
                os.ftruncate(file, 0)
                os.lseek(file, 0, os.SEEK_SET)
                _write(inbox, file, frame, address.public, recording, report, told, wide=True)
            os.fsync(file)
            temporary.replace(path)
            sync_folder(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        finally:
            os.close(file)
    return path


def _write(
    inbox: Path,
    file: int,
    frame: Frame,
    public: bytes,
    recording: Recording,
    report: Report,
    progress: Callable[[float], None],
    *,
    wide: bool,
) -> None:
    key = _new_key()
    try:
        try:
            sealed = frame.kem.seal(public, frame.info, key)
        except ValueError:
            raise VaultError(inbox, "the address that it is sealed to is damaged") from None
        write_all(file, frame.to_bytes() + sealed)
        writer = _Counting(file, key, frame.context)
    finally:
        wipe(key)
    write_waveform(writer, recording, progress, wide=wide)
    waveform = writer.written
    writer.write(report.to_json().encode("utf-8", "surrogatepass"))
    patient = {name: _storable(text) for name, text in asdict(recording.patient).items()}
    facts = msgspec.json.encode(Facts(waveform, writer.written - waveform, PatientFacts(**patient)))
    if len(facts) > LARGEST_FACTS:
        raise VaultError(inbox, "what the recording says about the patient is too long to seal")
    writer.write(facts + TAIL.pack(len(facts)))
    writer.finish()


class _Counting(Writer):
    """A writer that knows how much was written to it."""

    written = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append `data` to the message."""
        self.written += len(data)
        super().write(data)


def _new_key() -> bytearray:
    """Return a random key of which there is no other copy in memory."""
    key = bytearray(KEY_BYTES)
    with Path("/dev/urandom").open("rb", buffering=0) as random:
        read = random.readinto(key)
    if read != KEY_BYTES:
        raise OSError("no random numbers")
    return key


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
