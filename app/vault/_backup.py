"""Copying a vault in use into a backup: whole or not at all, and only what is new.

A backup's folder holds ``blobs/`` as a vault does, and one ``state-NNNNNN/`` with everything
else. A new state is written beside the old one and renamed when it is complete; only then does
the old one go, with the blobs that only it had. `docs/vault-format.md`, "Backups".
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app.vault import _manifest
from app.vault._blobs import blob_path
from app.vault._chunked import write_all
from app.vault._errors import VaultDamagedError, VaultError, plain_errors
from app.vault._files import (
    create,
    make_folder,
    open_lock,
    sync_folder,
    try_lock,
    write_atomically,
    writer_lock,
)
from app.vault._header import FILE as HEADER_FILE
from app.vault._index import FILE as INDEX_FILE
from app.vault._keyring import FILE as KEYRING_FILE
from app.vault._manifest import BackupFile, Manifest
from app.vault._snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from app.vault._header import Header
    from app.vault._index import Index

_TRIES = 3  # an erasure can take away what a backup is about to copy
_PART = 4 << 20  # bytes
_OURS = re.compile(r"LOCK|blobs|\.?state-[0-9]{6}(\.new)?")


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was made.

    Parameters
    ----------
    path : pathlib.Path
        Its folder.
    made_at : str
        When the vault was as it is there: ISO 8601, UTC.
    recordings, files : int
        How many it holds.
    copied, copied_bytes : int
        How many files were new, and their size.
    missing : tuple of str
        Ids of the recordings of which the vault itself has lost a file.
    """

    path: Path
    made_at: str
    recordings: int
    files: int
    copied: int
    copied_bytes: int
    missing: tuple[str, ...]


class _ErasedMeanwhile(Exception):  # noqa: N818 (no error: the backup begins again)
    """A file is gone because its recording was erased."""


def back_up(
    vault: Path,
    header: Header,
    vault_key: bytes,
    index: Index,
    to: Path,
    progress: Callable[[int, int], None],
) -> Backup:
    """Bring a backup up to date; see :meth:`app.vault.Vault.back_up`."""
    _refuse_place(vault, to)
    with plain_errors(to):
        make_folder(to)
        make_folder(to / "blobs")
    with _alone(to):
        known = _known(to, header, vault_key)
        for _ in range(_TRIES):
            try:
                return _Work(vault, header, vault_key, index, to, known, progress).do()
            except _ErasedMeanwhile:
                pass
    raise VaultError(vault, "recordings are being erased from it; try again later")


def _refuse_place(vault: Path, to: Path) -> None:
    with plain_errors(to):
        if vault.resolve() in (to.resolve(), *to.resolve().parents):
            raise VaultError(to, "a backup cannot lie in the vault itself; name another folder")
        if to.exists() and not to.is_dir():
            raise VaultError(to, "there is a file of this name; name a folder for the backup")
        if to.exists() and not all(_OURS.fullmatch(path.name) for path in to.iterdir()):
            raise VaultError(
                to, "the folder holds other things than a backup; name a new one for the backup"
            )


@contextmanager
def _alone(to: Path) -> Iterator[None]:
    with plain_errors(to):
        file = open_lock(to)
    try:
        if not try_lock(file, fcntl.LOCK_EX):
            raise VaultError(to, "another program is making this backup now")
        yield
    finally:
        os.close(file)


def _known(to: Path, header: Header, vault_key: bytes) -> dict[str, BackupFile]:
    """Return the blobs that are in the backup and vouched for."""
    known: dict[str, BackupFile] = {}
    for state in _manifest.states(to):
        manifest = _manifest.read_manifest(state)
        if manifest.vault_id != header.vault_id:
            raise VaultError(to, "this is the backup of another vault; name another folder")
        try:
            _manifest.verify(state, manifest, header, vault_key)
        except VaultDamagedError:
            continue  # of an older key, or changed: everything is copied anew
        known |= {file.path: file for file in manifest.files if file.path.startswith("blobs/")}
    return known


class _Work:
    """The making of one state."""

    def __init__(
        self,
        vault: Path,
        header: Header,
        vault_key: bytes,
        index: Index,
        to: Path,
        known: dict[str, BackupFile],
        progress: Callable[[int, int], None],
    ) -> None:
        self._vault = vault
        self._header = header
        self._vault_key = vault_key
        self._index = index
        self._to = to
        self._known = known
        self._progress = progress
        older = _manifest.states(to)
        number = int(older[-1].name.removeprefix("state-")) + 1 if older else 1
        self._place = to / f"state-{number:06}"
        self._state = to / f".state-{number:06}.new"
        self._files: list[BackupFile] = []
        self._copied = 0
        self._copied_bytes = 0
        self._missing: set[str] = set()

    def do(self) -> Backup:
        with plain_errors(self._to):
            self._clear(keep=set())
            self._state.mkdir(0o700)
            # Before the index is looked at: what is taken in from now on is in the one or the
            # other, or in both, which does no harm.
            self._copy_inbox()
            with self._snapshot() as snapshot:
                made_at = datetime.now(UTC).isoformat(timespec="seconds")
                snapshot.copy_to(self._state / INDEX_FILE)
                blobs, recordings = snapshot.blobs(), snapshot.count()
            self._add(self._state / INDEX_FILE, INDEX_FILE)
            for done, blob in enumerate(blobs, 1):
                self._copy_blob(blob.id, blob.recording_id)
                self._progress(done, len(blobs))
            manifest = Manifest(
                format=_manifest.FORMAT,
                version=_manifest.VERSION,
                vault_id=self._header.vault_id,
                made_at=made_at,
                recordings=recordings,
                files=tuple(sorted(self._files, key=lambda file: file.path)),
            ).signed(self._header, self._vault_key)
            write_atomically(self._state / _manifest.FILE, manifest.to_json())
            sync_folder(self._to / "blobs")
            self._state.rename(self._place)
            sync_folder(self._to)
            self._clear(keep={file.path for file in manifest.files})
        return Backup(
            path=self._to,
            made_at=made_at,
            recordings=recordings,
            files=len(self._files),
            copied=self._copied,
            copied_bytes=self._copied_bytes,
            missing=tuple(sorted(self._missing)),
        )

    @contextmanager
    def _snapshot(self) -> Iterator[Snapshot]:
        """Copy header and keyring, and hold on to the index as it is at the same moment."""
        with writer_lock(self._vault):
            snapshot = Snapshot(self._vault, self._header.vault_id, self._vault_key, self._index)
            try:
                self._copy(self._vault / HEADER_FILE, self._state / HEADER_FILE, HEADER_FILE)
                self._copy(self._vault / KEYRING_FILE, self._state / KEYRING_FILE, KEYRING_FILE)
            except BaseException:
                snapshot.close()
                raise
        try:
            yield snapshot
        finally:
            snapshot.close()

    def _copy_inbox(self) -> None:
        for sealed in sorted((self._vault / "inbox").glob("*.sealed")):
            (self._state / "inbox").mkdir(0o700, exist_ok=True)
            name = f"inbox/{sealed.name}"
            try:
                self._copy(sealed, self._state / name, name)
            except FileNotFoundError:
                continue  # it was taken in just now
        if (self._state / "inbox").exists():
            sync_folder(self._state / "inbox")

    def _copy_blob(self, blob_id: str, recording_id: str) -> None:
        source = blob_path(self._vault, blob_id)
        name = str(source.relative_to(self._vault))
        place, known = self._to / name, self._known.get(name)
        if known and place.is_file() and place.stat().st_size == known.size:
            self._files.append(known)
            return
        place.parent.mkdir(0o700, exist_ok=True)
        try:
            self._copy(source, place, name)
        except FileNotFoundError:
            if recording_id not in self._index.recording_ids():
                raise _ErasedMeanwhile from None
            self._missing.add(recording_id)

    def _copy(self, source: Path, place: Path, name: str) -> None:
        temporary = place.with_name(place.name + ".tmp")
        with source.open("rb", buffering=0) as original:
            digest, size = hashlib.sha256(), 0
            file = create(temporary)
            try:
                while part := original.read(_PART):
                    write_all(file, part)
                    digest.update(part)
                    size += len(part)
                os.fsync(file)
            finally:
                os.close(file)
        temporary.replace(place)
        sync_folder(place.parent)
        self._files.append(BackupFile(name, size, digest.hexdigest()))
        self._copied += 1
        self._copied_bytes += size

    def _add(self, path: Path, name: str) -> None:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = path.stat().st_size
        self._files.append(BackupFile(name, size, digest))
        self._copied += 1
        self._copied_bytes += size

    def _clear(self, keep: set[str]) -> None:
        """Delete what a killed backup left; with files to `keep`, all that is older too."""
        for path in sorted(self._to.glob(".state-*.new")):
            shutil.rmtree(path)
        for path in sorted(self._to.glob("blobs/*/*.tmp")):
            path.unlink()
        if not keep:
            return
        for state in _manifest.states(self._to):
            if state != self._place:
                # Renamed first: half a state would pass for a damaged one.
                gone = state.with_name(f".{state.name}.new")
                state.rename(gone)
                sync_folder(self._to)
                shutil.rmtree(gone)
        for path in sorted(self._to.glob("blobs/*/*.c2sp")):
            if str(path.relative_to(self._to)) not in keep:
                path.unlink()
