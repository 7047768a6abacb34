"""The disk: what is written stays written, is whole or absent, and is the owner's alone."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from app import waiting
from app.vault._chunked import write_all
from app.vault._errors import VaultError, plain_errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE_S = 30.0  # how long one program waits for another before it says so


def create(path: Path) -> int:
    """Return the descriptor of a new file that only its owner may read.

    What had its name goes. It is never written to: a link might lead anywhere.
    """
    path.unlink(missing_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path, flags, 0o600)


def open_lock(folder: Path) -> int:
    """Return the descriptor of the file that those lock who write to a folder."""
    path, flags = folder / "LOCK", os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o600)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return os.open(path, os.O_RDONLY | flags)  # to look at all at once


def open_regular(path: Path) -> int:
    """Return the descriptor of a file to read: of no link, and nothing that never ends or waits.

    Raises
    ------
    VaultError
        If it is no regular file.
    OSError
        If it cannot be opened.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise VaultError(path, "this is no file") from None
        raise
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise VaultError(path, "this is no file")
    return file


def write_atomically(path: Path, data: bytes) -> None:
    """Make `path` hold `data`: after a crash at any moment it holds the old or the new, whole."""
    temporary = path.with_name(path.name + ".tmp")
    file = create(temporary)
    try:
        write_all(file, data)
        os.fsync(file)
    except BaseException:
        temporary.unlink()
        raise
    finally:
        os.close(file)
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make new and renamed entries of a folder survive a loss of power."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def make_folder(path: Path) -> None:
    """Make a folder, if there is none, and those above it, that survive a loss of power."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(0o700, parents=True, exist_ok=True)
    for folder in missing:
        sync_folder(folder.parent)


def try_lock(file: int, kind: int) -> bool:
    """Take a ``flock`` of `kind` (``fcntl.LOCK_SH`` or ``LOCK_EX``) if it is free now."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def writer_lock(vault: Path) -> Iterator[None]:
    """Be the only program that changes the keyring, and which recordings there are.

    Raises
    ------
    VaultError
        If another program has held the lock for :data:`PATIENCE_S` seconds, in a program whose
        user is not told of the wait (:func:`app.waiting.wait_and_tell`).
    """
    with plain_errors(vault):
        file = open_lock(vault)
    try:
        _wait_for(vault, file)
        try:
            yield
        finally:
            # Explicitly, for a process forked meanwhile shares the descriptor and with it the lock.
            fcntl.flock(file, fcntl.LOCK_UN)
    finally:
        os.close(file)


def _wait_for(vault: Path, file: int) -> None:
    begun, tell = time.monotonic(), waiting.listener()
    told = False
    while not try_lock(file, fcntl.LOCK_EX):
        waited = time.monotonic() - begun
        if tell is None and waited > PATIENCE_S:
            raise VaultError(vault, "another program is writing to it; try again later")
        if tell is not None and not told and waited > waiting.SILENT_S:
            tell()
            told = True
        time.sleep(0.02)
