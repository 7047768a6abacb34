"""C2SP chunked encryption (https://c2sp.org/chunked-encryption) with SHA-512 and AES-256-GCM.

Every ciphertext of a vault but the index is one such message: salt (24 bytes), commitment (32),
then chunks of 16 KiB, each with a tag of 16 bytes, the last always shorter. The context that is
given to both sides says what the message means; another context does not decrypt it.
"""

from __future__ import annotations

import hmac
import os
import secrets
from functools import cache
from typing import TYPE_CHECKING, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

CHUNK = 16 * 1024
TAG = 16
HEAD = 24 + 32
_SEALED = CHUNK + TAG
_BATCH = 64 * CHUNK  # plaintext encrypted for one write to the file


class NotAuthenticError(Exception):
    """A ciphertext is cut short, was changed, or belongs somewhere else."""


class _Sealer:
    """The cipher of one message: its key, and a nonce for each chunk."""

    def __init__(self, key: bytes | bytearray, salt: bytes, context: bytes) -> None:
        info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + salt + context
        derived = bytearray(32 + 12 + 32)
        with memoryview(derived) as parts:
            HKDFExpand(SHA512(), len(derived), info).derive_into(key, parts)
            self.aead = AESGCM(parts[:32] if _copies_keys() else bytes(parts[:32]))
            self._base_nonce = int.from_bytes(parts[32:44], "big")
            self.commitment = bytes(parts[44:])
        wipe(derived)

    def nonce(self, chunk: int) -> bytes:
        return (self._base_nonce ^ chunk).to_bytes(12, "big")


@cache
def _copies_keys() -> bool:
    """Return whether the library keeps a copy of a key, which it wipes, and not the one given."""
    key, nonce = bytearray(b"k" * 32), bytes(12)
    cipher = AESGCM(key)
    wipe(key)
    return cipher.encrypt(nonce, b"", None) == AESGCM(b"k" * 32).encrypt(nonce, b"", None)


class Writer:
    """Encrypts what is written to it, in order, into an open file.

    Parameters
    ----------
    file : int
        Descriptor, open for writing. It is not closed here.
    key : bytes or bytearray
        32 random bytes; no copy of them is kept.
    context : bytes
        What the message means.
    """

    def __init__(self, file: int, key: bytes | bytearray, context: bytes) -> None:
        salt = secrets.token_bytes(24)
        self._sealer = _Sealer(key, salt, context)
        self._file = file
        self._chunk = 0
        self._waiting = bytearray()
        write_all(file, salt + self._sealer.commitment)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append `data` to the message."""
        self._waiting += data
        if len(self._waiting) >= _BATCH:
            self._seal_whole_chunks()

    def finish(self) -> int:
        """Write what is left and the last, short chunk; return the size of the ciphertext."""
        self._seal_whole_chunks()
        last = self._sealer.aead.encrypt(self._sealer.nonce(self._chunk), self._waiting, None)
        write_all(self._file, last)
        return HEAD + self._chunk * _SEALED + len(last)

    def _seal_whole_chunks(self) -> None:
        count = len(self._waiting) // CHUNK
        sealed = bytearray(count * _SEALED)
        with memoryview(self._waiting) as plain, memoryview(sealed) as out:
            for k in range(count):
                self._sealer.aead.encrypt_into(
                    self._sealer.nonce(self._chunk + k),
                    plain[k * CHUNK : (k + 1) * CHUNK],
                    None,
                    out[k * _SEALED : (k + 1) * _SEALED],
                )
        write_all(self._file, sealed)
        self._chunk += count
        del self._waiting[: count * CHUNK]


class Reader:
    """Decrypts any part of a message in a file; safe to use from several threads.

    Opening checks the commitment and the last chunk, and so the length of the message. Each part
    is authenticated when it is read.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    key, context : bytes
        As for :class:`Writer`.
    start : int, default 0
        Where in the file the message begins; it goes on to the end of the file.
    salvaging : bool, default False
        Take a message that is cut short for what is left of it.

    Raises
    ------
    NotAuthenticError
        If the file is cut short or is not the message that `context` names.
    OSError
        If it cannot be read.
    """

    def __init__(
        self,
        path: Path,
        key: bytes | bytearray,
        context: bytes,
        *,
        start: int = 0,
        salvaging: bool = False,
    ) -> None:
        self._file = path.open("rb", buffering=0)
        self._start = start
        try:
            length = os.fstat(self._file.fileno()).st_size - start - HEAD
            chunks, last = divmod(length, _SEALED)
            if chunks < 0 or (last < TAG and not salvaging):
                raise NotAuthenticError("it is cut short")
            head = self._pread(HEAD, 0)
            self._sealer = _Sealer(key, head[:24], context)
            if not hmac.compare_digest(self._sealer.commitment, head[24:]):
                raise NotAuthenticError("it is not the file that belongs here")
            self.size = chunks * CHUNK + max(0, last - TAG)
            if not salvaging:
                self._chunks(chunks, chunks)
        except BaseException:
            self._file.close()
            raise

    def read(self, offset: int = 0, length: int | None = None) -> memoryview:
        """Return `length` bytes of the message from `offset`, by default all.

        Raises
        ------
        NotAuthenticError, OSError
            As for the class.
        """
        stop = self.size if length is None else offset + length
        if not 0 <= offset <= stop <= self.size:
            raise ValueError(f"bytes {offset} to {stop} of a message of {self.size}")
        first = offset // CHUNK
        plain = self._chunks(first, max(first, (stop - 1) // CHUNK))
        return plain[offset - first * CHUNK : stop - first * CHUNK]

    def _chunks(self, first: int, last: int) -> memoryview:
        """Return the plaintext of chunks `first` to `last`, `last` included."""
        length = min(self.size - first * CHUNK, (last - first + 1) * CHUNK)
        count = last - first + 1
        sealed = memoryview(self._pread(length + count * TAG, HEAD + first * _SEALED))
        plain = memoryview(bytearray(length))
        try:
            for k in range(count):
                self._sealer.aead.decrypt_into(
                    self._sealer.nonce(first + k),
                    sealed[k * _SEALED : (k + 1) * _SEALED],
                    None,
                    plain[k * CHUNK : (k + 1) * CHUNK],
                )
        except InvalidTag:
            raise NotAuthenticError(f"chunk {first + k} was changed") from None
        return plain.toreadonly()

    def _pread(self, length: int, offset: int) -> bytes:
        parts = []
        while length:
            part = os.pread(self._file.fileno(), length, self._start + offset)
            if not part:
                raise NotAuthenticError("it is cut short")
            parts.append(part)
            length -= len(part)
            offset += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Close the file. Closing twice does nothing."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def seal(key: bytes, context: bytes, message: bytes) -> bytes:
    """Return `message`, shorter than one chunk or not, as a ciphertext in memory."""
    salt = secrets.token_bytes(24)
    sealer = _Sealer(key, salt, context)
    parts = [salt, sealer.commitment]
    for chunk in range(len(message) // CHUNK + 1):
        part = message[chunk * CHUNK : (chunk + 1) * CHUNK]
        parts.append(sealer.aead.encrypt(sealer.nonce(chunk), part, None))
    return b"".join(parts)


def unseal(key: bytes, context: bytes, ciphertext: bytes) -> bytes:
    """Return the message that :func:`seal` encrypted.

    Raises
    ------
    NotAuthenticError
        As for :class:`Reader`.
    """
    chunks, last = divmod(len(ciphertext) - HEAD, _SEALED)
    if chunks < 0 or last < TAG:
        raise NotAuthenticError("it is cut short")
    sealer = _Sealer(key, ciphertext[:24], context)
    if not hmac.compare_digest(sealer.commitment, ciphertext[24:HEAD]):
        raise NotAuthenticError("it is not what belongs here")
    try:
        return b"".join(
            sealer.aead.decrypt(
                sealer.nonce(chunk),
                ciphertext[HEAD + chunk * _SEALED : HEAD + (chunk + 1) * _SEALED],
                None,
            )
            for chunk in range(chunks + 1)
        )
    except InvalidTag:
        raise NotAuthenticError("it was changed") from None


def wipe(secret: bytearray) -> None:
    """Overwrite a secret in memory."""
    secret[:] = bytes(len(secret))


def write_all(file: int, data: bytes | bytearray | memoryview) -> None:
    """Write all of `data` to a descriptor, which may take it in parts."""
    with memoryview(data) as rest:
        done = 0
        while done < len(rest):
            done += os.write(file, rest[done:])
