"""``vault.json``: what a vault is, and the stanzas that open it. The one gate for its bytes."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from app.vault import _chunked, _recovery
from app.vault._errors import (
    VaultDamagedError,
    VaultError,
    VaultLockedError,
    VaultTooNewError,
    plain_errors,
)
from app.vault._files import write_atomically
from app.vault._keys import KEY_BYTES, Purpose, Stretching, derive, stretch

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = "tracekeep-vault"
VERSION = 1
FILE = "vault.json"
_LARGEST = 1 << 20
_SALT_BYTES = 16
_WRAPPED_BYTES = _chunked.HEAD + KEY_BYTES + _chunked.TAG


@dataclass(frozen=True, slots=True)
class PassphraseStanza:
    """The vault key, encrypted under one user's passphrase."""

    user: str
    cost: Stretching
    salt: bytes
    wrapped: bytes = b""

    def to_json(self) -> dict[str, Any]:
        return {
            "type": "passphrase",
            "user": self.user,
            "kdf": {
                "name": "argon2id",
                "memory_kib": self.cost.memory_kib,
                "passes": self.cost.passes,
                "lanes": self.cost.lanes,
                "salt": self.salt.hex(),
            },
            "wrapped": self.wrapped.hex(),
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> PassphraseStanza:
        kdf = values["kdf"]
        return cls(
            user=_text(values["user"]),
            cost=Stretching(_count(kdf["memory_kib"]), _count(kdf["passes"]), _count(kdf["lanes"])),
            salt=_bytes(kdf["salt"], _SALT_BYTES),
            wrapped=_bytes(values["wrapped"], _WRAPPED_BYTES),
        )


@dataclass(frozen=True, slots=True)
class RecoveryStanza:
    """The vault key, encrypted under the recovery key."""

    wrapped: bytes = b""

    def to_json(self) -> dict[str, Any]:
        return {"type": "recovery", "wrapped": self.wrapped.hex()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> RecoveryStanza:
        return cls(_bytes(values["wrapped"], _WRAPPED_BYTES))


Stanza = PassphraseStanza | RecoveryStanza


@dataclass(frozen=True, slots=True)
class Header:
    """The content of ``vault.json``.

    Parameters
    ----------
    vault_id : str
        32 hexadecimal digits.
    created : str
        ISO 8601, UTC.
    epoch : int
        Which vault key this is, counted from 1.
    stanzas : tuple
        The ways to open it.
    mac : bytes
        HMAC-SHA-512 of everything else.
    """

    vault_id: str
    created: str
    epoch: int
    stanzas: tuple[Stanza, ...]
    mac: bytes = b""

    def to_json(self) -> bytes:
        """Return the one text that says this: another is refused, even if it means the same."""
        values: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION,
            "vault_id": self.vault_id,
            "created": self.created,
            "epoch": self.epoch,
            "stanzas": [stanza.to_json() for stanza in self.stanzas],
            "mac": self.mac.hex(),
        }
        return (json.dumps(values, indent=2) + "\n").encode("ascii")

    def computed_mac(self, vault_key: bytes) -> bytes:
        """Return what :attr:`mac` must be."""
        key = derive(vault_key, Purpose.HEADER_MAC, self.vault_id)
        return hmac.digest(key, replace(self, mac=b"").to_json(), hashlib.sha512)

    def with_stanza(self, vault_key: bytes, stanza: Stanza, secret: bytes) -> Header:
        """Return the header with one more way to open it, by `secret`; its MAC is to be renewed."""
        wrapped = _chunked.seal(
            _wrapping_key(stanza, secret, self.vault_id), _context(self, stanza), vault_key
        )
        return replace(self, stanzas=(*self.stanzas, replace(stanza, wrapped=wrapped)))


def write_header(vault: Path, header: Header, vault_key: bytes) -> None:
    """Write ``vault.json`` with its MAC."""
    header = replace(header, mac=header.computed_mac(vault_key))
    write_atomically(vault / FILE, header.to_json())


def read_header(vault: Path) -> Header:
    """Return the header, which nothing vouches for before :func:`verify_header`.

    Raises
    ------
    VaultError
        If `vault` is no vault.
    VaultDamagedError
        If its header is missing or not a header.
    VaultTooNewError
        If this program is too old for it.
    """
    path = vault / FILE
    with plain_errors(vault):
        if not vault.exists():
            raise VaultError(vault, "there is no vault here")
        if not vault.is_dir():
            raise VaultError(vault, "this is a file; a vault is a folder")
        if not path.exists():
            if (vault / "index.db").exists():
                raise VaultDamagedError(path, "the header of the vault is missing")
            raise VaultError(vault, "this folder is not a vault: it has no vault.json")
        with path.open("rb") as file:
            data = file.read(_LARGEST)
    try:
        header = _parse(path, data)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise VaultDamagedError(path, "the header of the vault is damaged") from None
    if header.to_json() != data:
        raise VaultDamagedError(path, "the header of the vault is damaged")
    return header


def verify_header(vault: Path, header: Header, vault_key: bytes) -> None:
    """Raise :class:`VaultDamagedError` if `header` is not what a holder of the key wrote."""
    if not hmac.compare_digest(header.mac, header.computed_mac(vault_key)):
        raise VaultDamagedError(vault / FILE, "the header of the vault was changed")


def unlock(vault: Path, header: Header, passphrase: str, user: str | None) -> bytes:
    """Return the vault key that `passphrase` opens; :class:`VaultLockedError` if it opens none."""
    for stanza in header.stanzas:
        if isinstance(stanza, PassphraseStanza) and user in (None, stanza.user):
            secret = stretch(passphrase, stanza.salt, stanza.cost)
            vault_key = _unwrap(header, stanza, secret)
            if vault_key is not None:
                return vault_key
    raise VaultLockedError(vault, "the passphrase is wrong")


def unlock_with_recovery_key(vault: Path, header: Header, text: str) -> bytes:
    """Return the vault key that a recovery key opens; errors as for :func:`unlock`."""
    try:
        secret = _recovery.from_text(text)
    except ValueError as error:
        raise VaultLockedError(vault, str(error)) from None
    for stanza in header.stanzas:
        if isinstance(stanza, RecoveryStanza):
            vault_key = _unwrap(header, stanza, secret)
            if vault_key is not None:
                return vault_key
    raise VaultLockedError(vault, "this recovery key belongs to another vault")


def _parse(path: Path, data: bytes) -> Header:
    values = json.loads(data)
    if values["format"] != FORMAT:
        raise ValueError(FORMAT)
    if _count(values["version"]) > VERSION:
        raise VaultTooNewError(
            path.parent,
            f"the vault was made by a newer version (its format is {values['version']}, this "
            f"program reads {VERSION}): update the program",
        )
    kinds: dict[str, type[Stanza]] = {"passphrase": PassphraseStanza, "recovery": RecoveryStanza}
    header = Header(
        vault_id=_text(values["vault_id"]),
        created=_text(values["created"]),
        epoch=_count(values["epoch"]),
        stanzas=tuple(kinds[stanza["type"]].from_json(stanza) for stanza in values["stanzas"]),
        mac=_bytes(values["mac"], hashlib.sha512().digest_size),
    )
    _bytes(header.vault_id, 16)
    return header


def _bytes(digits: str, length: int) -> bytes:
    value = bytes.fromhex(digits)
    if len(value) != length:
        raise ValueError("length")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _count(value: object) -> int:
    if type(value) is not int or value < 1:
        raise TypeError("not a count")
    return value


def _wrapping_key(stanza: Stanza, secret: bytes, vault_id: str) -> bytes:
    purpose = (
        Purpose.PASSPHRASE_WRAP if isinstance(stanza, PassphraseStanza) else Purpose.RECOVERY_WRAP
    )
    return derive(secret, purpose, vault_id)


def _context(header: Header, stanza: Stanza) -> bytes:
    """Bind a wrapped key to all that its stanza says, the cost of guessing above all."""
    says = json.dumps(replace(stanza, wrapped=b"").to_json(), sort_keys=True)
    return f"{FORMAT}/1|{header.vault_id}|stanza|{header.epoch}|{says}".encode("ascii")


def _unwrap(header: Header, stanza: Stanza, secret: bytes) -> bytes | None:
    key = _wrapping_key(stanza, secret, header.vault_id)
    try:
        return _chunked.unseal(key, _context(header, stanza), stanza.wrapped)
    except _chunked.NotAuthenticError:
        return None


def new_salt() -> bytes:
    """Return the salt of a new passphrase stanza."""
    return secrets.token_bytes(_SALT_BYTES)
