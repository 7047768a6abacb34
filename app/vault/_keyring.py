"""``keyring.bin``: the key of each recording, in one encrypted file that is rewritten whole.

Rewriting makes a key that was taken out be gone from the vault, and with it what it opened.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from app.vault import _chunked
from app.vault._errors import VaultDamagedError, plain_errors
from app.vault._files import write_atomically
from app.vault._keys import KEY_BYTES, Purpose, derive

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE = "keyring.bin"
_HEAD = struct.Struct(">16sI")  # magic, epoch
_MAGIC = b"tracekeep-keys-1"
_COUNTS = struct.Struct(">QI")  # generation, number of keys
_ENTRY = 16 + KEY_BYTES


class Keyring:
    """The keys of a vault's recordings.

    Parameters
    ----------
    vault : pathlib.Path
        The folder.
    vault_id : str
        As in the header.
    epoch : int
        As in the header.
    vault_key : bytes
        What the header's stanzas give.
    """

    def __init__(self, vault: Path, vault_id: str, epoch: int, vault_key: bytes) -> None:
        self._path = vault / FILE
        self._key = derive(vault_key, Purpose.KEYRING, vault_id)
        self._head = _HEAD.pack(_MAGIC, epoch)
        self._context = f"tracekeep-vault/1|{vault_id}|keyring|".encode("ascii") + self._head
        self._generation = 0
        self._keys: dict[str, bytes] = {}

    @property
    def generation(self) -> int:
        """How often the file that was read or written last had been written."""
        return self._generation

    def load(self) -> dict[str, bytes]:
        """Read the file anew; return the key of each recording by its id.

        Raises
        ------
        VaultDamagedError
            If the keyring is missing, cut short or was changed.
        """
        with plain_errors(self._path):
            try:
                data = self._path.read_bytes()
            except FileNotFoundError:
                raise VaultDamagedError(self._path, "the keyring is missing") from None
        head, sealed = data[: _HEAD.size], data[_HEAD.size :]
        try:
            if head != self._head:
                raise _chunked.NotAuthenticError("its head was changed")
            body = _chunked.unseal(self._key, self._context, sealed)
        except _chunked.NotAuthenticError as error:
            raise VaultDamagedError(self._path, f"the keyring is damaged: {error}") from None
        self._generation, count = _COUNTS.unpack_from(body)
        starts = range(_COUNTS.size, _COUNTS.size + count * _ENTRY, _ENTRY)
        self._keys = {body[at : at + 16].hex(): body[at + 16 : at + _ENTRY] for at in starts}
        return dict(self._keys)

    def key_of(self, recording_id: str) -> bytes | None:
        """Return the key of one recording, or None if there is none; errors as for `load`."""
        # A recording keeps its key for life, so only an id not met before asks for the file.
        return self._keys.get(recording_id) or self.load().get(recording_id)

    def make(self, keys: Mapping[str, bytes] | None = None, generation: int = 0) -> None:
        """Write a keyring where there is none: of `keys`, and of a later generation than this."""
        self._generation = generation
        self._save(dict(keys or {}))

    def salvage(self) -> dict[str, bytes]:
        """Return the keys that can be read in a keyring that is damaged or cut short."""
        context = self._context
        try:
            reader = _chunked.Reader(
                self._path, self._key, context, start=_HEAD.size, salvaging=True
            )
        except (OSError, _chunked.NotAuthenticError):
            return {}
        keys: dict[str, bytes] = {}
        with reader:
            for at in range(_COUNTS.size, reader.size - _ENTRY + 1, _ENTRY):
                try:
                    entry = bytes(reader.read(at, _ENTRY))
                except _chunked.NotAuthenticError:
                    continue
                keys[entry[:16].hex()] = entry[16:]
        return keys

    def take_over(self, other: Keyring) -> None:
        """Write the keys of another keyring, as its next generation."""
        keys = other.load()
        self._generation = other.generation
        self._save(keys)

    def add(self, recording_id: str, key: bytes) -> None:
        """Add the key of a recording, for good. The caller holds the writer lock."""
        self._save({**self.load(), recording_id: key})

    def remove(self, *recording_ids: str) -> None:
        """Take out the keys of recordings, as far as they are there. The caller holds the lock."""
        keys = self.load()
        rest = {id_: key for id_, key in keys.items() if id_ not in recording_ids}
        if len(rest) < len(keys):
            self._save(rest)

    def _save(self, keys: dict[str, bytes]) -> None:
        body = bytearray(_COUNTS.pack(self._generation + 1, len(keys)))
        for recording_id, key in sorted(keys.items()):
            body += bytes.fromhex(recording_id) + key
        sealed = _chunked.seal(self._key, self._context, bytes(body))
        with plain_errors(self._path):
            write_atomically(self._path, self._head + sealed)
        self._generation += 1
        self._keys = keys
