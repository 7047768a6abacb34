"""A new vault key, and all that hangs on it: keyring and index are written anew under it.

Both are written into a folder ``next-N``, N being the new epoch. Then ``vault.json`` is replaced,
and that one rename is the switch: before it the old key opens the old files and the folder is
what a rotation left that did not happen, after it the files in the folder are the vault's and only
have to be moved. Recordings keep their keys, for these were never known to anybody but the vault.
"""

from __future__ import annotations

import re
import secrets
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from app.vault import _recovery
from app.vault._errors import VaultDamagedError, VaultError, plain_errors
from app.vault._files import sync_folder, writer_lock
from app.vault._header import FILE as HEADER_FILE
from app.vault._header import MOST_FORMER, Header, read_header, sealed_to, write_header
from app.vault._index import FILE as INDEX_FILE
from app.vault._index import index_errors, open_index
from app.vault._keyring import FILE as KEYRING_FILE
from app.vault._keyring import Keyring
from app.vault._keys import KEY_BYTES, Purpose, derive, strongest_kem
from app.vault._snapshot import Snapshot
from app.vault._use import Use

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.vault._vault import Vault

_FOLDER = re.compile(r"next-([1-9][0-9]{0,8})")
_BESIDE_INDEX = tuple(f"{INDEX_FILE}{ending}" for ending in ("-wal", "-shm", "-journal"))
_WRITTEN = (INDEX_FILE, *_BESIDE_INDEX, KEYRING_FILE, f"{KEYRING_FILE}.tmp")


def new_recovery_key() -> str:
    """Return a recovery key to be written down before :meth:`app.vault.Vault.rotate` takes it."""
    return _recovery.to_text(secrets.token_bytes(KEY_BYTES))


def rotate(vault: Vault, recovery_key: str) -> None:
    """Replace the vault key and the recovery key; see :meth:`app.vault.Vault.rotate`."""
    path = vault.path
    try:
        recovery_secret = _recovery.from_text(recovery_key)
    except ValueError as error:
        raise VaultError(path, str(error)) from None
    # No thread of this process writes to the old index after it was copied.
    with vault._use.alone(), writer_lock(path), vault._index._use():
        old = vault._current_header()
        if old.version == 1:
            raise VaultError(
                path,
                "an older version of the program made this vault: open it once with its "
                "passphrase, then try again",
            )
        vault._log.close()  # what waits to be noted goes along
        _clear(path, old.epoch)
        vault_key = secrets.token_bytes(KEY_BYTES)
        header = _header_for(old, vault._vault_key, vault_key, recovery_secret)
        try:
            _write_files(vault, header, vault_key)
            header = _switch(path, header, vault_key)
        except BaseException:
            with suppress(VaultError):
                _clear(path, old.epoch)
            raise
        vault._index.close()
        _move(path, header.epoch)
        vault._attach(header, vault_key)
    vault._log.add("rotate", epoch=header.epoch)


def settle(path: Path) -> None:
    """Finish what a rotation left that was killed, or delete it, before the vault is opened.

    Raises
    ------
    VaultError
        If there is no vault, or a rotation that is to be finished cannot be.
    """
    epoch = read_header(path).epoch
    with plain_errors(path):
        left = dict(_left(path))
    if not left:
        return
    if epoch not in left:
        # Of no use to anybody, and in nobody's way: it may stay while others have the vault open.
        with suppress(VaultError):
            use = Use(path)
            try:
                with use.alone():
                    _clear(path, read_header(path).epoch)
            finally:
                use.close()
        return
    Use.first(path, lambda: _folder(path, epoch).exists(), lambda: _move(path, epoch))


def _header_for(old: Header, old_key: bytes, new_key: bytes, recovery_secret: bytes) -> Header:
    """Return the header of the next epoch: for the same users, with another recovery key.

    The inbox has a new key, and keeps those before it: a recorder that has not been given the new
    address goes on sealing to the old one, and what it seals must not be lost. The log keeps its
    key, for each user's private key is bound to it, and only they can bind theirs anew.
    """
    audit_seed = old.audit_seed(old_key)
    assert audit_seed is not None  # the header was verified
    header = replace(old, epoch=old.epoch + 1)
    kem, former = strongest_kem(), old.inbox_keys(old_key)[:MOST_FORMER]
    header = header.with_keys(new_key, audit_seed, kem, kem.new_private(), former)
    users = tuple(sealed_to(header, user, new_key) for user in old.users)
    return header.with_users(users).with_recovery(new_key, recovery_secret)


def _write_files(vault: Vault, header: Header, vault_key: bytes) -> None:
    path, folder = vault.path, _folder(vault.path, header.epoch)
    with plain_errors(path):
        folder.mkdir(0o700)
    keyring = Keyring(folder, header.vault_id, header.epoch, vault_key)
    keyring.take_over(vault._keyring)
    index, key = folder / INDEX_FILE, derive(vault_key, Purpose.INDEX, header.vault_id)
    snapshot = Snapshot(path, header.vault_id, vault._vault_key)
    try:
        snapshot.copy_to(index, key)
    finally:
        snapshot.close()
    with index_errors(index):
        copy = open_index(index, key, header.vault_id)
        try:
            whole = copy.execute("PRAGMA integrity_check").get == "ok"
        finally:
            copy.close()
    if not whole:
        raise VaultDamagedError(path / INDEX_FILE, "the index of the vault is damaged")
    with plain_errors(path):
        sync_folder(folder)
        sync_folder(path)


def _switch(path: Path, header: Header, vault_key: bytes) -> Header:
    try:
        return write_header(path, header, vault_key)
    except VaultError:
        # Its rename may have been done, and the disk have failed after it.
        there = read_header(path)
        if there.epoch != header.epoch:
            raise
        return there


def _move(path: Path, epoch: int) -> None:
    """Put the files of ``next-N`` in their place, those that are not there yet."""
    folder = _folder(path, epoch)
    with plain_errors(path):
        if (folder / INDEX_FILE).exists():
            for name in _BESIDE_INDEX:  # of the old index: the new one was emptied of its log
                (path / name).unlink(missing_ok=True)
            sync_folder(path)  # a log that came back would be taken for the new one's
            (folder / INDEX_FILE).replace(path / INDEX_FILE)
        if (folder / KEYRING_FILE).exists():
            (folder / KEYRING_FILE).replace(path / KEYRING_FILE)
        sync_folder(path)
        _delete(folder)


def _clear(path: Path, epoch: int) -> None:
    """Delete what rotations left that did not happen."""
    with plain_errors(path):
        for number, folder in _left(path):
            if number != epoch:
                (path / f"{HEADER_FILE}.tmp").unlink(missing_ok=True)
                _delete(folder)


def _delete(folder: Path) -> None:
    """Delete such a folder, if there is nothing in it but what a rotation writes."""
    for name in _WRITTEN:
        (folder / name).unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


def _left(path: Path) -> Iterator[tuple[int, Path]]:
    for folder in path.glob("next-*"):
        match = _FOLDER.fullmatch(folder.name)
        if match and folder.is_dir() and not folder.is_symlink():
            yield int(match[1]), folder


def _folder(path: Path, epoch: int) -> Path:
    return path / f"next-{epoch}"
