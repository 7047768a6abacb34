"""``vault.json``: what a vault is, and the stanzas that open it. The one gate for its bytes."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from app.vault import _chunked
from app.vault._errors import VaultDamagedError, VaultError, VaultTooNewError, plain_errors
from app.vault._files import write_atomically
from app.vault._keys import Kem, Purpose, derive, verifying_key
from app.vault._stanzas import (
    SALT_BYTES,
    AuditKey,
    InboxKey,
    PassphraseStanza,
    RecoveryStanza,
    Stanza,
    UserStanza,
    bytes_of,
    count,
    kdf,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FORMAT = "tracekeep-vault"
VERSION = 2
FILE = "vault.json"
_LARGEST = 1 << 20
MOST_USERS = 100
MOST_FORMER = 16  # keys that the inbox had before, the last one first


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
    revision : int
        How often the header was written; 0 in version 1.
    audit : AuditKey or None
        What signs the log; None in version 1.
    inbox : InboxKey or None
        What the inbox is sealed to; None in version 1.
    former : tuple of InboxKey
        What it was sealed to before, the last one first: a recorder may not know it yet.
    stanzas : tuple
        The ways to open it.
    mac : bytes
        HMAC-SHA-512 of everything else.
    """

    vault_id: str
    created: str
    epoch: int
    revision: int
    audit: AuditKey | None
    inbox: InboxKey | None
    stanzas: tuple[Stanza, ...]
    mac: bytes = b""
    former: tuple[InboxKey, ...] = ()

    @property
    def version(self) -> int:
        """The version of the format that the header is written in."""
        return 1 if self.audit is None else VERSION

    @property
    def users(self) -> tuple[UserStanza, ...]:
        """Who has a key of their own: nobody in version 1."""
        return tuple(stanza for stanza in self.stanzas if isinstance(stanza, UserStanza))

    def to_json(self) -> bytes:
        """Return the one text that says this: another is refused, even if it means the same."""
        values: dict[str, Any] = {
            "format": FORMAT,
            "version": self.version,
            "vault_id": self.vault_id,
            "created": self.created,
            "epoch": self.epoch,
        }
        if self.audit and self.inbox:
            values["revision"] = self.revision
            values["audit"] = self.audit.to_json()
            values["inbox"] = self.inbox.to_json()
            if self.former:
                values["former"] = [pair.to_json() for pair in self.former]
        values["stanzas"] = [stanza.to_json() for stanza in self.stanzas]
        values["mac"] = self.mac.hex()
        return (json.dumps(values, indent=2) + "\n").encode("ascii")

    def computed_mac(self, vault_key: bytes) -> bytes:
        """Return what :attr:`mac` must be."""
        key = derive(vault_key, Purpose.HEADER_MAC, self.vault_id)
        return hmac.digest(key, replace(self, mac=b"").to_json(), hashlib.sha512)

    def with_user(self, stanza: UserStanza) -> Header:
        """Return the header with a user more, or another stanza for the user of this id."""
        users = {user.id: user for user in self.users} | {stanza.id: stanza}
        return self.with_users(tuple(users.values()))

    def with_users(self, users: tuple[UserStanza, ...]) -> Header:
        """Return the header with these users, and the recovery key that it has."""
        others = (stanza for stanza in self.stanzas if isinstance(stanza, RecoveryStanza))
        return replace(self, stanzas=(*users, *others))

    def with_recovery(self, vault_key: bytes, secret: bytes) -> Header:
        """Return the header with this recovery key in place of the one that it has."""
        key = derive(secret, Purpose.RECOVERY_WRAP, self.vault_id)
        wrapped = _chunked.seal(key, _context(self, RecoveryStanza()), vault_key)
        return replace(self, stanzas=(*self.users, RecoveryStanza(wrapped)))

    def with_keys(
        self,
        vault_key: bytes,
        audit_seed: bytes,
        kem: Kem,
        inbox: bytes,
        former: Iterable[tuple[Kem, bytes]] = (),
    ) -> Header:
        """Return the header with the keys of the log and of the inbox, encrypted."""

        def pair(kem: Kem, private: bytes) -> InboxKey:
            public = kem.public_of(private)
            return InboxKey(kem, public, self._wrap(vault_key, Purpose.INBOX_WRAP, public, private))

        return replace(
            self,
            audit=AuditKey(
                verifying_key(audit_seed),
                self._wrap(vault_key, Purpose.AUDIT_WRAP, verifying_key(audit_seed), audit_seed),
            ),
            inbox=pair(kem, inbox),
            former=tuple(pair(*keys) for keys in former),
        )

    def audit_seed(self, vault_key: bytes) -> bytes | None:
        """Return the seed of the key that signs the log; None in version 1, and if it is wrong."""
        if self.audit is None:
            return None
        seed = self._unwrap(vault_key, Purpose.AUDIT_WRAP, self.audit)
        return seed if seed and verifying_key(seed) == self.audit.public else None

    def inbox_private(self, vault_key: bytes) -> bytes | None:
        """Return the private key of the inbox; None in version 1, and if it is not authentic."""
        return self._unwrap(vault_key, Purpose.INBOX_WRAP, self.inbox) if self.inbox else None

    def inbox_keys(self, vault_key: bytes) -> tuple[tuple[Kem, bytes], ...]:
        """Return all that open what is in the inbox, the present one first; without, nothing."""
        present = self.inbox_private(vault_key)
        if self.inbox is None or present is None:
            return ()
        former = (
            (pair.kem, self._unwrap(vault_key, Purpose.INBOX_WRAP, pair)) for pair in self.former
        )
        return (self.inbox.kem, present), *((kem, key) for kem, key in former if key)

    def _wrap(self, vault_key: bytes, purpose: Purpose, public: bytes, private: bytes) -> bytes:
        key = derive(vault_key, purpose, self.vault_id)
        return _chunked.seal(key, self._pair_context(purpose, public), private)

    def _unwrap(
        self, vault_key: bytes, purpose: Purpose, pair: AuditKey | InboxKey
    ) -> bytes | None:
        key = derive(vault_key, purpose, self.vault_id)
        return unwrapped(key, self._pair_context(purpose, pair.public), pair.wrapped)

    def _pair_context(self, purpose: Purpose, public: bytes) -> bytes:
        says = f"{self.vault_id}|{purpose.value}|{self.epoch}|{public.hex()}"
        return f"{FORMAT}/2|{says}".encode("ascii")


def write_header(vault: Path, header: Header, vault_key: bytes) -> Header:
    """Write ``vault.json`` with its MAC and one revision more; return what was written.

    Raises
    ------
    VaultError
        If it could not be read again, or not be written.
    """
    header = replace(header, revision=header.revision + 1)
    header = replace(header, mac=header.computed_mac(vault_key))
    if len(header.users) > MOST_USERS or len(header.to_json()) >= _LARGEST:
        raise VaultError(vault, f"a vault has {MOST_USERS} users at most")
    with plain_errors(vault / FILE):
        write_atomically(vault / FILE, header.to_json())
    return header


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
            if any(vault.glob("index*.db")):
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
    """Raise :class:`VaultDamagedError` if `header` is not what a holder of the key wrote.

    Anybody can seal a key of their own to a user and compute a MAC with it. They do not know the
    seed of the log's key, to whose public half the user's private key is bound.
    """
    changed = not hmac.compare_digest(header.mac, header.computed_mac(vault_key))
    if changed or (header.audit and header.audit_seed(vault_key) is None):
        raise VaultDamagedError(vault / FILE, "the header of the vault was changed")


def open_recovery(header: Header, secret: bytes) -> bytes | None:
    """Return the vault key that a recovery key opens, None if it opens none."""
    key = derive(secret, Purpose.RECOVERY_WRAP, header.vault_id)
    for stanza in header.stanzas:
        if isinstance(stanza, RecoveryStanza):
            return unwrapped(key, _context(header, stanza), stanza.wrapped)
    return None


def open_version_1(header: Header, stanza: PassphraseStanza, secret: bytes) -> bytes | None:
    """Return the vault key that a stretched passphrase opens, None if it opens none."""
    key = derive(secret, Purpose.PASSPHRASE_WRAP, header.vault_id)
    return unwrapped(key, _context(header, stanza), stanza.wrapped)


def sealed_to(header: Header, stanza: UserStanza, vault_key: bytes) -> UserStanza:
    """Return the stanza with the vault key of the header's epoch sealed to its user."""
    sealed = Kem.X25519.seal(stanza.public, _seal_info(header, stanza), vault_key)
    return replace(stanza, sealed=sealed)


def with_private(header: Header, stanza: UserStanza, secret: bytes, private: bytes) -> UserStanza:
    """Return the stanza with the private key encrypted under a stretched passphrase."""
    key = derive(secret, Purpose.PASSPHRASE_WRAP, header.vault_id)
    return replace(stanza, private=_chunked.seal(key, _private_context(header, stanza), private))


def open_private(header: Header, stanza: UserStanza, secret: bytes) -> bytes | None:
    """Return the private key that a stretched passphrase opens, None if it opens none."""
    key = derive(secret, Purpose.PASSPHRASE_WRAP, header.vault_id)
    return unwrapped(key, _private_context(header, stanza), stanza.private)


def open_sealed(header: Header, stanza: UserStanza, private: bytes) -> bytes | None:
    """Return the vault key that is sealed to a user, None if none is for this header."""
    return Kem.X25519.unseal(private, _seal_info(header, stanza), stanza.sealed)


def unwrapped(key: bytes, context: bytes, wrapped: bytes) -> bytes | None:
    """Return what is encrypted, None if not under this key and in this context."""
    try:
        return _chunked.unseal(key, context, wrapped)
    except _chunked.NotAuthenticError:
        return None


def new_salt() -> bytes:
    """Return the salt of a new passphrase."""
    return secrets.token_bytes(SALT_BYTES)


def _parse(path: Path, data: bytes) -> Header:
    values = json.loads(data)
    if values["format"] != FORMAT:
        raise ValueError(FORMAT)
    version = count(values["version"])
    if version > VERSION:
        raise VaultTooNewError(
            path.parent,
            f"the vault was made by a newer version (its format is {version}, this "
            f"program reads {VERSION}): update the program",
        )
    kinds: dict[str, type[Stanza]] = {
        "user" if version > 1 else "passphrase": UserStanza if version > 1 else PassphraseStanza,
        "recovery": RecoveryStanza,
    }
    header = Header(
        vault_id=bytes_of(values["vault_id"], 16).hex(),
        created=text(values["created"]),
        epoch=count(values["epoch"]),
        revision=count(values["revision"]) if version > 1 else 0,
        audit=AuditKey.from_json(values["audit"]) if version > 1 else None,
        inbox=InboxKey.from_json(values["inbox"]) if version > 1 else None,
        former=tuple(InboxKey.from_json(pair) for pair in values.get("former", ())),
        stanzas=tuple(kinds[stanza["type"]].from_json(stanza) for stanza in values["stanzas"]),
        mac=bytes_of(values["mac"], hashlib.sha512().digest_size),
    )
    if len({user.id for user in header.users}) < len(header.users):
        raise ValueError("users")
    return header


def _context(header: Header, stanza: PassphraseStanza | RecoveryStanza) -> bytes:
    """Bind a wrapped vault key to all that its stanza says, the cost of guessing above all."""
    says = json.dumps(replace(stanza, wrapped=b"").to_json(), sort_keys=True)
    return f"{FORMAT}/1|{header.vault_id}|stanza|{header.epoch}|{says}".encode("ascii")


def _private_context(header: Header, stanza: UserStanza) -> bytes:
    """Bind a private key to its user, to the cost of guessing, and to the vault's own log.

    Neither to the epoch nor to the role: these change without the passphrase.
    """
    whose = {
        "audit": header.audit.public.hex() if header.audit else "",
        "id": stanza.id,
        "kdf": kdf(stanza.cost, stanza.salt),
        "public": stanza.public.hex(),
    }
    says = json.dumps(whose, sort_keys=True)
    return f"{FORMAT}/2|{header.vault_id}|private|{says}".encode("ascii")


def _seal_info(header: Header, stanza: UserStanza) -> bytes:
    return f"{FORMAT}/2|{header.vault_id}|sealed|{header.epoch}|{stanza.id}".encode("ascii")
