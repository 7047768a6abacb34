"""The frame of a sealed recording: what its writer and the vault must both know.

`docs/vault-format.md`, "Inbox". Nothing here opens anything.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

import msgspec

from app.vault._keys import KEY_BYTES, Kem

ENDING = ".sealed"
NAME = re.compile(r"[0-9a-f]{32}\.sealed")
KEMS = {1: Kem.X25519, 2: Kem.HYBRID}
MAGIC = b"tracekeep-inbox1"
HEAD = struct.Struct(">16sB16s16s")  # magic, kem, vault id, item id
TAIL = struct.Struct("<I")  # length of the facts that lie before it
LARGEST_FACTS = 1 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands in the clear before a sealed recording.

    Parameters
    ----------
    kem : Kem
        How its key is sealed.
    vault_id, item_id : str
        Whom it is for, and what it is called: 32 hexadecimal digits each.
    """

    kem: Kem
    vault_id: str
    item_id: str

    def to_bytes(self) -> bytes:
        """Return it as it stands in the file."""
        (number,) = (number for number, kem in KEMS.items() if kem is self.kem)
        vault_id, item_id = bytes.fromhex(self.vault_id), bytes.fromhex(self.item_id)
        return HEAD.pack(MAGIC, number, vault_id, item_id)

    @classmethod
    def from_bytes(cls, data: bytes) -> Frame | None:
        """Return the frame that a file begins with, None if it begins with none."""
        if len(data) < HEAD.size:
            return None
        magic, number, vault_id, item_id = HEAD.unpack_from(data)
        if magic != MAGIC or number not in KEMS:
            return None
        return cls(KEMS[number], vault_id.hex(), item_id.hex())

    @property
    def sealed_key_bytes(self) -> int:
        """How long the sealed key is that follows."""
        return KEY_BYTES + self.kem.overhead

    @property
    def info(self) -> bytes:
        """What the sealed key is bound to."""
        return b"tracekeep-vault/2|inbox-key|" + self.to_bytes()

    @property
    def context(self) -> bytes:
        """What the content is bound to."""
        return f"tracekeep-vault/2|{self.vault_id}|inbox|{self.item_id}".encode("ascii")


class PatientFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As of :class:`signals.recording.Patient`."""

    name: str
    code: str
    sex: str
    birth_date: str
    remarks: str


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ends the content: how long its parts are, and who it is of.

    Parameters
    ----------
    waveform, report : int
        Bytes of each, in this order from the beginning.
    patient : PatientFacts
        Who the recording is of.
    """

    waveform: int
    report: int
    patient: PatientFacts
