"""A backup's manifest: which files it has, vouched for by who holds the vault's key.

The one gate for its bytes; `docs/vault-format.md`, "Backups".
"""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from app.vault._errors import VaultDamagedError, VaultTooNewError, plain_errors
from app.vault._files import open_regular
from app.vault._keys import Purpose, derive

if TYPE_CHECKING:
    from pathlib import Path

    from app.vault._header import Header

FILE = "manifest.json"
FORMAT = "tracekeep-backup"
VERSION = 1
_STATE = re.compile(r"state-[0-9]{6}")
_PATH = re.compile(
    r"vault\.json|keyring\.bin|index\.db|inbox/[0-9a-f]{32}\.sealed"
    r"|blobs/([0-9a-f]{2})/\1[0-9a-f]{30}\.c2sp"
)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SIGNATURE = re.compile(r"[0-9a-f]{128}")
_LABEL = b"tracekeep-backup/1|"  # the same key signs the log
_LARGEST = 1 << 30  # bytes: some two million recordings


class BackupFile(msgspec.Struct, frozen=True, array_like=True):
    """A file of a backup: its path in the vault, its size in bytes, and its SHA-256."""

    path: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a backup holds.

    Parameters
    ----------
    format, version : str, int
        What this is.
    vault_id : str
        Of the vault that it is of.
    made_at : str
        When the vault was as it is here: ISO 8601, UTC.
    recordings : int
        How many there are.
    files : tuple of BackupFile
        All of them, by path.
    signature : str
        In hexadecimal digits, of the same text with an empty one.
    """

    format: str
    version: int
    vault_id: str
    made_at: str
    recordings: int
    files: tuple[BackupFile, ...]
    signature: str = ""

    def to_json(self) -> bytes:
        """Return the one text that says this: another is refused."""
        return msgspec.json.encode(self) + b"\n"

    def signed(self, header: Header, vault_key: bytes) -> Manifest:
        """Return it with its signature."""
        unsigned = msgspec.structs.replace(self, signature="")
        return msgspec.structs.replace(
            self, signature=_signature(header, vault_key, unsigned.to_json()).hex()
        )


def read_manifest(state: Path) -> Manifest:
    """Return the manifest of a backup, which nothing vouches for before :func:`verify`.

    Raises
    ------
    VaultDamagedError
        If it is missing or is none.
    VaultTooNewError
        If this program is too old for it.
    """
    path = state / FILE
    with plain_errors(path):
        try:
            with open(open_regular(path), "rb") as file:  # noqa: PTH123 (a descriptor)
                data = file.read(_LARGEST)
        except FileNotFoundError:
            raise VaultDamagedError(path, "the list of the backup's files is missing") from None
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise VaultDamagedError(path, "the list of the backup's files is damaged") from None
    if manifest.format == FORMAT and manifest.version > VERSION:
        raise VaultTooNewError(state.parent, "a newer version made this backup: update the program")
    sound = all(
        _PATH.fullmatch(file.path) and file.size >= 0 and _DIGEST.fullmatch(file.sha256)
        for file in manifest.files
    )
    sound = sound and bool(_SIGNATURE.fullmatch(manifest.signature))
    if manifest.format != FORMAT or not sound or manifest.to_json() != data:
        raise VaultDamagedError(path, "the list of the backup's files is damaged")
    return manifest


def verify(state: Path, manifest: Manifest, header: Header, vault_key: bytes) -> None:
    """Raise :class:`VaultDamagedError` if no holder of the vault's key wrote this manifest."""
    unsigned = msgspec.structs.replace(manifest, signature="").to_json()
    if manifest.vault_id != header.vault_id or not _fits(
        header, vault_key, unsigned, bytes.fromhex(manifest.signature)
    ):
        raise VaultDamagedError(
            state / FILE, "the list of the backup's files was changed, or is of another vault"
        )


def states(backup: Path) -> list[Path]:
    """Return the complete states that a backup's folder holds, the newest last."""
    with plain_errors(backup):
        return sorted(path for path in backup.iterdir() if _STATE.fullmatch(path.name))


def _signature(header: Header, vault_key: bytes, text: bytes) -> bytes:
    """Return an Ed25519 signature; of a vault of version 1, which has no such key, an HMAC."""
    seed = header.audit_seed(vault_key)
    if seed is None:
        return hmac.digest(derive(vault_key, Purpose.BACKUP, header.vault_id), text, "sha512")
    return Ed25519PrivateKey.from_private_bytes(seed).sign(_LABEL + text)


def _fits(header: Header, vault_key: bytes, text: bytes, signature: bytes) -> bool:
    if header.audit is None:
        return hmac.compare_digest(signature, _signature(header, vault_key, text))
    try:
        Ed25519PublicKey.from_public_bytes(header.audit.public).verify(signature, _LABEL + text)
    except InvalidSignature:
        return False
    return True
