"""Where every key of a vault comes from; `docs/vault-format.md`, "Keys".

A passphrase or a recovery key opens a stanza of the header and gives the vault key. From that,
HKDF-Expand gives one key a purpose, and :class:`Purpose` is the whole table of purposes. Keys of
recordings are random and lie in the keyring.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import Enum

from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

KEY_BYTES = 32


class Purpose(Enum):
    """What a derived key is for. No two purposes share a label, so no key serves two."""

    PASSPHRASE_WRAP = "passphrase-wrap"  # from Argon2id's output: encrypts the vault key
    RECOVERY_WRAP = "recovery-wrap"  # from the recovery key: encrypts the vault key
    HEADER_MAC = "header-mac"  # from the vault key: authenticates vault.json
    KEYRING = "keyring"  # from the vault key: encrypts keyring.bin
    INDEX = "index"  # from the vault key: the raw SQLCipher key of index.db
    AUDIT_CHAIN = "audit-chain"  # from the index's own secret: chains the entries of the log
    DIGEST = "digest"  # from the index's own secret: sums up its rows
    BACKUP = "backup"  # from the vault key: authenticates the manifest of a backup


def derive(key: bytes, purpose: Purpose, vault_id: str) -> bytes:
    """Return the 32-byte key for `purpose` under `key`."""
    info = b"tracekeep-vault/1 " + purpose.value.encode("ascii") + b"\0" + bytes.fromhex(vault_id)
    return HKDFExpand(SHA512(), KEY_BYTES, info).derive(key)


@dataclass(frozen=True, slots=True)
class Stretching:
    """Argon2id's cost. The defaults are the second profile of RFC 9106, section 4.

    Raises
    ------
    ValueError
        If the cost lies below that profile, which nobody may go under, or so far above it that
        only a damaged header can ask for it.
    """

    memory_kib: int = 64 * 1024
    passes: int = 3
    lanes: int = 4

    def __post_init__(self) -> None:
        if not (
            64 * 1024 <= self.memory_kib <= 1024 * 1024
            and 3 <= self.passes <= 16
            and 4 <= self.lanes <= 16
        ):
            raise ValueError("Argon2id parameters out of range")

    def __str__(self) -> str:
        return f"Argon2id, {self.memory_kib // 1024} MiB, {self.passes} passes, {self.lanes} lanes"


def stretch(passphrase: str, salt: bytes, cost: Stretching) -> bytes:
    """Return 32 bytes that take `cost` to compute from `passphrase` (NFC, UTF-8) and `salt`."""
    typed = unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogatepass")
    argon2 = Argon2id(
        salt=salt,
        length=KEY_BYTES,
        iterations=cost.passes,
        lanes=cost.lanes,
        memory_cost=cost.memory_kib,
    )
    return argon2.derive(typed)
