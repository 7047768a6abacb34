"""The encrypted files of recordings under ``blobs/``: their names, and what each is bound to."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.vault import _chunked
from app.vault._errors import VaultDamagedError, plain_errors
from app.vault._files import create, sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WAVEFORM = "waveform-1"
ENVELOPE = "envelope-1"
REPORT = "report-1"
KINDS = (WAVEFORM, ENVELOPE, REPORT)


@dataclass(frozen=True, slots=True)
class BlobFile:
    """One encrypted file of a recording.

    Parameters
    ----------
    id : str
        32 random hexadecimal digits: its name.
    recording_id : str
        Whose it is.
    kind : str
        What it holds, and in which version of its form: ``waveform-1`` and so on.
    size : int
        Of the file, in bytes.
    """

    id: str
    recording_id: str
    kind: str
    size: int


def new_blob(recording_id: str, kind: str) -> BlobFile:
    """Draw the name of one more file of a recording."""
    return BlobFile(secrets.token_hex(16), recording_id, kind, 0)


def blob_path(vault: Path, blob_id: str) -> Path:
    """Return where a blob lies."""
    return vault / "blobs" / blob_id[:2] / f"{blob_id}.c2sp"


def _context(vault_id: str, recording_id: str, kind: str) -> bytes:
    return f"tracekeep-vault/1|{vault_id}|blob|{recording_id}|{kind}".encode("ascii")


def write_blob(
    vault: Path,
    vault_id: str,
    key: bytes,
    blob: BlobFile,
    fill: Callable[[_chunked.Writer], None],
) -> int:
    """Write a blob, whole or not at all, and make it last; return its size in bytes.

    Parameters
    ----------
    vault, vault_id : pathlib.Path, str
        Where it goes.
    key : bytes
        Of the recording.
    blob : BlobFile
        Its name and meaning; the size is found out here.
    fill : callable
        Writes the content.
    """
    path = blob_path(vault, blob.id)
    temporary = path.with_suffix(".tmp")
    with plain_errors(vault):
        path.parent.mkdir(0o700, exist_ok=True)
        file = create(temporary)
        try:
            writer = _chunked.Writer(file, key, _context(vault_id, blob.recording_id, blob.kind))
            fill(writer)
            size = writer.finish()
            os.fsync(file)
            temporary.replace(path)
            sync_folder(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        finally:
            os.close(file)
    return size


def open_blob(
    vault: Path, vault_id: str, key: bytes, blob: BlobFile, *, salvaging: bool = False
) -> _chunked.Reader:
    """Open a blob that the index names; with `salvaging`, one that is cut short too.

    Raises
    ------
    VaultDamagedError
        If it is missing, cut short, or not the file that belongs there.
    """
    path = blob_path(vault, blob.id)
    with blob_errors(path):
        context = _context(vault_id, blob.recording_id, blob.kind)
        return _chunked.Reader(path, key, context, salvaging=salvaging)


@contextmanager
def blob_errors(path: Path) -> Iterator[None]:
    """Turn what reading a blob may raise into errors of the vault."""
    with plain_errors(path):
        try:
            yield
        except FileNotFoundError:
            raise VaultDamagedError(path, "a file of a recording is missing") from None
        except _chunked.NotAuthenticError as error:
            raise VaultDamagedError(path, f"a file of a recording is damaged: {error}") from None


def blobs_on_disk(vault: Path) -> Iterator[Path]:
    """Yield every file under ``blobs/``."""
    with plain_errors(vault / "blobs"):
        for folder in sorted((vault / "blobs").iterdir()):
            yield from sorted(folder.iterdir()) if folder.is_dir() else [folder]
