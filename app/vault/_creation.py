"""Making a vault: what is written into the new folder, and what a killed creation left."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app.vault import _recovery
from app.vault._errors import VaultError, plain_errors
from app.vault._files import make_folder, sync_folder, try_lock
from app.vault._header import FILE as HEADER_FILE
from app.vault._header import Header, write_header
from app.vault._index import FILE as INDEX_FILE
from app.vault._index import open_index
from app.vault._keyring import FILE as KEYRING_FILE
from app.vault._keyring import Keyring
from app.vault._keys import KEY_BYTES, Purpose, derive
from app.vault._people import check_name, check_passphrase, new_header, new_stanza
from app.vault.roles import Role

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FOLDERS = ("blobs", "inbox", "pending")
_BUILT_FILES = {
    *(f"{INDEX_FILE}{ending}" for ending in ("", "-journal", "-wal", "-shm")),
    *(f"{name}{ending}" for name in (HEADER_FILE, KEYRING_FILE) for ending in ("", ".tmp")),
}


@contextmanager
def errors_about(path: Path, building: Path) -> Iterator[None]:
    """Say what goes wrong with the hidden folder of the one that the user named."""
    try:
        with plain_errors(path):
            yield
    except VaultError as error:
        if building in (error.path, *error.path.parents):
            raise VaultError(path, error.problem) from error
        raise


def make_folders(vault: Path) -> None:
    """Make the folders of a vault, new or copied by a program that leaves empty ones out."""
    for name in _FOLDERS:
        (vault / name).mkdir(0o700, exist_ok=True)


def make(path: Path, passphrase: str, user: str) -> tuple[bytes, str]:
    """Make an empty vault, complete or not at all; return its key and its recovery key.

    Errors as for :meth:`app.vault.Vault.create`.
    """
    with plain_errors(path):
        if path.is_dir() and any(path.iterdir()):
            raise VaultError(path, "the folder is not empty; name a new one for the vault")
        if path.exists() and not path.is_dir():
            raise VaultError(path, "there is a file of this name; name a new folder")
        user = check_name(path, user)
        check_passphrase(path, passphrase, user)
        make_folder(path.parent)
        remove_unfinished(path)
        building = path.with_name(f".{path.name}.new-{secrets.token_hex(4)}")
    with errors_about(path, building):
        building.mkdir(0o700)
        made = building
        lock = os.open(building, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            try_lock(lock, fcntl.LOCK_EX)
            keys = build(building, passphrase, user)
            building.rename(path)
            made = path
            sync_folder(path.parent)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
        finally:
            os.close(lock)
    return keys


def build(folder: Path, passphrase: str, user: str) -> tuple[bytes, str]:
    """Write an empty vault into a folder; return its key and the recovery key."""
    vault_key, recovery_secret = secrets.token_bytes(KEY_BYTES), secrets.token_bytes(KEY_BYTES)
    bare = Header(
        vault_id=secrets.token_hex(16),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        epoch=1,
        revision=0,
        audit=None,
        inbox=None,
        stanzas=(),
    )
    header = new_header(bare, vault_key)
    owner = new_stanza(header, vault_key, user, Role.ADMINISTRATOR, passphrase)
    header = header.with_user(owner).with_recovery(vault_key, recovery_secret)
    make_folders(folder)
    Keyring(folder, header.vault_id, header.epoch, vault_key).make()
    index_key = derive(vault_key, Purpose.INDEX, header.vault_id)
    index = folder / INDEX_FILE
    open_index(index, index_key, header.vault_id, create_new=True).close()
    write_header(folder, header, vault_key)
    return vault_key, _recovery.to_text(recovery_secret)


def remove_unfinished(path: Path) -> None:
    """Delete what a creation left that was killed; one that is under way holds a lock."""
    name = re.compile(re.escape(f".{path.name}.new-") + "[0-9a-f]{8}")
    for left in list(path.parent.iterdir()):
        if not name.fullmatch(left.name) or not _is_unfinished(left):
            continue
        folder = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if try_lock(folder, fcntl.LOCK_EX):
                shutil.rmtree(left)
        finally:
            os.close(folder)


def _is_unfinished(folder: Path) -> bool:
    """Return whether a folder holds nothing but what :func:`build` makes: it may be a user's."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    for entry in folder.iterdir():
        if entry.is_symlink():
            return False
        if entry.is_dir():
            if entry.name not in _FOLDERS or any(entry.iterdir()):
                return False
        elif entry.name not in _BUILT_FILES:
            return False
    return True
