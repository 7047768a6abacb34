"""The parts of ``vault.json``: one for each way to open the vault, and the keys that it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.vault import _chunked
from app.vault._keys import KEY_BYTES, Kem, Stretching
from app.vault.roles import Role

SALT_BYTES = 16
_WRAPPING = _chunked.HEAD + _chunked.TAG
_WRAPPED_BYTES = _WRAPPING + KEY_BYTES
_SEALED_BYTES = KEY_BYTES + Kem.X25519.overhead


@dataclass(frozen=True, slots=True)
class UserStanza:
    """One user: a key pair whose private half a passphrase opens, and the vault key sealed to it.

    So a new passphrase encrypts one private key anew, and a new vault key is sealed to everybody
    without anybody's passphrase.

    Parameters
    ----------
    id : str
        32 hexadecimal digits, for life.
    user : str
        The name.
    role : Role
        What the user may do.
    must_change : bool
        Whether the user must choose a new passphrase before anything else.
    cost : Stretching
        What a guess at the passphrase costs.
    salt : bytes
        Of the passphrase.
    public : bytes
        The X25519 public key.
    private : bytes
        The private key, encrypted under the passphrase.
    sealed : bytes
        The vault key, sealed to `public`.
    """

    id: str
    user: str
    role: Role
    must_change: bool
    cost: Stretching
    salt: bytes
    public: bytes
    private: bytes = b""
    sealed: bytes = b""

    def to_json(self) -> dict[str, Any]:
        return {
            "type": "user",
            "id": self.id,
            "user": self.user,
            "role": self.role.value,
            "must_change": self.must_change,
            "kdf": kdf(self.cost, self.salt),
            "public": self.public.hex(),
            "private": self.private.hex(),
            "sealed": self.sealed.hex(),
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> UserStanza:
        return cls(
            id=bytes_of(values["id"], 16).hex(),
            user=text(values["user"]),
            role=Role(values["role"]),
            must_change=truth(values["must_change"]),
            cost=cost_of(values["kdf"]),
            salt=bytes_of(values["kdf"]["salt"], SALT_BYTES),
            public=bytes_of(values["public"], KEY_BYTES),
            private=bytes_of(values["private"], _WRAPPED_BYTES),
            sealed=bytes_of(values["sealed"], _SEALED_BYTES),
        )


@dataclass(frozen=True, slots=True)
class PassphraseStanza:
    """Version 1: the vault key, encrypted under the passphrase of the one user that there was."""

    user: str
    cost: Stretching
    salt: bytes
    wrapped: bytes

    def to_json(self) -> dict[str, Any]:
        return {
            "type": "passphrase",
            "user": self.user,
            "kdf": kdf(self.cost, self.salt),
            "wrapped": self.wrapped.hex(),
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> PassphraseStanza:
        return cls(
            user=text(values["user"]),
            cost=cost_of(values["kdf"]),
            salt=bytes_of(values["kdf"]["salt"], SALT_BYTES),
            wrapped=bytes_of(values["wrapped"], _WRAPPED_BYTES),
        )


@dataclass(frozen=True, slots=True)
class RecoveryStanza:
    """The vault key, encrypted under the recovery key."""

    wrapped: bytes = b""

    def to_json(self) -> dict[str, Any]:
        return {"type": "recovery", "wrapped": self.wrapped.hex()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> RecoveryStanza:
        return cls(bytes_of(values["wrapped"], _WRAPPED_BYTES))


Stanza = UserStanza | PassphraseStanza | RecoveryStanza


@dataclass(frozen=True, slots=True)
class AuditKey:
    """The Ed25519 key that signs the log; its seed is encrypted under the vault key."""

    public: bytes
    wrapped: bytes = b""

    def to_json(self) -> dict[str, Any]:
        return {"public": self.public.hex(), "wrapped": self.wrapped.hex()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> AuditKey:
        return cls(
            bytes_of(values["public"], KEY_BYTES), bytes_of(values["wrapped"], _WRAPPED_BYTES)
        )


@dataclass(frozen=True, slots=True)
class InboxKey:
    """What recordings are sealed to by programs that cannot open the vault."""

    kem: Kem
    public: bytes
    wrapped: bytes = b""

    def to_json(self) -> dict[str, Any]:
        return {
            "suite": self.kem.value,
            "public": self.public.hex(),
            "wrapped": self.wrapped.hex(),
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> InboxKey:
        kem = Kem(values["suite"])
        return cls(
            kem=kem,
            public=bytes_of(values["public"], kem.public_bytes),
            wrapped=bytes_of(values["wrapped"], _WRAPPING + kem.private_bytes),
        )


def bytes_of(digits: str, length: int) -> bytes:
    value = bytes.fromhex(digits)
    if len(value) != length:
        raise ValueError("length")
    return value


def text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError("not a truth value")
    return value


def count(value: object) -> int:
    if type(value) is not int or value < 1:
        raise TypeError("not a count")
    return value


def kdf(cost: Stretching, salt: bytes) -> dict[str, Any]:
    return {
        "name": "argon2id",
        "memory_kib": cost.memory_kib,
        "passes": cost.passes,
        "lanes": cost.lanes,
        "salt": salt.hex(),
    }


def cost_of(kdf: dict[str, Any]) -> Stretching:
    return Stretching(count(kdf["memory_kib"]), count(kdf["passes"]), count(kdf["lanes"]))
