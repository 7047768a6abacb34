"""Where every key of a vault comes from; `docs/vault-format.md`, "Keys".

A passphrase opens the private key of its user, to which the vault key is sealed; the recovery key
opens the vault key. From that, HKDF-Expand gives one key a purpose, and :class:`Purpose` is the
whole table of purposes. Keys of recordings are random and lie in the keyring.
"""

from __future__ import annotations

import time
import unicodedata
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
)
from cryptography.hazmat.primitives.hpke import Suite as _Hpke
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

if TYPE_CHECKING:
    from collections.abc import Callable

KEY_BYTES = 32
_MLKEM_SEED, _MLKEM_PUBLIC, _MLKEM_CIPHERTEXT = 64, 1184, 1088


class Purpose(Enum):
    """What a derived key is for. No two purposes share a label, so no key serves two."""

    PASSPHRASE_WRAP = "passphrase-wrap"  # from Argon2id's output: encrypts a user's private key
    RECOVERY_WRAP = "recovery-wrap"  # from the recovery key: encrypts the vault key
    HEADER_MAC = "header-mac"  # from the vault key: authenticates vault.json
    KEYRING = "keyring"  # from the vault key: encrypts keyring.bin
    INDEX = "index"  # from the vault key: the raw SQLCipher key of index.db
    AUDIT_CHAIN = "audit-chain"  # from the index's own secret: chains the entries of the log
    DIGEST = "digest"  # from the index's own secret: sums up its rows
    BACKUP = "backup"  # from the vault key: authenticates the manifest of a backup
    AUDIT_WRAP = "audit-wrap"  # from the vault key: encrypts the key that signs the log
    INBOX_WRAP = "inbox-wrap"  # from the vault key: encrypts the private key of the inbox


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

    @property
    def work(self) -> int:
        """Memory times passes, in KiB: what a guess costs, on whatever machine."""
        return self.memory_kib * self.passes


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


@cache
def measured_cost() -> Stretching:
    """Return the cost that takes this device 0.5 to 1 s, and never less than the least.

    Memory comes before passes, since memory is what a machine built for guessing has to pay for.
    """
    return cost_for(_time_of)


def cost_for(time_of: Callable[[Stretching], float]) -> Stretching:
    """Return the cost that takes 0.5 to 1 s on a device where each takes `time_of` it.

    A device on which the least takes longer gets the least.
    """
    least = Stretching()
    # A device that is busy with other things looks slower than it is: the best of two.
    seconds = min(time_of(least), time_of(least))
    memory = least.memory_kib
    while 2 * seconds <= _LONGEST_S and 2 * memory <= _MOST_MEMORY_KIB:
        memory, seconds = 2 * memory, 2 * seconds
    passes = least.passes
    while seconds * passes < _SHORTEST_S * least.passes and passes < _MOST_PASSES:
        passes += 1
    return Stretching(memory, passes, least.lanes)


_SHORTEST_S, _LONGEST_S = 0.5, 1.0
_MOST_MEMORY_KIB = 512 * 1024  # half of what a header may ask for: a vault may move to a small PC
_MOST_PASSES = 16


def _time_of(cost: Stretching) -> float:
    begun = time.perf_counter()
    stretch("", bytes(16), cost)
    return time.perf_counter() - begun


class Kem(Enum):
    """How something is sealed to a public key: HPKE (RFC 9180), base mode, single shot.

    Both with HKDF-SHA-512 and AES-256-GCM. The hybrid holds as long as either of its halves does,
    against a quantum computer too. Its private key is ML-KEM's seed followed by X25519's key, its
    public key ML-KEM's followed by X25519's.
    """

    X25519 = "x25519"
    HYBRID = "mlkem768-x25519"

    @property
    def public_bytes(self) -> int:
        """The length of a public key."""
        return KEY_BYTES + (_MLKEM_PUBLIC if self is Kem.HYBRID else 0)

    @property
    def private_bytes(self) -> int:
        """The length of a private key."""
        return KEY_BYTES + (_MLKEM_SEED if self is Kem.HYBRID else 0)

    @property
    def overhead(self) -> int:
        """By how much a sealed message is longer than what it says."""
        return 16 + KEY_BYTES + (_MLKEM_CIPHERTEXT if self is Kem.HYBRID else 0)

    def new_private(self) -> bytes:
        """Return a new private key."""
        private = X25519PrivateKey.generate().private_bytes_raw()
        if self is Kem.HYBRID:
            return MLKEM768PrivateKey.generate().private_bytes_raw() + private
        return private

    def public_of(self, private: bytes) -> bytes:
        """Return the public key that belongs to a private one."""
        half = X25519PrivateKey.from_private_bytes(private[-KEY_BYTES:])
        public = half.public_key().public_bytes_raw()
        if self is Kem.HYBRID:
            seed = MLKEM768PrivateKey.from_seed_bytes(private[:-KEY_BYTES])
            return seed.public_key().public_bytes_raw() + public
        return public

    def seal(self, public: bytes, info: bytes, data: bytes | bytearray) -> bytes:
        """Return `data` encrypted so that only the holder of the private key can read it.

        Raises
        ------
        ValueError
            If `public` is no public key.
        """
        half = X25519PublicKey.from_public_bytes(public[-KEY_BYTES:])
        if self is Kem.HYBRID:
            mlkem = MLKEM768PublicKey.from_public_bytes(public[:-KEY_BYTES])
            return _HYBRID.encrypt(data, MLKEM768X25519PublicKey(mlkem, half), info)
        return _X25519.encrypt(data, half, info)

    def unseal(self, private: bytes, info: bytes, sealed: bytes) -> bytes | None:
        """Return what was sealed, or None if it was not sealed to this key with this `info`."""
        half = X25519PrivateKey.from_private_bytes(private[-KEY_BYTES:])
        try:
            if self is Kem.HYBRID:
                mlkem = MLKEM768PrivateKey.from_seed_bytes(private[:-KEY_BYTES])
                return _HYBRID.decrypt(sealed, MLKEM768X25519PrivateKey(mlkem, half), info)
            return _X25519.decrypt(sealed, half, info)
        except (InvalidTag, ValueError):
            return None


_X25519 = _Hpke(KEM.X25519, KDF.HKDF_SHA512, AEAD.AES_256_GCM)
_HYBRID = _Hpke(KEM.MLKEM768_X25519, KDF.HKDF_SHA512, AEAD.AES_256_GCM)


def strongest_kem() -> Kem:
    """Return the hybrid where the cryptographic library of this device has it."""
    try:
        Kem.HYBRID.new_private()
    except UnsupportedAlgorithm:
        return Kem.X25519
    return Kem.HYBRID


def verifying_key(seed: bytes) -> bytes:
    """Return the Ed25519 public key of a seed."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
