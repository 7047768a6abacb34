"""Making a vault out of a backup again, and trying whether that would work.

Nothing is believed before the manifest is verified, and nothing is called restored before what
was written has been read back and compared.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from app.vault import _manifest
from app.vault._chunked import write_all
from app.vault._creation import make_folders
from app.vault._errors import VaultDamagedError, VaultError, plain_errors
from app.vault._files import create, make_folder, open_regular, sync_folder
from app.vault._index import FILE as INDEX_FILE
from app.vault.roles import Action

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from app.vault._manifest import BackupFile, Manifest
    from app.vault._vault import Vault

    Unlock = Callable[[Path], Vault]
    Progress = Callable[[int, int], None]

_PART = 4 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Restored:
    """A vault that was made out of a backup.

    Parameters
    ----------
    path : pathlib.Path
        The vault.
    made_at : str
        When the vault was as it is here: ISO 8601, UTC.
    recordings, files, size_bytes : int
        How much there is.
    """

    path: Path
    made_at: str
    recordings: int
    files: int
    size_bytes: int

    @property
    def age_days(self) -> float:
        """How old the backup is, in days."""
        made = datetime.fromisoformat(self.made_at)
        return (datetime.now(UTC) - made).total_seconds() / 86_400


def restore(backup: Path, to: Path, unlock: Unlock, progress: Progress | None = None) -> Restored:
    """Make a vault out of a backup; it appears at `to` complete and verified, or not at all.

    Parameters
    ----------
    backup : pathlib.Path
        Its folder, or a plain copy of a vault's folder.
    to : pathlib.Path
        A folder that does not exist yet.
    unlock : callable
        Opens the vault that is given to it, as :meth:`app.vault.Vault.open` does.
    progress : callable, optional
        Told how many files are done, and of how many; each is counted once written and once
        compared.

    Raises
    ------
    VaultDamagedError
        If a file of the backup is missing or is not what was backed up; it is named.
    VaultError
        If something is at `to`, there is no backup, or the disk has no room.
    """
    backup, to = Path(backup), Path(to)
    with plain_errors(to):
        if to.exists() or to.is_symlink():
            raise VaultError(to, "there is something of this name; name a new folder")
        make_folder(to.parent)
    building = to.with_name(f".{to.name}.restore-{secrets.token_hex(4)}")
    with _about(building, to), _made(building):
        restored = _restore(backup, building, unlock, progress or (lambda _done, _total: None))
        building.rename(to)
        sync_folder(to.parent)
    return Restored(to, *restored)


def drill(backup: Path, unlock: Unlock, progress: Progress | None = None) -> Restored:
    """Restore a backup into a temporary folder, read all of it, and delete that again.

    Parameters
    ----------
    backup, unlock, progress
        As for :func:`restore`.

    Raises
    ------
    VaultDamagedError
        If the backup could not be restored whole, or a recording of it cannot be read.
    VaultError
        As for :func:`restore`.
    """
    place = Path(tempfile.mkdtemp(prefix="tracekeep-drill-"))
    try:
        with _about(place, Path(backup)):
            restored = restore(backup, place / "drill.vault", unlock, progress)
            with unlock(restored.path) as vault:
                damages = vault.check(1.0).damages
        if damages:
            raise VaultDamagedError(
                backup,
                f"the vault that it holds was damaged when it was backed up ({len(damages)} "
                f"faults, the first: {damages[0].what}: {damages[0].problem})",
            )
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return restored


@contextmanager
def _about(folder: Path, named: Path) -> Iterator[None]:
    """Say what goes wrong with a folder that the user does not know of the one that was named."""
    try:
        with plain_errors(named):
            yield
    except VaultError as error:
        if folder in (error.path, *error.path.parents):
            raise type(error)(named, error.problem) from error
        raise


@contextmanager
def _made(building: Path) -> Iterator[None]:
    building.mkdir(0o700)
    try:
        yield
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def _restore(
    backup: Path, building: Path, unlock: Unlock, progress: Progress
) -> tuple[str, int, int, int]:
    state = _state_of(backup)
    manifest = _manifest.read_manifest(state)
    _refuse_full(building, manifest)
    total = 2 * len(manifest.files)
    small = [file for file in manifest.files if not file.path.startswith("blobs/")]
    blobs = [file for file in manifest.files if file.path.startswith("blobs/")]
    make_folders(building)
    for done, file in enumerate(small, 1):
        _copy(state / file.path, building / file.path, file)
        progress(done, total)
    _compare(building, small)  # for the index changes once it is opened
    with unlock(building) as vault:
        vault.require(Action.BACKUP)
        _manifest.verify(state, manifest, vault._header, vault._vault_key)
        for done, file in enumerate(blobs, len(small) + 1):
            _copy(backup / file.path, building / file.path, file)
            progress(done, total)
        for folder in ("blobs", "."):
            sync_folder(building / folder)
        for done, file in enumerate(blobs, len(manifest.files) + 1):
            _compare(building, [file])
            progress(done, total)
        recordings = len(vault._index.recording_ids())
        if recordings < manifest.recordings:
            raise VaultDamagedError(
                building / INDEX_FILE,
                f"{manifest.recordings} recordings were backed up, and {recordings} are there",
            )
        vault._log.add("restore", made_at=manifest.made_at)
    size = sum(file.size for file in manifest.files)
    return manifest.made_at, recordings, len(manifest.files), size


def _state_of(backup: Path) -> Path:
    with plain_errors(backup):
        if not backup.is_dir():
            raise VaultError(backup, "there is no backup here")
    found = _manifest.states(backup)
    if found:
        return found[-1]
    if (backup / INDEX_FILE).exists():
        raise VaultError(
            backup, "this is a vault or a plain copy of one: open it as it is, or copy its folder"
        )
    raise VaultError(backup, "this folder holds no complete backup")


def _refuse_full(building: Path, manifest: Manifest) -> None:
    needed = sum(file.size for file in manifest.files)
    free = shutil.disk_usage(building).free
    if free < needed:
        raise VaultError(
            building,
            f"there is no room for the backup: it needs {needed / 1e6:,.0f} MB, and "
            f"{free / 1e6:,.0f} MB are free",
        )


def _copy(source: Path, place: Path, file: BackupFile) -> None:
    """Copy a file; it must be what the manifest says, to the byte."""
    place.parent.mkdir(0o700, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    copy = create(place)
    try:
        for part in _parts(source, file.size):
            write_all(copy, part)
            digest.update(part)
            size += len(part)
        os.fsync(copy)
        # So that what is compared later comes from the disk and not from memory.
        os.posix_fadvise(copy, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(copy)
    sync_folder(place.parent)
    _refuse_other(source, file, size, digest.hexdigest())


def _compare(building: Path, files: Iterable[BackupFile]) -> None:
    for file in files:
        digest, size = hashlib.sha256(), 0
        for part in _parts(building / file.path, file.size):
            digest.update(part)
            size += len(part)
        _refuse_other(building / file.path, file, size, digest.hexdigest())


def _parts(path: Path, size: int) -> Iterator[bytes]:
    """Yield a file of this many bytes in parts; of a longer one at most one byte more."""
    with plain_errors(path):
        try:
            with open(open_regular(path), "rb", buffering=0) as file:  # noqa: PTH123 (a descriptor)
                left = size + 1
                while part := file.read(min(_PART, left)):
                    yield part
                    left -= len(part)
        except FileNotFoundError:
            raise VaultDamagedError(path, "a file of the backup is missing") from None


def _refuse_other(path: Path, file: BackupFile, size: int, sha256: str) -> None:
    if (size, sha256) != (file.size, file.sha256):
        raise VaultDamagedError(path, "a file of the backup is damaged or was changed")
